//! The grammar of a series text: metric name and labels, quoted or bare.

use std::borrow::Cow;

use memchr::{memchr2, memchr3};

use super::{error::Reason, lines::Dialect};

/// How a series is spelled: the places of its parts in the text that was walked. Kept and reused from line to line,
/// so that it allocates for the first ones at most.
#[derive(Default, Debug)]
pub(super) struct Spelling<'a> {
    length: usize,
    name: Option<Token<'a>>,
    labels: Vec<(Token<'a>, Token<'a>)>,
}

/// A bare name, or the inside of a quoted string. Whether it is UTF-8 is for the taker to check, who may check the
/// whole series at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<'a> {
    raw: &'a [u8],
    /// How far its start is from the end of the text that was walked.
    from_end: usize,
    escaped: bool,
}

impl<'a> Token<'a> {
    fn bare(raw: &'a [u8], walked: &[u8]) -> Self {
        Self { raw, from_end: walked.len(), escaped: false }
    }

    /// The text that the token stands for: `\\`, `\"` and `\n` resolved, any other backslash as it is, as in Prometheus.
    pub(super) fn text(self) -> Result<Cow<'a, str>, Reason> {
        let raw = std::str::from_utf8(self.raw).map_err(|_| Reason::Utf8)?;
        Ok(if self.escaped { Cow::Owned(unescape(raw, true)) } else { Cow::Borrowed(raw) })
    }

    /// The same by its place in `text`, the valid start of what was walked, which had `length` bytes.
    fn within(self, text: &'a str, length: usize) -> Cow<'a, str> {
        let start = length.saturating_sub(self.from_end);
        let raw = text.get(start..start + self.raw.len()).unwrap_or_default();
        if self.escaped { Cow::Owned(unescape(raw, true)) } else { Cow::Borrowed(raw) }
    }

    fn bytes(self) -> Cow<'a, [u8]> {
        match self.text() {
            Ok(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            _ => Cow::Borrowed(self.raw),
        }
    }
}

impl<'a> Spelling<'a> {
    /// Walks the series at the start of `text`, and returns what follows it. Whether the series is UTF-8 is left to
    /// the caller.
    pub(super) fn walk(&mut self, text: &'a [u8], dialect: Dialect) -> Result<&'a [u8], Reason> {
        self.restart(text);
        let rest = walk(text, dialect, self)?;
        if self.has_duplicate() { Err(Reason::DuplicateLabelName) } else { Ok(rest) }
    }

    /// Walks the label set of an exemplar at the start of `text`, and returns what follows.
    pub(super) fn skip_exemplar_labels(
        &mut self,
        text: &'a [u8],
        dialect: Dialect,
    ) -> Result<&'a [u8], Reason> {
        self.restart(text);
        let rest = match text {
            // as if named, so that a name in the braces is one too many
            [b'{', inside @ ..] => braces(inside, dialect, true, self)?,
            _ => return Err(Reason::Exemplar),
        };
        self.labels.iter().try_for_each(|(name, value)| name.text().and(value.text()).map(drop))?;
        Ok(rest)
    }

    /// The metric name as far as [`Spelling::walk`] came to it.
    pub(super) fn token(&self) -> Option<Token<'a>> {
        self.name
    }

    /// The metric name, in `series` as [`Spelling::walk`] walked it last.
    pub(super) fn name(&self, series: &'a str) -> Cow<'a, str> {
        self.name.map_or_else(Cow::default, |name| self.text(name, series))
    }

    /// The labels in the order of the text, in `series` as [`Spelling::walk`] walked it last.
    pub(super) fn labels(&self, series: &'a str) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        self.labels.iter().map(|&(name, value)| (self.text(name, series), self.text(value, series)))
    }

    /// A token by its place in a text that is known to be UTF-8, which spares checking it again.
    fn text(&self, token: Token<'a>, series: &'a str) -> Cow<'a, str> {
        token.within(series, self.length)
    }

    fn restart(&mut self, text: &[u8]) {
        self.length = text.len();
        self.name = None;
        self.labels.clear();
    }

    fn has_duplicate(&self) -> bool {
        /// Up to here comparing each with each is faster than sorting; beyond it, it would be a way to burn CPU.
        const FEW: usize = 16;
        if self.labels.len() > FEW || self.labels.iter().any(|(name, _)| name.escaped) {
            let mut names: Vec<_> = self.labels.iter().map(|(name, _)| name.bytes()).collect();
            names.sort_unstable();
            return names.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        }
        let mut rest = self.labels.as_slice();
        while let [(name, _), others @ ..] = rest {
            if others.iter().any(|(other, _)| other.raw == name.raw) {
                return true;
            }
            rest = others;
        }
        false
    }
}

