//! The life of one target.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    error::ScrapeError,
    options::OnScrape,
    pools::PATIENCE,
    schedule::Schedule,
    scraping::{Memory, Workshop},
    standing::Standing,
    state::{Measured, SharedState, Turn},
    stats::{Finished, ScrapeStats},
    targets::TargetSpec,
    trace,
};
use crate::{
    model::{Tenant, Uid},
    store::{AppendError, Quiet, Store, Target, TargetOptions},
};

/// What all loops share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) workshop: Arc<Workshop>,
    pub(super) stats: ScrapeStats,
    pub(super) quiet: Quiet,
    pub(super) on_scrape: Option<OnScrape>,
    pub(super) seed: u64,
}

/// What a target's loop is told.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) spec: Arc<TargetSpec>,
    /// No more scrapes: the pod is terminating. The last values stay until they are too old.
    pub(super) is_terminating: bool,
}

/// One target.
pub(super) struct Loop {
    shared: Arc<Shared>,
    /// Sent anew with each change of the pod.
    orders: watch::Receiver<Orders>,
    state: SharedState,
    end: CancellationToken,
    memory: Memory,
    standing: Standing,
    /// When the last scrape began, and how long the last good one took.
    last: Option<Instant>,
    took: Duration,
}

impl Loop {
    pub(super) fn new(
        shared: Arc<Shared>,
        orders: watch::Receiver<Orders>,
        state: SharedState,
        end: CancellationToken,
    ) -> Self {
        let (memory, standing) = (Memory::default(), Standing::default());
        Self { shared, orders, state, end, memory, standing, last: None, took: Duration::ZERO }
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
            self.obey(&orders.spec, &new.spec, (&mut target, &mut schedule));
            orders = new;
        }
    }

    /// Takes up a change of the pod. A failing target may do well now, and other settings may show other series: neither
    /// waits for the target's next moment.
    fn obey(&mut self, old: &TargetSpec, new: &TargetSpec, (target, schedule): (&mut Target, &mut Schedule)) {
        let options = store_options(new);
        if options != store_options(old) {
            target.reconfigure(options);
        }
        schedule.set_interval(new.settings.interval, Instant::now(), Timestamp::now());
        if self.standing.forgive() || new.settings != old.settings {
            let earliest = self.last.map_or_else(Instant::now, |last| last + BETWEEN_SCRAPES);
            schedule.hasten(earliest.max(Instant::now()));
        }
    }

    fn announce(&self, schedule: &Schedule) {
        let until = schedule.next().saturating_duration_since(Instant::now());
        let until = SignedDuration::try_from(until).unwrap_or_default();
        self.state.set_next(Timestamp::now().checked_add(until).ok());
    }

    async fn scrape(&mut self, spec: &TargetSpec, target: &Target, schedule: &mut Schedule) {
        let shared = self.shared.clone();
        let pools = &shared.workshop.pools;
        let seat = pools.take(self.standing, &Tenant::of(&spec.object)).await;
        let (start, at) = (Instant::now(), Timestamp::now());
        self.last = Some(start);
        let lag = start.saturating_duration_since(schedule.next());
        let mut measured = Measured::default();
        let span = trace::begin(spec);
        let scraped = shared.workshop.scrape(spec, target, &mut self.memory, (at, &mut measured));
        let patience = PATIENCE.max(2 * self.took);
        let scraped = pools.run(seat, patience, scraped.instrument(span.clone())).await;
        let error = scraped.as_ref().err();
        trace::end(&span, &measured, error);
        let duration = start.elapsed();
        let turn = self.state.note(at, duration, &measured, error);
        match error {
            Some(error) => target.failed(&error.failure()),
            None => self.took = duration,
        }
        self.log(spec, turn, error);
        self.count(&measured, error, duration, lag);
        self.plan_next(spec, schedule, error);
    }

    fn plan_next(&mut self, spec: &TargetSpec, schedule: &mut Schedule, error: Option<&ScrapeError>) {
        self.standing.note(error);
        let skipped = schedule.advance(Instant::now(), Timestamp::now());
        self.shared.stats.skip(u64::from(skipped));
        if !self.shared.workshop.rests {
            return;
        }
        schedule.rest(self.standing.rest(spec));
        if self.standing.is_crowded_out(error) {
            schedule.hasten(Instant::now() + BETWEEN_SCRAPES);
        }
    }

    /// A failure is logged when it begins or changes its kind, and one kind only once in a while.
    fn log(&self, spec: &TargetSpec, turn: Option<Turn>, error: Option<&ScrapeError>) {
        if let Some(ScrapeError::Store(refusal @ AppendError::Share { tenant, kind, .. })) = error {
            return self.log_share(tenant, kind.as_str(), refusal);
        }
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

    /// All targets of a namespace reach its share together: it is logged once in a while for all of them.
    fn log_share(&self, tenant: &Tenant, limit: &'static str, refusal: &AppendError) {
        if self.shared.quiet.may_say(tenant, limit, Timestamp::now()) {
            tracing::warn!(%tenant, limit, error = %refusal, "a namespace has its share: scrapes fail");
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
        derived: spec.settings.derived.clone(),
    }
}

/// However often a pod changes, its scrapes are so far apart.
const BETWEEN_SCRAPES: Duration = Duration::from_secs(1);
