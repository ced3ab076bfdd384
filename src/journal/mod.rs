//! The order of written values, and where they are kept beyond the life of the process.
//!
//! Every write and every deletion is committed here, and nowhere else: the journal makes it durable, applies it to the
//! [`Store`], and only then returns. Reads never come here.
//!
//! | journal | an acknowledged write survives | cost |
//! |---|---|---|
//! | [`Journal::memory`] | nothing: it ends with the process | none |
//! | [`Journal::file`] | the end of the process, by `kill -9` too, and of the node where its volume does | one fsync, shared by all writes that wait |
//! | [`Journal::nats`] | the end of this process, of its node, and of all servers but for their disks | a round trip to a quorum of servers, and their fsync |

mod error;
mod file;
mod nats;
mod observe;
mod queue;
mod record;
mod restore;
mod state;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use error::{CommitError, OpenError};
pub use file::JournalFile;
pub use nats::{Collection, Login, NatsOptions, Servers};
pub use observe::{CommitResult, Observer, Operation};
pub use restore::{Restored, restore};
pub use state::JournalState;

use crate::{
    model::GroupResource,
    store::{Removal, Store, Write},
};
use nats::Nats;
use queue::Queue;

/// A cheap-clone handle on the journal.
#[derive(Clone)]
pub struct Journal {
    store: Store,
    keeper: Keeper,
    observer: Arc<dyn Observer>,
}

/// What keeps values beyond the process.
#[derive(Clone)]
enum Keeper {
    Nothing,
    File(Queue),
    Nats(Nats),
}

impl Journal {
    /// Values live as long as the process.
    #[must_use]
    pub fn memory(store: Store) -> Self {
        Self { store, keeper: Keeper::Nothing, observer: Arc::new(()) }
    }

    /// Values live in `file`. The future is the one task that writes to it; it ends when `end` is cancelled and what
    /// waits is done.
    pub fn file(
        file: JournalFile,
        store: Store,
        end: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, worker) = queue::new(file, store.clone());
        (Self { keeper: Keeper::File(queue), ..Self::memory(store) }, worker.run(end))
    }

    /// Values live in a stream that replicas share. The future is the one task that follows it; it ends when `end` is
    /// cancelled. Until [`Journal::loaded`] the store does not have what others have written.
    ///
    /// # Errors
    /// When the options cannot be used; that no server answers is no error.
    pub async fn nats(
        options: NatsOptions,
        store: Store,
        end: CancellationToken,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), OpenError> {
        let (nats, worker) = nats::open(options, store.clone()).await?;
        let worker = async move {
            end.run_until_cancelled_owned(worker).await;
        };
        Ok((Self { keeper: Keeper::Nats(nats), ..Self::memory(store) }, worker))
    }

    /// Waits until all that replicas have written is here, `longest` at most; whether it is.
    ///
    /// # Errors
    /// When the stream is none that the journal can be kept in.
    pub async fn loaded(&self, longest: Duration) -> Result<bool, OpenError> {
        match &self.keeper {
            Keeper::Nothing | Keeper::File(_) => Ok(true),
            Keeper::Nats(nats) => nats.loaded(longest).await,
        }
    }

    /// The resources of the objects that other replicas' values have come for, while they come.
    #[must_use]
    pub fn resources(&self) -> Option<watch::Receiver<BTreeSet<GroupResource>>> {
        match &self.keeper {
            Keeper::Nothing | Keeper::File(_) => None,
            Keeper::Nats(nats) => Some(nats.resources()),
        }
    }

    /// The same, which tells `observer` of each commit. Where nothing is kept there is nothing to tell.
    #[must_use]
    pub fn observed(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }

    /// Commits all of `batch`, or nothing.
    ///
    /// # Errors
    /// When the batch does not fit a limit, or the journal does not take it. Nothing is stored then, unless the error is
    /// [`CommitError::Unknown`].
    pub async fn commit(&self, batch: Vec<Write>, now: Timestamp) -> Result<(), CommitError> {
        let outcomes = self.commit_batches(vec![batch], now).await;
        outcomes.into_iter().next().unwrap_or(Err(CommitError::stopped()))
    }

    /// Commits each write by itself; the outcomes are in the order of the writes.
    pub async fn commit_each(&self, writes: Vec<Write>, now: Timestamp) -> Vec<Result<(), CommitError>> {
        self.commit_batches(writes.into_iter().map(|write| vec![write]).collect(), now).await
    }

    async fn commit_batches(&self, batches: Vec<Vec<Write>>, now: Timestamp) -> Vec<Result<(), CommitError>> {
        match &self.keeper {
            Keeper::Nothing => batches.into_iter().map(|batch| Ok(self.store.append(batch, now)?)).collect(),
            Keeper::File(queue) => self.told(Operation::Write, queue.commit(batches, now)).await,
            Keeper::Nats(nats) => self.told(Operation::Write, nats.commit(batches, now)).await,
        }
    }

    /// Removes written values; how many series that were.
    ///
    /// # Errors
    /// When the journal does not take it. The values stay then, unless the error is [`CommitError::Unknown`].
    pub async fn remove(&self, removal: Removal) -> Result<usize, CommitError> {
        let outcomes = match &self.keeper {
            Keeper::Nothing => vec![Ok(self.store.remove(&removal))],
            Keeper::File(queue) => {
                self.told(Operation::Delete, async { vec![queue.remove(removal).await] }).await
            }
            Keeper::Nats(nats) => {
                self.told(Operation::Delete, async { vec![nats.remove(removal).await] }).await
            }
        };
        outcomes.into_iter().next().unwrap_or(Err(CommitError::stopped()))
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
        match &self.keeper {
            Keeper::Nothing => None,
            Keeper::File(queue) => Some(queue.state()),
            Keeper::Nats(nats) => Some(nats.state()),
        }
    }
}
