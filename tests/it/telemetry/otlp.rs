//! Spans as a collector gets them, over HTTP and over gRPC at one address; the end-to-end tests have this file too.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::Response,
    routing::post,
};
use http_body_util::{BodyExt as _, Full};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use parking_lot::Mutex;
use prost::Message as _;

/// Spans, each with the attributes of what sent it.
#[derive(Clone, Default)]
pub(crate) struct Received(pub(crate) Arc<Mutex<Vec<(Attributes, Span)>>>);

pub(crate) type Attributes = BTreeMap<String, String>;

impl Received {
    pub(crate) fn keep(&self, request: ExportTraceServiceRequest) {
        for spans in request.resource_spans {
            let resource = attributes(&spans.resource.unwrap_or_default().attributes);
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().extend(spans.map(|span| (resource.clone(), span)));
        }
    }
}

/// Attributes as text.
pub(crate) fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| {
        let value = match pair.value.as_ref()?.value.as_ref()? {
            any_value::Value::StringValue(text) => text.clone(),
            any_value::Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((pair.key.clone(), value))
    };
    pairs.iter().filter_map(text).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The routes of a collector that keeps every span.
pub(crate) fn collector(received: Received) -> Router {
    Router::new()
        .route("/v1/traces", post(over_http))
        .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(over_grpc))
        .with_state(received)
}

async fn over_http(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    received.keep(ExportTraceServiceRequest::decode(body).expect("OTLP"));
}

/// One call: a byte that says whether it is compressed, four of length, the message; the same back, then the status.
async fn over_grpc(State(received): State<Received>, body: Bytes) -> Response {
    assert_eq!(body[0], 0, "nothing compresses unless it is told to");
    received.keep(ExportTraceServiceRequest::decode(body.slice(5..)).expect("OTLP"));
    let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from(0))]);
    let empty = Full::new(Bytes::from_static(&[0; 5]));
    let body = Body::new(empty.with_trailers(async { Some(Ok(trailers)) }));
    Response::builder().header("content-type", "application/grpc").body(body).expect("a response")
}
