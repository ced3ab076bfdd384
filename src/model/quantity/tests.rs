//! Against apimachinery's recorded results, and against plain integer arithmetic.

mod properties;
mod recorded;

use std::collections::HashSet;

use super::*;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn is_out_of_range(result: &Result<Quantity, QuantityError>) -> bool {
    matches!(result, Err(QuantityError::OutOfRange { .. }))
}

#[test]
fn range_ends_where_thousandths_fill_an_i64() {
    for text in ["9223372036854775", "-9223372036854775", "9223372036854774999m", "8Pi", "9223372036854775e0"]
    {
        assert!(Quantity::parse(text).is_ok(), "{text}");
    }
    for text in
        ["9223372036854775.0000000001", "-9223372036854776", "9223372036854775001m", "9Pi", "1e18", "1E"]
    {
        assert!(is_out_of_range(&Quantity::parse(text)), "{text}");
    }
    assert_eq!(quantity("9223372036854775").milli(), 9_223_372_036_854_775_000);
    assert_eq!(Quantity::from_i64(Quantity::MAX), Ok(quantity("9223372036854775")));
    assert!(is_out_of_range(&Quantity::from_i64(Quantity::MAX + 1)));
    assert!(is_out_of_range(&Quantity::from_i64(i64::MIN)));
}

#[test]
fn exponents_cost_nothing_and_keep_their_meaning() {
    for text in ["1e99999999999", "-1e9223372036854775807", "1e4294967296", "0.001e20"] {
        assert!(is_out_of_range(&Quantity::parse(text)), "{text}");
    }
    for text in ["1e-99999999999", "1e-9223372036854775808", "123456e-4294967296"] {
        assert_eq!(quantity(text).to_string(), "1e-9", "{text}");
    }
    assert_eq!(quantity("-1e-99999999999").to_string(), "-1e-9");
    assert_eq!(quantity("0e99999999999"), Quantity::ZERO);
    assert_eq!(quantity("0.000000000000000000001e21").to_string(), "1");
    // Past an i64 it is no exponent for apimachinery either.
    assert!(matches!(Quantity::parse("1e99999999999999999999"), Err(QuantityError::Suffix(_))));
}

#[test]
fn fractions_with_a_binary_suffix_are_exact_to_the_last_digit() {
    // 2^-60 in full, then a little less and a little more.
    let smallest = "0.000000000000000000867361737988403547205962240695953369140625";
    assert_eq!(quantity(&format!("{smallest}Ei")).to_string(), "1");
    assert_eq!(quantity(&format!("{smallest}1Ei")).to_string(), "1000000001n");
    assert_eq!(quantity("0.00000000000000000086736173798840354Ei").to_string(), "1");
    assert_eq!(quantity("0.0009765625Ki").to_string(), "1");
    assert_eq!(quantity("-0.00097656250001Ki").to_string(), "-1000000001n");
}

#[test]
fn long_texts_are_refused_and_long_floats_are_not() {
    let exact = format!("{:.1074}", f64::from_bits(1));
    assert_eq!(quantity(&exact).to_string(), "1n");
    assert_eq!(quantity(&format!("{}7", "0".repeat(2000))).to_string(), "7");
    let endless = "9".repeat(1 << 20);
    assert_eq!(Quantity::parse(&endless), Err(QuantityError::TooLong(1 << 20)));
    let escaped = format!("\"\\u0031{endless}\"");
    assert_eq!(Quantity::from_json_token(&escaped), Err(QuantityError::TooLong(escaped.len())));
}

/// Each text printed here was read back by apimachinery 0.37.2 with the right `MilliValue`.
#[test]
fn negative_numbers_are_kept_as_far_as_an_hpa_reads_them_right() {
    let cases = [
        ("-5015795702799.2275", "-5015795702799228m"),
        ("-999999999.999999999", "-999999999999999999n"),
        ("-1000000000.000000001", "-1000000000000001u"),
        ("-1070010995017507.7", "-1070010995017508"),
        ("-9223372036854774.001", "-9223372036854775"),
        ("5015795702799.2275", "5015795702799227500u"),
        ("-99999999999Ki", "-99999999999Ki"),
        ("-100000000001Ki", "-102400000001024"),
        ("-99999Gi", "-99999Gi"),
        ("-197050Gi", "-211580826419200"),
        ("-99Ti", "-99Ti"),
        ("-101Ti", "-111050674405376"),
        ("-3Pi", "-3377699720527872"),
        ("3Pi", "3Pi"),
    ];
    for (text, printed) in cases {
        assert_eq!(quantity(text).to_string(), printed, "{text}");
        assert_eq!(quantity(printed), quantity(text), "{text}");
    }
    assert_eq!(quantity("-5015795702799.2275").milli(), -5_015_795_702_799_228);
}

