//! Increases of counters and of whole histograms, which a rate, a quantile or a mean is computed from.

use super::{
    SeriesKind,
    contribution::{Contribution, Parts},
    past::Gone,
    rate::{Increase, Part, Point},
};

/// One counter, or one part of a histogram.
pub(super) struct Member {
    pub(super) kind: SeriesKind,
    pub(super) points: Vec<Point>,
}

/// The increase of a counter, or of all parts of a histogram.
pub(super) struct Grown {
    pub(super) kinds: Vec<SeriesKind>,
    pub(super) parts: Vec<Part>,
    pub(super) increase: Increase,
    /// Whether it has a time of its own beside the others.
    pub(super) is_apart: bool,
}

impl Member {
    pub(super) fn of(gone: &Gone) -> Self {
        Self { kind: gone.kind, points: gone.points.to_vec() }
    }

    pub(super) fn split(self) -> (SeriesKind, Part) {
        (self.kind, Part { points: self.points, is_sum: self.kind == SeriesKind::Sum })
    }
}

impl Grown {
    pub(super) fn amount(&self, kind: SeriesKind) -> f64 {
        self.amounts().find(|(part, _)| *part == kind).map_or(0.0, |(_, amount)| amount)
    }

    fn amounts(&self) -> impl Iterator<Item = (SeriesKind, f64)> {
        self.kinds.iter().copied().zip(self.increase.amounts.iter().copied())
    }

    /// Upper bounds and amounts. The count is the bucket without a bound, if that is not exposed.
    pub(super) fn buckets(&self) -> Vec<(f64, f64)> {
        let bound = |(kind, amount): (SeriesKind, f64)| match kind {
            SeriesKind::Bucket(bound) => Some((bound, amount)),
            _ => None,
        };
        let mut buckets: Vec<(f64, f64)> = self.amounts().filter_map(bound).collect();
        let has_inf = buckets.iter().any(|(bound, _)| *bound == f64::INFINITY);
        let count = self.amounts().find(|(kind, _)| *kind == SeriesKind::Count && !has_inf);
        buckets.extend(count.map(|(_, amount)| (f64::INFINITY, amount)));
        buckets
    }

    /// The first scrape that is known to have all of it.
    pub(super) fn oldest_scrape(&self) -> i64 {
        let oldest = self.parts.iter().filter_map(|part| part.points.last());
        oldest.map(|point| point.scraped).max().unwrap_or_default()
    }

    pub(super) fn newest_scrape(&self) -> i64 {
        let newest = self.parts.iter().filter_map(|part| part.points.first());
        newest.map(|point| point.scraped).min().unwrap_or_default()
    }

    /// The contribution of all. Its time is that of the counters that have one in common: one that is new does not say
    /// when the others were counted.
    pub(super) fn contribute(all: &[Self], parts: Parts) -> Contribution {
        let has_common = all.iter().any(|grown| !grown.is_apart);
        let timed = all.iter().filter(|grown| !(has_common && grown.is_apart));
        let spans = || timed.clone().map(|grown| (grown.increase.from, grown.increase.to));
        let window = spans().map(|(from, to)| to - from).max().unwrap_or_default();
        let at = spans().map(|(_, to)| to).min().unwrap_or_default();
        Contribution { parts, window, at }
    }
}

/// The time that all counters have in common, but for those that are new or gone.
pub(super) fn common(all: &[Grown]) -> Option<(i64, i64)> {
    let aligned = || all.iter().filter(|grown| !grown.is_apart).map(|grown| &grown.increase);
    aligned().map(|increase| increase.from).max().zip(aligned().map(|increase| increase.to).min())
}
