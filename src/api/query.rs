//! The query of a read.

use form_urlencoded::parse;

use crate::{
    auth::asks_to_watch,
    model::{FieldSelector, FieldTerm, MetricSelector, MetricSelectorError, Selector},
};

/// What a query asks of a read; everything else in it is ignored, as upstream does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ReadQuery {
    /// Which objects, by their labels; counts for `*` only.
    pub(super) objects: Selector,
    /// Which label sets of the metric, and how they count.
    pub(super) metrics: MetricSelector,
}

/// What a query asks of a read of an external metric; `metricLabelSelector` and everything else in it is ignored, as
/// upstream does.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ExternalQuery {
    /// Which label sets of the metric, and how they count.
    pub(super) labels: MetricSelector,
    /// Whether changes are asked for, which nobody can be told.
    pub(super) watch: bool,
}

/// A parameter that is not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// `labelSelector` or `metricLabelSelector`.
    #[error("{source}: in {parameter} {text:?}")]
    Selector {
        /// Which of the two.
        parameter: &'static str,
        /// What it said.
        text: String,
        /// What is wrong with it.
        source: Box<MetricSelectorError>,
    },
    /// A `fieldSelector` other than the name in the path.
    #[error(
        "fieldSelector metadata.name doesn't match requested name: {0:?} selects nothing that the path does not"
    )]
    Field(String),
    /// A `fieldSelector` that is none.
    #[error("invalid selector: {0:?}; can't understand it: in fieldSelector")]
    FieldSyntax(String),
    /// A `fieldSelector` that may be one, and is too much to read.
    #[error(
        "the fieldSelector has more than {} bytes or {} terms",
        Selector::MAX_BYTES,
        Selector::MAX_REQUIREMENTS
    )]
    FieldBounds,
    /// A `fieldSelector` of a field that external metrics do not have.
    #[error("{0:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")]
    UnknownField(String),
    /// A number that is none.
    #[error("strconv.ParseInt: parsing {text:?}: {rule}: in {parameter}")]
    Integer {
        /// Which parameter.
        parameter: &'static str,
        /// What it said.
        text: String,
        /// Go's words for what is wrong with it.
        rule: &'static str,
    },
}

impl ReadQuery {
    /// Reads `query`, still encoded, of a read of the object `name` (`*` for all). Of a repeated parameter the first
    /// counts.
    ///
    /// # Errors
    /// When a parameter that has a meaning here has another one than it can have.
    pub(super) fn parse(query: &str, name: &str) -> Result<Self, QueryError> {
        check_integers(query)?;
        check_field_selector(query, name)?;
        Ok(Self {
            objects: selector(query, "labelSelector")?,
            metrics: metric_selector(query, "metricLabelSelector")?,
        })
    }
}

impl ExternalQuery {
    /// Reads `query`, still encoded, of a read of `metric`. Of a repeated parameter the first counts. A `fieldSelector`
    /// may name the two fields of every object, and selects nothing: values have neither.
    ///
    /// # Errors
    /// When a parameter that has a meaning here has another one than it can have.
    pub(super) fn parse(query: &str, metric: &str) -> Result<Self, QueryError> {
        check_integers(query)?;
        check_fields(query, metric)?;
        Ok(Self { labels: metric_selector(query, "labelSelector")?, watch: asks_to_watch(query) })
    }
}

fn first(query: &str, parameter: &str) -> Option<String> {
    parse(query.as_bytes()).find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
}

fn selector(query: &str, parameter: &'static str) -> Result<Selector, QueryError> {
    let text = first(query, parameter).unwrap_or_default();
    Selector::parse(&text).map_err(|source| no_selector(parameter, text, source.into()))
}

fn metric_selector(query: &str, parameter: &'static str) -> Result<MetricSelector, QueryError> {
    let text = first(query, parameter).unwrap_or_default();
    MetricSelector::parse(&text).map_err(|source| no_selector(parameter, text, source))
}

fn no_selector(parameter: &'static str, text: String, source: MetricSelectorError) -> QueryError {
    QueryError::Selector { parameter, text, source: Box::new(source) }
}

fn check_field_selector(query: &str, name: &str) -> Result<(), QueryError> {
    let Some(text) = first(query, "fieldSelector").filter(|text| !text.is_empty()) else { return Ok(()) };
    let selected = text.strip_prefix("metadata.name=").map(|value| value.strip_prefix('=').unwrap_or(value));
    if selected == Some(name) { Ok(()) } else { Err(QueryError::Field(text)) }
}

/// The access review takes the name that a selector pins for the object's, so that a role for some names lets it pass: it
/// has to be the metric's.
fn check_fields(query: &str, metric: &str) -> Result<(), QueryError> {
    let Some(text) = first(query, "fieldSelector") else { return Ok(()) };
    let Some(FieldSelector { terms }) = FieldSelector::parse(&text) else { return Err(no_fields(text)) };
    let unknown = |term: &&FieldTerm| !matches!(&*term.field, "metadata.name" | "metadata.namespace");
    let other = |term: &FieldTerm| term.field == "metadata.name" && term.equal && term.value != metric;
    match terms.iter().find(unknown) {
        Some(term) => Err(QueryError::UnknownField(term.field.clone())),
        None if terms.iter().any(other) => Err(QueryError::Field(text)),
        None => Ok(()),
    }
}

