//! From what a target exposes to what an HPA can use: the names that a metric is asked for by, and their values.
//!
//! | exposed | asked for as | value |
//! |---|---|---|
//! | gauge `queue_depth` | `queue_depth` | the newest value |
//! | counter `http_requests_total` | `http_requests_per_second` | its rate over the window |
//! | histogram `x` | `x_p50`, `x_p99.9`, … | the quantile of the window's observations |
//! | histogram or summary `x` | `x_avg`, `x_per_second` | mean observation, observations per second |
//! | summary `x` | `x` with a selector on `quantile`, `x_p99` | the quantile that the target computed |
//!
//! A raw counter answers to its exact name and is not listed: an HPA on it only ever scales up.

use crate::model::Selector;

use super::{
    Fold, SeriesKind,
    history::History,
    quantile,
    rate::{Increase, Unknown, increase},
    shape::{Group, Shape},
};

/// How the value of a metric is computed from the series of a shape.
#[derive(Clone, Copy, Debug)]
enum Derivation<'a> {
    Newest(&'a Group),
    Rate(&'a Group),
    Quantile(f64, &'a Group),
    Average { sum: &'a Group, count: &'a Group },
    Published(f64, &'a Group),
}

/// Why no value can be computed, by what there is to do about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    /// The target exposes nothing that this name could mean.
    NotExposed,
    /// No label set meets the selector.
    NotSelected,
    /// A rate needs a second scrape, or a known start.
    Early,
    /// A counter that falls all the time.
    NonMonotonic,
    /// A histogram or average without an observation in the window.
    NoObservations,
    /// Only NaN or infinities.
    NotANumber,
}

/// A value, and what it was computed over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Derived {
    pub(super) value: f64,
    /// Milliseconds; 0 for what is not computed over time.
    pub(super) window: i64,
}

/// What the targets of one object contribute to one value.
#[derive(Debug)]
pub(super) struct Sum {
    parts: Option<Parts>,
    window: i64,
    missing: Missing,
}

#[derive(Debug)]
enum Parts {
    Values { values: Vec<f64>, slowest: bool },
    Buckets { q: f64, buckets: Vec<(f64, f64)> },
    Ratio { sum: f64, count: f64 },
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { parts: None, window: 0, missing: Missing::NotExposed }
    }

    /// Adds what one target knows of `metric`.
    pub(super) fn add(&mut self, history: &History, metric: &str, selector: &Selector) {
        let Some(derivation) = Derivation::of(history.shape(), metric) else { return };
        let reader = Reader { history, selector };
        match derivation.read(&reader) {
            Ok((parts, window)) => self.merge(parts, window),
            Err(missing) => self.missing = self.missing.or(missing),
        }
    }

    /// The folded value.
    pub(super) fn fold(self, fold: Fold) -> Result<Derived, Missing> {
        let value = match self.parts {
            None => return Err(self.missing),
            Some(Parts::Values { values, slowest }) => if slowest { Fold::Max } else { fold }.of(&values),
            Some(Parts::Buckets { q, buckets }) => {
                quantile::quantile(q, buckets).ok_or(Missing::NoObservations)
            }
            Some(Parts::Ratio { count, .. }) if count <= 0.0 => Err(Missing::NoObservations),
            Some(Parts::Ratio { sum, count }) => Ok(sum / count),
        }?;
        Ok(Derived { value, window: self.window })
    }

    fn merge(&mut self, parts: Parts, window: i64) {
        self.window = self.window.max(window);
        match (&mut self.parts, parts) {
            (None, parts) => self.parts = Some(parts),
            (Some(Parts::Values { values, .. }), Parts::Values { values: more, .. }) => values.extend(more),
            (Some(Parts::Buckets { buckets, .. }), Parts::Buckets { buckets: more, .. }) => {
                buckets.extend(more);
            }
            (Some(Parts::Ratio { sum, count }), Parts::Ratio { sum: more_sum, count: more_count }) => {
                *sum += more_sum;
                *count += more_count;
            }
            // Two targets of one pod that mean different things by one name: the first stands.
            (Some(_), _) => {}
        }
    }
}

impl Missing {
    /// The more telling of two reasons.
    fn or(self, other: Self) -> Self {
        if self == Self::NotExposed { other } else { self }
    }
}

impl From<Unknown> for Missing {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Early => Self::Early,
            Unknown::NonMonotonic => Self::NonMonotonic,
        }
    }
}

struct Reader<'a> {
    history: &'a History,
    selector: &'a Selector,
}

impl Reader<'_> {
    fn selected(&self, group: &Group) -> Vec<u32> {
        let shape = self.history.shape();
        let matches =
            |series: &u32| self.selector.is_empty() || self.selector.matches(&shape.labels(*series));
        group.members.iter().copied().filter(matches).collect()
    }

    /// The increase of every selected series, with its kind; those that cannot be known are left out, unless that
    /// is all of them.
    fn increases(&self, group: &Group) -> Result<Vec<(SeriesKind, Increase)>, Missing> {
        let selected = self.selected(group);
        let mut missing = Missing::NotSelected;
        let mut known = Vec::with_capacity(selected.len());
        for series in selected {
            let (points, lacked) = self.history.points(series);
            match (increase(&points, lacked, self.history.span()), self.history.shape().kind(series)) {
                (Ok(increase), Some(kind)) => known.push((kind, increase)),
                (Err(unknown), _) => missing = unknown.into(),
                (Ok(_), None) => {}
            }
        }
        if known.is_empty() { Err(missing) } else { Ok(known) }
    }

    fn total(&self, group: &Group) -> Result<(f64, i64), Missing> {
        let increases = self.increases(group)?;
        Ok((increases.iter().map(|(_, increase)| increase.amount).sum(), longest(&increases)))
    }
}

