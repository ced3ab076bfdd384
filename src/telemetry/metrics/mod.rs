//! The adapter's own metrics: named, described, registered, written down. `docs/metrics.md` lists them.
//!
//! Each App has a registry of its own. What happens is counted as it happens, by an observer trait of its module;
//! what *is* (values held, targets, ages) is read when somebody asks for the page. Labels are closed enums, so that the
//! page does not grow with the cluster; those of HPAs alone are names, up to a limit.

mod api;
mod auth;
mod cluster;
mod hpa;
mod journal;
mod label;
mod process;
mod pulse;
mod refusals;
mod registration;
mod runtime;
mod scrape;
mod serve;
mod store;
mod write;

use std::sync::Arc;

use prometheus::{Error, Registry, TextEncoder};

pub use api::ApiMetrics;
pub use auth::AuthMetrics;
pub use journal::JournalMetrics;
pub use label::LabelValues;
pub use process::{memory_limit, resident_memory};
pub use pulse::Reads;
pub use registration::{Described, Kind};
pub use scrape::{ScrapeLimits, ScrapeMetrics};
pub use serve::Listeners;
pub use write::WriteMetrics;

use crate::{
    auth::Auth,
    cluster::Cluster,
    insight::Insight,
    journal::{Journal, Restored},
    scrape::Scraper,
    serve::ServingCertificate,
    store::Store,
    version::{COMMIT, VERSION},
};
use registration::{Reading, Registration};

/// The metrics of one App.
pub struct Metrics {
    registry: Registry,
    described: Vec<Described>,
    /// Counts requests of the API.
    pub api: Arc<ApiMetrics>,
    /// Counts writes.
    pub write: Arc<WriteMetrics>,
    /// Counts commits.
    pub journal: Arc<JournalMetrics>,
    /// Counts reviews.
    pub auth: Arc<AuthMetrics>,
    /// Counts scrapes.
    pub scrape: Arc<ScrapeMetrics>,
}

/// What is read when the page is asked for.
pub struct Parts {
    /// The values.
    pub store: Store,
    /// Where written ones are kept.
    pub journal: Journal,
    /// What came back from there at the start.
    pub restored: Restored,
    /// The cluster.
    pub cluster: Cluster,
    /// The targets, if anything is scraped.
    pub scraper: Option<Scraper>,
    /// Who is trusted.
    pub auth: Auth,
    /// The certificate that is shown.
    pub certificate: Arc<ServingCertificate>,
    /// The listeners.
    pub listeners: Listeners,
    /// Whether the adapter is ready.
    pub ready: Box<dyn Fn() -> bool + Send + Sync>,
    /// How many metrics discovery lists at most.
    pub discovery_max_metrics: usize,
    /// The HPAs.
    pub insight: Insight,
    /// How many HPAs have metrics of their own.
    pub hpa_metrics: usize,
}

/// Limits that are shown beside what they limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// API requests under way.
    pub api: usize,
    /// Writes under way.
    pub write: usize,
    /// Of scraping.
    pub scrape: ScrapeLimits,
}

impl Metrics {
    /// The metrics that are counted, those of the process, and those of the tokio runtime that it is called in.
    ///
    /// # Errors
    /// When two metrics have one name: a mistake that any test finds.
    pub fn new(limits: Limits) -> Result<Self, Error> {
        let (registry, mut described) = (Registry::new(), Vec::new());
        let mut registration = Registration { registry: &registry, described: &mut described };
        build(&mut registration)?;
        process::register(&mut registration)?;
        runtime::register(&mut registration)?;
        let api = Arc::new(ApiMetrics::register(&mut registration, limits.api)?);
        let write = Arc::new(WriteMetrics::register(&mut registration, limits.write)?);
        let journal = Arc::new(JournalMetrics::register(&mut registration)?);
        let auth = Arc::new(AuthMetrics::register(&mut registration)?);
        let scrape = Arc::new(ScrapeMetrics::register(&mut registration, limits.scrape)?);
        Ok(Self { registry, described, api, write, journal, auth, scrape })
    }

    /// Adds what is read from `parts`.
    ///
    /// # Errors
    /// As [`Metrics::new`]; also when it is called twice.
    pub fn read_from(&mut self, parts: Parts) -> Result<(), Error> {
        let mut registration = Registration { registry: &self.registry, described: &mut self.described };
        let Parts {
            store,
            journal,
            restored,
            cluster,
            scraper,
            auth,
            certificate,
            listeners,
            ready,
            discovery_max_metrics,
            insight,
            hpa_metrics,
        } = parts;
        readiness(&mut registration, ready)?;
        hpa::register(&mut registration, insight, hpa_metrics)?;
        refusals::register(&mut registration, store.clone(), scraper.clone())?;
        store::register(&mut registration, store, cluster.clone(), discovery_max_metrics)?;
        journal::register(&mut registration, journal, restored)?;
        cluster::register(&mut registration, cluster)?;
        scrape::register(&mut registration, scraper, self.scrape.limits)?;
        auth::register(&mut registration, auth)?;
        serve::register(&mut registration, certificate, listeners)
    }

    /// Every metric that the page can have, by registration.
    #[must_use]
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// The page, in text format 0.0.4.
    ///
    /// # Errors
    /// When a metric cannot be written down.
    pub fn page(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn build(registration: &mut Registration<'_>) -> Result<(), Error> {
    let what =
        [Reading::gauge("build_info", "The version and commit that run; always 1.")
            .by::<(Version, Commit)>()];
    registration.readings(&what, |readings| readings.put_by("build_info", (Version, Commit), 1.0))
}

fn readiness(
    registration: &mut Registration<'_>,
    ready: Box<dyn Fn() -> bool + Send + Sync>,
) -> Result<(), Error> {
    let what = [Reading::gauge("ready", "1 while every readiness check holds.")];
    registration.readings(&what, move |readings| readings.put("ready", f64::from(u8::from(ready()))))
}

/// The version as a label of one value.
#[derive(Clone, Copy)]
struct Version;

impl label::Label for Version {
    const NAME: &'static str = "version";
    const VALUES: &'static [&'static str] = &[VERSION];

    fn index(self) -> usize {
        0
    }
}

/// The commit as a label of one value.
#[derive(Clone, Copy)]
struct Commit;

impl label::Label for Commit {
    const NAME: &'static str = "commit";
    const VALUES: &'static [&'static str] = &[COMMIT];

    fn index(self) -> usize {
        0
    }
}

/// A count as a metric's value.
#[expect(clippy::cast_precision_loss, reason = "a double is what Prometheus keeps; exact up to 2^53")]
fn float(count: usize) -> f64 {
    count as f64
}
