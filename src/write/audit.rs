//! The log of refused writers.

use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::AccessError;
use crate::{
    auth::{ResourceAttributes, User},
    model::Subject,
};

/// Logs who was refused what, and why: up to [`EACH_SECOND`] lines, because a stranger can be refused as often as it likes.
#[derive(Clone, Default)]
pub(super) struct Audit(Arc<Mutex<Second>>);

#[derive(Default)]
struct Second {
    second: i64,
    lines: u32,
    dropped: u64,
}

impl Audit {
    pub(super) fn unidentified(&self, path: &str, error: &AccessError) {
        self.log(|dropped| tracing::info!(path, reason = %error, dropped, "refused a write of nobody known"));
    }

    pub(super) fn refused(&self, user: &User, asked: &ResourceAttributes, error: &AccessError) {
        let ResourceAttributes { verb, group, namespace, resource, subresource, name, .. } = asked;
        let metric = format!("{resource}/{subresource}");
        let metric = metric.trim_end_matches('/');
        let user = &user.name;
        self.log(|dropped| {
            tracing::info!(user, verb, group, namespace, metric, name, reason = %error, dropped, "refused a write");
        });
    }

    pub(super) fn not_its_own(&self, user: &User, subject: &Subject, error: &AccessError) {
        let user = &user.name;
        self.log(|dropped| tracing::info!(user, %subject, reason = %error, dropped, "refused a write"));
    }

    /// With the number of lines that were left out before this one.
    fn log(&self, line: impl FnOnce(u64)) {
        if let Some(dropped) = self.0.lock().take(Timestamp::now().as_second()) {
            line(dropped);
        }
    }
}

impl Second {
    fn take(&mut self, now: i64) -> Option<u64> {
        if self.second != now {
            (self.second, self.lines) = (now, 0);
        }
        if self.lines == EACH_SECOND {
            self.dropped += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

const EACH_SECOND: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_lines_a_second_are_logged_and_the_next_says_how_many_were_not() {
        let mut second = Second::default();
        let logged: Vec<Option<u64>> = (0..25).map(|_| second.take(7)).collect();
        assert_eq!(logged, [vec![Some(0); 20], vec![None; 5]].concat());
        assert_eq!((second.take(8), second.take(8)), (Some(5), Some(0)));
    }
}
