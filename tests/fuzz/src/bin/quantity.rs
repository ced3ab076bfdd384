//! Any text: no panic, and what is taken stays within the range, prints as itself again and never rounds towards zero.
#![no_main]

use custom_metrics_adapter::model::Quantity;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for quantity in [Quantity::parse(text), Quantity::from_json_token(text)].into_iter().flatten() {
        let printed = quantity.to_string();
        assert_eq!(Quantity::parse(&printed), Ok(quantity), "{printed}");
        assert!(quantity.milli().unsigned_abs() <= Quantity::MAX.unsigned_abs() * 1000);
        assert_eq!(quantity.milli() == 0, quantity == Quantity::ZERO);
        let milli = Quantity::parse(&format!("{}m", quantity.milli().unsigned_abs())).unwrap();
        assert!(Quantity::from_i64(0).unwrap() == milli || milli > Quantity::ZERO);
        assert!(Quantity::from_f64(quantity.to_f64()).is_ok() || quantity.milli().unsigned_abs() > 1 << 53);
    }
});
