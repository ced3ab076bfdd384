//! The rules of text and OpenMetrics that are ours: tolerance by line, and what is no exposition at all.

use custom_metrics_adapter::exposition::{
    BadLine, Format, Kind, Membership, Options, ParseError, Parsed, Reason, Role, parse,
};

fn lenient(body: &str) -> Parsed<'_> {
    parse(body.as_bytes(), Format::Text, Options::default()).unwrap()
}

fn openmetrics(body: &str) -> Result<Parsed<'_>, ParseError> {
    parse(body.as_bytes(), Format::OpenMetrics, Options::default())
}

fn values(parsed: &Parsed<'_>) -> Vec<(String, f64)> {
    parsed.samples.iter().map(|sample| (sample.series.name.to_string(), sample.reading.value)).collect()
}

fn named(pairs: &[(&str, f64)]) -> Vec<(String, f64)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[test]
fn bad_lines_are_skipped_counted_and_the_first_three_shown() {
    let parsed = lenient("a 1\n!!!\nb 0x1F\nc 2\nd{x=\"1\n# TYPE e Counter\nf 1e400\ng 3\n");
    assert_eq!(values(&parsed), named(&[("a", 1.0), ("c", 2.0), ("g", 3.0)]));
    assert_eq!(parsed.rejected.count, 5);
    let shown: Vec<_> =
        parsed.rejected.first.iter().map(|bad| (bad.line, bad.reason, &*bad.excerpt)).collect();
    assert_eq!(
        shown,
        [
            (2, Reason::MetricName, "!!!"),
            (3, Reason::Value, "b 0x1F"),
            (5, Reason::UnterminatedString, "d{x=\\\"1"),
        ]
    );
}

#[test]
fn one_bad_line_fails_a_strict_text_body() {
    let error = parse(b"a 1\nb x\nc 2\n", Format::Text, Options { strict: true }).unwrap_err();
    let bad = BadLine { line: 2, reason: Reason::Value, excerpt: "b x".to_owned() };
    assert_eq!(error, ParseError::Line(bad));
    assert_eq!(error.to_string(), "line 2: the value is not a decimal number, `Inf` or `NaN`: \"b x\"");
}

#[test]
fn bad_lines_only_are_an_error_and_no_lines_are_none() {
    let error = parse(b"# HELP a b\nnot found\n", Format::Text, Options::default()).unwrap_err();
    assert!(matches!(error, ParseError::NoGoodSample(ref rejected) if rejected.count == 1), "{error}");
    for body in ["", "\n", "# just a comment", "\u{feff}"] {
        assert_eq!(lenient(body), Parsed::default(), "{body:?}");
    }
}

#[test]
fn html_and_json_are_no_exposition_in_either_text_format() {
    for body in ["<!doctype html>\n<p>a 1", "\n <html>", "{\"a\": 1}", "{\n \"a\": 1\n}", "[1]", "{}"] {
        for format in [Format::Text, Format::OpenMetrics] {
            let error = parse(body.as_bytes(), format, Options::default()).unwrap_err();
            assert!(matches!(error, ParseError::NotAnExposition(_)), "{body:?}: {error}");
        }
    }
}

#[test]
fn a_byte_order_mark_carriage_returns_and_leading_blanks_are_dropped() {
    let parsed = lenient("\u{feff}# TYPE a counter\r\n  a{x=\"1\"} 1\r\n\tb 2 3 \r\n\r\nc 4\r");
    assert_eq!(values(&parsed), named(&[("a", 1.0), ("b", 2.0), ("c", 4.0)]));
    assert_eq!(parsed.samples[0].membership.kind, Kind::Counter);
    assert_eq!(parsed.rejected.count, 0);
}

#[test]
fn the_first_of_two_samples_of_one_series_wins_however_it_is_spelled() {
    let parsed = lenient(
        "a{x=\"1\",y=\"2\"} 1\na{ y=\"2\" , x=\"1\", z=\"\" } 2\n{\"a\",x=\"1\",y=\"2\"} 3\na{x=\"1\"} 4\n",
    );
    assert_eq!(values(&parsed), named(&[("a", 1.0), ("a", 4.0)]));
    assert_eq!(parsed.duplicates, 2);
}

#[test]
fn buckets_that_differ_in_spelling_only_are_one_series_under_a_histogram() {
    let body = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"1e0\"} 3\n";
    assert_eq!(lenient(body).samples.len(), 3, "without a TYPE nothing is rewritten");
    let typed = format!("# TYPE h histogram\n{body}");
    let parsed = lenient(&typed);
    assert_eq!(parsed.samples.len(), 1);
    assert_eq!(parsed.samples[0].series.label("le"), Some("1.0"));
    assert_eq!(parsed.samples[0].membership, Membership { kind: Kind::Histogram, role: Role::Bucket });
}

#[test]
fn an_unterminated_quote_costs_its_own_line_only() {
    let parsed = lenient("a{x=\"1} 1\nb{y=\"2\"} 2\nc 3\nd{z=\"} 4\n");
    assert_eq!(values(&parsed), named(&[("b", 2.0), ("c", 3.0)]));
    let lines: Vec<_> = parsed.rejected.first.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [1, 4]);
}

