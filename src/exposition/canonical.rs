//! One spelling for each float that serves as a label value.

/// The canonical spelling of a `le` or `quantile` label value; `None` if it already has it, or is no number.
///
/// `1`, `1.0` and `1e0` name the same bucket but are different strings, and client libraries differ in which they
/// write. Prometheus rewrites them as OpenMetrics spells floats; so do we.
#[must_use]
pub fn canonical_le(value: &str) -> Option<String> {
    let (float, rest) = super::value::read(value.as_bytes()).ok()?;
    let canonical = canonical_float(float);
    (rest.is_empty() && canonical != value).then_some(canonical)
}

/// A float as OpenMetrics spells it in label values: the shortest digits that read back to it, always with a point
/// or an exponent; the exponent form, as in Go's `%g`, below 1e-4 and from 1e6 on.
#[must_use]
pub fn canonical_float(value: f64) -> String {
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        _ if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) => with_exponent(value),
        _ => format!("{value:?}"),
    }
}

/// `1e-05`: Go writes a sign and at least two digits.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelled_as_go_and_openmetrics_spell_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-1.0, "-1.0"),
            (0.005, "0.005"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (100_000.0, "100000.0"),
            (999_999.5, "999999.5"),
            (1_000_000.0, "1e+06"),
            (-1_234_567.0, "-1.234567e+06"),
            (1e21, "1e+21"),
            (1e-300, "1e-300"),
            (1e300, "1e+300"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(canonical_float(value), text);
        }
    }

    #[test]
    fn bounds_that_differ_in_spelling_only_become_one() {
        for (spelled, canonical) in [
            ("1", Some("1.0")),
            ("1e0", Some("1.0")),
            ("0.50", Some("0.5")),
            ("inf", Some("+Inf")),
            ("1000000", Some("1e+06")),
            ("1.0", None),
            ("+Inf", None),
            ("", None),
            ("ten", None),
            ("1_000", None),
        ] {
            assert_eq!(canonical_le(spelled).as_deref(), canonical, "{spelled}");
        }
    }
}
