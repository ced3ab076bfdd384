//! What is wrong with a request head that is not HTTP, in words for the client that sent it.

use std::collections::BTreeSet;

/// What the HTTP library refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused<'a> {
    /// The status that it answers with: 400, 414 or 431.
    pub(super) code: u16,
    /// What the client sent last, the newest 4 KiB of it.
    pub(super) heard: &'a [u8],
    /// How large a head may be.
    pub(super) head_bytes: usize,
}

/// What is wrong, and what to change.
pub(super) fn reason(refused: Refused<'_>) -> String {
    match refused.code {
        431 => format!(
            "the head of the request is too large: it may have {} bytes and {MAX_HEADERS} headers",
            refused.head_bytes
        ),
        414 => "the URL is too long: it may have 65534 bytes".to_owned(),
        _ => malformed(refused.heard),
    }
}

fn malformed(heard: &[u8]) -> String {
    if heard.starts_with(&TLS_HANDSHAKE) {
        return "this port speaks plain HTTP, and the request is TLS: use http:// in its URL".to_owned();
    }
    let lines: Vec<&[u8]> = heard.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
    let request = lines.iter().rposition(|line| begins_with_method(line));
    let Some(request) = request.or_else(|| lines.iter().position(|line| !line.is_empty())) else {
        return NOT_HTTP.to_owned();
    };
    let mut head = lines.iter().copied().skip(request);
    let line = head.next().unwrap_or_default();
    let headers: Vec<&[u8]> = head.take_while(|line| !line.is_empty()).collect();
    let wrong = request_line(line).or_else(|| headers.iter().copied().find_map(header));
    wrong
        .or_else(|| length(&headers))
        .unwrap_or_else(|| format!("the URL {:?} cannot be read", text(target(line).unwrap_or(line))))
}

/// What says how long the body is, if anything does.
fn length(headers: &[&[u8]]) -> Option<String> {
    let names = headers.iter().map(|line| line.split(|byte| *byte == b':').next().unwrap_or_default());
    let of_length = |name: &[u8]| {
        [&b"content-length"[..], b"transfer-encoding"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    names.filter(|name| of_length(name)).map(text).next().map(|name| {
        format!(
            "the header {name:?} does not say how long the body is: send one content-length in bytes, or \
             transfer-encoding: chunked"
        )
    })
}

fn request_line(line: &[u8]) -> Option<String> {
    let Some(target) = target(line) else {
        return Some(format!(
            "the request line {:?} does not end with an HTTP version: a URL has no blanks or line ends, write %20 and %0A",
            text(line)
        ));
    };
    let odd: BTreeSet<u8> = target.iter().copied().filter(|byte| !may_stand_in_target(*byte)).collect();
    if !odd.is_empty() {
        return Some(format!(
            "the URL has characters that must be percent-encoded: write {}",
            encodings(&odd)
        ));
    }
    let (method, version) = (part(line, 0), line.rsplit(|byte| *byte == b' ').next().unwrap_or_default());
    if !is_token(method) {
        return Some(format!("{:?} is not a method", text(method)));
    }
    let known = matches!(version, b"HTTP/1.0" | b"HTTP/1.1");
    (!known).then(|| format!("{:?} is not spoken here: use HTTP/1.1", text(version)))
}

/// What stands between the method and the version.
fn target(line: &[u8]) -> Option<&[u8]> {
    let method = line.iter().position(|byte| *byte == b' ')?;
    let version = line.iter().rposition(|byte| *byte == b' ')?;
    let is_version = line.get(version + 1..)?.starts_with(b"HTTP/");
    line.get(method + 1..version).filter(|_| is_version)
}

fn header(line: &[u8]) -> Option<String> {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else {
        return Some(format!("the header line {:?} has no colon", text(line)));
    };
    let (name, value) = line.split_at_checked(colon)?;
    if !is_token(name) {
        return Some(format!("{:?} cannot be the name of a header", text(name)));
    }
    let control = value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    control.then(|| format!("the header {:?} has a control character", text(name)))
}

fn begins_with_method(line: &[u8]) -> bool {
    METHODS.contains(&part(line, 0))
}

fn part(line: &[u8], index: usize) -> &[u8] {
    line.split(|byte| *byte == b' ').nth(index).unwrap_or_default()
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

fn may_stand_in_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>`".contains(&byte)
}

/// `%22 for ", %3C for <`.
fn encodings(odd: &BTreeSet<u8>) -> String {
    let named = odd.iter().take(NAMED).map(|byte| match char::from(*byte) {
        ' ' => "%20 for a blank".to_owned(),
        shown if shown.is_ascii_graphic() => format!("%{byte:02X} for {shown}"),
        _ => format!("%{byte:02X} for the byte 0x{byte:02x}"),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The beginning, as text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(SHOWN).collect()
}

/// A user's groups come as one header each; kube-apiserver itself uses HTTP/2, which has no such bound.
pub(super) const MAX_HEADERS: usize = 256;

const NOT_HTTP: &str = "the request is not HTTP/1.1: its first line is METHOD /PATH HTTP/1.1";
const METHODS: &[&[u8]] =
    &[b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"];
/// The content type of a handshake, and the first byte of every version.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
/// How many characters a message names.
const NAMED: usize = 8;
/// How much of a line a message shows.
const SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(heard: &[u8]) -> String {
        reason(Refused { code: 400, heard, head_bytes: 1024 })
    }

    #[test]
    fn each_fault_is_named_with_its_remedy() {
        for (heard, wanted) in [
            (&b"POST /m?labels={\"a\":\"b\"} HTTP/1.1\r\n\r\n"[..], "write %22 for \""),
            (b"GET /<m> HTTP/1.1\r\n\r\n", "write %3C for <, %3E for >"),
            (b"GET /a b HTTP/1.1\r\n\r\n", "%20 for a blank"),
            (b"GET /\xff\x7f HTTP/1.1\r\n\r\n", "%7F for the byte 0x7f, %FF for the byte 0xff"),
            (
                b"42GET /` HTTP/1.1\r\n\r\nGET /a\r\nb HTTP/1.1",
                "\"GET /a\" does not end with an HTTP version",
            ),
            (b"GET /a\r\n\r\n", "does not end with an HTTP version"),
            (b"GET /a HTTP/3.0\r\n\r\n", "\"HTTP/3.0\" is not spoken here"),
            (b"G(T /a HTTP/1.1\r\n\r\n", "\"G(T\" is not a method"),
            (b"GET /a HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n", "\"nonsense\" has no colon"),
            (b"GET /a HTTP/1.1\r\na b: x\r\n\r\n", "\"a b\" cannot be the name of a header"),
            (b"GET /a HTTP/1.1\r\na: \x01\r\n\r\n", "\"a\" has a control character"),
            (b"GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "one content-length in bytes"),
            (b"GET http://[::1/ HTTP/1.1\r\n\r\n", "the URL \"http://[::1/\" cannot be read"),
            (b"\x16\x03\x01\x02\x00", "use http://"),
            (b"", "not HTTP/1.1"),
            (b"\r\n\r\n", "not HTTP/1.1"),
        ] {
            assert!(said(heard).contains(wanted), "{:?}: {}", text(heard), said(heard));
        }
        let large = Refused { code: 431, heard: b"", head_bytes: 1024 };
        assert!(reason(large).contains("1024 bytes and 256 headers"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_have_a_reason(heard in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            proptest::prop_assert!(!said(&heard).is_empty());
        }
    }
}
