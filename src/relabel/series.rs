//! What becomes of the series of one target: labels of the target that they get, and rules.
//!
//! To the rules a series has the labels of its target, as in Prometheus. Afterwards it keeps those of them alone that
//! somebody has asked for: a pod's value is the pod's anyway, and with the name of a pod in each series no two pods would
//! have a series in common.

use std::collections::BTreeMap;

use super::{Chain, LabelMap};

/// The name of a metric among its labels.
const NAME: &str = "__name__";

/// A label of a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetLabel {
    /// Its value.
    pub value: String,
    /// Whether somebody has asked for it, so that the series get it.
    pub is_wanted: bool,
}

/// How the series of a target are changed. Targets with equal ones have the same series of the same page.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SeriesRules {
    rules: Chain,
    honor_labels: bool,
    /// By name. A value that makes no difference is not kept.
    target: BTreeMap<String, Option<TargetLabel>>,
}

impl SeriesRules {
    /// For a target with these labels.
    #[must_use]
    pub fn new(rules: Chain, honor_labels: bool, target: BTreeMap<String, TargetLabel>) -> Self {
        let kept =
            |name: &str, label: TargetLabel| Some(label).filter(|label| label.is_wanted || rules.reads(name));
        let target = target.into_iter().map(|(name, label)| (name.clone(), kept(&name, label))).collect();
        Self { rules, honor_labels, target }
    }

    /// Whether it can leave series out.
    #[must_use]
    pub fn may_drop(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether series with labels of these names stay as they are.
    pub fn leaves<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let adds = self.target.values().flatten().any(|label| label.is_wanted);
        !adds
            && self.rules.is_empty()
            && (self.honor_labels || names.all(|name| !self.target.contains_key(name)))
    }

    /// The new name and labels of a series; `None` if it does not stay.
    #[must_use]
    pub fn apply<'a>(
        &self,
        name: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<(String, LabelMap)> {
        let mut own: LabelMap = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if !self.honor_labels {
            self.make_way(&mut own);
        }
        let lent: Vec<(&String, &TargetLabel)> = self
            .target
            .iter()
            .filter_map(|(name, label)| Some((name, label.as_ref()?)))
            .filter(|(name, _)| !own.contains_key(*name))
            .collect();
        own.extend(lent.iter().map(|(name, label)| ((*name).clone(), label.value.clone())));
        own.insert(NAME.to_owned(), name.to_owned());
        if !self.rules.apply(&mut own) {
            return None;
        }
        for (name, label) in lent {
            if !label.is_wanted && own.get(name) == Some(&label.value) {
                own.remove(name);
            }
        }
        let name = own.remove(NAME).filter(|name| !name.is_empty())?;
        own.retain(|name, value| !value.is_empty() && !name.starts_with("__"));
        Some((name, own))
    }

    /// A label of the series that the target has too gets another name.
    fn make_way(&self, own: &mut LabelMap) {
        for name in self.target.keys() {
            let Some(value) = own.remove(name) else { continue };
            let mut exported = format!("exported_{name}");
            while own.contains_key(&exported) || self.target.contains_key(&exported) {
                exported.insert_str(0, "exported_");
            }
            own.insert(exported, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relabel::RuleSpec;

    fn rules(json: &str, honor_labels: bool) -> SeriesRules {
        let specs: Vec<RuleSpec> = serde_json::from_str(json).unwrap();
        let label = |name: &str, value: &str, is_wanted| {
            (name.to_owned(), TargetLabel { value: value.to_owned(), is_wanted })
        };
        let target =
            [label("pod", "web-1", false), label("job", "shop/web", false), label("team", "red", true)];
        SeriesRules::new(Chain::new(specs).unwrap(), honor_labels, target.into())
    }

    fn after(rules: &SeriesRules, labels: &[(&str, &str)]) -> Option<String> {
        let (name, labels) = rules.apply("x", labels.iter().copied())?;
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Some(format!("{name}{{{}}}", labels.join(",")))
    }

    #[test]
    fn a_series_gets_the_labels_that_are_wanted_and_rules_see_the_others() {
        assert_eq!(after(&rules("[]", false), &[("a", "1")]).as_deref(), Some("x{a=1,team=red}"));
        let copied = rules(r#"[{"sourceLabels":["pod","job"],"targetLabel":"from"}]"#, false);
        assert_eq!(after(&copied, &[]).as_deref(), Some("x{from=web-1;shop/web,team=red}"));
        let replaced = rules(
            r#"[{"sourceLabels":["pod"],"regex":"web-.*","targetLabel":"pod","replacement":"web"}]"#,
            false,
        );
        assert_eq!(after(&replaced, &[]).as_deref(), Some("x{pod=web,team=red}"));
    }

    #[test]
    fn a_label_that_the_target_has_too_is_renamed_or_wins() {
        let own = [("pod", "a"), ("exported_pod", "b"), ("team", "blue")];
        let renamed = "x{exported_exported_pod=a,exported_pod=b,exported_team=blue,team=red}";
        assert_eq!(after(&rules("[]", false), &own).as_deref(), Some(renamed));
        assert_eq!(after(&rules("[]", true), &own).as_deref(), Some("x{exported_pod=b,pod=a,team=blue}"));
        assert!(!rules("[]", false).leaves(["pod"].into_iter()));
    }

    #[test]
    fn rules_rename_and_leave_out_series() {
        let named = rules(
            r#"[{"sourceLabels":["__name__"],"regex":"x","targetLabel":"__name__","replacement":"y"}]"#,
            true,
        );
        assert_eq!(after(&named, &[]).as_deref(), Some("y{team=red}"));
        assert_eq!(
            after(&rules(r#"[{"sourceLabels":["__name__"],"regex":"x","action":"drop"}]"#, true), &[]),
            None
        );
        assert_eq!(after(&rules(r#"[{"regex":"__name__","action":"labeldrop"}]"#, true), &[]), None);
    }

    #[test]
    fn targets_that_differ_in_what_no_rule_reads_share_their_series() {
        let of = |pod: &str, json: &str| {
            let label = TargetLabel { value: pod.to_owned(), is_wanted: false };
            let specs: Vec<RuleSpec> = serde_json::from_str(json).unwrap();
            SeriesRules::new(Chain::new(specs).unwrap(), false, [("pod".to_owned(), label)].into())
        };
        assert_eq!(of("a", "[]"), of("b", "[]"));
        let reads = r#"[{"sourceLabels":["pod"],"targetLabel":"p"}]"#;
        assert_ne!(of("a", reads), of("b", reads));
        assert!(SeriesRules::default().leaves(["pod"].into_iter()));
    }
}
