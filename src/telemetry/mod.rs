//! What operators see of the adapter itself: logs, traces, metrics. The sole home of opentelemetry and prometheus.
//!
//! Telemetry watches and changes nothing: modules have small observer traits, counters and statuses of their own, and
//! know neither metrics nor exporters; here they are named, registered and exported.
//!
//! ```text
//! api, write, auth ──observer traits──▶ metrics (own registry, one an App) ─▶ GET /metrics
//! store, cluster, serve ◀──read when they are asked for──┘
//! tracing spans at the edges ─▶ traces (OTLP, off unless OTEL_* asks for them)
//! tracing events ─▶ logs (stderr; with the trace id inside a span)
//! ```

mod exporter;
pub mod limits;
mod log_level;
mod logs;
pub mod metrics;
mod sampling;
pub mod traces;

use std::sync::OnceLock;

use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Log;
pub use log_level::LogLevel;

/// As the subscriber is the process's, so is its filter.
static LOG_LEVEL: OnceLock<LogLevel> = OnceLock::new();

/// Flushes the spans that are not exported yet when it is dropped, for a few seconds at most.
pub struct Guard {
    traces: Option<traces::Exporting>,
}

/// Sets the process's logs and traces up. `RUST_LOG` goes before the flag; traces are on when the standard
/// environment variables of OpenTelemetry ask for them, see [`traces`].
///
/// # Errors
/// When the filter or an `OTEL_*` variable is none, or a subscriber is installed already.
pub fn init(log: &Log) -> anyhow::Result<Guard> {
    let (layer, level) = logs::layer(log)?;
    let lines = tracing_subscriber::registry().with(layer);
    let exporting = match traces::start(|name| std::env::var(name).ok())?.map(traces::Traces::split) {
        None => lines.try_init().map(|()| None)?,
        Some((layer, exporting)) => lines.with(layer).try_init().map(|()| Some(exporting))?,
    };
    // Set once, as the subscriber is.
    let _ = LOG_LEVEL.set(level);
    Ok(Guard { traces: exporting })
}

/// The filter of this process's log lines, once [`init`] has set them up.
#[must_use]
pub fn log_level() -> Option<LogLevel> {
    LOG_LEVEL.get().cloned()
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            traces.flush();
        }
    }
}
