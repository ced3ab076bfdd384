//! The last 15 minutes of the adapter itself, for the pictures of `/`.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use serde::Serialize;

/// What is counted since the start, at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Totals {
    /// The moment, in seconds since 1970.
    pub at: i64,
    /// Reads that served a value.
    pub answered: u64,
    /// Reads for which there was none.
    pub without_value: u64,
    /// Reads that failed: refused, too many, a review that could not be made.
    pub failed: u64,
    /// Good scrapes.
    pub scrapes_good: u64,
    /// Failed ones.
    pub scrapes_failed: u64,
    /// Resident memory now.
    pub memory_bytes: u64,
    /// Series held now.
    pub series: u64,
}

/// What happened between two moments, each second, and what was held at the second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// The moment, in seconds since 1970.
    pub at: i64,
    /// Reads each second that served a value.
    pub answered: f32,
    /// Reads each second that served none, or failed.
    pub unanswered: f32,
    /// Good scrapes each second.
    pub scrapes_good: f32,
    /// Failed scrapes each second.
    pub scrapes_failed: f32,
    /// MiB that are resident.
    pub memory_mib: f32,
    /// Series held.
    pub series: f32,
}

/// A bounded ring. Cheap to clone.
#[derive(Clone, Default)]
pub struct Trends(Arc<Mutex<Ring>>);

#[derive(Default)]
struct Ring {
    last: Option<Totals>,
    points: VecDeque<Trend>,
}

impl Trends {
    /// How often to add totals.
    pub const EVERY_SECONDS: u64 = 10;

    /// Takes the totals of a moment.
    pub fn add(&self, totals: Totals) {
        let mut ring = self.0.lock();
        let Some(before) = ring.last.replace(totals).filter(|before| before.at < totals.at) else { return };
        if ring.points.len() >= POINTS {
            ring.points.pop_front();
        }
        ring.points.push_back(Trend::between(&before, &totals));
    }

    /// The points, the oldest first.
    #[must_use]
    pub fn points(&self) -> Vec<Trend> {
        self.0.lock().points.iter().copied().collect()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a picture needs no more")]
impl Trend {
    fn between(before: &Totals, now: &Totals) -> Self {
        let seconds = (now.at - before.at) as f64;
        let rate = |now: u64, before: u64| (now.saturating_sub(before) as f64 / seconds) as f32;
        let unanswered = |totals: &Totals| totals.without_value + totals.failed;
        Self {
            at: now.at,
            answered: rate(now.answered, before.answered),
            unanswered: rate(unanswered(now), unanswered(before)),
            scrapes_good: rate(now.scrapes_good, before.scrapes_good),
            scrapes_failed: rate(now.scrapes_failed, before.scrapes_failed),
            memory_mib: (now.memory_bytes as f64 / 1_048_576.0) as f32,
            series: now.series as f32,
        }
    }
}

/// 15 minutes.
const POINTS: usize = 90;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_what_happened_each_second_and_the_oldest_goes() {
        let trends = Trends::default();
        for step in 0..100_u64 {
            let at = 1_795_651_200 + 10 * i64::try_from(step).unwrap();
            let (answered, without_value, failed) = (step * 20, step * 5, step * 5);
            trends.add(Totals {
                at,
                answered,
                without_value,
                failed,
                memory_bytes: 3 << 20,
                ..Totals::default()
            });
        }
        let points = trends.points();
        assert_eq!(points.len(), POINTS);
        let last = points.last().unwrap();
        assert_eq!((last.answered, last.unanswered, last.memory_mib), (2.0, 1.0, 3.0));
    }

    #[test]
    fn a_clock_that_stands_still_or_is_put_back_makes_no_point() {
        let trends = Trends::default();
        for at in [10, 10, 5] {
            trends.add(Totals { at, ..Totals::default() });
        }
        assert_eq!(trends.points(), []);
        trends.add(Totals { at: 15, answered: 10, ..Totals::default() });
        assert_eq!(trends.points()[0].answered, 1.0);
    }
}
