//! Scraped values through the store's door.

mod options;
mod wholeness;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    model::{GroupResource, MetricSelector, Presence, Quantity, Sample},
    store::{Held, Limits, Query, Write},
};

const START: Timestamp = Timestamp::constant(1_795_000_000, 0);

fn pod() -> ObjectRef {
    ObjectRef { resource: GroupResource::pods(), namespace: Some("default".into()), name: "web-0".into() }
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn options(name: &str) -> TargetOptions {
    TargetOptions {
        object: pod(),
        uid: Uid("a".into()),
        created: START,
        name: name.into(),
        interval: seconds(15),
        window: seconds(60),
        max_age: seconds(45),
        max_age_after_timeout: seconds(60),
        fold: Fold::Sum,
        raw_counters: false,
        derived: Arc::default(),
    }
}

type Line<'a> = (&'a str, SeriesKind, &'a [(&'a str, &'a str)]);

fn shape(lines: &[Line<'_>]) -> Arc<Shape> {
    let mut builder = ShapeBuilder::default();
    for (name, kind, labels) in lines {
        builder.add(name, *kind, labels.iter().copied());
    }
    Arc::new(builder.build())
}

fn refused() -> Failure {
    Failure { error: "connection refused".into(), timed_out: false }
}

fn scrape(target: &Target, at: i64, shape: &Arc<Shape>, values: &[f64]) {
    target.append(Scrape::new(START + seconds(at), shape, values)).unwrap();
}

fn ask(store: &Store, metric: &str, selector: &str, at: i64) -> Result<Sample, Absence> {
    let selector = MetricSelector::parse(selector).unwrap();
    let query = Query { presence: &Presence::Unknown, selector: &selector, now: START + seconds(at) };
    store.read(&pod(), &MetricName::new(metric).unwrap(), query).map(|value| value.sample)
}

fn value(store: &Store, metric: &str, at: i64) -> String {
    ask(store, metric, "", at).unwrap().value.to_string()
}

#[test]
fn a_gauge_is_its_newest_value_without_a_window() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("queue_depth", SeriesKind::Gauge, &[])]), &[7.5]);
    let sample = ask(&store, "queue_depth", "", 10).unwrap();
    assert_eq!((sample.value.to_string().as_str(), sample.window_seconds), ("7500m", Some(0)));
    assert_eq!(sample.timestamp, START);
}

#[test]
fn a_counter_answers_as_a_rate_over_the_time_between_scrapes() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let shape = shape(&[
        ("http_requests_total", SeriesKind::Counter, &[("method", "GET")]),
        ("http_requests_total", SeriesKind::Counter, &[("method", "POST")]),
    ]);
    scrape(&target, 0, &shape, &[1000.0, 0.0]);
    assert_eq!(ask(&store, "http_requests_per_second", "", 1), Err(Absence::Early));
    scrape(&target, 15, &shape, &[1150.0, 15.0]);
    let sample = ask(&store, "http_requests_per_second", "", 16).unwrap();
    assert_eq!((sample.value.to_string().as_str(), sample.window_seconds), ("11", Some(15)));
    let get = ask(&store, "http_requests_per_second", "method=GET", 16).unwrap();
    assert_eq!(get.value.to_string(), "10");
    assert_eq!(ask(&store, "http_requests_per_second", "method=PUT", 16), Err(Absence::NoSeries));
    let instead = "http_requests_per_second".to_owned();
    assert_eq!(ask(&store, "http_requests_total", "", 16), Err(Absence::RawCounter { instead }));
}

fn listed(store: &Store) -> Vec<String> {
    store.catalog().metrics.iter().map(|(_, name)| name.to_string()).collect()
}

#[test]
fn a_raw_counter_is_listed_and_read_only_if_the_pod_asks_for_it() {
    let jobs = shape(&[("jobs_total", SeriesKind::Counter, &[])]);
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &jobs, &[1.0]);
    assert_eq!(listed(&store), ["jobs_per_second"]);
    let store = Store::new(Limits::default());
    let target = store.target(TargetOptions { raw_counters: true, ..options("8080") });
    scrape(&target, 0, &jobs, &[1.0]);
    assert_eq!(listed(&store), ["jobs_per_second", "jobs_total"]);
    assert_eq!(value(&store, "jobs_total", 1), "1");
}

