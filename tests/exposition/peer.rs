//! `prometheus-parse`, on bodies in which it can be relied on: what real servers send, without escapes in label
//! values, colons in names, or braces in values, all of which it gets wrong.

use std::collections::BTreeMap;

use custom_metrics_adapter::exposition::{Format, Options, parse};
use prometheus_parse::{Scrape, Value};

/// Name and labels.
type Key = (String, BTreeMap<String, String>);

#[test]
fn real_bodies_hold_what_prometheus_parse_finds_in_them() {
    for body in [
        include_str!("../vectors/expositions/node.txt"),
        include_str!("../vectors/expositions/prometheus.txt"),
    ] {
        let simple: String =
            body.lines().filter(|line| !line.contains('\\')).flat_map(|line| [line, "\n"]).collect();
        let theirs = theirs(&simple);
        assert!(theirs.len() > 40);
        assert_eq!(ours(&simple), theirs);
    }
}

fn ours(body: &str) -> BTreeMap<Key, String> {
    let parsed = parse(body.as_bytes(), Format::Text, Options { strict: true }).unwrap();
    parsed
        .samples
        .iter()
        .map(|sample| {
            let labels =
                sample.series.labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            ((sample.series.name.to_string(), labels.collect()), format!("{:?}", sample.reading.value))
        })
        .collect()
}

fn theirs(body: &str) -> BTreeMap<Key, String> {
    let scrape = Scrape::parse(body.lines().map(|line| Ok(line.to_owned()))).unwrap();
    let mut found = BTreeMap::new();
    for sample in scrape.samples {
        let labels: BTreeMap<String, String> = sample
            .labels
            .iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let mut put = |suffix: &str, bound: Option<(&str, f64)>, value: f64| {
            let mut labels = labels.clone();
            if let Some((name, bound)) = bound {
                let bound = custom_metrics_adapter::exposition::canonical_float(bound);
                labels.insert(name.to_owned(), bound);
            }
            found.insert((format!("{}{suffix}", sample.metric), labels), format!("{value:?}"));
        };
        match sample.value {
            Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => put("", None, value),
            Value::Histogram(buckets) => {
                buckets
                    .iter()
                    .for_each(|bucket| put("_bucket", Some(("le", bucket.less_than)), bucket.count));
            }
            Value::Summary(quantiles) => {
                quantiles.iter().for_each(|q| put("", Some(("quantile", q.quantile)), q.count));
            }
        }
    }
    found
}

/// ADR 15 says why it feeds no autoscaler; these are its figures.
#[test]
fn what_prometheus_parse_makes_of_the_corpus_is_as_the_decision_says() {
    let mut tally = Tally::default();
    let corpus = include_str!("../vectors/exposition-corpus.jsonl").lines();
    for row in corpus.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        if row["format"] == "prom" {
            tally.add(row["input"].as_str().unwrap(), row["prometheus"].as_array());
        }
    }
    let said = format!(
        "Of {} bodies that Prometheus accepts it reads {} as Prometheus does; of their {} samples it lacks {}, or has them \
         under another name or label. Of {} bodies that Prometheus refuses it refuses {}.",
        tally.accepted, tally.equal, tally.samples, tally.lacking, tally.refused, tally.refused_too
    );
    let decision = include_str!("../../docs/adr/0015-prometheus-parse-is-the-oracle.md");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(decision).contains(&words(&said)), "{said}");
}

#[derive(Default)]
struct Tally {
    accepted: usize,
    equal: usize,
    samples: usize,
    lacking: usize,
    refused: usize,
    refused_too: usize,
}

impl Tally {
    fn add(&mut self, input: &str, prometheus: Option<&Vec<serde_json::Value>>) {
        let read = Scrape::parse(input.lines().map(|line| Ok(line.to_owned())));
        let Some(prometheus) = prometheus else {
            self.refused += 1;
            self.refused_too += usize::from(read.is_err());
            return;
        };
        let theirs: Vec<Key> = read.map(keys).unwrap_or_default();
        let wanted: Vec<Key> = prometheus.iter().map(recorded).collect();
        let lacking = wanted.iter().filter(|sample| !theirs.contains(sample)).count();
        self.accepted += 1;
        self.samples += wanted.len();
        self.lacking += lacking;
        self.equal += usize::from(lacking == 0 && theirs.len() == wanted.len());
    }
}

/// A sample of Prometheus: how it stands in the body, its labels, its value, and its timestamp.
fn recorded(sample: &serde_json::Value) -> Key {
    let mut labels: BTreeMap<String, String> = serde_json::from_value(sample[1].clone()).unwrap();
    (labels.remove("__name__").unwrap_or_default(), labels)
}

/// Its histograms and summaries are series of one sample each for Prometheus.
fn keys(scrape: Scrape) -> Vec<Key> {
    scrape.samples.into_iter().flat_map(series).collect()
}

fn series(sample: prometheus_parse::Sample) -> Vec<Key> {
    let labels: BTreeMap<String, String> =
        sample.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let of = |name: String, bound: Option<(&str, f64)>| {
        let bound = bound.map(|(name, bound)| {
            (name.to_owned(), custom_metrics_adapter::exposition::canonical_float(bound))
        });
        (name, labels.clone().into_iter().chain(bound).collect())
    };
    match sample.value {
        Value::Counter(_) | Value::Gauge(_) | Value::Untyped(_) => vec![of(sample.metric, None)],
        Value::Histogram(buckets) => buckets
            .iter()
            .map(|bucket| of(format!("{}_bucket", sample.metric), Some(("le", bucket.less_than))))
            .collect(),
        Value::Summary(quantiles) => {
            quantiles.iter().map(|q| of(sample.metric.clone(), Some(("quantile", q.quantile)))).collect()
        }
    }
}
