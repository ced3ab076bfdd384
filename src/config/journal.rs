//! Where written values outlive the process.

use std::{path::PathBuf, str::FromStr};

use jiff::SignedDuration;

use super::values::{ALWAYS, ONE_HOUR, count, dns_label, duration_between, duration_up_to, file};

/// The journal of written values.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Journal")]
pub struct Journal {
    /// Where written values outlive the process: memory (nowhere), file:DIR (a folder on a volume that only this adapter
    /// uses), or nats://HOST,HOST or tls://HOST,HOST (NATS servers with JetStream, which replicas share).
    #[arg(long, env = "CMA_JOURNAL", value_name = "JOURNAL", default_value = "memory")]
    pub journal: JournalKind,

    /// Values of the journal that were received longer ago are dropped at the start; 0s keeps all whose ttl has not passed.
    /// Of a file only.
    #[arg(
        long,
        env = "CMA_JOURNAL_RESTORE_MAX_AGE",
        value_name = "DURATION",
        value_parser = duration_up_to(ALWAYS),
        default_value = "0s"
    )]
    pub journal_restore_max_age: SignedDuration,

    /// The rest is of NATS alone.
    #[command(flatten)]
    pub nats: Nats,
}

/// The journal on NATS servers.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Journal")]
pub struct Nats {
    /// The stream, with whose name its subjects begin. It is made where there is none.
    #[arg(long, env = "CMA_JOURNAL_STREAM", value_name = "NAME", value_parser = dns_label, default_value = "custom-metrics-writes")]
    pub journal_stream: String,

    /// On how many NATS servers each value is; 1 only to try it out.
    #[arg(long, env = "CMA_JOURNAL_REPLICAS", value_name = "NUMBER", value_parser = count, default_value = "3")]
    pub journal_replicas: usize,

    /// How long a write waits for the servers; then it is answered 504.
    #[arg(
        long,
        env = "CMA_JOURNAL_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration_between(SignedDuration::from_millis(100), SignedDuration::from_mins(1)),
        default_value = "2s"
    )]
    pub journal_timeout: SignedDuration,

    /// How long a start waits until all written values have been read; then it goes on without them.
    #[arg(
        long,
        env = "CMA_JOURNAL_START_TIMEOUT",
        value_name = "DURATION",
        value_parser = duration_up_to(ONE_HOUR),
        default_value = "2m"
    )]
    pub journal_start_timeout: SignedDuration,

    /// Authorities of the servers' certificates; those of the system by default.
    #[arg(long, env = "CMA_JOURNAL_CA_FILE", value_name = "FILE", value_parser = file)]
    pub journal_ca_file: Option<PathBuf>,

    /// A certificate that the servers know this adapter by.
    #[arg(long, env = "CMA_JOURNAL_CERT_FILE", value_name = "FILE", value_parser = file, requires = "journal_key_file")]
    pub journal_cert_file: Option<PathBuf>,

    /// Its key.
    #[arg(long, env = "CMA_JOURNAL_KEY_FILE", value_name = "FILE", value_parser = file, requires = "journal_cert_file")]
    pub journal_key_file: Option<PathBuf>,

    /// A .creds file with a JWT and the seed of its key.
    #[arg(
        long,
        env = "CMA_JOURNAL_CREDENTIALS_FILE",
        value_name = "FILE",
        value_parser = file,
        conflicts_with = "journal_user"
    )]
    pub journal_credentials_file: Option<PathBuf>,

    /// The user to log in as.
    #[arg(long, env = "CMA_JOURNAL_USER", value_name = "NAME", requires = "journal_password_file")]
    pub journal_user: Option<String>,

    /// A file with its password. All these files are read again at each connect.
    #[arg(long, env = "CMA_JOURNAL_PASSWORD_FILE", value_name = "FILE", value_parser = file, requires = "journal_user")]
    pub journal_password_file: Option<PathBuf>,
}

/// A kind of journal, as --journal names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JournalKind {
    /// Written values end with the process.
    Memory,
    /// A file in this folder.
    File(PathBuf),
    /// A stream on the servers with these URLs.
    Nats(Vec<String>),
}

impl FromStr for JournalKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("file", folder)) if !folder.is_empty() => Ok(Self::File(folder.into())),
            Some((scheme @ ("nats" | "tls"), hosts)) => urls(scheme, hosts.trim_start_matches("//")),
            _ => Err(USAGE.to_owned()),
        }
    }
}

/// One URL each; a host may repeat the scheme.
fn urls(scheme: &str, hosts: &str) -> Result<JournalKind, String> {
    let prefix = format!("{scheme}://");
    let host = |host: &str| {
        let host = host.trim();
        let host = host.strip_prefix(&prefix).unwrap_or(host);
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(format!("{host:?} is no HOST[:PORT]; {USAGE}"));
        }
        Ok(format!("{prefix}{host}"))
    };
    hosts.split(',').map(host).collect::<Result<_, _>>().map(JournalKind::Nats)
}

const USAGE: &str =
    "write memory, file:DIR with the folder of a volume, or nats://HOST[:PORT][,HOST[:PORT]…]";
