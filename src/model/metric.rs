//! Metric names as they stand in a path segment of the metrics API.

use std::{fmt, sync::Arc};

/// A metric name that a metrics path can carry: not empty, no slash, no `%`, no control character, not `*`, `.` or `..`.
///
/// The HPA and kubectl send whatever name the user wrote as one path segment; kube-apiserver turns an encoded
/// slash into a separator, so a name with one could be written but never read. Nor one with `%`: Kubernetes' rule for a
/// segment of a path forbids it, in an HPA's spec as in its client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MetricName(Arc<str>);

/// Why a metric name is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MetricNameError {
    /// Nothing was given.
    #[error("the metric name is empty")]
    Empty,
    /// Longer than [`MetricName::MAX_BYTES`].
    #[error("the metric name has {0} bytes, more than {max}", max = MetricName::MAX_BYTES)]
    TooLong(usize),
    /// A character that a path segment cannot carry through kube-apiserver.
    #[error("the metric name {0:?} has a slash, a % or a control character")]
    Character(String),
    /// A name that means something else in a path.
    #[error("the metric name {0:?} is reserved in a path")]
    Reserved(String),
}

impl MetricName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Checks `name`.
    ///
    /// # Errors
    /// When a metrics path could not carry it; see [`MetricNameError`].
    pub fn new(name: &str) -> Result<Self, MetricNameError> {
        match name {
            "" => Err(MetricNameError::Empty),
            "*" | "." | ".." => Err(MetricNameError::Reserved(name.to_owned())),
            _ if name.len() > Self::MAX_BYTES => Err(MetricNameError::TooLong(name.len())),
            _ if name.chars().any(|c| matches!(c, '/' | '%') || c.is_control()) => {
                Err(MetricNameError::Character(name.to_owned()))
            }
            _ => Ok(Self(name.into())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for MetricName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_path_can_carry_are_taken() {
        for name in ["qps", "a b", "jobs:rate5m", "http.server.duration", "é", "x_p99.9"] {
            assert_eq!(MetricName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_a_path_cannot_carry_are_refused() {
        for name in ["", "*", ".", "..", "a/b", "50%", "a%2Fb", "a\nb", &"x".repeat(257)] {
            assert!(MetricName::new(name).is_err(), "{name:?}");
        }
    }
}
