//! The selectors of a list's query, as an access review carries them.

use super::first;
use crate::model::{Operator, Requirement, Selector, SelectorOperator};

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
    let watch =
        first(query, "watch").is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"));
    let name = if decodes(query) { pinned_name(query) } else { None };
    ListOptions { watch, name }
}

/// The requirements of `labelSelector`; none when it does not parse, as upstream sends it.
pub(super) fn label_requirements(query: &str) -> Vec<SelectorRequirement> {
    let selector =
        first(query, "labelSelector").and_then(|text| Selector::parse(&text).ok()).unwrap_or_default();
    selector.requirements().iter().filter_map(label_requirement).collect()
}

/// The requirements of `fieldSelector`; none when it does not parse.
pub(super) fn field_requirements(query: &str) -> Vec<SelectorRequirement> {
    let terms = first(query, "fieldSelector").and_then(|text| field_terms(&text)).unwrap_or_default();
    terms.into_iter().map(FieldTerm::into_requirement).collect()
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
    let terms = field_terms(&first(query, "fieldSelector")?)?;
    let pinned = terms.into_iter().find(|term| term.equal && term.field == "metadata.name")?;
    let reserved = matches!(&*pinned.value, "." | "..") || pinned.value.contains(['/', '%']);
    (!reserved).then_some(pinned.value)
}

struct FieldTerm {
    field: String,
    equal: bool,
    value: String,
}

impl FieldTerm {
    fn into_requirement(self) -> SelectorRequirement {
        let operator = if self.equal { SelectorOperator::In } else { SelectorOperator::NotIn };
        SelectorRequirement { key: self.field, operator, values: vec![self.value] }
    }
}

/// Parses a field selector: `field=value`, `==`, `!=`, joined by commas; `\` escapes `\`, `,` and `=` in values. One
/// beyond the bounds of label selectors does not parse, so that it pins no name and the review is of the collection.
fn field_terms(text: &str) -> Option<Vec<FieldTerm>> {
    if text.len() > Selector::MAX_BYTES {
        return None;
    }
    let terms: Vec<&str> = split_terms(text).into_iter().filter(|term| !term.is_empty()).collect();
    (terms.len() <= Selector::MAX_REQUIREMENTS).then_some(())?;
    terms.into_iter().map(field_term).collect()
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(move |c| {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
    .collect()
}

fn field_term(term: &str) -> Option<FieldTerm> {
    let at = term.find('=')?;
    let (before, after) = term.split_at(at);
    let value = after.strip_prefix("==").or_else(|| after.strip_prefix('='))?;
    let (field, equal) = match before.strip_suffix('!') {
        Some(field) => (field, false),
        None => (before, true),
    };
    // `!==` is not an operator: Kubernetes reads `!=` and then refuses the unescaped `=` in the value.
    let refused = !equal && after.starts_with("==");
    (!refused).then_some(())?;
    Some(FieldTerm { field: field.to_owned(), equal, value: unescape(value)? })
}

fn unescape(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.push(characters.next().filter(|next| matches!(next, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            other => plain.push(other),
        }
    }
    Some(plain)
}
