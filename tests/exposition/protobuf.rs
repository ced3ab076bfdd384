//! Protobuf bodies, written field by field: what a client library never sends, and what guards against it.

use custom_metrics_adapter::exposition::{Format, Options, ParseError, Parsed, parse};
use proptest::{collection::vec, prelude::*};

const COUNTER: u8 = 0;
const GAUGE: u8 = 1;
const HISTOGRAM: u8 = 4;

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A field with a length.
fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2], varint(content.len()).as_slice(), content].concat()
}

fn integer(number: u8, value: u8) -> Vec<u8> {
    vec![number << 3, value]
}

fn double(number: u8, value: f64) -> Vec<u8> {
    [&[number << 3 | 1], value.to_le_bytes().as_slice()].concat()
}

fn family(name: &str, kind: u8, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| bytes(4, metric)).collect();
    delimited(&[bytes(1, name.as_bytes()), integer(3, kind), metrics].concat())
}

fn delimited(message: &[u8]) -> Vec<u8> {
    [varint(message.len()).as_slice(), message].concat()
}

fn label(name: &str, value: &str) -> Vec<u8> {
    bytes(1, &[bytes(1, name.as_bytes()), bytes(2, value.as_bytes())].concat())
}

fn gauge(labels: &[Vec<u8>], value: f64) -> Vec<u8> {
    [labels.concat(), bytes(2, &double(1, value))].concat()
}

fn read(body: &[u8]) -> Result<Parsed<'_>, ParseError> {
    parse(body, Format::Protobuf, Options::default())
}

fn shown(body: &[u8]) -> Vec<String> {
    let shown = |sample: &custom_metrics_adapter::exposition::ParsedSample<'_>| {
        let labels: String = sample.series.labels.iter().map(|(n, v)| format!(" {n}={v}")).collect();
        format!("{}{labels} {}", sample.series.name, sample.reading.value)
    };
    read(body).unwrap().samples.iter().map(shown).collect()
}

fn refusal(body: &[u8]) -> (usize, String) {
    match read(body) {
        Err(ParseError::Protobuf { message, reason }) => (message, reason),
        other => panic!("not refused: {other:?}"),
    }
}

fn bucket(bound: f64, count: u8) -> Vec<u8> {
    bytes(3, &[integer(1, count), double(2, bound)].concat())
}

#[test]
fn an_infinite_bucket_is_made_up_only_where_it_is_missing() {
    let open = bytes(7, &[integer(1, 3), double(2, 1.5), bucket(1.0, 2)].concat());
    let closed =
        bytes(7, &[integer(1, 3), double(2, 1.5), bucket(1.0, 2), bucket(f64::INFINITY, 3)].concat());
    let expected = ["h_count 3", "h_sum 1.5", "h_bucket le=1.0 2", "h_bucket le=+Inf 3"];
    assert_eq!(shown(&family("h", HISTOGRAM, &[open])), expected);
    assert_eq!(shown(&family("h", HISTOGRAM, &[closed])), expected);
}

#[test]
fn float_counts_override_whole_ones() {
    let bucket = bytes(3, &[double(4, 2.5), double(2, 1.0)].concat());
    let histogram = bytes(7, &[double(4, 3.5), double(2, 1.5), bucket].concat());
    let expected = ["h_count 3.5", "h_sum 1.5", "h_bucket le=1.0 2.5", "h_bucket le=+Inf 3.5"];
    assert_eq!(shown(&family("h", HISTOGRAM, &[histogram])), expected);
}

#[test]
fn a_native_histogram_gives_count_and_sum_and_is_reported_as_skipped() {
    let schema = integer(5, 6);
    let span = bytes(12, &[integer(1, 0), integer(2, 2)].concat());
    let native = bytes(7, &[integer(1, 3), double(2, 1.5), schema, span, bytes(13, &[2, 4])].concat());
    let body = family("h", HISTOGRAM, &[native.clone(), [label("x", "1"), native].concat()]);
    assert_eq!(shown(&body), ["h_count 3", "h_sum 1.5", "h_count x=1 3", "h_sum x=1 1.5"]);
    let skipped = read(&body).unwrap().skipped;
    assert_eq!((skipped.count, skipped.first), (1, vec!["h".to_owned()]));
}

#[test]
fn a_timestamp_of_zero_means_none() {
    for (timestamp, expected) in [(0, None), (7, Some(7))] {
        let body = family("g", GAUGE, &[[gauge(&[], 1.0), integer(6, timestamp)].concat()]);
        assert_eq!(read(&body).unwrap().samples[0].reading.timestamp_ms, expected);
    }
}

