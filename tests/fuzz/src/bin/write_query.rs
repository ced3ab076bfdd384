//! Any text as the query of a write: no panic, a refusal is the writer's mistake, and what is said twice is refused.
#![no_main]

use custom_metrics_adapter::write::{Query, Value};
use jiff::Timestamp;

libfuzzer_sys::fuzz_target!(|text: &str| match Query::parse(text) {
    Err(error) => assert_eq!(error.status(), 400),
    Ok(query) => {
        let value = Value::parse(b"1", Timestamp::UNIX_EPOCH).unwrap().with_query(query.clone()).unwrap();
        assert_eq!((&value.labels, &value.ttl), (&query.labels, &query.ttl));
        let twice = query.labels.is_some() || query.ttl.is_some();
        assert_eq!(value.with_query(query).is_err(), twice);
    }
});
