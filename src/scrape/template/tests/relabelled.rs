//! Bodies of targets whose series rules change.

use super::*;
use crate::relabel::{Chain, RuleSpec, TargetLabel};

/// Rules of a target that has the labels team=red, which is wanted, and pod=web-1, which is not.
fn changing(json: &str) -> Rules {
    let specs: Vec<RuleSpec> = serde_json::from_str(json).unwrap();
    let label = |name: &str, value: &str, is_wanted| {
        (name.to_owned(), TargetLabel { value: value.to_owned(), is_wanted })
    };
    let target = [label("team", "red", true), label("pod", "web-1", false)];
    let series = SeriesRules::new(Chain::new(specs).unwrap(), false, target.into());
    Rules { series: Arc::new(series), ..Rules::default() }
}

#[test]
fn series_are_kept_as_the_rules_make_them_and_a_steady_page_is_recognised() {
    let rules = changing(
        r#"[{"sourceLabels":["__name__"],"regex":"go_.*","action":"drop"},
            {"sourceLabels":["__name__"],"regex":"old_(.*)","targetLabel":"__name__","replacement":"new_$1"},
            {"sourceLabels":["pod","path"],"targetLabel":"both"},{"regex":"path","action":"labeldrop"}]"#,
    );
    let page =
        |value: u32| format!("# TYPE old_total counter\nold_total{{path=\"a\"}} {value}\ngo_x 1\nother 2\n");
    let (first, values) = full(&page(5), &rules);
    assert_eq!(values, [5.0, 2.0]);
    let shape = shape(&first);
    // Names as they are, labels as their bytes.
    let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
    for told in ["new_total", "kind: Counter", &bytes("web-1;a"), &bytes("team"), &bytes("red")] {
        assert!(shape.contains(told), "{told} in {shape}");
    }
    for gone in ["go_x", "old_total", &bytes("path"), &bytes("pod")] {
        assert!(!shape.contains(gone), "{gone} in {shape}");
    }
    assert_eq!(first.template.left_out(), 1);
    let (second, values) = after(&page(6), &rules, Some(&first.template));
    assert!(Arc::ptr_eq(&first.template, &second.template));
    assert_eq!(values, [6.0, 2.0]);
    let (other, values) = after(&page(7), &changing("[]"), Some(&first.template));
    assert_eq!((values, other.template.left_out()), (vec![7.0, 1.0, 2.0], 0));
}

#[test]
fn the_start_of_the_process_is_known_whatever_labels_it_gets() {
    let page = "process_start_time_seconds 17\n";
    assert_eq!(full(page, &changing("[]")).0.process_start, Some(17.0));
    let drops = r#"[{"sourceLabels":["__name__"],"regex":"process_.*","action":"drop"}]"#;
    let (reading, values) = full(page, &changing(drops));
    assert_eq!((reading.process_start, values.len()), (Some(17.0), 0));
}

#[test]
fn series_that_rules_make_one_have_no_value_while_they_differ() {
    let rules = changing(r#"[{"regex":"id","action":"labeldrop"}]"#);
    let (same, values) = full("q{id=\"1\"} 3\nq{id=\"2\"} 3\n", &rules);
    assert_eq!((values.len(), same.unreadable.len()), (1, 0));
    let (differ, _) = full("q{id=\"1\"} 3\nq{id=\"2\"} 4\n", &rules);
    assert_eq!(differ.unreadable.len(), 1);
}

#[test]
fn what_rules_leave_out_does_not_count_as_a_sample() {
    let limits = SeriesLimits { samples: 2, ..SeriesLimits::default() };
    let drops = changing(r#"[{"sourceLabels":["__name__"],"regex":"x.*","action":"drop"}]"#);
    let page = "x1 1\nx2 1\nx3 1\na 1\nb 2\n";
    assert_eq!(full(page, &Rules { limits, ..drops }).1, [1.0, 2.0]);
    assert!(error(page, &Rules { limits, ..changing("[]") }).starts_with("the body has 5 samples"));
}
