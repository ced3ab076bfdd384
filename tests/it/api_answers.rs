//! What the metrics API answers, beyond what upstream answers too (`replay.rs` has that).

use std::sync::Arc;

use custom_metrics_adapter::{
    api::{Api, Checks, Clues, Limits, RecentReads, Sources},
    auth::Auth,
    model::GroupResource,
    store::Store,
};
use http::Request;

use crate::world::{World, api, api_with, cluster_scoped, get, namespaced, path, pod, send, store, value};

const AT: &str = "2026-11-24T08:44:11Z";

fn cluster() -> World {
    World::new()
        .with(pod("web-0"), "app=web")
        .with(pod("web-1"), "app=web")
        .with(pod("db-0"), "app=db")
        .with(cluster_scoped("nodes", "node-1"), "")
        .with(cluster_scoped("namespaces", "default"), "")
        .with(cluster_scoped("namespaces", "other"), "")
}

fn values() -> Store {
    store(vec![
        value(&pod("web-0"), "qps", "42", "", AT),
        value(&pod("web-0"), "errors_per_second", "3", "", AT),
        value(&pod("web-1"), "qps", "1500m", "env=prod", AT),
        value(&pod("gone"), "qps", "9", "", AT),
        value(&cluster_scoped("nodes", "node-1"), "load", "3", "", AT),
        value(&cluster_scoped("namespaces", "default"), "depth", "77", "", AT),
    ])
}

#[tokio::test]
async fn every_metric_of_an_object_is_one_list_with_and_without_a_slash() {
    let api = api(cluster(), values());
    for rest in ["namespaces/default/pods/web-0", "namespaces/default/pods/web-0/"] {
        let answer = get(&api, &path(rest)).await;
        assert_eq!(answer.values(), ["web-0=3", "web-0=42"]);
        assert_eq!(answer.json()["items"][0]["metric"]["name"], "errors_per_second");
    }
    assert_eq!(get(&api, &path("nodes/node-1")).await.values(), ["node-1=3"]);
    assert_eq!(get(&api, &path("namespaces/default/")).await.values(), ["default=77"]);
}

#[tokio::test]
async fn a_cluster_scoped_object_is_found_under_the_namespace_that_the_hpa_puts_before_it() {
    let api = api(cluster(), values());
    for rest in ["nodes/node-1/load", "namespaces/default/nodes/node-1/load", "namespaces/other/nodes/*/load"]
    {
        let answer = get(&api, &path(rest)).await;
        assert_eq!(answer.values(), ["node-1=3"], "{rest}");
        assert_eq!(answer.json()["items"][0]["describedObject"].get("namespace"), None);
    }
}

#[tokio::test]
async fn a_namespace_has_metrics_of_its_own_but_not_under_another() {
    let api = api(cluster(), values());
    for rest in [
        "namespaces/default/metrics/depth",
        "namespaces/*/metrics/depth",
        "namespaces/default/ns/default/depth",
    ] {
        assert_eq!(get(&api, &path(rest)).await.values(), ["default=77"], "{rest}");
    }
    for rest in ["namespaces/other/namespaces/default/depth", "namespaces/other/namespaces/*/depth"] {
        let message = get(&api, &path(rest)).await.failure(404);
        assert!(message.contains("not under namespace other"), "{message}");
    }
}

#[tokio::test]
async fn star_lists_only_objects_that_the_cluster_has() {
    let api = api(cluster(), values());
    assert_eq!(get(&api, &path("namespaces/default/pods/*/qps")).await.values(), ["web-0=42", "web-1=1500m"]);
    assert_eq!(get(&api, &path("namespaces/default/pods/gone/qps")).await.values(), ["gone=9"]);
}

#[tokio::test]
async fn without_a_cluster_star_lists_what_was_written() {
    let api = api(World::standalone(), values());
    let star = get(&api, &path("namespaces/default/pods/*/qps")).await;
    assert_eq!(star.values(), ["gone=9", "web-0=42", "web-1=1500m"]);
    let message =
        get(&api, &path("namespaces/default/pods/*/qps?labelSelector=app%3Dweb")).await.failure(404);
    assert!(message.contains("no object has labels"), "{message}");
}

