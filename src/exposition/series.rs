//! Series: their text, as it stands on a line, and the name and labels that it spells.

use std::borrow::Cow;

use super::{
    error::Reason,
    family::{Kind, Membership, Role},
    grammar::{self, Spelling},
    lines::Dialect,
};

/// The text of a series as it stands on a line (`http_requests_total{method="GET"}`), known to be well formed.
///
/// Two texts can name one series: blanks, order and escapes may differ. [`SeriesText::series`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeriesText<'a>(&'a str);

/// A metric name and its labels, sorted by name. Borrowed from the text wherever no escape stands in the way.
///
/// A label with an empty value is left out: to Prometheus it is the same series as without the label.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Series<'a> {
    /// The metric name, not empty.
    pub name: Cow<'a, str>,
    /// Names and values, unique and sorted by name; `__name__` is not among them.
    pub labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> SeriesText<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The name and labels that the text spells.
    #[must_use]
    pub fn series(self) -> Series<'a> {
        // a text that made it into this type parses; were that ever untrue, the empty series matches nothing
        Series::parse(self.0).unwrap_or_default()
    }

    /// For texts that were walked, or written by the protobuf reader itself.
    pub(super) fn trusted(text: &'a str) -> Self {
        Self(text)
    }
}

/// The metric name that a series text spells. Cheaper than all of [`Series::parse`] where the name is not in braces.
#[must_use]
pub fn series_name(text: &str) -> Cow<'_, str> {
    let name = grammar::bare_name(text);
    match name.is_empty() {
        true => Series::parse(text).unwrap_or_default().name,
        false => Cow::Borrowed(name),
    }
}

impl<'a> Series<'a> {
    /// Parses a series text, which must end where `text` ends.
    ///
    /// # Errors
    /// When `text` is not exactly one series of the text format, of which OpenMetrics is a subset.
    pub fn parse(text: &'a str) -> Result<Self, Reason> {
        let mut spelling = Spelling::default();
        let rest = spelling.walk(text.as_bytes(), Dialect::Text)?;
        if rest.is_empty() { Ok(Self::spelled(&spelling, text)) } else { Err(Reason::Trailing) }
    }

    /// What `series` spells, of which `spelling` has the places.
    pub(super) fn spelled(spelling: &Spelling<'a>, series: &'a str) -> Self {
        let mut labels: Vec<_> = spelling.labels(series).filter(|(_, value)| !value.is_empty()).collect();
        labels.sort_unstable();
        Self { name: spelling.name(series), labels }
    }

    /// The value of label `name`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(label, _)| (**label).cmp(name)).ok()?;
        self.labels.get(at).map(|(_, value)| &**value)
    }

    /// Gives the `le` of a bucket and the `quantile` of a summary their [canonical](super::canonical_le) spelling,
    /// so that `le="1"` and `le="1.0"` are one series. Without a TYPE nothing is changed, as in Prometheus.
    pub fn canonicalise(&mut self, membership: Membership) {
        let bound = match membership {
            Membership { role: Role::Bucket, .. } => "le",
            Membership { kind: Kind::Summary, role: Role::Value } => "quantile",
            _ => return,
        };
        let label = self.labels.iter_mut().find(|(name, _)| name == bound);
        if let Some((_, value)) = label
            && let Some(canonical) = super::canonical_le(value)
        {
            *value = Cow::Owned(canonical);
        }
    }

    /// The same series, free of the text it was read from.
    #[must_use]
    pub fn into_owned(self) -> Series<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Series {
            name: owned(self.name),
            labels: self.labels.into_iter().map(|(name, value)| (owned(name), owned(value))).collect(),
        }
    }
}
