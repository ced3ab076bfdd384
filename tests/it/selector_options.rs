//! Options in the selector of a metric, through the API, for the three types of metric that an HPA has.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::world::{World, api, cluster_scoped, external, get, path, pod, store, value};

const AT: &str = "2026-11-24T08:44:11Z";
const FOLD: &str = "custom-metrics-adapter%2Ffold%3D";
const SCALE: &str = "custom-metrics-adapter%2Fscale%3D";
const MATCH: &str = "custom-metrics-adapter%2Fmatch%3D";

fn pods() -> axum::Router {
    let cluster = World::new().with(pod("web-0"), "app=web").with(pod("web-1"), "app=web");
    let cluster = cluster.with(cluster_scoped("namespaces", "default"), "");
    let values = vec![
        value(&pod("web-0"), "depth", "4", "queue=jobs", AT),
        value(&pod("web-0"), "depth", "2", "queue=mail", AT),
        value(&pod("web-1"), "depth", "9", "queue=jobs", AT),
        external("default", "orders", "10", "shop=a", AT),
        external("default", "orders", "20", "shop=b", AT),
    ];
    api(cluster, store(values))
}

#[tokio::test]
async fn a_metric_of_pods_folds_the_series_of_each_pod() {
    let api = pods();
    for (options, wanted) in [
        (String::new(), ["web-0=6", "web-1=9"]),
        (format!("{FOLD}max"), ["web-0=4", "web-1=9"]),
        (format!("{FOLD}avg,{SCALE}100"), ["web-0=300", "web-1=900"]),
        (format!("{FOLD}min,queue%3Djobs"), ["web-0=4", "web-1=9"]),
    ] {
        let rest = format!(
            "namespaces/default/pods/%2A/depth?labelSelector=app%3Dweb&metricLabelSelector={options}"
        );
        assert_eq!(get(&api, &path(&rest)).await.values(), wanted, "{options}");
    }
}

#[tokio::test]
async fn a_metric_of_an_object_folds_its_series_and_the_answer_repeats_the_options() {
    let answer = get(
        &pods(),
        &path(&format!("namespaces/default/pods/web-0/depth?metricLabelSelector={FOLD}max,{SCALE}10")),
    )
    .await;
    assert_eq!(answer.values(), ["web-0=40"]);
    let echoed = &answer.json()["items"][0]["metric"]["selector"];
    let wanted = serde_json::json!({
        "matchLabels": { "custom-metrics-adapter/fold": "max", "custom-metrics-adapter/scale": "10" }
    });
    assert_eq!(*echoed, wanted);
}

#[tokio::test]
async fn an_external_metric_folds_to_one_value_only_when_it_is_told_how() {
    let api = pods();
    let read = async |options: &str| {
        let at = format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/orders?labelSelector={options}"
        );
        let list = get(&api, &at).await.json();
        let items = list["items"].as_array().unwrap().clone();
        items.iter().map(|item| format!("{}={}", item["metricLabels"], item["value"])).collect::<Vec<_>>()
    };
    assert_eq!(read("").await, [r#"{"shop":"a"}="10""#, r#"{"shop":"b"}="20""#]);
    assert_eq!(read(&format!("{SCALE}0.5")).await, [r#"{"shop":"a"}="5""#, r#"{"shop":"b"}="10""#]);
    assert_eq!(read(&format!("{FOLD}avg,{SCALE}2")).await, [r#"{}="30""#]);
    assert_eq!(read(&format!("{FOLD}max,shop%3Da")).await, [r#"{}="10""#]);
}

#[tokio::test]
async fn matchers_choose_where_a_label_selector_cannot() {
    let api = pods();
    let rest = |matchers: &str| {
        let encoded = URL_SAFE_NO_PAD.encode(matchers);
        path(&format!("namespaces/default/pods/web-0/depth?metricLabelSelector={MATCH}{encoded}"))
    };
    assert_eq!(get(&api, &rest(r#"queue=~"j.*""#)).await.values(), ["web-0=4"]);
    assert_eq!(get(&api, &rest(r#"queue!="jobs""#)).await.values(), ["web-0=2"]);
    let message = get(&api, &rest(r#"queue="/none""#)).await.failure(404);
    assert!(message.contains("no series of it has custom-metrics-adapter/match="), "{message}");
}

#[tokio::test]
async fn a_wrong_option_is_400_with_its_reason_and_no_option_is_no_label_of_an_object() {
    let api = pods();
    for (options, reason) in [
        (format!("{FOLD}median"), "custom-metrics-adapter/fold: expected sum, avg, max or min"),
        ("custom-metrics-adapter%2Fflod%3Dmax".to_owned(), "unknown option; known are fold"),
        (format!("{MATCH}x"), "expected base64url"),
    ] {
        let rest = format!("namespaces/default/pods/%2A/depth?metricLabelSelector={options}");
        let message = get(&api, &path(&rest)).await.failure(400);
        assert!(message.contains(reason) && message.contains("in metricLabelSelector"), "{message}");
        let at = format!(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/orders?labelSelector={options}"
        );
        let message = get(&api, &at).await.failure(400);
        assert!(message.contains(reason), "{message}");
    }
    let message = get(&api, &path(&format!("namespaces/default/pods/%2A/depth?labelSelector={FOLD}max")))
        .await
        .failure(404);
    assert!(message.contains("selects no pods"), "{message}");
}

#[tokio::test]
async fn a_window_that_is_not_full_is_absent_and_says_why() {
    let over = "custom-metrics-adapter%2Fover%3Dmax,custom-metrics-adapter%2Fwindow%3D5m";
    let message =
        get(&pods(), &path(&format!("namespaces/default/pods/web-0/depth?metricLabelSelector={over}")))
            .await
            .failure(404);
    assert!(message.contains("the window of 300 s is not full yet"), "{message}");
}