#[test]
fn a_histogram_answers_quantiles_mean_and_rate_of_the_window() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let lines: &[Line<'_>] = &[
        ("d_bucket", SeriesKind::Bucket(0.1), &[]),
        ("d_bucket", SeriesKind::Bucket(0.5), &[]),
        ("d_bucket", SeriesKind::Bucket(f64::INFINITY), &[]),
        ("d_sum", SeriesKind::Sum, &[]),
        ("d_count", SeriesKind::Count, &[]),
    ];
    let shape = shape(lines);
    scrape(&target, 0, &shape, &[100.0, 100.0, 100.0, 5.0, 100.0]);
    scrape(&target, 15, &shape, &[100.0, 130.0, 130.0, 14.0, 130.0]);
    assert_eq!(value(&store, "d_p50", 16), "300m");
    assert_eq!(value(&store, "d_p99.9", 16), "500m");
    assert_eq!(value(&store, "d_avg", 16), "300m");
    assert_eq!(value(&store, "d_per_second", 16), "2");
    scrape(&target, 30, &shape, &[100.0, 130.0, 130.0, 14.0, 130.0]);
}

#[test]
fn an_idle_histogram_has_no_quantile_rather_than_zero() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let shape = shape(&[
        ("d_bucket", SeriesKind::Bucket(1.0), &[]),
        ("d_bucket", SeriesKind::Bucket(f64::INFINITY), &[]),
    ]);
    scrape(&target, 0, &shape, &[5.0, 6.0]);
    scrape(&target, 15, &shape, &[5.0, 6.0]);
    assert_eq!(ask(&store, "d_p99", "", 16), Err(Absence::NoObservations));
}

#[test]
fn a_summary_answers_the_quantile_that_it_publishes() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let shape = shape(&[
        ("rpc", SeriesKind::Quantile(0.5), &[("quantile", "0.5")]),
        ("rpc", SeriesKind::Quantile(0.99), &[("quantile", "0.99")]),
    ]);
    scrape(&target, 0, &shape, &[0.1, 0.9]);
    assert_eq!(value(&store, "rpc_p99", 1), "900m");
    assert_eq!(ask(&store, "rpc", "quantile=0.5", 1).unwrap().value.to_string(), "100m");
    assert_eq!(ask(&store, "rpc_p95", "", 1), Err(Absence::UnknownMetric));
}

#[test]
fn a_value_that_is_no_number_is_absent_and_never_zero() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("temperature", SeriesKind::Gauge, &[])]), &[f64::NAN]);
    assert_eq!(ask(&store, "temperature", "", 1), Err(Absence::NotANumber));
}

#[test]
fn old_values_are_served_until_their_age_limit_and_then_say_why_not() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("g", SeriesKind::Gauge, &[])]), &[1.0]);
    target.failed(&refused());
    assert_eq!(value(&store, "g", 45), "1");
    let stale = ask(&store, "g", "", 46);
    assert_eq!(stale, Err(Absence::Stale { at: START, error: Some("connection refused".into()) }));
}

#[test]
fn after_a_timeout_values_are_served_for_a_window() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("g", SeriesKind::Gauge, &[])]), &[1.0]);
    target.failed(&Failure { error: "timed out".into(), timed_out: true });
    assert_eq!(value(&store, "g", 60), "1");
    assert!(matches!(ask(&store, "g", "", 61), Err(Absence::Stale { .. })));
    target.failed(&refused());
    assert!(matches!(ask(&store, "g", "", 60), Err(Absence::Stale { .. })), "of a process that is gone");
}

