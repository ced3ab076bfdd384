//! Each thing that can go wrong with an HPA is provoked on the real control plane; the page and `explain` name the first
//! true cause.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Adapter, ControlPlane, Described, Hpa, Namespace, SOON, Target, eventually};

/// The Deployment of the same namespace.
const WEB: Described<'static> = Described { api_version: "apps/v1", kind: "Deployment", name: "web" };

/// An HPA of Deployment `web`, and who is asked about it.
struct Asked<'a> {
    adapter: &'a Adapter,
    plane: &'a ControlPlane,
    namespace: &'a str,
}

impl Asked<'_> {
    /// Waits until the adapter's page names `cause`, and has `explain` name it too: by the page, and by what
    /// kube-apiserver alone tells where `alone` says so.
    fn names(&self, cause: &str, alone: bool) {
        eventually(&format!("the page names {cause}"), SOON, || {
            let page = self.page();
            if page["cause"] == cause { Ok(()) } else { Err(format!("{page:#}")) }
        });
        let (code, report) = self.explain(true);
        assert_eq!((code, &report["cause"]), (1, &json!(cause)), "{report:#}");
        assert!(report["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{report:#}");
        if alone {
            let (code, report) = self.explain(false);
            assert_eq!((code, &report["cause"]), (1, &json!(cause)), "{report:#}");
        }
    }

    fn page(&self) -> Value {
        let answer = self.adapter.admin(&format!("/hpas/{}/web?format=json", self.namespace));
        if answer.status == 200 { answer.json() } else { json!({ "status": answer.status }) }
    }

    /// The exit code and the report of `explain`, by the adapter's page or by kube-apiserver alone.
    fn explain(&self, by_the_page: bool) -> (i32, Value) {
        let mut command = self.command();
        if by_the_page {
            command.args(["--adapter", &format!("http://{}", self.adapter.address("ADMIN"))]);
        }
        let output = command.args(["--output", "json"]).output().expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = serde_json::from_str(&text);
        let report = report
            .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().expect("it ends by itself"), report)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
        command.args(["explain", "hpa/web", "--namespace", self.namespace, "--kubeconfig"]);
        command.arg(self.plane.directory().join("admin.kubeconfig"));
        command
    }
}

fn shared(name: &'static str) -> (Namespace<'static>, Asked<'static>) {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace(name);
    (namespace, Asked { adapter, plane, namespace: name })
}

fn scraped(port: &str) -> Value {
    json!({ "prometheus.io/scrape": "true", "prometheus.io/port": port })
}

#[test]
fn an_hpa_that_works_is_called_healthy_and_its_values_are_a_table() {
    let (namespace, asked) = shared("explains-a-healthy-one");
    namespace.deployment("web", 2);
    asked.adapter.write(&format!("/namespaces/{}/deployments/web/depth", namespace.name), "20");
    let _hpa = Hpa::of("web", &namespace).between(1, 5).on_object(&WEB, "depth", "10");
    eventually("the HPA is at its target", SOON, || {
        let page = asked.page();
        if page["state"] == "at-target" { Ok(()) } else { Err(format!("{page:#}")) }
    });
    for by_the_page in [true, false] {
        let (code, report) = asked.explain(by_the_page);
        assert_eq!((code, &report["state"]), (0, &json!("at-target")), "{report:#}");
    }
    let text = asked.command().output().expect("the command runs").stdout;
    let text = String::from_utf8(text).expect("it is text");
    assert!(
        text.starts_with("HPA explains-a-healthy-one/web: at target\n") && !text.contains('\u{1b}'),
        "{text}"
    );

    let mut get = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"));
    get.args(["get", "deployments.apps/web", "--namespace", &namespace.name, "--kubeconfig"]);
    get.arg(asked.plane.directory().join("admin.kubeconfig"));
    let table = String::from_utf8(get.output().expect("the command runs").stdout).expect("it is text");
    let row = table.lines().nth(1).unwrap_or_default().to_owned();
    assert!(row.starts_with("Deployment/web  depth   20"), "{table}");
}

#[test]
fn a_metric_that_is_misspelt_is_named() {
    let (namespace, asked) = shared("explains-a-misspelt-one");
    namespace.deployment("web", 1);
    asked.adapter.write(&format!("/namespaces/{}/deployments/web/queue_depth", namespace.name), "20");
    let _hpa = Hpa::of("web", &namespace).on_object(&WEB, "queue_depht", "10");
    asked.names("metric-misspelt", true);
}

