//! What telemetry may learn of commits.

use std::time::Duration;

use tracing::Span;

use super::CommitError;

/// Watches commits to a journal that keeps something; every method does nothing unless it is overridden. Called in the
/// task that waits for the commit.
pub trait Observer: Send + Sync + 'static {
    /// A request has waited so long for its outcomes.
    fn took(&self, operation: Operation, took: Duration) {
        let _ = (operation, took);
    }

    /// A write, a batch or a deletion has its outcome.
    fn ended(&self, operation: Operation, result: CommitResult) {
        let _ = (operation, result);
    }
}

/// Watches nothing.
impl Observer for () {}

/// What is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Values.
    Write,
    /// Their removal.
    Delete,
}

/// How a commit ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommitResult {
    /// Kept.
    Ok,
    /// The store has no room for new series.
    Limit,
    /// The volume has no room.
    Full,
    /// The journal cannot be written.
    Away,
    /// The servers have not answered: it may be kept or not.
    Unknown,
    /// More than the servers take at once.
    TooLarge,
}

impl CommitResult {
    pub(super) fn of<T>(outcome: &Result<T, CommitError>) -> Self {
        match outcome {
            Ok(_) => Self::Ok,
            Err(CommitError::Append(_)) => Self::Limit,
            Err(CommitError::Full { .. }) => Self::Full,
            Err(CommitError::Away { .. }) => Self::Away,
            Err(CommitError::Unknown { .. }) => Self::Unknown,
            Err(CommitError::TooLarge { .. }) => Self::TooLarge,
        }
    }
}

/// The wait for a commit, as a child of the request's span where there is one.
pub(super) fn span(operation: Operation) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let operation = match operation {
        Operation::Write => "write",
        Operation::Delete => "delete",
    };
    tracing::info_span!("journal.commit", custom_metrics.operation = operation)
}
