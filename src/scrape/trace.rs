//! The span around a scrape, by the semantic conventions of HTTP clients; nothing unless it is traced.

use tracing::{Span, field::Empty};

use super::{error::ScrapeError, state::Measured, targets::TargetSpec};

pub(super) fn begin(spec: &TargetSpec) -> Span {
    tracing::info_span!(
        "scrape",
        otel.name = "GET",
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        http.request.method = "GET",
        http.response.status_code = Empty,
        http.response.body.size = Empty,
        url.full = spec.url(),
        server.address = %spec.key.address.ip(),
        server.port = i64::from(spec.key.address.port()),
        k8s.namespace.name = spec.object.namespace.as_deref(),
        k8s.pod.name = &*spec.object.name,
        custom_metrics.samples = Empty,
        custom_metrics.body_bytes = Empty,
    )
}

/// Records what was found, and why it failed if it did.
pub(super) fn end(span: &Span, measured: &Measured, error: Option<&ScrapeError>) {
    if span.is_disabled() {
        return;
    }
    let narrow = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let status = match error {
        Some(ScrapeError::Status(status) | ScrapeError::Redirect { status, .. }) => Some(status.as_u16()),
        _ => (measured.wire_bytes > 0 || error.is_none()).then_some(200),
    };
    span.record("http.response.status_code", status.map(i64::from));
    span.record("http.response.body.size", narrow(measured.wire_bytes));
    span.record("custom_metrics.samples", narrow(measured.samples));
    span.record("custom_metrics.body_bytes", narrow(measured.body_bytes));
    if let Some(error) = error {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", error.class().as_str());
    }
}
