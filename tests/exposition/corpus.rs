//! Two thousand bodies, and what the parsers of Prometheus 3.16 and of the Python client library make of them
//! (`tests/oracles/exposition` records them anew). Each difference falls under a rule, with its reason.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::view::{Told, format, go_float, strict};

const CORPUS: &str = include_str!("../vectors/exposition-corpus.jsonl");

struct Row {
    format: String,
    input: String,
    prometheus: Option<Vec<Told>>,
    python: Option<Vec<Told>>,
    ours: Option<Vec<Told>>,
}

/// Why we differ from Prometheus, and how to tell that this is the reason.
type Rule = (&'static str, fn(&Row) -> bool);

const RULES: [Rule; 11] = [
    ("an exemplar in text is checked and dropped", |row| {
        let has_exemplar = |line: &str| {
            !line.starts_with('#') && line.split_whitespace().collect::<Vec<_>>().join(" ").contains(" # {")
        };
        row.text() && row.prometheus.is_none() && row.ours.is_some() && row.input.lines().any(has_exemplar)
    }),
    ("a CR before the end of a line is dropped", |row| {
        let has_return = row.input.contains("\r\n") || row.input.ends_with('\r');
        row.text() && has_return && row.prometheus.is_none()
    }),
    ("leading blanks are no part of the metric name", |row| {
        let blank = |told: &Told| told.raw.starts_with([' ', '\t']);
        row.text() && row.prometheus.iter().flatten().any(blank)
    }),
    ("blanks around the word of a TYPE line are dropped", |row| {
        let is_loose = |(_, text): (&str, &str)| text.get(1..).is_some_and(|word| word != word.trim());
        row.text() && row.metadata().any(is_loose) && row.prometheus.is_none()
    }),
    ("a NUL at the start of a line does not end the body", |row| {
        row.text() && row.input.lines().any(|line| line.trim_start().starts_with('\0'))
    }),
    ("a metadata line without a name is bad", |row| row.input.contains("# TYPE \"\" ") && row.ours.is_none()),
    ("the name of a metadata line ends at a blank, not at any character", |row| {
        let is_glued = |(_, text): (&str, &str)| !text.is_empty() && !text.starts_with([' ', '\t']);
        row.text() && row.metadata().any(is_glued) && row.ours.is_none()
    }),
    ("the name of a sample ends at a blank or brace: `a.5` is no `a` of 0.5", |row| {
        let is_glued =
            |line: &str| split_name(line).is_some_and(|(_, text)| !text.starts_with([' ', '\t', '{']));
        row.text() && row.input.lines().any(is_glued) && row.ours.is_none()
    }),
    ("an OpenMetrics timestamp out of range does not wrap around", |row| {
        !row.text() && row.prometheus.iter().flatten().any(|told| told.timestamp_ms == Some(i64::MIN))
    }),
    ("OpenMetrics has no raw newline in quoted names, as it has none in values", |row| {
        let has_newline = |told: &Told| told.raw.contains('\n');
        !row.text() && row.prometheus.iter().flatten().any(has_newline)
    }),
    (
        "bounds are canonical by the family of the series, gauge histograms included, not by the last TYPE line",
        |row| {
            let plain = |samples: &Option<Vec<Told>>| {
                let strip = |told: &Told| Told { labels: BTreeMap::new(), ..told.clone() };
                samples.as_ref().map(|samples| samples.iter().map(strip).collect::<Vec<_>>())
            };
            let bound = ["le=", "quantile="].iter().any(|bound| row.input.contains(bound));
            bound && plain(&row.ours) == plain(&row.prometheus)
        },
    ),
];

/// Where Python differs from us though Prometheus does not, or by one of the rules above.
const PYTHON: [(&str, Side, &str); 6] = [
    (
        "prom",
        Side::OnlyPython,
        "its text parser ignores what follows the value, takes float timestamps, any label text and type",
    ),
    (
        "prom",
        Side::OnlyOurs,
        "it wants commas between labels, and ends a line at each newline, inside quotes too",
    ),
    ("prom", Side::Both, "it drops nothing from names and rewrites no bounds"),
    ("om", Side::OnlyPython, "it takes blanks in the braces, an overflow as infinity, a signed NaN"),
    (
        "om",
        Side::OnlyOurs,
        "it checks families as a whole: order, suffixes, buckets, exemplars; and knows no name in the braces alone",
    ),
    ("om", Side::Both, "it rewrites no bounds, and joins a series that stands twice"),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    OnlyOurs,
    OnlyPython,
    Both,
}

impl Row {
    fn text(&self) -> bool {
        self.format == "prom"
    }

    /// What TYPE and HELP lines say: the name, and what stands directly behind it.
    fn metadata(&self) -> impl Iterator<Item = (&str, &str)> {
        fn said(line: &str) -> Option<&str> {
            let text = line.trim_start().strip_prefix('#')?.trim_start();
            Some(text.strip_prefix("TYPE").or_else(|| text.strip_prefix("HELP"))?.trim_start())
        }
        self.input.lines().filter_map(said).filter_map(split_name)
    }

    fn rule(&self) -> Option<&'static str> {
        RULES.iter().find(|(_, applies)| applies(self)).map(|(reason, _)| *reason)
    }

    fn python_side(&self) -> Side {
        match (&self.ours, &self.python) {
            (Some(_), None) => Side::OnlyOurs,
            (None, Some(_)) => Side::OnlyPython,
            _ => Side::Both,
        }
    }
}

