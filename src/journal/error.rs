//! Why a write was not committed, and why a file cannot be opened.

use std::path::PathBuf;

use crate::store::AppendError;

/// Why nothing was committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The store has no room for new series.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The volume has no room.
    #[error("the journal is full ({problem}): nothing was stored; free or enlarge the volume of --journal")]
    Full {
        /// The system's words.
        problem: String,
    },
    /// The file cannot be written, or no server takes it.
    #[error("the journal cannot be written ({problem}): nothing was stored; try again")]
    Away {
        /// The system's words, or the servers'.
        problem: String,
    },
    /// The servers have not answered.
    #[error("the journal has not answered ({problem}): the values may be stored or not; write them again")]
    Unknown {
        /// What there was in place of an answer.
        problem: String,
    },
    /// More than the servers take at once.
    #[error(
        "the journal's servers do not take so much at once ({problem}): nothing was stored; send fewer lines, or raise \
         max_msgs of their jetstream {{ limits {{ batch }} }}"
    )]
    TooLarge {
        /// The servers' words.
        problem: String,
    },
}

impl CommitError {
    /// The adapter is ending.
    pub(super) fn stopped() -> Self {
        Self::Away { problem: "the adapter is shutting down".to_owned() }
    }

    /// What a failed transaction means to the writer.
    pub(super) fn of(error: &redb::Error) -> Self {
        let problem = error.to_string();
        match error {
            redb::Error::Io(io) if is_full(io) => Self::Full { problem },
            _ => Self::Away { problem },
        }
    }
}

/// A disk without room, and a quota that is used up.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Why the journal cannot be used. The adapter does not start then: a new one in its place would lose what the old one
/// holds.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("the journal's folder {} cannot be used: mount a volume there that the adapter may write", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it.
    #[error(
        "{} is open in another process: only one adapter may use a journal file, so the Deployment's strategy is Recreate",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, cut off, or no journal at all.
    #[error(
        "{} is no journal that can be read: restore it from a backup, or move it away to start without the written \
         values",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
    /// An address, a login or a certificate of the servers cannot be used.
    #[error("the journal's servers cannot be called")]
    Servers(#[source] Box<async_nats::ConnectError>),
    /// The stream is another than the journal needs.
    #[error(
        "the stream {stream} cannot keep the journal: {difference}; change it, or name another with --journal-stream"
    )]
    Stream {
        /// Its name.
        stream: String,
        /// The setting, as it is and as it has to be.
        difference: String,
    },
    /// Written by a later version.
    #[error(
        "{} has the format {found}, and this version reads {known}: start the version that wrote it, or move it away \
         to start without the written values",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that it says.
        found: u64,
        /// The one that is known.
        known: u64,
    },
}

impl OpenError {
    pub(super) fn of(path: PathBuf, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            source => Self::Damaged { path, source: Box::new(source) },
        }
    }
}
