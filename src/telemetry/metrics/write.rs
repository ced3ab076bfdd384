//! Requests of the write port, and the samples that they bring.

use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use prometheus::{Error, IntGauge};

use super::{
    float,
    label::{Label as _, codes, label},
    registration::{Counters, Histograms, Reading, Registration},
};
use crate::{
    telemetry::traces,
    write::{Ended, Observer, Operation, Rejection},
};

/// Counts writes, and tells the current span of them.
pub struct WriteMetrics {
    requests: Counters<(Operation, Code)>,
    durations: Histograms<(Operation,)>,
    in_flight: IntGauge,
    appended: Counters<()>,
    rejected: Counters<(Rejection,)>,
    refused: AtomicU64,
    full: AtomicU64,
}

impl WriteMetrics {
    pub(super) fn register(registration: &mut Registration<'_>, limit: usize) -> Result<Self, Error> {
        let what =
            [Reading::gauge("write_requests_in_flight_limit", "Writes that may be under way at once.")];
        registration
            .readings(&what, move |readings| readings.put("write_requests_in_flight_limit", float(limit)))?;
        Ok(Self {
            requests: registration.counters(
                "write_requests_total",
                "Requests to the write port by what they wanted and how they were answered.",
            )?,
            durations: registration.histograms(
                "write_request_duration_seconds",
                "From the head of a write to its answer, the wait for its body included.",
                &LATENCY,
            )?,
            in_flight: registration
                .gauge("write_requests_in_flight", "Writes under way whose body is there.")?,
            appended: registration
                .counters("write_samples_appended_total", "Samples that were written and stored.")?,
            rejected: registration
                .counters("write_samples_rejected_total", "Samples that were refused, by reason.")?,
            refused: AtomicU64::new(0),
            full: AtomicU64::new(0),
        })
    }
}

impl WriteMetrics {
    /// Writes that were answered 429.
    pub(in crate::telemetry) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Writes that were answered 507.
    pub(in crate::telemetry) fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }
}

impl Observer for WriteMetrics {
    fn begun(&self, operation: Operation) {
        traces::tell(|span| {
            let (method, route) = template(operation);
            span.record("http.route", route);
            traces::rename(format!("{method} {route}"));
        });
    }

    fn entered(&self) {
        self.in_flight.inc();
    }

    fn left(&self) {
        self.in_flight.dec();
    }

    fn appended(&self, samples: usize) {
        self.appended.add((), samples);
        traces::tell(|span| {
            span.record("custom_metrics.samples", i64::try_from(samples).unwrap_or(i64::MAX));
        });
    }

    fn rejected(&self, rejection: Rejection) {
        self.rejected.add((rejection,), 1);
        traces::tell(|span| {
            span.record("custom_metrics.rejection", Rejection::VALUES.get(rejection.index()).copied());
        });
    }

    fn ended(&self, ended: &Ended) {
        let limit = match ended.status {
            Some(StatusCode::TOO_MANY_REQUESTS) => Some(&self.refused),
            Some(StatusCode::INSUFFICIENT_STORAGE) => Some(&self.full),
            _ => None,
        };
        if let Some(count) = limit {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.requests.add((ended.operation, Code::of(ended.status)), 1);
        self.durations.observe((ended.operation,), ended.took.as_secs_f64());
    }
}

fn template(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Write => ("POST", "/write-metrics/{path}"),
        Operation::Batch => ("POST", "/write-metrics"),
        Operation::Delete => ("DELETE", "/write-metrics/{path}"),
        Operation::Other => ("HTTP", "/{path}"),
    }
}

label!(Operation, "operation", { Write => "write", Batch => "batch", Delete => "delete", Other => "other" });

label!(Rejection, "reason", {
    Path => "path",
    Method => "method",
    Resource => "resource",
    MetricName => "metric_name",
    Namespace => "namespace",
    Empty => "empty",
    NotUtf8 => "not_utf8",
    Quantity => "quantity",
    Json => "json",
    Label => "label",
    Ttl => "ttl",
    Timestamp => "timestamp",
    Ambiguous => "ambiguous",
    Parameter => "parameter",
    Encoding => "encoding",
    Outdated => "outdated",
    TooLarge => "too_large",
    Timeout => "timeout",
    Aborted => "aborted",
    Displaced => "displaced",
    Full => "full",
    JournalAway => "journal_away",
    TooManyRequests => "too_many_requests",
    Unauthenticated => "unauthenticated",
    Forbidden => "forbidden",
    ReviewFailed => "review_failed",
});

codes!(Code, {
    200 => Ok,
    207 => Partial,
    400 => BadRequest,
    401 => Unauthorized,
    403 => NotAllowed,
    404 => NotFound,
    405 => Method,
    408 => Timeout,
    409 => Outdated,
    413 => TooLarge,
    415 => Encoding,
    429 => TooManyRequests,
    500 => Internal,
    503 => Unavailable,
    504 => Unanswered,
    507 => Full,
});

/// From a value in memory to a body that never came.
const LATENCY: [f64; 13] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0, 60.0];
