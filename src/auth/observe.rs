//! What telemetry may learn of reviews.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::time::Instant;
use tracing::{Instrument, field::Empty};

use super::{ReviewError, ReviewFailure};
use crate::notice::Incident;

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

impl ReviewKind {
    /// As Kubernetes calls it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "TokenReview",
            Self::Access => "SubjectAccessReview",
        }
    }
}

/// Logs when the calls of a review begin to fail and when they succeed again.
#[derive(Default)]
pub(super) struct ReviewLog {
    token: Incident,
    access: Incident,
}

impl ReviewLog {
    fn ended(&self, kind: ReviewKind, error: Option<&ReviewError>) {
        let (review, incident) = (kind.as_str(), self.of(kind));
        match error {
            Some(error) if incident.fails(error.failure.as_str()) => {
                let (class, remedy) = (error.failure.as_str(), remedy(error.failure));
                tracing::warn!(review, class, error = error.message, remedy, "reviews fail");
            }
            Some(_) => {}
            None => {
                if let Some(failed) = incident.works() {
                    tracing::info!(review, failed_for_seconds = failed.as_secs(), "reviews work again");
                }
            }
        }
    }

    fn of(&self, kind: ReviewKind) -> &Incident {
        match kind {
            ReviewKind::Token => &self.token,
            ReviewKind::Access => &self.access,
        }
    }
}

fn remedy(failure: ReviewFailure) -> &'static str {
    match failure {
        ReviewFailure::Refused => "bind ClusterRole system:auth-delegator to the adapter's service account",
        ReviewFailure::Unavailable => {
            "look at kube-apiserver's log and at the cluster's authorization webhooks"
        }
        ReviewFailure::Unreachable | ReviewFailure::Timeout => "look at kube-apiserver and the network to it",
        ReviewFailure::Malformed => "look at the server of the kubeconfig and the proxies before it",
    }
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

/// Runs a review call, logs and reports how it went; a call that is cancelled is not reported.
pub(super) fn timed<T: Send + 'static>(
    kind: ReviewKind,
    observer: &Arc<dyn Observer>,
    log: &Arc<ReviewLog>,
    call: BoxFuture<'static, Result<T, ReviewError>>,
) -> BoxFuture<'static, Result<T, ReviewError>> {
    let (observer, log) = (Arc::clone(observer), Arc::clone(log));
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
        log.ended(kind, failure);
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
