use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

/// One row of `tests/vectors/write-labels.json`.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "In")]
    text: String,
    err: String,
    out: BTreeMap<String, String>,
}

fn is_shared_with_upstream(error: &LabelError, upstream: &str) -> bool {
    match error {
        LabelError::Pair(_) => upstream.starts_with("invalid selector: ["),
        LabelError::Name { name, broken } => upstream == format!("<nil>: Invalid value: {name:?}: {broken}"),
        LabelError::Value { name, value, broken } => {
            upstream == format!("[{name}]: Invalid value: {value:?}: {broken}")
        }
        LabelError::TooMany => false,
    }
}

#[test]
fn labels_query_is_read_as_the_upstream_adapter_reads_it() {
    let rows: Vec<Row> =
        serde_json::from_str(include_str!("../../../tests/vectors/write-labels.json")).unwrap();
    assert_eq!(rows.len(), 19);
    for row in rows {
        match Labels::parse_write(&row.text) {
            Ok(labels) => {
                assert_eq!(row.err, "", "{row:?}");
                assert_eq!(labels, Labels::from_pairs(row.out.clone()), "{row:?}");
            }
            Err(error) => assert!(is_shared_with_upstream(&error, &row.err), "{row:?}: {error}"),
        }
    }
    assert!(Labels::parse_write("").unwrap().is_empty());
}

#[test]
fn names_follow_the_rules_of_kubernetes() {
    let long_prefix = format!("{}/a", "p".repeat(253));
    let longest = "n".repeat(63);
    for name in ["a", "A", "9", "a.b-c_d", "x/y", "a.b-c.d/E", &longest, &long_prefix] {
        assert!(check_name(name).is_ok(), "{name}");
    }
    let too_long_prefix = format!("{}/a", "p".repeat(254));
    let too_long = "n".repeat(64);
    let wrong = [
        "",
        "/",
        "/a",
        "a/",
        "a/b/c",
        "A/a",
        "a_b/c",
        "-p/a",
        "p./a",
        "p..q/a",
        "_a",
        "a-",
        ".",
        "é",
        "a b",
        "a\0",
        &too_long,
        &too_long_prefix,
    ];
    for name in wrong {
        assert!(check_name(name).is_err(), "{name}");
    }
}

#[test]
fn every_broken_rule_is_named() {
    assert_eq!(check_name("/").unwrap_err().to_string().split("; ").count(), 3);
    let both = check_value(&"é".repeat(32)).unwrap_err().to_string();
    assert!(
        both.starts_with("must be no more than 63 bytes; a valid label must be an empty string"),
        "{both}"
    );
}

#[test]
fn validated_pairs_keep_the_last_of_one_name() {
    let labels = Labels::validated([("zone", "a"), ("env", ""), ("zone", "b")]).unwrap();
    assert_eq!(labels.to_string(), "env=,zone=b");
    assert_eq!(labels.label("zone"), Some("b"));
    assert_eq!(labels.label("none"), None);
    let error = Labels::validated([("zone", "a b")]).unwrap_err();
    assert!(
        error.to_string().starts_with("invalid value \"a b\" of label \"zone\": a valid label"),
        "{error}"
    );
}

#[test]
fn number_of_labels_is_limited() {
    let pairs = |count: usize| (0..count).map(|at| (format!("l{at}"), at.to_string())).collect::<Vec<_>>();
    let text = |count| {
        pairs(count).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    };
    assert_eq!(Labels::validated(pairs(64)).unwrap().len(), 64);
    assert_eq!(Labels::parse_write(&text(64)).unwrap().len(), 64);
    assert_eq!(Labels::validated(pairs(65)), Err(LabelError::TooMany));
    assert_eq!(Labels::parse_write(&text(65)), Err(LabelError::TooMany));
    assert_eq!(Labels::parse_write(&text(100_000)), Err(LabelError::TooMany));
}
