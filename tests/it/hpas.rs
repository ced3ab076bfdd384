//! The pages of HPAs: a scripted cluster, written values and the routes of the admin port.

use std::sync::Arc;

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    admin::{self, Hpas, Sources},
    cluster::{Cluster, ClusterOptions, KnownHpas},
    insight::{self, Insight},
    owned::Rules,
    store::{Limits, Store},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    browser,
    support::{
        kube_api::{KubeApi, object, pod},
        seen,
    },
    world,
};

pub(crate) const HPAS: &str = "horizontalpodautoscalers.autoscaling";
pub(crate) const SCALE: &str = "/apis/apps/v1/namespaces/default/deployments/web/scale";
pub(crate) const APISERVICE: &str =
    "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io";
pub(crate) const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// A cluster with HPA `default/web` on `requests_per_second` of three pods, and all that it needs.
struct Pages {
    api: KubeApi,
    insight: Insight,
    cluster: Cluster,
    store: Store,
    router: Router,
    _end: tokio_util::sync::DropGuard,
}

impl Pages {
    async fn of(values: Vec<custom_metrics_adapter::store::Write>) -> Self {
        let api = KubeApi::start().await;
        api.serve("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
        for name in ["web-0", "web-1", "web-2"] {
            api.apply("pods", pod("default", name, "app=web"));
        }
        api.apply(HPAS, hpa("web", "requests_per_second"));
        api.answer("GET", SCALE, |_| {
            (200, json!({ "spec": { "replicas": 3 }, "status": { "replicas": 3, "selector": "app=web" } }))
        });
        api.answer("GET", APISERVICE, |_| (200, service("custom-metrics", "True")));
        api.answer("POST", REVIEWS, |_| (201, json!({ "status": { "allowed": true } })));
        Self::before(api, world::store(values)).await
    }

    async fn before(api: KubeApi, store: Store) -> Self {
        let end = CancellationToken::new();
        let mut options = ClusterOptions::new(TaskTracker::new(), end.clone());
        options.kubeconfig = Some(api.kubeconfig());
        let cluster = Cluster::connect(options).await.unwrap();
        let known = || cluster.checks().iter().all(|check| check.failure.is_none()).then_some(());
        seen("the cluster is known", known).await;
        let listed = || (!matches!(cluster.hpas(), KnownHpas::NotYet(None))).then_some(());
        seen("the HPAs are listed", listed).await;
        let insight = Insight::new(insight::Sources {
            cluster: cluster.clone(),
            store: store.clone(),
            targets: Arc::new(Vec::new),
            rules: Rules::default(),
            service: "custom-metrics/custom-metrics-apiserver".to_owned(),
        });
        let (list, one) = (insight.clone(), insight.clone());
        let hpas = Hpas {
            list: Arc::new(move || list.listing()),
            one: Arc::new(move |namespace, name| {
                let one = one.clone();
                Box::pin(async move { one.detail(namespace, name).await })
            }),
        };
        let router = admin::router(Sources { store: store.clone(), hpas, ..browser::pages::sources(0) });
        Self { api, insight, cluster, store, router, _end: end.drop_guard() }
    }

    async fn get(&self, path: &str, accept: &str) -> (StatusCode, String) {
        let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (
            status,
            String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
        )
    }

    async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path, "application/json").await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn cause(&self) -> String {
        let report = self.json("/hpas/default/web").await;
        report["cause"].as_str().unwrap_or("none").to_owned()
    }
}

pub(crate) fn service(namespace: &str, available: &str) -> Value {
    json!({ "spec": { "service": { "namespace": namespace, "name": "custom-metrics-apiserver" } },
        "status": { "conditions": [{ "type": "Available", "status": available, "reason": "R", "message": "M" }] } })
}

pub(crate) fn not_found(resource: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound",
        "message": format!("{resource} not found") })
}

