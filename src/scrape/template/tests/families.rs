//! What one line says of others: it counts wherever it stands, and what cannot be read has no value.

use super::*;

/// How the series count, in the order of the body.
fn kinds(reading: &Reading) -> Vec<String> {
    let shape = shape(reading);
    let series = shape.split("groups: ").next().unwrap();
    let kinds = series.split("kind: ").skip(1).map(|rest| rest.split(", labels").next().unwrap().to_owned());
    kinds.collect()
}

fn sorted_kinds(body: &str) -> Vec<String> {
    let mut kinds = kinds(&full(body, &Rules::default()).0);
    kinds.sort();
    kinds
}

/// Family and fault, for each order of the lines.
fn faults(lines: &[&str]) -> Vec<(String, String)> {
    let told = |lines: &[&str]| {
        let body: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        let (first, _) = full(&body, &Rules::default());
        let (again, _) = after(&body, &Rules::default(), Some(&first.template));
        assert!(Arc::ptr_eq(&first.template, &again.template));
        assert_eq!(first.unreadable, again.unreadable);
        first.unreadable.iter().map(|one| (one.family.to_string(), one.fault.to_string())).collect()
    };
    let faults: Vec<(String, String)> = told(lines);
    let mut order = lines.to_vec();
    for _ in lines {
        order.rotate_left(1);
        let families =
            |faults: &[(String, String)]| faults.iter().map(|(family, _)| family.clone()).collect::<Vec<_>>();
        assert_eq!(families(&told(&order)), families(&faults), "{order:?}");
    }
    faults
}

fn families(lines: &[&str]) -> Vec<String> {
    faults(lines).into_iter().map(|(family, _)| family).collect()
}

#[test]
fn a_line_that_is_refused_behind_its_name_makes_its_family_unreadable_and_no_other() {
    let told = faults(&["good 1", "queue_depth{q=\"a\"} undefined", "queue_depth{q=\"b\"} 5"]);
    let fault =
        "line 2: the value is not a decimal number, `Inf` or `NaN`: \"queue_depth{q=\\\"a\\\"} undefined\"";
    assert_eq!(told, [("queue_depth".to_owned(), fault.to_owned())]);
    for line in
        ["mysql_total", "mysql_total ", "mysql_total 1000060,5", "mysql_total{a=\"1} 5", "mysql_total 1 x"]
    {
        assert_eq!(families(&["# TYPE mysql counter", "other 1", line]), ["mysql"], "{line}");
    }
    for line in ["!!!", "{x=\"1\"} 5", "# HELP x.y z", "\u{1}"] {
        assert_eq!(families(&["other 1", line]), [""; 0], "{line}");
    }
}

#[test]
fn the_family_of_a_refused_line_is_that_of_its_type_and_part() {
    for (kind, line, family) in [
        ("histogram", "x_bucket{le=\"1\"} ?", "x"),
        ("histogram", "x_sum ?", "x"),
        ("histogram", "x_count{a=\"1\"} ?", "x"),
        ("summary", "x_count ?", "x"),
        ("summary", "x{quantile=\"0.5\"} ?", "x"),
        ("gauge", "x_count ?", "x_count"),
        ("counter", "x_total ?", "x"),
        ("counter", "x ?", "x"),
        ("gauge", "x_total ?", "x"),
    ] {
        assert_eq!(families(&[&format!("# TYPE x {kind}"), "other 1", line]), [family], "{kind}: {line}");
    }
    assert_eq!(families(&["other 1", "{\"a.b_total\"} ?"]), ["a.b"]);
    assert_eq!(families(&["other 1", "http.server.requests{a=\"1\"} 5"]), ["http.server.requests"]);
}

#[test]
fn a_type_that_is_unknown_or_said_in_two_ways_makes_the_family_unreadable() {
    assert_eq!(families(&["# TYPE reqs Counter", "reqs 5", "other 1"]), ["reqs"]);
    assert_eq!(families(&["# TYPE x_total Counter", "x_total 5", "other 1"]), ["x", "x_total"]);
    assert_eq!(families(&["# TYPE reqs gauge", "# TYPE reqs counter", "reqs 5"]), ["reqs"]);
    let histogram = ["# TYPE h histogram", "h_bucket{le=\"1\"} 5", "h_count 5", "# TYPE h gauge"];
    assert!(families(&histogram).contains(&"h".to_owned()));
    // words of OpenMetrics that change nothing in how an untyped series counts
    assert_eq!(families(&["# TYPE x info", "x 1", "# TYPE y unknown", "y 1"]), [""; 0]);
    assert_eq!(families(&["# TYPE x gauge", "x 1", "# TYPE x gauge"]), [""; 0]);
}