/// Splits a metric name, perhaps quoted, from what stands directly behind it.
fn split_name(text: &str) -> Option<(&str, &str)> {
    if let Some(inside) = text.strip_prefix('"') {
        return inside.split_once('"');
    }
    let end =
        text.find(|char: char| !(char.is_ascii_alphanumeric() || "_:".contains(char))).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[test]
fn each_body_is_read_as_by_prometheus_or_the_difference_has_a_reason() {
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows().filter(|row| row.ours != row.prometheus) {
        let rule = row.rule();
        assert!(rule.is_some(), "{:?}\n ours {:?}\n them {:?}", row.input, row.ours, row.prometheus);
        *used.entry(rule.unwrap()).or_default() += 1;
    }
    assert_eq!(used.len(), RULES.len(), "a rule without a case: {used:?}");
}

#[test]
fn where_python_differs_prometheus_settles_it() {
    let mut used: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows().filter(|row| plain(&row.ours) != plain(&row.python)) {
        let settled = row.ours == row.prometheus || row.rule().is_some();
        assert!(settled, "{:?}\n ours {:?}\n them {:?}", row.input, row.ours, row.python);
        let side = row.python_side();
        assert!(
            PYTHON.iter().any(|(format, listed, _)| *format == row.format && *listed == side),
            "{:?}",
            row.input
        );
        *used.entry(format!("{} {side:?}", row.format)).or_default() += 1;
    }
    assert_eq!(used.len(), PYTHON.len(), "a reason without a case: {used:?}");
}

fn plain(samples: &Option<Vec<Told>>) -> Option<Vec<Told>> {
    let strip = |told: &Told| Told { raw: String::new(), ..told.clone() };
    samples.as_ref().map(|samples| samples.iter().map(strip).collect())
}

fn rows() -> impl Iterator<Item = Row> {
    CORPUS.lines().map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| row[key].as_str().unwrap().to_owned();
        let prometheus = samples(&row["prometheus"]);
        let python = if row["python"] == "=" { prometheus.clone() } else { samples(&row["python"]) };
        let input = text("input");
        let ours = strict(input.as_bytes(), format(&text("format"))).ok().map(|read| read.samples);
        Row { format: text("format"), input, prometheus, python, ours }
    })
}

fn samples(answer: &Value) -> Option<Vec<Told>> {
    let told = |sample: &Value| Told {
        raw: sample[0].as_str().unwrap_or_default().to_owned(),
        labels: sample[1]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        value: go_float(sample[2].as_str().unwrap()),
        timestamp_ms: sample[3].as_i64(),
    };
    answer.as_array().map(|samples| samples.iter().map(told).collect())
}
