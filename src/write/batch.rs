//! A batch: newline-delimited JSON, one value a line.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    WriteError, WritePath,
    body::{Value, ValueObject},
};

/// One line that could be read.
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) path: WritePath,
    pub(super) value: Value,
}

/// Where a line's value goes; its other fields are those of a single write's object form.
#[derive(Deserialize, Debug)]
struct Place<'a> {
    namespace: Option<String>,
    resource: String,
    name: String,
    metric: String,
    #[serde(flatten, borrow)]
    value: std::collections::BTreeMap<&'a str, &'a RawValue>,
}

/// Reads every line; blank ones are skipped.
///
/// # Errors
/// All lines that are wrong, by number.
pub(super) fn parse(body: &[u8], now: Timestamp) -> Result<Vec<Line>, WriteError> {
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
    let place: Place<'_> = serde_json::from_str(text)?;
    let path = WritePath::new(place.namespace.as_deref(), &place.resource, &place.name, &place.metric)?;
    let rest = serde_json::to_string(&place.value)?;
    Ok((path, Value::from_object(serde_json::from_str::<ValueObject<'_>>(&rest)?, now)?))
}
