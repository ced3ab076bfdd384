//! The numbers of a line: values and timestamps. Each reader gives back what follows the number.

use super::error::Reason;

/// Reads a value at the start of `text`: a decimal number as in Go's `ParseFloat` without hex and underscores;
/// `NaN`, `Inf` and `Infinity` in any case, the latter two with a sign if wanted.
///
/// What follows is for the caller to judge: `1_000` gives 1 and `_000`.
///
/// # Errors
/// `Value` when no number stands there, `ValueRange` when one overflows; underflow gives zero.
#[inline]
pub(super) fn read(text: &[u8]) -> Result<(f64, &[u8]), Reason> {
    match small_integer(text) {
        Some(read) => Ok(read),
        None => read_any(text),
    }
}

/// Most values on a `/metrics` page are small counts; they are exact in a float whatever way they are read.
#[inline]
fn small_integer(text: &[u8]) -> Option<(f64, &[u8])> {
    let (mut value, mut rest, mut digits) = (0_u64, text, 0_u32);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        (rest, digits) = (after, digits + 1);
    }
    let ends = matches!(rest, [] | [b'\n' | b' ', ..]);
    #[expect(clippy::cast_precision_loss, reason = "15 digits are below 2^53")]
    let exact = value as f64;
    (ends && (1..=15).contains(&digits)).then_some((exact, rest))
}

fn read_any(text: &[u8]) -> Result<(f64, &[u8]), Reason> {
    let (value, length) = fast_float2::parse_partial::<f64, _>(text).map_err(|_| Reason::Value)?;
    let (token, rest) = text.split_at_checked(length).ok_or(Reason::Value)?;
    let signed = matches!(token, [b'+' | b'-', ..]);
    let numeric = token.iter().any(u8::is_ascii_digit);
    match () {
        // Go, and so Prometheus, knows no signed NaN
        () if value.is_nan() && signed => Err(Reason::Value),
        // float crates of Rust give infinity for 1e400; to Go it is an error, and infinity would be a lie
        () if value.is_infinite() && numeric => Err(Reason::ValueRange),
        () => Ok((value, rest)),
    }
}

/// Reads a text-format timestamp: digits only, milliseconds since the epoch.
pub(super) fn read_milliseconds(text: &[u8]) -> Result<(i64, &[u8]), Reason> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length).ok_or(Reason::Timestamp)?;
    let digits = std::str::from_utf8(digits).map_err(|_| Reason::Timestamp)?;
    Ok((digits.parse().map_err(|_| Reason::Timestamp)?, rest))
}

/// Reads an OpenMetrics timestamp: seconds, with a fraction if wanted. Milliseconds by truncation, as Prometheus
/// stores them; out of range is an error here, where Prometheus wraps around.
pub(super) fn read_seconds(text: &[u8]) -> Result<(i64, &[u8]), Reason> {
    let (seconds, rest) = read(text).map_err(|_| Reason::Timestamp)?;
    Ok((milliseconds(seconds).ok_or(Reason::Timestamp)?, rest))
}

fn milliseconds(seconds: f64) -> Option<i64> {
    let milliseconds = seconds * 1000.0;
    // 2^63; NaN is in no range
    let in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&milliseconds);
    #[expect(clippy::cast_possible_truncation, reason = "in range, and the fraction is to be dropped")]
    in_range.then_some(milliseconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn whole(text: &str) -> Result<f64, Reason> {
        let (value, rest) = read(text.as_bytes())?;
        if rest.is_empty() { Ok(value) } else { Err(Reason::Trailing) }
    }

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("00012", 12.0),
            ("123456789012345", 123_456_789_012_345.0),
            ("18446744073709551615", 18_446_744_073_709_551_615.0),
            ("1e3", 1000.0),
            ("1E+3", 1000.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+1", 1.0),
            ("-1.25e-2", -0.0125),
            ("1e-400", 0.0),
            ("1.7976931348623157e308", f64::MAX),
            ("Inf", f64::INFINITY),
            ("+inf", f64::INFINITY),
            ("-INF", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(whole(text), Ok(value), "{text}");
        }
        assert!(whole("-0").unwrap().is_sign_negative());
        assert!(whole("nAn").unwrap().is_nan());
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in ["", "-", "+", ".", "e3", "+NaN", "-nan", "--1", "x", "in", "na"] {
            assert_eq!(whole(text), Err(Reason::Value), "{text}");
        }
        for text in ["0x1F", "0x1p-2", "1_000", "1,5", "1d", "1f", "1e", "1e+", "infinit", "nanx", "1.2.3"] {
            assert_eq!(whole(text), Err(Reason::Trailing), "{text}");
        }
        for text in ["1e400", "-1e400", "1.8e308", "1e999999999999999999999"] {
            assert_eq!(whole(text), Err(Reason::ValueRange), "{text}");
        }
    }

    #[test]
    fn text_timestamps_are_digits_within_63_bits() {
        assert_eq!(read_milliseconds(b"1395066363000\n"), Ok((1_395_066_363_000, &b"\n"[..])));
        assert_eq!(read_milliseconds(b"9223372036854775807"), Ok((i64::MAX, &b""[..])));
        for text in ["", "-5", "+5", "NaN", "9223372036854775808"] {
            assert_eq!(read_milliseconds(text.as_bytes()), Err(Reason::Timestamp), "{text}");
        }
    }

    #[test]
    fn openmetrics_timestamps_are_seconds_cut_to_milliseconds() {
        for (text, milliseconds) in
            [("1395066363.123", 1_395_066_363_123), ("-5", -5000), ("+5", 5000), ("0", 0)]
        {
            assert_eq!(read_seconds(text.as_bytes()), Ok((milliseconds, &b""[..])), "{text}");
        }
        for text in ["", "NaN", "Inf", "99999999999999999999", "1e300", "x"] {
            assert_eq!(read_seconds(text.as_bytes()), Err(Reason::Timestamp), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_float_is_read_to_the_same_bits_as_by_the_standard_library(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for text in [format!("{value}"), format!("{value:e}"), format!("{value:.3}")] {
                let expected: f64 = text.parse().unwrap();
                prop_assert_eq!(whole(&text).unwrap().to_bits(), expected.to_bits(), "{}", text);
            }
        }

        #[test]
        fn every_integer_is_read_to_the_same_bits_as_by_the_standard_library(value: u64) {
            let text = value.to_string();
            prop_assert_eq!(whole(&text).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits());
        }
    }
}
