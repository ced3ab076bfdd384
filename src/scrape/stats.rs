//! Totals over all scrapes.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{error::ErrorClass, targets::Refusal};

/// One scrape, for those who count.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Finished {
    /// Why it failed, if it did.
    pub error: Option<ErrorClass>,
    /// How long it took, from its start to the last value in the store.
    pub duration: Duration,
    /// How late it started.
    pub lag: Duration,
    /// Bytes on the wire; 0 if it failed before the body.
    pub wire_bytes: usize,
    /// Bytes of the body unpacked; 0 if it failed before.
    pub body_bytes: usize,
    /// Samples that are in the store now.
    pub appended: usize,
    /// Samples that were read and not kept: duplicates, and what an allow-list leaves out.
    pub dropped: usize,
    /// Bad lines.
    pub rejected: usize,
    /// The Content-Type was missing or none of ours, and the body was read as text.
    pub content_type_fallback: bool,
    /// The lines were those of the last scrape, so no label was parsed.
    pub steady: bool,
}

/// Running totals; they only go up.
#[derive(Debug, Default)]
pub struct ScrapeStats {
    good: AtomicU64,
    failed: [AtomicU64; ErrorClass::ALL.len()],
    appended: AtomicU64,
    reshaped: AtomicU64,
    skipped_ticks: AtomicU64,
    refused_by_share: AtomicU64,
    refused_by_limit: AtomicU64,
}

impl ScrapeStats {
    pub(super) fn count(&self, finished: &Finished) {
        let add = |total: &AtomicU64, count: usize| {
            total.fetch_add(count as u64, Ordering::Relaxed);
        };
        match finished.error {
            None => add(&self.good, 1),
            Some(class) => self.failed.get(class as usize).into_iter().for_each(|total| add(total, 1)),
        }
        add(&self.appended, finished.appended);
        add(&self.reshaped, usize::from(finished.error.is_none() && !finished.steady));
    }

    pub(super) fn skip(&self, ticks: u64) {
        self.skipped_ticks.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Counts a target that a limit leaves out from now on.
    pub(super) fn refuse_target(&self, refusal: &Refusal) {
        let by_share = matches!(refusal, Refusal::TargetShare { .. });
        let total = if by_share { &self.refused_by_share } else { &self.refused_by_limit };
        total.fetch_add(1, Ordering::Relaxed);
    }

    /// Targets that were left out because their namespace had its share.
    #[must_use]
    pub fn refused_by_share(&self) -> u64 {
        self.refused_by_share.load(Ordering::Relaxed)
    }

    /// Targets that were left out because there were too many in all.
    #[must_use]
    pub fn refused_by_limit(&self) -> u64 {
        self.refused_by_limit.load(Ordering::Relaxed)
    }

    /// Good scrapes.
    #[must_use]
    pub fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Failed scrapes by kind.
    pub fn failed(&self) -> impl Iterator<Item = (ErrorClass, u64)> {
        ErrorClass::ALL.into_iter().zip(self.failed.iter().map(|total| total.load(Ordering::Relaxed)))
    }

    /// Samples that went into the store.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Good scrapes whose lines were not those of the scrape before.
    #[must_use]
    pub fn reshaped(&self) -> u64 {
        self.reshaped.load(Ordering::Relaxed)
    }

    /// Scrapes that were due while the last one, or the wait for a permit, was not over.
    #[must_use]
    pub fn skipped_ticks(&self) -> u64 {
        self.skipped_ticks.load(Ordering::Relaxed)
    }
}
