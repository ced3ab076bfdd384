//! Whose past is kept beyond what rates need, because somebody asks for it.
//!
//! A gauge over a window, and a window longer than a target's own, need values that nobody else does. A read that asks
//! for one says so here; from then on the past is kept, for as long as such reads come.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::Absence;
use crate::model::Options;

/// What is asked of the past of one object's metrics.
#[derive(Debug, Default)]
pub(super) struct Wishes(Mutex<Vec<Wish>>);

/// One metric whose past is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) metric: Box<str>,
    /// The longest window.
    pub(super) window: SignedDuration,
    /// Whether values of gauges are needed.
    pub(super) over: bool,
    /// From when on it is kept.
    pub(super) since: Timestamp,
    /// When it was last asked for.
    asked: Timestamp,
}

impl Wishes {
    /// Notes that `metric` is asked for with `options`, with a window of so long if they have none; gives back from when on
    /// its past is kept.
    ///
    /// # Errors
    /// When the past of too many metrics is asked for.
    pub(super) fn note(
        &self,
        metric: &str,
        (options, window): (&Options, SignedDuration),
        now: Timestamp,
    ) -> Result<Timestamp, Absence> {
        let mut wishes = self.0.lock();
        wishes.retain(|wish| wish.is_asked(now));
        let over = options.over.is_some();
        if let Some(wish) = wishes.iter_mut().find(|wish| *wish.metric == *metric) {
            if wish.window < window || (over && !wish.over) {
                (wish.window, wish.over) = (wish.window.max(window), wish.over || over);
                wish.since = now;
            }
            wish.asked = now;
            return Ok(wish.since);
        }
        if wishes.len() == MOST {
            return Err(Absence::TooManyWindows { most: MOST });
        }
        wishes.push(Wish { metric: metric.into(), window, over, since: now, asked: now });
        Ok(now)
    }

    /// What is asked for now.
    pub(super) fn current(&self, now: Timestamp) -> Vec<Wish> {
        self.0.lock().iter().filter(|wish| wish.is_asked(now)).cloned().collect()
    }

    /// Over which window the values of a gauge are asked for, if they are.
    pub(super) fn window_of(&self, metric: &str, now: Timestamp) -> Option<SignedDuration> {
        let wishes = self.0.lock();
        let wish = wishes.iter().find(|wish| *wish.metric == *metric && wish.over && wish.is_asked(now));
        wish.map(|wish| wish.window)
    }
}

impl Wish {
    fn is_asked(&self, now: Timestamp) -> bool {
        now.duration_since(self.asked) <= REMEMBERED
    }
}

/// Metrics of one object whose past is kept.
const MOST: usize = 16;

/// How long a wish stands that nobody repeats; an HPA does each 15 s.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Over;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn note(wishes: &Wishes, metric: &str, minutes: i64, now: Timestamp) -> Result<Timestamp, Absence> {
        let options = Options { over: Some(Over::Max), ..Options::default() };
        wishes.note(metric, (&options, SignedDuration::from_mins(minutes)), now)
    }

    #[test]
    fn a_wish_stands_while_it_is_repeated() {
        let wishes = Wishes::default();
        let mut now = NOW;
        for _ in 0..4 {
            assert_eq!(note(&wishes, "a", 5, now), Ok(NOW));
            now += SignedDuration::from_mins(9);
        }
        assert_eq!(wishes.current(now).len(), 1);
        now += SignedDuration::from_mins(2);
        assert_eq!((wishes.current(now), wishes.window_of("a", now)), (vec![], None));
        assert_eq!(note(&wishes, "a", 5, now), Ok(now));
    }

    #[test]
    fn a_longer_window_begins_anew_and_a_shorter_one_does_not() {
        let (wishes, later) = (Wishes::default(), NOW + SignedDuration::from_mins(1));
        assert_eq!(note(&wishes, "a", 5, NOW), Ok(NOW));
        assert_eq!(note(&wishes, "a", 2, later), Ok(NOW));
        assert_eq!(note(&wishes, "a", 6, later), Ok(later));
    }

    #[test]
    fn the_past_of_so_many_metrics_is_kept_and_no_more() {
        let wishes = Wishes::default();
        assert!((0..MOST).all(|n| note(&wishes, &n.to_string(), 5, NOW).is_ok()));
        assert_eq!(note(&wishes, "another", 5, NOW), Err(Absence::TooManyWindows { most: MOST }));
        assert!(note(&wishes, "3", 5, NOW).is_ok());
    }
}
