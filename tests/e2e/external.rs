//! External metrics: an HPA that scales on a number about nothing in the cluster, and whose number it is.

use serde_json::json;

use crate::harness::{Adapter, ControlPlane, Hpa, Namespace, SOON, eventually};

const API: &str = "/apis/external.metrics.k8s.io/v1beta1";

#[test]
fn an_hpa_of_type_external_shares_the_sum_of_the_selected_label_sets_among_replicas() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("shares-external"));
    namespace.deployment("web", 1);
    let write = |labels: &str, value: &str| {
        adapter.write(&format!("{}?labels={labels}", external(&namespace, "waiting")), value);
    };
    write("queue=mail,zone=a", "200");
    write("queue=mail,zone=b", r#""100""#);
    write("queue=video,zone=a", "1000");
    let _hpa = Hpa::of("web", &namespace).on_external_average("waiting", &json!({"queue": "mail"}), "100");

    namespace.eventually_runs("web", 3);
    write("queue=mail,zone=a", "5");
    write("queue=mail,zone=b", "5");
    namespace.eventually_runs("web", 1);
}

#[test]
fn an_hpa_of_type_external_scales_until_the_value_is_what_it_should_be() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("follows-external"));
    namespace.deployment("web", 1);
    adapter.write(&external(&namespace, "seconds_behind"), "20");
    let _hpa = Hpa::of("web", &namespace).between(1, 4).on_external_value("seconds_behind", "10");

    namespace.eventually_runs("web", 4);
    adapter.write(&external(&namespace, "seconds_behind"), "0");
    namespace.eventually_runs("web", 1);
}

#[test]
fn describe_hpa_says_what_is_wrong_with_an_external_metric() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("misses-external"));
    namespace.deployment("web", 1);
    adapter.write(&external(&namespace, "orders_open"), "20");
    let hpa = Hpa::of("web", &namespace).on_external_value("orders_opn", "10");

    let description = hpa.eventually_says("FailedGetExternalMetric");
    let path = external(&namespace, "orders_opn");
    let wanted = format!(
        "the server could not find the external metric orders_opn in namespace {}: the nearest name that this \
         namespace has is orders_open",
        namespace.name
    );
    assert!(description.contains(&wanted), "{description}");
    adapter.write(&path, "10");
    hpa.eventually_says("ValidMetricFound");
}

#[test]
fn an_external_metric_is_read_by_whom_its_namespace_allows_and_no_further() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let [open, closed] = ["opens-external", "closes-external"].map(|name| plane.namespace(name));
    for namespace in [&open, &closed] {
        adapter.write(&external(namespace, "secret"), "42");
    }
    let get = |namespace: &Namespace<'_>| {
        plane.try_kubectl(&format!("get --raw {API}/namespaces/{}/secret --as carol", namespace.name))
    };
    let refusal = get(&open).expect_err("carol has no rights");
    let expected = r#"secret.external.metrics.k8s.io is forbidden: User "carol" cannot list resource "secret" in API group "external.metrics.k8s.io" in the namespace "opens-external""#;
    assert!(refusal.contains(expected), "{refusal}");

    open.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": "carol" },
        "rules": [{ "apiGroups": ["external.metrics.k8s.io"], "resources": ["secret"], "verbs": ["list"] }],
    }));
    open.kubectl("create rolebinding carol --role=carol --user=carol");
    let body = eventually("the decision's cache time passes", SOON, || get(&open));
    assert!(body.contains(r#""metricLabels":{}"#) && body.contains(r#""value":"42""#), "{body}");
    get(&closed).expect_err("carol has no rights in another namespace");
}

#[test]
fn the_external_metrics_of_a_deleted_namespace_are_gone_and_its_successor_starts_clean() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("ends-external");
    adapter.write(&external(&namespace, "last_words"), "1");
    let read = || plane.try_kubectl(&format!("get --raw {API}/namespaces/ends-external/last_words"));
    assert!(read().is_ok(), "{:?}", read());

    plane.kubectl("delete namespace ends-external --wait --timeout=60s");
    eventually("the value is gone", SOON, || {
        let found = adapter.admin("/series?object=ends-external&format=json").json();
        if found["total"] == 0 { Ok(()) } else { Err(found.to_string()) }
    });
    let namespace = plane.namespace("ends-external");
    let missing = read().expect_err("the successor has no metric");
    assert!(missing.contains("NotFound"), "{missing}");
    eventually("a value of the successor is read", SOON, || {
        adapter.write(&external(&namespace, "last_words"), "2");
        read()
    });
}