#[test]
fn targets_of_one_pod_fold_into_one_value_dated_by_the_oldest() {
    let store = Store::new(Limits::default());
    let (first, second) = (store.target(options("8080")), store.target(options("9090")));
    let shape = shape(&[("g", SeriesKind::Gauge, &[])]);
    scrape(&first, 0, &shape, &[1.0]);
    scrape(&second, 5, &shape, &[2.0]);
    let sample = ask(&store, "g", "", 6).unwrap();
    assert_eq!((sample.value.to_string().as_str(), sample.timestamp), ("3", START));
}

#[test]
fn folds_other_than_the_sum_are_taken_after_the_rates() {
    let store = Store::new(Limits::default());
    let target = store.target(TargetOptions { fold: Fold::Max, ..options("8080") });
    let shape = shape(&[
        ("c_total", SeriesKind::Counter, &[("a", "1")]),
        ("c_total", SeriesKind::Counter, &[("a", "2")]),
    ]);
    scrape(&target, 0, &shape, &[1000.0, 0.0]);
    scrape(&target, 10, &shape, &[1010.0, 50.0]);
    assert_eq!(value(&store, "c_per_second", 11), "5");
}

#[test]
fn a_written_value_wins_over_a_scraped_one() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("g", SeriesKind::Gauge, &[])]), &[1.0]);
    let sample = Sample { value: Quantity::parse("5").unwrap(), timestamp: START, window_seconds: None };
    let metric = MetricName::new("g").unwrap();
    let write = Write {
        subject: pod().into(),
        uid: None,
        metric,
        labels: Default::default(),
        sample,
        ttl: Some(seconds(5)),
    };
    store.append(vec![write], START).unwrap();
    assert_eq!(value(&store, "g", 4), "5");
    assert_eq!(value(&store, "g", 6), "1", "once the written one has expired");
}

#[test]
fn a_metric_that_a_good_scrape_lacks_is_absent_and_says_since_when() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("a", SeriesKind::Gauge, &[]), ("b", SeriesKind::Gauge, &[])]), &[1.0, 2.0]);
    let less = shape(&[("b", SeriesKind::Gauge, &[])]);
    let moved = [Some(1)];
    let at = START + seconds(15);
    target.append(Scrape { moved: Some(&moved), ..Scrape::new(at, &less, &[3.0]) }).unwrap();
    assert_eq!(ask(&store, "a", "", 16), Err(Absence::Lacking { at, seen: START }));
    assert_eq!(value(&store, "b", 16), "3");
    assert_eq!(store.stats().scraped.series, 1);
}

#[test]
fn a_target_that_ends_takes_everything_with_it() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("g", SeriesKind::Gauge, &[])]), &[1.0]);
    drop(target);
    assert_eq!(ask(&store, "g", "", 1), Err(Absence::UnknownMetric));
    assert_eq!(store.stats().scraped, Held::default());
    assert_eq!((store.stats().objects, store.catalog().metrics.len()), (0, 0));
}

#[test]
fn forgetting_a_pod_takes_its_targets_out_even_while_one_is_being_scraped() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let shape = shape(&[("g", SeriesKind::Gauge, &[])]);
    scrape(&target, 0, &shape, &[1.0]);
    store.forget(&pod(), &Uid("a".into()));
    assert_eq!(ask(&store, "g", "", 1), Err(Absence::UnknownMetric));
    scrape(&target, 15, &shape, &[1.0]);
    assert_eq!(ask(&store, "g", "", 16), Err(Absence::UnknownMetric));
    drop(target);
    assert_eq!(store.stats().scraped, Held::default());
}

#[test]
fn a_scrape_past_the_series_limit_changes_nothing() {
    let store = Store::new(Limits { scraped_series: 1, ..Limits::default() });
    let target = store.target(options("8080"));
    let (one, two) = (
        shape(&[("a", SeriesKind::Gauge, &[])]),
        shape(&[("a", SeriesKind::Gauge, &[]), ("b", SeriesKind::Gauge, &[])]),
    );
    scrape(&target, 0, &one, &[1.0]);
    let moved = [Some(0), None];
    let scrape = Scrape { moved: Some(&moved), ..Scrape::new(START, &two, &[9.0, 9.0]) };
    assert!(matches!(target.append(scrape), Err(AppendError::Full { limit: 1, .. })));
    assert_eq!(value(&store, "a", 1), "1");
}

