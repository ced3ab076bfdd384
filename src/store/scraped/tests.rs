//! Scraped values through the store's door.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    model::{GroupResource, Presence, Quantity, Sample, Selector},
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
    let selector = Selector::parse(selector).unwrap();
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
    let [old, other, new] = ["1", "2", "3"].map(|name| store.target(options(name)));
    for at in 0..6 {
        scrape(&old, at * 15, &shape, &counted(at));
        scrape(&other, at * 15, &shape, &counted(at));
        assert!(store.budget().held() <= limit, "{}", store.budget().held());
    }
    let refused = new.append(Scrape::new(START, &shape, &counted(0)));
    assert!(matches!(refused, Err(AppendError::Bytes { limit: 40_000, new: 16_000, .. })), "{refused:?}");
    new.failed(&Failure { error: "full".into(), timed_out: false });
    let rate = ask(&store, "c5_per_second", "", 76).unwrap();
    assert_eq!(
        (rate.value.to_string().as_str(), rate.window_seconds),
        ("14013m", Some(15)),
        "of two targets"
    );
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
    let search = crate::store::Search { object: "web".into(), metric: "requests".into(), limit: 10 };
    let found = store.search(&search);
    assert_eq!(found.total, 1);
    let series = &found.series[0];
    assert_eq!((series.metric.as_str(), series.value.as_str()), ("http_requests_total", "7"));
    assert_eq!(series.labels.to_string(), "method=GET");
    assert_eq!(series.source, crate::store::Source::Scraped { target: "8080/metrics".into() });
    let everything = store.search(&crate::store::Search { limit: 1, ..Default::default() });
    assert_eq!((everything.total, everything.series.len()), (2, 1));
}

/// Reads of every listed name have a value or a reason that is not "no such metric".
fn assert_listed_are_known(store: &Store, at: i64) {
    for name in listed(store) {
        assert_ne!(ask(store, &name, "", at), Err(Absence::UnknownMetric), "{name}");
    }
}

#[test]
fn the_observations_of_a_summary_with_quantiles_are_read_as_they_are_listed() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let summary = shape(&[
        ("gc_seconds", SeriesKind::Quantile(0.5), &[("quantile", "0.5")]),
        ("gc_seconds", SeriesKind::Quantile(0.999), &[("quantile", "0.999")]),
        ("gc_seconds_sum", SeriesKind::Sum, &[]),
        ("gc_seconds_count", SeriesKind::Count, &[]),
    ]);
    scrape(&target, 0, &summary, &[0.1, 0.2, 5.0, 10.0]);
    scrape(&target, 15, &summary, &[0.1, 0.2, 8.0, 40.0]);
    assert_eq!(
        listed(&store),
        ["gc_seconds", "gc_seconds_avg", "gc_seconds_p50", "gc_seconds_p99.9", "gc_seconds_per_second"]
    );
    assert_eq!(value(&store, "gc_seconds_per_second", 16), "2");
    assert_eq!(value(&store, "gc_seconds_avg", 16), "100m");
    assert_eq!(
        (value(&store, "gc_seconds_p99.9", 16), value(&store, "gc_seconds_p999", 16)),
        ("200m".into(), "200m".into())
    );
    assert_listed_are_known(&store, 16);
}

#[test]
fn a_gauge_called_like_a_counters_total_does_not_hide_a_histograms_rate() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let both = shape(&[
        ("orders_total", SeriesKind::Gauge, &[]),
        ("orders_sum", SeriesKind::Sum, &[]),
        ("orders_count", SeriesKind::Count, &[]),
    ]);
    scrape(&target, 0, &both, &[7.0, 0.0, 0.0]);
    scrape(&target, 15, &both, &[7.0, 1.0, 30.0]);
    assert_eq!(value(&store, "orders_per_second", 16), "2");
    assert_eq!(value(&store, "orders_total", 16), "7");
}

