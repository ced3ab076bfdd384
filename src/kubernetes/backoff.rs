//! How long to wait before kube-apiserver is asked again.

use std::time::Duration;

use tokio::time::Instant;

/// Pauses that double up to a limit and start small again once things were calm.
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    last: Option<Instant>,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first, last: None }
    }

    /// How long to pause before the next attempt: between half of the step and the whole of it, so that adapters
    /// that lost one server together do not come back together.
    pub fn pause(&mut self) -> Duration {
        let calm = self.longest.saturating_mul(CALM_STEPS);
        if self.last.is_none_or(|last| last.elapsed() > calm) {
            self.next = self.first;
        }
        self.last = Some(Instant::now());
        let step = self.next;
        self.next = (step * 2).min(self.longest);
        step.mul_f64(0.5 + 0.5 * fraction())
    }
}

/// A number in `0.0..1.0` that no two processes share.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// How often, in longest pauses, a failure must have stayed away for the next to count as the first.
const CALM_STEPS: u32 = 4;