#[test]
fn a_bound_that_is_no_number_or_missing_makes_the_histogram_unreadable_wherever_it_stands() {
    for bad in ["h_bucket{le=\"0,1\"} 1", "h_bucket{a=\"1\"} 1", "h_bucket 1"] {
        let lines =
            ["# TYPE h histogram", bad, "h_bucket{le=\"1\"} 2", "h_bucket{le=\"+Inf\"} 3", "h_count 3"];
        let told = faults(&lines);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, "h");
        assert!(told[0].1.starts_with("h_bucket") && told[0].1.contains("le"), "{told:?}");
        let sorted = sorted_kinds(&lines.join("\n"));
        assert_eq!(sorted, ["Bucket(1.0)", "Bucket(inf)", "Count"]);
    }
    assert_eq!(families(&["# TYPE s summary", "s{quantile=\"half\"} 1", "s{quantile=\"0.9\"} 2"]), ["s"]);
    assert_eq!(families(&["# TYPE s summary", "s 1", "s{quantile=\"0.9\"} 2"]), ["s"]);
}

#[test]
fn a_series_that_stands_twice_and_says_two_things_is_unreadable() {
    let told = faults(&["d{a=\"1\",b=\"2\"} 5", "d{b=\"2\",a=\"1\"} 7", "e 1"]);
    assert_eq!(told.len(), 1);
    assert!(told[0].0 == "d" && told[0].1.ends_with("it stands twice, with different values"), "{told:?}");
    assert_eq!(families(&["d 5", "d 5", "e NaN", "e NaN"]), [""; 0]);
}

#[test]
fn very_many_unreadable_families_fail_the_scrape() {
    let lines: String = (0..300).map(|n| format!("m{n} x\n")).collect();
    let error = error(&format!("good 1\n{lines}"), &Rules::default());
    assert!(error.starts_with("more than 256 families of the body cannot be read"), "{error}");
    let wanted = full(&format!("good 1\n{lines}"), &allowing("good,m7"));
    assert_eq!(wanted.0.unreadable.iter().map(|one| &*one.family).collect::<Vec<_>>(), ["m7"]);
}

#[test]
fn a_type_counts_above_between_and_below_its_samples() {
    let lines = ["reqs{a=\"1\"} 5", "# TYPE reqs counter", "reqs{a=\"2\"} 5"];
    for order in [[0, 1, 2], [1, 0, 2], [0, 2, 1]] {
        let body: String = order.iter().flat_map(|at| [lines[*at], "\n"]).collect();
        assert_eq!(kinds(&full(&body, &Rules::default()).0), ["Counter", "Counter"], "{body}");
    }
    let (below, values) = full(
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_count 2\n# TYPE h histogram\n",
        &Rules::default(),
    );
    assert_eq!((kinds(&below), values), (vec!["Bucket(1.0)".to_owned(), "Count".to_owned()], vec![1.0, 2.0]));
    let (gone, values) = after(
        "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\nh_x 2\n",
        &Rules::default(),
        Some(&below.template),
    );
    assert_eq!((kinds(&gone).len(), values), (3, vec![1.0, 1.0, 2.0]));
}

#[test]
fn a_created_gauge_is_a_start_only_if_its_values_are_moments() {
    let body = |value: &str| {
        format!(
            "# TYPE orders_total counter\norders_total 5\n# TYPE orders_created gauge\norders_created {value}\n"
        )
    };
    let (start, _) = full(&body("1764108000.5"), &Rules::default());
    assert_eq!(kinds(&start), ["Counter", "Created"]);
    assert!(shape(&start).contains("created: 2"), "{}", shape(&start));
    let (gauge, _) = after(&body("7"), &Rules::default(), Some(&start.template));
    assert_eq!(kinds(&gauge), ["Counter", "Gauge"]);
    assert!(!shape(&gauge).contains("created: 2"));
    let (start, _) = after(&body("1764108001"), &Rules::default(), Some(&gauge.template));
    assert_eq!(kinds(&start), ["Counter", "Created"]);
    let untyped = full("a_total 5\na_created 1764108000\nb_created 1764108000\n", &Rules::default());
    assert_eq!(kinds(&untyped.0), ["Counter", "Created", "Untyped"]);
}