#[test]
fn the_start_of_a_counter_is_neither_listed_nor_a_measurement_and_a_gauge_of_that_name_is() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let created = shape(&[
        ("orders_created", SeriesKind::Created, &[]),
        ("orders_total", SeriesKind::Counter, &[]),
        ("process_start_time_seconds", SeriesKind::Gauge, &[]),
    ]);
    scrape(&target, 0, &created, &[1_794_999_000.5, 3.0, 1_794_999_000.0]);
    assert_eq!(listed(&store), ["orders_per_second"]);
    let metric = "orders_created".to_owned();
    assert_eq!(ask(&store, "orders_created", "", 1), Err(Absence::CounterStart { metric }));
    scrape(&target, 15, &created, &[17.0, 3.0, 1_794_999_000.0]);
    assert_eq!(value(&store, "orders_created", 16), "17");
}

#[test]
fn a_label_set_that_falls_again_and_again_takes_the_sum_with_it() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let codes = shape(&[
        ("http_requests_total", SeriesKind::Counter, &[("code", "200")]),
        ("http_requests_total", SeriesKind::Counter, &[("code", "500")]),
        ("jobs_total", SeriesKind::Counter, &[]),
    ]);
    for (at, ok) in (0..).zip([10_000.0, 1_000_000.0, 10_150.0, 1_000_225.0, 10_300.0]) {
        scrape(&target, at * 15, &codes, &[ok, 0.0, 5.0]);
    }
    assert_eq!(ask(&store, "http_requests_per_second", "", 61), Err(Absence::NonMonotonic));
    assert_eq!(
        ask(&store, "http_requests_per_second", "code=500", 61),
        Err(Absence::NonMonotonic),
        "the whole metric"
    );
    assert_eq!(value(&store, "jobs_per_second", 61), "0", "and no other");
    for at in 5..9 {
        scrape(&target, at * 15, &codes, &[10_300.0, 0.0, 5.0]);
    }
    assert_eq!(
        ask(&store, "http_requests_per_second", "", 121),
        Err(Absence::NonMonotonic),
        "also after a window"
    );
}

#[test]
fn a_target_that_is_stale_takes_the_sum_of_its_pod_with_it_if_it_had_the_metric() {
    let store = Store::new(Limits::default());
    let (one, other) = (store.target(options("8080")), store.target(options("8081")));
    let requests = shape(&[("r_total", SeriesKind::Counter, &[])]);
    for at in [0, 15] {
        scrape(&one, at, &requests, &[f64::from(i32::try_from(at).unwrap()) * 50.0]);
        scrape(&other, at, &requests, &[f64::from(i32::try_from(at).unwrap()) * 50.0]);
    }
    assert_eq!(value(&store, "r_per_second", 16), "100");
    other.failed(&refused());
    for at in [30, 45, 60, 75] {
        scrape(&one, at, &requests, &[f64::from(i32::try_from(at).unwrap()) * 50.0]);
    }
    let stale = Absence::Stale { at: START + seconds(15), error: Some("connection refused".into()) };
    assert_eq!(ask(&store, "r_per_second", "", 76), Err(stale));
    let third = store.target(options("8082"));
    third.failed(&refused());
    drop(other);
    assert_eq!(value(&store, "r_per_second", 76), "50", "a target that never had it takes nothing");
}

#[test]
fn a_target_without_a_scrape_yet_may_have_any_metric() {
    let store = Store::new(Limits::default());
    let (one, other) = (store.target(options("8080")), store.target(options("8081")));
    let gauge = shape(&[("g", SeriesKind::Gauge, &[])]);
    scrape(&one, 0, &gauge, &[1.0]);
    assert_eq!(ask(&store, "g", "", 1), Err(Absence::NotScraped { error: None }));
    scrape(&other, 0, &gauge, &[2.0]);
    assert_eq!(value(&store, "g", 1), "3");
}

