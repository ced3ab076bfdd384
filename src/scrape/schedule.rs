//! When a target is scraped.
//!
//! Each target has its own moment within the interval, by a hash: no herd after a restart, and the same moments
//! before and after it. The first scrape of a new target does not wait for that moment, because an HPA wants it early.

use std::{hash::BuildHasher, hash::Hash, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

/// The moments at which one target is scraped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    next: Instant,
    is_first: bool,
    hash: u64,
}

impl Schedule {
    /// For a target that is new at `now`, which is `wall` on the clock on the wall. The first scrape comes within
    /// [`FIRST_WITHIN`].
    #[must_use]
    pub(super) fn new(target: &impl Hash, seed: u64, interval: Duration, now: Instant) -> Self {
        let hash = foldhash::quality::FixedState::with_seed(seed).hash_one(target);
        let mut schedule = Self { interval, next: now, is_first: true, hash };
        schedule.next += schedule.jitter();
        schedule
    }

    /// Up to [`FIRST_WITHIN`], by the hash.
    fn jitter(&self) -> Duration {
        FIRST_WITHIN.min(self.interval).mul_f64(fraction(self.hash.rotate_left(32)))
    }

    /// When the next scrape is due.
    #[must_use]
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Goes on to the moment after the one that is due; gives back how many have passed meanwhile: they are skipped,
    /// never made up for. The first scrape takes the place of a moment that comes within half an interval of it: a
    /// rate over less says little.
    ///
    /// The clock on the wall is asked once, after the first scrape. From then on moments are an interval apart
    /// whatever it does: a clock that is set back would else make one moment come twice.
    pub(super) fn advance(&mut self, now: Instant, wall: Timestamp) -> u32 {
        if self.is_first {
            self.is_first = false;
            self.next = now + self.interval / 2 + self.until_moment(wall, self.interval / 2);
            return 0;
        }
        let late = now.saturating_duration_since(self.next);
        let missed = late.as_nanos() / self.interval.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX - 1);
        self.next += self.interval * (missed + 1);
        missed
    }

    /// Lets moments go by before the next scrape.
    pub(super) fn rest(&mut self, moments: u32) {
        self.next += self.interval * moments;
    }

    /// Scrapes within [`FIRST_WITHIN`], if that is earlier, and goes on with the target's moments after it.
    pub(super) fn hasten(&mut self, now: Instant) {
        let soon = now + self.jitter();
        if !self.is_first && soon < self.next {
            self.next = soon;
            self.is_first = true;
        }
    }

    /// Takes up another interval.
    pub(super) fn set_interval(&mut self, interval: Duration, now: Instant, wall: Timestamp) {
        if interval != self.interval {
            self.interval = interval;
            if !self.is_first {
                self.next = now + self.until_moment(wall, Duration::ZERO);
            }
        }
    }

    /// From `ahead` past `wall` to the target's next moment, which is after it: moments are where the time since
    /// 1970 divided by the interval leaves the target's share of the interval.
    fn until_moment(&self, wall: Timestamp, ahead: Duration) -> Duration {
        let interval = self.interval.as_nanos().max(1);
        let offset = self.interval.mul_f64(fraction(self.hash)).as_nanos();
        let since_epoch = u128::try_from(wall.as_nanosecond()).unwrap_or_default() + ahead.as_nanos();
        let phase = (since_epoch % interval + interval - offset % interval) % interval;
        Duration::from_nanos(u64::try_from(interval - phase).unwrap_or(u64::MAX))
    }
}

/// A hash as a number from 0 to below 1.
fn fraction(hash: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let fraction = (hash >> 11) as f64 / (1_u64 << 53) as f64;
    fraction
}

