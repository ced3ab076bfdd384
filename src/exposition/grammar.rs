//! The grammar of a series text: metric name and labels, quoted or bare.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use super::{error::Reason, lines::Dialect};

/// Takes the parts of a series text in the order in which they stand.
pub(super) trait Parts<'a> {
    fn name(&mut self, name: Token<'a>) -> Result<(), Reason>;
    fn label(&mut self, name: Token<'a>, value: Token<'a>) -> Result<(), Reason>;
}

/// A bare name, or the inside of a quoted string. Whether it is UTF-8 is for the taker to check, who may check the
/// whole line at once.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Token<'a> {
    /// The text that the token stands for: `\\`, `\"` and `\n` resolved, any other backslash as it is, as in Prometheus.
    pub(super) fn text(self) -> Result<Cow<'a, str>, Reason> {
        let text = utf8(self.raw)?;
        Ok(if self.escaped { Cow::Owned(unescape(text, true)) } else { Cow::Borrowed(text) })
    }

    /// The bytes as they stand, escapes and all.
    pub(super) fn raw(self) -> &'a [u8] {
        self.raw
    }

    pub(super) fn is_escaped(self) -> bool {
        self.escaped
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
        parts.name(Token { raw: name, escaped: false })?;
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
        let is_quoted = rest.starts_with(b"\"");
        let (name, after) = label_name(rest, dialect)?;
        rest = match dialect.skip_blanks(after) {
            [b'=', after @ ..] => label(name, after, dialect, parts)?,
            [b',', after @ ..] if is_quoted => metric_name(name, after, &mut named, parts)?,
            after @ [b'}', ..] if is_quoted => metric_name(name, after, &mut named, parts)?,
            _ => return Err(Reason::Equals),
        };
    }
}

/// Walks the value of a label, from behind the `=` to the next name or the `}`.
fn label<'a>(
    name: Token<'a>,
    rest: &'a [u8],
    dialect: Dialect,
    parts: &mut impl Parts<'a>,
) -> Result<&'a [u8], Reason> {
    match name.raw {
        b"" => return Err(Reason::EmptyLabelName),
        // no escape resolves to a letter or underscore, so there is no other way to spell it
        b"__name__" => return Err(Reason::ReservedLabelName),
        _ => {}
    }
    let (value, rest) = match dialect.skip_blanks(rest) {
        [b'"', inside @ ..] => quoted(inside, dialect)?,
        _ => return Err(Reason::LabelValue),
    };
    parts.label(name, value)?;
    match (dialect.skip_blanks(rest), dialect) {
        ([b',', after @ ..], _) => Ok(after),
        // Prometheus takes a missing comma in text
        (rest @ [b'}', ..], _) | (rest, Dialect::Text) => Ok(rest),
        (_, Dialect::OpenMetrics) => Err(Reason::Comma),
    }
}

fn metric_name<'a>(
    name: Token<'a>,
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
    parts.name(name)?;
    Ok(rest)
}

fn label_name(text: &[u8], dialect: Dialect) -> Result<(Token<'_>, &[u8]), Reason> {
    if let [b'"', inside @ ..] = text {
        return quoted(inside, dialect);
    }
    match bare(text, is_label_byte) {
        ([], _) => Err(Reason::LabelName),
        (raw, rest) => Ok((Token { raw, escaped: false }, rest)),
    }
}

/// A metric name that is not in braces: bare, or in quotes as behind `# TYPE`.
pub(super) fn family_name(text: &[u8], dialect: Dialect) -> Result<(Cow<'_, str>, &[u8]), Reason> {
    let (name, rest) = match text {
        [b'"', inside @ ..] => quoted(inside, dialect)?,
        _ => {
            let (raw, rest) = bare(text, is_name_byte);
            (Token { raw, escaped: false }, rest)
        }
    };
    if name.raw.is_empty() { Err(Reason::FamilyName) } else { Ok((name.text()?, rest)) }
}

/// The longest unquoted name at the start; empty if there is none, or it starts with a digit.
#[inline]
fn bare(text: &[u8], belongs: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return (&[], text);
    }
    let length = text.iter().position(|&byte| !belongs(byte)).unwrap_or(text.len());
    text.split_at_checked(length).unwrap_or((&[], text))
}

#[inline]
fn is_name_byte(byte: u8) -> bool {
    is_label_byte(byte) || byte == b':'
}

#[inline]
fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `name` needs no quotes as a metric name.
pub(super) fn is_bare_metric_name(name: &str) -> bool {
    matches!(bare(name.as_bytes(), is_name_byte), ([_, ..], []))
}

/// Whether `name` needs no quotes as a label name.
pub(super) fn is_bare_label_name(name: &str) -> bool {
    matches!(bare(name.as_bytes(), is_label_byte), ([_, ..], []))
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
pub(super) fn quoted(text: &[u8], dialect: Dialect) -> Result<(Token<'_>, &[u8]), Reason> {
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
                return Ok((Token { raw, escaped }, after));
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
