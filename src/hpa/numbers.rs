//! Numbers as people read them.

/// Thousandths: `1500` is `1.5`, and 9000000000 is `9,000,000,000`.
#[must_use]
pub fn milli(milli: i64) -> String {
    let (whole, rest) = (milli.unsigned_abs() / 1000, milli.unsigned_abs() % 1000);
    let sign = if milli < 0 { "-" } else { "" };
    let fraction = format!(".{rest:03}");
    format!("{sign}{}{}", grouped(whole), fraction.trim_end_matches('0').trim_end_matches('.'))
}

/// `0.97`, `12`, `90,000,000`: three digits are enough to compare.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    match ratio {
        small if small.abs() < 10.0 => format!("{small:.2}"),
        large if large.abs() < 1e15 => milli(to_whole(large)),
        other => format!("{other:e}"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below 1e15")]
fn to_whole(value: f64) -> i64 {
    (value.round() as i64).saturating_mul(1000)
}

/// Digits in groups of three, from five digits on.
fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let first = digits.len() % 3;
    let groups = digits.chars().enumerate().map(|(at, digit)| {
        let begins = at > 0 && (at + 3 - first).is_multiple_of(3);
        if begins { format!(",{digit}") } else { digit.to_string() }
    });
    groups.collect()
}

/// `1 pod`, `3 pods`.
#[must_use]
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `1 replica`, `3 replicas`.
#[must_use]
pub fn replicas(number: i32) -> String {
    if number == 1 { "1 replica".to_owned() } else { format!("{number} replicas") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_as_people_read_them() {
        for (thousandths, text) in [
            (0, "0"),
            (1_500, "1.5"),
            (-250, "-0.25"),
            (1_000, "1"),
            (1_001, "1.001"),
            (9_999_000, "9999"),
            (12_345_000, "12,345"),
            (9_000_000_000_000, "9,000,000,000"),
            (123_456_500, "123,456.5"),
        ] {
            assert_eq!(milli(thousandths), text);
        }
    }

    #[test]
    fn a_ratio_has_as_many_digits_as_compare() {
        assert_eq!(
            [ratio(0.9666), ratio(12.34), ratio(9e7), ratio(1e18)],
            ["0.97", "12", "90,000,000", "1e18"]
        );
    }
}
