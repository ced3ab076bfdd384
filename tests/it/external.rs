//! `external.metrics.k8s.io` from the write to the answer, beyond what upstream answers too (`replay.rs` has that).

use axum::Router;
use custom_metrics_adapter::{
    api::{Limits, listed, route::Group},
    auth::Auth,
    cluster::Cluster,
    model::{LiveObject, ObjectRef, Uid},
    store::Store,
    write::{self, WriteOptions},
};
use http::Request;
use jiff::Timestamp;

use crate::world::{Answer, World, api, api_with, cluster_scoped, external, get, send, store, value};

const AT: &str = "2026-11-24T08:44:11Z";
const V1BETA1: &str = "/apis/external.metrics.k8s.io/v1beta1";

fn cluster() -> World {
    World::new().with(ObjectRef::namespace("shop"), "").with(ObjectRef::namespace("mail"), "")
}

fn values() -> Store {
    store(vec![
        external("shop", "queue_depth", "7", "queue=jobs", AT),
        external("shop", "queue_depth", "1500m", "queue=mail", AT),
        external("shop", "orders", "3", "", AT),
        external("mail", "letters", "5", "", AT),
    ])
}

/// `LABELS=VALUE` of each item.
fn items(answer: &Answer) -> Vec<String> {
    let list = answer.json();
    assert_eq!(answer.status.as_u16(), 200, "{list}");
    let item = |item: &serde_json::Value| format!("{}={}", item["metricLabels"], item["value"]);
    list["items"].as_array().unwrap().iter().map(item).collect()
}

fn names(answer: &Answer) -> Vec<String> {
    let name = |resource: &serde_json::Value| resource["name"].as_str().unwrap().to_owned();
    answer.json()["resources"].as_array().unwrap().iter().map(name).collect()
}

async fn read(api: &Router, rest: &str) -> Answer {
    get(api, &format!("{V1BETA1}/namespaces/{rest}")).await
}

