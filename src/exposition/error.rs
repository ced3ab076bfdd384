//! Why a line, or a whole body, is refused.

use std::{borrow::Cow, fmt};

use super::{
    grammar::{self, Token},
    lines::Dialect,
    metadata,
};

/// Why one line is refused. A closed set, so that a reason can be counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum Reason {
    /// The line does not start with a metric name or `{`, or the name has a character that needs quotes.
    #[error("expected a metric name, of letters, digits, `_` and `:`")]
    MetricName,
    /// Braces without a metric name, before or in them.
    #[error("the series has no metric name")]
    NoMetricName,
    /// A name before the braces and one in them, or two in them.
    #[error("the series has two metric names")]
    TwoMetricNames,
    /// The metric name is the empty string.
    #[error("the metric name is empty")]
    EmptyMetricName,
    /// In the braces stands neither a label name, nor a quoted one, nor `}`.
    #[error("expected a label name, of letters, digits and `_`")]
    LabelName,
    /// A label whose quoted name is the empty string.
    #[error("a label name is empty")]
    EmptyLabelName,
    /// `__name__` as a label: it would be a second metric name.
    #[error("`__name__` is no label name")]
    ReservedLabelName,
    /// A label name twice in a series.
    #[error("a label name stands twice")]
    DuplicateLabelName,
    /// A label name that no `=` follows.
    #[error("expected `=` after a label name")]
    Equals,
    /// A label value that does not start with a double quote.
    #[error("expected a label value in double quotes")]
    LabelValue,
    /// A quoted string without its end.
    #[error("a quoted string does not end")]
    UnterminatedString,
    /// OpenMetrics: labels that no comma separates.
    #[error("expected `,` or `}}` after a label value")]
    Comma,
    /// Bytes that are not UTF-8.
    #[error("not valid UTF-8")]
    Utf8,
    /// No value, or no blank before it.
    #[error("expected a blank and a value after the series")]
    ValueMissing,
    /// A value that is no decimal number, `Inf` or `NaN`.
    #[error("the value is not a decimal number, `Inf` or `NaN`")]
    Value,
    /// A finite number that a 64-bit float cannot hold.
    #[error("the value is out of the range of a 64-bit float")]
    ValueRange,
    /// Text: not digits only, or beyond 63 bits. OpenMetrics: not a finite number of seconds within that.
    #[error("the timestamp is not a number in range (text: whole milliseconds, not negative)")]
    Timestamp,
    /// Something after value and timestamp.
    #[error("unexpected text after the value or timestamp")]
    Trailing,
    /// An exemplar that breaks its grammar.
    #[error("the exemplar is malformed")]
    Exemplar,
    /// `# TYPE`, `# HELP` or `# UNIT` without a valid metric name.
    #[error("expected a metric name after the keyword of the comment")]
    FamilyName,
    /// A type that the format does not know.
    #[error("unknown metric type")]
    Type,
    /// OpenMetrics: a unit that the family's name does not end with.
    #[error("the metric name does not end with its unit")]
    Unit,
    /// OpenMetrics: a comment that is no TYPE, HELP, UNIT or EOF.
    #[error("OpenMetrics knows no free comments")]
    Comment,
    /// OpenMetrics: something after `# EOF`.
    #[error("unexpected text after `# EOF`")]
    AfterEof,
}

/// A refused line, as it stands in the body. Costs nothing, for a body may consist of nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<'a> {
    /// Its number in the body, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: Reason,
    /// The line without its end.
    pub text: &'a [u8],
    /// The name of its series, if the grammar came to it.
    pub(super) name: Option<Token<'a>>,
}

/// What a refused line is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About<'a> {
    /// A sample of this name.
    Sample(Cow<'a, str>),
    /// The type of this family.
    Type(Cow<'a, str>),
}

impl<'a> Refusal<'a> {
    /// What the line is about; `None` when no name can be read, and for comments that change no value.
    ///
    /// A name with a character that needs quotes (`http.requests 5`) reaches to the first blank or brace: that is the
    /// name which its reader looks for.
    #[must_use]
    pub fn about(&self) -> Option<About<'a>> {
        match (self.text, self.reason) {
            ([b'#', ..], Reason::Type) => {
                metadata::family_of_unknown_type(self.text, Dialect::Text).map(About::Type)
            }
            ([b'#', ..], _) => None,
            ([b'{', ..], _) => self.name?.text().ok().map(About::Sample),
            (text, _) => grammar::apparent_name(text).map(|name| About::Sample(name.into())),
        }
    }
}

/// A refused line to be shown: where it is, what it says, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine {
    /// Its number in the body, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: Reason,
    /// Its start, at most [`BadLine::EXCERPT_CHARS`] characters; control characters escaped.
    pub excerpt: String,
}

impl BadLine {
    /// How much of a refused line is kept.
    pub const EXCERPT_CHARS: usize = 80;
}

impl From<Refusal<'_>> for BadLine {
    fn from(refusal: Refusal<'_>) -> Self {
        let Refusal { line, reason, text, .. } = refusal;
        let start = text.get(..4 * Self::EXCERPT_CHARS).unwrap_or(text);
        let shown = String::from_utf8_lossy(start);
        let excerpt = shown.escape_debug().take(Self::EXCERPT_CHARS).collect();
        Self { line, reason, excerpt }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: \"{}\"", self.line, self.reason, self.excerpt)
    }
}

/// The refused lines of a body that was read all the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rejected {
    /// How many there are.
    pub count: usize,
    /// The first [`Rejected::SHOWN`] of them.
    pub first: Vec<BadLine>,
}

impl Rejected {
    /// How many refused lines are kept to be shown.
    pub const SHOWN: usize = 3;

    pub(super) fn add(&mut self, refusal: Refusal<'_>) {
        self.count += 1;
        if self.first.len() < Self::SHOWN {
            self.first.push(refusal.into());
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bad lines", self.count)?;
        self.first.iter().try_for_each(|bad| write!(f, "; {bad}"))
    }
}

/// Families of a protobuf body that hold nothing which the classic formats can say: native histograms only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Skipped {
    /// How many there are.
    pub count: usize,
    /// The names of the first [`Rejected::SHOWN`] of them.
    pub first: Vec<String>,
}

impl Skipped {
    pub(super) fn add(&mut self, family: &str) {
        self.count += 1;
        if self.first.len() < Rejected::SHOWN {
            self.first.push(family.to_owned());
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} families are native histograms without classic buckets", self.count)?;
        self.first.iter().try_for_each(|family| write!(f, "; {family}"))
    }
}

impl From<Refusal<'_>> for ParseError {
    fn from(refusal: Refusal<'_>) -> Self {
        Self::Line(refusal.into())
    }
}

/// Why a whole body is refused. Nothing of it may then be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// An HTML page or a JSON document, as an application's own 200 answer on an unknown path often is.
    #[error("not an exposition: the body looks like {0}")]
    NotAnExposition(&'static str),
    /// A bad line where one is enough: OpenMetrics, or text read strictly.
    #[error("{0}")]
    Line(BadLine),
    /// Lines, and all of them bad.
    #[error("no good sample: {0}")]
    NoGoodSample(Rejected),
    /// An OpenMetrics body without `# EOF`: it was cut short.
    #[error("the body does not end with `# EOF`: it is truncated or no OpenMetrics")]
    MissingEof,
    /// A protobuf body that breaks framing, wire format or schema.
    #[error("protobuf message {message}: {reason}")]
    Protobuf {
        /// Which `MetricFamily` of the body, from 1.
        message: usize,
        /// What is wrong with it.
        reason: String,
    },
}
