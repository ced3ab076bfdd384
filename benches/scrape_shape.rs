//! What reading a body costs: the steady way, the full parse, and `prometheus-parse` beside them. Each time is that of
//! one whole body; criterion's throughput is in lines with a sample.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]

#[path = "scrape-load/page.rs"]
mod page;

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use custom_metrics_adapter::{
    exposition::Format,
    scrape::{
        allow::AllowList,
        template::{self, Rules, Templates},
    },
};

const SERIES: usize = 1016;

fn pages() -> [String; 2] {
    [100, 101].map(|tick| {
        let mut page = String::new();
        page::write(&mut page, SERIES, tick);
        page
    })
}

fn scrape(criterion: &mut Criterion) {
    let [first, second] = pages();
    let templates = Templates::default();
    let mut values = Vec::new();
    let mut group = criterion.benchmark_group("body");
    group.throughput(Throughput::Elements(SERIES as u64));
    let some = Rules { allow: Arc::new(AllowList::parse("queue_*").unwrap()), ..Rules::default() };
    for (name, rules) in [("steady", Rules::default()), ("steady, few wanted", some)] {
        let room = (&templates, &mut values);
        let last = template::read(first.as_bytes(), Format::Text, &rules, None, room).unwrap().template;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let room = (&templates, &mut values);
                template::read(black_box(second.as_bytes()), Format::Text, &rules, Some(&last), room).unwrap()
            });
        });
    }
    group.bench_function("full parse and template", |bencher| {
        bencher.iter(|| {
            let room = (&templates, &mut values);
            let rules = Rules::default();
            template::read(black_box(second.as_bytes()), Format::Text, &rules, None, room).unwrap()
        });
    });
    group.bench_function("prometheus-parse", |bencher| {
        bencher.iter(|| {
            let lines = black_box(&second).lines().map(|line| Ok(line.to_owned()));
            prometheus_parse::Scrape::parse(lines).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);
