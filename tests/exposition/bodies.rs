//! Bodies of real servers, the same families in each format. `tests/oracles/exposition/README.md` says whence.

use std::collections::BTreeMap;

use custom_metrics_adapter::exposition::{Format, Options, Parsed, ParsedSample, Role, parse};

macro_rules! body {
    ($name:literal) => {
        include_bytes!(concat!("../vectors/expositions/", $name)).as_slice()
    };
}

/// Name, how many samples text and OpenMetrics hold, and the bodies.
type Bodies = (&'static str, usize, [(Format, &'static [u8]); 3]);

const BODIES: [Bodies; 6] = [
    (
        "apiserver",
        123,
        [
            (Format::Text, body!("apiserver.txt")),
            (Format::OpenMetrics, body!("apiserver.openmetrics")),
            (Format::Protobuf, body!("apiserver.protobuf")),
        ],
    ),
    (
        "kcm",
        135,
        [
            (Format::Text, body!("kcm.txt")),
            (Format::OpenMetrics, body!("kcm.openmetrics")),
            (Format::Protobuf, body!("kcm.protobuf")),
        ],
    ),
    (
        "etcd",
        162,
        [
            (Format::Text, body!("etcd.txt")),
            (Format::OpenMetrics, body!("etcd.openmetrics")),
            (Format::Protobuf, body!("etcd.protobuf")),
        ],
    ),
    (
        "prometheus",
        54,
        [
            (Format::Text, body!("prometheus.txt")),
            (Format::OpenMetrics, body!("prometheus.openmetrics")),
            (Format::Protobuf, body!("prometheus.protobuf")),
        ],
    ),
    (
        "synthetic",
        24,
        [
            (Format::Text, body!("synthetic.txt")),
            (Format::OpenMetrics, body!("synthetic.openmetrics")),
            (Format::Protobuf, body!("synthetic.protobuf")),
        ],
    ),
    // it has no OpenMetrics body, for its size
    (
        "node",
        255,
        [
            (Format::Text, body!("node.txt")),
            (Format::Text, body!("node.txt")),
            (Format::Protobuf, body!("node.protobuf")),
        ],
    ),
];

#[test]
fn real_bodies_are_read_whole_in_each_format_to_the_same_samples() {
    for (name, count, bodies) in BODIES {
        let [text, openmetrics, protobuf] = bodies.map(|(format, body)| read(body, format));
        assert_eq!(measured(&text).len(), count, "{name}");
        assert_same(&measured(&openmetrics), &measured(&text), name);
        assert_same(&measured(&protobuf), &measured(&text), name);
        assert_eq!(created(&protobuf), created(&openmetrics), "{name}: start times");
    }
}

#[test]
fn start_times_come_with_openmetrics_and_protobuf() {
    let (.., bodies) = BODIES[4];
    for (format, body) in &bodies[1..] {
        let parsed = read(body, *format);
        let created = created(&parsed);
        let names: Vec<&str> = created.iter().map(|(name, _)| name.split('[').next().unwrap()).collect();
        assert_eq!(
            names,
            ["latency_seconds_created", "requests_created", "requests_created", "size_bytes_created"]
        );
        let roles = parsed.samples.iter().filter(|sample| sample.membership.role == Role::Created);
        assert_eq!(roles.count(), created.len());
        assert!(created.iter().all(|(_, seconds)| seconds == "1520430000.123"), "{created:?}");
    }
}

fn assert_same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>, name: &str) {
    let lacks = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
        one.iter()
            .filter(|(key, value)| other.get(*key) != Some(value))
            .map(|(k, v)| format!("{k} {v}"))
            .collect()
    };
    assert_eq!((lacks(one, other), lacks(other, one)), (vec![], vec![]), "{name}");
}

fn read(body: &[u8], format: Format) -> Parsed<'_> {
    let parsed = parse(body, format, Options { strict: true }).unwrap();
    assert_eq!((parsed.duplicates, parsed.rejected.count, parsed.skipped.count), (0, 0, 0));
    parsed
}

/// Each series with its value and timestamp; without start times, which text does not have.
fn measured(parsed: &Parsed<'_>) -> BTreeMap<String, String> {
    let told = |sample: &ParsedSample<'_>| (key(sample), format!("{:?}", sample.reading));
    parsed.samples.iter().filter(|sample| !is_created(sample)).map(told).collect()
}

/// Start times to the millisecond: the Go library rounds them differently in its formats.
fn created(parsed: &Parsed<'_>) -> Vec<(String, String)> {
    let seconds = |sample: &ParsedSample<'_>| format!("{:.3}", sample.reading.value);
    let mut created: Vec<_> = parsed
        .samples
        .iter()
        .filter(|sample| is_created(sample))
        .map(|sample| (key(sample), seconds(sample)))
        .collect();
    created.sort();
    created
}

/// By name: the Go library calls a counter without `_total` unknown in OpenMetrics, but gives its start time.
fn is_created(sample: &ParsedSample<'_>) -> bool {
    sample.series.name.ends_with("_created")
}

fn key(sample: &ParsedSample<'_>) -> String {
    format!("{}{:?}", sample.series.name, sample.series.labels)
}
