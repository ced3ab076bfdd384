//! What the series of a name are, by the types and names of the whole body.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::Rules;
use crate::{
    exposition::{Kind, Membership, Role, Series},
    scrape::allow::{AllowList, Derived},
    store::SeriesKind,
};

/// What all series of one name are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) membership: Membership,
    /// How the store is to count them; a bound or quantile in it is not known yet.
    kind: SeriesKind,
}

/// What one series is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Verdict {
    Counts(SeriesKind),
    /// A bucket of a kind that is not read.
    Unread,
    /// The family cannot be read with it.
    Flawed(&'static str),
}

impl Meaning {
    /// `is_quantile` says whether a series of this name has a quantile.
    pub(super) fn of(name: &str, membership: Membership, is_quantile: bool, rules: &Rules) -> Self {
        let kind = match (membership.kind, membership.role) {
            (Kind::Counter, Role::Value) => SeriesKind::Counter,
            // hand-written pages often lack the TYPE line, and the suffix is that of counters everywhere
            (Kind::Unknown, Role::Value) if name.ends_with("_total") => SeriesKind::Counter,
            (Kind::Unknown, Role::Value) => SeriesKind::Untyped,
            (Kind::Histogram, Role::Bucket) => SeriesKind::Bucket(f64::NAN),
            (Kind::Histogram | Kind::Summary, Role::Sum) => SeriesKind::Sum,
            (Kind::Histogram | Kind::Summary, Role::Count) => SeriesKind::Count,
            (Kind::Summary, Role::Value) if is_quantile => SeriesKind::Quantile(f64::NAN),
            (_, Role::Created) => SeriesKind::Created,
            _ => SeriesKind::Gauge,
        };
        let kind = match kind {
            SeriesKind::Gauge | SeriesKind::Untyped if rules.counters.contains(name) => SeriesKind::Counter,
            kind => kind,
        };
        Self { membership, kind }
    }

    /// What this series is among those of its name.
    pub(super) fn judge(self, series: &Series<'_>) -> Verdict {
        let bound = |label: &str| series.label(label).map(bound);
        match self.kind {
            SeriesKind::Bucket(_) => match bound("le") {
                Some(Some(bound)) => Verdict::Counts(SeriesKind::Bucket(bound)),
                Some(None) => Verdict::Flawed("the bound `le` of a bucket is not a number"),
                None if series.label("vmrange").is_some() => Verdict::Unread,
                None => Verdict::Flawed("a bucket of a histogram has no bound `le`"),
            },
            SeriesKind::Quantile(_) => match bound("quantile") {
                Some(Some(quantile)) => Verdict::Counts(SeriesKind::Quantile(quantile)),
                Some(None) => Verdict::Flawed("the `quantile` of a summary is not a number"),
                None => Verdict::Flawed(
                    "a series of a summary has no `quantile`, and others of its name have one",
                ),
            },
            kind => Verdict::Counts(kind),
        }
    }

    /// The family's name, as the store derives it from the name and kind of a series.
    pub(super) fn family(self, name: &str) -> &str {
        let suffixes: &[&str] = match self.kind {
            SeriesKind::Bucket(_) => &["_bucket"],
            SeriesKind::Sum => &["_sum", "_gsum"],
            SeriesKind::Count => &["_count", "_gcount"],
            SeriesKind::Counter => &["_total"],
            _ => &[],
        };
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
    }

    /// The numbers of the entries of `allow` by which series of this name are kept: a part of a family by its own name,
    /// the family's, or that of a metric that is derived from it; the start of a counter with the counter.
    pub(super) fn keepers<'a>(self, allow: &'a AllowList, name: &'a str) -> impl Iterator<Item = usize> {
        let is_source = move |derived| self.is_source(derived);
        let base = self.base(name);
        let total =
            base.filter(|_| self.membership.role == Role::Created).map(|base| format!("{base}_total"));
        let of_total: Vec<usize> = total.iter().flat_map(|total| allow.keeping(total, is_source)).collect();
        let of_base = base.into_iter().flat_map(move |base| allow.keeping(base, is_source));
        allow.keeping(name, is_source).chain(of_base).chain(of_total)
    }

    /// Whether it may be made a counter by an annotation.
    pub(super) fn may_be_counted(self) -> bool {
        matches!((self.membership.kind, self.membership.role), (kind, Role::Value) if kind != Kind::Counter)
            && matches!(self.kind, SeriesKind::Counter | SeriesKind::Gauge | SeriesKind::Untyped)
    }

    fn is_source(self, derived: Derived) -> bool {
        match (derived, self.kind) {
            (_, SeriesKind::Created | SeriesKind::Count)
            | (Derived::Rate, SeriesKind::Counter)
            | (Derived::Quantile, SeriesKind::Bucket(_) | SeriesKind::Quantile(_))
            | (Derived::Average, SeriesKind::Sum)
            // so that the answer can say why there is no rate
            | (Derived::Rate, SeriesKind::Gauge | SeriesKind::Untyped) => true,
            _ => false,
        }
    }

    /// The name of the family that a part belongs to.
    fn base(self, name: &str) -> Option<&str> {
        let suffixes: &[&str] = match self.membership.role {
            Role::Value if self.kind == SeriesKind::Counter => &["_total"],
            Role::Value => return None,
            Role::Bucket => &["_bucket"],
            Role::Sum => &["_sum", "_gsum"],
            Role::Count => &["_count", "_gcount"],
            Role::Created => &["_created"],
        };
        suffixes.iter().find_map(|suffix| name.strip_suffix(suffix))
    }

    /// Whether the moment at which it began to count matters.
    pub(super) fn counts(self) -> bool {
        matches!(self.kind, SeriesKind::Counter | SeriesKind::Bucket(_) | SeriesKind::Sum | SeriesKind::Count)
    }
}

/// What a counter and its `_created` have in common: the family's name without suffix, and the labels but `le`.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Counting {
    base: String,
    labels: u64,
}

impl Counting {
    pub(super) fn of(series: &Series<'_>, meaning: Meaning, hash: &RandomState) -> Self {
        let base = meaning.base(&series.name).unwrap_or(&series.name);
        let labels: Vec<_> = series.labels.iter().filter(|(name, _)| name != "le").collect();
        Self { base: base.to_owned(), labels: hash.hash_one(labels) }
    }
}

fn bound(text: &str) -> Option<f64> {
    text.parse().ok().filter(|bound: &f64| !bound.is_nan())
}
