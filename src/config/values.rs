//! How the value of one flag is read. clap puts the flag's name and the value in front of the rule that these say.

use std::path::PathBuf;

use jiff::SignedDuration;
use rustls_pki_types::ServerName;

pub(super) const ONE_HOUR: SignedDuration = SignedDuration::from_hours(1);
pub(super) const ONE_DAY: SignedDuration = SignedDuration::from_hours(24);
/// Longer than any value is of use, and short enough for every calculation with time.
pub(super) const ALWAYS: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Less than the time after which a connection without any progress is closed.
const LONGEST_REQUEST: SignedDuration = SignedDuration::from_secs(90);
const SHORTEST_TIMEOUT: SignedDuration = SignedDuration::from_millis(1);
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// A number of things, at least one.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().map_err(|_| "write a whole number".to_owned())?;
    if count == 0 { Err("it must be at least 1".to_owned()) } else { Ok(count) }
}

/// A duration that may be 0.
pub(super) fn duration_up_to(
    longest: SignedDuration,
) -> impl Fn(&str) -> Result<SignedDuration, String> + Clone {
    duration_between(SignedDuration::ZERO, longest)
}

/// A duration within bounds, both included.
pub(super) fn duration_between(
    shortest: SignedDuration,
    longest: SignedDuration,
) -> impl Fn(&str) -> Result<SignedDuration, String> + Clone {
    move |text| {
        let duration = duration(text)?;
        if (shortest..=longest).contains(&duration) {
            return Ok(duration);
        }
        Err(format!("it must be between {shortest:#} and {longest:#}"))
    }
}

/// How long a request may take.
pub(super) fn request_timeout(text: &str) -> Result<SignedDuration, String> {
    duration_between(SHORTEST_TIMEOUT, LONGEST_REQUEST)(text)
}

/// How often a target is scraped.
pub(super) fn scrape_interval(text: &str) -> Result<SignedDuration, String> {
    duration_between(SHORTEST_INTERVAL, ONE_HOUR)(text)
}

/// How long a scrape may take.
pub(super) fn scrape_timeout(text: &str) -> Result<SignedDuration, String> {
    duration_between(SHORTEST_TIMEOUT, ONE_HOUR)(text)
}

/// `90s`, `5m`, `1h30m`, and `0` for none.
fn duration(text: &str) -> Result<SignedDuration, String> {
    if text == "0" {
        return Ok(SignedDuration::ZERO);
    }
    let parsed: Result<SignedDuration, _> = text.parse();
    parsed
        .ok()
        .filter(|duration| !duration.is_negative())
        .ok_or_else(|| "write a duration such as 90s or 5m".to_owned())
}

/// A path. An environment variable that is set to nothing is more often a mistake than a wish.
pub(super) fn file(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("name a path, or leave it out".to_owned()) } else { Ok(text.into()) }
}

/// The name of a Service or a namespace.
pub(super) fn dns_label(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed =
        text.len() <= 63 && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-');
    if well_formed && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err("it must be a DNS label: up to 63 lower case letters, digits and inner dashes".to_owned())
}

/// The name of a Secret or a ConfigMap.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let well_formed = text.len() <= 253 && text.split('.').all(|label| dns_label(label).is_ok());
    well_formed.then(|| text.to_owned()).ok_or_else(|| {
        "it must be a DNS subdomain: up to 253 lower case letters, digits, inner dashes and dots".to_owned()
    })
}

/// A name that a certificate can be for.
pub(super) fn server_name(text: &str) -> Result<String, String> {
    let known = ServerName::try_from(text).map(|_| text.to_owned());
    known.map_err(|_| "it must be a DNS name or an IP address".to_owned())
}

/// What stands before the slash of an annotation.
pub(super) fn annotation_prefix(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(|label| dns_label(label).is_ok()) {
        return Ok(text.to_owned());
    }
    Err("it must be a DNS name such as prometheus.io, without the slash".to_owned())
}
