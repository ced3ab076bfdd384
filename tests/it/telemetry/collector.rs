//! A collector: what OTLP over HTTP with protobuf brings, decoded by the protocol's own types.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use parking_lot::Mutex;
use prost::Message;

use crate::support::seen;

/// Listens, and keeps every span.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Received,
}

/// Spans, each with the attributes of what sent it.
type Received = Arc<Mutex<Vec<(Attributes, Span)>>>;

pub(crate) type Attributes = BTreeMap<String, String>;

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received::default();
        let router = Router::new().route("/v1/traces", post(keep)).with_state(received.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first span of this name, with its resource's attributes; waits for it.
    pub(crate) async fn span(&self, name: &str) -> (Attributes, Span) {
        seen(&format!("the span {name} has come"), || {
            self.received.lock().iter().find(|(_, span)| span.name == name).cloned()
        })
        .await
    }

    pub(crate) fn spans(&self) -> usize {
        self.received.lock().len()
    }
}

async fn keep(State(received): State<Received>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for spans in request.resource_spans {
        let resource = attributes(&spans.resource.unwrap_or_default().attributes);
        let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
        received.lock().extend(spans.map(|span| (resource.clone(), span)));
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
