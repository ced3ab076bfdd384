//! What the store may hold, and the refusal that says so.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Upper bounds of what is held; each has a flag of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Written series in all.
    pub series: usize,
    /// Series of one object, so that one writer with unbounded labels cannot take all of them.
    pub series_per_object: usize,
    /// Scraped series in all.
    pub scraped_series: usize,
    /// Bytes of scrapes in all, what targets share included.
    pub scraped_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 1_000_000,
            series_per_object: 10_000,
            scraped_series: 10_000_000,
            scraped_bytes: 1 << 30,
        }
    }
}

/// Why a batch was refused; nothing of it was stored.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AppendError {
    /// The store is full.
    #[error("the store holds {held} series and may hold {limit}: {new} new ones do not fit")]
    Full {
        /// Series held.
        held: usize,
        /// Series that the batch would add.
        new: usize,
        /// The limit.
        limit: usize,
    },
    /// Scrapes hold too much.
    #[error("scrapes hold {held} bytes and may hold {limit}: {new} more do not fit")]
    Bytes {
        /// Bytes held.
        held: usize,
        /// Bytes that would be added.
        new: usize,
        /// The limit.
        limit: usize,
    },
    /// One object has too many series.
    #[error("{object} has {held} series and may have {limit}: another label set or metric does not fit")]
    ObjectFull {
        /// Which object.
        object: String,
        /// Series it has.
        held: usize,
        /// The limit.
        limit: usize,
    },
}

/// Running totals.
#[derive(Default)]
pub(super) struct Usage {
    pub(super) series: AtomicUsize,
    pub(super) bytes: AtomicUsize,
}

impl Usage {
    pub(super) fn held(&self) -> super::Held {
        super::Held { series: self.series.load(Ordering::Relaxed), bytes: self.bytes.load(Ordering::Relaxed) }
    }

    /// Takes `new` series off the allowance, or says why not.
    pub(super) fn reserve(&self, new: usize, limit: usize) -> Result<(), AppendError> {
        let fits = |held: usize| held.checked_add(new).filter(|sum| new == 0 || *sum <= limit);
        self.series
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map(|_| ())
            .map_err(|held| AppendError::Full { held, new, limit })
    }

    /// Corrects a reservation of `reserved` to what was really `added`: a concurrent writer may have created or
    /// removed one of the series in between.
    pub(super) fn settle(&self, reserved: usize, added: usize) {
        if added >= reserved {
            self.series.fetch_add(added - reserved, Ordering::Relaxed);
        } else {
            self.give_back(reserved - added);
        }
    }

    /// Gives series back that are held no more.
    pub(super) fn give_back(&self, series: usize) {
        self.series.fetch_sub(series, Ordering::Relaxed);
    }

    pub(super) fn charge(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn refund(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Replaces one estimate of bytes by another.
    pub(super) fn recount(&self, before: usize, after: usize) {
        self.charge(after);
        self.refund(before);
    }

    pub(super) fn release(&self, bytes: usize) {
        self.give_back(1);
        self.refund(bytes);
    }
}
