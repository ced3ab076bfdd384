//! Pull in: annotations -> targets, one loop a target, one GET under one deadline and one byte cap.
//!
//! ```text
//! cluster.pods() ─▶ supervisor ─annotations, targets─▶ one loop a target ─▶ client ─▶ template ─▶ store
//!                        │                                  │  ▲
//!                        └───▶ what /targets shows ◀────────┘  └─ schedule
//! ```
//!
//! [`Scraper`] is the handle. A target's task ends with its pod, or with the shutdown; what it has appended leaves the
//! store with it. A failed scrape keeps the values of the last good one for a while, a series that a good scrape lacks
//! goes at once, and so does everything of a pod that is gone.

pub mod allow;
pub mod annotations;
mod board;
mod buffers;
mod client;
mod counts;
mod error;
mod monitors;
mod options;
mod pools;
mod quota;
mod run;
mod schedule;
mod scraping;
mod standing;
mod state;
mod stats;
mod supervisor;
pub mod targets;
pub mod template;
#[cfg(test)]
mod testing;
mod trace;
mod turns;

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use counts::TargetCounts;
pub use error::{ErrorClass, ScrapeError, Stage};
pub use monitors::{Across, Monitored};
pub use options::{Compression, CredentialOptions, OnScrape, RequestHeaders, ScrapeOptions};
pub use pools::{Pool, PoolUse};
pub use state::{Health, LastError, LastScrape, RecentScrape, TargetStatus};
pub use stats::{Finished, ScrapeStats};
pub use supervisor::{MonitorSource, PodSource};

use self::{
    board::Board,
    run::Shared,
    scraping::Workshop,
    supervisor::{Supervisor, Surroundings},
};
use crate::{
    model::Uid,
    store::{Quiet, Store},
};

/// Scrapes the pods that say so. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Scraper {
    shared: Arc<Shared>,
    board: Arc<Board>,
}

impl Scraper {
    /// Starts to follow the pods of `source`, a [`Cluster`](crate::cluster::Cluster) usually. Every task is on
    /// `tasks` and ends with `shutdown`.
    #[must_use]
    pub fn start(
        options: ScrapeOptions,
        source: impl Into<PodSource>,
        store: Store,
        tasks: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let workshop = Arc::new(Workshop::new(&options));
        let shared = Arc::new(Shared {
            store,
            workshop,
            stats: ScrapeStats::default(),
            quiet: Quiet::default(),
            on_scrape: options.on_scrape.clone(),
            seed: options.seed,
        });
        let board = Arc::new(Board::default());
        let around = Surroundings { shared: shared.clone(), board: board.clone(), tasks, shutdown };
        Supervisor::new(options, source.into(), around).start();
        Self { shared, board }
    }

    /// All targets, and the pods that want to be scraped and have none; sorted by namespace, pod and URL.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetStatus> {
        self.board.statuses()
    }

    /// The first target of a pod, or why it has none; `None` if it does not ask to be scraped.
    #[must_use]
    pub fn target(&self, pod: &Uid) -> Option<TargetStatus> {
        self.board.status(pod)
    }

    /// The pods that ask to be scraped and have no target, with the reasons.
    #[must_use]
    pub fn refused(&self) -> Vec<(Uid, TargetStatus)> {
        self.board.refused()
    }

    /// How many targets there are of each health.
    #[must_use]
    pub fn counts(&self) -> TargetCounts {
        self.board.counts()
    }

    /// How many targets there are.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.board.len()
    }

    /// How many of them have been scraped too seldom for a rate. Those that fail do not count.
    #[must_use]
    pub fn cold(&self) -> usize {
        self.board.cold()
    }

    /// Totals over all scrapes.
    #[must_use]
    pub fn stats(&self) -> &ScrapeStats {
        &self.shared.stats
    }

    /// How many different templates the targets have, and their estimated bytes.
    #[must_use]
    pub fn templates(&self) -> (usize, usize) {
        self.shared.workshop.templates.usage()
    }

    /// How many scrapes are under way, by the pool that their targets wait in.
    #[must_use]
    pub fn in_flight(&self) -> [PoolUse; 3] {
        self.shared.workshop.pools.usage()
    }
}
