//! For any value: against `i128` arithmetic. For any text: no panic.

use proptest::prelude::*;

use super::*;

const MAX_NANOS: i128 = i64::MAX as i128 / 1000 * 1_000_000_000;

/// Any value of the range, with more of the small and the round ones than chance would give.
fn any_nanos() -> impl Strategy<Value = i128> {
    let round = (-9_999_i128..=9_999, 0_u32..22).prop_map(|(mantissa, zeros)| mantissa * 10_i128.pow(zeros));
    let binary = (-9_999_i128..=9_999, 0_u32..6)
        .prop_map(|(mantissa, power)| mantissa * 1024_i128.pow(power) * 1_000_000_000);
    prop_oneof![-MAX_NANOS..=MAX_NANOS, round, binary, -3_000_000_i128..=3_000_000]
        .prop_filter("in range", |nanos| nanos.abs() <= MAX_NANOS)
}

fn any_quantity() -> impl Strategy<Value = Quantity> {
    const FORMATS: [Format; 3] = [Format::DecimalSi, Format::BinarySi, Format::DecimalExponent];
    (any_nanos(), proptest::sample::select(&FORMATS[..]))
        .prop_map(|(nanos, format)| Quantity::within_range(nanos, format).unwrap())
}

/// Strings over the characters that quantities are made of.
const NEARLY_A_QUANTITY: &str = "[-+]?[0-9]{0,25}\\.?[0-9]{0,25}[-+.eEinumkKMGTP0-9]{0,6}";

proptest! {
    #[test]
    fn printing_and_parsing_gives_the_value_back(quantity in any_quantity()) {
        let printed = quantity.to_string();
        let parsed = Quantity::parse(&printed).unwrap();
        prop_assert_eq!(parsed, quantity);
        // A binary quantity without a binary suffix is read as a decimal one: 2497000 becomes 2497k.
        prop_assert!(quantity.format() == Format::BinarySi || parsed.to_string() == printed);
        let json = serde_json::to_string(&quantity).unwrap();
        prop_assert_eq!(Quantity::from_json_token(&json), Ok(quantity));
    }

    #[test]
    fn print_has_a_whole_mantissa_without_trailing_groups(quantity in any_quantity()) {
        let printed = quantity.to_string();
        let mantissa: String = printed.chars().take_while(|c| *c == '-' || c.is_ascii_digit()).collect();
        prop_assert!(!printed.contains('.'), "{}", printed);
        prop_assert!(quantity.format() == Format::BinarySi || !mantissa.ends_with("000"), "{}", printed);
        prop_assert!(quantity.nanos >= 0 || mantissa.len() <= 19, "{} has more than 18 digits", printed);
        prop_assert!(quantity.nanos == 0 || mantissa.parse::<i128>().unwrap() != 0, "{}", printed);
    }

    #[test]
    fn order_and_sum_agree_with_integers(one in any_quantity(), other in any_quantity()) {
        prop_assert_eq!(one.cmp(&other), one.nanos.cmp(&other.nanos));
        let sum = one.nanos + other.nanos;
        let fits = sum.abs() <= MAX_NANOS;
        let added = one.checked_add(other).map(|sum| sum.nanos);
        prop_assert_eq!(added.is_some(), fits);
        // A negative sum may be too long to keep in full.
        prop_assert!(sum < 0 || added.is_none_or(|added| added == sum));
        prop_assert!(added.is_none_or(|added| added <= sum && added > sum - 1_000_000_000));
        let summed = Quantity::checked_sum([one, other]);
        prop_assert_eq!(summed.ok().flatten(), one.checked_add(other));
    }

    #[test]
    fn milli_is_the_next_thousandth_away_from_zero(quantity in any_quantity()) {
        let milli = i128::from(quantity.milli()) * 1_000_000;
        prop_assert!(milli.abs() >= quantity.nanos.abs());
        prop_assert!(milli.abs() - quantity.nanos.abs() < 1_000_000);
        prop_assert!(milli.signum() == quantity.nanos.signum());
    }

    #[test]
    fn decimals_parse_as_integer_arithmetic_says(
        whole in 0_u64..10_000_000_000_000_000,
        picos in 0_u64..1_000_000_000_000,
        negative in any::<bool>(),
    ) {
        let expected = i128::from(whole) * 1_000_000_000 + i128::from(picos.div_ceil(1000));
        let sign = if negative { "-" } else { "" };
        match Quantity::parse(&format!("{sign}{whole}.{picos:012}")) {
            Ok(parsed) if negative => prop_assert_eq!(parsed.nanos, shortened(-expected)),
            Ok(parsed) => prop_assert_eq!(parsed.nanos, expected),
            Err(error) => prop_assert!(expected > MAX_NANOS, "{}", error),
        }
    }

    #[test]
    fn binary_fractions_parse_as_integer_arithmetic_says(
        whole in 0_u64..1000,
        femtos in 0_u64..1_000_000_000_000_000,
        power in 1_usize..6,
    ) {
        let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi"][power];
        let femtos_in_all = u128::from(whole) * 1_000_000_000_000_000 + u128::from(femtos);
        let expected = (femtos_in_all << (10 * power)).div_ceil(1_000_000);
        match Quantity::parse(&format!("{whole}.{femtos:015}{suffix}")) {
            Ok(parsed) => prop_assert_eq!(parsed.nanos.unsigned_abs(), expected),
            Err(error) => prop_assert!(expected > MAX_NANOS.unsigned_abs(), "{}", error),
        }
    }

    #[test]
    fn exponents_only_move_the_point(digits in 1_u64..10_000_000, exponent in -40_i32..40) {
        let moved = if exponent < 0 {
            let (zeros, places) = ("0".repeat(40), exponent.unsigned_abs() as usize);
            let padded = format!("{zeros}{digits}");
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{whole}.{fraction}")
        } else {
            format!("{digits}{}", "0".repeat(exponent.unsigned_abs() as usize))
        };
        let with_exponent = Quantity::parse(&format!("{digits}e{exponent}"));
        prop_assert_eq!(with_exponent.ok(), Quantity::parse(&moved).ok());
    }

    #[test]
    fn thousandths_survive_a_float(milli in -(1_i64 << 43) * 1000..=(1 << 43) * 1000) {
        let quantity = Quantity::within_range(i128::from(milli) * 1_000_000, Format::DecimalSi).unwrap();
        prop_assert_eq!(Quantity::from_f64(quantity.to_f64()), Ok(quantity));
    }

    #[test]
    fn any_float_is_within_half_a_thousandth_or_an_error(float in prop_oneof![any::<f64>(), -1.0..1.0]) {
        if let Ok(quantity) = Quantity::from_f64(float) {
            // Two roundings: of the nanos to a float, and of the division.
            let slack = 2.0 * float.abs() * f64::EPSILON;
            let unit = if float.abs() < 0.000_5 { 1e-9 } else if float.abs() < 0.1 { 1e-6 } else { 1e-3 };
            prop_assert!((quantity.to_f64() - float).abs() <= unit / 2.0 + slack);
        } else {
            prop_assert!(float.is_nan() || float.abs() > 9_223_372_036_854_774.0);
        }
    }

    #[test]
    fn any_text_is_a_quantity_in_range_or_an_error(text in prop_oneof![".{0,80}", NEARLY_A_QUANTITY]) {
        if let Ok(quantity) = Quantity::parse(&text) {
            prop_assert!(quantity.nanos.abs() <= MAX_NANOS);
        }
        if let Ok(quantity) = Quantity::from_json_token(&text) {
            prop_assert_eq!(Quantity::parse(&quantity.to_string()), Ok(quantity));
        }
    }
}
