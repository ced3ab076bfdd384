//! What goes wrong around the adapter: it says so, once, and it harms nothing else.

use std::time::Duration;

use serde_json::json;

use crate::harness::{API, Adapter, Caller, ControlPlane, Namespace, SOON, Subject, eventually};

/// A watch notices that its right is gone when it ends, after a minute at most.
const A_WATCH: Duration = Duration::from_secs(100);

#[test]
fn each_right_that_is_taken_away_is_named_in_the_log_and_missed_no_longer_when_it_is_back() {
    let plane = ControlPlane::start("rights");
    let adapter = Adapter::start(&plane, "shared", &[]);
    let namespace = Namespace::create(&plane, "rights");
    namespace.pod("web", "web");
    adapter.write(&namespace.pod_metric("web", "load"), "7");
    let rights = |verb: &str| plane.adapter_script(&[verb]);

    plane.kubectl("delete clusterrolebinding custom-metrics-adapter:described-objects");
    logged(&adapter, &["WARN", "watch fails", "resource=pods", "class=\"forbidden\"", "list and watch"]);
    assert_eq!(adapter.admin("/readyz").status, 200, "for a minute it counts as an outage");
    let list = format!("{API}{}", namespace.pod_metric("*", "load"));
    assert_eq!(adapter.read(&list, &Caller::AGGREGATOR).values(), [("web".to_owned(), "7".to_owned())]);
    logged(&adapter, &["WARN", "not ready", "pods-synced", "is forbidden"]);
    let readyz = adapter.admin("/readyz?verbose");
    assert!(
        readyz.status == 500 && readyz.body.contains("[-]pods-synced failed: pods is forbidden"),
        "{readyz:?}"
    );
    let watches = adapter.admin("/?format=json").json();
    assert_eq!(watches["watches"][0]["resource"], "pods", "{watches}");
    assert_eq!(watches["watches"][0]["state"], "refused", "{watches}");
    rights("install");
    logged(&adapter, &["INFO", "watch works again", "resource=pods"]);
    eventually("it is ready", SOON, || ok(adapter.admin("/readyz").status == 200, "not ready"));

    plane.kubectl("delete clusterrolebinding custom-metrics-adapter:auth-delegator");
    let reader = token_of_a_reader(&namespace, "reader");
    let path = format!("{API}{}", namespace.pod_metric("web", "load"));
    let answer = eventually("the review is refused", SOON, || {
        let answer = adapter.read(&path, &Caller::Token(&reader));
        if answer.status == 200 { Err(answer.body) } else { Ok(answer) }
    });
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.body.contains("the bearer token could not be reviewed: "), "{answer:?}");
    logged(&adapter, &["WARN", "reviews fail", "review=\"TokenReview\"", "system:auth-delegator"]);
    rights("install");
    eventually("the reader is let in", SOON, || {
        let answer = adapter.read(&path, &Caller::Token(&reader));
        ok(answer.status == 200, &answer.body)
    });
    logged(&adapter, &["INFO", "reviews work again", "review=\"TokenReview\""]);

    plane.kubectl("--namespace kube-system delete rolebinding custom-metrics-adapter:authentication-reader");
    let config_map = "ConfigMap kube-system/extension-apiserver-authentication";
    logged(
        &adapter,
        &["WARN", config_map, "cannot be watched", "class=\"forbidden\"", "authentication-reader"],
    );
    assert!(adapter.admin("/metrics").body.contains("\ncustom_metrics_adapter_auth_trust_failing 1\n"));
    rights("install");
    logged(&adapter, &["INFO", config_map, "can be watched again"]);

    // All of this took longer than the 75 s after which the client takes a silent stream for dead.
    let metrics = adapter.admin("/metrics").body;
    for gauge in ["auth_trust_failing", "cluster_discovery_failing", "cluster_watches{state=\"failing\"}"] {
        assert!(metrics.contains(&format!("\ncustom_metrics_adapter_{gauge} 0\n")), "{gauge}");
    }
    for words in [["WARN", "watch fails", "resource=pods"], ["WARN", "ConfigMap", "cannot be watched"]] {
        assert_eq!(adapter.log_lines(&words).len(), 1, "{words:?}");
    }
}

#[test]
fn a_write_for_a_resource_that_the_adapter_may_not_watch_starts_no_alert_and_no_endless_questions() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("writes-for-secrets");
    let secret = |name: &str| format!("/namespaces/{}/secrets/{name}/load", namespace.name);
    adapter.write(&secret("x"), "5");
    let refused =
        |metrics: &str| metrics.contains("\ncustom_metrics_adapter_cluster_watches{state=\"refused\"} 1\n");
    eventually("it is refused", SOON, || ok(refused(&adapter.admin("/metrics").body), "not refused"));
    let state = adapter.admin("/?format=json").json();
    let watches = state["watches"].as_array().expect("watches");
    assert!(
        watches.iter().all(|watch| watch["state"] != "failing" || watch["resource"] != "secrets"),
        "{state}"
    );
    let list = adapter.read(&format!("{API}{}", secret("*")), &Caller::AGGREGATOR);
    assert_eq!(list.status, 403, "{list:?}");
    assert!(list.body.contains("do not grant it") && !list.body.contains("grant the adapter"), "{list:?}");
    let read = adapter.read(&format!("{API}{}", secret("x")), &Caller::AGGREGATOR);
    assert_eq!(read.values(), [("x".to_owned(), "5".to_owned())]);
}

#[test]
fn a_crd_that_is_gone_takes_its_values_with_it_although_the_adapter_may_not_watch_it() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("loses-a-crd");
    plane.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "gizmos.e2e.example.com" },
        "spec": {
            "group": "e2e.example.com",
            "scope": "Namespaced",
            "names": { "plural": "gizmos", "singular": "gizmo", "kind": "Gizmo" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    }));
    plane.kubectl("wait --for=condition=Established crd/gizmos.e2e.example.com --timeout=60s");
    let path = format!("/namespaces/{}/gizmos.e2e.example.com/g1/depth", namespace.name);
    eventually("a write is accepted", SOON, || {
        let answer = adapter.post(&path, "1");
        ok(answer.status == 200, &answer.body)
    });
    let listed = || adapter.read(API, &Caller::AGGREGATOR).body.contains("gizmos.e2e.example.com/depth");
    assert!(listed());

    plane.kubectl("delete crd gizmos.e2e.example.com --wait --timeout=60s");
    eventually("the metric is not listed", 2 * SOON, || ok(!listed(), "listed"));
    assert_eq!(adapter.read(&format!("{API}{path}"), &Caller::AGGREGATOR).status, 404);
    eventually("the value is not stored", SOON, || {
        let found = adapter.admin("/series?object=gizmos&format=json").json();
        ok(found["total"] == 0, &found.to_string())
    });
    eventually("it is not watched", SOON, || {
        let state = adapter.admin("/?format=json").body;
        ok(!state.contains("gizmos"), &state)
    });
}

/// Waits for a line with all of these words; there is one.
fn logged(adapter: &Adapter, words: &[&str]) {
    eventually(&format!("the log has {words:?}"), A_WATCH, || {
        let lines = adapter.log_lines(words);
        ok(lines.len() == 1, &format!("{lines:?}"))
    });
}

fn token_of_a_reader(namespace: &Namespace<'_>, account: &str) -> String {
    namespace.allow_reading("load", &Subject::ServiceAccount(account));
    namespace.token_of_new_account(account)
}

fn ok(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}