#[test]
fn discovery_of_the_cluster_lists_external_metrics() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("discovers-external");
    in_discovery_of_the_cluster(adapter, &namespace, "discovered_orders");
    let listed = plane_discovery();
    let line = listed.lines().find(|line| line.starts_with("discovered_orders"));
    assert!(line.is_some_and(|line| line.contains("ExternalMetricValueList")), "{listed}");
}

/// kube-apiserver hands every name that this API lists to each kubectl, which then no longer expands the short name `po`.
#[test]
fn external_metrics_with_the_names_of_resources_leave_kubectl_alone() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("borrows-names");
    namespace.deployment("mailer", 1);
    let taken = ["po", "pods", "pod", "deploy", "svc", "jm"];
    for metric in taken {
        adapter.write(&external(&namespace, metric), "1");
    }
    install_jams(plane);
    in_discovery_of_the_cluster(adapter, &namespace, "borrowed_names");

    let commands = [
        "get po",
        "get deploy",
        "get svc",
        "scale deploy mailer --replicas=2",
        "delete po --all --dry-run=server",
        "explain po",
        "get jm",
    ];
    for command in commands {
        let command = format!("--namespace {} {command}", namespace.name);
        plane.try_fresh_kubectl(&command).unwrap_or_else(|error| panic!("kubectl {command}: {error}"));
    }
    namespace.eventually_runs("mailer", 2);
    for metric in taken {
        let read = format!("get --raw {API}/namespaces/{}/{metric}", namespace.name);
        assert!(plane.kubectl(&read).contains(r#""value":"1""#), "{metric}");
    }
}

/// A CRD whose short name is that of an external metric that is listed already.
fn install_jams(plane: &ControlPlane) {
    in_discovery_of_the_cluster(Adapter::shared(), &Namespace::default_of(plane), "jm");
    plane.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "jams.e2e.example.com" },
        "spec": {
            "group": "e2e.example.com",
            "scope": "Namespaced",
            "names": { "plural": "jams", "singular": "jam", "kind": "Jam", "shortNames": ["jm"] },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    }));
    plane.kubectl("wait --for=condition=Established crd/jams.e2e.example.com --timeout=60s");
    eventually("the adapter no longer lists the name", SOON, || {
        let listed = plane.kubectl(&format!("get --raw {API}"));
        if listed.contains(r#""name":"jm""#) { Err(listed) } else { Ok(()) }
    });
}

/// Writes an external metric and waits until kube-apiserver, which asks an aggregated API once a minute, lists it:
/// what was written before is listed then too.
fn in_discovery_of_the_cluster(adapter: &Adapter, namespace: &Namespace<'_>, metric: &str) {
    adapter.write(&external(namespace, metric), "1");
    eventually("the cluster's discovery has the metric", 2 * SOON, || {
        let listed = plane_discovery();
        if listed.lines().any(|line| line.split_whitespace().next() == Some(metric)) {
            Ok(())
        } else {
            Err(listed)
        }
    });
}

fn plane_discovery() -> String {
    ControlPlane::shared().kubectl("api-resources --cached=false --api-group=external.metrics.k8s.io")
}

fn external(namespace: &Namespace<'_>, metric: &str) -> String {
    format!("/namespaces/{}/external/{metric}", namespace.name)
}
