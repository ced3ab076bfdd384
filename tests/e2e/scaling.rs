//! An HPA scales a Deployment on values that were written with curl.

use crate::harness::{Adapter, ControlPlane, Described, Hpa, SOON, eventually};

#[test]
fn an_hpa_of_type_object_follows_the_value_written_for_a_pod_up_and_back() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("scales-on-a-pod"));
    namespace.deployment("web", 1);
    namespace.pod("queue", "queue");
    let queue = Described { api_version: "v1", kind: "Pod", name: "queue" };
    adapter.write(&namespace.pod_metric("queue", "waiting"), r#""300""#);
    let _hpa = Hpa::of("web", &namespace).on_object(&queue, "waiting", "100");

    namespace.eventually_runs("web", 3);
    adapter.write(&namespace.pod_metric("queue", "waiting"), r#""10""#);
    namespace.eventually_runs("web", 1);
}

#[test]
fn an_hpa_of_type_pods_averages_over_exactly_the_pods_that_exist() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("averages-pods"));
    namespace.deployment("web", 2);
    namespace.pod("stranger", "other");
    let pods = namespace.pods_of("web");
    adapter.write(&namespace.pod_metric(&pods[0], "load"), "10");
    adapter.write(&namespace.pod_metric(&pods[1], "load"), "30");
    adapter.write(&namespace.pod_metric("stranger", "load"), "1000");
    adapter.write(&namespace.pod_metric("never-existed", "load"), "1000");
    let hpa = Hpa::of("web", &namespace).between(2, 2).on_pods("load", "20");

    hpa.eventually_sees_pod_average("20");
    namespace.delete_pod(&pods[0]);
    hpa.eventually_sees_pod_average("30");
}

#[test]
fn an_hpa_of_type_pods_scales_on_the_average() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("scales-on-pods"));
    namespace.deployment("web", 2);
    for pod in namespace.pods_of("web") {
        adapter.write(&namespace.pod_metric(&pod, "load"), r#""40""#);
    }
    let _hpa = Hpa::of("web", &namespace).on_pods("load", "20");

    namespace.eventually_runs("web", 4);
    for pod in namespace.pods_of("web") {
        adapter.write(&namespace.pod_metric(&pod, "load"), r#""5""#);
    }
    namespace.eventually_runs("web", 1);
}

#[test]
fn an_hpa_scales_on_a_value_of_its_namespace() {
    let (adapter, namespace) =
        (Adapter::shared(), ControlPlane::shared().namespace("scales-on-its-namespace"));
    namespace.deployment("web", 1);
    let itself = Described { api_version: "v1", kind: "Namespace", name: &namespace.name };
    adapter.write(&format!("/namespaces/{}/metrics/open_orders", namespace.name), "20");
    let _hpa = Hpa::of("web", &namespace).on_object(&itself, "open_orders", "10");

    namespace.eventually_runs("web", 2);
}

#[test]
fn an_hpa_scales_on_a_value_of_a_node_although_it_asks_under_a_namespace() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("scales-on-a-node"));
    namespace.deployment("web", 1);
    let node = Described { api_version: "v1", kind: "Node", name: "node-1" };
    adapter.write("/nodes/node-1/scaled_sessions", "20");
    let _hpa = Hpa::of("web", &namespace).on_object(&node, "scaled_sessions", "10");

    namespace.eventually_runs("web", 2);
}

#[test]
fn describe_hpa_says_that_a_valid_metric_was_found() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("describes-an-hpa"));
    namespace.deployment("web", 1);
    let web = Described { api_version: "apps/v1", kind: "Deployment", name: "web" };
    adapter.write(&format!("/namespaces/{}/deployments/web/backlog", namespace.name), r#""1500m""#);
    let _hpa = Hpa::of("web", &namespace).on_object(&web, "backlog", "10");

    eventually("the HPA found a valid metric", SOON, || {
        let description = namespace.kubectl("describe hpa web");
        if description.contains("ValidMetricFound") { Ok(()) } else { Err(description) }
    });
}
