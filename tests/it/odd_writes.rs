//! Writes as clients really send them: what can be taken is taken, and what cannot is told what to type.

use std::io::Write as _;

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    cluster::Cluster,
    model::Presence,
    store::{Limits, Store},
    write::{self, WriteOptions},
};
use flate2::{Compression, write::GzEncoder};
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{World, api, path, pod, send};

struct Port {
    store: Store,
    port: Router,
    api: Router,
}

const POD: &str = "/write-metrics/namespaces/default/pods/web-0";

impl Port {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let store = Store::new(limits);
        let options = WriteOptions {
            ttl: None,
            in_flight: 10,
            deadline: std::time::Duration::from_secs(10),
            self_only: false,
        };
        let port = write::router(store.clone(), Cluster::standalone(), options);
        Self { port, api: api(World::standalone(), store.clone()), store }
    }

    async fn send(&self, request: Request<Body>) -> (u16, String) {
        let answer = send(&self.port, request).await;
        (answer.status.as_u16(), answer.text().to_owned())
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> (u16, String) {
        self.send(Request::post(path).body(body.into()).unwrap()).await
    }

    /// The JSON of a batch that was not taken whole.
    async fn batch(&self, query: &str, lines: &[String]) -> Value {
        let (status, body) = self.post(&format!("/write-metrics{query}"), lines.join("\n")).await;
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?}"));
        assert_eq!(body["code"], status);
        body
    }

    async fn read(&self, pod: &str, metric: &str) -> Vec<String> {
        let uri = path(&format!("namespaces/default/pods/{pod}/{metric}"));
        let answer = crate::world::get(&self.api, &uri).await;
        if answer.status == StatusCode::OK { answer.values() } else { Vec::new() }
    }
}

