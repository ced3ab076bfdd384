//! HPAs come, change and go; without the right to list them everything else goes on.

use custom_metrics_adapter::{
    cluster::{KnownHpas, Lookups, Reading},
    hpa::{Access, ApiService, MetricsGroup, ScaleTarget, Target},
};
use serde_json::{Value, json};

use super::Followed;
use crate::support::{
    kube_api::{KubeApi, object, pod},
    seen,
};

const HPAS: &str = "horizontalpodautoscalers.autoscaling";

async fn serving_hpas() -> KubeApi {
    let api = KubeApi::start().await;
    api.serve("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
    api
}

fn hpa(name: &str, metric: &Value) -> Value {
    let mut hpa = object("shop", name, "");
    hpa["spec"] = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "maxReplicas": 10, "metrics": [metric],
    });
    hpa["status"] = json!({
        "currentReplicas": 3, "desiredReplicas": 4, "lastScaleTime": "2026-11-26T00:00:00Z",
        "conditions": [{ "type": "ScalingActive", "status": "False", "reason": "FailedGetPodsMetric",
            "message": "x".repeat(9000), "lastTransitionTime": "2026-11-26T00:00:00Z" }],
    });
    hpa
}

fn depth() -> Value {
    json!({ "type": "External", "external": {
        "metric": { "name": "depth" }, "target": { "type": "AverageValue", "averageValue": "30" } } })
}

fn names(followed: &Followed) -> Vec<String> {
    match followed.cluster.hpas() {
        KnownHpas::Listed(hpas) => hpas.iter().map(|hpa| hpa.name.clone()).collect(),
        _ => vec!["not listed".to_owned()],
    }
}

async fn become_names(followed: &Followed, expected: &[&str]) {
    seen(&format!("the HPAs are {expected:?}"), || (names(followed) == expected).then_some(())).await;
}

#[tokio::test]
async fn only_hpas_that_read_a_custom_or_external_metric_are_kept_with_what_their_controller_says() {
    let api = serving_hpas().await;
    let cpu = json!({ "type": "Resource", "resource": {
        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 50 } } });
    api.apply(HPAS, hpa("by-cpu", &cpu));
    api.apply(HPAS, hpa("by-depth", &depth()));
    let followed = Followed::ready(&api).await;
    become_names(&followed, &["by-depth"]).await;

    let kept = followed.cluster.hpa("shop", "by-depth").unwrap();
    let spec = kept.spec.as_ref().unwrap();
    assert_eq!((spec.min_replicas, spec.max_replicas, kept.status.current_replicas), (1, 10, 3));
    assert!(matches!(spec.metrics[0].target, Target::AverageValue(target) if target.milli() == 30_000));
    let condition = kept.status.condition("ScalingActive").unwrap();
    assert_eq!((&*condition.reason, condition.message.len()), ("FailedGetPodsMetric", 4096));

    api.apply(HPAS, hpa("by-cpu", &depth()));
    become_names(&followed, &["by-cpu", "by-depth"]).await;
    api.delete(HPAS, "shop", "by-depth");
    api.apply(HPAS, hpa("by-cpu", &cpu));
    become_names(&followed, &[]).await;
}

#[tokio::test]
async fn a_spec_that_is_not_understood_is_kept_with_the_reason() {
    let api = serving_hpas().await;
    api.apply(HPAS, hpa("strange", &json!({ "type": "Pods" })));
    let followed = Followed::ready(&api).await;
    become_names(&followed, &["strange"]).await;
    let strange = followed.cluster.hpa("shop", "strange").unwrap();
    assert!(strange.spec.as_ref().unwrap_err().contains("has no such field"), "{strange:?}");
}

#[tokio::test]
async fn without_the_right_to_list_hpas_pods_are_followed_and_the_refusal_is_told_until_it_is_granted() {
    let api = serving_hpas().await;
    api.refuse(HPAS, 403, "horizontalpodautoscalers is forbidden");
    api.apply("pods", pod("shop", "web", ""));
    let followed = Followed::ready(&api).await;
    let refused = || match followed.cluster.hpas() {
        KnownHpas::Forbidden(message) => Some(message),
        _ => None,
    };
    let message = seen("the refusal is told", refused).await;
    assert!(message.contains("is forbidden"), "{message}");
    assert_eq!(followed.names("pods", Some("shop"), "").await, ["shop/web"]);
    api.apply(HPAS, hpa("by-depth", &depth()));
    api.allow(HPAS);
    become_names(&followed, &["by-depth"]).await;
}

#[tokio::test]
async fn a_scale_an_api_service_and_the_rights_of_the_hpa_controller_are_looked_up() {
    let api = serving_hpas().await;
    let scale = "/apis/apps/v1/namespaces/shop/deployments/web";
    api.answer("GET", &format!("{scale}/scale"), |_| {
        (200, json!({ "spec": { "replicas": 3 }, "status": { "replicas": 2, "selector": "app=web" } }))
    });
    let services = "/apis/apiregistration.k8s.io/v1/apiservices";
    api.answer("GET", &format!("{services}/v1beta1.external.metrics.k8s.io"), |_| {
        (
            200,
            json!({ "spec": { "service": { "namespace": "keda", "name": "keda-metrics" } },
            "status": { "conditions": [{ "type": "Available", "status": "False", "reason": "MissingEndpoints",
                "message": "no endpoints" }] } }),
        )
    });
    api.answer("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", |review| {
        let allowed = review["spec"]["resourceAttributes"]["subresource"] == "rps";
        (201, json!({ "status": { "allowed": allowed, "reason": "no role" } }))
    });
    let followed = Followed::ready(&api).await;
    let lookups = Lookups::new(followed.cluster.client().unwrap());

    let found = ScaleTarget::Found { spec: 3, status: 2, selector: "app=web".to_owned() };
    assert_eq!(lookups.scale(scale).await, found);
    let missing = lookups.scale("/apis/apps/v1/namespaces/shop/deployments/none").await;
    assert!(matches!(missing, ScaleTarget::Missing(_)), "{missing:?}");
    assert_eq!(lookups.api_service(MetricsGroup::Custom, None).await, ApiService::Missing);
    let external = ApiService::Found {
        service: "keda/keda-metrics".to_owned(),
        ours: Some(false),
        unavailable: Some("MissingEndpoints: no endpoints".to_owned()),
    };
    assert_eq!(lookups.api_service(MetricsGroup::External, Some("custom-metrics/ours")).await, external);
    let reading =
        |metric| Reading { group: MetricsGroup::Custom, namespace: "shop", resource: "pods", metric };
    assert_eq!(lookups.access(reading("rps")).await, Access::Allowed);
    assert_eq!(lookups.access(reading("other")).await, Access::Denied("no role".to_owned()));
    api.go_down();
    assert!(matches!(lookups.access(reading("rps")).await, Access::Unknown(_)));
}
