//! Logs of the process; returns a guard that flushes.

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Log, LogFormat};

/// Flushes what is buffered when it is dropped.
#[derive(Debug)]
pub struct Guard;

/// Sets the process's logs up: to stderr, as text or JSON. `RUST_LOG` goes before the flag.
///
/// # Errors
/// When the filter is none, or a subscriber is installed already.
pub fn init(log: &Log) -> anyhow::Result<Guard> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter)?,
        _ => EnvFilter::try_new(&log.log_level)?,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match log.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init()?,
        LogFormat::Json => registry.with(lines.json()).try_init()?,
    }
    Ok(Guard)
}