/// Counters by number.
fn counters(count: usize) -> Arc<Shape> {
    let mut builder = ShapeBuilder::default();
    for n in 0..count {
        builder.add(&format!("c{n}_total"), SeriesKind::Counter, []);
    }
    Arc::new(builder.build())
}

/// What a thousand counters have counted: nothing that a row of differences could be short for.
fn counted(scrape: i64) -> Vec<f64> {
    let scrape = i32::try_from(scrape).unwrap();
    (0..1_000).map(|n| f64::from(n) * 0.3 + f64::from(scrape) * 105.1).collect()
}

#[test]
fn targets_that_came_at_once_keep_their_rates_when_all_bytes_are_taken() {
    let (limit, shape) = (30_000, counters(1_000));
    let store = Store::new(Limits { scraped_bytes: limit, ..Limits::default() });
    let targets = ["1", "2"].map(|name| store.target(TargetOptions { fold: Fold::Max, ..options(name) }));
    for at in 0..10 {
        targets.iter().for_each(|target| scrape(target, at * 15, &shape, &counted(at)));
        assert!(store.budget().held() <= limit + 9_000, "{}", store.budget().held());
    }
    let held = targets.map(|target| {
        let rate = ask(&store, "c5_per_second", "", 136).map(|rate| rate.window_seconds);
        drop(target);
        rate
    });
    assert_eq!(held, [Ok(Some(15)), Ok(Some(15))], "of both, then of the second alone");
}

#[test]
fn past_the_limit_of_bytes_no_target_is_new_and_those_that_are_there_shorten_their_past() {
    let (limit, shape) = (40_000, counters(1_000));
    let store = Store::new(Limits { scraped_bytes: limit, ..Limits::default() });
    let [old, other] = ["1", "2"].map(|name| store.target(options(name)));
    for at in 0..6 {
        scrape(&old, at * 15, &shape, &counted(at));
        scrape(&other, at * 15, &shape, &counted(at));
        assert!(store.budget().held() <= limit, "{}", store.budget().held());
    }
    let rate = ask(&store, "c5_per_second", "", 76).unwrap();
    assert_eq!(
        (rate.value.to_string().as_str(), rate.window_seconds),
        ("14013m", Some(15)),
        "of two targets"
    );
    let new = store.target(options("3"));
    let refused = new.append(Scrape::new(START, &shape, &counted(0)));
    assert!(matches!(refused, Err(AppendError::Bytes { limit: 40_000, new: 16_000, .. })), "{refused:?}");
    new.failed(&Failure { error: "full".into(), timed_out: false });
    drop((old, other));
    assert_eq!(store.budget().held(), 0);
    scrape(&new, 0, &shape, &counted(0));
    scrape(&new, 15, &shape, &counted(1));
    assert_eq!(ask(&store, "c5_per_second", "", 16).unwrap().window_seconds, Some(15));
}

#[test]
fn a_search_shows_series_as_exposed_with_their_source() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080/metrics"));
    let shape = shape(&[
        ("http_requests_total", SeriesKind::Counter, &[("method", "GET")]),
        ("queue_depth", SeriesKind::Gauge, &[]),
    ]);
    scrape(&target, 0, &shape, &[7.0, f64::NAN]);
    let search = crate::store::Search {
        object: "web".into(),
        metric: "requests".into(),
        limit: 10,
        ..Default::default()
    };
    let found = store.search(&search, START, &|_| Presence::Unknown);
    assert_eq!(found.total, 1);
    let series = &found.series[0];
    assert_eq!((series.metric.as_str(), series.value.as_str()), ("http_requests_total", "7"));
    assert_eq!(series.labels.to_string(), "method=GET");
    assert_eq!(series.source, crate::store::Source::Scraped { target: "8080/metrics".into() });
    let everything =
        store.search(&crate::store::Search { limit: 1, ..Default::default() }, START, &|_| Presence::Unknown);
    assert_eq!((everything.total, everything.series.len()), (2, 1));
}
