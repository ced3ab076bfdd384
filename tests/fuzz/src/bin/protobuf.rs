//! Any bytes as protobuf messages: no panic, and each series has a name and is there once.
#![no_main]

use std::collections::HashSet;

use custom_metrics_adapter::exposition::{Format, Options, parse};

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    if let Ok(parsed) = parse(body, Format::Protobuf, Options::default()) {
        let series: HashSet<_> = parsed.samples.iter().map(|sample| &sample.series).collect();
        assert_eq!(series.len(), parsed.samples.len());
        assert!(series.iter().all(|series| !series.name.is_empty()));
    }
});
