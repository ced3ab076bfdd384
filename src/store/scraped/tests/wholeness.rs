//! Values that are whole, true to their samples and called by the names that are listed, or absent with the reason.

use super::*;

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
    let found = store
        .search(&crate::store::Search { limit: 10, ..Default::default() }, START, &|_| Presence::Unknown);
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

#[test]
fn a_target_that_a_limit_refuses_takes_the_sum_of_its_pod_with_it_if_it_would_have_the_metric() {
    let store = Store::new(Limits { scraped_series: 1, ..Limits::default() });
    let (one, other) = (store.target(options("8080")), store.target(options("8081")));
    let gauge = shape(&[("g", SeriesKind::Gauge, &[])]);
    scrape(&one, 0, &gauge, &[1.0]);
    let refused = other.append(Scrape::new(START, &gauge, &[2.0])).unwrap_err();
    other.failed(&Failure { error: refused.to_string().into(), timed_out: false });
    assert!(matches!(ask(&store, "g", "", 1), Err(Absence::NotScraped { error: Some(_) })));
}

#[test]
fn label_sets_that_come_and_stand_still_add_up_to_no_more_than_was_counted() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let shapes: Vec<Arc<Shape>> = (0..8_usize)
        .map(|count| {
            let mut builder = ShapeBuilder::default();
            for job in 0..=count {
                builder.add("jobs_total", SeriesKind::Counter, [("job", job.to_string().as_str())]);
            }
            Arc::new(builder.build())
        })
        .collect();
    for (at, shape) in (0_u32..).zip(&shapes) {
        // Each but the first counts 100 between its first two scrapes, then stands still.
        let values: Vec<f64> = (0..=at).map(|job| if job == 0 || job == at { 0.0 } else { 100.0 }).collect();
        let moved: Vec<Option<u32>> = (0..=at).map(|job| (job < at).then_some(job)).collect();
        let moved = (at > 0).then_some(moved.as_slice());
        let at = START + seconds(15 * i64::from(at));
        target.append(Scrape { moved, ..Scrape::new(at, shape, &values) }).unwrap();
    }
    let rate = ask(&store, "jobs_per_second", "", 106).unwrap();
    assert_eq!((rate.value.to_string().as_str(), rate.window_seconds), ("6667m", Some(60)));
}

#[test]
fn a_histogram_with_a_new_bucket_is_not_left_out_of_a_sum() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let old: &[Line<'_>] = &[
        ("d_bucket", SeriesKind::Bucket(1.0), &[("h", "a"), ("le", "1.0")]),
        ("d_count", SeriesKind::Count, &[("h", "a")]),
        ("d_count", SeriesKind::Count, &[("h", "b")]),
    ];
    let new = shape(&[old, &[("d_bucket", SeriesKind::Bucket(2.0), &[("h", "a"), ("le", "2.0")])]].concat());
    let old = shape(old);
    scrape(&target, 0, &old, &[0.0, 0.0, 0.0]);
    scrape(&target, 15, &old, &[90.0, 90.0, 15.0]);
    let moved = [Some(0), Some(1), Some(2), None];
    let at = START + seconds(30);
    target
        .append(Scrape { moved: Some(&moved), ..Scrape::new(at, &new, &[180.0, 200.0, 30.0, 200.0]) })
        .unwrap();
    assert_eq!(ask(&store, "d_per_second", "", 31), Err(Absence::Early), "not 1");
}

#[test]
fn a_counter_that_is_exposed_again_with_an_old_time_is_not_left_out_of_a_sum() {
    let store = Store::new(Limits::default());
    let target = store.target(options("8080"));
    let counters = shape(&[
        ("r_total", SeriesKind::Counter, &[("a", "1")]),
        ("r_total", SeriesKind::Counter, &[("a", "2")]),
    ]);
    for (at, value) in [(0, 0.0), (15, 150.0), (30, 300.0), (45, 450.0)] {
        let (times, values) = ([(1, (START - seconds(20)).as_millisecond())], [value, 7.0]);
        let scrape = Scrape { timestamps: &times, ..Scrape::new(START + seconds(at), &counters, &values) };
        target.append(scrape).unwrap();
    }
    assert_eq!(ask(&store, "r_per_second", "", 46), Err(Absence::OldSample { at: START - seconds(20) }));
}
