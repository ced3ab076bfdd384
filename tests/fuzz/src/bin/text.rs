//! Two text bodies: no panic, and what is found in the second does not depend on what the first made us expect.
#![no_main]

use custom_metrics_adapter::exposition::Format;

libfuzzer_sys::fuzz_target!(|input: &[u8]| custom_metrics_adapter_fuzz::check(input, Format::Text));
