//! How a target has done lately: that says where it waits for its turn, and how long it rests after a failure.
//!
//! | last scrape | waits among | next scrape |
//! |---|---|---|
//! | none yet | the new | at once |
//! | good | the good | after the interval |
//! | failed | the failing | after the interval, twice; then after two intervals, four, and so on |
//!
//! A target that no connection reaches (refused, unreachable, no answer to a SYN) rests up to two minutes. One that was
//! reached and answered late or badly is alive, overloaded perhaps: it rests for half of its window at most. Its last
//! values are served for one window after a timeout, so a scrape that succeeds again comes before they are too old.
//!
//! A success ends all rest, and so does a change of the pod or of what its annotations ask for.

use std::time::Duration;

use super::{
    error::{ScrapeError, Stage},
    targets::TargetSpec,
};

/// What is known of a target's scrapes so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Standing {
    /// None has ended.
    #[default]
    New,
    /// The last one was good.
    Good,
    /// The last ones failed.
    Failing {
        /// How many, since the last good one or the last change of the pod.
        times: u32,
        /// Whether the last of them reached the pod.
        reached: bool,
    },
}

impl Standing {
    /// Takes up how a scrape ended.
    pub(super) fn note(&mut self, error: Option<&ScrapeError>) {
        *self = match error {
            None => Self::Good,
            Some(error) => {
                Self::Failing { times: self.failures().saturating_add(1), reached: reached(error) }
            }
        };
    }

    /// The pod, or what is asked of it, has changed. Says whether that gives a failing target another chance.
    pub(super) fn forgive(&mut self) -> bool {
        let Self::Failing { times, .. } = self else { return false };
        *times = 0;
        true
    }

    /// How many of its moments a target lets go by before the next scrape.
    pub(super) fn rest(self, spec: &TargetSpec) -> u32 {
        let Self::Failing { times, reached } = self else { return 0 };
        let longest = if reached { spec.settings.window / 2 } else { LONGEST_REST };
        let interval = spec.settings.interval.as_nanos().max(1);
        let most = u32::try_from(longest.as_nanos() / interval).unwrap_or(u32::MAX);
        let doubled = 1_u32.checked_shl(times.saturating_sub(AT_ONCE)).unwrap_or(u32::MAX);
        doubled.min(most).saturating_sub(1)
    }

    /// Whether the last scrape ended for the sake of others, for the first time: that says nothing of the target, so it is
    /// tried again at once, among the failing.
    pub(super) fn is_crowded_out(self, error: Option<&ScrapeError>) -> bool {
        let crowded = matches!(error, Some(ScrapeError::Timeout { stage: Stage::Crowded, .. }));
        crowded && self.failures() == 1
    }

    fn failures(self) -> u32 {
        if let Self::Failing { times, .. } = self { times } else { 0 }
    }
}

fn reached(error: &ScrapeError) -> bool {
    !matches!(error, ScrapeError::Connect(_) | ScrapeError::Timeout { stage: Stage::Connecting, .. })
}

/// So many failures in a row are no reason to rest: values outlive one failed scrape, and a process that is starting
/// refuses some connections.
const AT_ONCE: u32 = 2;

/// A pod that nothing reaches costs a connect deadline each time, and there may be thousands of them.
const LONGEST_REST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scrape::{ScrapeOptions, targets, testing::pod};

    fn spec(annotations: &[(&str, &str)]) -> Arc<TargetSpec> {
        let scrape = [("prometheus.io/scrape", "true"), ("prometheus.io/port", "80")];
        let plan = targets::plan(&pod("web-1", &[&scrape, annotations].concat()), &ScrapeOptions::default());
        plan.unwrap().targets.remove(0)
    }

    fn unreachable() -> ScrapeError {
        ScrapeError::Connect(std::io::ErrorKind::ConnectionRefused.into())
    }

    fn late(stage: Stage) -> ScrapeError {
        ScrapeError::Timeout { stage, after: Duration::from_secs(5) }
    }

    /// How many intervals pass to each next scrape while it fails so.
    fn intervals(spec: &TargetSpec, error: &ScrapeError) -> Vec<u32> {
        let mut standing = Standing::Good;
        let mut next = || {
            standing.note(Some(error));
            standing.rest(spec) + 1
        };
        (0..8).map(|_| next()).collect()
    }

    #[test]
    fn a_pod_that_nothing_reaches_is_tried_ever_less_often_down_to_every_two_minutes() {
        let spec = spec(&[]);
        for error in [unreachable(), late(Stage::Connecting)] {
            assert_eq!(intervals(&spec, &error), [1, 1, 2, 4, 8, 8, 8, 8]);
        }
    }

    #[test]
    fn a_pod_that_answers_late_or_badly_is_tried_twice_within_its_window() {
        let default = spec(&[]);
        for error in [late(Stage::Headers), ScrapeError::Status(http::StatusCode::SERVICE_UNAVAILABLE)] {
            assert_eq!(intervals(&default, &error), [1, 1, 2, 2, 2, 2, 2, 2]);
        }
        let wide = spec(&[("custom-metrics-adapter/window", "10m")]);
        assert_eq!(intervals(&wide, &late(Stage::Body))[..7], [1, 1, 2, 4, 8, 16, 20]);
        let narrow = spec(&[("custom-metrics-adapter/window", "30s")]);
        assert_eq!(intervals(&narrow, &late(Stage::Body)), [1; 8]);
    }

    #[test]
    fn a_target_that_gave_way_to_others_is_tried_again_at_once_but_not_for_ever() {
        let (mut standing, crowded) = (Standing::New, late(Stage::Crowded));
        let mut again = |error| {
            standing.note(Some(error));
            standing.is_crowded_out(Some(error))
        };
        assert_eq!([&crowded, &crowded, &crowded].map(&mut again), [true, false, false]);
        standing.note(None);
        standing.note(Some(&late(Stage::Headers)));
        assert!(!standing.is_crowded_out(Some(&late(Stage::Headers))));
    }

    #[test]
    fn an_interval_longer_than_the_longest_rest_is_kept() {
        let slow = spec(&[("prometheus.io/interval", "5m")]);
        assert_eq!(intervals(&slow, &unreachable()), [1; 8]);
    }

    #[test]
    fn a_success_or_a_change_of_the_pod_ends_the_rest() {
        let (spec, mut standing) = (spec(&[]), Standing::default());
        assert!(!standing.forgive(), "a new target has nothing to be forgiven");
        (0..9).for_each(|_| standing.note(Some(&unreachable())));
        assert_eq!(standing.rest(&spec), 7);
        assert!(standing.forgive());
        standing.note(Some(&unreachable()));
        assert_eq!(standing.rest(&spec), 0);
        (0..9).for_each(|_| standing.note(Some(&unreachable())));
        standing.note(None);
        assert_eq!((standing, standing.rest(&spec)), (Standing::Good, 0));
    }
}
