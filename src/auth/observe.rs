//! What telemetry may learn of reviews.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant;
use tracing::{Instrument, field::Empty};

use super::{ReviewError, ReviewFailure};

/// Counts reviews; every method does nothing unless it is overridden.
pub trait Observer: Send + Sync + 'static {
    /// A review call ended after `took`, retries included; `failure` when it gave no verdict.
    fn reviewed(&self, kind: ReviewKind, took: Duration, failure: Option<ReviewFailure>) {
        let _ = (kind, took, failure);
    }

    /// A request got its verdict.
    fn remembered(&self, kind: ReviewKind, how: Remembered) {
        let _ = (kind, how);
    }
}

/// Counts nothing.
impl Observer for () {}

/// Which review.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReviewKind {
    /// TokenReview.
    Token,
    /// SubjectAccessReview.
    Access,
}

/// Where a verdict came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Remembered {
    /// From memory.
    Fresh,
    /// A call was made, or shared.
    Asked,
    /// From memory, although it had run out: kube-apiserver gave no answer.
    Outage,
}

/// Runs a review call and reports how it went; a call that is cancelled is not reported.
pub(super) fn timed<T: Send + 'static>(
    kind: ReviewKind,
    observer: &Arc<dyn Observer>,
    call: BoxFuture<'static, Result<T, ReviewError>>,
) -> BoxFuture<'static, Result<T, ReviewError>> {
    let observer = Arc::clone(observer);
    let span = span(kind);
    let outer = span.clone();
    let timed = async move {
        let started = Instant::now();
        let outcome = call.await;
        let failure = outcome.as_ref().err();
        if let Some(error) = failure {
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", error.message.as_str());
            span.record("error.type", error.failure.as_str());
        }
        observer.reviewed(kind, started.elapsed(), failure.map(|error| error.failure));
        outcome
    };
    Box::pin(timed.instrument(outer))
}

/// A client span, a child of the request that asks first.
fn span(kind: ReviewKind) -> tracing::Span {
    let (name, path) = match kind {
        ReviewKind::Token => ("POST tokenreviews", "/apis/authentication.k8s.io/v1/tokenreviews"),
        ReviewKind::Access => {
            ("POST subjectaccessreviews", "/apis/authorization.k8s.io/v1/subjectaccessreviews")
        }
    };
    tracing::info_span!(
        "review",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        otel.status_description = Empty,
        error.type = Empty,
        http.request.method = "POST",
        url.path = path,
    )
}