#[test]
fn parts_without_types_are_a_histogram_or_a_summary_by_their_names_and_labels() {
    let histogram = "l_bucket{le=\"0.1\"} 9\nl_bucket{le=\"+Inf\"} 10\nl_sum 1\nl_count 10\n";
    assert_eq!(sorted_kinds(histogram), ["Bucket(0.1)", "Bucket(inf)", "Count", "Sum"]);
    let summary = "r{quantile=\"0.5\"} 9\nr_count 10\nr_sum 3\n";
    assert_eq!(sorted_kinds(summary), ["Count", "Quantile(0.5)", "Sum"]);
    let untyped = format!("# TYPE l untyped\n{histogram}");
    assert_eq!(sorted_kinds(&untyped), ["Bucket(0.1)", "Bucket(inf)", "Count", "Sum"]);
    for other in ["l_bucket{le=\"1\"} 1\n", "l_bucket{x=\"1\"} 1\nl_sum 1\n", "l_sum 1\nl_count 1\n"] {
        assert!(sorted_kinds(other).iter().all(|kind| kind == "Untyped"), "{other}");
    }
    let gauges = format!("# TYPE l gauge\n{histogram}# TYPE l_count gauge\n");
    assert!(sorted_kinds(&gauges).iter().all(|kind| kind == "Untyped" || kind == "Gauge"));
    assert_eq!(families(&["l_bucket{le=\"1\"} 1", "l_bucket{le=\"x\"} 1", "l_sum 1"]), ["l"]);
}

#[test]
fn buckets_by_vmrange_are_not_read_and_a_note_says_so() {
    for typed in ["", "# TYPE x histogram\n"] {
        let body = format!("{typed}x_bucket{{vmrange=\"1e-3...2e-3\"}} 5\nx_sum 1\nx_count 5\n");
        let (reading, values) = full(&body, &Rules::default());
        assert_eq!((kinds(&reading), values), (vec!["Sum".to_owned(), "Count".to_owned()], vec![1.0, 5.0]));
        assert!(reading.unreadable.is_empty());
        assert!(reading.template.notes()[0].contains("x_bucket has buckets by vmrange"));
    }
}

#[test]
fn an_exemplar_in_text_is_dropped_and_comes_and_goes_without_a_trace() {
    let body = "# TYPE reqs counter\nreqs_total 5\nq 1\n";
    let (first, _) = full(body, &Rules::default());
    for exemplar in [
        " # {trace_id=\"6c10\"} 0.006",
        " # {} 1 1700000000.5",
        " 17 # {a=\"}\",b=\"2\"} 1e3 ",
        "\t#\t{a=\"1\"}\t1",
    ] {
        let body = body.replace("reqs_total 5", &format!("reqs_total 6{exemplar}"));
        let (second, values) = after(&body, &Rules::default(), Some(&first.template));
        assert!(Arc::ptr_eq(&first.template, &second.template), "{exemplar}");
        assert_eq!((values.as_slice(), second.rejected.count), (&[6.0, 1.0][..], 0), "{exemplar}");
    }
    for bad in [" # {a=\"1\"}", " # {a=1} 2", " # {a=\"1\"} x", " # comment", " # {a=\"1\"} 1 2 3"] {
        let body = body.replace("reqs_total 5", &format!("reqs_total 6{bad}"));
        let (reading, _) = after(&body, &Rules::default(), Some(&first.template));
        assert_eq!(&*reading.unreadable[0].family, "reqs", "{bad}");
    }
}

#[test]
fn timestamps_of_series_are_told_by_place_in_both_ways() {
    let body = "a 1\nb 2 1700000000000\nc 3\nd 4 1700000000001\n";
    let (first, _) = full(body, &Rules::default());
    let told = [(1, 1_700_000_000_000), (3, 1_700_000_000_001)];
    assert_eq!(first.timestamps, told);
    let (steady, _) = after(body, &Rules::default(), Some(&first.template));
    assert!(Arc::ptr_eq(&first.template, &steady.template));
    assert_eq!(steady.timestamps, told);
    let (without, _) = after("a 1\nb 2\nc 3\nd 4\n", &Rules::default(), Some(&first.template));
    assert!(Arc::ptr_eq(&first.template, &without.template) && without.timestamps.is_empty());
    let (changed, _) = after(&format!("{body}e 5 7\n"), &Rules::default(), Some(&first.template));
    assert_eq!(changed.timestamps, [told[0], told[1], (4, 7)]);
}
