//! A collector: what OTLP brings, decoded by the protocol's own types.

use std::net::SocketAddr;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::otlp::{Attributes, Received, collector};
use crate::support::seen;

/// Listens, and keeps every span.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Received,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Received::default();
        let router = collector(received.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first span of this name, with its resource's attributes; waits for it.
    pub(crate) async fn span(&self, name: &str) -> (Attributes, Span) {
        seen(&format!("the span {name} has come"), || {
            self.received.0.lock().iter().find(|(_, span)| span.name == name).cloned()
        })
        .await
    }

    pub(crate) fn spans(&self) -> usize {
        self.received.0.lock().len()
    }
}
