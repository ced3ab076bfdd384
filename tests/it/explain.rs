//! `explain` and `get` against a scripted API server, with and without the adapter's own page.

use custom_metrics_adapter::{
    explain::{self, Answer, ExplainError, Question, Wanted, Way},
    hpa::text::Ink,
};
use serde_json::{Value, json};

use crate::{
    hpas::{APISERVICE, HPAS, REVIEWS, SCALE, hpa, not_found, service},
    support::kube_api::{KubeApi, pod},
};

const VALUES: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/rps";
const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/custom-metrics/endpointslices";
const PAGE: &str = "/api/v1/namespaces/custom-metrics/pods/adapter-1:9090/proxy/hpas/default/web";

async fn cluster() -> KubeApi {
    let api = KubeApi::start().await;
    api.serve("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
    for name in ["web-0", "web-1", "web-2"] {
        api.apply("pods", pod("default", name, "app=web"));
    }
    api.apply(HPAS, hpa("web", "rps"));
    api.answer("GET", SCALE, |_| {
        (200, json!({ "spec": { "replicas": 3 }, "status": { "replicas": 3, "selector": "app=web" } }))
    });
    api.answer("GET", APISERVICE, |_| (200, service("custom-metrics", "True")));
    api.answer("POST", REVIEWS, |_| (201, json!({ "status": { "allowed": true } })));
    api.answer("GET", VALUES, |_| (200, json!({ "items": items(&["web-0", "web-1", "web-2"], "20") })));
    api
}

fn items(pods: &[&str], value: &str) -> Vec<Value> {
    let item = |name: &&str| {
        json!({ "describedObject": { "kind": "Pod", "name": name }, "metric": { "name": "rps" }, "value": value,
            "timestamp": "2026-11-26T00:00:00Z" })
    };
    pods.iter().map(item).collect()
}

fn way(api: &KubeApi) -> Way {
    Way { kubeconfig: Some(api.kubeconfig()), context: None, namespace: None }
}

async fn explained(api: &KubeApi, json: bool) -> Answer {
    let way = way(api);
    explain::hpa(Question { way, hpa: "web".to_owned(), adapter: None, json, ink: Ink::Plain }).await.unwrap()
}

async fn cause(api: &KubeApi) -> (u8, String) {
    let answer = explained(api, true).await;
    let report: Value = serde_json::from_str(&answer.text).unwrap();
    (answer.code, report["cause"].as_str().unwrap_or("none").to_owned())
}

#[tokio::test]
async fn kube_apiserver_alone_tells_whether_an_hpa_is_healthy_and_what_it_computes() {
    let api = cluster().await;
    let healthy = explained(&api, false).await;
    assert_eq!(healthy.code, 0, "{}", healthy.text);
    assert!(
        healthy.text.starts_with("HPA default/web: at target\n3 replicas, as the metrics ask for"),
        "{}",
        healthy.text
    );
    assert!(healthy.text.contains("facts: kube-apiserver alone"), "{}", healthy.text);

    api.answer("GET", VALUES, |_| (200, json!({ "items": items(&["web-0", "web-1", "web-2"], "40") })));
    let scaling = explained(&api, false).await;
    assert_eq!(scaling.code, 0);
    assert!(scaling.text.contains("ratio 2.00, so 6 replicas"), "{}", scaling.text);
}

#[tokio::test]
async fn kube_apiserver_alone_names_what_it_sees() {
    let api = cluster().await;
    let named = async |expected: &str| assert_eq!(cause(&api).await, (1, expected.to_owned()));
    api.answer("GET", VALUES, |_| (200, json!({ "items": items(&["web-0", "web-2"], "20") })));
    named("partly-blind").await;
    api.answer("GET", VALUES, |_| (200, json!({ "items": items(&["web-0"], "4000") })));
    named("partly-blind").await;
    api.answer("GET", VALUES, |_| {
        let mut missing = not_found("rps");
        missing["message"] = "the server could not find the metric rps for pods: its ttl passed".into();
        (404, missing)
    });
    named("value-expired").await;
    api.answer("GET", APISERVICE, |_| (200, service("custom-metrics", "False")));
    named("api-unavailable").await;
    api.answer("GET", APISERVICE, |_| (404, not_found("apiservices")));
    named("api-missing").await;
    api.answer("GET", SCALE, |_| (404, not_found("deployments.apps")));
    named("scale-target-missing").await;
}

#[tokio::test]
async fn the_adapters_own_page_is_asked_through_a_pod_behind_its_service() {
    let api = cluster().await;
    let alone: Value = serde_json::from_str(&explained(&api, true).await.text).unwrap();
    api.answer("GET", SLICES, |_| {
        (
            200,
            json!({ "items": [{ "endpoints": [{ "targetRef": { "kind": "Pod", "name": "adapter-1" } }] }] }),
        )
    });
    api.answer("GET", PAGE, move |_| {
        let mut page = alone.clone();
        page["state"] = "unknown".into();
        page["cause"] = "target-refused".into();
        (200, page)
    });
    assert_eq!(cause(&api).await, (1, "target-refused".to_owned()));
    assert!(explained(&api, false).await.text.ends_with("facts: the adapter's own page\n"));
}

#[tokio::test]
async fn an_hpa_that_is_not_there_is_an_error() {
    let api = cluster().await;
    let question =
        Question { way: way(&api), hpa: "none".to_owned(), adapter: None, json: false, ink: Ink::Plain };
    let error = explain::hpa(question).await.unwrap_err();
    assert!(matches!(error, ExplainError::Hpa { .. }), "{error}");
    assert!(error.to_string().starts_with("cannot read hpa none in namespace default: "), "{error}");
}

#[tokio::test]
async fn values_are_a_table() {
    let api = cluster().await;
    let wanted = |object: &str, metric: Option<&str>| Wanted {
        way: way(&api),
        object: object.to_owned(),
        metric: metric.map(str::to_owned),
        json: false,
    };
    let table = explain::values(wanted("pods", Some("rps"))).await.unwrap().text;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "OBJECT     METRIC  VALUE  TIMESTAMP             WINDOW");
    assert_eq!(lines[2], "Pod/web-1  rps     20     2026-11-26T00:00:00Z");
    assert_eq!(lines.len(), 4);
    let error = explain::values(wanted("pods", None)).await.unwrap_err();
    assert!(matches!(error, ExplainError::NoMetric(_)), "{error}");
}
