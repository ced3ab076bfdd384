//! Options that an HPA gives in its metric's selector, under keys that no label of a metric has.
//!
//! ```yaml
//! metric:
//!   name: queue_depth
//!   selector:
//!     matchLabels: {custom-metrics-adapter/over: max, custom-metrics-adapter/window: 5m}
//! ```

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;

use super::{Fold, Matcher, Operator, Over, Quantity, Requirement};

/// What an HPA asks of a value beside its label sets; nothing by default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// How series become one number.
    pub fold: Option<Fold>,
    /// What rates, quantiles and [`Options::over`] are computed over.
    pub window: Option<SignedDuration>,
    /// What counts of the values that a gauge had within the window.
    pub over: Option<Over>,
    /// What the value is multiplied by; above zero.
    pub scale: Option<Quantity>,
    /// What label sets have to meet beside the selector.
    pub matchers: Vec<Matcher>,
}

/// An option that cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{key}: {rule}")]
pub struct OptionError {
    /// The whole key.
    pub key: String,
    /// What it should say.
    pub rule: String,
}

impl Options {
    /// What the keys of all options start with.
    pub const PREFIX: &'static str = "custom-metrics-adapter/";

    /// The longest window.
    pub const LONGEST_WINDOW: SignedDuration = SignedDuration::from_mins(10);

    /// Whether a requirement is an option, or meant to be one.
    pub(super) fn is_one(requirement: &Requirement) -> bool {
        requirement.key.starts_with(Self::PREFIX)
    }

    /// Reads the options among some requirements.
    pub(super) fn of<'a>(options: impl Iterator<Item = &'a Requirement>) -> Result<Self, OptionError> {
        let mut read = Self::default();
        let mut parts = BTreeMap::new();
        let mut known: Option<&str> = None;
        for requirement in options.filter(|requirement| Self::is_one(requirement)) {
            let key = requirement.key.as_str();
            if known.replace(key) == Some(key) {
                return Err(refused(key, "it stands there twice"));
            }
            let name = key.strip_prefix(Self::PREFIX).unwrap_or_default();
            read.take(name, value(requirement)?, &mut parts).map_err(|rule| refused(key, rule))?;
        }
        read.matchers = matchers(&parts).map_err(|rule| refused(&format!("{}match", Self::PREFIX), rule))?;
        Ok(read)
    }

    /// Whether something of the past is needed.
    #[must_use]
    pub fn looks_back(&self) -> bool {
        self.window.is_some() || self.over.is_some()
    }

    fn take(&mut self, name: &str, value: &str, parts: &mut Parts) -> Result<(), String> {
        match name {
            "fold" => self.fold = Some(Fold::named(value).ok_or("expected sum, avg, max or min")?),
            "over" => self.over = Some(Over::named(value).ok_or("expected avg, max or min")?),
            "window" => self.window = Some(window(value)?),
            "scale" => self.scale = Some(scale(value)?),
            "match" => drop(parts.insert(0, value.to_owned())),
            _ => {
                let number = name.strip_prefix("match.").and_then(|number| number.parse().ok());
                let number = number.filter(|number| (1..=MOST_PARTS).contains(number)).ok_or(UNKNOWN)?;
                parts.insert(number, value.to_owned());
            }
        }
        Ok(())
    }
}

/// Parts of the text of matchers, by their number.
type Parts = BTreeMap<u8, String>;

fn refused(key: &str, rule: impl Into<String>) -> OptionError {
    OptionError { key: key.to_owned(), rule: rule.into() }
}

/// The one value of an option: `k=v`, or `k in (v)`.
fn value(requirement: &Requirement) -> Result<&str, OptionError> {
    let says_one = matches!(requirement.operator, Operator::Equals | Operator::DoubleEquals | Operator::In);
    match requirement.values.as_slice() {
        [value] if says_one => Ok(value),
        _ => Err(refused(&requirement.key, "an option has one value: put it into matchLabels")),
    }
}

fn window(value: &str) -> Result<SignedDuration, String> {
    let window = value.parse::<SignedDuration>().ok().filter(|window| {
        (SignedDuration::from_secs(1)..=Options::LONGEST_WINDOW).contains(window)
            && window.subsec_nanos() == 0
    });
    window.ok_or_else(|| "expected whole seconds or minutes from 1s to 10m, such as 90s or 5m".to_owned())
}

fn scale(value: &str) -> Result<Quantity, String> {
    let scale = Quantity::parse(value).ok().filter(|scale| {
        *scale > Quantity::ZERO && Quantity::from_i64(LARGEST_SCALE).is_ok_and(|largest| *scale <= largest)
    });
    scale.ok_or_else(|| "expected a number above 0, such as 100 or 0.001, and at most 1000000000".to_owned())
}

/// The matchers of all parts: their texts are put together in the order of their numbers, and then decoded.
fn matchers(parts: &Parts) -> Result<Vec<Matcher>, String> {
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let text: String = parts.values().map(String::as_str).collect();
    let bytes = URL_SAFE_NO_PAD.decode(&text);
    let bytes = bytes.map_err(|_| "expected base64url without padding of matchers such as path=\"/api\"")?;
    let text = String::from_utf8(bytes).map_err(|_| "decoded it is not UTF-8")?;
    Matcher::parse_all(&text).map_err(|error| format!("{text:?}: {error}"))
}

/// A value has 63 characters at most; more of them are numbered.
const MOST_PARTS: u8 = 15;

const LARGEST_SCALE: i64 = 1_000_000_000;

const UNKNOWN: &str = "unknown option; known are fold, match, match.1 to match.15, over, scale, window";
