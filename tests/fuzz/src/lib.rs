//! What targets have in common: bodies of line-based expositions, and paths.

use custom_metrics_adapter::exposition::{
    Expected, Format, Metadata, Options, ParseError, Reading, SampleLine, Summary, Visitor, parse, read,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What a visitor was told: the text of a series or comment, and what the line said.
type Event = (Vec<u8>, Option<(u64, Option<i64>)>);

struct Guesser<'a> {
    last: &'a [Event],
    step: usize,
    at: usize,
    events: Vec<Event>,
}

impl Guesser<'_> {
    fn tell(&mut self, text: &[u8], reading: Option<Reading>) {
        self.at = (self.at + self.step) % self.last.len().max(1);
        self.events.push((text.to_vec(), reading.map(|reading| (reading.value.to_bits(), reading.timestamp_ms))));
    }
}

impl Visitor for Guesser<'_> {
    fn expected(&self) -> Expected<'_> {
        match self.last.get(self.at) {
            None => Expected::Unknown,
            Some((text, Some(_))) => Expected::Series(text),
            Some((text, None)) => Expected::Comment(text),
        }
    }

    fn recognised(&mut self, reading: Option<Reading>) {
        let text = self.last[self.at].0.clone();
        self.tell(&text, reading);
    }

    fn sample(&mut self, sample: &SampleLine<'_>) {
        assert!(!sample.series.series().name.is_empty());
        self.tell(sample.series.as_str().as_bytes(), Some(sample.reading));
    }

    fn metadata(&mut self, text: Option<&[u8]>, _: &Metadata<'_>) {
        if let Some(text) = text {
            self.tell(text, None);
        }
    }
}

fn visit(body: &[u8], format: Format, last: &[Event], step: usize) -> (Vec<Event>, Result<Summary, ParseError>) {
    let mut guesser = Guesser { last, step, at: 0, events: Vec::new() };
    let summary = read(body, format, Options::default(), &mut guesser);
    (guesser.events, summary)
}

/// Reads a body with and without expectations, which are what stood in another body; both are in `input`, with a byte
/// between them that no exposition has.
///
/// # Panics
/// When what is found depends on what was expected, or the list of samples is not what a visitor is told.
pub fn check(input: &[u8], format: Format) {
    let mut bodies = input.splitn(2, |&byte| byte == 0xff);
    let first = bodies.next().unwrap_or_default();
    let body = bodies.next().unwrap_or(first);
    let last = visit(first, format, &[], 1).0;
    let truth = visit(body, format, &[], 1);
    for step in [1, 2] {
        assert_eq!(visit(body, format, &last, step), truth, "step {step}");
    }
    let lenient = parse(body, format, Options::default());
    assert_eq!(lenient.as_ref().err(), truth.1.as_ref().err());
    if let (Ok(parsed), Ok(summary)) = (&lenient, &truth.1) {
        assert_eq!(parsed.samples.len() + parsed.duplicates, summary.samples);
        assert_eq!(parsed.rejected, summary.rejected);
        let strict = parse(body, format, Options { strict: true });
        assert_eq!(strict.is_ok(), parsed.rejected.count == 0);
    }
}

/// `front/a/b/c`, with every byte of a segment encoded that could mean something in a path.
#[must_use]
pub fn encoded<'a>(front: &str, segments: impl IntoIterator<Item = &'a str>) -> String {
    let encode = |segment| format!("/{}", utf8_percent_encode(segment, NON_ALPHANUMERIC));
    segments.into_iter().map(encode).fold(front.to_owned(), |path, segment| path + &segment)
}
