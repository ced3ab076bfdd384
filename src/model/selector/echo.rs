//! A selector as `metav1.LabelSelector`, which answers of the metrics API repeat it in.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Operator, Requirement};

/// `metav1.LabelSelector` on the wire: `{"matchLabels":{…},"matchExpressions":[…]}`, without what is empty.
///
/// It cannot say everything that a selector can. Where the upstream adapter answers 500 we say what can be said:
/// `!=` becomes `NotIn` with one value, which selects the same; `>` and `<` have no counterpart and are left out.
/// Of several equalities on one key the last is shown, as upstream; such a selector matches nothing unless they agree.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EchoedSelector {
    /// `k=v` and `k==v`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Everything else, sorted by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<EchoedExpression>,
}

/// `metav1.LabelSelectorRequirement` on the wire.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EchoedExpression {
    /// The label's name.
    pub key: String,
    /// How it is compared.
    pub operator: SelectorOperator,
    /// With what, sorted; none for [`SelectorOperator::Exists`] and [`SelectorOperator::DoesNotExist`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// `metav1.LabelSelectorOperator`, in answers and in access reviews. It has no word for `>` and `<`, so neither carries
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
pub enum SelectorOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl SelectorOperator {
    /// Its name on the wire, in JSON and protobuf.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
    }
}

impl EchoedSelector {
    pub(super) fn of(requirements: &[Requirement]) -> Self {
        let mut echoed = Self::default();
        for Requirement { key, operator, values } in requirements {
            let operator = match operator {
                Operator::Equals | Operator::DoubleEquals => {
                    let value = values.first().cloned().unwrap_or_default();
                    echoed.match_labels.insert(key.clone(), value);
                    continue;
                }
                Operator::GreaterThan | Operator::LessThan => continue,
                Operator::In => SelectorOperator::In,
                Operator::NotIn | Operator::NotEquals => SelectorOperator::NotIn,
                Operator::Exists => SelectorOperator::Exists,
                Operator::DoesNotExist => SelectorOperator::DoesNotExist,
            };
            let (key, values) = (key.clone(), values.clone());
            echoed.match_expressions.push(EchoedExpression { key, operator, values });
        }
        echoed
    }
}
