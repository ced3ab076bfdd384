//! The steady way, the full parse, and what they make of a body.

mod agreement;
mod families;
mod lists;
mod relabelled;

use std::sync::Arc;

use super::*;
use crate::{
    exposition::Format,
    store::{Limits, Store, Unreadable},
};

/// What a text body holds, read without a last one.
fn full(body: &str, rules: &Rules) -> (Reading, Vec<f64>) {
    after(body, rules, None)
}

fn after(body: &str, rules: &Rules, last: Option<&Arc<Template>>) -> (Reading, Vec<f64>) {
    let mut values = Vec::new();
    let read = read(body.as_bytes(), Format::Text, rules, last, (&Templates::default(), &mut values));
    (read.unwrap(), values)
}

fn error(body: &str, rules: &Rules) -> String {
    let room = (&Templates::default(), &mut Vec::new());
    read(body.as_bytes(), Format::Text, rules, None, room).unwrap_err().to_string()
}

fn allowing(list: &str) -> Rules {
    Rules { allow: Arc::new(AllowList::parse(list).unwrap()), ..Rules::default() }
}

/// The shape as the store shows it, one line.
fn shape(reading: &Reading) -> String {
    format!("{:?}", reading.template.shape())
}

#[test]
fn the_type_of_a_family_decides_how_its_series_count() {
    let body = "# TYPE q gauge\nq 1\n# TYPE c counter\nc 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 3\nh_sum 4\n\
                h_count 5\n# TYPE s summary\ns{quantile=\"0.5\"} 6\nbare 7\nbare_total 8\n";
    let (reading, values) = full(body, &Rules::default());
    assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let shape = shape(&reading);
    let kinds = ["Gauge", "Counter", "Bucket(1.0)", "Sum", "Count", "Quantile(0.5)", "Untyped", "Counter"];
    let mut rest = shape.as_str();
    for kind in kinds {
        (_, rest) = rest.split_once(&format!("kind: {kind},")).unwrap_or_else(|| panic!("{kind} in {rest}"));
    }
}

#[test]
fn the_same_lines_are_recognised_and_share_the_template() {
    let (first, _) = full("# HELP a x\n# TYPE a gauge\na{l=\"1\"} 1\nb 2\n", &Rules::default());
    let body = "# HELP a x\n# TYPE a gauge\na{l=\"1\"} 3\nb NaN\n";
    let (second, values) = after(body, &Rules::default(), Some(&first.template));
    assert!(Arc::ptr_eq(&first.template, &second.template));
    assert!(second.moved.is_none());
    assert!(values[0] == 3.0 && values[1].is_nan());
}

#[test]
fn comments_without_effect_never_change_a_template() {
    let (first, _) = full("# at 1\na 1\n# HELP b x\nb 2\n", &Rules::default());
    for body in ["# at 2\na 3\n# HELP b y\nb 4\n", "a 3\nb 4\n", "# x\n# y\na 3\n# z\nb 4\n# end\n"] {
        let (second, values) = after(body, &Rules::default(), Some(&first.template));
        assert!(Arc::ptr_eq(&first.template, &second.template), "{body}");
        assert_eq!(values, [3.0, 4.0], "{body}");
    }
}

#[test]
fn series_are_found_again_where_they_have_moved_to() {
    let (first, _) = full("a 1\nb{x=\"1\",y=\"2\"} 2\nc 3\n", &Rules::default());
    let body = "new 9\nc 3\nb{y=\"2\",x=\"1\"} 2\n";
    let (second, values) = after(body, &Rules::default(), Some(&first.template));
    assert_eq!(second.moved, Some(vec![None, Some(2), Some(1)]));
    assert_eq!(values, [9.0, 3.0, 2.0]);
}

#[test]
fn a_series_far_away_is_found_too() {
    let lines: Vec<String> = (0..100).map(|n| format!("m{n} {n}\n")).collect();
    let (first, _) = full(&lines.concat(), &Rules::default());
    let reversed: Vec<String> = lines.iter().rev().cloned().collect();
    let (second, values) = after(&reversed.concat(), &Rules::default(), Some(&first.template));
    assert_eq!(second.moved, Some((0..100).rev().map(Some).collect()));
    assert_eq!(values[0], 99.0);
}

#[test]
fn the_first_of_two_equal_series_wins_however_they_are_spelled() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\na{x=\"1\",y=\"2\"} 3\n\
                a{y=\"2\",x=\"1\"} 4\na{x=\"1\",y=\"2\",z=\"\"} 5\n";
    let (reading, values) = full(body, &Rules::default());
    assert_eq!((values.as_slice(), reading.samples), (&[1.0, 3.0][..], 5));
    let (again, values) = after(body, &Rules::default(), Some(&reading.template));
    assert!(again.moved.is_none());
    assert_eq!(values, [1.0, 3.0]);
}

#[test]
fn a_changed_type_is_a_changed_template() {
    let (first, _) = full("# TYPE a gauge\na 1\n", &Rules::default());
    let (second, _) = after("# TYPE a counter\na 1\n", &Rules::default(), Some(&first.template));
    assert!(shape(&first).contains("Gauge") && shape(&second).contains("Counter"));
    assert_eq!(second.moved, Some(vec![Some(0)]));
}

