//! The `labels` query: no panic, and what is taken can be written again and is selected by each of its own labels.
#![no_main]

use custom_metrics_adapter::model::{Labels, Selector};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(labels) = Labels::parse_write(text) else { return };
    assert!(labels.len() <= Labels::MAX_LABELS);
    assert_eq!(Labels::parse_write(&labels.to_string()), Ok(labels.clone()));
    assert_eq!(Labels::validated(labels.iter()), Ok(labels.clone()));
    assert!(Selector::parse(&labels.to_string()).unwrap().matches(&labels), "{labels}");
});
