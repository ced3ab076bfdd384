//! The life of one target.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    error::ScrapeError,
    options::OnScrape,
    schedule::Schedule,
    scraping::{Memory, Workshop},
    state::{Measured, SharedState, Turn},
    stats::{Finished, ScrapeStats},
    targets::TargetSpec,
    trace,
};
use crate::{
    model::Uid,
    store::{Store, Target, TargetOptions},
};

/// What all loops share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) workshop: Arc<Workshop>,
    pub(super) stats: ScrapeStats,
    pub(super) on_scrape: Option<OnScrape>,
    pub(super) seed: u64,
}

/// What a target's loop is told.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Orders {
    pub(super) spec: Arc<TargetSpec>,
    /// No more scrapes: the pod is terminating. The last values stay until they are too old.
    pub(super) is_terminating: bool,
}

/// One target.
pub(super) struct Loop {
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
    state: SharedState,
    end: CancellationToken,
    memory: Memory,
}

impl Loop {
    pub(super) fn new(
        shared: Arc<Shared>,
        orders: watch::Receiver<Orders>,
        state: SharedState,
        end: CancellationToken,
    ) -> Self {
        Self { shared, orders, state, end, memory: Memory::default() }
    }

    /// Scrapes until the target ends; its values leave the store then.
    pub(super) async fn run(mut self) {
        let end = self.end.clone();
        // what a scrape in progress needs is allocated for it, so that a waiting loop is small
        tokio::select! {
            () = end.cancelled() => {}
            () = self.live() => {}
        }
    }

    async fn live(&mut self) {
        let mut orders = self.orders.borrow_and_update().clone();
        let mut target = self.shared.store.target(store_options(&orders.spec));
        let interval = orders.spec.settings.interval;
        let mut schedule = Schedule::new(&orders.spec.key, self.shared.seed, interval, Instant::now());
        loop {
            self.announce(&schedule);
            let due = tokio::select! {
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    false
                }
                () = tokio::time::sleep_until(schedule.next()), if !orders.is_terminating => true,
            };
            if due {
                Box::pin(self.scrape(&orders.spec, &target, &mut schedule)).await;
                continue;
            }
            let new = self.orders.borrow_and_update().clone();
            if store_options(&new.spec) != store_options(&orders.spec) {
                drop(target);
                target = self.shared.store.target(store_options(&new.spec));
                self.memory = Memory::default();
            }
            schedule.set_interval(new.spec.settings.interval, Instant::now(), Timestamp::now());
            orders = new;
        }
    }

    fn announce(&self, schedule: &Schedule) {
        let until = schedule.next().saturating_duration_since(Instant::now());
        let until = SignedDuration::try_from(until).unwrap_or_default();
        self.state.set_next(Timestamp::now().checked_add(until).ok());
    }

    async fn scrape(&mut self, spec: &TargetSpec, target: &Target, schedule: &mut Schedule) {
        let shared = self.shared.clone();
        let Ok(_permit) = shared.workshop.in_flight.acquire().await else { return };
        let (start, at) = (Instant::now(), Timestamp::now());
        let lag = start.saturating_duration_since(schedule.next());
        let mut measured = Measured::default();
        let span = trace::begin(spec);
        let scraped = shared.workshop.scrape(spec, target, &mut self.memory, (at, &mut measured));
        let scraped = scraped.instrument(span.clone()).await;
        trace::end(&span, &measured, scraped.as_ref().err());
        let duration = start.elapsed();
        let turn = self.state.note(at, duration, &measured, scraped.as_ref().err());
        if let Err(error) = &scraped {
            target.failed(&error.failure());
        }
        self.log(spec, turn, scraped.as_ref().err());
        self.count(&measured, scraped.as_ref().err(), duration, lag);
        let skipped = schedule.advance(Instant::now(), Timestamp::now());
        shared.stats.skip(u64::from(skipped));
    }

    /// A failure is logged when it begins or changes its kind, and one kind only once in a while.
    fn log(&self, spec: &TargetSpec, turn: Option<Turn>, error: Option<&ScrapeError>) {
        match (turn, error) {
            (Some(Turn::Failing), Some(error)) => {
                let class = error.class().as_str();
                tracing::warn!(object = %spec.object, url = spec.url(), class, error = error.story(), "scrapes fail");
            }
            (Some(Turn::Recovered), _) => {
                tracing::info!(object = %spec.object, url = spec.url(), "scrapes are good again");
            }
            _ => {}
        }
    }

    fn count(&self, measured: &Measured, error: Option<&ScrapeError>, duration: Duration, lag: Duration) {
        let appended = if error.is_none() { measured.series } else { 0 };
        let finished = Finished {
            error: error.map(ScrapeError::class),
            duration,
            lag,
            wire_bytes: measured.wire_bytes,
            body_bytes: measured.body_bytes,
            appended,
            dropped: measured.samples.saturating_sub(measured.series),
            rejected: measured.rejected.count,
            content_type_fallback: measured.content_type_fallback,
            steady: measured.steady,
        };
        self.shared.stats.count(&finished);
        if let Some(told) = &self.shared.on_scrape {
            told(&finished);
        }
    }
}

fn store_options(spec: &TargetSpec) -> TargetOptions {
    let signed = |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    TargetOptions {
        object: spec.object.clone(),
        uid: Uid(spec.key.uid.clone()),
        created: spec.created,
        name: spec.name().into(),
        interval: signed(spec.settings.interval),
        window: signed(spec.settings.window),
        max_age: signed(spec.max_age()),
        max_age_after_timeout: signed(spec.settings.max_age.unwrap_or(spec.settings.window)),
        fold: spec.settings.fold,
        raw_counters: spec.settings.raw_counters,
    }
}