/// How late the first scrape of a new target is at most; with the time that a pod's change takes to get here it stays
/// within a second.
pub(super) const FIRST_WITHIN: Duration = Duration::from_millis(700);

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(15);

    fn wall(seconds: f64) -> Timestamp {
        Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(seconds)).unwrap()
    }

    #[test]
    fn the_first_scrape_comes_within_a_second() {
        let now = Instant::now();
        for target in 0..1000 {
            assert!(Schedule::new(&target, 7, INTERVAL, now).next() - now <= FIRST_WITHIN);
        }
        let quick = Duration::from_millis(50);
        assert!(Schedule::new(&1, 7, quick, now).next() - now <= quick);
    }

    #[test]
    fn moments_are_an_interval_apart_and_the_same_after_a_restart() {
        let now = Instant::now();
        let mut one = Schedule::new(&"pod", 7, INTERVAL, now);
        one.advance(now, wall(1_000_000.0));
        let moment = one.next() - now;
        one.advance(now + moment, wall(1_000_000.0 + moment.as_secs_f64()));
        let gap = one.next() - now - moment;
        assert!(gap.abs_diff(INTERVAL) < Duration::from_millis(1), "{gap:?}");

        let mut restarted = Schedule::new(&"pod", 7, INTERVAL, now);
        restarted.advance(now, wall(1_000_000.0 + 15.0 * 99.0));
        assert!((restarted.next() - now).abs_diff(moment) < Duration::from_millis(1));
    }

    #[test]
    fn the_second_scrape_is_at_least_half_an_interval_after_the_first() {
        let now = Instant::now();
        for target in 0..1000 {
            let mut schedule = Schedule::new(&target, 7, INTERVAL, now);
            schedule.advance(now, wall(1_000_003.5));
            let gap = schedule.next() - now;
            assert!(gap >= INTERVAL / 2 && gap <= INTERVAL + INTERVAL / 2, "{gap:?}");
        }
    }

    #[test]
    fn a_rest_lets_moments_go_by_and_counts_none_as_missed() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&"pod", 7, INTERVAL, now);
        schedule.advance(now, wall(0.0));
        let due = schedule.next();
        assert_eq!(schedule.advance(due, wall(0.0)), 0);
        schedule.rest(3);
        assert_eq!(schedule.next(), due + 4 * INTERVAL);
        assert_eq!(schedule.advance(schedule.next(), wall(0.0)), 0);
        assert_eq!(schedule.next(), due + 5 * INTERVAL);
    }

    #[test]
    fn a_rest_can_be_ended_and_the_moments_stay_the_same() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&"pod", 7, INTERVAL, now);
        schedule.advance(now, wall(0.0));
        let moment = schedule.next();
        schedule.rest(8);
        let changed = moment + 3 * INTERVAL + Duration::from_secs(1);
        schedule.hasten(changed);
        assert!(schedule.next() >= changed && schedule.next() <= changed + FIRST_WITHIN);
        let at = (schedule.next() - now).as_secs_f64();
        assert_eq!(schedule.advance(schedule.next(), wall(at)), 0);
        let off = (schedule.next() - moment).as_secs_f64() / INTERVAL.as_secs_f64();
        assert!((off - off.round()).abs() < 1e-6 && off.round() >= 4.0, "{off}");
        let due = schedule.next();
        schedule.hasten(due - Duration::from_millis(1));
        assert!(schedule.next() <= due, "it is never later for it");
    }

    #[test]
    fn missed_moments_are_skipped_and_counted() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&"pod", 7, INTERVAL, now);
        schedule.advance(now, wall(0.0));
        let late = schedule.next() + 10 * INTERVAL + Duration::from_secs(1);
        assert_eq!(schedule.advance(late, wall(0.0)), 10);
        assert_eq!(schedule.next() - late, INTERVAL - Duration::from_secs(1));
    }

    #[test]
    fn a_clock_that_is_set_back_changes_nothing() {
        let now = Instant::now();
        let mut schedule = Schedule::new(&"pod", 7, INTERVAL, now);
        schedule.advance(now, wall(900.0));
        let due = schedule.next();
        assert_eq!(schedule.advance(due, wall(0.0)), 0);
        assert_eq!(schedule.next() - due, INTERVAL);
    }

    #[test]
    fn targets_are_spread_over_the_interval() {
        let now = Instant::now();
        let mut quarters = [0; 4];
        for target in 0..1000 {
            let schedule = Schedule::new(&target, 7, INTERVAL, now);
            let until = schedule.until_moment(wall(600_000.0), Duration::ZERO);
            let quarter = 4 * until.as_millis() / INTERVAL.as_millis();
            quarters[usize::try_from(quarter).unwrap().min(3)] += 1;
        }
        assert!(quarters.iter().all(|targets| (200..300).contains(targets)), "{quarters:?}");
    }
}
