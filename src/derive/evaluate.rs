//! The value of an expression, from those of its metrics.

use super::{Expression, Node, Operator, Reference, rational::NoResult, rational::Rational};
use crate::model::{MetricName, Sample};

/// Why an expression has no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault<E> {
    /// One of its metrics has none.
    #[error("{metric}: {why}")]
    Missing {
        /// Which.
        metric: MetricName,
        /// Why.
        why: E,
    },
    /// A divisor is zero.
    #[error("it divides by zero now")]
    DivisionByZero,
    /// The result is more than an HPA can calculate with.
    #[error("it is more than the HPA can calculate with")]
    OutOfRange,
}

impl Expression {
    /// Computes it: `read` knows the metrics. The moment is that of the oldest sample, the window the longest.
    ///
    /// # Errors
    /// When a metric is missing, a divisor is zero, or the result is out of range.
    pub fn evaluate<E>(&self, read: impl FnMut(&Reference) -> Result<Sample, E>) -> Result<Sample, Fault<E>> {
        let mut evaluation = Evaluation { read, seen: None };
        let value = evaluation.node(&self.root)?;
        let value = value.quantity().map_err(Fault::from)?;
        // There is a metric in every expression.
        let seen = evaluation.seen.ok_or(Fault::OutOfRange)?;
        Ok(Sample { value, ..seen })
    }
}

struct Evaluation<R> {
    read: R,
    /// With the oldest moment and the longest window so far.
    seen: Option<Sample>,
}

impl<R> Evaluation<R> {
    fn node<E>(&mut self, node: &Node) -> Result<Rational, Fault<E>>
    where
        R: FnMut(&Reference) -> Result<Sample, E>,
    {
        match node {
            Node::Number(number) => Ok(*number),
            Node::Negated(node) => Ok(self.node(node)?.negated()),
            Node::Metric(reference) => {
                let sample = (self.read)(reference)
                    .map_err(|why| Fault::Missing { metric: reference.metric.clone(), why })?;
                let value = Rational::of(sample.value);
                self.note(sample);
                Ok(value)
            }
            Node::Both(left, operator, right) => {
                let (left, right) = (self.node(left)?, self.node(right)?);
                let result = match operator {
                    Operator::Plus => left.plus(right),
                    Operator::Minus => left.plus(right.negated()),
                    Operator::Times => left.times(right),
                    Operator::Over => left.over(right),
                };
                result.map_err(Fault::from)
            }
        }
    }

    fn note(&mut self, sample: Sample) {
        let Some(seen) = &mut self.seen else { return self.seen = Some(sample) };
        seen.timestamp = seen.timestamp.min(sample.timestamp);
        seen.window_seconds = seen.window_seconds.max(sample.window_seconds);
    }
}

impl<E> From<NoResult> for Fault<E> {
    fn from(none: NoResult) -> Self {
        match none {
            NoResult::DivisionByZero => Self::DivisionByZero,
            NoResult::OutOfRange => Self::OutOfRange,
        }
    }
}
