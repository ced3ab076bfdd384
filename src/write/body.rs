//! The body of a write: a quantity as JSON string, JSON number or bare text, or an object with more to say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{Labels, Quantity};

use super::{WriteError, clue, moment::Moment, text};

/// A value with what was said about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// The value.
    pub quantity: Quantity,
    /// When it was measured; the time of the write if nothing is said.
    pub timestamp: Option<Timestamp>,
    /// Over how many seconds it was measured.
    pub window_seconds: Option<u32>,
    /// Metric labels.
    pub labels: Option<Labels>,
    /// How long it lives; positive.
    pub ttl: Option<SignedDuration>,
}

/// The object form.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object with a value")]
pub(super) struct ValueObject<'a> {
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
    pub(super) timestamp: Option<Moment>,
    pub(super) window_seconds: Option<Scalar>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) ttl: Option<Scalar>,
}

/// A text, or a number that is read like one: some clients quote all numbers, others none.
#[derive(Deserialize, Debug)]
#[serde(untagged, expecting = "a text or a number is expected")]
pub(super) enum Scalar {
    Number(serde_json::Number),
    Text(String),
}

impl Value {
    /// Reads a body, whatever its Content-Type says: curl's default is a form's.
    ///
    /// # Errors
    /// When it is no value that an HPA can use, or what is said about it breaks a rule.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, WriteError> {
        let text = text::of(body)?.trim();
        match text.bytes().next() {
            None => Err(WriteError::Empty),
            Some(b'{') => Self::from_object(object(text)?, now),
            Some(_) => Ok(Self::bare(quantity(text)?)),
        }
    }

    pub(super) fn from_object(object: ValueObject<'_>, now: Timestamp) -> Result<Self, WriteError> {
        let window_seconds = object.window_seconds.map(Scalar::into_text);
        let ttl = object.ttl.map(Scalar::into_text);
        Ok(Self {
            quantity: quantity(object.value.get())?,
            timestamp: object.timestamp.map(|moment| moment.checked(now)).transpose()?,
            window_seconds: window_seconds.as_deref().map(self::window_seconds).transpose()?,
            labels: object.labels.map(Labels::validated).transpose()?,
            ttl: ttl.as_deref().map(self::ttl).transpose()?,
        })
    }

    fn bare(quantity: Quantity) -> Self {
        Self { quantity, timestamp: None, window_seconds: None, labels: None, ttl: None }
    }
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

fn object(text: &str) -> Result<ValueObject<'_>, WriteError> {
    serde_json::from_str(text).map_err(|error| {
        clue::of_json(text).map_or(WriteError::Json(error), |clue| WriteError::mistake(text, clue))
    })
}

fn quantity(text: &str) -> Result<Quantity, WriteError> {
    let mistake = |error| clue::of_value(text).map(|clue| WriteError::mistake(text, clue)).unwrap_or(error);
    Quantity::from_json_token(text).map_err(|error| mistake(error.into()))
}

/// How long a value lives.
pub(super) fn ttl(text: &str) -> Result<SignedDuration, WriteError> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let sane = |ttl: &SignedDuration| ttl.is_positive() && *ttl <= LONGEST_TTL;
    parsed.ok().filter(sane).ok_or_else(|| WriteError::Ttl(text.to_owned()))
}

/// Over how many seconds a value was measured.
pub(super) fn window_seconds(text: &str) -> Result<u32, WriteError> {
    text.trim().parse().map_err(|_| WriteError::Window(text.to_owned()))
}

