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

pub mod limits;
mod logs;
pub mod metrics;
mod sampling;
pub mod traces;

use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Log;

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
    let lines = tracing_subscriber::registry().with(logs::layer(log)?);
    let Some(traces) = traces::start(|name| std::env::var(name).ok())? else {
        lines.try_init()?;
        return Ok(Guard { traces: None });
    };
    let (layer, exporting) = traces.split();
    lines.with(layer).try_init()?;
    Ok(Guard { traces: Some(exporting) })
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(traces) = &self.traces {
            traces.flush();
        }
    }
}
