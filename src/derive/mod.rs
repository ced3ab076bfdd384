//! Metrics that are computed from others of the same object: `php_fpm_active_processes / php_fpm_total_processes`.
//!
//! ```text
//! expression = term { ("+" | "-") term }
//! term       = factor { ("*" | "/") factor }
//! factor     = "-" factor | NUMBER | "(" expression ")" | fold "(" metric ")" | metric
//! fold       = "sum" | "avg" | "max" | "min"
//! metric     = NAME [ "{" [ LABEL ("=" | "!=" | "=~") "VALUE" { "," … } ] "}" ]
//! ```
//!
//! There is nothing else: no functions, no ranges, no joins. What is missing is missing, and a division by zero has no
//! value.

mod evaluate;
mod parse;
mod rational;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

pub use evaluate::Fault;
pub use parse::ExpressionError;

use crate::model::{Fold, Matcher, MetricName, MetricNameError};
use rational::Rational;

/// A parsed expression, which has at least one metric in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expression {
    root: Node,
}

/// A metric in an expression.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Which one, by the name that an HPA would ask for.
    pub metric: MetricName,
    /// Which of its label sets.
    pub matchers: Vec<Matcher>,
    /// How they become one number; as the object does it if nothing is said.
    pub fold: Option<Fold>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Node {
    Number(Rational),
    Metric(Reference),
    Negated(Box<Node>),
    Both(Box<Node>, Operator, Box<Node>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operator {
    Plus,
    Minus,
    Times,
    Over,
}

/// Derived metrics by their names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Derivations(BTreeMap<MetricName, Arc<Expression>>);

/// A derived metric that cannot be followed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DerivationError {
    /// Its name is none.
    #[error(transparent)]
    Name(#[from] MetricNameError),
    /// Its expression is none.
    #[error(transparent)]
    Expression(#[from] ExpressionError),
    /// There is another one of this name.
    #[error("{0} is derived twice")]
    Twice(MetricName),
    /// There are too many.
    #[error("there are more than {} derived metrics", Derivations::MOST)]
    TooMany,
}

impl Derivations {
    /// The most of one object.
    pub const MOST: usize = 32;

    /// Adds the metric `name`, computed by `expression`.
    ///
    /// # Errors
    /// When one of the two is wrong, or there is no room for it.
    pub fn add(&mut self, name: &str, expression: &str) -> Result<(), DerivationError> {
        let name = MetricName::new(name)?;
        let expression = Arc::new(Expression::parse(expression)?);
        if self.0.contains_key(&name) {
            return Err(DerivationError::Twice(name));
        }
        if self.0.len() == Self::MOST {
            return Err(DerivationError::TooMany);
        }
        self.0.insert(name, expression);
        Ok(())
    }

    /// How `metric` is computed, if it is one of these.
    #[must_use]
    pub fn get(&self, metric: &MetricName) -> Option<&Arc<Expression>> {
        self.0.get(metric)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &MetricName> {
        self.0.keys()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