#[tokio::test]
async fn a_read_that_found_nothing_says_why_and_what_to_do() {
    let api = api(cluster(), values());
    let prefix = "the server could not find the metric";
    for (rest, wanted) in [
        (
            "namespaces/default/pods/web-0/qpss",
            "qpss for pods web-0: it exists, and nothing is stored for it under this name; the nearest name \
             that it has is qps",
        ),
        (
            "namespaces/default/pods/db-0/qps",
            "qps for pods db-0: it exists, and nothing is stored for it under this name; other pods have it; it is written with POST \
             /write-metrics/namespaces/default/pods/db-0/qps, or exposed by \
             an annotated pod: /targets on the adapter's admin port shows what is scraped",
        ),
        (
            "namespaces/default/pods/zzz/qps",
            "qps for pods zzz: the cluster has no pods \"zzz\" in namespace \"default\" (what is written for it is dropped \
             after ten minutes); other pods have it; it is \
             written with POST /write-metrics/namespaces/default/pods/zzz/qps, or exposed by \
             an annotated pod: /targets on the adapter's admin port shows what is scraped",
        ),
        (
            "namespaces/default/pods/web-1/qps?metricLabelSelector=env%3Ddev",
            "qps for pods web-1 with selector env=dev: no series of it has env=dev: its label sets are env=prod; without \
             metric.selector all its label sets are summed",
        ),
        (
            "namespaces/default/pods/*/qps?labelSelector=app%3Dzzz",
            "qps for pods: labelSelector app=zzz selects no pods in namespace \"default\"",
        ),
        ("namespaces/zzz/pods/*/qps", "qps for pods: the cluster has no namespace \"zzz\""),
        (
            "namespaces/default/pods/*/qqps",
            "qqps for pods: of the 3 pods selected none has it; the nearest name that one of them has is qps",
        ),
        (
            "namespaces/default/pods/*/qps?metricLabelSelector=env%3Ddev",
            "qps for pods with selector env=dev: of the 3 pods selected none has it; pods web-0: no series of it \
             has env=dev: its label sets are (no labels); without metric.selector all its label sets are summed",
        ),
        (
            "pods/web-0/qps",
            "qps for pods web-0: pods have a namespace: ask for namespaces/NAMESPACE/pods/NAME/METRIC",
        ),
    ] {
        assert_eq!(get(&api, &path(rest)).await.failure(404), format!("{prefix} {wanted}"));
    }
}

#[tokio::test]
async fn an_unknown_resource_names_the_nearest() {
    let message =
        get(&api(cluster(), values()), &path("namespaces/default/podz/web-0/qps")).await.failure(404);
    assert!(message.starts_with("no matches for /, Resource=podz: "), "{message}");
    assert!(message.ends_with("the nearest is pods"), "{message}");
}

#[tokio::test]
async fn a_list_that_is_not_complete_yet_asks_to_be_retried() {
    let api = api(cluster().not_synced(GroupResource::pods()), values());
    let answer = get(&api, &path("namespaces/default/pods/*/qps")).await;
    let message = answer.failure(503);
    assert!(message.contains("pods"), "{message}");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(get(&api, &path("namespaces/default/pods/web-0/qps")).await.values(), ["web-0=42"]);
}

#[tokio::test]
async fn a_selector_is_echoed_and_not_equal_becomes_not_in() {
    let api = api(cluster(), values());
    let star = path("namespaces/default/pods/*/qps");
    for (selector, echo) in [
        ("env!=dev", r#"{"matchExpressions":[{"key":"env","operator":"NotIn","values":["dev"]}]}"#),
        (
            "env==prod,!x",
            r#"{"matchExpressions":[{"key":"x","operator":"DoesNotExist"}],"matchLabels":{"env":"prod"}}"#,
        ),
        ("", "null"),
    ] {
        let query: String = form_urlencoded::byte_serialize(selector.as_bytes()).collect();
        let answer = get(&api, &format!("{star}?metricLabelSelector={query}")).await;
        let items = answer.json()["items"].as_array().unwrap().clone();
        let echo: serde_json::Value = serde_json::from_str(echo).unwrap();
        assert!(
            !items.is_empty() && items.iter().all(|item| item["metric"]["selector"] == echo),
            "{selector}"
        );
    }
}

#[tokio::test]
async fn a_long_list_is_compressed_when_asked_for() {
    let names: Vec<String> = (0..1000).map(|at| format!("p-{at}")).collect();
    let world = names.iter().fold(World::new(), |world, name| world.with(pod(name), "app=web"));
    let values = names.iter().map(|name| value(&pod(name), "qps", "1", "", AT)).collect();
    let api = api(world, store(values));
    let uri = path("namespaces/default/pods/*/qps?labelSelector=app%3Dweb");
    let plain = get(&api, &uri).await;
    let zipped =
        send(&api, Request::get(&uri).header("accept-encoding", "gzip").body("".into()).unwrap()).await;
    assert_eq!(zipped.header("content-encoding"), "gzip");
    let mut unzipped = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*zipped.body), &mut unzipped).unwrap();
    assert!(unzipped == plain.body && plain.values().len() == 1000);
}

