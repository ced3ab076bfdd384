//! The user that the front proxy names in its headers.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use super::{User, trust::FrontProxy};

impl FrontProxy {
    /// The user in the headers; `None` when they name nobody.
    pub(super) fn user(&self, headers: &HeaderMap) -> Option<User> {
        Some(User {
            name: first(headers, &self.username_headers)?,
            uid: first(headers, &self.uid_headers).unwrap_or_default(),
            groups: all(headers, &self.group_headers),
            extra: self.extra(headers),
        })
    }

    /// Keys are what follows the prefix, in lower case and then percent-decoded; one that does not decode is kept as
    /// it is.
    fn extra(&self, headers: &HeaderMap) -> std::collections::BTreeMap<String, Vec<String>> {
        let mut extra = std::collections::BTreeMap::<String, Vec<String>>::new();
        for prefix in &self.extra_prefixes {
            let keys =
                headers.iter().filter_map(|(name, value)| Some((name.as_str().strip_prefix(prefix)?, value)));
            for (key, value) in keys {
                extra.entry(unescape(key)).or_default().push(text(value));
            }
        }
        extra
    }
}

fn first(headers: &HeaderMap, names: &[HeaderName]) -> Option<String> {
    names.iter().filter_map(|name| headers.get(name)).map(text).find(|value| !value.is_empty())
}

fn all(headers: &HeaderMap, names: &[HeaderName]) -> Vec<String> {
    names.iter().flat_map(|name| headers.get_all(name)).map(text).filter(|value| !value.is_empty()).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn unescape(key: &str) -> String {
    let mut rest = key;
    while let Some((_, behind)) = rest.split_once('%') {
        let digits = behind.as_bytes().get(..2);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return key.to_owned();
        }
        rest = behind;
    }
    percent_decode_str(key).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn keys_are_percent_decoded_unless_they_are_malformed() {
        assert_eq!(
            unescape("authentication.kubernetes.io%2fcredential-id"),
            "authentication.kubernetes.io/credential-id"
        );
        assert_eq!(unescape("a%2fb%2"), "a%2fb%2");
        assert_eq!(unescape("a%zz"), "a%zz");
        assert_eq!(unescape("%25"), "%");
    }
}
