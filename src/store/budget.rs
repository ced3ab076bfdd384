//! How many bytes all scrapes together may hold: the histories of targets, and what targets share.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::AppendError;

/// A bound of bytes, and how many of them are taken.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    held: AtomicUsize,
}

/// Bytes of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// Nothing taken of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: AtomicUsize::new(0) })
    }

    /// The bytes that may be taken.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The bytes that are taken.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// When so many are not left.
    pub fn share(self: &Arc<Self>, bytes: usize) -> Result<Share, AppendError> {
        let fits = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.limit);
        match self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Share { budget: Arc::clone(self), bytes }),
            Err(held) => Err(self.refusal(held, bytes)),
        }
    }

    /// Whether `more` bytes are left; says why not.
    pub(super) fn check(&self, more: usize) -> Result<(), AppendError> {
        let held = self.held();
        let fits = more == 0 || held.saturating_add(more) <= self.limit;
        if fits { Ok(()) } else { Err(self.refusal(held, more)) }
    }

    /// Replaces an estimate of bytes by another, fitting or not.
    pub(super) fn recount(&self, before: usize, after: usize) {
        self.held.fetch_add(after, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
    }

    fn refusal(&self, held: usize, new: usize) -> AppendError {
        AppendError::Bytes { held, new, limit: self.limit }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.recount(self.bytes, 0);
    }
}
