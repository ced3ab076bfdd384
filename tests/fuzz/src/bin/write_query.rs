//! Any text as the query of a write: no panic, a refusal is the writer's mistake, and what is said twice is refused.
#![no_main]

use custom_metrics_adapter::write::{Query, Value};
use jiff::Timestamp;

libfuzzer_sys::fuzz_target!(|text: &str| match Query::parse(text, Timestamp::UNIX_EPOCH) {
    Err(error) => assert_eq!(error.status(), 400),
    Ok(query) => {
        let value = Value::parse(b"1", Timestamp::UNIX_EPOCH).unwrap().with_query(&query).unwrap();
        assert_eq!((&value.labels, &value.ttl), (&query.labels, &query.ttl));
        assert_eq!((&value.timestamp, &value.window_seconds), (&query.timestamp, &query.window_seconds));
        let twice = query != Query::default();
        assert_eq!(value.with_query(&query).is_err(), twice);
    }
});
