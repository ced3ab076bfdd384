//! Series: their text, as it stands on a line, and the name and labels that it spells.

use std::borrow::Cow;

use super::{
    error::Reason,
    family::{Kind, Membership, Role},
    grammar::{Parts, Token, walk},
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

    /// For texts that the protobuf reader writes itself.
    pub(super) fn trusted(text: &'a str) -> Self {
        Self(text)
    }
}

impl<'a> Series<'a> {
    /// Parses a series text, which must end where `text` ends.
    ///
    /// # Errors
    /// When `text` is not exactly one series of the text format, of which OpenMetrics is a subset.
    pub fn parse(text: &'a str) -> Result<Self, Reason> {
        let mut series = Self::default();
        let rest = walk(text.as_bytes(), Dialect::Text, &mut series)?;
        if !rest.is_empty() {
            return Err(Reason::Trailing);
        }
        series.labels.sort_unstable();
        if series.labels.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
            return Err(Reason::DuplicateLabelName);
        }
        series.labels.retain(|(_, value)| !value.is_empty());
        Ok(series)
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

impl<'a> Parts<'a> for Series<'a> {
    fn name(&mut self, name: Token<'a>) -> Result<(), Reason> {
        self.name = name.text()?;
        Ok(())
    }

    fn label(&mut self, name: Token<'a>, value: Token<'a>) -> Result<(), Reason> {
        self.labels.push((name.text()?, value.text()?));
        Ok(())
    }
}

/// Only looks at a series, to find its end and whether a label name stands twice. Reused from line to line, so that
/// it allocates for the first ones at most.
#[derive(Default, Debug)]
pub(super) struct LabelNames<'a>(Vec<Cow<'a, [u8]>>);

impl<'a> Parts<'a> for LabelNames<'a> {
    fn name(&mut self, _: Token<'a>) -> Result<(), Reason> {
        Ok(())
    }

    fn label(&mut self, name: Token<'a>, _: Token<'a>) -> Result<(), Reason> {
        self.0.push(match name.is_escaped() {
            true => Cow::Owned(name.text()?.into_owned().into_bytes()),
            false => Cow::Borrowed(name.raw()),
        });
        Ok(())
    }
}

impl<'a> LabelNames<'a> {
    /// Splits the series at the start of `text` from what follows it.
    pub(super) fn split(
        &mut self,
        text: &'a [u8],
        dialect: Dialect,
    ) -> Result<(SeriesText<'a>, &'a [u8]), Reason> {
        self.0.clear();
        let rest = walk(text, dialect, self)?;
        if self.has_duplicate() {
            return Err(Reason::DuplicateLabelName);
        }
        let series = text.get(..text.len() - rest.len()).unwrap_or_default();
        // the grammar is ASCII but for what stands in quotes
        let series = std::str::from_utf8(series).map_err(|_| Reason::Utf8)?;
        Ok((SeriesText(series), rest))
    }

    fn has_duplicate(&mut self) -> bool {
        /// Up to here comparing each with each is faster than sorting; beyond it, it would be a way to burn CPU.
        const FEW: usize = 16;
        if self.0.len() > FEW {
            self.0.sort_unstable();
            return self.0.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        }
        let mut rest = self.0.as_slice();
        while let [name, others @ ..] = rest {
            if others.contains(name) {
                return true;
            }
            rest = others;
        }
        false
    }
}
