//! Relabelling by the rules of Prometheus: what becomes of the labels of a target or a series, and whether it stays.
//! Pure: PodMonitors and ServiceMonitors bring the rules.

mod rule;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use rule::{Action, Rule, RuleError, RuleSpec};

/// Labels while they are changed. One that is missing is as good as an empty one.
pub type LabelMap = BTreeMap<String, String>;

/// Applies `rules` in their order; whether what has the labels stays.
#[must_use]
pub fn relabel(labels: &mut LabelMap, rules: &[Rule]) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}
