//! The grammar of a series text: metric name and labels, as they stand on a line.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use super::{
    error::Reason,
    family::{Kind, Membership, Role},
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

/// Takes the parts of a series text in the order in which they stand.
pub(super) trait Parts<'a> {
    fn name(&mut self, name: Cow<'a, str>);
    fn label(&mut self, name: Cow<'a, str>, value: Quoted<'a>);
}

impl<'a> Parts<'a> for Series<'a> {
    fn name(&mut self, name: Cow<'a, str>) {
        self.name = name;
    }

    fn label(&mut self, name: Cow<'a, str>, value: Quoted<'a>) {
        self.labels.push((name, value.unescape()));
    }
}

/// Only looks at a series, to find its end and whether a label name stands twice. Reused from line to line, so that
/// it allocates for the first ones at most.
#[derive(Default, Debug)]
pub(super) struct LabelNames<'a>(Vec<Cow<'a, str>>);

impl<'a> Parts<'a> for LabelNames<'a> {
    fn name(&mut self, _: Cow<'a, str>) {}

    fn label(&mut self, name: Cow<'a, str>, _: Quoted<'a>) {
        self.0.push(name);
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
        // each token was checked, and the rest of the grammar is ASCII
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

/// Walks the series at the start of `text`, and returns what follows it. The one grammar of series texts, whoever
/// asks: so the reader that only looks for the end and the one that wants the labels cannot disagree.
pub(super) fn walk<'a>(
    text: &'a [u8],
    dialect: Dialect,
    parts: &mut impl Parts<'a>,
) -> Result<&'a [u8], Reason> {
    let (name, rest) = bare(text, is_name_byte);
    let named = !name.is_empty();
    if named {
        parts.name(Cow::Borrowed(utf8(name)?));
    }
    match dialect.skip_blanks(rest) {
        [b'{', inside @ ..] => braces(inside, dialect, named, parts),
        _ if named => Ok(rest),
        _ => Err(Reason::MetricName),
    }
}

/// Walks the label set of an exemplar, which is in braces and has no name.
pub(super) fn exemplar_labels<'a>(text: &'a [u8], parts: &mut impl Parts<'a>) -> Result<&'a [u8], Reason> {
    match text {
        // as if named, so that a name in the braces is one too many
        [b'{', inside @ ..] => braces(inside, Dialect::OpenMetrics, true, parts),
        _ => Err(Reason::Exemplar),
    }
}

/// Walks labels behind their `{`, among which the metric name may stand in quotes.
fn braces<'a>(
    mut rest: &'a [u8],
    dialect: Dialect,
    mut named: bool,
    parts: &mut impl Parts<'a>,
) -> Result<&'a [u8], Reason> {
    loop {
        rest = dialect.skip_blanks(rest);
        if let [b'}', after @ ..] = rest {
            return if named { Ok(after) } else { Err(Reason::NoMetricName) };
        }
        let (name, after) = label_name(rest, dialect)?;
        rest = dialect.skip_blanks(after);
        match (rest, name) {
            ([b'=', after @ ..], name) => rest = label(name.text(), after, dialect, parts)?,
            ([b',' | b'}', ..], Name::Quoted(name)) => {
                rest = metric_name(name, rest, &mut named, parts)?;
            }
            _ => return Err(Reason::Equals),
        }
    }
}

/// Walks the value of a label, from behind the `=` to the next name or the `}`.
fn label<'a>(
    name: Cow<'a, str>,
    rest: &'a [u8],
    dialect: Dialect,
    parts: &mut impl Parts<'a>,
) -> Result<&'a [u8], Reason> {
    match &*name {
        "" => return Err(Reason::EmptyLabelName),
        "__name__" => return Err(Reason::ReservedLabelName),
        _ => {}
    }
    let (value, rest) = match dialect.skip_blanks(rest) {
        [b'"', inside @ ..] => quoted(inside, dialect)?,
        _ => return Err(Reason::LabelValue),
    };
    parts.label(name, value);
    match (dialect.skip_blanks(rest), dialect) {
        ([b',', after @ ..], _) => Ok(after),
        // Prometheus takes a missing comma in text
        (rest @ [b'}', ..], _) | (rest, Dialect::Text) => Ok(rest),
        (_, Dialect::OpenMetrics) => Err(Reason::Comma),
    }
}

fn metric_name<'a>(
    name: Quoted<'a>,
    rest: &'a [u8],
    named: &mut bool,
    parts: &mut impl Parts<'a>,
) -> Result<&'a [u8], Reason> {
    if std::mem::replace(named, true) {
        return Err(Reason::TwoMetricNames);
    }
    if name.raw.is_empty() {
        return Err(Reason::EmptyMetricName);
    }
    parts.name(name.unescape());
    Ok(rest.strip_prefix(b",").unwrap_or(rest))
}

