//! A batch: JSON objects, one value each. One a line, or spread over lines, or the elements of one array.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    WriteError, WritePath,
    body::{Scalar, Value, ValueObject},
    clue,
    moment::Moment,
    text,
};

/// What a batch says.
#[derive(Debug, Default)]
pub struct Batch {
    /// What could be read.
    pub lines: Vec<Line>,
    /// What could not, by number.
    pub refused: Vec<(usize, WriteError)>,
}

/// One line that could be read.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Counted from 1: the line on which the object begins, or the element of an array.
    pub number: usize,
    /// What it is written for, not yet looked up.
    pub path: WritePath,
    /// The value with what was said about it.
    pub value: Value,
}

/// A line: where the value goes, and the fields of a single write's object form. (serde can flatten no raw value, so
/// they are listed once more.)
#[derive(Deserialize, Debug)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an object with namespace, resource, name, metric and value"
)]
struct LineObject<'a> {
    namespace: Option<String>,
    resource: Option<String>,
    name: Option<String>,
    #[serde(default)]
    external: bool,
    metric: String,
    #[serde(borrow)]
    value: &'a RawValue,
    timestamp: Option<Moment>,
    window_seconds: Option<Scalar>,
    labels: Option<BTreeMap<String, String>>,
    ttl: Option<Scalar>,
}

/// What is left of a body, and the number of its first line.
#[derive(Clone, Copy)]
struct Rest<'a> {
    text: &'a str,
    number: usize,
}

/// Reads every object; blank lines are skipped.
///
/// # Errors
/// When there is none, or the body as a whole cannot be read. What is wrong with single ones is in the batch.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Batch, WriteError> {
    let text = text::of(body)?;
    let mut batch = Batch::default();
    if text.trim_start().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(WriteError::Array)?;
        (1..).zip(elements).for_each(|(number, element)| batch.add(number, parse_object(element.get(), now)));
    } else {
        batch.add_lines(Rest { text, number: 1 }, now);
    }
    if batch.lines.is_empty() && batch.refused.is_empty() { Err(WriteError::Empty) } else { Ok(batch) }
}

type Parsed = Result<(WritePath, Value), WriteError>;

impl Batch {
    fn add(&mut self, number: usize, parsed: Parsed) {
        match parsed {
            Ok((path, value)) => self.lines.push(Line { number, path, value }),
            Err(error) => self.refused.push((number, error)),
        }
    }

    fn add_lines(&mut self, mut rest: Rest<'_>, now: Timestamp) {
        while let Some((line, after)) = rest.next() {
            let begins = rest;
            rest = after;
            if line.is_empty() {
                continue;
            }
            let parsed = match parse_object(line, now) {
                Err(error) => {
                    let (parsed, after) = begins.mistaken(line, error, now);
                    rest = after.unwrap_or(rest);
                    parsed
                }
                parsed => parsed,
            };
            self.add(begins.number, parsed);
        }
    }
}

impl<'a> Rest<'a> {
    /// The first line without blanks around it, and what follows it.
    fn next(self) -> Option<(&'a str, Self)> {
        if self.text.is_empty() {
            return None;
        }
        let (line, text) = self.text.split_once('\n').unwrap_or((self.text, ""));
        Some((line.trim(), Self { text, number: self.number + 1 }))
    }

