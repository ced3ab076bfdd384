//! What one body may hold.

use crate::exposition::Series;

/// What one body may hold of what is kept. Anything over fails the whole scrape, as in Prometheus: half a target is a
/// wrong sum. Series that are left out cost nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SeriesLimits {
    /// Samples that are kept, dropped duplicates included.
    pub samples: usize,
    /// Labels of one series.
    pub labels: usize,
    /// Bytes of a metric or label name.
    pub name_bytes: usize,
    /// Bytes of a label value.
    pub value_bytes: usize,
}

/// A body that holds more than it may.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LimitError {
    /// Too many samples.
    #[error("the body has {found} samples, more than {limit}; {LESS}, or raise --scrape-max-samples")]
    Samples {
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many families that cannot be read.
    #[error("more than {limit} families of the body cannot be read; correct the lines that /targets shows")]
    Faults {
        /// The limit.
        limit: usize,
    },
    /// Too many lines, most of them comments.
    #[error("the body has more than {limit} lines")]
    Lines {
        /// The limit.
        limit: usize,
    },
    /// A series with too many labels.
    #[error("the series {series} has {found} labels, more than {limit}; {LESS}")]
    Labels {
        /// Its start.
        series: String,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A name that is too long.
    #[error("the series {series} has a name of {found} bytes, more than {limit}; {LESS}")]
    Name {
        /// Its start.
        series: String,
        /// How long it is.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A label value that is too long.
    #[error("the series {series} has a label value of {found} bytes, more than {limit}; {LESS}")]
    Value {
        /// Its start.
        series: String,
        /// How long it is.
        found: usize,
        /// The limit.
        limit: usize,
    },
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self { samples: 50_000, labels: 64, name_bytes: 256, value_bytes: 4096 }
    }
}

/// The start of a series, to be shown.
pub(super) fn excerpt(series: &str) -> String {
    series.escape_debug().take(EXCERPT_CHARS).collect()
}

const EXCERPT_CHARS: usize = 80;

/// What to do about too much.
const LESS: &str = "keep less with custom-metrics-adapter/metrics";

/// Whether one series is within the limits; `text` is how it is spelled.
pub(super) fn check(series: &Series<'_>, text: &str, limits: &SeriesLimits) -> Result<(), LimitError> {
    let start = || excerpt(text);
    if series.labels.len() > limits.labels {
        return Err(LimitError::Labels { series: start(), found: series.labels.len(), limit: limits.labels });
    }
    let names = std::iter::once(&series.name).chain(series.labels.iter().map(|(name, _)| name));
    if let Some(found) = names.map(|name| name.len()).find(|found| *found > limits.name_bytes) {
        return Err(LimitError::Name { series: start(), found, limit: limits.name_bytes });
    }
    let mut values = series.labels.iter().map(|(_, value)| value.len());
    match values.find(|found| *found > limits.value_bytes) {
        Some(found) => Err(LimitError::Value { series: start(), found, limit: limits.value_bytes }),
        None => Ok(()),
    }
}