#[test]
fn a_target_whose_scrape_lacks_the_metric_takes_the_sum_with_it_for_a_window() {
    let store = Store::new(Limits::default());
    let (one, other) = (store.target(options("8080")), store.target(options("8081")));
    let gauge = shape(&[("g", SeriesKind::Gauge, &[])]);
    let nothing = shape(&[("up", SeriesKind::Gauge, &[])]);
    scrape(&one, 0, &gauge, &[1.0]);
    scrape(&other, 0, &gauge, &[2.0]);
    scrape(&one, 15, &gauge, &[1.0]);
    let lacking = Scrape { moved: Some(&[None]), ..Scrape::new(START + seconds(15), &nothing, &[0.0]) };
    other.append(lacking).unwrap();
    assert_eq!(ask(&store, "g", "", 16), Err(Absence::Lacking { at: START + seconds(15), seen: START }));
    for at in (30..100).step_by(15) {
        scrape(&one, at, &gauge, &[1.0]);
        scrape(&other, at, &nothing, &[0.0]);
    }
    assert_eq!(value(&store, "g", 91), "1");
}

#[test]
fn targets_that_mean_different_things_by_a_name_have_no_sum_whatever_their_order() {
    for names in [["8080", "8081"], ["8081", "8080"]] {
        let store = Store::new(Limits::default());
        let targets = names.map(|name| store.target(options(name)));
        let gauge = shape(&[("x_per_second", SeriesKind::Gauge, &[])]);
        let counter = shape(&[("x_total", SeriesKind::Counter, &[])]);
        for at in [0, 15] {
            scrape(&targets[0], at, &gauge, &[1.0]);
            scrape(&targets[1], at, &counter, &[1.0]);
        }
        let targets = "8080 and 8081".into();
        assert_eq!(ask(&store, "x_per_second", "", 16), Err(Absence::Mismatch { targets }));
    }
}

#[test]
fn an_average_leaves_a_label_set_out_of_sum_and_count_alike() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let lines: &[Line<'_>] = &[
        ("d_sum", SeriesKind::Sum, &[("handler", "a")]),
        ("d_count", SeriesKind::Count, &[("handler", "a")]),
        ("d_sum", SeriesKind::Sum, &[("handler", "b")]),
        ("d_count", SeriesKind::Count, &[("handler", "b")]),
    ];
    let shape = shape(lines);
    scrape(&target, 0, &shape, &[f64::NAN, 10.0, 0.0, 0.0]);
    scrape(&target, 15, &shape, &[f64::NAN, 40.0, 6.0, 30.0]);
    assert_eq!(value(&store, "d_avg", 16), "200m");
}

#[test]
fn a_histogram_without_an_inf_bucket_has_its_count_for_one() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let buckets: &[Line<'_>] =
        &[("d_bucket", SeriesKind::Bucket(1.0), &[]), ("d_bucket", SeriesKind::Bucket(2.0), &[])];
    let counted = shape(&[buckets, &[("d_count", SeriesKind::Count, &[])]].concat());
    scrape(&target, 0, &counted, &[0.0, 0.0, 0.0]);
    scrape(&target, 15, &counted, &[10.0, 20.0, 20.0]);
    assert_eq!(value(&store, "d_p75", 16), "1500m");
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let bounded = shape(buckets);
    scrape(&target, 0, &bounded, &[0.0, 0.0]);
    scrape(&target, 15, &bounded, &[10.0, 20.0]);
    assert_eq!(ask(&store, "d_p75", "", 16), Err(Absence::NoInfBucket));
}