#[test]
fn an_allow_list_keeps_families_by_the_names_of_their_parts_or_their_own() {
    let body = "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 3\n# TYPE c_total counter\nc_total 4\n\
                c_created 1.5e9\nother 6\n";
    for (list, kept) in [
        ("h", &[1.0, 2.0, 3.0][..]),
        ("h_sum", &[2.0]),
        ("c_total", &[4.0, 1.5e9]),
        ("c", &[4.0, 1.5e9]),
        ("oth*,h_count", &[3.0, 6.0]),
        ("nothing", &[]),
    ] {
        assert_eq!(full(body, &allowing(list)).1, kept, "{list}");
    }
}

#[test]
fn a_changed_allow_list_takes_effect_and_keeps_places() {
    let (first, _) = full("a 1\nb 2\nc 3\n", &allowing("b,c"));
    let (second, values) = after("a 1\nb 2\nc 3\n", &allowing("a,c"), Some(&first.template));
    assert_eq!((values.as_slice(), second.moved), (&[1.0, 3.0][..], Some(vec![None, Some(1)])));
}

#[test]
fn the_start_of_the_process_is_told_whether_it_is_kept_or_not() {
    let body = "process_start_time_seconds 1.5e9\nprocess_start_time_seconds{other=\"1\"} 7\na 1\n";
    for rules in [Rules::default(), allowing("a")] {
        let (first, _) = full(body, &rules);
        assert_eq!(first.process_start, Some(1.5e9));
        let (steady, _) = after(&body.replace("1.5e9", "1.6e9"), &rules, Some(&first.template));
        assert_eq!(steady.process_start, Some(1.6e9));
    }
    assert_eq!(full("a 1\n", &Rules::default()).0.process_start, None);
}

#[test]
fn counters_know_the_series_that_says_when_they_began() {
    let body = "# TYPE c_total counter\nc_total{l=\"1\"} 4\nc_total{l=\"2\"} 4\n# TYPE c_created gauge\n\
                c_created{l=\"2\"} 1.5e9\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count 3\nh_created 1.6e9\n";
    let shape = shape(&full(body, &Rules::default()).0);
    let created: Vec<&str> =
        shape.split("created: ").skip(1).map(|rest| rest.split([' ', ',']).next().unwrap()).collect();
    // a place plus one; 0 is none
    assert_eq!(created, ["0", "3", "0", "6", "6", "0"]);
}

#[test]
fn anything_over_a_limit_fails_the_whole_body_and_says_which_limit() {
    let limits = SeriesLimits { samples: 3, labels: 2, name_bytes: 10, value_bytes: 5 };
    let rules = Rules { limits, ..Rules::default() };
    for (body, message) in [
        ("a 1\nb 1\nc 1\nd 1\n", "the body has 4 samples, more than 3"),
        ("a{a=\"1\",b=\"2\",c=\"3\"} 1\n", "has 3 labels, more than 2"),
        ("a2345678901 1\n", "has a name of 11 bytes, more than 10"),
        ("a{b2345678901=\"1\"} 1\n", "has a name of 11 bytes, more than 10"),
        ("a{b=\"123456\"} 1\n", "has a label value of 6 bytes, more than 5"),
    ] {
        let error = error(body, &rules);
        assert!(error.contains(message), "{error}");
    }
    assert_eq!(full("a 1\na 1\na 1\n", &rules).1, [1.0]);
    let comments = "#\n".repeat(2000);
    assert!(error(&format!("{comments}a 1\n"), &rules).contains("lines"));
}

#[test]
fn targets_with_the_same_lines_share_one_template_and_the_last_of_them_frees_it() {
    let templates = Templates::default();
    let read = |body: &str| {
        let room = (&templates, &mut Vec::new());
        read(body.as_bytes(), Format::Text, &Rules::default(), None, room).unwrap().template
    };
    let (one, same, other) = (read("a 1\n"), read("a 2\n"), read("b 1\n"));
    assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    assert_eq!(templates.usage().0, 2);
    drop((one, same));
    assert_eq!(templates.usage().0, 1);
}

#[test]
fn templates_take_no_more_than_they_may_and_give_it_back() {
    let store = Store::new(Limits { scraped_bytes: 20_000, ..Limits::default() });
    let target = store.target(crate::scrape::testing::target("web-0"));
    let templates = Templates::default().charged_to(target.account());
    let budget = store.budget();
    let read = |name: &str| {
        let body = format!("a{{name=\"{name}{}\"}} 1\n", "x".repeat(4_000));
        let room = (&templates, &mut Vec::new());
        read(body.as_bytes(), Format::Text, &Rules::default(), None, room).map(|reading| reading.template)
    };
    let (one, two) = (read("one").unwrap(), read("two").unwrap());
    assert!(budget.held() >= one.bytes() + two.bytes());
    let refused = read("three").unwrap_err().to_string();
    assert!(
        refused.starts_with("scrapes hold ") && refused.contains(" bytes and may hold 20000: "),
        "{refused}"
    );
    read("one").expect("what is known costs nothing");
    drop(two);
    read("three").expect("there is room again");
    drop(one);
    assert_eq!(budget.held(), 0);
}

#[test]
fn templates_of_a_target_that_changes_all_the_time_do_not_pile_up() {
    let templates = Templates::default();
    let mut last = None;
    let mut values = Vec::new();
    for round in 0..1000 {
        let body = format!("a{{round=\"{round}\"}} 1\n");
        let room = (&templates, &mut values);
        let reading = read(body.as_bytes(), Format::Text, &Rules::default(), last.as_ref(), room).unwrap();
        last = Some(reading.template);
    }
    assert_eq!(templates.usage().0, 1);
    assert!(templates.known.lock().templates.len() <= 2 * FEW_LEFT);
}

const FEW_LEFT: usize = 32;
