//! Good targets beside those that do not answer, in time that is made up: each target is a loop with the real pools,
//! standings and schedules, and its scrapes are waits.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use jiff::Timestamp;
use tokio::time::sleep;

use tokio::time::Instant;

use super::*;
use crate::scrape::{schedule::Schedule, targets, targets::TargetSpec, testing::pod};

/// How a simulated target behaves.
#[derive(Clone, Copy)]
struct Kind {
    namespace: &'static str,
    interval: &'static str,
    /// How long its scrapes take, and how they end.
    takes: Duration,
    ends: fn(Duration) -> Result<(), ScrapeError>,
    /// When it begins to behave so; until then it is good.
    from: Duration,
}

const GOOD: Kind = Kind {
    namespace: "shop",
    interval: "15s",
    takes: Duration::from_millis(5),
    ends: |_| Ok(()),
    from: Duration::ZERO,
};
const UNREACHABLE: Kind = Kind {
    takes: Duration::from_secs(1),
    ends: |after| Err(ScrapeError::Timeout { stage: Stage::Connecting, after }),
    ..GOOD
};
const SILENT: Kind = Kind {
    interval: "30s",
    takes: Duration::from_secs(30),
    ends: |after| Err(ScrapeError::Timeout { stage: Stage::Headers, after }),
    ..GOOD
};

struct Target {
    pools: Arc<Pools>,
    kind: Kind,
    spec: Arc<TargetSpec>,
    number: usize,
}

fn spec(kind: Kind) -> Arc<TargetSpec> {
    let annotations = [
        ("prometheus.io/scrape", "true"),
        ("prometheus.io/port", "80"),
        ("prometheus.io/interval", kind.interval),
    ];
    targets::plan(&pod("web", &annotations), &ScrapeOptions::default()).unwrap().targets.remove(0)
}

impl Target {
    /// Scrapes until `end`; the longest time between two good scrapes, or before the first.
    async fn live(self, end: Instant) -> Duration {
        let tenant = Tenant::Namespace(self.kind.namespace.into());
        let (began, interval) = (Instant::now(), self.spec.settings.interval);
        let wall =
            || Timestamp::from_millisecond(i64::try_from(began.elapsed().as_millis()).unwrap()).unwrap();
        let mut schedule = Schedule::new(&self.number, 7, interval, began);
        let (mut standing, mut last_good, mut gap) = (Standing::New, began, Duration::ZERO);
        while schedule.next() < end {
            tokio::time::sleep_until(schedule.next()).await;
            let seat = self.pools.take(standing, &tenant).await;
            let kind = if began.elapsed() < self.kind.from { GOOD } else { self.kind };
            let scrape = async {
                sleep(kind.takes).await;
                (kind.ends)(kind.takes)
            };
            let scraped = self.pools.run(seat, PATIENCE, scrape).await;
            if scraped.is_ok() {
                gap = gap.max(last_good.elapsed());
                last_good = Instant::now();
            }
            standing.note(scraped.as_ref().err());
            schedule.advance(Instant::now(), wall());
            schedule.rest(if self.pools.apart { standing.rest(&self.spec) } else { 0 });
            if standing.is_crowded_out(scraped.as_ref().err()) {
                schedule.hasten(Instant::now() + Duration::from_secs(1));
            }
        }
        gap.max(last_good.elapsed())
    }
}

/// The longest time that the first kind of targets had no good scrape for.
async fn worst_gap(apart: bool, kinds: &[(usize, Kind)]) -> Duration {
    let options = ScrapeOptions { in_flight: 128, apart, ..ScrapeOptions::default() };
    let pools = Arc::new(Pools::new(&options));
    let end = Instant::now() + Duration::from_secs(240);
    let (worst, tasks) = (Arc::new(AtomicU64::new(0)), tokio_util::task::TaskTracker::new());
    let all = kinds.iter().enumerate().flat_map(|(place, (count, kind))| vec![(place == 0, *kind); *count]);
    for (number, (counts, kind)) in all.enumerate() {
        let target = Target { pools: pools.clone(), kind, spec: spec(kind), number };
        let worst = worst.clone();
        tasks.spawn(async move {
            let gap = u64::try_from(target.live(end).await.as_millis()).unwrap();
            if counts {
                worst.fetch_max(gap, Ordering::Relaxed);
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    Duration::from_millis(worst.load(Ordering::Relaxed))
}

/// An interval, half of another after the first scrape, and a second for turns.
const KEPT: Duration = Duration::from_millis(23_500);

#[tokio::test(start_paused = true)]
async fn good_targets_keep_their_interval_beside_1500_that_nothing_reaches() {
    let kinds = [(2_000, GOOD), (1_500, UNREACHABLE)];
    let gap = worst_gap(true, &kinds).await;
    assert!(gap <= KEPT, "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn good_targets_keep_their_interval_beside_20_pods_of_16_ports_that_never_answer() {
    let kinds = [(2_000, GOOD), (320, SILENT)];
    let gap = worst_gap(true, &kinds).await;
    assert!(gap <= KEPT, "{gap:?}");
    let together = worst_gap(false, &kinds).await;
    assert!(together > 2 * KEPT, "{together:?}: the pools have nothing to do");
}

#[tokio::test(start_paused = true)]
async fn good_targets_keep_their_interval_while_1500_of_their_neighbours_fall_silent_at_once() {
    let lost =
        Kind { interval: "15s", takes: Duration::from_secs(5), from: Duration::from_secs(60), ..SILENT };
    let gap = worst_gap(true, &[(2_000, GOOD), (1_500, lost)]).await;
    assert!(gap <= KEPT, "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_namespace_of_slow_targets_does_not_delay_another() {
    let slow = Kind { namespace: "slow", interval: "30s", takes: Duration::from_secs(29), ..GOOD };
    let gap = worst_gap(true, &[(500, GOOD), (1_000, slow)]).await;
    assert!(gap <= KEPT, "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scrape_that_takes_long_keeps_its_turn_while_nobody_waits() {
    let options = ScrapeOptions { in_flight: 1, ..ScrapeOptions::default() };
    let (pools, tenant) = (Pools::new(&options), Tenant::Namespace("a".into()));
    let long = async {
        sleep(Duration::from_secs(20)).await;
        Ok(())
    };
    let seat = pools.take(Standing::Good, &tenant).await;
    pools.run(seat, PATIENCE, long).await.unwrap();
    assert_eq!(pools.usage().map(|usage| usage.in_flight), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_scrape_that_takes_long_makes_way_and_ends_only_if_the_failing_have_no_turn_to_spare() {
    let options = ScrapeOptions { in_flight: 1, ..ScrapeOptions::default() };
    let (pools, tenant) = (Pools::new(&options), Tenant::Namespace("a".into()));
    let long = |seat| {
        pools.run(seat, PATIENCE, async {
            sleep(Duration::from_secs(20)).await;
            Ok(())
        })
    };
    let first = pools.take(Standing::Good, &tenant).await;
    let second = async { long(pools.take(Standing::Good, &tenant).await).await };
    let third = pools.take(Standing::Good, &tenant);
    let (first, second, third) = tokio::join!(long(first), second, third);
    assert!(first.is_ok(), "it went on among the failing");
    let error = second.unwrap_err().to_string();
    assert_eq!(error, "timed out after 250ms while other targets waited to be scraped");
    assert_eq!(third.pool, Pool::Good);
}
