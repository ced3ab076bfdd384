//! What Kubernetes allows as the name and value of a label: `k8s.io/apimachinery/pkg/util/validation`, with its words.

use std::fmt;

use super::LabelError;

/// The rules of Kubernetes that a label's name or value breaks, in apimachinery's words; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokenRules(Vec<&'static str>);

impl fmt::Display for BrokenRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rule) in self.0.iter().enumerate() {
            write!(f, "{}{rule}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

pub(super) fn check_pair(name: &str, value: &str) -> Result<(), LabelError> {
    check_name(name).map_err(|broken| LabelError::Name { name: name.to_owned(), broken })?;
    check_value(value).map_err(|broken| LabelError::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        broken,
    })
}

/// A label's name: `name`, or `prefix/name` with a DNS subdomain as prefix.
pub(in crate::model) fn check_name(text: &str) -> Result<(), BrokenRules> {
    let mut broken = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, name)) if name.contains('/') => return Err(BrokenRules(vec![NAME_WITH_SLASHES])),
        Some((prefix, name)) => {
            check_prefix(prefix, &mut broken);
            name
        }
    };
    if name.is_empty() {
        broken.push(NAME_EMPTY);
    } else if name.len() > MAX_BYTES {
        broken.push(NAME_TOO_LONG);
    }
    if !is_word(name) {
        broken.push(NAME_SHAPE);
    }
    none_or(broken)
}

/// A label's value: empty, or shaped like a name without prefix.
pub(in crate::model) fn check_value(value: &str) -> Result<(), BrokenRules> {
    let mut broken = Vec::new();
    if value.len() > MAX_BYTES {
        broken.push(VALUE_TOO_LONG);
    }
    if !value.is_empty() && !is_word(value) {
        broken.push(VALUE_SHAPE);
    }
    none_or(broken)
}

fn check_prefix(prefix: &str, broken: &mut Vec<&'static str>) {
    if prefix.is_empty() {
        broken.push(PREFIX_EMPTY);
        return;
    }
    if prefix.len() > MAX_PREFIX_BYTES {
        broken.push(PREFIX_TOO_LONG);
    }
    if !prefix.split('.').all(is_dns_label) {
        broken.push(PREFIX_SHAPE);
    }
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_word(text: &str) -> bool {
    ends_satisfy(text, |byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`; apimachinery does not limit the length of one label of a prefix.
fn is_dns_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    ends_satisfy(text, is_inner) && text.bytes().all(|byte| is_inner(byte) || byte == b'-')
}

fn ends_satisfy(text: &str, rule: impl Fn(u8) -> bool) -> bool {
    matches!(text.as_bytes(), [first, .., last] if rule(*first) && rule(*last))
        || matches!(text.as_bytes(), [only] if rule(*only))
}

fn none_or(broken: Vec<&'static str>) -> Result<(), BrokenRules> {
    if broken.is_empty() { Ok(()) } else { Err(BrokenRules(broken)) }
}

const MAX_BYTES: usize = 63;
const MAX_PREFIX_BYTES: usize = 253;

const NAME_EMPTY: &str = "name part must be non-empty";
const NAME_TOO_LONG: &str = "name part must be no more than 63 bytes";
const NAME_SHAPE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const NAME_WITH_SLASHES: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
    validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. \
    'example.com/MyName')";
const PREFIX_EMPTY: &str = "prefix part must be non-empty";
const PREFIX_TOO_LONG: &str = "prefix part must be no more than 253 bytes";
const PREFIX_SHAPE: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for \
    validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const VALUE_TOO_LONG: &str = "must be no more than 63 bytes";
const VALUE_SHAPE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
