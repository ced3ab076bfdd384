//! The lines of a text or OpenMetrics body, one after the other.

use memchr::memchr;

use super::{
    content_type::BOM,
    error::{Reason, Refusal},
    grammar::{Spelling, Token},
    metadata::{self, Metadata},
    series::{Series, SeriesText},
    value,
};

/// The two line-based formats. OpenMetrics fixes each blank and knows no free comments; text is loose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dialect {
    /// Prometheus text 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// A reader of lines. Each call takes the next line, by one of three ways: [`Lines::next_line`] with the full
/// grammar, or the two shortcuts, for a caller that knows what to expect.
#[derive(Debug)]
pub struct Lines<'a> {
    dialect: Dialect,
    rest: &'a [u8],
    ended: bool,
    line_numbers: LineNumbers<'a>,
    spelling: Spelling<'a>,
    body: Body<'a>,
}

/// A well-formed line.
#[derive(Clone, PartialEq, Debug)]
pub enum Line<'a> {
    /// A sample.
    Sample(SampleLine<'a>),
    /// A comment, with or without a meaning.
    Metadata(MetadataLine<'a>),
}

/// A sample: a series, and its value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SampleLine<'a> {
    /// Name and labels, as they stand on the line.
    pub series: SeriesText<'a>,
    /// The value.
    pub reading: Reading,
}

/// What a sample line says about its series.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Reading {
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// The explicit timestamp, if any: milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
}

/// A comment line.
#[derive(Clone, PartialEq, Debug)]
pub struct MetadataLine<'a> {
    /// The whole line without its end; what [`Lines::next_if_comment`] wants.
    pub text: &'a [u8],
    /// What it means.
    pub metadata: Metadata<'a>,
}

impl<'a> Lines<'a> {
    /// Starts at the top of `body`. In text a byte order mark is dropped; in OpenMetrics it is an error.
    #[must_use]
    pub fn new(body: &'a [u8], dialect: Dialect) -> Self {
        let rest = match dialect {
            Dialect::Text => body.strip_prefix(BOM).unwrap_or(body),
            Dialect::OpenMetrics => body,
        };
        let line_numbers = LineNumbers { from: rest, line: 1 };
        Self {
            dialect,
            rest,
            ended: false,
            line_numbers,
            spelling: Spelling::default(),
            body: Body { bytes: rest, valid: None },
        }
    }

    /// Takes the next line, if it is one of `series` as the full grammar would read it, and reads its value.
    /// Nothing else happens on `None`: take the line by another way then.
    ///
    /// `series` must be a series text that this format gave before. Such a text decides alone where it ends: behind
    /// its `}`, or, if bare, at the blank that is required here. So a line that starts with it has that very series
    /// by the full grammar too, and both ways read the value with the same code.
    #[inline]
    pub fn next_if_series(&mut self, series: &[u8]) -> Option<Reading> {
        self.rest = self.dialect.skip_empty(self.rest);
        let after = self.rest.strip_prefix(series)?;
        if self.ended {
            return None;
        }
        let (reading, rest) = self.dialect.reading(after, series.ends_with(b"}")).ok()?;
        self.rest = rest;
        Some(reading)
    }

