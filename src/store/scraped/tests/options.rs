//! What an HPA's selector asks of scraped values.

use super::*;

const OVER: &str = "custom-metrics-adapter/over";
const WINDOW: &str = "custom-metrics-adapter/window";
const FOLD: &str = "custom-metrics-adapter/fold";
const SCALE: &str = "custom-metrics-adapter/scale";

fn queues() -> Arc<Shape> {
    shape(&[
        ("queue_depth", SeriesKind::Gauge, &[("queue", "jobs")]),
        ("queue_depth", SeriesKind::Gauge, &[("queue", "mail")]),
    ])
}

fn requests() -> Arc<Shape> {
    shape(&[("http_requests_total", SeriesKind::Counter, &[])])
}

fn told(store: &Store, metric: &str, selector: &str, at: i64) -> (String, Option<u32>) {
    let sample = ask(store, metric, selector, at).unwrap();
    (sample.value.to_string(), sample.window_seconds)
}

/// Scrapes each 15 s from `from` to `to`; of each the values are computed from its moment.
fn scrapes(target: &Target, shape: &Arc<Shape>, (from, to): (i64, i64), values: impl Fn(i64) -> Vec<f64>) {
    (from..=to).step_by(15).for_each(|at| scrape(target, at, shape, &values(at)));
}

#[test]
fn a_fold_in_the_selector_goes_before_the_pods_own() {
    let queues = queues();
    let store = Store::new(Limits::default());
    let target = store.target(TargetOptions { fold: Fold::Min, ..options("8080") });
    scrape(&target, 0, &queues, &[7.0, 3.0]);
    for (selector, wanted) in [("", "3"), ("sum", "10"), ("avg", "5"), ("max", "7"), ("min", "3")] {
        let selector = if selector.is_empty() { String::new() } else { format!("{FOLD}={selector}") };
        assert_eq!(told(&store, "queue_depth", &selector, 1), (wanted.to_owned(), Some(0)), "{selector}");
    }
    let scaled = format!("{FOLD}=max,{SCALE}=100,queue=mail");
    assert_eq!(told(&store, "queue_depth", &scaled, 1).0, "300");
}

#[test]
fn a_scale_is_applied_before_a_small_value_is_rounded() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrape(&target, 0, &shape(&[("ratio", SeriesKind::Gauge, &[])]), &[0.123_456_7]);
    assert_eq!(told(&store, "ratio", &format!("{SCALE}=100"), 1).0, "12346m");
}

#[test]
fn a_gauge_over_a_window_is_absent_until_the_window_is_full_and_then_of_all_its_values() {
    let queues = queues();
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let depth = |at: i64| vec![if at == 150 { 100.0 } else { 10.0 }, 0.0];
    scrapes(&target, &queues, (0, 120), depth);
    let max = format!("{OVER}=max,{WINDOW}=2m");
    let short = Err(Absence::ShortWindow { seconds: 120 });
    assert_eq!(ask(&store, "queue_depth", &max, 121), short);
    scrapes(&target, &queues, (135, 225), depth);
    assert_eq!(ask(&store, "queue_depth", &max, 226), short);
    scrapes(&target, &queues, (240, 240), depth);
    assert_eq!(told(&store, "queue_depth", &max, 241), ("100".to_owned(), Some(120)));
    assert_eq!(told(&store, "queue_depth", &format!("{OVER}=avg,{WINDOW}=2m"), 241).0, "20");
    assert_eq!(told(&store, "queue_depth", &format!("{OVER}=min,{WINDOW}=2m"), 241).0, "10");
    assert_eq!(told(&store, "queue_depth", &format!("{OVER}=max,{WINDOW}=1m"), 241).0, "10");
    assert_eq!(told(&store, "queue_depth", "", 241), ("10".to_owned(), Some(0)));
    scrapes(&target, &queues, (255, 285), depth);
    assert_eq!(told(&store, "queue_depth", &max, 286).0, "10");
}