#[test]
fn equality_order_and_hash_are_those_of_the_value() {
    let equal: HashSet<Quantity> = ["1k", "1e3", "1000", "1000000m", "0.9765625Ki"].map(quantity).into();
    assert_eq!(equal.len(), 1);
    assert!(
        quantity("-1") < quantity("-1n")
            && quantity("1023") < quantity("1Ki")
            && quantity("1n") > Quantity::ZERO
    );
}

#[test]
fn floats_become_the_nearest_thousandth_with_ties_away_from_zero_and_small_ones_keep_their_digits() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (1.5, "1500m"),
        (33.333_333_333_333_336, "33333m"),
        (0.312_5, "313m"),
        (-0.312_5, "-313m"),
        (0.062_5, "62500u"),
        (0.000_5, "500u"),
        (0.000_4, "400u"),
        (0.000_000_4, "400n"),
        // Just below the tie in binary, although `* 1000.0` lands on it.
        (1.000_5, "1"),
        (5e-324, "0"),
        (1e15, "1P"),
        (9_007_199_254_740_993.0, "9007199254740992"),
        (9_223_372_036_854_774.0, "9223372036854774"),
    ];
    for (float, printed) in cases {
        assert_eq!(Quantity::from_f64(float).unwrap().to_string(), printed, "{float:e}");
    }
}

#[test]
fn floats_that_are_no_such_number_are_errors_and_never_zero() {
    assert_eq!(Quantity::from_f64(f64::NAN), Err(QuantityError::NotANumber));
    assert_eq!(Quantity::from_f64(f64::INFINITY), Err(QuantityError::Infinite));
    assert_eq!(Quantity::from_f64(f64::NEG_INFINITY), Err(QuantityError::Infinite));
    for float in [9_223_372_036_854_776.0, -9_223_372_036_854_776.0, 1e16, 1e18, f64::MAX, f64::MIN] {
        assert!(is_out_of_range(&Quantity::from_f64(float)), "{float:e}");
    }
}

#[test]
fn what_somebody_writes_needs_a_digit() {
    for token in ["m", "\"m\"", "-", "\"+\"", ".", "\"Ki\"", "e3", "\" . \""] {
        assert!(matches!(Quantity::from_json_token(token), Err(QuantityError::Numeric(_))), "{token}");
    }
    assert_eq!(Quantity::from_json_token("null"), Err(QuantityError::Null));
    for token in
        ["", "\"\"", "\"", "\"null\"", "true", "[1]", "{}", "\"1\"2\"", "\"1", "1\"", "\"\\q\"", "1 2"]
    {
        assert!(matches!(Quantity::from_json_token(token), Err(QuantityError::Syntax(_))), "{token}");
    }
}

#[test]
fn json_tokens_may_have_blanks_escapes_or_no_quotes() {
    for token in ["300m", "\"300m\"", " \t300m\r\n", "\" 300m\"", "\"\\u0033\\u00300m\"", "0.3", "\"3e-1\""] {
        assert_eq!(Quantity::from_json_token(token), Ok(quantity("300m")), "{token}");
    }
}

#[test]
fn sums_are_exact_and_checked() {
    let sum = |texts: &[&str]| Quantity::checked_sum(texts.iter().map(|text| quantity(text)));
    assert_eq!(sum(&[]), Ok(None));
    assert_eq!(sum(&["100m", "200m", "1n"]).unwrap().unwrap().to_string(), "300000001n");
    assert_eq!(sum(&["1Ki", "1024"]).unwrap().unwrap().to_string(), "2Ki");
    // Out of range half way only.
    assert_eq!(sum(&["9P", "9P", "-9P"]), Ok(Some(quantity("9P"))));
    assert!(matches!(sum(&["9P", "9P"]), Err(QuantityError::OutOfRange { .. })));
    assert_eq!(quantity("9P").checked_add(quantity("9P")), None);
    assert_eq!(quantity("9P").checked_add(quantity("-9P")), Some(Quantity::ZERO));
}

#[test]
fn errors_start_with_the_words_of_apimachinery_and_say_what_to_change() {
    let message = |text| Quantity::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(message("1,5"), @"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', not \"1,5\"");
    insta::assert_snapshot!(message("5K"), @"unable to parse quantity's suffix in \"5K\": it is one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, or an exponent as in 1e3");
    insta::assert_snapshot!(message("1e18"), @"1e18 is out of range: an HPA calculates with thousandths in 64 bits and scales to the minimum when they overflow, so a value is at most ±9223372036854775; use a larger unit for this metric");
    assert_eq!(Quantity::from_f64(1e300).unwrap_err().to_string().split_once(' ').unwrap().0, "1e300");
    let long = message(&"é".repeat(1000));
    assert!(long.ends_with(&format!("\"{}…\"", "é".repeat(64))), "{long}");
}
