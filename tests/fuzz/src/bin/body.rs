//! Any bytes as the body of a write and as a batch: no panic, a refusal is the writer's mistake, what is taken keeps
//! its limits, and an object means the same alone and as a line of a batch.
#![no_main]

use custom_metrics_adapter::{
    model::{Labels, Quantity},
    write::{Value, WriteError, WritePath, batch},
};
use jiff::{SignedDuration, Timestamp};

const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Some(value) = taken(Value::parse(body, NOW)) {
        check(&value);
        alone_and_in_a_batch(body, &value);
    }
    let batch = taken(batch::parse(body, NOW)).unwrap_or_default();
    for line in batch.lines {
        assert!(line.number >= 1);
        check(&line.value);
    }
    for (number, error) in batch.refused {
        assert!(number >= 1);
        taken::<()>(Err(error));
    }
});

/// What was taken; a refusal is a 400 that shows no more lines than anyone reads.
fn taken<T>(parsed: Result<T, WriteError>) -> Option<T> {
    let refusal = |error: WriteError| {
        assert_eq!(error.status(), 400);
        assert!(!error.to_string().is_empty());
        if let WriteError::Lines { count, first, .. } = error {
            assert!(count >= first.len() && (1..=20).contains(&first.len()));
        }
    };
    parsed.map_err(refusal).ok()
}

fn check(value: &Value) {
    assert!(value.quantity.milli().unsigned_abs() <= Quantity::MAX.unsigned_abs() * 1000);
    assert!(value.ttl.is_none_or(|ttl| ttl.is_positive()));
    assert!(value.timestamp.is_none_or(|at| at.duration_since(NOW) <= SignedDuration::from_mins(10)));
    if let Some(labels) = &value.labels {
        assert!(labels.len() <= Labels::MAX_LABELS);
        assert_eq!(Labels::validated(labels.iter()), Ok(labels.clone()));
    }
}

/// Only an object on one line can be put into a batch as it is.
fn alone_and_in_a_batch(body: &[u8], value: &Value) {
    let text = std::str::from_utf8(body).unwrap().trim_start_matches('\u{feff}').trim();
    let Some(fields) = text.strip_prefix('{').filter(|_| !text.contains('\n')) else { return };
    let line = format!(
        "\n{{\"namespace\": \"a\", \"resource\": \"pods\", \"name\": \"b\", \"metric\": \"c\", {fields}"
    );
    let batch = batch::parse(line.as_bytes(), NOW).unwrap();
    let [line] = batch.lines.as_slice() else { panic!("{batch:?}") };
    assert_eq!((line.number, &line.value), (2, value));
    assert_eq!(line.path, WritePath::object(Some("a"), "pods", "b", "c").unwrap());
}