/// Walks the series at the start of `text`, and returns what follows it.
fn walk<'a>(text: &'a [u8], dialect: Dialect, spelling: &mut Spelling<'a>) -> Result<&'a [u8], Reason> {
    let (name, rest) = bare(text, is_name_byte);
    let named = !name.is_empty();
    if named {
        spelling.name = Some(Token::bare(name, text));
    }
    match dialect.skip_blanks(rest) {
        [b'{', inside @ ..] => braces(inside, dialect, named, spelling),
        _ if named => Ok(rest),
        _ => Err(Reason::MetricName),
    }
}

/// Walks labels behind their `{`, among which the metric name may stand in quotes.
fn braces<'a>(
    mut rest: &'a [u8],
    dialect: Dialect,
    mut named: bool,
    spelling: &mut Spelling<'a>,
) -> Result<&'a [u8], Reason> {
    loop {
        rest = dialect.skip_blanks(rest);
        if let [b'}', after @ ..] = rest {
            return if named { Ok(after) } else { Err(Reason::NoMetricName) };
        }
        let is_quoted = rest.starts_with(b"\"");
        let (name, after) = label_name(rest, dialect)?;
        rest = match dialect.skip_blanks(after) {
            [b'=', after @ ..] => label(name, after, dialect, spelling)?,
            [b',', after @ ..] if is_quoted => metric_name(name, after, &mut named, spelling)?,
            after @ [b'}', ..] if is_quoted => metric_name(name, after, &mut named, spelling)?,
            _ => return Err(Reason::Equals),
        };
    }
}

/// Walks the value of a label, from behind the `=` to the next name or the `}`.
fn label<'a>(
    name: Token<'a>,
    rest: &'a [u8],
    dialect: Dialect,
    spelling: &mut Spelling<'a>,
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
    spelling.labels.push((name, value));
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
    spelling: &mut Spelling<'a>,
) -> Result<&'a [u8], Reason> {
    if std::mem::replace(named, true) {
        return Err(Reason::TwoMetricNames);
    }
    if name.raw.is_empty() {
        return Err(Reason::EmptyMetricName);
    }
    spelling.name = Some(name);
    Ok(rest)
}

fn label_name(text: &[u8], dialect: Dialect) -> Result<(Token<'_>, &[u8]), Reason> {
    if let [b'"', inside @ ..] = text {
        return quoted(inside, dialect);
    }
    match bare(text, is_label_byte) {
        ([], _) => Err(Reason::LabelName),
        (raw, rest) => Ok((Token::bare(raw, text), rest)),
    }
}

/// The name that a sample line seems to have: what stands before its first blank or brace, if there is a letter in it.
pub(super) fn apparent_name(line: &[u8]) -> Option<&str> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'{');
    let end = line.iter().position(is_end).unwrap_or(line.len());
    let name = std::str::from_utf8(line.get(..end)?).ok()?.trim_matches('"');
    name.contains(char::is_alphabetic).then_some(name)
}

/// A metric name that is not in braces: bare, or in quotes as behind `# TYPE`; and what follows it.
pub(super) fn family_name(text: &str, dialect: Dialect) -> Result<(Cow<'_, str>, &str), Reason> {
    let walked = text.as_bytes();
    let (name, rest) = match walked {
        [b'"', inside @ ..] => quoted(inside, dialect)?,
        _ => {
            let (raw, rest) = bare(walked, is_name_byte);
            (Token::bare(raw, walked), rest)
        }
    };
    if name.raw.is_empty() {
        return Err(Reason::FamilyName);
    }
    let rest = text.get(text.len() - rest.len()..).unwrap_or_default();
    Ok((name.within(text, text.len()), rest))
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
    NAME_BYTES.get(usize::from(byte)).is_some_and(|&belongs| belongs)
}

#[inline]
fn is_label_byte(byte: u8) -> bool {
    byte != b':' && is_name_byte(byte)
}

/// Letters, digits, `_` and `:`. Names are half of a body, and a table sees their end twice as fast as comparisons.
#[expect(clippy::indexing_slicing, reason = "done by the compiler")]
static NAME_BYTES: [bool; 256] = {
    let alphabet = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";
    let mut table = [false; 256];
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = true;
        at += 1;
    }
    table
};

/// The metric name before the braces of a series text; empty if it is in them.
pub(super) fn bare_name(series: &str) -> &str {
    let (name, _) = bare(series.as_bytes(), is_name_byte);
    series.get(..name.len()).unwrap_or_default()
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
                return Ok((Token { raw, from_end: text.len(), escaped }, after));
            }
            Some([b'\\', b'\n', ..]) => return Err(Reason::UnterminatedString),
            Some([b'\\', _, ..]) => (length, escaped) = (length + 2, true),
            _ => return Err(Reason::UnterminatedString),
        }
    }
}
