//! A body, whatever its format, told to a visitor.

use super::{
    content_type::{self, Format},
    error::{ParseError, Refusal, Rejected, Skipped},
    lines::{Dialect, Line, Lines, Reading, SampleLine},
    metadata::Metadata,
    protobuf,
};

/// How to read a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// One bad line fails a text body, as in Prometheus. OpenMetrics and protobuf are strict anyway.
    pub strict: bool,
}

/// What a visitor thinks stands next in the body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected<'a> {
    /// Nothing in particular.
    Unknown,
    /// A sample of this series text.
    Series(&'a [u8]),
    /// This comment line, without its end.
    Comment(&'a [u8]),
}

/// Takes what [`read`] finds, in the order of the body.
///
/// When `read` fails, what the visitor was told must not be used: a body counts as a whole.
pub trait Visitor {
    /// What stood here last time. Asked before each line; only texts that a visit in the same format gave may be
    /// returned. If it stands here again, [`Visitor::recognised`] is called, and nothing is parsed but the number.
    fn expected(&self) -> Expected<'_> {
        Expected::Unknown
    }

    /// What was expected is there. The reading of a series; `None` for a comment.
    fn recognised(&mut self, reading: Option<Reading>) {
        let _ = reading;
    }

    /// A sample that was not expected. The first of two with one series is to win; telling so is up to the visitor,
    /// who keeps the series anyway.
    fn sample(&mut self, sample: &SampleLine<'_>);

    /// A line that is refused, of a body that is read all the same.
    fn refused(&mut self, refusal: &Refusal<'_>) {
        let _ = refusal;
    }

    /// A comment line that was not expected, or what a protobuf family says of itself (without a text then).
    fn metadata(&mut self, text: Option<&[u8]>, metadata: &Metadata<'_>) {
        let _ = (text, metadata);
    }
}

/// What was read, beside what the visitor was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// How many samples there were.
    pub samples: usize,
    /// The bad lines, if text was read leniently.
    pub rejected: Rejected,
    /// The families of protobuf that had nothing to tell.
    pub skipped: Skipped,
}

/// Reads `body`, and tells `visitor` what is in it.
///
/// # Errors
/// When the body as a whole is of no use; see [`ParseError`]. An empty body is a good one without samples, but for
/// OpenMetrics, where it lacks its end.
pub fn read(
    body: &[u8],
    format: Format,
    options: Options,
    visitor: &mut impl Visitor,
) -> Result<Summary, ParseError> {
    match format {
        Format::Protobuf => protobuf::read(body, visitor),
        Format::Text => {
            refuse_foreign(body)?;
            read_text(body, options, visitor)
        }
        Format::OpenMetrics => {
            refuse_foreign(body)?;
            read_openmetrics(body, visitor)
        }
    }
}

pub(super) fn refuse_foreign(body: &[u8]) -> Result<(), ParseError> {
    content_type::foreign(body).map_or(Ok(()), |kind| Err(ParseError::NotAnExposition(kind)))
}

fn read_text(body: &[u8], options: Options, visitor: &mut impl Visitor) -> Result<Summary, ParseError> {
    let mut lines = Lines::new(body, Dialect::Text);
    let mut summary = Summary::default();
    while let Some(told) = tell_next(&mut lines, visitor) {
        match told {
            Ok(samples) => summary.samples += samples,
            Err(refusal) if options.strict => return Err(refusal.into()),
            Err(refusal) => {
                visitor.refused(&refusal);
                summary.rejected.add(refusal);
            }
        }
    }
    summary.with_good_samples()
}

fn read_openmetrics(body: &[u8], visitor: &mut impl Visitor) -> Result<Summary, ParseError> {
    let mut lines = Lines::new(body, Dialect::OpenMetrics);
    let mut summary = Summary::default();
    while let Some(told) = tell_next(&mut lines, visitor) {
        summary.samples += told?;
    }
    if lines.ended() { Ok(summary) } else { Err(ParseError::MissingEof) }
}

/// Takes one line and tells it; the number of samples in it, 0 or 1.
#[inline]
fn tell_next<'a>(lines: &mut Lines<'a>, visitor: &mut impl Visitor) -> Option<Result<usize, Refusal<'a>>> {
    match visitor.expected() {
        Expected::Series(series) => {
            if let Some(reading) = lines.next_if_series(series) {
                visitor.recognised(Some(reading));
                return Some(Ok(1));
            }
        }
        Expected::Comment(text) if lines.next_if_comment(text) => {
            visitor.recognised(None);
            return Some(Ok(0));
        }
        Expected::Comment(_) | Expected::Unknown => {}
    }
    Some(lines.next_line()?.map(|line| match line {
        Line::Sample(sample) => {
            visitor.sample(&sample);
            1
        }
        Line::Metadata(line) => {
            visitor.metadata(Some(line.text), &line.metadata);
            0
        }
    }))
}

impl Summary {
    /// Bad lines only are no exposition, whatever the header said.
    pub(super) fn with_good_samples(self) -> Result<Self, ParseError> {
        match self.samples == 0 && self.rejected.count > 0 {
            true => Err(ParseError::NoGoodSample(self.rejected)),
            false => Ok(self),
        }
    }
}