#[tokio::test]
async fn discovery_lists_the_metrics_that_exist_and_no_more_than_its_cap() {
    let api = api(cluster(), values());
    let names = |answer: serde_json::Value| -> Vec<String> {
        let entry = |entry: &serde_json::Value| {
            format!("{} {}", entry["name"].as_str().unwrap(), entry["namespaced"])
        };
        answer["resources"].as_array().unwrap().iter().map(entry).collect()
    };
    let listed = get(&api, "/apis/custom.metrics.k8s.io/v1beta1").await.json();
    let all = ["namespaces/depth false", "nodes/load false", "pods/errors_per_second true", "pods/qps true"];
    assert_eq!(names(listed), all);

    let limits = Limits { discovery_max_metrics: 2, ..Limits::default() };
    let capped = api_with(cluster(), values(), Auth::disabled(), limits);
    assert_eq!(names(get(&capped, "/apis/custom.metrics.k8s.io/v1beta1").await.json()), all[..2]);
}

#[tokio::test]
async fn discovery_follows_the_store() {
    let (store, api) = {
        let store = values();
        (store.clone(), api(cluster(), store))
    };
    let list = async || get(&api, "/apis/custom.metrics.k8s.io/v1beta1").await.text().to_owned();
    assert!(!list().await.contains("pods/new"));
    store.append(vec![value(&pod("web-0"), "new", "1", "", AT)], AT.parse().unwrap()).unwrap();
    assert!(list().await.contains("pods/new"));
}

#[tokio::test]
async fn aggregated_discovery_says_what_the_legacy_list_says() {
    let api = api(cluster(), values());
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let ask = |etag: &str| {
        Request::get("/apis").header("accept", accept).header("if-none-match", etag).body("".into())
    };
    let answer = send(&api, ask("").unwrap()).await;
    assert_eq!(answer.header("content-type"), accept);
    insta::assert_json_snapshot!(answer.json());
    let again = send(&api, ask(answer.header("etag")).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}

#[tokio::test]
async fn kube_apiserver_gets_openapi_documents_that_it_need_not_log_about() {
    let api = api(cluster(), values());
    for (uri, wanted) in [("/openapi/v2", "2.0"), ("/openapi/v3", "")] {
        let answer = get(&api, uri).await;
        let document = answer.json();
        assert_eq!(document["paths"], serde_json::json!({}));
        assert_eq!(document["swagger"].as_str().unwrap_or_default(), wanted);
        let ask = Request::get(uri).header("if-none-match", answer.header("etag")).body("".into());
        assert_eq!(send(&api, ask.unwrap()).await.status.as_u16(), 304);
    }
    let protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let answer =
        send(&api, Request::get("/openapi/v2").header("accept", protobuf).body("".into()).unwrap()).await;
    assert_eq!(answer.header("content-type"), protobuf);
    assert!(answer.body.starts_with(b"\x0a\x032.0\x12"), "{:?}", answer.body);
}

#[tokio::test]
async fn an_audit_id_is_kept_or_made() {
    let api = api(cluster(), values());
    let given = send(&api, Request::get("/version").header("audit-id", "abc").body("".into()).unwrap()).await;
    assert_eq!(given.header("audit-id"), "abc");
    let [one, two] = [get(&api, "/version").await, get(&api, "/version").await];
    assert_eq!(one.header("audit-id").len(), 36);
    assert_ne!(one.header("audit-id"), two.header("audit-id"));
}

#[tokio::test]
async fn a_service_is_found_whatever_its_resource_is_called() {
    let service = namespaced("services", "web");
    let api = api(World::new().with(service.clone(), ""), store(vec![value(&service, "rps", "10", "", AT)]));
    for name in ["services", "service", "svc", "Service"] {
        let answer = get(&api, &path(&format!("namespaces/default/{name}/web/rps"))).await;
        assert_eq!(answer.values(), ["web=10"], "{name}");
    }
}

#[tokio::test]
async fn each_read_is_noted_with_its_reason_and_nothing_else_is() {
    let recent = RecentReads::default();
    let sources = Sources {
        store: values(),
        cluster: Arc::new(cluster()),
        auth: Auth::disabled(),
        checks: Checks::new(Vec::new),
        clues: Clues::of_writes_alone(None),
        recent: recent.clone(),
    };
    let api = Api::new(sources, Limits::default()).router();
    let (good, bad) = (path("namespaces/default/pods/web-0/qps"), path("namespaces/zzz/pods/*/qps"));
    for asked in [&*good, &good, &bad, "/apis", "/healthz", &path("")] {
        get(&api, asked).await;
    }
    let noted = recent.all();
    let of = |path: &str| noted.iter().find(|read| read.path == path).unwrap();
    assert_eq!((noted.len(), of(&good).times, &of(&good).error), (2, 2, &None));
    assert!(
        of(&bad).error.as_deref().unwrap().ends_with("the cluster has no namespace \"zzz\""),
        "{noted:?}"
    );
}
