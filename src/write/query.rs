//! The query of a write: what the body may say of the value too, and how a batch is taken.

use std::{borrow::Cow, collections::BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::Labels;

use super::{
    WriteError,
    body::{self, Value},
    moment::Moment,
};

/// The query of a write of one value: `labels=k=v,k2=v2`, `ttl=90s`, `timestamp=…`, `windowSeconds=60`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Query {
    /// Metric labels.
    pub labels: Option<Labels>,
    /// How long the value lives; positive.
    pub ttl: Option<SignedDuration>,
    /// When it was measured.
    pub timestamp: Option<Timestamp>,
    /// Over how many seconds it was measured.
    pub window_seconds: Option<u32>,
}

/// The query of a batch.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct BatchQuery {
    /// What counts for each line that does not say it itself.
    pub(super) defaults: Query,
    /// Whether good lines are stored beside bad ones.
    pub(super) partial: bool,
}

/// A parameter that the request does not take.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown query parameter {name:?}: {hint}{what} takes {known}", hint = self.hint(), known = self.known.join(", "))]
pub struct UnknownParameter {
    /// As it was written.
    pub name: String,
    /// What was asked.
    what: &'static str,
    /// What it takes.
    known: &'static [&'static str],
}

impl Query {
    /// Reads the query of a write, percent-encoding included.
    ///
    /// # Errors
    /// When a parameter is unknown, comes twice or breaks a rule.
    pub fn parse(query: &str, now: Timestamp) -> Result<Self, WriteError> {
        let mut parsed = Self::default();
        for (name, value) in parameters(query, "a write", OF_VALUES)? {
            parsed.take(&name, &value, now)?;
        }
        Ok(parsed)
    }

    fn take(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), WriteError> {
        match name {
            "labels" => self.labels = Some(Labels::parse_write(value)?),
            "ttl" => self.ttl = Some(body::ttl(value)?),
            "timestamp" => self.timestamp = Some(Moment::in_query(value).checked(now)?),
            _ => self.window_seconds = Some(body::window_seconds(value)?),
        }
        Ok(())
    }
}

impl BatchQuery {
    pub(super) fn parse(query: &str, now: Timestamp) -> Result<Self, WriteError> {
        let mut parsed = Self::default();
        for (name, value) in parameters(query, "a batch", OF_BATCHES)? {
            match &*name {
                "partial" => parsed.partial = switch(&value)?,
                name => parsed.defaults.take(name, &value, now)?,
            }
        }
        Ok(parsed)
    }
}

/// The labels that a deletion is for; `None` is every label set.
pub(super) fn labels_of_deletion(query: &str) -> Result<Option<Labels>, WriteError> {
    let mut labels = None;
    for (_, value) in parameters(query, "a DELETE", OF_DELETIONS)? {
        labels = Some(Labels::parse_write(&value)?);
    }
    Ok(labels)
}

impl Value {
    /// Adds what the query says.
    ///
    /// # Errors
    /// When both say the same thing.
    pub fn with_query(self, query: &Query) -> Result<Self, WriteError> {
        let twice = [
            ("labels", self.labels.is_some() && query.labels.is_some()),
            ("ttl", self.ttl.is_some() && query.ttl.is_some()),
            ("timestamp", self.timestamp.is_some() && query.timestamp.is_some()),
            ("windowSeconds", self.window_seconds.is_some() && query.window_seconds.is_some()),
        ];
        match twice.into_iter().find(|(_, twice)| *twice) {
            Some((name, _)) => Err(WriteError::Twice(name)),
            None => Ok(self.or(query)),
        }
    }

    /// With the query's word where this value says nothing.
    pub(super) fn or(self, query: &Query) -> Self {
        Self {
            labels: self.labels.or_else(|| query.labels.clone()),
            ttl: self.ttl.or(query.ttl),
            timestamp: self.timestamp.or(query.timestamp),
            window_seconds: self.window_seconds.or(query.window_seconds),
            ..self
        }
    }
}

/// A name and its value.
type Parameter<'q> = (Cow<'q, str>, Cow<'q, str>);

/// The parameters of a query, each known and there once.
fn parameters<'q>(
    query: &'q str,
    what: &'static str,
    known: &'static [&'static str],
) -> Result<Vec<Parameter<'q>>, WriteError> {
    let parameters: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut seen = BTreeSet::new();
    for (name, _) in &parameters {
        if !known.contains(&&**name) {
            return Err(UnknownParameter { name: name.clone().into_owned(), what, known }.into());
        }
        if !seen.insert(name) {
            return Err(WriteError::Repeated(name.clone().into_owned()));
        }
    }
    Ok(parameters)
}

impl UnknownParameter {
    fn hint(&self) -> String {
        match &*self.name {
            "value" => "the value is the body of the request; ".to_owned(),
            "partial" => "it is for batches; ".to_owned(),
            "namespace" | "resource" | "name" | "metric" | "external" => {
                "it is a part of the path, or of a line of a batch; ".to_owned()
            }
            _ => self.nearest().map(|nearest| format!("the nearest is {nearest:?}; ")).unwrap_or_default(),
        }
    }

    /// The known parameter that was meant, however it is spelled.
    fn nearest(&self) -> Option<&'static str> {
        let plain = |name: &str| name.replace(['-', '_', ' '], "").to_lowercase();
        let name = plain(&self.name);
        let likeness = |known: &str| {
            let known = plain(known);
            strsim::normalized_damerau_levenshtein(&name, &known)
                .max(strsim::jaro_winkler(&name, &known) - PREFIX)
        };
        let known = self.known.iter().map(|known| (likeness(known), *known));
        known
            .filter(|(likeness, _)| *likeness > LIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    }
}

