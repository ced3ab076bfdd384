//! What the status page says of the adapter's own work: limits, reads, the last 15 minutes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::parts::Parts;
use crate::{
    admin::{LimitRow, ReadsRow, Totals, Trends},
    config::Config,
    scrape::{ScrapeStats, Scraper},
    serve::ConnectionCounters,
    store::{Budget, LimitKind},
    telemetry::metrics::{Listeners, Metrics, memory_limit, resident_memory},
};

/// Looks at the parts now and then.
#[derive(Clone)]
pub(super) struct Pulse {
    metrics: Arc<Metrics>,
    scraper: Option<Scraper>,
    store: crate::store::Store,
    listeners: Listeners,
    targets: u64,
    pub(super) trends: Trends,
}

impl Pulse {
    pub(super) fn new(config: &Config, parts: &Parts, metrics: &Arc<Metrics>, listeners: Listeners) -> Self {
        Self {
            metrics: metrics.clone(),
            scraper: parts.scraper.clone(),
            store: parts.store.clone(),
            listeners,
            targets: config.scrape.limits.scrape_max_targets as u64,
            trends: Trends::default(),
        }
    }

    /// Adds a point now and then, for ever.
    pub(super) async fn watch(self) {
        let mut looks = tokio::time::interval(Duration::from_secs(Trends::EVERY_SECONDS));
        loop {
            looks.tick().await;
            self.trends.add(self.totals());
        }
    }

    pub(super) fn reads(&self) -> ReadsRow {
        let reads = self.metrics.api.reads();
        ReadsRow { discovery: reads.discovery, custom: reads.custom, external: reads.external }
    }

    pub(super) fn limits(&self) -> Vec<LimitRow> {
        let mut limits: Vec<LimitRow> = self.store.budgets().into_iter().map(of_budget).collect();
        if let Some(scraper) = &self.scraper {
            let used = scraper.target_count() as u64;
            limits.push(LimitRow {
                name: "targets",
                used,
                limit: self.targets,
                set_by: "--scrape-max-targets",
            });
        }
        let Listeners { secure, write, admin, connections_limit } = &self.listeners;
        let connections = |name, counters: &ConnectionCounters| LimitRow {
            name,
            used: counters.open.get(),
            limit: *connections_limit as u64,
            set_by: "--max-connections",
        };
        limits.push(connections("connections to the secure port", secure));
        limits.push(connections("connections to the write port", write));
        limits.push(connections("connections to the admin port", admin));
        limits.extend(memory());
        limits
    }

    fn totals(&self) -> Totals {
        let (reads, stats) = (self.metrics.api.reads(), self.store.stats());
        let scrapes = self.scraper.as_ref().map(Scraper::stats);
        Totals {
            at: Timestamp::now().as_second(),
            answered: reads.answered,
            without_value: reads.without_value,
            failed: reads.failed,
            scrapes_good: scrapes.map_or(0, ScrapeStats::good),
            scrapes_failed: scrapes
                .map(|scrapes| scrapes.failed().map(|(_, count)| count).sum())
                .unwrap_or_default(),
            memory_bytes: resident_memory().map(bytes).unwrap_or_default(),
            series: (stats.written.series + stats.scraped.series) as u64,
        }
    }
}

fn of_budget(budget: &Budget) -> LimitRow {
    let (name, set_by) = match budget.kind() {
        LimitKind::WrittenSeries => ("written series", "--max-series"),
        LimitKind::ScrapedSeries => ("scraped series", "--scrape-max-series"),
        _ => ("memory of scraped series", "--scrape-max-bytes"),
    };
    LimitRow { name, used: budget.held() as u64, limit: budget.limit() as u64, set_by }
}

/// The container's, if it has a limit.
fn memory() -> Option<LimitRow> {
    let (used, limit) = (bytes(resident_memory()?), bytes(memory_limit()?));
    Some(LimitRow { name: "memory of the container", used, limit, set_by: "resources.limits.memory" })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes of a machine")]
fn bytes(number: f64) -> u64 {
    number as u64
}
