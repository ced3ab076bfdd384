//! Field selectors, as far as they can be read without knowing which fields there are.

use super::Selector;

/// A parsed `fieldSelector`: all of its terms have to hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldSelector {
    /// What has to hold.
    pub terms: Vec<FieldTerm>,
}

/// One field that has to have, or not to have, a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldTerm {
    /// The field, such as `metadata.name`.
    pub field: String,
    /// Whether it has to have the value.
    pub equal: bool,
    /// The value.
    pub value: String,
}

impl FieldSelector {
    /// Parses `field=value`, `==`, `!=`, joined by commas; `\` escapes `\`, `,` and `=` in values. `None` when it is
    /// no selector, or beyond the bounds of label selectors: an access review then pins no name and is of the
    /// whole collection.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() <= Selector::MAX_BYTES).then_some(())?;
        let terms: Vec<&str> = split_terms(text).into_iter().filter(|term| !term.is_empty()).collect();
        (terms.len() <= Selector::MAX_REQUIREMENTS).then_some(())?;
        Some(Self { terms: terms.into_iter().map(field_term).collect::<Option<_>>()? })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Option<Vec<(String, bool, String)>> {
        let selector = FieldSelector::parse(text)?;
        Some(selector.terms.into_iter().map(|term| (term.field, term.equal, term.value)).collect())
    }

    #[test]
    fn terms_are_joined_by_commas_and_values_may_escape_them() {
        let term = |field: &str, equal, value: &str| (field.to_owned(), equal, value.to_owned());
        assert_eq!(terms(""), Some(vec![]));
        assert_eq!(
            terms("a=b,c!=d,e==f"),
            Some(vec![term("a", true, "b"), term("c", false, "d"), term("e", true, "f")])
        );
        assert_eq!(terms(r"a=b\,c\=d\\"), Some(vec![term("a", true, r"b,c=d\")]));
    }

    #[test]
    fn what_is_no_term_makes_no_selector() {
        for text in ["a", "a=b=c", "a!==b", r"a=\b", "a=b,c"] {
            assert_eq!(terms(text), None, "{text}");
        }
    }
}
