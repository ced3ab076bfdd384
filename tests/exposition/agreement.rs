//! The invariant that the scraper stands on: whatever it expects, and whatever the body is, the short way and the
//! full grammar find the same.

use custom_metrics_adapter::exposition::{
    Expected, Format, Metadata, Options, ParseError, Reading, SampleLine, Summary, Visitor, read,
};
use proptest::{collection::vec, prelude::*, sample::select};

/// What a visitor was told, in order.
#[derive(Clone, PartialEq, Debug)]
enum Event {
    Sample(Vec<u8>, u64, Option<i64>),
    Comment(Vec<u8>),
}

/// How a visitor picks what it expects next.
#[derive(Clone, Copy, Debug)]
enum Guess {
    /// Nothing, so that the full grammar decides.
    Nothing,
    /// What followed the last event in the last body, as the scraper does.
    Order,
    /// Any event of the last body.
    Any(usize),
}

struct Guesser {
    last: Vec<Event>,
    guess: Guess,
    at: usize,
    events: Vec<Event>,
    recognised: usize,
}

impl Guesser {
    fn tell(&mut self, event: Event) {
        self.at = match self.guess {
            Guess::Any(step) => (self.at + step) % self.last.len().max(1),
            _ => self.last.iter().position(|last| key(last) == key(&event)).map_or(self.at, |at| at + 1),
        };
        self.events.push(event);
    }
}

fn key(event: &Event) -> &[u8] {
    let (Event::Sample(text, ..) | Event::Comment(text)) = event;
    text
}

fn sample(text: &[u8], reading: Reading) -> Event {
    Event::Sample(text.to_vec(), reading.value.to_bits(), reading.timestamp_ms)
}

impl Visitor for Guesser {
    fn expected(&self) -> Expected<'_> {
        match (self.guess, self.last.get(self.at)) {
            (Guess::Nothing, _) | (_, None) => Expected::Unknown,
            (_, Some(Event::Sample(text, ..))) => Expected::Series(text),
            (_, Some(Event::Comment(text))) => Expected::Comment(text),
        }
    }

    fn recognised(&mut self, reading: Option<Reading>) {
        self.recognised += 1;
        let text = key(&self.last[self.at]).to_vec();
        self.tell(reading.map_or(Event::Comment(text.clone()), |reading| sample(&text, reading)));
    }

    fn sample(&mut self, line: &SampleLine<'_>) {
        self.tell(sample(line.series.as_str().as_bytes(), line.reading));
    }

    fn metadata(&mut self, text: Option<&[u8]>, _: &Metadata<'_>) {
        if let Some(text) = text {
            self.tell(Event::Comment(text.to_vec()));
        }
    }
}

fn visit(
    body: &[u8],
    format: Format,
    last: &[Event],
    guess: Guess,
) -> (Guesser, Result<Summary, ParseError>) {
    let mut guesser = Guesser { last: last.to_vec(), guess, at: 0, events: Vec::new(), recognised: 0 };
    let summary = read(body, format, Options::default(), &mut guesser);
    (guesser, summary)
}

/// Reads `first`, and then `second` in each way with what `first` had.
fn assert_agreement(first: &[u8], second: &[u8], format: Format) {
    let last = visit(first, format, &[], Guess::Nothing).0.events;
    let (truth, summary) = visit(second, format, &last, Guess::Nothing);
    for guess in [Guess::Order, Guess::Any(1), Guess::Any(3)] {
        let (guesser, guessed) = visit(second, format, &last, guess);
        assert_eq!(guesser.events, truth.events, "{guess:?}");
        assert_eq!(guessed, summary, "{guess:?}");
    }
}

