//! How a journal is that keeps something.

use jiff::Timestamp;

/// What people and metrics are told of a journal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JournalState {
    /// Why it cannot be written, if so.
    pub failure: Option<String>,
    /// Its size: of the file on the disk, or of the stream on each server.
    pub bytes: u64,
    /// Transactions that were made. One of a file serves all requests that wait.
    pub transactions: u64,
    /// When the last one was made.
    pub last: Option<Timestamp>,
    /// Up to when everything that any replica acknowledged is known to be here; `None` of a file, and before the stream
    /// has been read.
    pub current: Option<Timestamp>,
    /// How often the stream was read anew, and values dropped that it did not have.
    pub resyncs: u64,
    /// Batches of which a part had been overwritten before this replica got it.
    pub torn_batches: u64,
    /// Records that could not be read.
    pub unreadable: u64,
}
