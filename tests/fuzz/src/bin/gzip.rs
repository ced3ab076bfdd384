//! Any bytes as gzip: no panic, never more than the limit, and the limit decides nothing but whether it is too much.
#![no_main]

use custom_metrics_adapter::exposition::decode::{DecodeError, Encoding, decode};

const LIMIT: usize = 1 << 16;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut buffer = Vec::new();
    let whole = decode(Encoding::Gzip, input, LIMIT, &mut buffer).map(<[u8]>::to_vec);
    assert!(buffer.len() <= LIMIT + 1);
    if let Ok(whole) = whole {
        assert_eq!(decode(Encoding::Gzip, input, whole.len(), &mut buffer).unwrap(), whole);
        if let Some(less) = whole.len().checked_sub(1) {
            let cut = decode(Encoding::Gzip, input, less, &mut buffer);
            assert!(matches!(cut, Err(DecodeError::TooLarge(_))));
        }
    }
});
