//! The parser against `prometheus-parse`, on the same body in one run, per sample.
//!
//! `cold` is a body never seen before; `steady` one whose lines stand where they stood, with other values.

use std::{hint::black_box, io};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use custom_metrics_adapter::exposition::{
    Dialect, Expected, Format, Line, Lines, Metadata, Options, Reading, SampleLine, Visitor, parse, read,
};

/// [`SAMPLES`] samples and 622 comments of real servers.
const BODY: &str = concat!(
    include_str!("../tests/vectors/expositions/node.txt"),
    include_str!("../tests/vectors/expositions/apiserver.txt"),
    include_str!("../tests/vectors/expositions/kcm.txt"),
    include_str!("../tests/vectors/expositions/etcd.txt"),
    include_str!("../tests/vectors/expositions/prometheus.txt"),
);
const SAMPLES: u64 = 729;

/// The same in protobuf, but for its order.
fn protobuf() -> Vec<u8> {
    [
        include_bytes!("../tests/vectors/expositions/node.protobuf").as_slice(),
        include_bytes!("../tests/vectors/expositions/apiserver.protobuf"),
        include_bytes!("../tests/vectors/expositions/kcm.protobuf"),
        include_bytes!("../tests/vectors/expositions/etcd.protobuf"),
        include_bytes!("../tests/vectors/expositions/prometheus.protobuf"),
    ]
    .concat()
}

/// What a scraper remembers of the last body: each line's text, in order; and the values of this one.
#[derive(Default)]
struct Shape {
    lines: Vec<(Box<[u8]>, bool)>,
    at: usize,
    values: Vec<f64>,
}

impl Shape {
    fn restart(&mut self) {
        self.at = 0;
        self.values.clear();
    }

    fn add(&mut self, text: &[u8], is_series: bool) {
        self.lines.push((text.into(), is_series));
        self.at = self.lines.len();
    }
}

impl Visitor for Shape {
    fn expected(&self) -> Expected<'_> {
        match self.lines.get(self.at) {
            Some((text, true)) => Expected::Series(text),
            Some((text, false)) => Expected::Comment(text),
            None => Expected::Unknown,
        }
    }

    fn recognised(&mut self, reading: Option<Reading>) {
        self.at += 1;
        self.values.extend(reading.map(|reading| reading.value));
    }

    fn sample(&mut self, sample: &SampleLine<'_>) {
        self.add(sample.series.as_str().as_bytes(), true);
        self.values.push(sample.reading.value);
    }

    fn metadata(&mut self, text: Option<&[u8]>, _: &Metadata<'_>) {
        if let Some(text) = text {
            self.add(text, false);
        }
    }
}

fn their_parse(body: &str) -> usize {
    let lines = body.lines().map(|line| io::Result::Ok(line.to_owned()));
    prometheus_parse::Scrape::parse(lines).map_or(0, |scrape| scrape.samples.len())
}

fn our_parse(body: &[u8], format: Format) -> usize {
    parse(body, format, Options::default()).map_or(0, |parsed| parsed.samples.len())
}

/// Every line by the full grammar, and all its labels, but no list of them.
fn labels(body: &str) -> usize {
    let mut lines = Lines::new(body.as_bytes(), Dialect::Text);
    let mut labels = 0;
    while let Some(Ok(line)) = lines.next_line() {
        if let Line::Sample(sample) = line {
            labels += sample.series.series().labels.len();
        }
    }
    labels
}

fn cold(criterion: &mut Criterion) {
    let protobuf = protobuf();
    let mut group = criterion.benchmark_group("cold");
    group.throughput(Throughput::Elements(SAMPLES));
    group.bench_function("prometheus-parse", |b| b.iter(|| their_parse(black_box(BODY))));
    group.bench_function("parse", |b| b.iter(|| our_parse(black_box(BODY.as_bytes()), Format::Text)));
    group.bench_function("labels", |b| b.iter(|| labels(black_box(BODY))));
    group.bench_function("protobuf", |b| b.iter(|| our_parse(black_box(&protobuf), Format::Protobuf)));
    group.finish();
}

fn steady(criterion: &mut Criterion) {
    let grown = |line| [line, if str::starts_with(line, "#") { "\n" } else { "7\n" }];
    let moved: String = BODY.lines().flat_map(grown).collect();
    let mut shape = Shape::default();
    let _ = read(BODY.as_bytes(), Format::Text, Options::default(), &mut shape);
    let mut group = criterion.benchmark_group("steady");
    group.throughput(Throughput::Elements(SAMPLES));
    group.bench_function("prometheus-parse", |b| b.iter(|| their_parse(black_box(&moved))));
    group.bench_function("read", |b| {
        b.iter(|| {
            shape.restart();
            read(black_box(moved.as_bytes()), Format::Text, Options::default(), &mut shape)
                .map(|read| read.samples)
        });
    });
    group.finish();
}

criterion_group!(benches, cold, steady);
criterion_main!(benches);
