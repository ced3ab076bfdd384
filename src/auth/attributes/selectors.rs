//! The selectors of a list's query, as an access review carries them.

use super::first;
use crate::model::{FieldSelector, FieldTerm, Operator, Requirement, Selector, SelectorOperator};

/// One requirement of a `labelSelector` or `fieldSelector`, in the words of a LabelSelectorRequirement.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SelectorRequirement {
    /// The label's or field's name.
    pub key: String,
    /// How it compares.
    pub operator: SelectorOperator,
    /// With what; empty for the two that take no value.
    pub values: Vec<String>,
}

impl SelectorRequirement {
    pub(super) fn text_bytes(&self) -> usize {
        // Each string costs its own header too: thousands of empty ones are no small question.
        let values = self.values.iter().map(|value| value.len() + size_of::<String>()).sum::<usize>();
        size_of::<Self>() + self.key.len() + values
    }
}

/// What the query of a list changes in the attributes.
#[derive(PartialEq, Eq, Debug, Default)]
pub(super) struct ListOptions {
    pub(super) watch: bool,
    /// From `fieldSelector=metadata.name=NAME`.
    pub(super) name: Option<String>,
}

/// Reads `watch` and the name that a `fieldSelector` pins. A query that does not decode as ListOptions pins no name,
/// so that the review asks for the whole collection: the wider permission.
pub(super) fn list_options(query: &str) -> ListOptions {
    let name = if decodes(query) { pinned_name(query) } else { None };
    ListOptions { watch: asks_to_watch(query), name }
}

/// Whether a query asks for changes instead of a list.
pub fn asks_to_watch(query: &str) -> bool {
    first(query, "watch").is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

/// The requirements of `labelSelector`; none when it does not parse, as upstream sends it.
pub(super) fn label_requirements(query: &str) -> Vec<SelectorRequirement> {
    let selector =
        first(query, "labelSelector").and_then(|text| Selector::parse(&text).ok()).unwrap_or_default();
    selector.requirements().iter().filter_map(label_requirement).collect()
}

/// The requirements of `fieldSelector`; none when it does not parse.
pub(super) fn field_requirements(query: &str) -> Vec<SelectorRequirement> {
    let selector = first(query, "fieldSelector").and_then(|text| FieldSelector::parse(&text));
    selector.unwrap_or_default().terms.into_iter().map(field_requirement).collect()
}

fn field_requirement(term: FieldTerm) -> SelectorRequirement {
    let operator = if term.equal { SelectorOperator::In } else { SelectorOperator::NotIn };
    SelectorRequirement { key: term.field, operator, values: vec![term.value] }
}

fn label_requirement(requirement: &Requirement) -> Option<SelectorRequirement> {
    let operator = match requirement.operator {
        Operator::Equals | Operator::DoubleEquals | Operator::In => SelectorOperator::In,
        Operator::NotEquals | Operator::NotIn => SelectorOperator::NotIn,
        Operator::Exists => SelectorOperator::Exists,
        Operator::DoesNotExist => SelectorOperator::DoesNotExist,
        Operator::GreaterThan | Operator::LessThan => return None,
    };
    let values = requirement.values.iter().map(ToString::to_string).collect();
    Some(SelectorRequirement { key: requirement.key.to_string(), operator, values })
}

fn decodes(query: &str) -> bool {
    let number = |name| first(query, name).is_none_or(|text| text.is_empty() || text.parse::<i64>().is_ok());
    number("limit")
        && number("timeoutSeconds")
        && first(query, "labelSelector").is_none_or(|text| Selector::parse(&text).is_ok())
}

fn pinned_name(query: &str) -> Option<String> {
    let selector = FieldSelector::parse(&first(query, "fieldSelector")?)?;
    let pinned = selector.terms.into_iter().find(|term| term.equal && term.field == "metadata.name")?;
    let reserved = matches!(&*pinned.value, "." | "..") || pinned.value.contains(['/', '%']);
    (!reserved).then_some(pinned.value)
}
