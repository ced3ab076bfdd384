//! Timestamps as writers send them.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::WriteError;

/// RFC 3339, or seconds since 1970 as a number or as text.
#[derive(Deserialize, Debug)]
#[serde(untagged, expecting = "a timestamp is RFC 3339 text or a number of seconds since 1970")]
pub(super) enum Moment {
    Seconds(f64),
    Text(String),
}

impl Moment {
    /// Of a query, in which the plus of a time zone is a blank.
    pub(super) fn in_query(text: &str) -> Self {
        let is_rfc3339 = text.contains(':') && text.contains(['T', 't']);
        Self::Text(if is_rfc3339 { text.replace(' ', "+") } else { text.to_owned() })
    }

    /// The moment, unless it lies further ahead than clocks may differ: such a value would never look old.
    pub(super) fn checked(self, now: Timestamp) -> Result<Timestamp, WriteError> {
        let moment = self.read()?;
        if moment < Timestamp::UNIX_EPOCH {
            return Err(WriteError::Timestamp(moment.to_string()));
        }
        if moment.duration_since(now) > MAX_AHEAD {
            return Err(WriteError::Ahead { timestamp: moment, by: moment.duration_since(now) });
        }
        Ok(moment)
    }

    fn read(self) -> Result<Timestamp, WriteError> {
        match self {
            Self::Seconds(number) => seconds(number, &number.to_string()),
            Self::Text(text) => match text.trim().parse() {
                Ok(number) => seconds(number, &text),
                Err(_) => text.trim().parse().map_err(|_| WriteError::Timestamp(text)),
            },
        }
    }
}

fn seconds(number: f64, text: &str) -> Result<Timestamp, WriteError> {
    if let Some((unit, factor)) = finer_unit(number) {
        let (text, seconds) = (text.to_owned(), (number / factor).to_string());
        return Err(WriteError::TimestampUnit { text, unit, seconds });
    }
    let moment = SignedDuration::try_from_secs_f64(number).and_then(Timestamp::from_duration);
    moment.map_err(|_| WriteError::Timestamp(text.to_owned()))
}

/// The unit that a number of our days has if it is too large for seconds: those would be of the year 5138 and later.
fn finer_unit(number: f64) -> Option<(&'static str, f64)> {
    match number {
        1e11..1e14 => Some(("milliseconds", 1e3)),
        1e14..1e17 => Some(("microseconds", 1e6)),
        1e17..1e20 => Some(("nanoseconds", 1e9)),
        _ => None,
    }
}

/// As Prometheus drops samples further ahead than this.
const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn read(json: &str) -> Result<Timestamp, String> {
        let moment: Moment = serde_json::from_str(json).unwrap();
        moment.checked(NOW).map_err(|error| error.to_string())
    }

    #[test]
    fn seconds_and_rfc_3339_are_read_as_numbers_and_as_text() {
        let wanted = Timestamp::constant(1_794_999_600, 0);
        for json in [
            "1794999600",
            "1794999600.0",
            "1.7949996e9",
            "\"1794999600\"",
            "\" 1794999600 \"",
            "\"1794999600.000\"",
            "\"2026-11-18T11:00:00Z\"",
            "\"2026-11-18T12:00:00+01:00\"",
            "\"2026-11-18 11:00:00Z\"",
            "\"2026-11-18T11:00:00.000000000Z\"",
        ] {
            assert_eq!(read(json), Ok(wanted), "{json}");
        }
        assert_eq!(read("\"1794999600.5\"").unwrap().as_millisecond(), 1_794_999_600_500);
    }

    #[test]
    fn a_number_that_is_too_large_for_seconds_is_told_its_unit() {
        for (json, wanted) in [
            ("1764108000000", "1764108000000 looks like milliseconds: send seconds, 1764108000"),
            ("\"1764108000000\"", "1764108000000 looks like milliseconds: send seconds, 1764108000"),
            ("1764108000123", "send seconds, 1764108000.123"),
            ("1764108000000000", "looks like microseconds: send seconds, 1764108000"),
            ("1764108000000000000", "looks like nanoseconds: send seconds, 1764108000"),
            ("1e300", "is no timestamp"),
            ("\"inf\"", "is no timestamp"),
            ("\"2026-11-18T11:00:00\"", "is no timestamp: write RFC 3339 with a time zone"),
            ("1795000700", "ahead of this server's clock"),
        ] {
            assert!(read(json).unwrap_err().contains(wanted), "{json}: {:?}", read(json));
        }
    }
}
