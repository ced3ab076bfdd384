//! What a series is, by its name, labels and family.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::Rules;
use crate::{
    exposition::{Kind, Membership, Role, Series},
    store::SeriesKind,
};

/// What a counter and its `_created` have in common: the family's name without suffix, and the labels but `le`.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Counting {
    base: String,
    labels: u64,
}

impl Counting {
    pub(super) fn of(series: &Series<'_>, membership: Membership, hash: &RandomState) -> Self {
        let base = base_name(&series.name, membership).unwrap_or(&series.name);
        let labels: Vec<_> = series.labels.iter().filter(|(name, _)| name != "le").collect();
        Self { base: base.to_owned(), labels: hash.hash_one(labels) }
    }
}

/// Whether the moment at which it began to count matters.
pub(super) fn counts(membership: Membership) -> bool {
    matches!(
        (membership.kind, membership.role),
        (Kind::Counter, Role::Value)
            | (Kind::Histogram | Kind::Summary, Role::Bucket | Role::Sum | Role::Count)
    )
}

/// The name of the family that a part belongs to.
fn base_name(name: &str, membership: Membership) -> Option<&str> {
    let suffixes: &[&str] = match membership.role {
        Role::Value if membership.kind == Kind::Counter => &["_total"],
        Role::Value => return None,
        Role::Bucket => &["_bucket"],
        Role::Sum => &["_sum", "_gsum"],
        Role::Count => &["_count", "_gcount"],
        Role::Created => &["_created"],
    };
    suffixes.iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// A part of a family is wanted by its own name or by the family's; the start of a counter with the counter.
pub(super) fn is_wanted(rules: &Rules, series: &Series<'_>, membership: Membership) -> bool {
    let allow = &rules.allow;
    allow.allows(&series.name)
        || base_name(&series.name, membership).is_some_and(|base| {
            allow.allows(base) || membership.role == Role::Created && allow.allows(&format!("{base}_total"))
        })
}

/// How the store is to count the series. A `*_total` without a type is a counter: hand-written pages often lack the
/// TYPE line, and the suffix is reserved for counters in OpenMetrics and by convention everywhere else.
pub(super) fn series_kind(series: &Series<'_>, membership: Membership) -> SeriesKind {
    let bound = |label: &str| series.label(label).and_then(bound);
    match (membership.kind, membership.role) {
        (Kind::Counter, Role::Value) => SeriesKind::Counter,
        (Kind::Unknown, Role::Value) if series.name.ends_with("_total") => SeriesKind::Counter,
        (Kind::Unknown, Role::Value) => SeriesKind::Untyped,
        (Kind::Histogram, Role::Bucket) => bound("le").map_or(SeriesKind::Gauge, SeriesKind::Bucket),
        (Kind::Histogram | Kind::Summary, Role::Sum) => SeriesKind::Sum,
        (Kind::Histogram | Kind::Summary, Role::Count) => SeriesKind::Count,
        (Kind::Summary, Role::Value) => bound("quantile").map_or(SeriesKind::Gauge, SeriesKind::Quantile),
        _ => SeriesKind::Gauge,
    }
}

fn bound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|bound: &f64| !bound.is_nan())
}
