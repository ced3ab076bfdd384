//! The order of written values, and where they are kept beyond the life of the process.
//!
//! Every write and every deletion is committed here, and nowhere else: the journal makes it durable, applies it to the
//! [`Store`], and only then returns. Reads never come here.
//!
//! | journal | an acknowledged write survives | cost |
//! |---|---|---|
//! | [`Journal::memory`] | nothing: it ends with the process | none |
//! | [`Journal::file`] | the end of the process, by `kill -9` too, and of the node where its volume does | one fsync, shared by all writes that wait |

mod error;
mod file;
mod observe;
mod queue;
mod record;
mod restore;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use error::{CommitError, OpenError};
pub use file::JournalFile;
pub use observe::{CommitResult, Observer, Operation};
pub use queue::JournalState;
pub use restore::{Restored, restore};

use crate::store::{Removal, Store, Write};
use queue::Queue;

/// A cheap-clone handle on the journal.
#[derive(Clone)]
pub struct Journal {
    store: Store,
    /// `None` keeps nothing beyond the process.
    queue: Option<Queue>,
    observer: Arc<dyn Observer>,
}

impl Journal {
    /// Values live as long as the process.
    #[must_use]
    pub fn memory(store: Store) -> Self {
        Self { store, queue: None, observer: Arc::new(()) }
    }

    /// Values live in `file`. The future is the one task that writes to it; it ends when `end` is cancelled and what
    /// waits is done.
    pub fn file(
        file: JournalFile,
        store: Store,
        end: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, worker) = queue::new(file, store.clone());
        (Self { queue: Some(queue), ..Self::memory(store) }, worker.run(end))
    }

    /// The same, which tells `observer` of each commit. Where nothing is kept there is nothing to tell.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Commits all of `batch`, or nothing.
    ///
    /// # Errors
    /// When the batch does not fit a limit, or the journal does not take it. Nothing is stored then.
    pub async fn commit(&self, batch: Vec<Write>, now: Timestamp) -> Result<(), CommitError> {
        match &self.queue {
            None => Ok(self.store.append(batch, now)?),
            Some(queue) => {
                let outcomes = self.told(Operation::Write, queue.commit(vec![batch], now)).await;
                outcomes.into_iter().next().unwrap_or(Err(CommitError::stopped()))
            }
        }
    }

    /// Commits each write by itself; the outcomes are in the order of the writes.
    pub async fn commit_each(&self, writes: Vec<Write>, now: Timestamp) -> Vec<Result<(), CommitError>> {
        let batches = writes.into_iter().map(|write| vec![write]);
        match &self.queue {
            None => batches.map(|batch| Ok(self.store.append(batch, now)?)).collect(),
            Some(queue) => self.told(Operation::Write, queue.commit(batches.collect(), now)).await,
        }
    }

    /// Removes written values; how many series that were.
    ///
    /// # Errors
    /// When the journal does not take it. The values stay then.
    pub async fn remove(&self, removal: Removal) -> Result<usize, CommitError> {
        match &self.queue {
            None => Ok(self.store.remove(&removal)),
            Some(queue) => {
                let removed = async { vec![queue.remove(removal).await] };
                let outcomes = self.told(Operation::Delete, removed).await;
                outcomes.into_iter().next().unwrap_or(Err(CommitError::stopped()))
            }
        }
    }

    async fn told<T>(
        &self,
        operation: Operation,
        commits: impl Future<Output = Vec<Result<T, CommitError>>>,
    ) -> Vec<Result<T, CommitError>> {
        let begun = Instant::now();
        let outcomes = commits.instrument(observe::span(operation)).await;
        self.observer.took(operation, begun.elapsed());
        for outcome in &outcomes {
            self.observer.ended(operation, CommitResult::of(outcome));
        }
        outcomes
    }

    /// How the journal is; `None` where nothing is kept.
    #[must_use]
    pub fn state(&self) -> Option<JournalState> {
        self.queue.as_ref().map(Queue::state)
    }
}
