//! Reviews, verdicts and trust.

use std::time::Duration;

use prometheus::Error;

use super::{
    label::label,
    registration::{Counters, Histograms, Reading, Registration},
};
use crate::auth::{Auth, Observer, Remembered, ReviewFailure, ReviewKind};

/// Counts reviews.
pub struct AuthMetrics {
    reviews: Histograms<(ReviewKind, Outcome)>,
    verdicts: Counters<(ReviewKind, Remembered)>,
}

impl AuthMetrics {
    pub(super) fn register(registration: &mut Registration<'_>) -> Result<Self, Error> {
        Ok(Self {
            reviews: registration.histograms(
                "auth_review_duration_seconds",
                "Calls of kube-apiserver's reviews, retries included.",
                &LATENCY,
            )?,
            verdicts: registration
                .counters("auth_verdicts_total", "Requests that got a verdict, by where it came from.")?,
        })
    }
}

impl Observer for AuthMetrics {
    fn reviewed(&self, kind: ReviewKind, took: Duration, failure: Option<ReviewFailure>) {
        self.reviews.observe((kind, failure.into()), took.as_secs_f64());
    }

    fn remembered(&self, kind: ReviewKind, how: Remembered) {
        self.verdicts.add((kind, how), 1);
    }
}

pub(super) fn register(registration: &mut Registration<'_>, auth: Auth) -> Result<(), Error> {
    let what = [
        Reading::counter("auth_trust_changes_total", "How often the trusted authorities have changed."),
        Reading::gauge("auth_trust_failing", "1 while the newest trust configuration cannot be used."),
    ];
    registration.readings(&what, move |readings| {
        let status = auth.trust_status();
        let changes = status.as_ref().map_or(0, |status| status.generation.saturating_sub(1));
        let failing = status.is_some_and(|status| status.problem.is_some());
        readings
            .put("auth_trust_changes_total", super::float(usize::try_from(changes).unwrap_or(usize::MAX)));
        readings.put("auth_trust_failing", f64::from(u8::from(failing)));
    })
}

/// How a review ended.
#[derive(Clone, Copy)]
enum Outcome {
    Ok,
    Unreachable,
    Timeout,
    Unavailable,
    Refused,
    Malformed,
}

impl From<Option<ReviewFailure>> for Outcome {
    fn from(failure: Option<ReviewFailure>) -> Self {
        match failure {
            None => Self::Ok,
            Some(ReviewFailure::Unreachable) => Self::Unreachable,
            Some(ReviewFailure::Timeout) => Self::Timeout,
            Some(ReviewFailure::Unavailable) => Self::Unavailable,
            Some(ReviewFailure::Refused) => Self::Refused,
            Some(ReviewFailure::Malformed) => Self::Malformed,
        }
    }
}

label!(ReviewKind, "review", { Token => "token", Access => "access" });

label!(Outcome, "result", {
    Ok => "ok",
    Unreachable => "unreachable",
    Timeout => "timeout",
    Unavailable => "unavailable",
    Refused => "refused",
    Malformed => "malformed",
});

label!(Remembered, "source", { Fresh => "memory", Asked => "call", Outage => "outage" });

/// From a review on one machine to one that took all of its ten seconds.
const LATENCY: [f64; 11] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];