#[tokio::test]
async fn each_selected_label_set_is_an_item_in_the_order_of_its_labels() {
    let api = api(cluster(), values());
    let (jobs, mail) = (r#"{"queue":"jobs"}="7""#, r#"{"queue":"mail"}="1500m""#);
    for (query, wanted) in [
        ("", &[jobs, mail][..]),
        ("?labelSelector=queue%3Dmail", &[mail]),
        ("?labelSelector=queue%20in%20(jobs,mail)", &[jobs, mail]),
        ("?labelSelector=queue!%3Dmail", &[jobs]),
        ("?fieldSelector=metadata.name%3Dqueue_depth", &[jobs, mail]),
    ] {
        assert_eq!(items(&read(&api, &format!("shop/queue_depth{query}")).await), wanted, "{query}");
    }
    assert_eq!(items(&read(&api, "shop/orders").await), [r#"{}="3""#]);
}

#[tokio::test]
async fn a_window_is_shown_only_when_there_is_one() {
    let mut measured = external("shop", "rate", "3", "", AT);
    measured.sample.window_seconds = Some(60);
    let api = api(cluster(), store(vec![measured, external("shop", "plain", "3", "", AT)]));
    assert_eq!(read(&api, "shop/rate").await.json()["items"][0]["window"], 60);
    assert_eq!(read(&api, "shop/plain").await.json()["items"][0].get("window"), None);
}

/// The HPA takes an answer whose Content-Type is not that of its body for a broken one.
#[tokio::test]
async fn the_content_type_is_the_one_of_the_body() {
    let api = api(cluster(), values());
    let protobuf = "application/vnd.kubernetes.protobuf";
    for (accept, media_type, begin) in [
        ("application/vnd.kubernetes.protobuf, */*", protobuf, &b"k8s\0"[..]),
        ("application/json", "application/json", b"{\"kind\":\"ExternalMetricValueList\""),
        ("application/yaml", "application/yaml", b"apiVersion: external.metrics.k8s.io/v1beta1"),
    ] {
        for (metric, status) in [("orders", 200), ("nothing", 404)] {
            let uri = format!("{V1BETA1}/namespaces/shop/{metric}");
            let answer =
                send(&api, Request::get(uri).header("accept", accept).body("".into()).unwrap()).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, media_type));
            assert!(status == 404 || answer.body.starts_with(begin), "{accept}: {:?}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_metric_is_read_only_in_the_namespace_that_it_was_written_for() {
    let api = api(cluster(), values());
    let message = read(&api, "mail/queue_depth").await.failure(404);
    let wanted = "the server could not find the external metric queue_depth in namespace mail: this namespace has \
                  letters; another namespace has it: a metric is read only in the namespace that it is written for; it \
                  is written with POST /write-metrics/namespaces/mail/external/queue_depth";
    assert_eq!(message, wanted);
}

#[tokio::test]
async fn a_read_that_found_nothing_says_why_and_what_to_do() {
    let mut dead = external("shop", "dead", "1", "", AT);
    dead.ttl = Some(jiff::SignedDuration::from_nanos(1));
    let values = values();
    values.append(vec![dead], Timestamp::now()).unwrap();
    values.append(vec![external("shop", "vast", "9e15", "a=1", AT)], Timestamp::now()).unwrap();
    values.append(vec![external("shop", "vast", "9e15", "a=2", AT)], Timestamp::now()).unwrap();
    let api = api(cluster(), values);
    for (rest, wanted) in [
        ("shop/queue_dept", "the nearest name that this namespace has is queue_depth"),
        (
            "zzz/queue_dept",
            "in namespace zzz: the cluster has no namespace \"zzz\" (what is written for it is dropped after a minute)",
        ),
        (
            "shop/queue_depth?labelSelector=queue%3Dx",
            "with selector queue=x: it is written, but with no label set that meets the selector; its label sets are queue=",
        ),
        ("shop/dead", "its ttl ended at"),
        ("shop/vast", "add up to more than the HPA can calculate with"),
        ("shop/*", "\"*\" is reserved"),
    ] {
        let message = read(&api, rest).await.failure(404);
        assert!(message.contains(wanted), "{rest}: {message}");
        assert!(!rest.starts_with("zzz") || message.ends_with(wanted), "nothing to write to: {message}");
    }
}

#[tokio::test]
async fn a_watch_is_refused_only_after_its_parameters_were_understood() {
    let api = api(cluster(), values());
    assert!(read(&api, "shop/orders?watch=1").await.failure(405).starts_with("watch is not supported"));
    read(&api, "shop/orders?watch=1&labelSelector=a%20b").await.failure(400);
    assert_eq!(items(&read(&api, "shop/orders?watch=false").await).len(), 1);
}

#[tokio::test]
async fn neither_kind_of_metric_is_found_or_listed_as_the_other() {
    let namespace = cluster_scoped("namespaces", "shop");
    let store = store(vec![
        external("shop", "outside", "1", "", AT),
        external("shop", "both", "1", "", AT),
        value(&namespace, "inside", "2", "", AT),
        value(&namespace, "both", "2", "", AT),
    ]);
    for world in [cluster(), World::standalone()] {
        let api = api(world, store.clone());
        let custom = "/apis/custom.metrics.k8s.io/v1beta2";
        for path in ["namespaces/shop/metrics/outside", "namespaces/*/metrics/outside"] {
            get(&api, &format!("{custom}/{path}")).await.failure(404);
        }
        read(&api, "shop/inside").await.failure(404);
        assert_eq!(get(&api, &format!("{custom}/namespaces/shop/metrics/both")).await.values(), ["shop=2"]);
        assert_eq!(items(&read(&api, "shop/both").await), [r#"{}="1""#]);
        let every = get(&api, &format!("{custom}/namespaces/shop/")).await;
        assert_eq!(every.values(), ["shop=2", "shop=2"]);
        assert_eq!(names(&get(&api, custom).await), ["namespaces/both", "namespaces/inside"]);
        assert_eq!(names(&get(&api, V1BETA1).await), ["both", "outside"]);
    }
}

#[tokio::test]
async fn discovery_lists_each_metric_once_and_no_more_than_its_cap() {
    let mut written = vec![external("shop", "same", "1", "", AT), external("mail", "same", "1", "a=b", AT)];
    written.push(value(&cluster_scoped("nodes", "node-1"), "load", "1", "", AT));
    written.push(external("mail", "zzz", "1", "", AT));
    let limits = Limits { discovery_max_metrics: 1, ..Limits::default() };
    let all = api(cluster(), store(written.clone()));
    let capped = api_with(cluster(), store(written), Auth::disabled(), limits);
    assert_eq!(names(&get(&all, V1BETA1).await), ["same", "zzz"]);
    assert_eq!(names(&get(&capped, V1BETA1).await), ["same"]);
    assert_eq!(names(&get(&capped, "/apis/custom.metrics.k8s.io/v1beta1").await), ["nodes/load"]);
}

/// kubectl expands a short name only where no resource of any group is called so.
#[tokio::test]
async fn an_external_metric_with_the_name_of_a_resource_is_read_and_not_listed() {
    let taken = ["po", "pods", "pod", "Pod", "DEPLOY", "svc", "crd", "deployments.apps"];
    let free = ["podz", "queue"];
    let written = taken.iter().chain(&free).map(|name| external("shop", name, "1", "", AT));
    let api = api(cluster(), store(written.collect()));
    assert_eq!(names(&get(&api, V1BETA1).await), free);
    let aggregated = Request::get("/apis")
        .header("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    let aggregated = send(&api, aggregated.body(axum::body::Body::empty()).unwrap()).await.json();
    let listed = aggregated["items"][1]["versions"][0]["resources"].as_array().unwrap().iter();
    assert_eq!(listed.map(|one| one["resource"].as_str().unwrap()).collect::<Vec<_>>(), free);
    for name in taken {
        assert_eq!(items(&read(&api, &format!("shop/{name}")).await), [r#"{}="1""#], "{name}");
    }
}

#[tokio::test]
async fn where_only_names_of_resources_are_written_discovery_is_not_empty() {
    let api = api(cluster(), store(vec![external("shop", "po", "1", "", AT)]));
    assert_eq!(names(&get(&api, V1BETA1).await), ["externalmetrics"]);
}

/// Every client of the cluster downloads the lists, and a writer chooses the names.
#[tokio::test]
async fn discovery_lists_fewer_metrics_of_long_names_and_never_none() {
    let long = |n: usize| format!("{n:0>256}");
    let node = cluster_scoped("nodes", "node-1");
    let external = (0..1000).map(|n| external("shop", &long(n), "1", "", AT));
    let custom = (0..1000).map(|n| value(&node, &long(n), "1", "", AT));
    let store = store(external.chain(custom).collect());
    let api = api(cluster(), store.clone());
    for (group, version) in [
        (Group::External, V1BETA1),
        (Group::Custom, "/apis/custom.metrics.k8s.io/v1beta1"),
        (Group::Custom, "/apis/custom.metrics.k8s.io/v1beta2"),
    ] {
        let answer = get(&api, version).await;
        assert!((100_000..=128 * 1024).contains(&answer.body.len()), "{version}: {}", answer.body.len());
        let catalog = store.catalog();
        let listed = listed(&catalog, Limits::default().discovery_max_metrics, |_| true, |_| false);
        let listed = if group == Group::External { listed.external.len() } else { listed.custom.len() };
        assert_eq!(names(&answer).len(), listed, "{version}");
    }
}

/// A write port and an API over one store, without a cluster.
fn standalone() -> (Router, Router, Store) {
    let store = store(Vec::new());
    let options = WriteOptions {
        ttl: None,
        in_flight: 10,
        deadline: std::time::Duration::from_secs(10),
        self_only: false,
    };
    let port = write::router(store.clone(), Cluster::standalone(), options);
    (port, api(World::standalone(), store.clone()), store)
}

async fn put(port: &Router, path: &str, body: &str) -> (u16, String) {
    let request = Request::post(format!("/write-metrics{path}")).body(body.to_owned().into()).unwrap();
    let answer = send(port, request).await;
    (answer.status.as_u16(), answer.text().to_owned())
}

#[tokio::test]
async fn what_is_written_is_read_with_labels_ttl_timestamp_and_in_batches() {
    let (port, api, store) = standalone();
    let object = r#"{"value":"2","labels":{"queue":"mail"},"ttl":"90s","timestamp":"2026-11-24T08:44:11Z"}"#;
    assert_eq!(put(&port, "/namespaces/shop/external/depth?labels=queue=jobs", "1").await.0, 200);
    assert_eq!(put(&port, "/namespaces/shop/external/depth", object).await.0, 200);
    assert_eq!(
        items(&read(&api, "shop/depth").await),
        [r#"{"queue":"jobs"}="1""#, r#"{"queue":"mail"}="2""#]
    );
    assert_eq!(read(&api, "shop/depth").await.json()["items"][1]["timestamp"], AT);

    let batch = concat!(
        r#"{"external":true,"namespace":"shop","metric":"depth","value":4,"labels":{"queue":"jobs"}}"#,
        "\n",
        r#"{"namespace":"shop","resource":"pods","name":"web-0","metric":"depth","value":5}"#,
    );
    assert_eq!(put(&port, "", batch).await, (200, String::new()));
    assert_eq!(
        items(&read(&api, "shop/depth?labelSelector=queue%3Djobs").await),
        [r#"{"queue":"jobs"}="4""#]
    );
    assert_eq!(store.stats().written.series, 3);
}

#[tokio::test]
async fn a_delete_takes_one_label_set_or_all_of_them() {
    let (port, api, _) = standalone();
    let delete = async |path: &str| {
        let request = Request::delete(format!("/write-metrics/namespaces/{path}")).body("".into()).unwrap();
        send(&port, request).await
    };
    for queue in ["a", "b", "c"] {
        put(&port, &format!("/namespaces/shop/external/depth?labels=queue={queue}"), "1").await;
    }
    assert_eq!(delete("shop/external/depth?labels=queue=a").await.status.as_u16(), 200);
    assert_eq!(items(&read(&api, "shop/depth").await).len(), 2);
    assert_eq!(delete("shop/external/depth").await.status.as_u16(), 200);
    read(&api, "shop/depth").await.failure(404);
    let nothing = delete("shop/external/depth").await;
    assert_eq!(nothing.status.as_u16(), 404);
    let wanted = "nothing is stored for depth of namespace shop (external)";
    assert_eq!(nothing.json()["error"], wanted);
}

#[tokio::test]
async fn what_could_not_be_read_or_calculated_with_is_refused_with_the_reason() {
    let (port, _, store) = standalone();
    for (path, body, wanted) in [
        ("/namespaces/shop/external/depth", "-1m", "an external metric cannot be negative"),
        ("/namespaces/shop/external/status", "1", "an external metric cannot be called \"status\""),
        ("/namespaces/*/external/depth", "1", "\"*\" cannot be a namespace"),
        ("/namespaces/shop/external/used%25", "1", "\"used%\" has a slash, a % or a control character"),
        ("/external/depth", "1", "an external metric to /write-metrics/namespaces/NAMESPACE/external/METRIC"),
        ("", r#"{"external":true,"metric":"depth","value":1}"#, "1 of the batch's lines"),
        (
            "",
            r#"{"external":true,"namespace":"shop","name":"x","metric":"depth","value":1}"#,
            "neither resource nor name",
        ),
        ("", r#"{"namespace":"shop","metric":"depth","value":1}"#, "a line has resource and name, or"),
    ] {
        let (status, body) = put(&port, path, body).await;
        assert!(
            matches!(status, 400 | 404)
                && body.contains(&serde_json::json!(wanted).to_string().trim_matches('"').to_owned()),
            "{path}: {status} {body}"
        );
    }
    assert_eq!(store.stats().written.series, 0);
}

#[tokio::test]
async fn the_values_of_a_deleted_namespace_are_gone_and_its_successor_starts_clean() {
    let namespace = |uid: &str, created: &str| LiveObject {
        object: ObjectRef::namespace("shop"),
        uid: Uid(uid.into()),
        created: created.parse().unwrap(),
        labels: Default::default(),
    };
    let (first, second) = (namespace("uid-1", AT), namespace("uid-2", "2026-11-24T09:00:00Z"));
    let store = store(Vec::new());
    let written = |uid: Option<&LiveObject>, metric: &str, at: &str| {
        let mut write = external("shop", metric, "1", "", AT);
        write.uid = uid.map(|live| live.uid.clone());
        store.append(vec![write], at.parse().unwrap()).unwrap();
    };
    written(None, "too_early", "2026-11-24T08:00:00Z");
    written(None, "in_time", "2026-11-24T08:50:00Z");
    written(Some(&first), "bound", "2026-11-24T08:50:00Z");
    store.adopt(&first);
    let metrics = || store.catalog().external.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(metrics(), ["bound", "in_time"]);

    store.forget(&first.object, &first.uid);
    assert_eq!((metrics(), store.stats().written.series), (Vec::<String>::new(), 0));
    written(Some(&first), "late", "2026-11-24T09:00:01Z");
    store.adopt(&second);
    assert_eq!((metrics(), store.stats().objects), (Vec::<String>::new(), 0));
}