pub(crate) fn hpa(name: &str, metric: &str) -> Value {
    let mut hpa = object("default", name, "");
    hpa["spec"] = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
        "minReplicas": 1, "maxReplicas": 10,
        "metrics": [{ "type": "Pods", "pods": { "metric": { "name": metric },
            "target": { "type": "AverageValue", "averageValue": "20" } } }],
    });
    hpa["status"] = json!({ "currentReplicas": 3, "desiredReplicas": 3, "conditions": [
        { "type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "found" }] });
    hpa
}

fn values(pods: &[(&str, &str)]) -> Vec<custom_metrics_adapter::store::Write> {
    let now = Timestamp::now().to_string();
    pods.iter()
        .map(|(name, value)| world::value(&world::pod(name), "requests_per_second", value, "", &now))
        .collect()
}

#[tokio::test]
async fn an_hpa_is_shown_from_its_spec_to_the_replicas_that_its_controller_will_set() {
    let pages = Pages::of(values(&[("web-0", "40"), ("web-1", "40"), ("web-2", "40")])).await;
    let report = pages.json("/hpas/default/web").await;
    assert_eq!((&report["state"], &report["cause"]), (&json!("scaling"), &Value::Null), "{report:#}");
    assert_eq!(report["replicas"], json!({ "current": 3, "desired": 3, "computed": 6, "min": 1, "max": 10 }));
    let metric = &report["metrics"][0];
    assert_eq!((&metric["value"], &metric["podsWithValue"]), (&json!(40.0), &json!(3)));
    assert_eq!(metric["each"][1]["treated"], "counted");
    let outcomes: Vec<&Value> =
        report["steps"].as_array().unwrap().iter().map(|step| &step["outcome"]).collect();
    assert!(outcomes.iter().all(|outcome| **outcome == "ok"), "{report:#}");
}

#[tokio::test]
async fn what_is_wrong_around_an_hpa_is_named_as_it_comes_and_goes() {
    let pages = Pages::of(values(&[("web-0", "20"), ("web-1", "20"), ("web-2", "20")])).await;
    assert_eq!(pages.cause().await, "none");
    pages
        .api
        .answer("POST", REVIEWS, |_| (201, json!({ "status": { "allowed": false, "reason": "no role" } })));
    assert_eq!(pages.cause().await, "access-denied");
    pages.api.answer("GET", APISERVICE, |_| (200, service("custom-metrics", "False")));
    assert_eq!(pages.cause().await, "api-unavailable");
    pages.api.answer("GET", APISERVICE, |_| (200, service("monitoring", "True")));
    assert_eq!(pages.cause().await, "api-foreign");
    pages.api.answer("GET", APISERVICE, |_| (404, not_found("apiservices")));
    assert_eq!(pages.cause().await, "api-missing");
    pages.api.answer("GET", SCALE, |_| (404, not_found("deployments.apps")));
    assert_eq!(pages.cause().await, "scale-target-missing");
}

#[tokio::test]
async fn what_is_wrong_with_the_pods_and_their_values_is_named() {
    let pages = Pages::of(values(&[("web-0", "20"), ("web-2", "20")])).await;
    let report = pages.json("/hpas/default/web").await;
    assert_eq!(
        (&report["state"], &report["cause"]),
        (&json!("partly-blind"), &json!("partly-blind")),
        "{report:#}"
    );
    assert!(
        report["reason"].as_str().unwrap().contains("2 of 3 pods have a value; without: web-1"),
        "{report:#}"
    );

    pages.api.apply(HPAS, hpa("web", "request_per_second"));
    let misspelt = async || pages.cause().await == "metric-misspelt";
    crate::support::eventually("the misspelling is named", misspelt).await;
    assert_eq!(pages.json("/hpas/default/web").await["fix"], "metric.name: requests_per_second");

    pages.api.answer("GET", SCALE, |_| {
        (200, json!({ "spec": { "replicas": 3 }, "status": { "replicas": 3, "selector": "app=shop" } }))
    });
    assert_eq!(pages.cause().await, "no-pods");
}

#[tokio::test]
async fn of_a_metric_that_is_computed_from_an_objects_pods_the_cause_is_named() {
    let pages = Pages::of(values(&[("web-0", "20"), ("web-2", "20")])).await;
    pages.api.serve("", "v1", "services", "Service");
    let service = |app: &str| {
        let mut service = object("default", "front", "");
        service["spec"] = json!({ "selector": { "app": app } });
        service
    };
    pages.api.apply("services", service("web"));
    let on_front = |metric: &str| {
        let mut on_front = hpa("web", metric);
        on_front["spec"]["metrics"] = json!([{ "type": "Object", "object": {
            "describedObject": { "apiVersion": "v1", "kind": "Service", "name": "front" },
            "metric": { "name": metric }, "target": { "type": "AverageValue", "averageValue": "20" } } }]);
        on_front
    };
    pages.api.apply(HPAS, on_front("requests_per_second"));
    let becomes = async |cause: &str| {
        let is = async || pages.cause().await == cause;
        crate::support::eventually(&format!("the cause is {cause}"), is).await;
        pages.json("/hpas/default/web").await
    };
    let report = becomes("coverage").await;
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.contains("services default/front: computed from its pods: 2 of 3 pods have it"),
        "{reason}"
    );
    pages.store.append(values(&[("web-1", "5")]), Timestamp::now()).unwrap();
    let report = becomes("none").await;
    assert_eq!(report["metrics"][0]["value"], 15.0, "{report:#}");
    pages.api.apply(HPAS, on_front("request_per_second"));
    let report = becomes("metric-misspelt").await;
    assert_eq!(report["fix"], "metric.name: requests_per_second");
    pages.api.apply("services", service("nothing"));
    becomes("no-pods").await;
}

#[tokio::test]
async fn the_list_has_problems_first_and_is_filtered_sorted_and_paged_by_its_url() {
    let pages = Pages::of(values(&[("web-0", "20"), ("web-1", "20"), ("web-2", "20")])).await;
    for name in ["a-blind", "z-blind"] {
        pages.api.apply(HPAS, hpa(name, "nothing_like_it"));
    }
    // The look at one HPA asks for the scale; the list takes what is known of it.
    pages.json("/hpas/default/web").await;
    let all = || matches!(pages.cluster.hpas(), KnownHpas::Listed(hpas) if hpas.len() == 3).then_some(());
    seen("the HPAs are followed", all).await;
    pages.insight.sample_once(Timestamp::now());

    let names = async |path: &str| -> Vec<String> {
        let list = pages.json(path).await;
        list["hpas"].as_array().unwrap().iter().map(|hpa| hpa["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/hpas").await, ["a-blind", "z-blind", "web"]);
    assert_eq!(names("/hpas?sort=name").await, ["a-blind", "web", "z-blind"]);
    assert_eq!(names("/hpas?state=at-target").await, ["web"]);
    assert_eq!(names("/hpas?namespace=elsewhere").await, [""; 0]);

    let (_, html) = pages.get("/hpas?state=unknown", "text/html").await;
    assert!(html.contains("/hpas/default/z-blind") && !html.contains("/hpas/default/web\""), "{html}");
    assert!(html.contains(r#"http-equiv="refresh""#) && !html.contains("<script"), "{html}");
    let (_, text) = pages.get("/hpas", "*/*").await;
    assert!(text.starts_with("STATE") && text.contains("default/a-blind"), "{text}");
    pages.store.sweep(Timestamp::now(), |object| pages.cluster.presence(object));
}

#[tokio::test]
async fn the_list_follows_the_replicas_that_the_hpa_has_set() {
    let pages = Pages::of(values(&[("web-0", "20"), ("web-1", "20"), ("web-2", "20")])).await;
    // The scale is asked for here, and not again by the list.
    pages.json("/hpas/default/web").await;
    let mut scaled = hpa("web", "requests_per_second");
    scaled["status"]["desiredReplicas"] = json!(7);
    pages.api.apply(HPAS, scaled);
    let followed = async || {
        pages.insight.sample_once(Timestamp::now());
        pages.json("/hpas").await["hpas"][0]["replicas"]["current"] == 7
    };
    crate::support::eventually("the list has the new replicas", followed).await;
}

#[tokio::test]
async fn the_page_and_the_text_of_one_hpa_say_what_is_wrong_before_all_else() {
    let pages = Pages::of(Vec::new()).await;
    pages.insight.sample_once(Timestamp::now());
    pages.insight.sample_once(Timestamp::now());
    let (status, html) = pages.get("/hpas/default/web", "text/html").await;
    assert_eq!(status, StatusCode::OK);
    let (verdict, checklist) = (html.find("class=\"verdict").unwrap(), html.find("Checklist").unwrap());
    assert!(verdict < checklist, "{html}");
    assert!(html.contains(r#"data-points="2""#), "{html}");
    let (_, text) = pages.get("/hpas/default/web", "*/*").await;
    assert!(text.starts_with("HPA default/web: unknown\n"), "{text}");
    let (status, none) = pages.get("/hpas/default/none", "*/*").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(none.contains("no HPA default/none"), "{none}");
}

#[tokio::test]
async fn without_the_right_to_list_hpas_the_page_says_what_to_grant() {
    let api = KubeApi::start().await;
    api.serve("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
    api.refuse(HPAS, 403, "horizontalpodautoscalers.autoscaling is forbidden");
    let pages = Pages::before(api, Store::new(Limits::default())).await;
    let notice = &pages.json("/hpas").await["notice"];
    assert!(notice["text"].as_str().unwrap().contains("is forbidden"), "{notice}");
    assert!(notice["fix"].as_str().unwrap().contains("custom-metrics-adapter:hpas"), "{notice}");
    let (_, html) = pages.get("/hpas", "text/html").await;
    assert!(html.contains("custom-metrics-adapter:hpas"), "{html}");
}
