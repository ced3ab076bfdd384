//! When to log that something fails: once when it begins and once when it is good again, also when it flaps.

use std::{collections::BTreeSet, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The failures of one thing, such as a watch. Asks the caller to log the first failure of each class and the end of
/// what was logged. What fails in turns is logged `AT_ONCE` times, then once each `GAP`.
#[derive(Default)]
pub struct Incident(Mutex<State>);

#[derive(Default)]
struct State {
    open: Option<Open>,
    spent: u32,
    refilled: Option<Instant>,
}

struct Open {
    since: Instant,
    logged: BTreeSet<&'static str>,
}

impl Incident {
    /// It has failed, again or for the first time. Returns whether to log it.
    pub fn fails(&self, class: &'static str) -> bool {
        let mut state = self.0.lock();
        let now = Instant::now();
        let open = state.open.get_or_insert_with(|| Open { since: now, logged: BTreeSet::new() });
        if open.logged.contains(class) {
            return false;
        }
        if !state.pay(now) {
            return false;
        }
        if let Some(open) = &mut state.open {
            open.logged.insert(class);
        }
        true
    }

    /// It works. Returns how long it had failed, if that is to be logged.
    pub fn works(&self) -> Option<Duration> {
        let mut state = self.0.lock();
        let open = state.open.take()?;
        (!open.logged.is_empty()).then(|| open.since.elapsed())
    }
}

impl State {
    fn pay(&mut self, now: Instant) -> bool {
        let refilled = *self.refilled.get_or_insert(now);
        let earned =
            u32::try_from(now.duration_since(refilled).as_secs() / GAP.as_secs()).unwrap_or(u32::MAX);
        if earned > 0 {
            self.spent = self.spent.saturating_sub(earned);
            self.refilled = Some(refilled + GAP.saturating_mul(earned));
        }
        if self.spent >= AT_ONCE {
            return false;
        }
        self.spent += 1;
        true
    }
}

/// How many failures are logged in a row.
const AT_ONCE: u32 = 5;

/// How often after that.
const GAP: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_logged_once_with_each_class_and_its_end_once() {
        let incident = Incident::default();
        assert_eq!(incident.works(), None, "nothing has failed");
        assert!(incident.fails("unreachable"));
        assert!(!incident.fails("unreachable"));
        assert!(incident.fails("forbidden"));
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(incident.works(), Some(Duration::from_secs(7)));
        assert_eq!(incident.works(), None);
        assert!(incident.fails("unreachable"), "another one");
    }

    #[tokio::test(start_paused = true)]
    async fn what_flaps_is_logged_a_few_times_and_one_that_stays_is_logged_after_all() {
        let incident = Incident::default();
        let logged = (0..100).filter(|_| {
            let logged = incident.fails("timeout");
            assert_eq!(incident.works().is_some(), logged, "an end belongs to a begin");
            logged
        });
        assert_eq!(logged.count(), 5);
        assert!(!incident.fails("timeout"));
        tokio::time::advance(GAP).await;
        assert!(incident.fails("timeout"));
        assert_eq!(incident.works(), Some(GAP));
    }
}
