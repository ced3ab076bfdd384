//! Which format a body has, by its Content-Type; and what to ask for.

/// What to send as `Accept` by default: text, with UTF-8 names as they are.
///
/// OpenMetrics is not in it on purpose: the Python client answers OpenMetrics as soon as the type is listed at all,
/// whatever its weight, and text is the cheapest to read.
pub const ACCEPT_TEXT: &str =
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";

/// What to send as `Accept` for targets whose `_created` series are wanted, which only OpenMetrics has.
pub const ACCEPT_OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
application/openmetrics-text;version=0.0.1;q=0.5,\
text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

/// A format of exposition bodies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// Prometheus text, 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text 1.0.
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

/// A format, and whether the header said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// How to read the body.
    pub format: Format,
    /// No header, or one that names none of the formats: read as text, and worth counting.
    /// Prometheus fails such a scrape; one odd header should not stop an autoscaler.
    pub fallback: bool,
}

impl Format {
    /// Chooses by media type only, as Prometheus does: the parameters `version`, `charset` and `escaping` change
    /// nothing in how a body is read.
    #[must_use]
    pub fn from_content_type(content_type: Option<&str>) -> Negotiated {
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let known = KNOWN.iter().find(|(name, _)| media_type.eq_ignore_ascii_case(name));
        match known {
            Some(&(_, format)) => Negotiated { format, fallback: false },
            None => Negotiated { format: Self::Text, fallback: true },
        }
    }
}

const KNOWN: [(&str, Format); 3] = [
    ("text/plain", Format::Text),
    ("application/openmetrics-text", Format::OpenMetrics),
    ("application/vnd.google.protobuf", Format::Protobuf),
];

/// What a body looks like that is no exposition at all; `None` if it may be one.
///
/// A text body may start with `{` (`{"a.b"} 1`), so JSON is told by what follows.
pub(super) fn foreign(body: &[u8]) -> Option<&'static str> {
    let body = body.strip_prefix(BOM).unwrap_or(body).trim_ascii_start();
    match body {
        [b'<', ..] => Some("HTML or XML"),
        [b'[', ..] => Some("JSON"),
        [b'{', inside @ ..] if is_json_object(inside) => Some("JSON"),
        _ => None,
    }
}

pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

fn is_json_object(inside: &[u8]) -> bool {
    let key = inside.trim_ascii_start();
    let blank = inside.get(..inside.len() - key.len()).unwrap_or_default();
    match key {
        _ if blank.contains(&b'\n') => true,
        [b'}', after @ ..] => after.trim_ascii_start().is_empty(),
        [b'"', key @ ..] => {
            let mut parts = key.splitn(2, |&byte| byte == b'"').skip(1);
            parts.next().is_some_and(|after| after.trim_ascii_start().starts_with(b":"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_alone_chooses_the_format() {
        for (header, format) in [
            ("text/plain; version=0.0.4; charset=utf-8", Format::Text),
            ("Text/Plain", Format::Text),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text;version=9", Format::OpenMetrics),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                Format::Protobuf,
            ),
        ] {
            assert_eq!(
                Format::from_content_type(Some(header)),
                Negotiated { format, fallback: false },
                "{header}"
            );
        }
    }

    #[test]
    fn a_missing_or_unknown_content_type_is_text_and_says_so() {
        for header in
            [None, Some(""), Some("application/octet-stream"), Some("text/html"), Some(";;"), Some("text")]
        {
            let negotiated = Format::from_content_type(header);
            assert_eq!(negotiated, Negotiated { format: Format::Text, fallback: true }, "{header:?}");
        }
    }

    #[test]
    fn html_and_json_are_told_from_an_exposition() {
        for body in
            ["<!doctype html>", "  \n<html>", "[]", "{}", "{\n  \"a\": 1}", "{\"a\":1}", "{ \"a\" : 1 }"]
        {
            assert!(foreign(body.as_bytes()).is_some(), "{body:?}");
        }
        for body in ["", "a 1", "{\"a.b\"} 1", "{\"a.b\",x=\":\"} 1", "# <html>", "{x=\"1\"} 1", "{} 1"] {
            assert_eq!(foreign(body.as_bytes()), None, "{body:?}");
        }
    }
}