fn no_fields(text: String) -> QueryError {
    let terms = text.split(',').count();
    let bounded = text.len() <= Selector::MAX_BYTES && terms <= Selector::MAX_REQUIREMENTS;
    if bounded { QueryError::FieldSyntax(text) } else { QueryError::FieldBounds }
}

fn check_integers(query: &str) -> Result<(), QueryError> {
    ["limit", "timeoutSeconds"].into_iter().try_for_each(|parameter| check_integer(query, parameter))
}

fn check_integer(query: &str, parameter: &'static str) -> Result<(), QueryError> {
    let Some(text) = first(query, parameter) else { return Ok(()) };
    let rule = match text.parse::<i64>().map_err(|error| *error.kind()) {
        Ok(_) => return Ok(()),
        Err(std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow) => {
            "value out of range"
        }
        Err(_) => "invalid syntax",
    };
    Err(QueryError::Integer { parameter, text, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str) -> String {
        ReadQuery::parse(query, "web-0").unwrap_err().to_string()
    }

    #[test]
    fn what_has_no_meaning_here_is_ignored() {
        for query in
            ["", "foo=bar&timeoutSeconds=5&resourceVersion=7&watch=true&limit=-1", "labelSelector=", "%zz&&="]
        {
            assert_eq!(ReadQuery::parse(query, "*").unwrap(), ReadQuery::default(), "{query}");
        }
    }

    #[test]
    fn a_field_selector_can_only_repeat_the_name() {
        for query in
            ["fieldSelector=metadata.name%3Dweb-0", "fieldSelector=metadata.name==web-0", "fieldSelector="]
        {
            assert!(ReadQuery::parse(query, "web-0").is_ok(), "{query}");
        }
        for query in ["fieldSelector=metadata.name%3Dweb-1", "fieldSelector=status.phase%3DRunning"] {
            let message = refused(query);
            assert!(
                message.starts_with("fieldSelector metadata.name doesn't match requested name"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_field_selector_of_an_external_metric_can_only_name_what_every_object_has() {
        let parse = |query: &str| ExternalQuery::parse(query, "qps").map_err(|error| error.to_string());
        for query in
            ["fieldSelector=metadata.name%3Dqps,metadata.namespace!%3Dy", "fieldSelector=", "foo=bar"]
        {
            assert_eq!(parse(query), Ok(ExternalQuery::default()), "{query}");
        }
        let unknown = "\"foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
        assert_eq!(parse("fieldSelector=foo%3Dx").unwrap_err(), unknown);
        assert!(parse("fieldSelector=foo").unwrap_err().starts_with("invalid selector: \"foo\""));
    }

    /// A role for `resourceNames: [x]` allows a list that pins the name x.
    #[test]
    fn a_name_that_a_field_selector_pins_is_the_metrics() {
        for fields in ["metadata.name%3Dx", "metadata.name%3D%3Dx", "metadata.name%3Dqps,metadata.name%3Dx"] {
            let refused = ExternalQuery::parse(&format!("fieldSelector={fields}"), "qps").unwrap_err();
            assert!(matches!(refused, QueryError::Field(_)), "{fields}: {refused}");
        }
    }

    #[test]
    fn a_field_selector_beyond_the_bounds_is_told_them_and_not_repeated() {
        for fields in ["metadata.name!%3Dx,".repeat(257), format!("metadata.name!%3D{}", "x".repeat(70_000))]
        {
            let refused = ExternalQuery::parse(&format!("fieldSelector={fields}"), "qps").unwrap_err();
            assert_eq!(refused.to_string(), "the fieldSelector has more than 65536 bytes or 256 terms");
        }
    }

    #[test]
    fn an_external_metric_is_selected_by_its_labels_and_not_by_those_of_an_object() {
        let query =
            ExternalQuery::parse("metricLabelSelector=%25&labelSelector=a%3Db&watch=false", "qps").unwrap();
        assert_eq!((query.labels.to_string(), query.watch), ("a=b".to_owned(), false));
        for watch in ["watch", "watch=1", "watch=true"] {
            assert!(ExternalQuery::parse(watch, "qps").unwrap().watch, "{watch}");
        }
        assert!(ExternalQuery::parse("labelSelector=a+b", "qps").is_err());
    }

    #[test]
    fn a_number_has_to_be_one() {
        assert!(refused("limit=abc").starts_with("strconv.ParseInt: parsing \"abc\": invalid syntax"));
        assert!(refused("limit=").starts_with("strconv.ParseInt: parsing \"\": invalid syntax"));
        let message = refused("timeoutSeconds=99999999999999999999");
        assert!(message.contains("value out of range: in timeoutSeconds"), "{message}");
    }
}
