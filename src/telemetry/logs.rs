//! Log lines on stderr, as text or JSON; inside a span that is traced each line names trace and span.

use std::fmt;

use anyhow::Context as _;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Writer},
    },
    registry::LookupSpan,
    reload,
};

use super::{
    log_level::{self, LogLevel},
    traces,
};
use crate::config::{Log, LogFormat};

/// The layer that writes lines, and its filter. It takes no interest in spans, so that a span costs nothing unless it is traced.
pub(super) fn layer<S>(log: &Log) -> anyhow::Result<(Box<dyn Layer<S> + Send + Sync>, LogLevel)>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (text, filter) = filter(&log.log_level)?;
    let (filter, handle) = reload::Layer::new(filter);
    let (filter, level) = (filter.and(filter_fn(is_event)), LogLevel::new(text, handle));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let layer = match log.log_format {
        LogFormat::Text => {
            let format = Format::default().with_ansi(false);
            lines.event_format(Traced { format, close: "" }).with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let format = Format::default().json().flatten_event(true);
            lines.json().event_format(Traced { format, close: "}" }).with_filter(filter).boxed()
        }
    };
    Ok((layer, level))
}

fn is_event(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
}

/// The filter of the start, with its text: `RUST_LOG` goes before the flag.
fn filter(level: &str) -> anyhow::Result<(String, EnvFilter)> {
    let (text, filter) = match std::env::var("RUST_LOG") {
        Ok(text) if !text.is_empty() => {
            let filter = EnvFilter::try_new(&text);
            let filter = filter.with_context(|| format!("RUST_LOG={text} is no log filter"))?;
            (text, filter)
        }
        _ => {
            let filter = log_level::filter(level).map_err(anyhow::Error::msg);
            (level.to_owned(), filter.with_context(|| format!("--log-level={level}"))?)
        }
    };
    Ok((text, filter))
}

/// Adds the ids of the current span to the end of a line.
struct Traced<F> {
    format: F,
    /// What ends the object of a JSON line; nothing ends a text line.
    close: &'static str,
}

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some((trace, span)) = traces::current() else {
            return self.format.format_event(ctx, to, event);
        };
        let mut line = String::new();
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        let body = line.strip_suffix(self.close).unwrap_or(line);
        if self.close.is_empty() {
            writeln!(to, "{body} trace_id={trace} span_id={span}")
        } else {
            writeln!(to, r#"{body},"trace_id":"{trace}","span_id":"{span}"{}"#, self.close)
        }
    }
}