#[test]
fn a_family_with_a_line_that_could_not_be_read_is_absent_and_its_history_goes_on() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let lines: &[Line<'_>] = &[
        ("r_total", SeriesKind::Counter, &[("a", "1")]),
        ("r_total", SeriesKind::Counter, &[("a", "2")]),
        ("g", SeriesKind::Gauge, &[]),
    ];
    let whole = shape(lines);
    let part = shape(&lines[1..]);
    scrape(&target, 0, &whole, &[1e9, 0.0, 1.0]);
    scrape(&target, 15, &whole, &[1e9 + 150.0, 75.0, 1.0]);
    let unreadable = [Unreadable { family: "r".into(), fault: "line 1: expected a value".into() }];
    let at = START + seconds(30);
    let cut = Scrape {
        moved: Some(&[Some(1), Some(2)]),
        unreadable: &unreadable,
        ..Scrape::new(at, &part, &[150.0, 2.0])
    };
    target.append(cut).unwrap();
    let fault = "line 1: expected a value".into();
    assert_eq!(ask(&store, "r_per_second", "", 31), Err(Absence::Unreadable { at, fault }));
    assert_eq!(value(&store, "g", 31), "2");
    let back = Scrape {
        moved: Some(&[None, Some(0), Some(1)]),
        ..Scrape::new(START + seconds(45), &whole, &[1e9 + 450.0, 225.0, 1.0])
    };
    target.append(back).unwrap();
    assert_eq!(value(&store, "r_per_second", 46), "15");
}

#[test]
fn a_value_has_the_time_of_its_sample_and_is_stale_by_it() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let gauge = shape(&[("queue", SeriesKind::Gauge, &[]), ("g", SeriesKind::Gauge, &[])]);
    let sampled = |at: i64, sampled: i64| {
        let times = [(0, (START + seconds(sampled)).as_millisecond())];
        target
            .append(Scrape { timestamps: &times, ..Scrape::new(START + seconds(at), &gauge, &[900.0, 1.0]) })
            .unwrap();
    };
    sampled(0, -20);
    assert_eq!(ask(&store, "queue", "", 1).unwrap().timestamp, START - seconds(20));
    assert_eq!(ask(&store, "queue", "", 30), Err(Absence::OldSample { at: START - seconds(20) }));
    assert_eq!(ask(&store, "g", "", 30).unwrap().timestamp, START);
    sampled(45, 45 + 3600);
    assert_eq!(ask(&store, "queue", "", 46), Err(Absence::TimeAhead { at: START + seconds(45 + 3600) }));
    let found = store.search(&crate::store::Search { limit: 10, ..Default::default() });
    assert_eq!(found.series[1].timestamp, START + seconds(45 + 3600));
}

#[test]
fn a_rate_of_samples_with_times_of_their_own_is_over_those_times() {
    let store = Store::new(Limits::default());
    let target = store.target(TargetOptions { max_age: seconds(120), ..options("8080") });
    let counter = shape(&[("r_total", SeriesKind::Counter, &[])]);
    for (at, sampled, value) in [(0, -10, 0.0), (15, -10, 0.0), (30, 20, 300.0), (45, 20, 300.0)] {
        let times = [(0, (START + seconds(sampled)).as_millisecond())];
        target
            .append(Scrape { timestamps: &times, ..Scrape::new(START + seconds(at), &counter, &[value]) })
            .unwrap();
    }
    let rate = ask(&store, "r_per_second", "", 46).unwrap();
    assert_eq!(
        (rate.value.to_string().as_str(), rate.window_seconds, rate.timestamp),
        ("10", Some(30), START + seconds(20))
    );
}

#[test]
fn a_metric_that_the_annotation_leaves_out_says_so() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let mut builder = ShapeBuilder::default();
    builder.add("g", SeriesKind::Gauge, []);
    builder.leave_out("r_total");
    scrape(&target, 0, &Arc::new(builder.build()), &[1.0]);
    let name = "r_total".to_owned();
    assert_eq!(ask(&store, "r_per_second", "", 1), Err(Absence::LeftOut { name }));
    assert_eq!(ask(&store, "g_per_second", "", 1), Err(Absence::NoCounter { name: "g".to_owned() }));
}

#[test]
fn a_value_below_a_thousandth_is_no_zero() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let gauge = shape(&[("seconds", SeriesKind::Gauge, &[])]);
    for (exposed, served) in [(0.000_25, "250u"), (0.001_4, "1400u"), (3e-9, "3n"), (0.25, "250m")] {
        scrape(&target, 0, &gauge, &[exposed]);
        assert_eq!(value(&store, "seconds", 1), served);
    }
}