/// A switch as Go's `ParseBool` and a bare `?partial` write it.
fn switch(value: &str) -> Result<bool, WriteError> {
    match value.to_ascii_lowercase().as_str() {
        "" | "true" | "t" | "1" => Ok(true),
        "false" | "f" | "0" => Ok(false),
        _ => Err(WriteError::Switch(value.to_owned())),
    }
}

const OF_VALUES: &[&str] = &["labels", "ttl", "timestamp", "windowSeconds"];
const OF_BATCHES: &[&str] = &["partial", "labels", "ttl", "timestamp", "windowSeconds"];
const OF_DELETIONS: &[&str] = &["labels"];

/// A likeness of less confuses more than it helps.
const LIKE: f64 = 0.55;
/// Jaro-Winkler likes common beginnings, which names of one word share by chance.
const PREFIX: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn refusal(query: &str) -> String {
        Query::parse(query, NOW).unwrap_err().to_string()
    }

    #[test]
    fn the_query_says_what_the_object_form_says() {
        let query = "labels=env%3Dprod,zone%3Da&ttl=90s&timestamp=2026-11-18T11%3A00%3A00Z&windowSeconds=60";
        let query = Query::parse(query, NOW).unwrap();
        assert_eq!(query.labels, Some(Labels::from_pairs([("env", "prod"), ("zone", "a")])));
        assert_eq!(query.ttl, Some(SignedDuration::from_secs(90)));
        assert_eq!(query.timestamp.unwrap().as_second(), 1_794_999_600);
        assert_eq!(query.window_seconds, Some(60));
        let plus = Query::parse("timestamp=2026-11-18T12:00:00+01:00", NOW).unwrap();
        assert_eq!(plus.timestamp, query.timestamp, "a plus is a blank in a query, and meant all the same");
        assert_eq!(Query::parse("timestamp=1794999600", NOW).unwrap().timestamp, query.timestamp);
        assert_eq!(Query::parse("", NOW).unwrap(), Query::default());
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_one_that_was_meant() {
        for (query, nearest) in [
            ("tll=2s", "ttl"),
            ("TTL=90s", "ttl"),
            ("tl=90s", "ttl"),
            ("ttls=90s", "ttl"),
            ("label=plan%3Dpaid", "labels"),
            ("Labels=plan%3Dpaid", "labels"),
            ("lables=plan%3Dpaid", "labels"),
            ("windowseconds=60", "windowSeconds"),
            ("window_seconds=60", "windowSeconds"),
            ("window=60", "windowSeconds"),
            ("time=1", "timestamp"),
            ("timeStamp=1", "timestamp"),
        ] {
            let refusal = refusal(query);
            assert!(refusal.contains(&format!("the nearest is {nearest:?}; ")), "{query}: {refusal}");
            assert!(refusal.ends_with("a write takes labels, ttl, timestamp, windowSeconds"), "{refusal}");
        }
        for (query, hint) in [
            ("value=42", "\"value\": the value is the body of the request; a write takes"),
            ("partial=true", "\"partial\": it is for batches; a write takes"),
            ("namespace=a", "a part of the path, or of a line of a batch"),
            ("pretty=true", "unknown query parameter \"pretty\": a write takes"),
            ("=", "unknown query parameter \"\": a write takes"),
        ] {
            assert!(refusal(query).contains(hint), "{query}: {}", refusal(query));
        }
    }

    #[test]
    fn a_parameter_is_given_once_and_not_in_the_body_too() {
        assert!(refusal("labels=a%3Db&labels=c%3Dd").contains("\"labels\" is given twice"));
        for body in [
            r#"{"value": 1, "ttl": "5s"}"#,
            r#"{"value": 1, "timestamp": 1794999600}"#,
            r#"{"value": 1, "windowSeconds": 5}"#,
            r#"{"value": 1, "labels": {}}"#,
        ] {
            let query =
                Query::parse("labels=a%3Db&ttl=9s&timestamp=1794999600&windowSeconds=9", NOW).unwrap();
            let value = Value::parse(body.as_bytes(), NOW).unwrap();
            assert!(matches!(value.with_query(&query), Err(WriteError::Twice(_))), "{body}");
        }
    }

    #[test]
    fn a_batch_and_a_deletion_have_parameters_of_their_own() {
        for (query, partial) in [
            ("", false),
            ("partial", true),
            ("partial=true", true),
            ("partial=1", true),
            ("partial=True", true),
            ("partial=false", false),
        ] {
            assert_eq!(BatchQuery::parse(query, NOW).unwrap().partial, partial, "{query}");
        }
        assert!(BatchQuery::parse("partial=yes", NOW).unwrap_err().to_string().contains("true or false"));
        let batch = BatchQuery::parse("ttl=90s&partial=true", NOW).unwrap();
        assert_eq!(batch.defaults.ttl, Some(SignedDuration::from_secs(90)));
        let refusal = BatchQuery::parse("partail=true", NOW).unwrap_err().to_string();
        assert!(refusal.contains("the nearest is \"partial\"; a batch takes partial, labels"), "{refusal}");
        assert_eq!(labels_of_deletion("labels=a%3Db").unwrap(), Some(Labels::from_pairs([("a", "b")])));
        assert_eq!(labels_of_deletion("").unwrap(), None);
        assert!(
            labels_of_deletion("label=a%3Db").unwrap_err().to_string().ends_with("a DELETE takes labels")
        );
    }
}