#[test]
fn the_type_counts_wherever_it_stands_in_the_message() {
    let message = [bytes(4, &gauge(&[], 1.0)), integer(3, GAUGE), bytes(1, b"g")].concat();
    assert_eq!(shown(&delimited(&message)), ["g 1"]);
}

#[test]
fn an_empty_body_holds_nothing() {
    assert_eq!(read(b""), Ok(Parsed::default()));
}

#[test]
fn what_breaks_framing_or_schema_names_its_message() {
    let good = family("g", GAUGE, &[gauge(&[], 1.0)]);
    let after_good = |bad: &[u8]| refusal(&[good.as_slice(), bad].concat());
    for (bad, expected) in [
        (vec![9, 1, 2], "truncated: 9 bytes announced, 2 left"),
        (vec![255; 11], "invalid varint"),
        (vec![255, 255, 255, 255, 255, 255, 255, 255, 255, 1], "truncated"),
        (family("c", COUNTER, &[gauge(&[], 1.0)]), "lacks the value of its type"),
        (family("t", 9, &[]), "unknown metric type 9"),
        (family("", GAUGE, &[gauge(&[], 1.0)]), "the metric name is empty"),
        (family("g", GAUGE, &[gauge(&[label("x", "1"), label("x", "2")], 1.0)]), "a label name stands twice"),
        (family("g", GAUGE, &[gauge(&[label("", "1")], 1.0)]), "a label name is empty"),
        (family("g", GAUGE, &[gauge(&[label("__name__", "1")], 1.0)]), "`__name__` is no label name"),
        (delimited(&bytes(1, &[0xff])), "invalid string value"),
        (delimited(&[3 << 3 | 3, 3 << 3 | 4]), "wire type"),
        (delimited(&bytes(4, &[10, 200])), "lacks"),
    ] {
        let (message, reason) = after_good(&bad);
        assert_eq!(message, 2, "{reason}");
        assert!(reason.contains(expected) || expected == "lacks", "{reason:?} lacks {expected:?}");
    }
}

#[test]
fn labels_repeated_for_each_bucket_do_not_make_gigabytes() {
    let long = label("x", &"y".repeat(500_000));
    let buckets: Vec<u8> = (0..1000).flat_map(|bound| bucket(f64::from(bound), 1)).collect();
    let metric = [long, bytes(7, &buckets)].concat();
    assert!(refusal(&family("h", HISTOGRAM, &[metric])).1.contains("bytes as text"));
}

#[test]
fn one_metric_has_at_most_a_megabyte() {
    let metric = gauge(&[label("x", &"y".repeat(1 << 20))], 1.0);
    assert!(refusal(&family("g", GAUGE, &[metric])).1.contains("more than 1048576 bytes"));
}

#[test]
fn a_family_with_a_name_of_megabytes_is_refused_in_few_words() {
    for name in ["n".repeat(8 << 20), "\u{1}".repeat(8 << 20), "n".repeat((4 << 10) + 1)] {
        let reason = refusal(&family(&name, GAUGE, &[gauge(&[], 1.0)])).1;
        assert_eq!(reason, format!("a family's name has {} bytes, more than 4096", name.len()));
    }
    let name = "\u{1}".repeat(4 << 10);
    for bad in [
        family(&name, 9, &[]),
        family(&name, COUNTER, &[gauge(&[], 1.0)]),
        family(&name, GAUGE, &[vec![255]]),
    ] {
        let reason = refusal(&bad).1;
        assert!(reason.len() < 1_000, "{} bytes", reason.len());
    }
}

#[test]
fn nested_groups_do_not_exhaust_the_stack() {
    let groups = vec![9 << 3 | 3; 100_000];
    assert_eq!(refusal(&delimited(&groups)).0, 1);
    assert_eq!(refusal(&family("g", GAUGE, &[groups])).0, 1);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = read(&body);
        let _ = read(&delimited(&body));
        let _ = read(&family("h", HISTOGRAM, &[body]));
    }

    #[test]
    fn a_body_cut_anywhere_is_refused_or_a_whole_number_of_messages(cut in 0..5000_usize) {
        let body = include_bytes!("../vectors/expositions/apiserver.protobuf");
        let whole = read(body).unwrap();
        match read(&body[..cut]) {
            Ok(part) => prop_assert_eq!(&part.samples[..], &whole.samples[..part.samples.len()]),
            Err(error) => prop_assert!(matches!(error, ParseError::Protobuf { .. }), "{}", error),
        }
    }
}
