//! A real Prometheus beside an adapter under load and faults: every panel, rule and variable has something to show.

#[path = "../monitoring/expressions.rs"]
mod expressions;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    API, Adapter, Answer, Caller, ControlPlane, Hpa, Namespace, Prometheus, SOON, Subject, Target,
    eventually, eventually_equals,
};
use expressions::{Expression, dashboards, of_everything, rules};

/// What has nothing to say of an adapter that is well, by place and why.
const RIGHTLY_EMPTY: &[(&str, &str)] = &[
    ("rules.yaml: CustomMetricsAdapterAbsent", "the adapter is there"),
    ("rules.yaml: CustomMetricsAdapterApiServiceUnavailable", "kube-apiserver probes it"),
];

/// Scrapes each second, and verdicts that are asked for anew all the time.
const FLAGS: &[&str] = &[
    "--scrape-allow-loopback",
    "--scrape-interval=1s",
    "--scrape-timeout=1s",
    "--authentication-token-webhook-cache-ttl=1s",
    "--authorization-webhook-cache-authorized-ttl=1s",
];

#[test]
fn every_panel_and_rule_has_something_to_show_of_an_adapter_under_load_and_faults() {
    let plane = ControlPlane::start("monitoring");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let journal = format!("--journal=file:{}", directory.path().display());
    let adapter = Adapter::start(&plane, "monitored", &[FLAGS, &[&journal]].concat());
    plane.adapter_script(&["register", "monitored"]);
    let prometheus = Prometheus::beside("monitored", &plane);
    let (target, namespace) = (Target::start(), Namespace::create(&plane, "busy"));
    let load = Load::begin(&adapter, &target, &namespace);
    load.round();
    let _hpa = Hpa::of("web", &namespace).between(2, 2).on_pods("load", "20");
    load.through_an_outage(&plane, &prometheus);

    let mut silent = expected_to_speak();
    assert!(silent.len() > 100, "{} expressions only", silent.len());
    eventually("every expression has given a number", Duration::from_secs(180), || {
        load.round();
        silent.retain(|asked| prometheus.numbers(&asked.text).is_empty());
        if silent.is_empty() { Ok(()) } else { Err(format!("{silent:#?}")) }
    });
    assert_eq!(prometheus.rules_with_problems(), [Value::Null; 0]);
}

#[test]
fn the_dashboards_reach_the_cluster_as_config_maps_unchanged() {
    let plane = ControlPlane::shared();
    let manifests = plane.kubectl("kustomize deploy/k8s/components/monitoring");
    for kind in ["PodMonitor", "PrometheusRule"] {
        assert!(manifests.contains(&format!("\nkind: {kind}\n")), "no {kind} in the component monitoring");
    }
    plane.kubectl("apply --validate=strict --kustomize dashboards");
    let maps = "get configmaps --namespace custom-metrics --selector grafana_dashboard=1 --output json";
    let maps: Value = serde_json::from_str(&plane.kubectl(maps)).expect("kubectl prints JSON");
    let maps = maps["items"].as_array().expect("items").iter();
    let texts =
        maps.flat_map(|map| map["data"].as_object().expect("data").values().cloned().collect::<Vec<_>>());
    let there: Vec<Value> = texts
        .map(|text| serde_json::from_str(text.as_str().expect("text")).expect("a dashboard is JSON"))
        .collect();
    let ours: Vec<Value> = dashboards().into_iter().map(|(_, dashboard)| dashboard).collect();
    assert_eq!(there, ours);
}

/// Every expression but those of the list. An alert is asked without its threshold: whether there is something to
/// compare, not whether it is bad.
fn expected_to_speak() -> Vec<Expression> {
    let alerts = rules().into_iter().filter_map(|rule| rule["alert"].as_str().map(str::to_owned));
    let alerts: BTreeSet<String> = alerts.map(|name| format!("rules.yaml: {name}")).collect();
    let mut expressions = of_everything();
    for (place, _) in RIGHTLY_EMPTY {
        let before = expressions.len();
        expressions.retain(|asked| asked.place != *place);
        assert!(expressions.len() < before, "{place} is no more");
    }
    for alert in expressions.iter_mut().filter(|asked| alerts.contains(&asked.place)) {
        for comparison in ["> ", "< ", "== "] {
            alert.text = alert.text.replace(comparison, &format!("{comparison}bool "));
        }
    }
    expressions
}