    /// What a line means that is no object by itself: the first of an object that goes on over more lines, which is
    /// read to its end, or a mistake. Gives back where to go on, if that is not the next line.
    fn mistaken(self, line: &str, error: WriteError, now: Timestamp) -> (Parsed, Option<Self>) {
        let mut values = serde_json::Deserializer::from_str(line).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(_)) => {
                let behind = line.get(values.byte_offset()..).unwrap_or_default().trim_start();
                (Err(joined(behind).unwrap_or(error)), None)
            }
            Some(Err(end)) if end.is_eof() && line.starts_with('{') && !self.is_followed_by_object() => {
                self.spread(now)
            }
            _ => (Err(clue::of_json(line).map_or(error, |clue| WriteError::mistake(line, clue))), None),
        }
    }

    /// Whether the next line that is not blank is an object by itself: then this one was cut short.
    fn is_followed_by_object(self) -> bool {
        let mut lines = self.text.lines().skip(1).map(str::trim);
        let next = lines.find(|line| !line.is_empty()).unwrap_or_default();
        next.starts_with('{') && serde_json::from_str::<&RawValue>(next).is_ok()
    }

    /// The object that begins on the first line and ends on another. If it has a fault, reading goes on with the first
    /// object that begins with the line of the fault or later, so that each byte is looked at once, however many objects
    /// have no end.
    fn spread(self, now: Timestamp) -> (Parsed, Option<Self>) {
        let mut values = serde_json::Deserializer::from_str(self.text).into_iter::<&'a RawValue>();
        match values.next() {
            Some(Ok(object)) => {
                let behind = self.skip_bytes(values.byte_offset());
                let (line, after) = behind.next().unwrap_or(("", behind));
                let parsed = joined(line).map_or_else(|| parse_object(object.get(), now), Err);
                (parsed, Some(after))
            }
            Some(Err(error)) => {
                let lines = if error.is_eof() { usize::MAX } else { error.line().saturating_sub(1).max(1) };
                (Err(WriteError::Unended(error)), Some(self.skip_lines(lines).skip_to_object()))
            }
            None => (Err(WriteError::Empty), None),
        }
    }

    fn skip_bytes(self, bytes: usize) -> Self {
        let (before, text) = self.text.split_at_checked(bytes).unwrap_or((self.text, ""));
        Self { text, number: self.number + before.matches('\n').count() }
    }

    fn skip_to_object(mut self) -> Self {
        while let Some((_, after)) = self.next().filter(|(line, _)| !line.starts_with('{')) {
            self = after;
        }
        self
    }

    fn skip_lines(mut self, lines: usize) -> Self {
        for _ in 0..lines {
            let Some((_, after)) = self.next() else { break };
            self = after;
        }
        self
    }
}

/// What is wrong with a line on which `behind` follows an object.
fn joined(behind: &str) -> Option<WriteError> {
    Some(WriteError::Joined(match behind.chars().next()? {
        '{' => "curl -d strips the line ends of a file: use --data-binary",
        ',' => "no comma stands between lines; or make the batch a JSON array, with [ and ]",
        _ => "something follows it",
    }))
}

fn parse_object(text: &str, now: Timestamp) -> Parsed {
    let line: LineObject<'_> = serde_json::from_str(text)?;
    let path = line.path()?;
    let LineObject { value, timestamp, window_seconds, labels, ttl, .. } = line;
    let object = ValueObject { value, timestamp, window_seconds, labels, ttl };
    Ok((path, Value::from_object(object, now)?))
}

