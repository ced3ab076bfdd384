//! A batch: newline-delimited JSON, one value a line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    WriteError, WritePath,
    body::{Moment, Value, ValueObject},
};

/// One line that could be read.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// What it is written for, not yet looked up.
    pub path: WritePath,
    /// The value with what was said about it.
    pub value: Value,
}

/// A line: where the value goes, and the fields of a single write's object form. (serde can flatten no raw value, so
/// they are listed once more.)
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
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
    window_seconds: Option<u32>,
    labels: Option<BTreeMap<String, String>>,
    ttl: Option<String>,
}

/// Reads every line; blank ones are skipped.
///
/// # Errors
/// All lines that are wrong, by number.
pub fn parse(body: &[u8], now: Timestamp) -> Result<Vec<Line>, WriteError> {
    let text = std::str::from_utf8(body).map_err(|_| WriteError::NotUtf8)?;
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for (number, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
        match parse_line(text, now) {
            Ok((path, value)) => lines.push(Line { number, path, value }),
            Err(error) => errors.push((number, error)),
        }
    }
    match (errors.is_empty(), lines.is_empty()) {
        (false, _) => Err(WriteError::lines(errors)),
        (true, true) => Err(WriteError::Empty),
        (true, false) => Ok(lines),
    }
}

fn parse_line(text: &str, now: Timestamp) -> Result<(WritePath, Value), WriteError> {
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
