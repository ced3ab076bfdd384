//! PodMonitors and ServiceMonitors name targets, and HPAs scale on them.

use serde_json::{Value, json};

use crate::harness::{
    API, Adapter, Caller, ControlPlane, ExpositionServer, Hpa, Load, Namespace, SOON, Traffic, eventually,
    eventually_equals,
};

#[test]
fn hpas_scale_on_pods_that_only_a_pod_monitor_or_a_service_monitor_names() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("names-targets");
    let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
    pods.receives(Traffic::Each(Load { queue: 30.0, ..Load::default() }));
    let port = pods.address().port();
    // The adapter has begun before the cluster has such resources, and may watch them.
    install_monitors(plane);
    declared(&namespace, "by-pod", port);
    namespace.deployment("by-service", 1);
    namespace.apply(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "front", "labels": { "tier": "front" } },
        "spec": { "selector": { "app": "by-service" }, "ports": [{ "name": "http", "port": 80, "targetPort": port }] },
    }));
    let dropped = json!([{ "action": "drop", "sourceLabels": ["__name__"], "regex": "http_requests_total" }]);
    monitor(
        &namespace,
        "PodMonitor",
        &json!({
            "selector": { "matchLabels": { "app": "by-pod" } },
            "podMetricsEndpoints": [{ "port": "metrics", "interval": "1s", "metricRelabelings": dropped }],
        }),
    );
    monitor(
        &namespace,
        "ServiceMonitor",
        &json!({
            "selector": { "matchLabels": { "tier": "front" } }, "endpoints": [{ "port": "http", "interval": "1s" }],
        }),
    );

    for scaled in ["by-pod", "by-service"] {
        let _hpa = Hpa::of(scaled, &namespace).on_pods("queue_depth", "20");
        namespace.eventually_runs(scaled, 3);
    }
    let name = namespace.pods_of("by-pod").remove(0);
    let asked = adapter.admin(&format!("/targets/{}/{name}?format=json", namespace.name)).body;
    assert!(asked.contains(&format!("PodMonitor {}/monitor", namespace.name)), "{asked}");
    let status = |metric: &str| {
        let path = format!("{API}/namespaces/{}/pods/{name}/{metric}", namespace.name);
        adapter.read(&path, &Caller::AGGREGATOR).status
    };
    // The pod may be one that the HPA has just added.
    eventually_equals("the pod has its gauge", SOON, &200, || status("queue_depth"));
    assert_eq!(status("http_requests_per_second"), 404, "its counter is dropped");

    namespace.kubectl("delete podmonitors.monitoring.coreos.com monitor");
    eventually_equals("what a monitor named goes with it", SOON, &404, || status("queue_depth"));

    let password = json!({ "password": { "name": "secret", "key": "password" } });
    let endpoints = json!([{ "port": "metrics", "basicAuth": password }]);
    monitor(&namespace, "PodMonitor", &json!({ "selector": {}, "podMetricsEndpoints": endpoints }));
    let named = format!("PodMonitor {}/monitor", namespace.name);
    eventually("the page of targets says what of it is not followed", SOON, || {
        let page = adapter.admin("/targets").body;
        let line = page.lines().find(|line| line.starts_with(&named)).unwrap_or_default().to_owned();
        if line.contains("spec.podMetricsEndpoints[0].basicAuth") { Ok(()) } else { Err(line) }
    });
}

/// Pods that declare where they expose metrics, and have no annotation.
fn declared(namespace: &Namespace<'_>, name: &str, port: u16) {
    let container = json!({
        "name": "main", "image": "example.invalid/main", "ports": [{ "name": "metrics", "containerPort": port }],
    });
    let labels = json!({ "app": name });
    namespace.apply(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } },
        },
    }));
    namespace.kubectl(&format!("rollout status deployment/{name} --timeout=60s"));
}

fn monitor(namespace: &Namespace<'_>, kind: &str, spec: &Value) {
    namespace.apply(json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": { "name": "monitor" }, "spec": spec,
    }));
}

/// The CRDs, as much of them as an API needs, and the rights of the component.
fn install_monitors(plane: &ControlPlane) {
    for kind in ["PodMonitor", "ServiceMonitor"] {
        let singular = kind.to_lowercase();
        let name = format!("{singular}s.monitoring.coreos.com");
        let free = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        plane.apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": name },
            "spec": {
                "group": "monitoring.coreos.com",
                "scope": "Namespaced",
                "names": { "plural": format!("{singular}s"), "singular": singular, "kind": kind },
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": free } } },
                }],
            },
        }));
        plane.kubectl(&format!("wait --for=condition=Established crd/{name} --timeout=60s"));
    }
    let rights = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/k8s/components/monitors/monitors.yaml");
    plane.kubectl(&format!("apply --filename {rights}"));
}