    /// Takes the next line, if it is the comment `text` (a [`MetadataLine::text`] that this format gave before).
    /// Never takes the end marker of OpenMetrics, which has an effect.
    #[inline]
    pub fn next_if_comment(&mut self, text: &[u8]) -> bool {
        self.rest = self.dialect.skip_empty(self.rest);
        let after = self.rest.strip_prefix(text);
        let rest = after.and_then(|after| self.dialect.line_end(after));
        match rest {
            Some(rest) if text.starts_with(b"#") && !self.ended && !self.dialect.is_end(text) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes the next line by the full grammar. After an error the next call goes on with the line behind the bad one.
    ///
    /// # Errors
    /// The reason why the line is refused, with its number.
    pub fn next_line(&mut self) -> Option<Result<Line<'a>, Refusal<'a>>> {
        self.rest = self.dialect.skip_empty(self.rest);
        let line = self.rest;
        if line.is_empty() {
            return None;
        }
        Some(match self.read(line) {
            Ok((read, rest)) => {
                self.rest = rest;
                Ok(read)
            }
            Err(reason) => {
                let (text, rest) = split_line(line);
                self.rest = rest;
                Err(Refusal { line: self.line_numbers.of(line), reason, text, name: self.name_of(line) })
            }
        })
    }

    /// Whether the end marker of OpenMetrics has been read.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What the series of the sample that [`Lines::next_line`] gave last spells. The same as [`SeriesText::series`],
    /// without walking the text again.
    pub(super) fn last_series(&self, sample: &SampleLine<'a>) -> Series<'a> {
        Series::spelled(&self.spelling, sample.series.as_str())
    }

    /// The name of the series that was walked last, which is that of `line`.
    fn name_of(&self, line: &[u8]) -> Option<Token<'a>> {
        if line.starts_with(b"#") { None } else { self.spelling.token() }
    }

    fn read(&mut self, line: &'a [u8]) -> Result<(Line<'a>, &'a [u8]), Reason> {
        if self.ended {
            return Err(Reason::AfterEof);
        }
        if line.starts_with(b"#") {
            let (text, rest) = split_line(line);
            let text = self.dialect.trim_end(text);
            let metadata = metadata::read(text, || self.body.text(line, text.len()), self.dialect)?;
            self.ended = metadata == Metadata::End;
            return Ok((Line::Metadata(MetadataLine { text, metadata }), rest));
        }
        let after = self.spelling.walk(line, self.dialect)?;
        let series = self.body.text(line, line.len() - after.len())?;
        let (reading, rest) = self.dialect.reading(after, series.ends_with('}'))?;
        let series = SeriesText::trusted(series);
        Ok((Line::Sample(SampleLine { series, reading }), rest))
    }
}

impl Dialect {
    /// Skips blanks inside a line, where the dialect allows any number of them.
    #[inline]
    pub(super) fn skip_blanks(self, mut text: &[u8]) -> &[u8] {
        if self == Self::Text {
            while let [b' ' | b'\t', rest @ ..] = text {
                text = rest;
            }
        }
        text
    }

    /// Skips empty lines and leading blanks.
    #[inline]
    fn skip_empty(self, mut text: &[u8]) -> &[u8] {
        if self == Self::Text {
            while let [b' ' | b'\t' | b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] = text {
                text = rest;
            }
        }
        text
    }

    fn trim_end(self, line: &[u8]) -> &[u8] {
        match (self, line) {
            (Self::Text, [text @ .., b'\r']) => text,
            _ => line,
        }
    }

    fn is_end(self, comment: &[u8]) -> bool {
        self == Self::OpenMetrics && comment == b"# EOF"
    }

    /// What follows the line, if `text` is at its end.
    #[inline]
    fn line_end(self, text: &[u8]) -> Option<&[u8]> {
        match (self, text) {
            (_, [b'\n', rest @ ..]) | (Self::Text, [b'\r', b'\n', rest @ ..]) => Some(rest),
            (_, []) | (Self::Text, [b'\r']) => Some(&[]),
            _ => None,
        }
    }

    /// Reads what follows a series on its line: value, timestamp, exemplar. Returns what follows the line.
    #[inline]
    fn reading(self, text: &[u8], braced: bool) -> Result<(Reading, &[u8]), Reason> {
        match self {
            Self::Text => text_reading(text, braced),
            Self::OpenMetrics => openmetrics_reading(text),
        }
    }
}

#[inline]
fn text_reading(text: &[u8], braced: bool) -> Result<(Reading, &[u8]), Reason> {
    let start = Dialect::Text.skip_blanks(text);
    if !braced && start.len() == text.len() {
        return Err(if Dialect::Text.line_end(text).is_some() {
            Reason::ValueMissing
        } else {
            Reason::MetricName
        });
    }
    if Dialect::Text.line_end(start).is_some() {
        return Err(Reason::ValueMissing);
    }
    let (value, after) = value::read(start)?;
    let rest = Dialect::Text.skip_blanks(after);
    if let Some(rest) = Dialect::Text.line_end(rest) {
        return Ok((Reading { value, timestamp_ms: None }, rest));
    }
    if rest.len() == after.len() { Err(Reason::Value) } else { text_tail(value, rest) }
}

/// Reads what few lines have behind the value and its blank. Apart, so that the way of the many stays short.
#[inline(never)]
fn text_tail(value: f64, text: &[u8]) -> Result<(Reading, &[u8]), Reason> {
    let (timestamp_ms, rest) = text_timestamp(text)?;
    let rest = match rest {
        [b'#', exemplar @ ..] => text_exemplar(exemplar)?,
        _ => rest,
    };
    let rest = Dialect::Text.line_end(rest).ok_or(Reason::Trailing)?;
    Ok((Reading { value, timestamp_ms }, rest))
}

/// Reads the timestamp behind a value, if one stands there and no exemplar; returns what follows its blanks.
fn text_timestamp(text: &[u8]) -> Result<(Option<i64>, &[u8]), Reason> {
    if text.starts_with(b"#") {
        return Ok((None, text));
    }
    let (timestamp, after) = value::read_milliseconds(text)?;
    let rest = Dialect::Text.skip_blanks(after);
    match rest.len() == after.len() && Dialect::Text.line_end(rest).is_none() {
        true => Err(Reason::Timestamp),
        false => Ok((Some(timestamp), rest)),
    }
}

/// Skips an exemplar from behind its `#`. The text format has none, but servers write them there all the same, and
/// ` # {` behind a value means nothing else.
fn text_exemplar(text: &[u8]) -> Result<&[u8], Reason> {
    match Dialect::Text.skip_blanks(text) {
        exemplar @ [b'{', ..] if exemplar.len() < text.len() => {
            metadata::skip_exemplar(exemplar, Dialect::Text)
        }
        _ => Err(Reason::Trailing),
    }
}

#[inline]
fn openmetrics_reading(text: &[u8]) -> Result<(Reading, &[u8]), Reason> {
    let [b' ', start @ ..] = text else { return Err(Reason::ValueMissing) };
    let (value, after) = value::read(start)?;
    let (timestamp_ms, after) = match after {
        [b' ', b'#', ..] => (None, after),
        [b' ', seconds @ ..] => {
            let (timestamp, after) = value::read_seconds(seconds)?;
            (Some(timestamp), after)
        }
        [b'\n', ..] | [] => (None, after),
        _ => return Err(Reason::Value),
    };
    let after = match after {
        [b' ', b'#', b' ', exemplar @ ..] => metadata::skip_exemplar(exemplar, Dialect::OpenMetrics)?,
        _ => after,
    };
    let rest = Dialect::OpenMetrics.line_end(after).ok_or(Reason::Trailing)?;
    Ok((Reading { value, timestamp_ms }, rest))
}

/// Splits the line at the start of `text`, without its newline, from the next ones.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    (line, rest.strip_prefix(b"\n").unwrap_or(rest))
}

/// A body whose lines become text. It is checked to be UTF-8 at once, which is ten times faster than by the line, but
/// not before a line is needed as text: in the steady state none is.
#[derive(Debug)]
struct Body<'a> {
    bytes: &'a [u8],
    valid: Option<&'a str>,
}

impl<'a> Body<'a> {
    /// The first bytes of `at`, which is an end part of the body.
    fn text(&mut self, at: &'a [u8], length: usize) -> Result<&'a str, Reason> {
        let start = self.bytes.len().saturating_sub(at.len());
        let bytes = self.bytes;
        let valid = *self.valid.get_or_insert_with(|| valid_start(bytes));
        match valid.get(start..start + length) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(at.get(..length).unwrap_or_default()).map_err(|_| Reason::Utf8),
        }
    }
}

fn valid_start(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes)
        .or_else(|error| std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()))
        .unwrap_or_default()
}

/// Numbers lines when asked only, which is for bad ones; counts each newline once.
#[derive(Debug)]
struct LineNumbers<'a> {
    from: &'a [u8],
    line: usize,
}

impl<'a> LineNumbers<'a> {
    /// The number of the line at the start of `at`, an end part of the body that is not longer than the last one.
    fn of(&mut self, at: &'a [u8]) -> usize {
        let passed = self.from.get(..self.from.len().saturating_sub(at.len())).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count();
        self.from = at;
        self.line
    }
}
