//! Label sets (sorted, unique by name, immutable) and the Kubernetes rules for label names and values.

mod rules;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

pub use rules::BrokenRules;

/// Anything that a selector can be matched against, without first building a map.
pub trait LabelSource {
    /// The value of label `name`, if it has one.
    fn label(&self, name: &str) -> Option<&str>;
}

/// A label set, sorted by name; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

/// Why labels are refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LabelError {
    /// A name that breaks the rules of Kubernetes: `[prefix/]name`.
    #[error("invalid label name {name:?}: {broken}")]
    Name {
        /// What was written.
        name: String,
        /// The rules that it breaks.
        broken: BrokenRules,
    },
    /// A value that breaks the rules of Kubernetes.
    #[error("invalid value {value:?} of label {name:?}: {broken}")]
    Value {
        /// The label's name.
        name: String,
        /// What was written.
        value: String,
        /// The rules that it breaks.
        broken: BrokenRules,
    },
    /// A part of the `labels` query that is no pair.
    #[error("invalid label {0:?}: labels are written name=value,name2=value2")]
    Pair(String),
    /// More than [`Labels::MAX_LABELS`].
    #[error("more than {max} labels", max = Labels::MAX_LABELS)]
    TooMany,
}

impl Labels {
    /// How many labels may be written for one value.
    pub const MAX_LABELS: usize = 64;

    /// Builds a set from pairs in any order; of two pairs with one name the last wins,
    /// as in the `labels` query of the upstream adapter. Nothing is checked: see [`Labels::validated`].
    pub fn from_pairs<K: Into<Box<str>>, V: Into<Box<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let sorted: std::collections::BTreeMap<Box<str>, Box<str>> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        if sorted.is_empty() { Self::default() } else { Self(sorted.into_iter().collect()) }
    }

    /// Builds a set from pairs that somebody wrote, such as a JSON object; of two pairs with one name the last wins.
    ///
    /// # Errors
    /// When a name or value breaks the rules of Kubernetes, so that no selector could select it, or when there are
    /// more than [`Labels::MAX_LABELS`] pairs.
    pub fn validated<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, LabelError> {
        let mut checked: Vec<(Box<str>, Box<str>)> = Vec::new();
        for (name, value) in pairs {
            if checked.len() == Self::MAX_LABELS {
                return Err(LabelError::TooMany);
            }
            rules::check_pair(name.as_ref(), value.as_ref())?;
            checked.push((name.as_ref().into(), value.as_ref().into()));
        }
        Ok(Self::from_pairs(checked))
    }

    /// Parses the `labels` query of a write: `env=prod,zone=a`. Blanks around names and values are dropped, values may
    /// be empty, of two pairs with one name the last wins; nothing at all is no label. Not a selector: only `=`.
    ///
    /// # Errors
    /// When a part is no pair, and as [`Labels::validated`]; on the first fault, as in the upstream adapter.
    pub fn parse_write(text: &str) -> Result<Self, LabelError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let pairs =
            text.split(',').take(Self::MAX_LABELS + 1).map(written_pair).collect::<Result<Vec<_>, _>>();
        Self::validated(pairs?)
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (&**k, &**v))
    }
}

impl LabelSource for Labels {
    fn label(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| (**k).cmp(name)).ok()?;
        self.0.get(at).map(|(_, v)| &**v)
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

pub(super) use rules::{check_name, check_value};

fn written_pair(part: &str) -> Result<(&str, &str), LabelError> {
    match part.split_once('=') {
        Some((name, value)) if !value.contains('=') => Ok((name.trim(), value.trim())),
        _ => Err(LabelError::Pair(part.to_owned())),
    }
}
