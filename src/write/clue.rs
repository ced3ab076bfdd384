//! What a writer most likely meant with a body that is no value.

/// What to send instead, if the body is a mistake that is often made.
pub(super) fn of_value(text: &str) -> Option<&'static str> {
    if text.starts_with('[') && !text.starts_with("[object ") {
        return Some("several values go to /write-metrics, as a batch");
    }
    let is_form = || text.split_once('=').is_some_and(|(name, _)| is_word(name));
    let is_decimal_comma = || text.split_once(',').is_some_and(|(a, b)| is_digits(a) && is_digits(b));
    of_json(text)
        .or_else(|| {
            text.contains("form-data;")
                .then_some("a multipart form (curl -F) is not read: send the value itself")
        })
        .or_else(|| {
            is_form().then_some("a form is not read: send the value itself, 42, or {\"value\": 42} as JSON")
        })
        .or_else(|| text.starts_with('\'').then_some("leave the single quotes out: cmd.exe keeps them"))
        .or_else(|| is_decimal_comma().then_some("decimals have a point, and thousands no comma"))
}

/// What to send instead of this for JSON.
pub(super) fn of_json(text: &str) -> Option<&'static str> {
    if text.starts_with("[object ") {
        return Some("this is how JavaScript prints an object: send JSON.stringify(object)");
    }
    let inside = text.strip_prefix('{')?.trim_start();
    inside.starts_with(|first: char| first == '\'' || first.is_alphabetic()).then_some(
        "names and texts of JSON stand in double quotes, with a colon between: let a library write it, \
         such as json.dumps or JSON.stringify",
    )
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.trim_start_matches('-').chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_by_mistake_is_told_what_to_send() {
        for (body, wanted) in [
            ("value=42", "a form is not read"),
            ("value=42&ttl=90s", "a form is not read"),
            ("--x\r\nContent-Disposition: form-data; name=\"value\"\r\n\r\n42\r\n--x--", "multipart form"),
            ("[object Object]", "JSON.stringify"),
            ("{'value': 42}", "double quotes"),
            ("{value=42}", "double quotes"),
            ("{ value: 42 }", "double quotes"),
            ("'300'", "single quotes"),
            ("12,5", "decimals have a point"),
            ("-1,234", "decimals have a point"),
            ("[42]", "/write-metrics"),
        ] {
            assert!(of_value(body).is_some_and(|clue| clue.contains(wanted)), "{body}: {:?}", of_value(body));
        }
        for body in ["abc", "75%", "NaN", "=", "", "{", "{\"value\": x}", "1,2,3"] {
            assert_eq!(of_value(body), None, "{body}");
        }
    }
}
