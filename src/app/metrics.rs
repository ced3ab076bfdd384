//! The adapter's own metrics, made of its parts.

use std::sync::Arc;

use super::parts::Parts;
use crate::{
    admin,
    config::Config,
    telemetry::metrics::{self, Limits, Listeners, Metrics, ScrapeLimits},
};

/// What is counted from the start.
pub(super) fn begin(config: &Config) -> anyhow::Result<Metrics> {
    let scrape = &config.scrape.limits;
    Ok(Metrics::new(Limits {
        api: config.requests.max_requests_inflight,
        write: config.requests.max_writes_inflight,
        scrape: ScrapeLimits {
            in_flight: scrape.scrape_max_inflight,
            targets: scrape.scrape_max_targets,
            samples: scrape.scrape_max_samples,
            body_bytes: scrape.scrape_max_body_bytes,
        },
    })?)
}

/// Adds what is read from the parts when the metrics are asked for.
pub(super) fn complete(
    mut metrics: Metrics,
    config: &Config,
    parts: &Parts,
    listeners: Listeners,
) -> anyhow::Result<Arc<Metrics>> {
    let readiness = parts.readiness.clone();
    metrics.read_from(metrics::Parts {
        store: parts.store.clone(),
        journal: parts.journal.clone(),
        restored: parts.restored.clone(),
        cluster: parts.cluster.clone(),
        scraper: parts.scraper.clone(),
        auth: parts.auth.clone(),
        certificate: parts.certificate.clone(),
        listeners,
        ready: Box::new(move || readiness.is_ready()),
        discovery_max_metrics: config.store.discovery_max_metrics,
        insight: parts.insight.clone(),
        hpa_metrics: config.store.hpa_metrics,
    })?;
    Ok(Arc::new(metrics))
}

/// The page of the admin port.
pub(super) fn page(metrics: &Arc<Metrics>) -> admin::Page {
    let metrics = metrics.clone();
    Arc::new(move || metrics.page().map_err(|error| error.to_string()))
}