fn line(name: &str, metric: &str, rest: &str) -> String {
    format!(r#"{{"namespace":"default","resource":"pods","name":"{name}","metric":"{metric}",{rest}}}"#)
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_misspelled_query_parameter_is_refused_and_nothing_is_stored() {
    let port = Port::new();
    let batch = line("web-0", "m", r#""value":1"#);
    for (method, path, wanted) in [
        (
            "POST",
            format!("{POD}/m?tll=2s"),
            "nearest is \\\"ttl\\\"; a write takes labels, ttl, timestamp, windowSeconds",
        ),
        ("POST", format!("{POD}/m?TTL=90s"), "nearest is \\\"ttl\\\""),
        ("POST", format!("{POD}/m?label=plan%3Dpaid"), "nearest is \\\"labels\\\""),
        ("POST", format!("{POD}/m?ttl=5s&ttl=6s"), "\\\"ttl\\\" is given twice"),
        (
            "POST",
            "/write-metrics?tll=2s".to_owned(),
            "nearest is \\\"ttl\\\"; a batch takes partial, labels, ttl",
        ),
        ("POST", "/write-metrics?partail=true".to_owned(), "nearest is \\\"partial\\\""),
        ("DELETE", format!("{POD}/m?label=plan%3Dpaid"), "nearest is \\\"labels\\\"; a DELETE takes labels"),
        ("DELETE", format!("{POD}/m?ttl=90s"), "a DELETE takes labels"),
    ] {
        let body = if path.starts_with("/write-metrics?") { batch.clone() } else { "42".to_owned() };
        let request = Request::builder().method(method).uri(&path).body(Body::from(body)).unwrap();
        let (status, body) = port.send(request).await;
        assert!(status == 400 && body.contains(wanted), "{method} {path}: {status} {body}");
    }
    assert_eq!(port.store.stats().written.series, 0);
}

#[tokio::test]
async fn the_query_may_say_when_and_over_how_long_it_was_measured() {
    let port = Port::new();
    assert_eq!(port.post(&format!("{POD}/m?windowSeconds=60&timestamp=1764108000"), "42").await.0, 200);
    let answer = crate::world::get(&port.api, &path("namespaces/default/pods/web-0/m")).await.json();
    let item = &answer["items"][0];
    assert_eq!((&item["windowSeconds"], &item["timestamp"]), (&json!(60), &json!("2025-11-25T22:00:00Z")));
    let two = [line("web-1", "m", r#""value":1"#), line("web-2", "m", r#""value":1,"labels":{"a":"c"}"#)];
    assert_eq!(port.post("/write-metrics?labels=a%3Db&windowSeconds=30", two.join("\n")).await.0, 200);
    for (pod, label, found) in [("web-1", "b", true), ("web-1", "c", false), ("web-2", "c", true)] {
        let metric = format!("m?metricLabelSelector=a%3D{label}");
        assert_eq!(!port.read(pod, &metric).await.is_empty(), found, "{pod} {label}");
    }
}

#[tokio::test]
async fn what_clients_send_is_taken() {
    let one = line("web-0", "m", r#""value":42"#);
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&one).unwrap()).unwrap();
    for (path, encoding, body) in [
        ("/write-metrics".to_owned(), "", format!("[{one}]").into_bytes()),
        ("/write-metrics".to_owned(), "", pretty.clone().into_bytes()),
        ("/write-metrics".to_owned(), "", format!("{pretty}\n{pretty}\n").into_bytes()),
        ("/write-metrics".to_owned(), "gzip", gzip(&one)),
        ("/write-metrics".to_owned(), "", format!("\u{feff}{one}").into_bytes()),
        (format!("{POD}/m"), "gzip", gzip("42")),
        (format!("{POD}/m"), "x-gzip", gzip(r#"{"value": 42}"#)),
        (format!("{POD}/m"), "identity", b"42".to_vec()),
        (format!("{POD}/m"), "", b"\xef\xbb\xbf{\"value\": 42}".to_vec()),
        (format!("{POD}/m"), "", b"\xef\xbb\xbf42\r\n".to_vec()),
        (
            format!("{POD}/m"),
            "",
            br#"{"value": 42, "timestamp": "1764108000", "windowSeconds": "60"}"#.to_vec(),
        ),
        (format!("{POD}/m"), "", b"{\n  \"value\": \"42\"\n}\n".to_vec()),
    ] {
        let port = Port::new();
        let mut request = Request::post(&path);
        if !encoding.is_empty() {
            request = request.header("content-encoding", encoding);
        }
        let shown = String::from_utf8_lossy(&body).into_owned();
        let answer = port.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer, (200, String::new()), "{path} {encoding} {shown}");
        assert_eq!(port.read("web-0", "m").await, ["web-0=42"], "{path} {encoding} {shown}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_told_what_to_type() {
    let port = Port::new();
    let one = line("web-0", "m", r#""value":42"#);
    let single = || format!("{POD}/m");
    for (path, body, status, wanted) in [
        ("/write-metrics".to_owned(), format!("{one}{one}"), 400, "--data-binary"),
        ("/write-metrics".to_owned(), format!("{one},\n{one}"), 400, "no comma stands between lines"),
        ("/write-metrics".to_owned(), format!("[{one}"), 400, "is no JSON array"),
        (
            single(),
            r#"{"value":1,"timestamp":1764108000000}"#.to_owned(),
            400,
            "looks like milliseconds: send seconds, 1764108000",
        ),
        (single(), "value=42".to_owned(), 400, "a form is not read"),
        (single(), "[object Object]".to_owned(), 400, "JSON.stringify"),
        (single(), "{'value': 42}".to_owned(), 400, "double quotes"),
        (single(), "12,5".to_owned(), 400, "decimals have a point"),
        (single(), "'300'".to_owned(), 400, "single quotes"),
        (single(), r#"{"value": 1, "ttl": 90}"#.to_owned(), 400, "such as 90s"),
        ("/write-metrics/namespaces/default/pods/Web-0/m".to_owned(), "1".to_owned(), 400, "lower-case"),
        ("/write-metrics/namespaces/Default/pods/web-0/m".to_owned(), "1".to_owned(), 400, "lower-case"),
        ("/write-metrics/namespaces/Shop/external/m".to_owned(), "1".to_owned(), 400, "lower-case"),
        ("/write-metrics".to_owned(), line("Web-0", "m", r#""value":1"#), 400, "lower-case"),
    ] {
        let (answered, text) = port.post(&path, body.clone()).await;
        assert!(answered == status && text.contains(wanted), "{path} {body}: {answered} {text}");
    }
    assert_eq!(port.store.stats().written.series, 0);
    let role = "/write-metrics/namespaces/default/roles.rbac.authorization.k8s.io/system:node/m";
    assert_eq!(port.post(role, "1").await.0, 200, "roles have names of other rules");
}

#[tokio::test]
async fn packed_bodies_keep_the_limit_and_other_encodings_are_named() {
    let port = Port::new();
    let packed = |encoding: &str, body: Vec<u8>| {
        Request::post(format!("{POD}/m")).header("content-encoding", encoding).body(Body::from(body)).unwrap()
    };
    let bomb = gzip(&" ".repeat(64 << 20));
    assert!(bomb.len() < write::MAX_BODY_BYTES);
    let (status, body) = port.send(packed("gzip", bomb)).await;
    assert!(status == 413 && body.contains("once it is unpacked: send a batch in parts"), "{status} {body}");
    for encoding in ["br", "deflate", "zstd", "gzip, br"] {
        let answer = send(&port.port, packed(encoding, b"42".to_vec())).await;
        assert_eq!((answer.status.as_u16(), answer.header("accept-encoding")), (415, "gzip"), "{encoding}");
        assert!(answer.text().contains("only gzip and identity are read"), "{}", answer.text());
    }
    let (status, body) = port.post(&format!("{POD}/m"), gzip("42")).await;
    assert!(status == 400 && body.contains("Content-Encoding: gzip"), "{status} {body}");
}

#[tokio::test]
async fn a_read_of_a_write_path_is_told_where_to_read() {
    let port = Port::new();
    for (path, wanted) in [
        (format!("{POD}/m"), "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/web-0/m"),
        (
            "/write-metrics/namespaces/shop/external/m".to_owned(),
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/m",
        ),
        ("/write-metrics".to_owned(), "/apis/custom.metrics.k8s.io/v1beta2"),
    ] {
        let (status, body) = port.send(Request::get(&path).body(Body::empty()).unwrap()).await;
        assert!(
            status == 405 && body.contains(wanted) && body.contains("/series"),
            "{path}: {status} {body}"
        );
        let (status, body) = port.send(Request::put(&path).body(Body::from("1")).unwrap()).await;
        assert!(
            status == 405 && !body.contains("/apis") && body.contains("use POST"),
            "{path}: {status} {body}"
        );
    }
}

#[tokio::test]
async fn a_partial_batch_stores_the_good_lines_and_lists_the_bad_ones() {
    let port = Port::new();
    let lines = [
        line("web-0", "m", r#""value":1"#),
        line("web-1", "m", r#""value":"NaN""#),
        String::new(),
        "nonsense".to_owned(),
        line("web-2", "m", r#""value":3"#),
        line("web-3", "m", r#""value":3"#).replace("pods", "frobs"),
        r#"{"external":true,"namespace":"shop","metric":"depth","value":-1}"#.to_owned(),
    ];
    let body = port.batch("?partial=true", &lines).await;
    let numbers: Vec<_> = body["lines"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(
        (&body["code"], &body["stored"], &body["refused"]),
        (&json!(207), &json!(2), &json!(4)),
        "{body}"
    );
    assert_eq!(numbers, [2, 4, 6, 7]);
    assert!(
        body["lines"][2]["error"].as_str().unwrap().contains("frobs") && body["lines"][2]["code"] == 400,
        "{body}"
    );
    assert_eq!(
        [port.read("web-0", "m").await, port.read("web-2", "m").await].concat(),
        ["web-0=1", "web-2=3"]
    );

    let body = port.batch("", &lines).await;
    assert_eq!(
        (&body["code"], &body["stored"], &body["refused"]),
        (&json!(400), &json!(0), &json!(4)),
        "{body}"
    );
    let body = port.batch("?partial=true", &lines[1..2]).await;
    assert_eq!((&body["code"], &body["stored"]), (&json!(400), &json!(0)), "nothing was stored: {body}");
    let good = port.post("/write-metrics?partial=true", lines[0].clone()).await;
    assert_eq!(good, (200, String::new()));
}

#[tokio::test]
async fn a_full_object_refuses_its_own_lines_only() {
    let port = Port::with(Limits { series_per_object: 2, ..Limits::default() });
    let lines = [
        line("web-0", "a", r#""value":1"#),
        line("web-1", "a", r#""value":1"#),
        line("web-0", "b", r#""value":1"#),
        line("web-0", "c", r#""value":1"#),
        line("web-0", "a", r#""value":2"#),
    ];
    assert_eq!(port.post("/write-metrics", lines.join("\n")).await.0, 507);
    assert_eq!(port.store.stats().written.series, 0);
    let body = port.batch("?partial=true", &lines).await;
    assert_eq!((&body["stored"], &body["refused"]), (&json!(4), &json!(1)), "{body}");
    assert_eq!((&body["lines"][0]["line"], &body["lines"][0]["code"]), (&json!(4), &json!(507)), "{body}");
    assert_eq!(port.read("web-0", "a").await, ["web-0=2"]);
}

#[tokio::test]
async fn a_value_that_was_measured_before_the_stored_one_is_409() {
    let port = Port::new();
    let at = |minute: u32| format!(r#""timestamp":"2026-01-01T00:{minute:02}:00Z""#);
    let single = async |value: u32, minute: u32| {
        port.post(&format!("{POD}/m"), format!(r#"{{"value":{value},{}}}"#, at(minute))).await
    };
    assert_eq!(single(1, 5).await.0, 200);
    let (status, body) = single(2, 4).await;
    assert!(
        status == 409 && body.contains("2026-01-01T00:05:00Z") && body.contains("2026-01-01T00:04:00Z"),
        "{body}"
    );
    assert_eq!(port.read("web-0", "m").await, ["web-0=1"]);
    assert_eq!(single(3, 5).await.0, 200, "the same write again");
    assert_eq!(single(4, 6).await.0, 200);

    let lines = [
        line("web-0", "m", &format!(r#""value":5,{}"#, at(3))),
        line("web-1", "m", &format!(r#""value":6,{}"#, at(3))),
        line("web-1", "m", &format!(r#""value":7,{}"#, at(2))),
    ];
    let body = port.batch("", &lines).await;
    assert_eq!(
        (&body["code"], &body["refused"], &body["stored"]),
        (&json!(409), &json!(2), &json!(0)),
        "{body}"
    );
    assert!(port.read("web-1", "m").await.is_empty());
    let body = port.batch("?partial=true", &lines).await;
    assert_eq!(
        (&body["code"], &body["refused"], &body["stored"]),
        (&json!(207), &json!(2), &json!(1)),
        "{body}"
    );
    assert_eq!((&body["lines"][1]["line"], &body["lines"][1]["code"]), (&json!(3), &json!(409)), "{body}");
    assert_eq!(
        [port.read("web-0", "m").await, port.read("web-1", "m").await].concat(),
        ["web-0=4", "web-1=6"]
    );
    assert_eq!(port.post(&format!("{POD}/m"), "8").await.0, 200, "without a timestamp it is new");
    assert_eq!(port.read("web-0", "m").await, ["web-0=8"]);
}

#[tokio::test]
async fn a_value_for_a_pod_that_is_not_there_ends_and_its_read_says_so() {
    let (store, now) = (Store::new(Limits::default()), Timestamp::now());
    let world = World::new().with(pod("web-0"), "");
    let api = api(world.clone(), store.clone());
    store
        .append(vec![crate::world::value(&pod("web-9"), "m", "1", "", "2026-01-01T00:00:00Z")], now)
        .unwrap();
    let uri = path("namespaces/default/pods/web-9/m");
    assert_eq!(crate::world::get(&api, &uri).await.values(), ["web-9=1"], "early values are served by name");
    store.sweep(now + SignedDuration::from_mins(9), |_| Presence::Absent);
    assert_eq!(crate::world::get(&api, &uri).await.values(), ["web-9=1"]);
    store.sweep(now + SignedDuration::from_mins(10), |_| Presence::Absent);
    let message = crate::world::get(&api, &uri).await.failure(404);
    let wanted = "the cluster has no pods \"web-9\" in namespace \"default\" (what is written for it is dropped after ten";
    assert!(message.contains(wanted), "{message}");
    assert!(store.catalog().metrics.is_empty());
}
