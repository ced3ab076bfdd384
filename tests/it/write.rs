//! The write port: what upstream's clients send, what a user of curl sends, and what neither should.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    cluster::{Cluster, ClusterOptions},
    journal::Journal,
    model::{MetricName, MetricSelector, ObjectRef, Presence},
    store::{Limits, Query, Store},
    write::{self, WriteOptions},
};
use futures::{FutureExt, StreamExt};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::support::within;

/// A write port without a cluster.
struct Port {
    store: Store,
    router: Router,
}

impl Port {
    fn new() -> Self {
        Self::with(Limits::default(), options(10))
    }

    fn with(limits: Limits, options: WriteOptions) -> Self {
        let store = Store::new(limits);
        let router = write::router(store.clone(), Cluster::standalone(), options);
        Self { store, router }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let answer: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let is_json =
            answer.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json");
        assert_eq!(is_json, status != StatusCode::OK, "errors are JSON, success is empty");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn request(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        self.send(Request::builder().method(method).uri(path).body(body.into()).unwrap()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        self.request("POST", path, body).await
    }

    fn value(&self, resource: &str, namespace: Option<&str>, name: &str, metric: &str) -> Option<String> {
        self.selected(&object(resource, namespace, name), metric, "")
    }

    fn selected(&self, object: &ObjectRef, metric: &str, selector: &str) -> Option<String> {
        let selector = MetricSelector::parse(selector).unwrap();
        let query = Query { presence: &Presence::Unknown, selector: &selector, now: Timestamp::now() };
        let value = self.store.read(object, &MetricName::new(metric).unwrap(), query);
        value.ok().map(|value| value.sample.value.to_string())
    }
}

fn object(resource: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
    let resource = Cluster::standalone().resolve(resource).unwrap().resource.clone();
    ObjectRef { resource, namespace: namespace.map(Into::into), name: name.into() }
}

fn options(in_flight: usize) -> WriteOptions {
    WriteOptions { ttl: None, in_flight, deadline: std::time::Duration::from_secs(10), self_only: false }
}

const POD: &str = "/write-metrics/namespaces/default/pods/web-0";

#[tokio::test]
async fn every_recorded_write_is_answered_as_recorded_or_differs_for_a_listed_reason() {
    let port = Port::new();
    let mut differing = BTreeMap::new();
    let mut replayed = 0;
    for recorded in std::fs::read_dir(VECTORS).unwrap() {
        let path = recorded.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "request") || !name.starts_with("write-") {
            continue;
        }
        let (status, _) = port.send(parse(&std::fs::read_to_string(&path).unwrap())).await;
        let answer = std::fs::read_to_string(path.with_extension("response.json")).unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        if answer["status"] != status.as_u16() {
            differing.insert(name, status.as_u16());
        }
        replayed += 1;
    }
    assert_eq!(replayed, 39);
    let listed = DIFFERENCES.iter().map(|(name, status, _)| ((*name).to_owned(), *status)).collect();
    assert_eq!(differing, listed);
}

/// What is answered otherwise than upstream does, and why. `docs/differences.md` tells it to users.
const DIFFERENCES: &[(&str, u16, &str)] = &[
    ("write-escaped", 400, "a metric name with a slash could never be read; the answer says so"),
    ("write-form", 200, "curl -d sends a form's content type: the body is what counts"),
    ("write-gzip", 200, "success has no body, so there is nothing for Accept to refuse"),
    ("write-noctype", 200, "no content type is needed"),
    ("write-object", 200, "the object form is ours"),
    ("write-bigexp", 400, "1e400 is beyond what the HPA can calculate with"),
    ("write-null", 400, "null is not a number; upstream stores 0, which scales to the minimum"),
    ("write-xml", 400, "what is not a number is refused, whatever its type; upstream stores 0"),
    ("write-unknownres", 400, "what no cluster has could never be read"),
];

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/responses");

/// A recorded request: a request line, headers, a blank line, the body.
fn parse(text: &str) -> Request<Body> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn one_object_has_one_key_under_all_its_names() {
    let port = Port::new();
    for (value, resource) in (1..).zip(["pods", "pod", "po", "Pod", "Pods"]) {
        let path = format!("/write-metrics/namespaces/default/{resource}/web-0/qps");
        assert_eq!(port.post(&path, value.to_string()).await.0, 200, "{resource}");
        assert_eq!(port.value("pods", Some("default"), "web-0", "qps"), Some(value.to_string()));
    }
    for resource in ["deployments", "deploy", "Deployment", "deployments.apps"] {
        let path = format!("/write-metrics/namespaces/default/{resource}/web/rps");
        assert_eq!(port.post(&path, "1").await.0, 200, "{resource}");
    }
    assert_eq!(port.store.stats().written.series, 2);
}

#[tokio::test]
async fn cluster_scoped_objects_have_one_key_with_and_without_a_namespace() {
    let port = Port::new();
    port.post("/write-metrics/nodes/node-1/load", "1").await;
    port.post("/write-metrics/namespaces/default/nodes/node-1/load", "2").await;
    assert_eq!(port.value("nodes", None, "node-1", "load").as_deref(), Some("2"));
    port.post("/write-metrics/namespaces/shop/metrics/queue", "3").await;
    assert_eq!(port.value("namespaces", None, "shop", "queue").as_deref(), Some("3"));
}

#[tokio::test]
async fn label_sets_of_one_metric_live_side_by_side_and_go_one_by_one() {
    let port = Port::new();
    let pod = object("pods", Some("default"), "web-0");
    port.post(&format!("{POD}/qps?labels=method%3DGET"), "1").await;
    port.post(&format!("{POD}/qps"), r#"{"value": 2, "labels": {"method": "POST"}}"#).await;
    assert_eq!(port.selected(&pod, "qps", "method=GET").as_deref(), Some("1"));
    assert_eq!(port.selected(&pod, "qps", "method=POST").as_deref(), Some("2"));
    assert_eq!(port.request("DELETE", &format!("{POD}/qps?labels=method%3DGET"), "").await.0, 200);
    assert_eq!(port.selected(&pod, "qps", "").as_deref(), Some("2"));
    assert_eq!(port.request("DELETE", &format!("{POD}/qps"), "").await.0, 200);
    assert_eq!(port.selected(&pod, "qps", ""), None);
    assert_eq!(port.request("DELETE", &format!("{POD}/qps"), "").await.0, 404);
}

#[tokio::test]
async fn a_batch_is_stored_whole() {
    let port = Port::new();
    let batch = r#"{"namespace":"default","resource":"pods","name":"web-0","metric":"qps","value":"1"}

{"resource":"nodes","name":"node-1","metric":"load","value":2.5,"ttl":"90s","labels":{"a":"b"}}"#;
    assert_eq!(port.post("/write-metrics", batch).await, (StatusCode::OK, String::new()));
    assert_eq!(port.value("pods", Some("default"), "web-0", "qps").as_deref(), Some("1"));
    assert_eq!(port.value("nodes", None, "node-1", "load").as_deref(), Some("2500m"));
}

#[tokio::test]
async fn a_batch_with_wrong_lines_stores_nothing_and_names_them() {
    let port = Port::new();
    let line = |rest: &str| format!(r#"{{"namespace":"default","name":"web-0","metric":"qps",{rest}}}"#);
    let batch = [
        line(r#""resource":"pods","value":1"#),
        line(r#""resource":"pods","value":"NaN""#),
        "nonsense".to_owned(),
        line(r#""resource":"pods","value":1,"colour":"red""#),
    ];
    let (status, body) = port.post("/write-metrics", batch.join("\n")).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let lines: Vec<_> = body["lines"].as_array().unwrap().iter().map(|line| line["line"].as_u64()).collect();
    assert_eq!((status.as_u16(), lines), (400, vec![Some(2), Some(3), Some(4)]));
    assert_eq!(port.store.stats().written.series, 0);
    let (status, body) = port.post("/write-metrics", line(r#""resource":"frobs","value":1"#)).await;
    assert!(status == 400 && body.contains("frobs"), "{body}");
}

#[tokio::test]
async fn a_refusal_says_what_to_change() {
    let port = Port::new();
    for (path, body, status, hint) in [
        ("/write-metrics/namespaces/default/podz/web-0/qps", "1", 400, "pods"),
        ("/write-metrics/pods/web-0/qps", "1", 400, "namespaces/NAMESPACE/pods"),
        ("/write-metrics/namespaces/default/pods/web-0/qps", "1e18", 400, "9223372036854775"),
        ("/write-metrics/namespaces/default/pods/web-0/qps", "", 400, "empty"),
        ("/write-metrics/namespaces/default/pods/web-0/qps?ttl=soon", "1", 400, "90s"),
        ("/write-metrics/namespaces/default/pods/web-0/qps?labels=a%3D%C3%A9", "1", 400, "é"),
        ("/write-metrics/namespaces/default/pods/web-0", "1", 404, "NAMESPACE"),
        ("/elsewhere", "1", 404, "/write-metrics"),
    ] {
        let answer = port.post(path, body).await;
        assert_eq!(answer.0, status, "{path} {}", answer.1);
        assert!(answer.1.contains(hint), "{path} {}", answer.1);
    }
    let (status, body) = port.request("GET", &format!("{POD}/qps"), "").await;
    assert!(status == 405 && body.contains("POST, DELETE"), "{body}");
    let (status, body) = port.post(&format!("{POD}/qps"), vec![b'1'; write::MAX_BODY_BYTES + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body.contains("bytes: send a batch in parts"), "{body}");
}

#[tokio::test]
async fn a_full_store_is_507_and_takes_overwrites_still() {
    let limits = Limits { series: 1, ..Limits::default() };
    let port = Port::with(limits, options(1));
    assert_eq!(port.post(&format!("{POD}/a"), "1").await.0, 200);
    assert_eq!(port.post(&format!("{POD}/b"), "1").await.0, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(port.post(&format!("{POD}/a"), "2").await.0, 200);
}

#[tokio::test]
async fn more_writes_than_may_be_under_way_are_429_with_a_time_to_retry() {
    let port = Port::with(Limits::default(), options(0));
    for (method, path) in
        [("POST", format!("{POD}/a")), ("POST", "/write-metrics".into()), ("DELETE", format!("{POD}/a"))]
    {
        let request = Request::builder().method(method).uri(path).body(Body::from("1")).unwrap();
        let refused = port.router.clone().oneshot(request).await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    }
}

/// A write whose body never ends, under way.
fn half_sent(port: &Port, start: &'static [u8]) -> impl Future<Output = StatusCode> + Unpin {
    let never = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let body = futures::stream::iter([Ok(bytes::Bytes::from_static(start))]).chain(never);
    let request = Request::post(format!("{POD}/a")).body(Body::from_stream(body)).unwrap();
    let mut write = Box::pin(port.router.clone().oneshot(request).map(|answer| answer.unwrap().status()));
    assert!((&mut write).now_or_never().is_none(), "it waits for its body");
    write
}

#[tokio::test]
async fn half_sent_writes_hold_up_nobody_else() {
    let port = Port::with(Limits::default(), options(1));
    let stuck: Vec<_> = (0..200).map(|_| half_sent(&port, b"1")).collect();
    assert_eq!(port.post(&format!("{POD}/b"), "1").await.0, StatusCode::OK);
    assert_eq!(port.request("DELETE", &format!("{POD}/b"), "").await.0, StatusCode::OK);
    drop(stuck);
}

/// Counts who has come to be under way, and who has left.
#[derive(Default)]
struct UnderWay(AtomicUsize, AtomicUsize);

impl write::Observer for UnderWay {
    fn entered(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn left(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_write_counts_as_under_way_once_its_body_is_there() {
    let (store, under_way) = (Store::new(Limits::default()), Arc::new(UnderWay::default()));
    let journal = Journal::memory(store.clone());
    let sources = write::Sources { store: store.clone(), journal, cluster: Cluster::standalone() };
    let router = write::observed(sources, options(1), under_way.clone());
    let port = Port { store, router };
    let counts = || [&under_way.0, &under_way.1].map(|count| count.load(Ordering::Relaxed));
    let stuck = half_sent(&port, b"1");
    assert_eq!(counts(), [0, 0]);
    port.post(&format!("{POD}/b"), "1").await;
    assert_eq!(counts(), [1, 1]);
    drop(stuck);
    assert_eq!(counts(), [1, 1]);
}

#[tokio::test]
async fn the_bodies_that_have_been_arriving_the_longest_make_room_for_new_ones() {
    static LARGE: [u8; write::MAX_BODY_BYTES] = [b'1'; write::MAX_BODY_BYTES];
    let port = Port::new();
    let mut large: Vec<_> = (0..33).map(|_| half_sent(&port, &LARGE)).collect();
    assert_eq!(within("the oldest is given up", &mut large[0]).await, StatusCode::TOO_MANY_REQUESTS);
    assert!((&mut large[1]).now_or_never().is_none(), "the others fit");

    let mut many: Vec<_> = (0..2_048).map(|_| half_sent(&port, b"")).collect();
    assert_eq!(within("the older are given up", &mut large[32]).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(port.post(&format!("{POD}/b"), "1").await.0, StatusCode::OK);
    assert_eq!(within("the oldest is given up", &mut many[0]).await, StatusCode::TOO_MANY_REQUESTS);
}

/// A write port over a cluster that takes connections and says nothing: every discovery hangs.
struct Silent {
    port: Port,
    _server: std::net::TcpListener,
    _kubeconfig: tempfile::TempDir,
    _ends: tokio_util::sync::DropGuard,
}

async fn silent(in_flight: usize) -> Silent {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{{name: c, cluster: {{server: 'http://{}'}}}}]\n\
         contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\nusers: [{{name: u, user: {{}}}}]\n",
        server.local_addr().unwrap()
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let end = CancellationToken::new();
    let options = ClusterOptions {
        kubeconfig: Some(kubeconfig),
        ..ClusterOptions::new(TaskTracker::new(), end.clone())
    };
    let store = Store::new(Limits::default());
    let cluster = Cluster::connect(options).await.unwrap();
    let router = write::router(store.clone(), cluster, self::options(in_flight));
    Silent { port: Port { store, router }, _server: server, _kubeconfig: directory, _ends: end.drop_guard() }
}

#[tokio::test]
async fn writes_for_what_may_exist_hold_up_nobody_whose_resource_is_known() {
    let silent = silent(2).await;
    let waits = silent.port.post("/write-metrics/namespaces/a/frobs/w/m", "1");
    let mut waits = Box::pin(waits);
    assert!((&mut waits).now_or_never().is_none(), "it waits for discovery");
    let (status, body) = silent.port.post("/write-metrics/namespaces/a/frobs/w/m", "1").await;
    assert!(status == 400 && body.contains("frobs"), "one waits already: {body}");
    assert_eq!(silent.port.post(&format!("{POD}/b"), "1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn batches_that_wait_for_discovery_give_way_to_newer_ones() {
    let silent = silent(100).await;
    let line = r#"{"namespace":"a","resource":"frobs","name":"w","metric":"m","value":1}"#;
    let batch = format!("{line}\n").repeat((write::MAX_BODY_BYTES - 1) / (line.len() + 1));
    let begin = || {
        let mut write = Box::pin(silent.port.post("/write-metrics", batch.clone()));
        assert!((&mut write).now_or_never().is_none(), "it waits for discovery");
        write
    };
    let mut waiting: Vec<_> = (0..4).map(|_| begin()).collect();
    let (status, body) = within("the oldest is given up", waiting.remove(0)).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{body}");
    assert!(body.contains("the longest under way: try again in a second"), "{body}");
    assert!((&mut waiting[0]).now_or_never().is_none(), "the others fit");
}

#[tokio::test]
async fn the_default_ttl_counts_for_writes_that_name_none() {
    let ttl = Some(SignedDuration::from_nanos(1));
    let port = Port::with(Limits::default(), WriteOptions { ttl, ..options(1) });
    port.post(&format!("{POD}/a"), "1").await;
    port.post(&format!("{POD}/b?ttl=1h"), "1").await;
    assert_eq!(port.value("pods", Some("default"), "web-0", "a"), None);
    assert_eq!(port.value("pods", Some("default"), "web-0", "b").as_deref(), Some("1"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(10_000))]

    #[test]
    fn any_request_is_answered_with_success_or_a_reason(
        path in "(/write-metrics(/[a-z%*.]{0,8}){0,7})|/[ -~]{0,20}",
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60),
    ) {
        let Ok(request) = Request::post(path.replace(' ', "%20")).body(Body::from(body)) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, body) = runtime.block_on(Port::new().send(request));
        proptest::prop_assert!(status.is_client_error() || status.is_success(), "{status} {body}");
    }
}
