//! Label sets: sorted, unique by name, immutable.

use std::{fmt, sync::Arc};

/// Anything that a selector can be matched against, without first building a map.
pub trait LabelSource {
    /// The value of label `name`, if it has one.
    fn label(&self, name: &str) -> Option<&str>;
}

/// A label set, sorted by name; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(Arc<[(Box<str>, Box<str>)]>);

/// Why a label name or value is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid label {input:?}: {rule}")]
pub struct LabelError {
    /// What was written.
    pub input: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl Labels {
    /// Builds a set from pairs in any order; of two pairs with one name the last wins,
    /// as in the `labels` query of the upstream adapter.
    pub fn from_pairs<K: Into<Box<str>>, V: Into<Box<str>>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let sorted: std::collections::BTreeMap<Box<str>, Box<str>> =
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        if sorted.is_empty() { Self::default() } else { Self(sorted.into_iter().collect()) }
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
