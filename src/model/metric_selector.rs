//! The selector that an HPA gives beside a metric's name: which label sets count, and the options among them.

use std::fmt;

use super::{EchoedSelector, LabelSource, OptionError, Options, Selector, SelectorError};

/// A selector on a metric's labels with the [`Options`] in it; the empty one is met by every label set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetricSelector {
    /// As it was given.
    given: Selector,
    /// Without options.
    labels: Selector,
    options: Options,
}

/// Why a text is no selector of a metric.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MetricSelectorError {
    /// It is no selector.
    #[error(transparent)]
    Selector(#[from] SelectorError),
    /// It is one, and an option in it is wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
}

impl MetricSelector {
    /// Parses `text`, such as `method=GET,custom-metrics-adapter/fold=max`.
    ///
    /// # Errors
    /// When it is no selector, or an option in it cannot be followed.
    pub fn parse(text: &str) -> Result<Self, MetricSelectorError> {
        let given = Selector::parse(text)?;
        if !given.requirements().iter().any(Options::is_one) {
            return Ok(Self { labels: given.clone(), given, options: Options::default() });
        }
        let options = Options::of(given.requirements().iter())?;
        Ok(Self { labels: given.without(Options::is_one), given, options })
    }

    /// The same label sets, and more matchers or other options.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { options, ..self.clone() }
    }

    /// What is asked of the value beside its label sets.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether every label set meets it.
    #[must_use]
    pub fn is_met_by_all(&self) -> bool {
        self.labels.is_empty() && self.options.matchers.is_empty()
    }

    /// Whether nothing was given, not even an option.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Whether a label set meets it.
    pub fn matches(&self, labels: &impl LabelSource) -> bool {
        self.labels.matches(labels) && self.options.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// What answers repeat: all of it, options too.
    #[must_use]
    pub fn echo(&self) -> EchoedSelector {
        self.given.echo()
    }
}

/// As it was given, in canonical form.
impl fmt::Display for MetricSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Fold, Labels, Matcher, Over, Quantity};

    fn refused(text: &str) -> String {
        MetricSelector::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn options_are_taken_out_and_labels_stay() {
        let text = "custom-metrics-adapter/fold=max,custom-metrics-adapter/over=avg,custom-metrics-adapter/scale=0.5,\
                    custom-metrics-adapter/window=5m,method=GET";
        let selector = MetricSelector::parse(text).unwrap();
        let options = selector.options();
        assert_eq!((options.fold, options.over), (Some(Fold::Max), Some(Over::Average)));
        assert_eq!(options.window, Some(SignedDuration::from_mins(5)));
        assert_eq!(options.scale, Quantity::parse("500m").ok());
        assert!(selector.matches(&Labels::from_pairs([("method", "GET")])));
        assert!(!selector.matches(&Labels::from_pairs([("method", "POST")])));
        assert_eq!(selector.to_string(), text);
        assert_eq!(selector.echo().match_labels.len(), 5);
    }

    #[test]
    fn matchers_say_what_a_label_value_cannot() {
        let encoded = URL_SAFE_NO_PAD.encode(r#"path="/api/v1""#);
        let selector = MetricSelector::parse(&format!("custom-metrics-adapter/match={encoded}")).unwrap();
        assert!(selector.matches(&Labels::from_pairs([("path", "/api/v1")])));
        assert!(!selector.matches(&Labels::default()));
        assert!(!selector.is_met_by_all());
    }

    #[test]
    fn matchers_that_are_too_long_for_one_value_go_on_in_numbered_ones() {
        let encoded =
            URL_SAFE_NO_PAD.encode(r#"path=~"/api/v1/(orders|customers|payments|invoices)",code="200""#);
        let (first, second) = encoded.split_at(60);
        let text = format!("custom-metrics-adapter/match.1={first},custom-metrics-adapter/match.2={second}");
        let selector = MetricSelector::parse(&text).unwrap();
        assert!(selector.matches(&Labels::from_pairs([("path", "/api/v1/orders"), ("code", "200")])));
        assert!(!selector.matches(&Labels::from_pairs([("path", "/api/v1/orders")])));
    }

    #[test]
    fn a_wrong_option_is_refused_with_its_key_and_rule() {
        for (text, message) in [
            (
                "custom-metrics-adapter/fold=mean",
                "custom-metrics-adapter/fold: expected sum, avg, max or min",
            ),
            ("custom-metrics-adapter/over=sum", "custom-metrics-adapter/over: expected avg, max or min"),
            ("custom-metrics-adapter/window=1h", "from 1s to 10m"),
            ("custom-metrics-adapter/window=1.5s", "from 1s to 10m"),
            ("custom-metrics-adapter/scale=0", "expected a number above 0"),
            ("custom-metrics-adapter/scale=1e12", "at most 1000000000"),
            ("custom-metrics-adapter/folt=sum", "unknown option; known are fold"),
            ("custom-metrics-adapter/match.16=YQ", "unknown option"),
            ("custom-metrics-adapter/match=YQ", "\"a\": at byte 1: expected =, != or =~"),
            ("custom-metrics-adapter/match=Y", "expected base64url"),
            ("custom-metrics-adapter/fold", "an option has one value"),
            ("custom-metrics-adapter/fold!=sum", "an option has one value"),
            ("custom-metrics-adapter/fold in (max,min)", "an option has one value"),
            ("custom-metrics-adapter/fold=max,custom-metrics-adapter/fold=min", "it stands there twice"),
        ] {
            let refused = refused(text);
            assert!(refused.contains(message), "{text}: {refused}");
        }
        assert!(refused("a b").contains("unable to parse requirement"));
    }

    proptest! {
        /// Of ASCII text that starts with a letter and ends with a quote, base64url begins and ends as a label value must.
        #[test]
        fn any_matcher_of_ascii_fits_a_label_value_by_its_first_and_last_character(value in "[ -!#-\\[\\]-~]{0,40}") {
            let text = format!("path=\"{value}\"");
            let encoded = URL_SAFE_NO_PAD.encode(&text);
            let is_inner = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            prop_assert!(is_inner(encoded.chars().next()) && is_inner(encoded.chars().last()));
            if encoded.len() <= 63 {
                let selector = MetricSelector::parse(&format!("custom-metrics-adapter/match={encoded}")).unwrap();
                prop_assert_eq!(&selector.options().matchers, &Matcher::parse_all(&text).unwrap());
            }
        }
    }
}
