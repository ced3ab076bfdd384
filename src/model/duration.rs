//! Durations as annotations and monitors have them.

use std::time::Duration;

/// Reads `15s`, `1m30s`, `500ms`, or a bare number of seconds, as Prometheus and its users write them.
///
/// # Errors
/// With the rule, when it is no duration above zero.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const RULE: &str = "expected a duration such as 15s, 1m30s or 500ms";
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let signed = || text.parse::<jiff::SignedDuration>().ok()?.try_into().ok();
    seconds.or_else(signed).filter(|duration: &Duration| !duration.is_zero()).ok_or_else(|| RULE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_users_write_them() {
        for (text, millis) in
            [("15s", 15_000), ("1m30s", 90_000), ("500ms", 500), ("1h", 3_600_000), ("15", 15_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "0s", "-1s", "1y", "15 apples", "inf", "NaN"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