#[test]
fn line_numbers_count_the_newlines_inside_of_label_values() {
    let parsed = lenient("a{x=\"1\n2\n3\"} 1\n\n\nbad line\n");
    assert_eq!(parsed.samples[0].series.label("x"), Some("1\n2\n3"));
    assert_eq!(parsed.rejected.first[0].line, 6);
}

#[test]
fn bytes_that_are_no_utf8_spoil_their_line_only() {
    let body = b"a{x=\"\xff\"} 1\n# HELP b \xff\n# free \xff comment\nb 2\n{\"\xff\"} 3\n";
    let parsed = parse(body, Format::Text, Options::default()).unwrap();
    assert_eq!(values(&parsed), named(&[("b", 2.0)]));
    let shown: Vec<_> = parsed.rejected.first.iter().map(|bad| (bad.line, bad.reason)).collect();
    assert_eq!(shown, [(1, Reason::Utf8), (2, Reason::Utf8), (5, Reason::Utf8)]);
}

#[test]
fn an_excerpt_is_short_and_printable() {
    let body = format!("good 1\n\u{1}\u{7}{}\n", "é".repeat(10_000));
    let parsed = lenient(&body);
    let excerpt = &parsed.rejected.first[0].excerpt;
    assert!(excerpt.starts_with("\\u{1}\\u{7}é"), "{excerpt}");
    assert_eq!(excerpt.chars().count(), BadLine::EXCERPT_CHARS);
}

#[test]
fn labels_are_borrowed_from_the_body_unless_an_escape_stands_in_the_way() {
    let parsed = lenient("{\"a.b\",x=\"plain\",y=\"q\\\"\"} 1\n");
    let series = &parsed.samples[0].series;
    assert!(matches!(series.name, std::borrow::Cow::Borrowed("a.b")));
    assert!(matches!(series.labels[0].1, std::borrow::Cow::Borrowed("plain")));
    assert_eq!(series.label("y"), Some("q\""));
}

#[test]
fn openmetrics_is_all_or_nothing() {
    assert_eq!(openmetrics("a 1\n# EOF").unwrap().samples.len(), 1);
    assert_eq!(openmetrics("a 1\n"), Err(ParseError::MissingEof));
    assert_eq!(openmetrics(""), Err(ParseError::MissingEof));
    for (body, line, reason) in [
        ("a 1\n# EOF\nb 2\n", 3, Reason::AfterEof),
        ("a 1\n# EOF\n\n", 3, Reason::AfterEof),
        ("a 1\n\n# EOF\n", 2, Reason::MetricName),
        ("a 1 \n# EOF\n", 1, Reason::Timestamp),
        ("a{x=\"1\"y=\"2\"} 1\n# EOF\n", 1, Reason::Comma),
        ("# free\n# EOF\n", 1, Reason::Comment),
        ("# TYPE a untyped\n# EOF\n", 1, Reason::Type),
        ("# UNIT a seconds\n# EOF\n", 1, Reason::Unit),
        ("a 1 # {x=\"1\"}\n# EOF\n", 1, Reason::Exemplar),
        ("a 1\r\n# EOF\n", 1, Reason::Value),
        ("\u{feff}a 1\n# EOF\n", 1, Reason::MetricName),
    ] {
        let Err(ParseError::Line(bad)) = openmetrics(body) else { panic!("{body:?} is taken") };
        assert_eq!((bad.line, bad.reason), (line, reason), "{body:?}");
    }
}

#[test]
fn start_times_are_told_from_measurements() {
    let parsed = openmetrics("# TYPE c counter\nc_total 1\nc_created 1520430000.123\n# EOF\n").unwrap();
    let roles: Vec<_> = parsed.samples.iter().map(|sample| sample.membership.role).collect();
    assert_eq!(roles, [Role::Value, Role::Created]);
}

#[test]
fn an_exemplar_in_text_is_checked_and_dropped() {
    let parsed = lenient("a 1 # {x=\"#\"} 2\nb 2 1700000000000 # {} 2 1.5\nc{l=\"1\"}3\t# {x=\"1\",} 2\r\n");
    assert_eq!(values(&parsed), named(&[("a", 1.0), ("b", 2.0), ("c", 3.0)]));
    assert_eq!(parsed.samples[1].reading.timestamp_ms, Some(1_700_000_000_000));
    for (line, reason) in [
        ("a 1 # {x=\"1\"}", Reason::Exemplar),
        ("a 1 # {x=1} 2", Reason::Exemplar),
        ("a 1 # {x=\"1\"} 2 x", Reason::Exemplar),
        ("a 1 # {x=\"1\"} 2 3 4", Reason::Trailing),
        ("a 1 # comment", Reason::Trailing),
        ("a 1 5 #", Reason::Trailing),
    ] {
        let body = format!("good 1\n{line}\n");
        assert_eq!(lenient(&body).rejected.first[0].reason, reason, "{line}");
    }
}

#[test]
fn a_type_below_its_samples_is_their_type() {
    let parsed = lenient("h_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 1\n# TYPE h histogram\n");
    assert_eq!((parsed.samples.len(), parsed.duplicates), (1, 1));
    assert_eq!(parsed.samples[0].membership, Membership { kind: Kind::Histogram, role: Role::Bucket });
}