enum Name<'a> {
    Bare(&'a str),
    Quoted(Quoted<'a>),
}

impl<'a> Name<'a> {
    fn text(self) -> Cow<'a, str> {
        match self {
            Self::Bare(name) => Cow::Borrowed(name),
            Self::Quoted(name) => name.unescape(),
        }
    }
}

fn label_name(text: &[u8], dialect: Dialect) -> Result<(Name<'_>, &[u8]), Reason> {
    if let [b'"', inside @ ..] = text {
        let (name, rest) = quoted(inside, dialect)?;
        return Ok((Name::Quoted(name), rest));
    }
    match bare(text, is_label_byte) {
        ([], _) => Err(Reason::LabelName),
        (name, rest) => Ok((Name::Bare(utf8(name)?), rest)),
    }
}

/// A metric name that is not in braces: bare, or in quotes as behind `# TYPE`.
pub(super) fn family_name(text: &[u8], dialect: Dialect) -> Result<(Cow<'_, str>, &[u8]), Reason> {
    if let [b'"', inside @ ..] = text {
        let (name, rest) = quoted(inside, dialect)?;
        return if name.raw.is_empty() { Err(Reason::FamilyName) } else { Ok((name.unescape(), rest)) };
    }
    match bare(text, is_name_byte) {
        ([], _) => Err(Reason::FamilyName),
        (name, rest) => Ok((Cow::Borrowed(utf8(name)?), rest)),
    }
}

/// The longest unquoted name at the start; empty if there is none, or it starts with a digit.
fn bare(text: &[u8], belongs: fn(&u8) -> bool) -> (&[u8], &[u8]) {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return (&[], text);
    }
    let length = text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((&[], text))
}

fn is_name_byte(byte: &u8) -> bool {
    is_label_byte(byte) || *byte == b':'
}

fn is_label_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Whether `name` needs no quotes as a metric name.
pub(super) fn is_bare_metric_name(name: &str) -> bool {
    matches!(bare(name.as_bytes(), is_name_byte), ([_, ..], []))
}

/// Whether `name` needs no quotes as a label name.
pub(super) fn is_bare_label_name(name: &str) -> bool {
    matches!(bare(name.as_bytes(), is_label_byte), ([_, ..], []))
}

/// The inside of a quoted string.
#[derive(Clone, Copy)]
pub(super) struct Quoted<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Quoted<'a> {
    /// Resolves `\\`, `\"` and `\n`; any other backslash stays as it is, as in Prometheus.
    fn unescape(self) -> Cow<'a, str> {
        if self.escaped { Cow::Owned(unescape(self.raw, true)) } else { Cow::Borrowed(self.raw) }
    }
}

/// Resolves the escapes of label values and HELP texts; text-format HELP has none for the quote.
pub(super) fn unescape(raw: &str, quotes: bool) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(char) = chars.next() {
        let next = if char == '\\' { chars.clone().next() } else { None };
        let resolved = match next {
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('"') if quotes => '"',
            _ => {
                text.push(char);
                continue;
            }
        };
        text.push(resolved);
        chars.next();
    }
    text
}

/// Reads a quoted string, from behind its opening quote; what follows starts behind the closing one.
///
/// A raw newline belongs to the string in text and ends the line in OpenMetrics. Lines cannot be made to cost more
/// than twice their length by that: two scans that start on different lines see each quote from different sides, so
/// at the next newline at most one of them is inside a string, and the other ends.
pub(super) fn quoted(text: &[u8], dialect: Dialect) -> Result<(Quoted<'_>, &[u8]), Reason> {
    let (mut length, mut escaped) = (0, false);
    loop {
        let rest = text.get(length..).unwrap_or_default();
        let found = match dialect {
            Dialect::Text => memchr2(b'"', b'\\', rest),
            Dialect::OpenMetrics => memchr3(b'"', b'\\', b'\n', rest),
        };
        length += found.ok_or(Reason::UnterminatedString)?;
        match text.get(length..) {
            Some([b'"', after @ ..]) => {
                let raw = text.get(..length).unwrap_or_default();
                return Ok((Quoted { raw: utf8(raw)?, escaped }, after));
            }
            Some([b'\\', b'\n', ..]) => return Err(Reason::UnterminatedString),
            Some([b'\\', _, ..]) => (length, escaped) = (length + 2, true),
            _ => return Err(Reason::UnterminatedString),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Reason> {
    std::str::from_utf8(bytes).map_err(|_| Reason::Utf8)
}