#[test]
fn what_nobody_asks_for_any_more_is_forgotten() {
    let queues = queues();
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let max = format!("{OVER}=max,{WINDOW}=5m");
    scrape(&target, 0, &queues, &[0.0, 0.0]);
    assert!(ask(&store, "queue_depth", &max, 1).is_err());
    let moving = |at: i64| vec![at as f64 + 0.5, -(at as f64) / 3.0];
    scrapes(&target, &queues, (15, 600), moving);
    let held = store.stats().scraped.bytes;
    scrapes(&target, &queues, (615, 915), moving);
    let after = store.stats().scraped.bytes;
    assert!(after < held / 2, "{after} of {held}");
    assert_eq!(ask(&store, "queue_depth", &max, 916), Err(Absence::ShortWindow { seconds: 300 }));
}

#[test]
fn a_rate_over_a_longer_window_is_absent_until_it_is_full_and_others_see_no_difference() {
    let requests = requests();
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    // One a second, and ten of them from the third minute on.
    let count = |at: i64| vec![if at <= 300 { at as f64 } else { 300.0 + 10.0 * (at - 300) as f64 }];
    scrapes(&target, &requests, (0, 120), count);
    let long = format!("{WINDOW}=5m");
    assert_eq!(
        ask(&store, "http_requests_per_second", &long, 121),
        Err(Absence::ShortWindow { seconds: 300 })
    );
    scrapes(&target, &requests, (135, 360), count);
    assert_eq!(told(&store, "http_requests_per_second", &long, 361), ("2800m".to_owned(), Some(300)));
    assert_eq!(told(&store, "http_requests_per_second", "", 361), ("10".to_owned(), Some(60)));
    let short = format!("{WINDOW}=30s,{SCALE}=60");
    assert_eq!(told(&store, "http_requests_per_second", &short, 361), ("600".to_owned(), Some(30)));
}

#[test]
fn a_window_shorter_than_two_intervals_is_two_intervals_and_says_so() {
    let requests = requests();
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    scrapes(&target, &requests, (0, 60), |at| vec![at as f64]);
    assert_eq!(told(&store, "http_requests_per_second", &format!("{WINDOW}=1s"), 61).1, Some(30));
}

#[test]
fn what_has_no_meaning_is_absent_with_its_reason() {
    let store = Store::new(Limits::default());
    let target = store.target(TargetOptions { interval: seconds(1), ..options("8080") });
    let lines: &[Line<'_>] = &[
        ("queue_depth", SeriesKind::Gauge, &[]),
        ("http_requests_total", SeriesKind::Counter, &[]),
        ("latency_seconds_bucket", SeriesKind::Bucket(1.0), &[("le", "1")]),
        ("latency_seconds_bucket", SeriesKind::Bucket(f64::INFINITY), &[("le", "+Inf")]),
        ("latency_seconds_count", SeriesKind::Count, &[]),
    ];
    let shape = shape(lines);
    for at in 0..70 {
        let count = at as f64;
        scrape(&target, at, &shape, &[1.0, count, count, count, count]);
    }
    let lack = |metric: &str, selector: &str| ask(&store, metric, selector, 70).unwrap_err();
    assert_eq!(lack("queue_depth", &format!("{WINDOW}=30s")), Absence::NeedsOver);
    assert_eq!(lack("http_requests_per_second", &format!("{OVER}=max")), Absence::NotOver);
    assert_eq!(lack("latency_seconds_p50", &format!("{FOLD}=max")), Absence::NotFolded);
    assert_eq!(
        lack("http_requests_per_second", &format!("{WINDOW}=2m")),
        Absence::LongWindow { longest: 63 }
    );
}

