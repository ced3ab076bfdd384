//! Where targets wait for their turn to be scraped: the good ones, the new ones and the failing ones apart.
//!
//! A scrape that fails takes its whole timeout as a rule, a good one some milliseconds. Waiting together, a thousand pods
//! of a zone that is gone would delay everybody's values for a minute. The new ones are apart from both, because nobody
//! knows yet of which kind they are.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::timeout;

use super::{
    error::{ScrapeError, Stage},
    options::ScrapeOptions,
    standing::Standing,
    turns::{Turn, Turns},
};
use crate::model::Tenant;

/// Turns to scrape.
pub(super) struct Pools {
    good: Turns,
    new: Turns,
    failing: Turns,
    apart: bool,
}

/// A turn in one of the pools.
pub(super) struct Seat {
    turn: Turn,
    pool: Pool,
}

/// A scrape that takes longer lets others go first; most take some milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

/// One of the pools.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Pool {
    /// Targets whose last scrape was good.
    Good,
    /// Targets that were not scraped yet.
    New,
    /// Targets whose last scrape failed.
    Failing,
}

/// How much of a pool is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolUse {
    /// Which pool.
    pub pool: Pool,
    /// Scrapes under way.
    pub in_flight: usize,
    /// How many there may be.
    pub limit: usize,
}

impl Pool {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::New, Self::Failing];

    /// How many scrapes may be under way, where `in_flight` may be of good targets.
    #[must_use]
    pub fn limit(self, in_flight: usize) -> usize {
        match self {
            Self::Good => in_flight.max(1),
            Self::New | Self::Failing => in_flight.div_ceil(2).max(1),
        }
    }
}

impl Pools {
    pub(super) fn new(options: &ScrapeOptions) -> Self {
        let turns = |pool: Pool| Turns::new(pool.limit(options.in_flight));
        let good = turns(Pool::Good);
        let (new, failing) = match options.apart {
            true => (turns(Pool::New), turns(Pool::Failing)),
            false => (good.clone(), good.clone()),
        };
        Self { good, new, failing, apart: options.apart }
    }

    /// Waits for a turn among targets of the same standing.
    pub(super) async fn take(&self, standing: Standing, tenant: &Tenant) -> Seat {
        let pool = match standing {
            Standing::Good => Pool::Good,
            Standing::New => Pool::New,
            Standing::Failing { .. } => Pool::Failing,
        };
        Seat { turn: self.of(pool).take(tenant).await, pool }
    }

    /// Runs a scrape in its turn. Each time that it has taken `patience` more while others wait, it goes on among the
    /// failing, or ends if they have no turn to spare: when a zone is lost, a thousand good targets fall silent at once,
    /// each for a whole timeout.
    ///
    /// # Errors
    /// Those of the scrape, and the end for the sake of others.
    pub(super) async fn run<T>(
        &self,
        mut seat: Seat,
        patience: Duration,
        scrape: impl Future<Output = Result<T, ScrapeError>>,
    ) -> Result<T, ScrapeError> {
        let mut scrape = pin!(scrape);
        loop {
            if let Ok(ended) = timeout(patience, scrape.as_mut()).await {
                return ended;
            }
            // The patience and not the time that passed: a text that changes each time is an Event each time.
            let crowded = || ScrapeError::Timeout { stage: Stage::Crowded, after: patience };
            seat = self.make_way(seat).ok_or_else(crowded)?;
        }
    }

    fn make_way(&self, seat: Seat) -> Option<Seat> {
        if !self.apart || seat.pool == Pool::Failing || !self.of(seat.pool).is_contended() {
            return Some(seat);
        }
        let turn = self.failing.try_take(seat.turn.tenant())?;
        Some(Seat { turn, pool: Pool::Failing })
    }

    pub(super) fn usage(&self) -> [PoolUse; 3] {
        Pool::ALL.map(|pool| {
            let turns = self.of(pool);
            PoolUse { pool, in_flight: turns.taken(), limit: turns.permits() }
        })
    }

    fn of(&self, pool: Pool) -> &Turns {
        match pool {
            Pool::Good => &self.good,
            Pool::New => &self.new,
            Pool::Failing => &self.failing,
        }
    }
}

#[cfg(test)]
mod tests;
