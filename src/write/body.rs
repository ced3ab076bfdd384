//! The body of a write: a quantity as JSON string, JSON number or bare text, or an object with more to say.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{Labels, Quantity};

use super::WriteError;

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

/// The query of a write: `labels=k=v,k2=v2` and `ttl=90s`; other parameters are ignored, as upstream does.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// Metric labels.
    pub labels: Option<Labels>,
    /// How long the value lives; positive.
    pub ttl: Option<SignedDuration>,
}

/// The object form.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ValueObject<'a> {
    #[serde(borrow)]
    pub(super) value: &'a RawValue,
    pub(super) timestamp: Option<Moment>,
    pub(super) window_seconds: Option<u32>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) ttl: Option<String>,
}

/// RFC 3339, or seconds since the epoch.
#[derive(Deserialize, Debug)]
#[serde(untagged, expecting = "a timestamp is RFC 3339 text or a number of seconds since 1970")]
pub(super) enum Moment {
    Seconds(f64),
    Text(String),
}

impl Value {
    /// Reads a body, whatever its Content-Type says: curl's default is a form's.
    ///
    /// # Errors
    /// When it is no value that an HPA can use, or what is said about it breaks a rule.
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, WriteError> {
        let text = std::str::from_utf8(body).map_err(|_| WriteError::NotUtf8)?.trim();
        match text.bytes().next() {
            None => Err(WriteError::Empty),
            Some(b'{') => Self::from_object(serde_json::from_str(text)?, now),
            Some(_) => Ok(Self::bare(Quantity::from_json_token(text)?)),
        }
    }

    pub(super) fn from_object(object: ValueObject<'_>, now: Timestamp) -> Result<Self, WriteError> {
        Ok(Self {
            quantity: Quantity::from_json_token(object.value.get())?,
            timestamp: object.timestamp.map(|moment| moment.checked(now)).transpose()?,
            window_seconds: object.window_seconds,
            labels: object.labels.map(Labels::validated).transpose()?,
            ttl: object.ttl.as_deref().map(ttl).transpose()?,
        })
    }

    /// Adds what the query says.
    ///
    /// # Errors
    /// When both say the same thing.
    pub fn with_query(self, query: Query) -> Result<Self, WriteError> {
        if self.labels.is_some() && query.labels.is_some() {
            return Err(WriteError::Twice("labels"));
        }
        if self.ttl.is_some() && query.ttl.is_some() {
            return Err(WriteError::Twice("ttl"));
        }
        Ok(Self { labels: self.labels.or(query.labels), ttl: self.ttl.or(query.ttl), ..self })
    }

    fn bare(quantity: Quantity) -> Self {
        Self { quantity, timestamp: None, window_seconds: None, labels: None, ttl: None }
    }
}

impl Query {
    /// Reads a query, percent-encoding included.
    ///
    /// # Errors
    /// When the labels or the ttl break a rule.
    pub fn parse(query: &str) -> Result<Self, WriteError> {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "labels" => parsed.labels = Some(Labels::parse_write(&value)?),
                "ttl" => parsed.ttl = Some(ttl(&value)?),
                _ => {}
            }
        }
        Ok(parsed)
    }
}

impl Moment {
    /// The moment, unless it lies further ahead than clocks may differ: such a value would never look old.
    fn checked(self, now: Timestamp) -> Result<Timestamp, WriteError> {
        let moment = self.read()?;
        if moment < Timestamp::UNIX_EPOCH {
            return Err(WriteError::Timestamp(moment.to_string()));
        }
        if moment.duration_since(now) > MAX_AHEAD {
            return Err(WriteError::Ahead { timestamp: moment, by: moment.duration_since(now) });
        }
        Ok(moment)
    }

    fn read(self) -> Result<Timestamp, WriteError> {
        match self {
            Self::Text(text) => text.parse().map_err(|_| WriteError::Timestamp(text)),
            Self::Seconds(seconds) => SignedDuration::try_from_secs_f64(seconds)
                .and_then(Timestamp::from_duration)
                .map_err(|_| WriteError::Timestamp(seconds.to_string())),
        }
    }
}

fn ttl(text: &str) -> Result<SignedDuration, WriteError> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let sane = |ttl: &SignedDuration| ttl.is_positive() && *ttl <= LONGEST_TTL;
    parsed.ok().filter(sane).ok_or_else(|| WriteError::Ttl(text.to_owned()))
}

/// Longer than any cluster lives; what is meant to stay has no ttl.
const LONGEST_TTL: SignedDuration = SignedDuration::from_hours(24 * 366 * 10);

/// As Prometheus drops samples further ahead than this.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(10);

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
    fn the_query_and_the_body_may_not_both_say_it() {
        let value = || Value::parse(br#"{"value": 1, "ttl": "5s"}"#, NOW).unwrap();
        assert!(value().with_query(Query::parse("ttl=9s").unwrap()).is_err());
        let labels =
            value().with_query(Query::parse("labels=env%3Dprod,zone%3Da&x=y").unwrap()).unwrap().labels;
        assert_eq!(labels, Some(Labels::from_pairs([("env", "prod"), ("zone", "a")])));
    }
}