impl LineObject<'_> {
    fn path(&self) -> Result<WritePath, WriteError> {
        match (self.external, self.namespace.as_deref(), self.resource.as_deref(), self.name.as_deref()) {
            (false, namespace, Some(resource), Some(name)) => {
                WritePath::object(namespace, resource, name, &self.metric)
            }
            (true, Some(namespace), None, None) => WritePath::external(namespace, &self.metric),
            (true, ..) => Err(WriteError::Line(
                "a line of an external metric has a namespace, and neither resource nor name: it is about no object",
            )),
            (false, ..) => Err(WriteError::Line(
                "a line has resource and name, or, for an external metric, \"external\": true and a namespace",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn object(name: &str) -> String {
        format!(r#"{{"namespace": "a", "resource": "pods", "name": "{name}", "metric": "m", "value": 1}}"#)
    }

    fn pretty(name: &str) -> String {
        let value: serde_json::Value = serde_json::from_str(&object(name)).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    }

    /// `NUMBER NAME` of what was read, and `NUMBER: REASON` of what was not.
    fn read(body: &str) -> (Vec<String>, Vec<String>) {
        let batch = parse(body.as_bytes(), NOW).unwrap();
        let name = |line: &Line| match &line.path.subject {
            crate::write::NamedSubject::Object(object) => format!("{} {}", line.number, object.name),
            crate::write::NamedSubject::External { .. } => panic!("none is external"),
        };
        let refused = batch.refused.iter().map(|(number, error)| format!("{number}: {error}"));
        (batch.lines.iter().map(name).collect(), refused.collect())
    }

    #[test]
    fn lines_an_array_and_objects_over_several_lines_are_read() {
        let (a, b, c) = (object("a"), object("b"), object("c"));
        for (body, names) in [
            (format!("{a}\n\n{b}\r\n{c}"), ["1 a", "3 b", "4 c"]),
            (format!("\u{feff}{a}\n{b}\n{c}\n"), ["1 a", "2 b", "3 c"]),
            (format!("[{a},{b},{c}]"), ["1 a", "2 b", "3 c"]),
            (format!("\n [\n{a},\n{b},\n{}\n]\n", pretty("c")), ["1 a", "2 b", "3 c"]),
            (format!("{}\n{}\n{}", pretty("a"), pretty("b"), pretty("c")), ["1 a", "8 b", "15 c"]),
            (format!("{a}\n{}\n\n{c}", pretty("b")), ["1 a", "2 b", "10 c"]),
        ] {
            assert_eq!(read(&body), (names.map(str::to_owned).to_vec(), Vec::new()), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_refusal_and_the_rest_is_read() {
        let (a, b) = (object("a"), object("b"));
        let cut = a.get(..40).unwrap();
        for (body, names, refusal) in [
            (
                format!("{a}{b}"),
                &[][..],
                "1: an object of a batch has its line for itself: curl -d strips the line ends",
            ),
            (format!("{a},\n{b}"), &["2 b"], "1: an object of a batch has its line for itself: no comma"),
            (format!("{cut}\n{b}"), &["2 b"], "1: "),
            (format!("{a}\n{cut}"), &["1 a"], "2: the object that begins here does not end"),
            (
                format!("{}\n{b}", pretty("a").replace("\"m\"", "m")),
                &["8 b"],
                "1: the object that begins here does not end",
            ),
            (
                format!("{}{a}\n{b}", pretty("x")),
                &["8 b"],
                "1: an object of a batch has its line for itself: curl",
            ),
            (
                format!("{{'namespace': 'a'}}\n{b}"),
                &["2 b"],
                "1: the body \"{'namespace': 'a'}\" is not a value",
            ),
            (
                format!("42\n{b}"),
                &["2 b"],
                "1: the body is not a value: invalid type: integer `42`, expected an object with",
            ),
            (format!("[{a},42,{b}]"), &["1 a", "3 b"], "2: the body is not a value: invalid type: integer"),
        ] {
            let (read, refused) = read(&body);
            assert_eq!(read, names, "{body}");
            assert!(refused.len() == 1 && refused[0].starts_with(refusal), "{body}: {refused:?}");
        }
        for body in ["", " \n\n", "[]", "[ ]", "\u{feff}"] {
            assert!(matches!(parse(body.as_bytes(), NOW), Err(WriteError::Empty)), "{body:?}");
        }
        assert!(matches!(parse(format!("[{a}").as_bytes(), NOW), Err(WriteError::Array(_))));
        assert!(matches!(parse(format!("[{a},]").as_bytes(), NOW), Err(WriteError::Array(_))));
    }

    #[test]
    fn objects_without_end_take_no_more_time_than_their_bytes() {
        for line in ["{\"a\":", "{", "{\"a\": [", "{\"a\":\n\n"] {
            let body = format!("{}!", format!("{line}\n").repeat(100_000));
            assert!(!parse(body.as_bytes(), NOW).unwrap().refused.is_empty());
        }
    }
}