impl<'a> Derivation<'a> {
    /// What `metric` means for a target of this shape; a name that is exposed means itself.
    fn of(shape: &'a Shape, metric: &str) -> Option<Self> {
        let group = |base: &str, suffix: &str| shape.group(&format!("{base}{suffix}"));
        if let Some(group) = shape.group(metric) {
            return Some(Self::Newest(group));
        }
        if let Some(base) = metric.strip_suffix("_per_second") {
            let counter =
                group(base, "_total").or_else(|| shape.group(base)).or_else(|| group(base, "_count"))?;
            return counter.kind.is_counter().then_some(Self::Rate(counter));
        }
        if let Some(base) = metric.strip_suffix("_avg") {
            let (sum, count) = (group(base, "_sum")?, group(base, "_count")?);
            let both = sum.kind == SeriesKind::Sum && count.kind == SeriesKind::Count;
            return both.then_some(Self::Average { sum, count });
        }
        let (base, percent) = metric.rsplit_once("_p")?;
        let q = quantile_of(percent)?;
        let buckets = group(base, "_bucket").filter(|group| matches!(group.kind, SeriesKind::Bucket(_)));
        let published = || shape.group(base).filter(|group| matches!(group.kind, SeriesKind::Quantile(_)));
        buckets.map(|buckets| Self::Quantile(q, buckets)).or_else(|| Some(Self::Published(q, published()?)))
    }

    fn read(self, reader: &Reader<'_>) -> Result<(Parts, i64), Missing> {
        match self {
            Self::Newest(group) => newest(reader, &reader.selected(group), group.kind),
            Self::Published(q, group) => published(reader, q, group),
            Self::Rate(group) => {
                let increases = reader.increases(group)?;
                let values = increases.iter().map(|(_, increase)| increase.rate()).collect();
                Ok((Parts::Values { values, slowest: false }, longest(&increases)))
            }
            Self::Quantile(q, group) => {
                let increases = reader.increases(group)?;
                let bucket = |(kind, increase): &(SeriesKind, Increase)| match kind {
                    SeriesKind::Bucket(bound) => Some((*bound, increase.amount)),
                    _ => None,
                };
                let buckets = increases.iter().filter_map(bucket).collect();
                Ok((Parts::Buckets { q, buckets }, longest(&increases)))
            }
            Self::Average { sum, count } => {
                let ((sum, window), (count, _)) = (reader.total(sum)?, reader.total(count)?);
                Ok((Parts::Ratio { sum, count }, window))
            }
        }
    }
}

fn newest(reader: &Reader<'_>, selected: &[u32], kind: SeriesKind) -> Result<(Parts, i64), Missing> {
    if selected.is_empty() {
        return Err(Missing::NotSelected);
    }
    let values: Vec<f64> = selected.iter().filter_map(|series| reader.history.newest(*series)).collect();
    Ok((Parts::Values { values, slowest: matches!(kind, SeriesKind::Quantile(_)) }, 0))
}

fn published(reader: &Reader<'_>, q: f64, group: &Group) -> Result<(Parts, i64), Missing> {
    let is_q = |series: &u32| match reader.history.shape().kind(*series) {
        Some(SeriesKind::Quantile(published)) => (published - q).abs() < 1e-9,
        _ => false,
    };
    if !group.members.iter().any(is_q) {
        return Err(Missing::NotExposed);
    }
    let of_q: Vec<u32> = reader.selected(group).into_iter().filter(is_q).collect();
    newest(reader, &of_q, group.kind)
}

fn longest(increases: &[(SeriesKind, Increase)]) -> i64 {
    increases.iter().map(|(_, increase)| increase.to - increase.from).max().unwrap_or(0)
}

/// `99` and `99.9` are hundredths; nothing below 0 or above 100.
fn quantile_of(percent: &str) -> Option<f64> {
    let digits = percent.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let percent: f64 = percent.parse().ok().filter(|_| digits)?;
    (percent <= 100.0).then_some(percent / 100.0)
}

/// The names that discovery lists for a shape.
pub(super) fn names(shape: &Shape) -> Vec<String> {
    let mut names = Vec::new();
    for group in shape.groups() {
        let name = &*group.name;
        let base = |suffix: &str| name.strip_suffix(suffix).unwrap_or(name).to_owned();
        match group.kind {
            SeriesKind::Gauge | SeriesKind::Untyped | SeriesKind::Quantile(_) => names.push(name.to_owned()),
            SeriesKind::Counter => names.push(base("_total") + "_per_second"),
            SeriesKind::Bucket(_) => names.extend(["_p50", "_p90", "_p99"].map(|p| base("_bucket") + p)),
            SeriesKind::Count => names.push(base("_count") + "_per_second"),
            SeriesKind::Sum => names.push(base("_sum") + "_avg"),
            SeriesKind::Created => {}
        }
    }
    names
}
