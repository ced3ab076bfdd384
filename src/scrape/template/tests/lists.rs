//! What the lists of annotations keep and count.

use super::*;

fn counting(list: &str) -> Rules {
    Rules { counters: Arc::new(NameList::parse(list).unwrap()), ..Rules::default() }
}

#[test]
fn limits_are_those_of_what_is_kept() {
    let limits = SeriesLimits { samples: 3, labels: 2, name_bytes: 12, value_bytes: 5 };
    let rules = Rules { limits, ..allowing("queue_depth") };
    for noise in [
        "target_info{a=\"123456\"} 1\n".to_owned(),
        "pod_labels{a=\"1\",b=\"2\",c=\"3\"} 1\n".to_owned(),
        "a_name_that_is_long 1\n".to_owned(),
        (0..100).map(|n| format!("noise{{n=\"{n}\"}} 1\n")).collect(),
        (0..5000).map(|n| format!("noise{{n=\"{n}\"}} 1\n")).collect(),
    ] {
        let body = format!("{noise}queue_depth 7\n{noise}");
        let (first, values) = full(&body, &rules);
        assert_eq!(values, [7.0]);
        assert_eq!(first.template.left_out(), 2 * noise.lines().count());
        let (again, values) = after(&body.replace("depth 7", "depth 8"), &rules, Some(&first.template));
        assert_eq!((values, again.template.left_out()), (vec![8.0], first.template.left_out()));
    }
    let many: String = (0..4).map(|n| format!("queue_depth{{n=\"{n}\"}} 1\n")).collect();
    assert!(error(&many, &rules).starts_with("the body has 4 samples, more than 3"));
}

#[test]
fn an_entry_that_is_derived_keeps_what_it_is_derived_from() {
    let body = "# TYPE c counter\nc_total 1\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 4\n\
                # TYPE s summary\ns{quantile=\"0.99\"} 5\ns_sum 6\ns_count 7\n# TYPE g gauge\ng 8\ng_sum 9\nu_total 10\n";
    for (list, kept) in [
        ("c_per_second", &[1.0][..]),
        ("u_per_second", &[10.0]),
        ("c_total_per_second", &[1.0]),
        ("h_per_second", &[4.0]),
        ("h_p99", &[2.0, 4.0]),
        ("h_p99.9", &[2.0, 4.0]),
        ("h_avg", &[3.0, 4.0]),
        ("s_p99", &[5.0, 7.0]),
        ("s_avg", &[6.0, 7.0]),
        ("g_avg", &[]),
        ("g_p99", &[]),
        ("h_p999", &[]),
    ] {
        let (reading, values) = full(body, &allowing(list));
        assert_eq!(values, kept, "{list}");
        let notes = reading.template.notes();
        assert_eq!(notes.is_empty(), !kept.is_empty(), "{list}: {notes:?}");
    }
}

#[test]
fn entries_that_keep_nothing_are_named_and_names_that_are_left_out_are_told_to_the_shape() {
    let (reading, _) = full("a 1\nb{x=\"1\"} 2\nb{x=\"2\"} 3\n", &allowing("a,nothing,no_*"));
    let notes = reading.template.notes().to_vec();
    assert_eq!(
        notes,
        ["nothing", "no_*"].map(|e| format!("entry {e} of custom-metrics-adapter/metrics keeps nothing"))
    );
    assert_eq!(reading.template.left_out(), 2);
    assert!(shape(&reading).contains("left_out: [\"b\"]"), "{}", shape(&reading));
}

#[test]
fn listed_gauges_and_untyped_series_count() {
    let body = "# TYPE k untyped\nk_Count{n=\"1\"} 5\n# TYPE in_total gauge\nin_total 6\ng 7\n# TYPE h histogram\nh_sum 8\n";
    let (reading, _) = full(body, &counting("k_*,in_total,h_sum,none"));
    let shape = shape(&reading);
    for (kind, count) in [("Counter,", 2), ("Untyped,", 1), ("Sum,", 1)] {
        assert_eq!(
            shape.split("groups: ").next().unwrap().matches(&format!("kind: {kind}")).count(),
            count,
            "{shape}"
        );
    }
    let what = "of custom-metrics-adapter/counters meets nothing that is exposed as untyped or as a gauge";
    assert_eq!(
        reading.template.notes().to_vec(),
        ["h_sum", "none"].map(|entry| format!("entry {entry} {what}"))
    );
    let (plain, _) = after(body, &Rules::default(), Some(&reading.template));
    assert!(!Arc::ptr_eq(&plain.template, &reading.template));
    assert_eq!(plain.moved, Some((0..4).map(Some).collect()));
}
