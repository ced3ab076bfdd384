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
