//! Against apimachinery's recorded results, and against a naive evaluation.

mod properties;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::model::Labels;

/// One row of `tests/vectors/selector.json`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "in")]
    text: String,
    err: Option<String>,
    #[serde(default)]
    empty: bool,
    #[serde(default)]
    string: String,
    #[serde(default)]
    requirements: Vec<String>,
    /// By label set, as `name=value,…`, or `none`.
    #[serde(default)]
    matches: BTreeMap<String, bool>,
    as_label_selector: Option<Value>,
    as_label_selector_err: Option<String>,
}

fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn labels(text: &str) -> Labels {
    Labels::parse_write(if text == "none" { "" } else { text })
        // A selector is asked about any labels, also about values that nobody could write.
        .unwrap_or_else(|_| Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('='))))
}

/// As the vectors print it: `a in ["1","2"]`.
fn recorded(requirement: &Requirement) -> String {
    let operator = match requirement.operator {
        Operator::Equals => "=",
        Operator::DoubleEquals => "==",
        Operator::NotEquals => "!=",
        Operator::In => "in",
        Operator::NotIn => "notin",
        Operator::Exists => "exists",
        Operator::DoesNotExist => "!",
        Operator::GreaterThan => "gt",
        Operator::LessThan => "lt",
    };
    format!("{} {operator} {}", requirement.key, json!(requirement.values))
}

fn check_parsed(row: &Row, parsed: &Selector) {
    assert_eq!(parsed.is_empty(), row.empty, "{row:?}");
    assert_eq!(parsed.to_string(), row.string, "{row:?}");
    let requirements: Vec<String> = parsed.requirements().iter().map(recorded).collect();
    assert_eq!(requirements, row.requirements, "{row:?}");
    assert_eq!(row.matches.len(), 7, "{row:?}");
    for (set, matching) in &row.matches {
        assert_eq!(parsed.matches(&labels(set)), *matching, "{set} in {row:?}");
    }
    match &row.as_label_selector {
        Some(upstream) => assert_eq!(&json!(parsed.echo()), upstream, "{row:?}"),
        // What upstream cannot echo at all has its own test.
        None => assert!(row.as_label_selector_err.is_some(), "{row:?}"),
    }
}

#[test]
fn selectors_parse_print_match_and_echo_as_apimachinery_does() {
    let rows: Vec<Row> = serde_json::from_str(include_str!("../../../tests/vectors/selector.json")).unwrap();
    assert_eq!(rows.len(), 71);
    for row in rows {
        match (Selector::parse(&row.text), &row.err) {
            (Ok(parsed), None) => check_parsed(&row, &parsed),
            (Err(error), Some(expected)) => {
                assert_eq!(&error.to_string(), expected, "{row:?}");
                assert_eq!(error.input, row.text);
            }
            (outcome, _) => panic!("{row:?}: {outcome:?}"),
        }
    }
}

/// One row of `tests/vectors/selector-generated.json`.
#[derive(Deserialize, Debug)]
struct Generated {
    #[serde(rename = "in")]
    text: String,
    #[serde(default)]
    string: String,
    /// One digit for each of [`GENERATED_SETS`].
    #[serde(default)]
    matches: String,
    err: Option<String>,
}

const GENERATED_SETS: [&str; 8] =
    ["none", "a=1", "a=", "b=x", "in=5,a=5", "notin=in,b=1", "x/y=a,a=-1", "a=7,b=7"];

#[test]
fn random_selectors_parse_print_and_match_as_apimachinery_does() {
    let rows = include_str!("../../../tests/vectors/selector-generated.json");
    let rows: Vec<Generated> = serde_json::from_str(rows).unwrap();
    assert!(rows.len() > 250);
    let sets = GENERATED_SETS.map(labels);
    for row in rows {
        match (Selector::parse(&row.text), &row.err) {
            (Ok(parsed), None) => {
                assert_eq!(parsed.to_string(), row.string, "{row:?}");
                let matching: String =
                    sets.iter().map(|set| if parsed.matches(set) { '1' } else { '0' }).collect();
                assert_eq!(matching, row.matches, "{row:?}");
            }
            (Err(error), Some(expected)) => assert_eq!(&error.to_string(), expected, "{row:?}"),
            (outcome, _) => panic!("{row:?}: {outcome:?}"),
        }
    }
}

/// As apimachinery 0.37.2 does; not among the recorded rows.
#[test]
fn value_lists_take_empty_values_as_apimachinery_does() {
    let taken = [
        ("a in (,1)", "a in (,1)"),
        ("a in (,,1)", "a in (,1)"),
        ("a in (1,,2)", "a in (,1,2)"),
        ("a in (1,,,2)", "a in (,1,2)"),
        ("a in (,,)", "a in ()"),
        ("a in (1,,)", "a in (,1)"),
    ];
    for (text, printed) in taken {
        assert_eq!(selector(text).to_string(), printed, "{text}");
    }
    let refused = [
        ("a in (1,", "found '', expected: ',', or identifier"),
        ("a in (1=", "found '=', expected: ',' or ')'"),
        ("a in (!", "found '!', expected: ',', ')' or identifier"),
        ("a in (1 2)", "found '2', expected: ',' or ')'"),
    ];
    for (text, message) in refused {
        let error = Selector::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("unable to parse requirement: {message}"), "{text}");
    }
}

#[test]
fn echo_says_what_upstream_cannot() {
    assert_eq!(
        json!(selector("a!=1,b>3,c=x,d<7").echo()),
        json!({"matchLabels": {"c": "x"}, "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]})
    );
    assert_eq!(json!(selector("b>3").echo()), json!({}));
    for operator in [
        SelectorOperator::In,
        SelectorOperator::NotIn,
        SelectorOperator::Exists,
        SelectorOperator::DoesNotExist,
    ] {
        assert_eq!(json!(operator), json!(operator.as_str()));
    }
}

#[test]
fn comparisons_take_integers_only() {
    let above = selector("n>5");
    assert!(above.matches(&labels("n=6")) && !above.matches(&labels("n=5")));
    let below = selector("n<9223372036854775807");
    assert!(below.matches(&Labels::from_pairs([("n", "-9223372036854775808")])));
    for value in ["", "6.0", "0x6", "9223372036854775808"] {
        assert!(!above.matches(&Labels::from_pairs([("n", value)])), "{value}");
    }
    assert!(matches!(
        Selector::parse("n>9223372036854775808").unwrap_err().fault,
        SelectorFault::NotAnInteger(_)
    ));
}

#[test]
fn size_is_limited() {
    let many = |count: usize| vec!["a"; count].join(",");
    assert_eq!(selector(&many(Selector::MAX_REQUIREMENTS)).requirements().len(), 256);
    let error = Selector::parse(&many(Selector::MAX_REQUIREMENTS + 1)).unwrap_err();
    assert_eq!(error.fault, SelectorFault::TooManyRequirements);

    let values = vec!["é"; 40_000].join(",");
    let error = Selector::parse(&format!("a in ({values})")).unwrap_err();
    assert!(matches!(error.fault, SelectorFault::TooLong(120_006)), "{error}");
    assert!(error.input.len() <= SelectorError::MAX_INPUT_BYTES && error.input.starts_with("a in (é,é"));
    assert_eq!(error.to_string(), "the selector has 120006 bytes, more than 65536");
}

#[test]
fn nul_is_a_wrong_character_and_not_an_end() {
    for text in ["a=1\0", "\0", "a\0=1", "a\0,b"] {
        assert!(Selector::parse(text).is_err(), "{text:?}");
    }
}
