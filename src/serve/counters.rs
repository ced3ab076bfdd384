//! What a listener counts, for telemetry to read.

use std::sync::atomic::{AtomicU64, Ordering};

use super::activity::Expired;

/// Counts of one listener. All but `open` only grow.
#[derive(Debug, Default)]
pub struct ConnectionCounters {
    /// Connections that were taken.
    pub accepted: Count,
    /// Connections now.
    pub open: Count,
    /// Connections that were closed because the cap was reached: the new one, or the oldest of the client with most.
    pub refused: Count,
    /// Connections that were closed at once, because their client has its share of them.
    pub refused_client: Count,
    /// TLS handshakes that failed.
    pub handshake_failed: Count,
    /// TLS handshakes that took too long.
    pub handshake_timed_out: Count,
    /// Connections that brought no request, or no progress, in time.
    pub timed_out: Count,
    /// Connections whose half-sent head made room for others.
    pub displaced: Count,
    /// Connections that were cut at the end of the grace.
    pub cut: Count,
    /// Failures of accepting, such as having no file descriptor left.
    pub accept_failed: Count,
    /// Requests whose answer panicked; they got a 500.
    pub panicked: Count,
}

impl ConnectionCounters {
    /// A connection had to end.
    pub(super) fn expired(&self, expired: Expired) {
        match expired {
            Expired::Idle => self.timed_out.increment(),
            Expired::Displaced => self.displaced.increment(),
        }
    }
}

/// One number that is counted by many and read by few.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// The number now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
