//! Relabelling by the rules of Prometheus: what becomes of the labels of a target or a series, and whether it stays.
//! Pure: PodMonitors and ServiceMonitors bring the rules.

mod rule;
mod series;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use rule::{Action, Rule, RuleError, RuleSpec};
pub use series::{SeriesRules, TargetLabel};

/// Labels while they are changed. One that is missing is as good as an empty one.
pub type LabelMap = BTreeMap<String, String>;

/// Applies `rules` in their order; whether what has the labels stays.
#[must_use]
pub fn relabel(labels: &mut LabelMap, rules: &[Rule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

/// Rules in their order. Two are equal if they were written alike.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    specs: Vec<RuleSpec>,
    rules: Vec<Rule>,
}

impl Chain {
    /// Checks rules.
    ///
    /// # Errors
    /// With the place of the first that cannot be followed, from 0, and why.
    pub fn new(specs: Vec<RuleSpec>) -> Result<Self, (usize, RuleError)> {
        let checked =
            specs.iter().cloned().enumerate().map(|(at, spec)| Rule::new(spec).map_err(|error| (at, error)));
        let rules = checked.collect::<Result<_, _>>()?;
        Ok(Self { specs, rules })
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Applies them; whether what has the labels stays.
    #[must_use]
    pub fn apply(&self, labels: &mut LabelMap) -> bool {
        relabel(labels, &self.rules)
    }

    /// Whether the value of this label makes a difference to one of them.
    #[must_use]
    pub fn reads(&self, label: &str) -> bool {
        self.rules.iter().any(|rule| rule.reads(label))
    }

    /// The labels that they join.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| rule.sources().iter().map(String::as_str))
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.specs == other.specs
    }
}

impl Eq for Chain {}
