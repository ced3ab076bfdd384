//! A collector for OTLP: over HTTP, as the adapter sends, and over gRPC, as kube-apiserver does, at one address.

#[path = "../../it/telemetry/otlp.rs"]
mod otlp;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

pub(crate) use otlp::{Attributes, attributes, hex};
use otlp::{Received, collector};

/// Listens, and keeps every span; it ends with the value.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Received,
    _runtime: Runtime,
}

/// A span that was received.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty at the root of a trace.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// `service.name` of what sent it.
    pub(crate) service: String,
    pub(crate) kind: i32,
    pub(crate) attributes: Attributes,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let received = Received::default();
        let router = collector(received.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, received, _runtime: runtime }
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.received.0.lock().iter().map(|(resource, span)| Span::of(resource, span)).collect()
    }
}

impl Span {
    fn of(resource: &Attributes, span: &opentelemetry_proto::tonic::trace::v1::Span) -> Self {
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name.clone(),
            service: resource["service.name"].clone(),
            kind: span.kind,
            attributes: attributes(&span.attributes),
        }
    }
}
