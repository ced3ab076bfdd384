//! A `metav1.LabelSelector` as objects of the cluster have it, and the text that says the same.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `matchLabels` and `matchExpressions`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SelectorSpec {
    /// Labels and their values.
    pub match_labels: BTreeMap<String, String>,
    /// What else has to hold.
    pub match_expressions: Vec<ExpressionSpec>,
}

/// One of `matchExpressions`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct ExpressionSpec {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub operator: String,
    /// With what it is compared.
    #[serde(default)]
    pub values: Vec<String>,
}

impl SelectorSpec {
    /// As [`Selector::parse`](super::Selector::parse) reads it. An unknown operator makes a text that is no selector.
    #[must_use]
    pub fn text(&self) -> String {
        let labels = self.match_labels.iter().map(|(key, value)| format!("{key}={value}"));
        labels.chain(self.match_expressions.iter().map(ExpressionSpec::text)).collect::<Vec<_>>().join(",")
    }
}

impl ExpressionSpec {
    fn text(&self) -> String {
        let (key, values) = (&self.key, self.values.join(","));
        match &*self.operator {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            "Exists" => key.clone(),
            other => format!("{key} {other} ({values})"),
        }
    }
}