/// Writes, reads and scrapes, good and bad ones.
struct Load<'a> {
    adapter: &'a Adapter,
    namespace: &'a Namespace<'a>,
    token: String,
}

impl<'a> Load<'a> {
    fn begin(adapter: &'a Adapter, target: &Target, namespace: &'a Namespace<'a>) -> Self {
        namespace.deployment("web", 2);
        for (pod, port, path) in [
            ("scraped", target.port.to_string(), "/metrics"),
            ("also-scraped", target.port.to_string(), "/metrics"),
            ("lost", target.port.to_string(), "/nowhere"),
            ("garbled", target.port.to_string(), "/garbage"),
            ("refused", "no-such-port".to_owned(), "/metrics"),
        ] {
            namespace.apply(annotated(pod, &port, path));
        }
        namespace.allow_reading("load", &Subject::ServiceAccount("reader"));
        Self { adapter, namespace, token: namespace.token_of_new_account("reader") }
    }

    fn round(&self) {
        self.write();
        for pod in ["*", "scraped", "nobody"] {
            self.read(&self.namespace.pod_metric(pod, "queue_depth"));
        }
        for metric in ["load", "orders_per_second", "latency_seconds_p90", "no_such_metric"] {
            self.read(&self.namespace.pod_metric("*", metric));
        }
        self.read(&self.namespace.pod_metric("scraped", ""));
        self.read("");
        self.adapter.read(&self.secured(), &Caller::Token(&self.token));
        self.adapter.read(&self.secured(), &Caller::Token("nobody's"));
        // Plain http to the TLS port: no handshake.
        Answer::to_curl(&[&format!("http://{}/", self.adapter.address("SECURE"))]);
    }

    fn write(&self) {
        for pod in self.namespace.pods_of("web") {
            self.adapter.write(&self.namespace.pod_metric(&pod, "load"), "15");
        }
        let path = self.namespace.pod_metric("scraped", "short_lived");
        self.adapter.post(&path, "no number");
        self.adapter.write(&path, "1");
        self.adapter.delete(&path);
    }

    /// Reads through the time in which kube-apiserver can be asked nothing, until the alerts' rules show it.
    fn through_an_outage(&self, plane: &ControlPlane, prometheus: &Prometheus<'_>) {
        let stranger = Caller::FrontProxy { user: "jane", groups: &["system:authenticated"] };
        plane.stop_apiserver();
        for rule in ["api_reads_failed", "auth_reviews_failed"] {
            let failures = format!("instance:custom_metrics_adapter_{rule}:ratio_rate5m > 0");
            eventually(&format!("{rule} shows the outage"), SOON, || {
                let status = self.adapter.read(&self.secured(), &stranger).status;
                prometheus.numbers(&failures).pop().ok_or(format!("answers of {status}"))
            });
        }
        plane.start_apiserver();
        eventually_equals("a reader is allowed again", SOON, &200, || {
            self.adapter.read(&self.secured(), &Caller::Token(&self.token)).status
        });
    }

    fn read(&self, path: &str) -> Answer {
        self.adapter.read(&format!("{API}{path}"), &Caller::AGGREGATOR)
    }

    /// A list that asks kube-apiserver for a verdict.
    fn secured(&self) -> String {
        format!("{API}{}", self.namespace.pod_metric("*", "load"))
    }
}

/// A pod that asks to be scraped.
fn annotated(name: &str, port: &str, path: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": { "app": "annotated" },
            "annotations": {
                "prometheus.io/scrape": "true", "prometheus.io/port": port, "prometheus.io/path": path,
            },
        },
        "spec": { "containers": [{ "name": "main", "image": "example.invalid/main" }] },
    })
}
