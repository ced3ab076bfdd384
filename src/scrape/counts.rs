//! How many targets there are.

use serde::Serialize;

use super::{Health, TargetStatus};

/// How many targets there are of each health.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct TargetCounts {
    /// Not scraped yet.
    pub unknown: usize,
    /// The last scrape was good.
    pub up: usize,
    /// The last scrape failed.
    pub down: usize,
    /// Of terminating pods.
    pub terminating: usize,
    /// Pods that want to be scraped and have no target.
    pub refused: usize,
    /// Annotations and the like that could not be followed, of pods with and without targets.
    pub problems: usize,
}

impl TargetCounts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> usize {
        self.unknown + self.up + self.down + self.terminating + self.refused
    }

    pub(super) fn add(&mut self, status: &TargetStatus) {
        self.problems += status.problems.len();
        *match status.health {
            Health::Unknown => &mut self.unknown,
            Health::Up => &mut self.up,
            Health::Down => &mut self.down,
            Health::Terminating => &mut self.terminating,
            Health::Refused => &mut self.refused,
        } += 1;
    }
}