const LINES: [&str; 40] = [
    "a 1",
    "a 2.5",
    "ab 1",
    "a",
    "a ",
    "a\t1",
    "a {x=\"1\"} 1",
    "a {} 1",
    "a{} 1",
    "a{x=\"1\"} 1",
    "a{x=\"1\"}1",
    "a{x=\"1\"} 2 3",
    "a{x=\"1\"}{y=\"2\"} 1",
    "a{x=\"1\",y=\"2\"} 1e400",
    "a{x=\"}\"} 1",
    "a{x=\"1\n\"} 1",
    "a{x=\"",
    "\"} 1",
    "  a 1",
    "a 1\r",
    "# TYPE a counter",
    "# TYPE a gauge",
    "# TYPE",
    "# HELP a b",
    "# HELP a b\r",
    "# x",
    "#",
    "",
    "\r",
    "# EOF",
    "# EOF ",
    "{\"a.b\"} 1",
    "{\"a.b\",x=\"1\"} NaN",
    "a 1 # {} 2",
    "a 1 5 # {x=\"1\"} 2 3",
    "a x",
    "a 0x1",
    "a 1 x",
    "a_bucket{le=\"+Inf\"} 7",
    "\u{feff}a 1",
];

fn lines() -> impl Strategy<Value = String> {
    (vec(select(&LINES[..]), 0..12), any::<bool>()).prop_map(|(lines, ended)| {
        let mut body: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        if ended {
            body.push_str("# EOF\n");
        }
        body
    })
}

fn edit() -> impl Strategy<Value = (proptest::sample::Index, u8, u8)> {
    let byte = prop_oneof![4 => select(&b"{}\",=#\\ \n\t\r:._019ae-+\0"[..]), 1 => any::<u8>()];
    (any::<proptest::sample::Index>(), 0..4_u8, byte)
}

fn edited(body: &str, edits: &[(proptest::sample::Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = body.as_bytes().to_vec();
    for (index, kind, byte) in edits {
        let at = index.index(bytes.len() + 1);
        match kind {
            0 if at < bytes.len() => drop(bytes.remove(at)),
            1 if at < bytes.len() => bytes[at] = *byte,
            2 => bytes.truncate(at),
            _ => bytes.insert(at, *byte),
        }
    }
    bytes
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::OpenMetrics)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn an_edited_body_is_read_alike_with_and_without_expectations(
        body in lines(), edits in vec(edit(), 0..4), format in formats(),
    ) {
        assert_agreement(body.as_bytes(), &edited(&body, &edits), format);
    }

    #[test]
    fn two_bodies_of_the_same_lines_are_read_alike_with_and_without_expectations(
        first in lines(), second in lines(), format in formats(),
    ) {
        assert_agreement(first.as_bytes(), second.as_bytes(), format);
    }

    #[test]
    fn any_bytes_are_read_alike_with_and_without_expectations(
        first in vec(any::<u8>(), 0..60), edits in vec(edit(), 0..4), format in formats(),
    ) {
        assert_agreement(&first, &first, format);
        let text = String::from_utf8_lossy(&first);
        assert_agreement(&first, &edited(&text, &edits), format);
    }
}

#[test]
fn a_real_body_that_only_changed_its_values_is_recognised_line_by_line() {
    for (format, body) in [
        (Format::Text, include_str!("../vectors/expositions/node.txt")),
        (Format::Text, include_str!("../vectors/expositions/apiserver.txt")),
        (Format::OpenMetrics, include_str!("../vectors/expositions/apiserver.openmetrics")),
    ] {
        let moved: String =
            body.lines().flat_map(|line| [line, if line.starts_with('#') { "\n" } else { "7\n" }]).collect();
        let last = visit(body.as_bytes(), format, &[], Guess::Nothing).0.events;
        let (guesser, summary) = visit(moved.as_bytes(), format, &last, Guess::Order);
        assert_eq!(guesser.events.len(), last.len());
        // the end marker is never recognised: it has an effect
        assert_eq!(guesser.recognised, last.len() - usize::from(format == Format::OpenMetrics));
        assert!(summary.unwrap().samples > 100);
        assert_agreement(body.as_bytes(), moved.as_bytes(), format);
    }
}

#[test]
fn protobuf_is_recognised_by_the_series_texts_it_gave() {
    let body = include_bytes!("../vectors/expositions/apiserver.protobuf");
    let last = visit(body, Format::Protobuf, &[], Guess::Nothing).0.events;
    let (guesser, _) = visit(body, Format::Protobuf, &last, Guess::Order);
    assert_eq!(guesser.recognised, last.len());
    assert_agreement(body, body, Format::Protobuf);
    assert_agreement(body, &body[..body.len() / 2], Format::Protobuf);
}
