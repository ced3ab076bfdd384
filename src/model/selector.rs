//! Label selectors: the grammar of `k8s.io/apimachinery/pkg/labels`, with its answers and its error texts.

mod echo;
mod parse;
mod spec;
#[cfg(test)]
mod tests;

use std::fmt;

use super::{LabelSource, labels::BrokenRules};

pub use echo::{EchoedExpression, EchoedSelector, SelectorOperator};
pub use spec::{ExpressionSpec, SelectorSpec};

/// One requirement of a selector.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Requirement {
    /// The label's name.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; sorted and unique. None for [`Operator::Exists`] and [`Operator::DoesNotExist`], one or more for
    /// [`Operator::In`] and [`Operator::NotIn`], one for the others.
    pub values: Vec<String>,
}

/// How a requirement compares.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operator {
    /// `k=v`
    Equals,
    /// `k==v`
    DoubleEquals,
    /// `k!=v`, also met by what has no `k`
    NotEquals,
    /// `k in (a,b)`
    In,
    /// `k notin (a,b)`, also met by what has no `k`
    NotIn,
    /// `k`
    Exists,
    /// `!k`
    DoesNotExist,
    /// `k>1`, integers
    GreaterThan,
    /// `k<1`, integers
    LessThan,
}

/// A parsed label selector; the empty one matches everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Selector(Vec<Requirement>);

/// A text that is no selector, and why; the message is apimachinery's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct SelectorError {
    /// The text that was given, cut to its first [`SelectorError::MAX_INPUT_BYTES`].
    pub input: String,
    /// What is wrong with it.
    pub fault: SelectorFault,
}

/// What is wrong with the text of a selector.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SelectorFault {
    /// Something else was expected between two requirements.
    #[error("found '{found}', expected: {expected}")]
    Separator {
        /// The token in the way; empty at the end of the text.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// Something else was expected within a requirement.
    #[error("unable to parse requirement: found '{found}'{expected}")]
    Token {
        /// The token in the way; empty at the end of the text.
        found: String,
        /// What may stand there, with the punctuation before it (which apimachinery is not consistent in).
        expected: &'static str,
    },
    /// The name of a label breaks the rules for names.
    #[error("unable to parse requirement: <nil>: Invalid value: {key:?}: {broken}")]
    Key {
        /// What was written.
        key: String,
        /// The rules that it breaks.
        broken: BrokenRules,
    },
    /// A value breaks the rules for label values; the first one of several.
    #[error("unable to parse requirement: values[{at}][{key}]: Invalid value: {value:?}: {broken}")]
    Value {
        /// The label's name.
        key: String,
        /// Which one of the requirement's sorted values, from 0.
        at: usize,
        /// What was written.
        value: String,
        /// The rules that it breaks.
        broken: BrokenRules,
    },
    /// `>` and `<` compare integers.
    #[error(
        "unable to parse requirement: values[0]: Invalid value: {0:?}: for 'Gt', 'Lt' operators, the value must be an \
         integer"
    )]
    NotAnInteger(String),
    /// Longer than [`Selector::MAX_BYTES`].
    #[error("the selector has {0} bytes, more than {max}", max = Selector::MAX_BYTES)]
    TooLong(usize),
    /// More than [`Selector::MAX_REQUIREMENTS`].
    #[error("the selector has more than {max} requirements", max = Selector::MAX_REQUIREMENTS)]
    TooManyRequirements,
}

impl SelectorError {
    /// How much of a wrong text is kept.
    pub const MAX_INPUT_BYTES: usize = 1024;
}

impl Selector {
    /// The longest text that is parsed.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// The most requirements that one selector may have.
    pub const MAX_REQUIREMENTS: usize = 256;

    /// Parses `text`, such as `app=web,tier in (a,b),!canary`; an empty or blank text is the selector of everything.
    ///
    /// One difference from apimachinery, on purpose: there a NUL byte ends a token without a trace, here it is a wrong
    /// character of a name or value.
    ///
    /// # Errors
    /// When `text` is no selector, or one beyond [`Selector::MAX_BYTES`] or [`Selector::MAX_REQUIREMENTS`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::requirements(text).map(Self).map_err(|fault| SelectorError { input: kept(text), fault })
    }

    /// Without the requirements that `leave` says.
    pub(super) fn without(&self, leave: impl Fn(&Requirement) -> bool) -> Self {
        Self(self.0.iter().filter(|requirement| !leave(requirement)).cloned().collect())
    }

    /// Whether it matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The requirements, sorted by key; those of one key as they were written.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }

    /// Whether `labels` meet every requirement. Allocates nothing.
    pub fn matches(&self, labels: &impl LabelSource) -> bool {
        self.0.iter().all(|requirement| requirement.is_met_by(labels.label(&requirement.key)))
    }

    /// The `metav1.LabelSelector` that stands beside a metric in an answer of the metrics API, as far as one can say
    /// the same: see [`EchoedSelector`].
    #[must_use]
    pub fn echo(&self) -> EchoedSelector {
        EchoedSelector::of(&self.0)
    }
}

impl Requirement {
    fn is_met_by(&self, label: Option<&str>) -> bool {
        match self.operator {
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::Equals | Operator::DoubleEquals | Operator::In => {
                label.is_some_and(|it| self.lists(it))
            }
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(|it| self.lists(it)),
            Operator::GreaterThan => self.compares(label, |label, bound| label > bound),
            Operator::LessThan => self.compares(label, |label, bound| label < bound),
        }
    }

    fn lists(&self, label: &str) -> bool {
        self.values.binary_search_by(|value| value.as_str().cmp(label)).is_ok()
    }

    /// A label that is no integer compares with nothing.
    fn compares(&self, label: Option<&str>, holds: impl Fn(i64, i64) -> bool) -> bool {
        let label = label.and_then(|label| label.parse().ok());
        let bound = self.values.first().and_then(|value| value.parse().ok());
        label.zip(bound).is_some_and(|(label, bound)| holds(label, bound))
    }
}

/// The canonical form, which parses to the same selector: sorted by key, values sorted.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.0.iter().enumerate() {
            write!(f, "{}{requirement}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = values.join(",");
        match operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

fn kept(text: &str) -> String {
    text.split_at(text.floor_char_boundary(SelectorError::MAX_INPUT_BYTES)).0.to_owned()
}
