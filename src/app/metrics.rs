//! The adapter's own metrics, made of its parts.

use std::sync::Arc;

use crate::{
    admin,
    auth::Auth,
    checks::Readiness,
    cluster::Cluster,
    config::Config,
    scrape::Scraper,
    serve::{ConnectionCounters, ServingCertificate},
    store::Store,
    telemetry::metrics::{InFlightLimits, Listeners, Metrics, Parts},
};

/// What the metrics read when they are asked for.
pub(super) type Read<'a> =
    ((&'a Store, &'a Cluster, Option<&'a Scraper>), (&'a Auth, &'a Arc<ServingCertificate>, &'a Readiness));

/// What is counted from the start.
pub(super) fn begin(config: &Config) -> anyhow::Result<Metrics> {
    let (requests, scrape) = (&config.requests, &config.scrape);
    Ok(Metrics::new(InFlightLimits {
        api: requests.max_requests_inflight,
        write: requests.max_writes_inflight,
        scrape: scrape.limits.scrape_max_inflight,
    })?)
}

/// The listeners: secure and write are open, admin is about to be.
pub(super) fn doors([secure, write]: [Arc<ConnectionCounters>; 2], config: &Config) -> Listeners {
    let admin = Arc::new(ConnectionCounters::default());
    Listeners { secure, write, admin, connections_limit: config.requests.max_connections }
}

/// Adds what is read from the parts.
pub(super) fn complete(
    mut metrics: Metrics,
    config: &Config,
    ((store, cluster, scraper), (auth, certificate, readiness)): Read<'_>,
    listeners: Listeners,
) -> anyhow::Result<Arc<Metrics>> {
    let readiness = readiness.clone();
    metrics.read_from(Parts {
        store: store.clone(),
        cluster: cluster.clone(),
        scraper: scraper.cloned(),
        auth: auth.clone(),
        certificate: certificate.clone(),
        listeners,
        ready: Box::new(move || readiness.is_ready()),
        discovery_max_metrics: config.store.discovery_max_metrics,
    })?;
    Ok(Arc::new(metrics))
}

/// The page of the admin port.
pub(super) fn page(metrics: &Arc<Metrics>) -> admin::Page {
    let metrics = metrics.clone();
    Arc::new(move || metrics.page().map_err(|error| error.to_string()))
}
