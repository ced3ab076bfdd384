//! One rule: checked once, then applied to many label sets.

use md5::{Digest, Md5};
use regex::{Captures, Regex};
use serde::Deserialize;

use super::LabelMap;
use crate::model::anchored;

/// A rule as a monitor has it (`relabelings`, `metricRelabelings`).
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuleSpec {
    /// The labels whose values are joined.
    pub source_labels: Vec<String>,
    /// With what; `;` by default.
    pub separator: Option<String>,
    /// The label that is changed.
    pub target_label: Option<String>,
    /// What the joined values have to match as a whole; `(.*)` by default.
    pub regex: Option<String>,
    /// The divisor of `hashmod`.
    pub modulus: u64,
    /// The new value, or name; `$1` by default.
    pub replacement: Option<String>,
    /// What is done, in any case of letters; `replace` by default.
    pub action: Option<String>,
}

/// What a rule does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Sets a label where the values match.
    Replace,
    /// Stays only where they match.
    Keep,
    /// Goes where they match.
    Drop,
    /// Stays only where they equal the target label.
    KeepEqual,
    /// Goes where they equal the target label.
    DropEqual,
    /// Sets a label to the remainder of a hash of the values.
    HashMod,
    /// Copies the labels whose names match, under new names.
    LabelMap,
    /// Removes the labels whose names match.
    LabelDrop,
    /// Removes the labels whose names do not match.
    LabelKeep,
    /// Sets a label to the values in small letters.
    Lowercase,
    /// Sets a label to the values in capitals.
    Uppercase,
}

/// A checked rule.
#[derive(Clone, Debug)]
pub struct Rule {
    source: Vec<String>,
    separator: String,
    target: String,
    regex: Regex,
    modulus: u64,
    replacement: String,
    action: Action,
}

/// Why a rule cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// Not an action.
    #[error(
        "unknown action {0:?}: there are replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, \
         labelkeep, lowercase and uppercase"
    )]
    Action(String),
    /// Not a pattern.
    #[error("regex {regex:?}: {fault}")]
    Regex {
        /// What was given.
        regex: String,
        /// What is wrong with it.
        fault: String,
    },
    /// An action that needs a target label.
    #[error("{0} needs a targetLabel")]
    NoTarget(&'static str),
    /// A target label that cannot be one.
    #[error("{0:?} is no name of a label")]
    Target(String),
    /// A `hashmod` without a divisor.
    #[error("hashmod needs a modulus above 0")]
    NoModulus,
}

impl Action {
    const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    fn named(name: &str) -> Option<(&'static str, Self)> {
        Self::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    fn has_target(self) -> bool {
        !matches!(self, Self::Keep | Self::Drop | Self::LabelMap | Self::LabelDrop | Self::LabelKeep)
    }
}

impl Rule {
    /// Checks a rule.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub fn new(spec: RuleSpec) -> Result<Self, RuleError> {
        let named = spec.action.as_deref().filter(|action| !action.is_empty()).unwrap_or("replace");
        let (name, action) = Action::named(named).ok_or_else(|| RuleError::Action(named.to_owned()))?;
        let target = spec.target_label.unwrap_or_default();
        if action.has_target() && target.is_empty() {
            return Err(RuleError::NoTarget(name));
        }
        // Only a replacement may make the name of its target from what it matched.
        if action.has_target() && action != Action::Replace && !is_label_name(&target) {
            return Err(RuleError::Target(target));
        }
        if action == Action::HashMod && spec.modulus == 0 {
            return Err(RuleError::NoModulus);
        }
        let regex = spec.regex.unwrap_or_else(|| "(.*)".to_owned());
        let regex = anchored(&regex).map_err(|fault| RuleError::Regex { regex, fault })?;
        Ok(Self {
            source: spec.source_labels,
            separator: spec.separator.unwrap_or_else(|| ";".to_owned()),
            target,
            regex,
            modulus: spec.modulus,
            replacement: spec.replacement.unwrap_or_else(|| "$1".to_owned()),
            action,
        })
    }

    /// Whether the value of this label makes a difference to it.
    pub(super) fn reads(&self, label: &str) -> bool {
        let compares = matches!(self.action, Action::KeepEqual | Action::DropEqual) && self.target == label;
        let copies = self.action == Action::LabelMap && self.regex.is_match(label);
        compares || copies || self.source.iter().any(|source| source == label)
    }

    /// The labels that it joins.
    pub(super) fn sources(&self) -> &[String] {
        &self.source
    }

    /// Applies it; whether what has the labels stays.
    pub(super) fn apply(&self, labels: &mut LabelMap) -> bool {
        let value = self.value(labels);
        match self.action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual => return label(labels, &self.target) == value,
            Action::DropEqual => return label(labels, &self.target) != value,
            Action::Replace => self.replace(labels, &value),
            Action::HashMod => {
                set(labels, &self.target, hash(&value).checked_rem(self.modulus).unwrap_or(0).to_string());
            }
            Action::Lowercase => set(labels, &self.target, value.to_lowercase()),
            Action::Uppercase => set(labels, &self.target, value.to_uppercase()),
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn value(&self, labels: &LabelMap) -> String {
        let values: Vec<&str> = self.source.iter().map(|name| label(labels, name)).collect();
        values.join(&self.separator)
    }

    fn replace(&self, labels: &mut LabelMap, value: &str) {
        let Some(captures) = self.regex.captures(value) else { return };
        let target = expanded(&captures, &self.target);
        if is_label_name(&target) {
            set(labels, &target, expanded(&captures, &self.replacement));
        }
    }

    fn map(&self, labels: &mut LabelMap) {
        let mapped = |(name, value): (&String, &String)| {
            let captures = self.regex.captures(name)?;
            Some((expanded(&captures, &self.replacement), value.clone()))
        };
        let mapped: Vec<(String, String)> = labels.iter().filter_map(mapped).collect();
        mapped.into_iter().for_each(|(name, value)| set(labels, &name, value));
    }
}

fn label<'a>(labels: &'a LabelMap, name: &str) -> &'a str {
    labels.get(name).map_or("", String::as_str)
}

/// An empty value takes the label away.
fn set(labels: &mut LabelMap, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

fn expanded(captures: &Captures<'_>, template: &str) -> String {
    let mut text = String::new();
    captures.expand(template, &mut text);
    text
}

fn is_label_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(inner) && !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// The last eight bytes of the MD5 sum, as Prometheus takes them: shards agree between the two.
fn hash(value: &str) -> u64 {
    let sum: [u8; 16] = Md5::digest(value).into();
    sum.last_chunk().map_or(0, |last| u64::from_be_bytes(*last))
}
