//! A series as the rules of its target make it.

use std::borrow::Cow;

use crate::{
    exposition::{Membership, Series},
    relabel::SeriesRules,
};

/// The series that a text spells, after the rules; `None` if it is none, or does not stay. What it is, the name says that
/// stands on the page: its type is declared by that name.
pub(super) fn read<'t>(text: &'t str, membership: Membership, rules: &SeriesRules) -> Option<Series<'t>> {
    let mut series = Series::parse(text).ok()?;
    series.canonicalise(membership);
    apply(series, rules)
}

/// The series after the rules, if it stays.
pub(super) fn apply<'t>(series: Series<'t>, rules: &SeriesRules) -> Option<Series<'t>> {
    if rules.leaves(series.labels.iter().map(|(name, _)| &**name)) {
        return Some(series);
    }
    let labels = series.labels.iter().map(|(name, value)| (&**name, &**value));
    let (name, labels) = rules.apply(&series.name, labels)?;
    let owned = |(name, value)| (Cow::Owned(name), Cow::Owned(value));
    Some(Series { name: Cow::Owned(name), labels: labels.into_iter().map(owned).collect() })
}
