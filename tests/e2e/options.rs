//! HPAs with options in the selectors of their metrics: kube-apiserver takes them, and the HPA controller sends them on.

use serde_json::json;

use crate::harness::{Adapter, ControlPlane, Described, Hpa};

#[test]
fn an_hpa_of_type_pods_scales_a_ratio_as_a_percentage() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("option-scale"));
    namespace.deployment("web", 2);
    for pod in namespace.pods_of("web") {
        adapter.write(&namespace.pod_metric(&pod, "busy"), "0.4");
    }
    let labels = json!({ "custom-metrics-adapter/scale": "100" });
    let hpa = Hpa::of("web", &namespace).between(2, 2).on_pods_where("busy", &labels, "40");
    hpa.eventually_sees_pod_average("40");
}

#[test]
fn an_hpa_of_type_object_takes_the_highest_of_the_series_that_a_matcher_selects() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("option-fold"));
    namespace.deployment("web", 1);
    let path = format!("/namespaces/{}/deployments.apps/web/depth", namespace.name);
    for (queue, depth) in [("a", 30), ("b", 20), ("other", 900)] {
        adapter.write(&path, &json!({ "value": depth, "labels": { "queue": queue } }).to_string());
    }
    let web = Described { api_version: "apps/v1", kind: "Deployment", name: "web" };
    // queue=~"a|b" in base64url: no value of a selector can say it.
    let labels =
        json!({ "custom-metrics-adapter/fold": "max", "custom-metrics-adapter/match": "cXVldWU9fiJhfGIi" });
    let _hpa = Hpa::of("web", &namespace).on_object_where(&web, ("depth", &labels), "10");
    namespace.eventually_runs("web", 3);
}

#[test]
fn an_hpa_of_type_external_is_told_why_an_option_is_wrong_and_scales_when_it_is_right() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("option-external"));
    namespace.deployment("web", 1);
    adapter.write(&format!("/namespaces/{}/external/waiting", namespace.name), "300");
    let wrong = json!({ "custom-metrics-adapter/fold": "median" });
    let hpa = Hpa::of("web", &namespace).on_external_average("waiting", &wrong, "1");
    let said = hpa.eventually_says("custom-metrics-adapter/fold");
    assert!(said.contains("expected sum, avg, max or min"), "{said}");
    let right = json!({ "custom-metrics-adapter/fold": "sum", "custom-metrics-adapter/scale": "0.01" });
    let _hpa = Hpa::of("web", &namespace).on_external_average("waiting", &right, "1");
    namespace.eventually_runs("web", 3);
}
