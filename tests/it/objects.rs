//! The metric of an object that is computed from its pods, from the read to the answer.

use axum::Router;
use custom_metrics_adapter::{
    api::Limits,
    auth::Auth,
    model::{GroupResource, ObjectRef},
    owned::Rules,
    store::{Percent, Store},
};

use crate::world::{World, api, api_with, external, get, namespaced, path, pod, store, value};

const AT: &str = "2026-11-24T08:44:11Z";
const LATER: &str = "2026-11-24T08:44:21Z";

fn web() -> ObjectRef {
    ObjectRef { resource: GroupResource::new("apps", "deployments"), ..namespaced("", "web") }
}

fn front() -> ObjectRef {
    namespaced("services", "front")
}

fn loads() -> Store {
    store(vec![
        value(&pod("web-0"), "load", "1500m", "q=a", LATER),
        value(&pod("web-1"), "load", "3", "q=a", AT),
        value(&pod("web-1"), "load", "4", "q=b", LATER),
    ])
}

fn world() -> World {
    World::new()
        .with_pods(web(), &["web-0", "web-1"])
        .with_pods(front(), &["web-0", "web-1"])
        .with_pods(ObjectRef::namespace("default"), &["web-0", "web-1", "stranger"])
}

async fn message(api: &Router, rest: &str) -> String {
    get(api, &path(rest)).await.failure(404)
}

#[tokio::test]
async fn an_object_for_which_nothing_is_written_answers_the_sum_of_its_pods_dated_by_the_oldest() {
    let api = api(world(), loads());
    for object in ["deployments.apps/web", "services/front"] {
        let answer = get(&api, &path(&format!("namespaces/default/{object}/load"))).await;
        let item = &answer.json()["items"][0];
        assert_eq!((&item["value"], &item["timestamp"]), (&"8500m".into(), &AT.into()), "{object}");
        assert_eq!(item["describedObject"]["name"], object.split_once('/').unwrap().1);
    }
    let selected =
        "namespaces/default/services/front/load?metricLabelSelector=q%3Db,custom-metrics-adapter/scale%3D10";
    let answer = get(&api, &path(selected)).await;
    assert_eq!(answer.values(), ["front=40"], "web-0 has no such series");
    let namespace = get(&api, &path("namespaces/default/metrics/load")).await;
    assert_eq!(namespace.values(), ["default=8500m"], "a stranger in the namespace does not lack it");
    let all = get(&api, &path("namespaces/default/services/*/load")).await;
    assert_eq!(all.values(), ["front=8500m"]);
}

#[tokio::test]
async fn what_is_written_for_the_object_itself_goes_before_its_pods() {
    let store = loads();
    store.append(vec![value(&front(), "load", "7", "", AT)], AT.parse().unwrap()).unwrap();
    let api = api(world(), store);
    assert_eq!(get(&api, &path("namespaces/default/services/front/load")).await.values(), ["front=7"]);
}

#[tokio::test]
async fn too_few_pods_are_no_smaller_sum_but_a_reason_that_names_the_first() {
    let front = || World::new().with_pods(front(), &["web-0", "web-1", "web-2"]);
    let begin = "the server could not find the metric load for services front: computed from its pods: ";
    let why = "2 of 3 pods have it, and 90 % of them have to; web-2: it is not scraped, and nothing is written for it \
               under this name";
    let read = "namespaces/default/services/front/load";
    assert_eq!(message(&api(front(), loads()), read).await, format!("{begin}{why}"));
    let owned = Rules { min_coverage: Percent::new(60).unwrap(), ..Rules::default() };
    let lenient = api_with(front(), loads(), Auth::disabled(), Limits { owned, ..Limits::default() });
    assert_eq!(get(&lenient, &path(read)).await.values(), ["front=8500m"]);
    let misspelt = message(&api(front(), loads()), "namespaces/default/services/front/loda").await;
    assert!(misspelt.ends_with("; the nearest metric of pods is load"), "{misspelt}");
}

#[tokio::test]
async fn a_workload_without_pods_says_what_to_scale_from_zero_on() {
    let api = api(World::new().with_pods(web(), &[]), loads());
    assert_eq!(
        message(&api, "namespaces/default/deployments.apps/web/load").await,
        "the server could not find the metric load for deployments.apps web: nothing is written for it under this name, \
         and it has no pods to compute it from; to scale from zero on, write it (POST \
         /write-metrics/namespaces/default/deployments.apps/web/load), or scale on a number that is there without these \
         pods: that of an Ingress or of another workload, or an external metric"
    );
}

#[tokio::test]
async fn an_external_metric_that_nobody_wrote_is_the_sum_of_its_namespaces_pods() {
    let store = loads();
    let read = "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/load";
    let api = api(world(), store.clone());
    let item = |answer: &serde_json::Value| answer["items"].clone();
    let labels = serde_json::json!({});
    let computed = item(&get(&api, read).await.json());
    assert_eq!(computed[0]["value"], "8500m");
    assert_eq!((&computed[0]["metricLabels"], computed.as_array().unwrap().len()), (&labels, 1));
    let selected = item(&get(&api, &format!("{read}?labelSelector=q%3Db")).await.json());
    assert_eq!(selected[0]["value"], "4");
    store.append(vec![external("default", "load", "7", "", AT)], AT.parse().unwrap()).unwrap();
    assert_eq!(item(&get(&api, read).await.json())[0]["value"], "7");
    let other = get(&api, "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/other").await;
    assert!(other.failure(404).contains("POST /write-metrics/namespaces/default/external/other"));
}

#[tokio::test]
async fn discovery_lists_what_was_computed_from_pods() {
    let api = api(world(), loads());
    let listed = async || {
        let list = get(&api, "/apis/custom.metrics.k8s.io/v1beta2").await.json();
        let names = list["resources"].as_array().unwrap().iter();
        names.map(|resource| resource["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ["pods/load"]);
    get(&api, &path("namespaces/default/services/front/load")).await.values();
    get(&api, &path("namespaces/default/services/front/none")).await.failure(404);
    assert_eq!(listed().await, ["pods/load", "services/load"]);
}
