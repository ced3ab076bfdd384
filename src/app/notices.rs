//! Logs what no request tells: each change of readiness, and a certificate that is about to expire.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, interval};

use crate::{checks::Readiness, notice::Incident, serve::ServingCertificate};

/// Looks each second, for ever.
pub(super) async fn watch(readiness: Readiness, certificate: Arc<ServingCertificate>) {
    let (mut ready, expiry) = (ReadinessLog::new(), Incident::default());
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        ready.look(&failures(&readiness));
        look_at_expiry(certificate.status().not_after, Timestamp::now(), &expiry);
    }
}

/// The checks that fail, with their reasons.
fn failures(readiness: &Readiness) -> String {
    let failed = readiness.failures().into_iter();
    let failed = failed.filter_map(|(name, failure)| failure.map(|failure| format!("{name}: {failure}")));
    failed.collect::<Vec<_>>().join("; ")
}

struct ReadinessLog {
    begun: Instant,
    was_ready: bool,
    incident: Incident,
}

impl ReadinessLog {
    fn new() -> Self {
        Self { begun: Instant::now(), was_ready: false, incident: Incident::default() }
    }

    fn look(&mut self, failures: &str) {
        if failures.is_empty() {
            let failed = self.incident.works();
            if !self.was_ready || failed.is_some() {
                tracing::info!("ready");
            }
            self.was_ready = true;
        } else if (self.was_ready || self.begun.elapsed() >= START) && self.incident.fails("not_ready") {
            tracing::warn!(checks = failures, "not ready");
        }
    }
}

fn look_at_expiry(not_after: Timestamp, now: Timestamp, incident: &Incident) {
    let left = not_after.duration_since(now);
    let (class, message) = match left {
        left if left > SOON => {
            if incident.works().is_some() {
                tracing::info!(%not_after, "the serving certificate has been renewed");
            }
            return;
        }
        left if left.is_negative() => ("expired", "the serving certificate has expired"),
        _ => ("expiring", "the serving certificate expires soon"),
    };
    if incident.fails(class) {
        let remedy = "renew it; kube-apiserver refuses an expired one where the APIServices have a caBundle";
        tracing::warn!(%not_after, remedy, "{message}");
    }
}

const LOOK: Duration = Duration::from_secs(1);

/// Until then it is no news that the adapter is not ready.
const START: Duration = Duration::from_secs(5);

/// As the first alert has it.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
