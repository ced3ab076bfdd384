//! Where written values outlive the process.

use std::{path::PathBuf, str::FromStr};

use jiff::SignedDuration;

use super::values::{ALWAYS, duration_up_to};

/// The journal of written values.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Journal")]
pub struct Journal {
    /// Where written values outlive the process: memory (nowhere) or file:DIR, a folder on a volume that only this
    /// adapter uses.
    #[arg(long, env = "CMA_JOURNAL", value_name = "JOURNAL", default_value = "memory")]
    pub journal: JournalKind,

    /// Values of the journal that were received longer ago are dropped at the start; 0s keeps all whose ttl has not passed.
    #[arg(
        long,
        env = "CMA_JOURNAL_RESTORE_MAX_AGE",
        value_name = "DURATION",
        value_parser = duration_up_to(ALWAYS),
        default_value = "0s"
    )]
    pub journal_restore_max_age: SignedDuration,
}

/// A kind of journal, as --journal names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalKind {
    /// Written values end with the process.
    Memory,
    /// A file in this folder.
    File(PathBuf),
}

impl FromStr for JournalKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::File(folder.into())),
            _ => Err("write memory, or file:DIR with the folder of a volume".to_owned()),
        }
    }
}