/// Longer than any cluster lives; what is meant to stay has no ttl.
const LONGEST_TTL: SignedDuration = SignedDuration::from_hours(24 * 366 * 10);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn quantity(body: &str) -> String {
        Value::parse(body.as_bytes(), NOW).unwrap().quantity.to_string()
    }

    #[test]
    fn strings_numbers_and_bare_text_are_the_same_value() {
        assert_eq!(quantity("\"42\""), "42");
        assert_eq!(quantity("42"), "42");
        assert_eq!(quantity(" 42\n"), "42");
        assert_eq!(quantity("7.25"), "7250m");
        assert_eq!(quantity("\"300m\""), "300m");
        assert_eq!(quantity("300m"), "300m");
        assert_eq!(quantity("1.5Ki"), "1536");
        assert_eq!(quantity("-2.5"), "-2500m");
    }

    #[test]
    fn an_object_says_more() {
        let body = br#"{"value": 1.5, "timestamp": "2026-11-14T09:46:40Z", "windowSeconds": 60,
            "labels": {"method": "GET"}, "ttl": "90s"}"#;
        let value = Value::parse(body, NOW).unwrap();
        assert_eq!(value.quantity.to_string(), "1500m");
        assert_eq!(value.timestamp.unwrap().as_second(), 1_794_649_600);
        assert_eq!(value.window_seconds, Some(60));
        assert_eq!(value.labels, Some(Labels::from_pairs([("method", "GET")])));
        assert_eq!(value.ttl, Some(SignedDuration::from_secs(90)));
    }

    #[test]
    fn a_timestamp_may_be_seconds() {
        let value = Value::parse(br#"{"value": "1", "timestamp": 1794649600.5}"#, NOW).unwrap();
        assert_eq!(value.timestamp.unwrap().as_millisecond(), 1_794_649_600_500);
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for body in [
            "",
            " ",
            "abc",
            "null",
            "true",
            "[]",
            "[1]",
            "{}",
            "\"\"",
            "NaN",
            "\"NaN\"",
            "Inf",
            "\"4\" garbage",
            "4 5",
            "m",
            "-",
            ".",
            "\"m\"",
            "{\"value\": null}",
            "{\"value\": {}}",
            "{\"value\": 1, \"valeu\": 2}",
            "1e400",
            "1e99999999999",
            "1e18",
        ] {
            assert!(Value::parse(body.as_bytes(), NOW).is_err(), "{body:?}");
        }
        assert!(Value::parse(b"\xff", NOW).is_err());
    }

    #[test]
    fn a_ttl_must_last_and_a_timestamp_must_not_lie_ahead() {
        for body in [
            r#"{"value": 1, "ttl": "0s"}"#,
            r#"{"value": 1, "ttl": "-5s"}"#,
            r#"{"value": 1, "ttl": "soon"}"#,
            r#"{"value": 1, "timestamp": 1795000700}"#,
            r#"{"value": 1, "timestamp": "yesterday"}"#,
            r#"{"value": 1, "timestamp": -377705023201}"#,
            r#"{"value": 1, "ttl": "9223372036854775807s"}"#,
            r#"{"value": 1, "timestamp": 1e300}"#,
        ] {
            assert!(Value::parse(body.as_bytes(), NOW).is_err(), "{body}");
        }
    }

    #[test]
    fn numbers_may_be_quoted_and_a_byte_order_mark_is_dropped() {
        let quoted = r#"{"value": "1", "windowSeconds": "60", "timestamp": "1794649600"}"#;
        let value = Value::parse(quoted.as_bytes(), NOW).unwrap();
        assert_eq!((value.window_seconds, value.timestamp.unwrap().as_second()), (Some(60), 1_794_649_600));
        assert_eq!(quantity("\u{feff}{\"value\": 42}"), "42");
        assert_eq!(quantity("\u{feff}42\r\n"), "42");
        for body in [
            r#"{"value": 1, "ttl": 90}"#,
            r#"{"value": 1, "windowSeconds": 1.5}"#,
            r#"{"value": 1, "ttl": null, "windowSeconds": "1m"}"#,
        ] {
            let refusal = Value::parse(body.as_bytes(), NOW).unwrap_err().to_string();
            assert!(
                refusal.contains("such as 90s") || refusal.contains("whole seconds"),
                "{body}: {refusal}"
            );
        }
    }
}