#[test]
fn the_past_of_a_gauge_stays_when_the_shape_changes() {
    let queues = queues();
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let max = format!("{OVER}=max,{WINDOW}=1m");
    scrape(&target, 0, &queues, &[50.0, 0.0]);
    assert!(ask(&store, "queue_depth", &max, 1).is_err());
    scrapes(&target, &queues, (15, 30), |_| vec![50.0, 0.0]);
    let more = shape(&[
        ("another", SeriesKind::Gauge, &[]),
        ("queue_depth", SeriesKind::Gauge, &[("queue", "jobs")]),
        ("queue_depth", SeriesKind::Gauge, &[("queue", "mail")]),
    ]);
    let moved = [None, Some(0), Some(1)];
    let change = Scrape { moved: Some(&moved), ..Scrape::new(START + seconds(45), &more, &[9.0, 1.0, 0.0]) };
    target.append(change).unwrap();
    scrapes(&target, &more, (60, 60), |_| vec![9.0, 1.0, 0.0]);
    assert_eq!(told(&store, "queue_depth", &max, 61), ("50".to_owned(), Some(60)));
}

/// A target whose pod derives `busy_ratio`.
fn deriving(store: &Store, expression: &str) -> Target {
    let mut derived = Derivations::default();
    derived.add("busy_ratio", expression).unwrap();
    let target = store.target(TargetOptions { derived: Arc::new(derived), ..options("8080") });
    let lines: &[Line<'_>] = &[
        ("busy", SeriesKind::Gauge, &[("pool", "web")]),
        ("busy", SeriesKind::Gauge, &[("pool", "jobs")]),
        ("workers", SeriesKind::Gauge, &[]),
    ];
    scrape(&target, 0, &shape(lines), &[3.0, 1.0, 8.0]);
    target
}

#[test]
fn a_derived_metric_is_computed_from_the_values_of_its_pod() {
    for (expression, selector, wanted) in [
        ("busy / workers", "", "500m"),
        (r#"busy{pool="web"} / workers"#, "", "375m"),
        ("max(busy) / workers", "", "375m"),
        ("busy / workers", "custom-metrics-adapter/scale=100", "50"),
        ("busy", "pool=jobs", "1"),
        ("busy", "custom-metrics-adapter/fold=max", "3"),
    ] {
        let store = Store::new(Limits::default());
        let _target = deriving(&store, expression);
        assert_eq!(told(&store, "busy_ratio", selector, 1).0, wanted, "{expression} {selector}");
        let listed = store.metrics_of(&pod());
        assert!(listed.iter().any(|name| name.as_str() == "busy_ratio"), "{listed:?}");
        assert!(store.catalog().metrics.iter().any(|(_, name)| name.as_str() == "busy_ratio"));
    }
}

#[test]
fn a_derived_metric_without_one_of_its_parts_is_absent_and_names_it() {
    let store = Store::new(Limits::default());
    let _target = deriving(&store, "busy / nothing");
    let lack = |selector: &str| ask(&store, "busy_ratio", selector, 1).unwrap_err().to_string();
    assert_eq!(lack(""), "it is derived, and nothing: no value of this metric was written for it");
    assert!(lack(&format!("{OVER}=max")).contains("it is derived from others"));
}

#[test]
fn a_derived_metric_takes_written_values_too_and_leaves_the_list_with_its_target() {
    let store = Store::new(Limits::default());
    let mut target = deriving(&store, "busy / limit");
    let sample = Sample { value: Quantity::parse("16").unwrap(), timestamp: START, window_seconds: None };
    let written = Write {
        subject: pod().into(),
        uid: None,
        metric: MetricName::new("limit").unwrap(),
        labels: crate::model::Labels::default(),
        sample,
        ttl: None,
    };
    store.append(vec![written], START).unwrap();
    assert_eq!(told(&store, "busy_ratio", "", 1).0, "250m");
    let lists = || store.catalog().metrics.iter().any(|(_, name)| name.as_str() == "busy_ratio");
    assert!(lists());
    target.reconfigure(options("8080"));
    assert!(!lists());
    assert_eq!(ask(&store, "busy_ratio", "", 1), Err(Absence::UnknownMetric));
}
