//! JSON as Go's `encoding/json` prints it: `<`, `>`, `&` and the two line separators of JavaScript escaped, a newline
//! after a compact document, two blanks of indent and no newline after a pretty one.

use memchr::{memchr3, memmem};
use serde::Serialize;

use super::EncodeError;

pub(super) fn compact(document: &impl Serialize, size: usize) -> Result<Vec<u8>, EncodeError> {
    let mut json = Vec::with_capacity(size);
    serde_json::to_writer(&mut json, document)?;
    json.push(b'\n');
    Ok(escape_html(json))
}

pub(super) fn pretty(document: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    Ok(escape_html(serde_json::to_vec_pretty(document)?))
}

/// Escapes what Go escapes and `serde_json` does not. All of it can stand in strings only, so it can be done on
/// finished JSON; almost no answer has any.
fn escape_html(json: Vec<u8>) -> Vec<u8> {
    let separators = memmem::find(&json, LINE_SEPARATOR_PREFIX);
    if memchr3(b'<', b'>', b'&', &json).is_none() && separators.is_none() {
        return json;
    }
    let mut escaped = Vec::with_capacity(json.len() + 64);
    let mut rest = &*json;
    while let Some((first, tail)) = rest.split_first() {
        let (escape, skip): (&[u8], usize) = match (first, tail) {
            (b'<', _) => (b"\\u003c", 0),
            (b'>', _) => (b"\\u003e", 0),
            (b'&', _) => (b"\\u0026", 0),
            (0xe2, [0x80, 0xa8, ..]) => (b"\\u2028", 2),
            (0xe2, [0x80, 0xa9, ..]) => (b"\\u2029", 2),
            _ => (std::slice::from_ref(first), 0),
        };
        escaped.extend_from_slice(escape);
        rest = tail.get(skip..).unwrap_or_default();
    }
    escaped
}

/// How U+2028 and U+2029 begin.
const LINE_SEPARATOR_PREFIX: &[u8] = &[0xe2, 0x80];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_line_separators_are_escaped_as_go_does() {
        let text = "a<b>&\u{2028}\u{2029}\u{2030}é\"\n";
        let json = String::from_utf8(compact(&text, 0).unwrap()).unwrap();
        assert_eq!(json, "\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\u{2030}é\\\"\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn a_pretty_document_has_no_newline_at_its_end() {
        let json = String::from_utf8(pretty(&serde_json::json!({"a": [], "b": [1]})).unwrap()).unwrap();
        assert_eq!(json, "{\n  \"a\": [],\n  \"b\": [\n    1\n  ]\n}");
    }
}
