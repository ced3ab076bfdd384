//! What Prometheus 3.16 made of 140 hand-written bodies, value by value; and each difference on purpose.

use serde_json::Value;

use crate::view::{Told, format, go_float, strict};

const VECTORS: &str = include_str!("../vectors/exposition.jsonl");

/// Rows (name, format) in which we differ, with what we do and why.
const DIFFERENCES: [(&str, &str, Ours, &str); 11] = [
    ("exemplar in prom", "prom", Ours::Accepts, "an exemplar in text is dropped: servers write them there"),
    (
        "crlf type",
        "prom",
        Ours::Accepts,
        "a CR before the newline is dropped: Windows is no reason not to scale",
    ),
    ("crlf help ok?", "prom", Ours::Accepts, "the CR belongs to the line end, not to the help text"),
    ("bom", "prom", Ours::Accepts, "a byte order mark at the start is dropped"),
    (
        "lead space",
        "prom",
        Ours::Accepts,
        "leading blanks are no part of the metric name; the format says to ignore them",
    ),
    ("blank lines", "prom", Ours::Accepts, "as above"),
    ("type two sp", "prom", Ours::Accepts, "blanks around the type are as meaningless as others"),
    (
        "nul raw",
        "prom",
        Ours::Refuses,
        "a NUL does not silently end the body: its line is bad, the next ones count",
    ),
    ("quoted empty", "om", Ours::Refuses, "an empty name: Prometheus parses it, and its store refuses it"),
    ("dup label", "om", Ours::Refuses, "a label twice: Prometheus parses it, and its store refuses it"),
    (
        "__name__ label",
        "prom",
        Ours::Refuses,
        "a second metric name: Prometheus parses it, and its store refuses it",
    ),
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Ours {
    Accepts,
    Refuses,
}

#[test]
fn each_vector_is_read_as_by_prometheus_but_for_the_listed_differences() {
    let mut differing = 0;
    for line in VECTORS.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (name, input) = (row["name"].as_str().unwrap(), row["input"].as_str().unwrap());
        let listed = DIFFERENCES.iter().find(|d| d.0 == name && d.1 == row["format"]);
        let read = strict(input.as_bytes(), format(row["format"].as_str().unwrap()));
        let ours = if read.is_ok() { Ours::Accepts } else { Ours::Refuses };
        if let Some((.., expected, reason)) = listed {
            differing += 1;
            assert_eq!(ours, *expected, "{name}: {reason}");
            continue;
        }
        if name == "ts 99999999999999999999" && row["format"] == "om" {
            // Prometheus wraps such a timestamp around to the year -292275055; a date in the past is no answer
            assert_eq!(ours, Ours::Refuses, "{name}");
            continue;
        }
        assert_eq!(ours == Ours::Accepts, row["accepted"] == true, "{name} {input:?}: {:?}", read.err());
        if let Ok(read) = read {
            assert_eq!(read.samples, samples(&row), "{name} {input:?}");
            assert_eq!(read.metadata, metadata(&row), "{name} {input:?}");
        }
    }
    assert_eq!(differing, DIFFERENCES.len(), "a listed difference has no vector");
}

fn samples(row: &Value) -> Vec<Told> {
    let pair = |pair: &Value| (pair[0].as_str().unwrap().to_owned(), pair[1].as_str().unwrap().to_owned());
    let told = |sample: &Value| Told {
        raw: sample["raw"].as_str().unwrap().to_owned(),
        labels: sample["labels"].as_array().unwrap().iter().map(pair).collect(),
        value: go_float(sample["value"].as_str().unwrap()),
        timestamp_ms: sample["ts_ms"].as_i64(),
    };
    row["samples"].as_array().unwrap().iter().map(told).collect()
}

fn metadata(row: &Value) -> Vec<String> {
    let lines = row["meta"].as_array().map(Vec::as_slice).unwrap_or_default();
    lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}