#[test]
fn a_selector_without_pods_is_named() {
    let (namespace, asked) = shared("explains-no-pods");
    namespace.apply(json!({ "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
        "spec": { "hard": { "pods": "0" } } }));
    namespace.apply(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } }, "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "main", "image": "example.invalid/main" }] } } } }));
    let _hpa = Hpa::of("web", &namespace).on_pods("load", "10");
    asked.names("no-pods", true);
}

#[test]
fn a_target_that_is_down_is_named() {
    let (namespace, asked) = shared("explains-a-target-that-is-down");
    namespace.annotated_deployment("web", 2, &scraped("1"));
    let _hpa = Hpa::of("web", &namespace).on_pods("queue_depth", "10");
    asked.names("target-down", false);
}

#[test]
fn an_annotation_that_is_refused_is_named() {
    let (namespace, asked) = shared("explains-a-refused-annotation");
    namespace.annotated_deployment("web", 2, &scraped("metrix"));
    let _hpa = Hpa::of("web", &namespace).on_pods("queue_depth", "10");
    asked.names("target-refused", false);
}

#[test]
fn a_value_that_has_expired_is_named() {
    let (namespace, asked) = shared("explains-an-expired-value");
    namespace.deployment("web", 1);
    let path = format!("/namespaces/{}/deployments/web/depth", namespace.name);
    asked.adapter.write(&path, r#"{"value": "3", "ttl": "1s"}"#);
    let _hpa = Hpa::of("web", &namespace).on_object(&WEB, "depth", "10");
    asked.names("value-expired", true);
}

#[test]
fn a_rate_before_its_second_scrape_is_named() {
    let (namespace, asked) = shared("explains-a-first-scrape");
    let target = Target::start();
    let mut annotations = scraped(&target.port.to_string());
    annotations["prometheus.io/interval"] = json!("5m");
    namespace.annotated_deployment("web", 1, &annotations);
    let _hpa = Hpa::of("web", &namespace).on_pods("orders_per_second", "10");
    asked.names("too-early", true);
}

#[test]
fn an_hpa_at_its_maximum_and_odd_values_are_named() {
    let (namespace, asked) = shared("explains-limits");
    namespace.deployment("web", 1);
    let path = format!("/namespaces/{}/deployments/web/depth", namespace.name);
    asked.adapter.write(&path, "300");
    let _hpa = Hpa::of("web", &namespace).between(1, 2).on_object(&WEB, "depth", "10");
    asked.names("at-max", true);
    asked.adapter.write(&path, "-5");
    asked.names("value-negative", true);
    asked.adapter.write(&path, "9000000000");
    asked.names("value-huge", true);
}

#[test]
fn what_is_wrong_between_the_hpa_controller_and_the_adapter_is_named() {
    let plane = &ControlPlane::start("hpas");
    let adapter = Adapter::start(plane, "first", &[]);
    plane.adapter_script(&["register", "first"]);
    let namespace = Namespace::create(plane, "explains-the-way");
    let asked = Asked { adapter: &adapter, plane, namespace: "explains-the-way" };
    namespace.deployment("web", 1);
    adapter.write("/namespaces/explains-the-way/deployments/web/depth", "10");
    let _hpa = Hpa::of("web", &namespace).on_object(&WEB, "depth", "10");
    eventually("the HPA is at its target", SOON, || {
        let page = asked.page();
        if page["cause"].is_null() && page["state"].is_string() { Ok(()) } else { Err(format!("{page:#}")) }
    });

    let roles = [
        "system:controller:horizontal-pod-autoscaler",
        "custom-metrics-adapter:custom-metrics-reader:horizontal-pod-autoscaler",
    ];
    let saved: Vec<Value> = roles.iter().map(|role| binding(plane, role)).collect();
    roles.iter().for_each(|role| drop(plane.kubectl(&format!("delete clusterrolebinding {role}"))));
    asked.names("access-denied", true);
    saved.iter().for_each(|binding| plane.apply(binding));

    let services = ["v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"];
    for service in services {
        let elsewhere = r#"{"spec":{"service":{"namespace":"monitoring","name":"other"}}}"#;
        plane.kubectl(&format!("patch apiservice {service} --type merge --patch {elsewhere}"));
    }
    asked.names("api-foreign", false);
    for service in services {
        plane.kubectl(&format!("delete apiservice {service}"));
    }
    asked.names("api-missing", true);
}

fn binding(plane: &ControlPlane, name: &str) -> Value {
    let text = plane.kubectl(&format!("get clusterrolebinding {name} --output json"));
    let mut binding: Value = serde_json::from_str(&text).expect("kubectl writes JSON");
    let metadata = json!({ "name": name });
    binding["metadata"] = metadata;
    binding
}
