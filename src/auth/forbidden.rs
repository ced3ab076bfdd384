//! The words of a refusal, as every Kubernetes API server says them.

use super::{Attributes, ResourceAttributes, User};

/// A refusal: what the 403 `Status` says. An empty part of the details is left out of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forbidden {
    /// `Status.message`.
    pub message: String,
    /// `Status.details.name`.
    pub name: String,
    /// `Status.details.group`.
    pub group: String,
    /// `Status.details.kind`: the resource.
    pub kind: String,
}

impl Forbidden {
    pub(super) fn new(user: &User, attributes: &Attributes, reason: &str) -> Self {
        let user = go_quote(&user.name);
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        match attributes {
            Attributes::Path { verb, path } => Self {
                message: format!("forbidden: User {user} cannot {verb} path {}{reason}", go_quote(path)),
                name: String::new(),
                group: String::new(),
                kind: String::new(),
            },
            Attributes::Resource(resource) => Self {
                message: format!("{} is forbidden: {}{reason}", subject(resource), sentence(&user, resource)),
                name: resource.name.clone(),
                group: resource.group.clone(),
                kind: resource.resource.clone(),
            },
        }
    }
}

fn subject(resource: &ResourceAttributes) -> String {
    let mut subject = resource.resource.clone();
    if !resource.group.is_empty() {
        subject = format!("{subject}.{}", resource.group);
    }
    if !resource.name.is_empty() {
        subject = format!("{subject} {}", go_quote(&resource.name));
    }
    subject
}

fn sentence(user: &str, r: &ResourceAttributes) -> String {
    let resource = if r.subresource.is_empty() {
        r.resource.clone()
    } else {
        format!("{}/{}", r.resource, r.subresource)
    };
    let place = match &*r.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {}", go_quote(namespace)),
    };
    let (resource, group) = (go_quote(&resource), go_quote(&r.group));
    format!("User {user} cannot {} resource {resource} in API group {group} {place}", r.verb)
}

/// Go's `%q`: what Kubernetes' messages quote names with.
fn go_quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0b' => quoted.push_str("\\v"),
            '\x0c' => quoted.push_str("\\f"),
            '\'' => quoted.push('\''),
            _ if c.escape_debug().len() == 1 => quoted.push(c),
            c if u32::from(c) < 0x80 => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(uri: &str, reason: &str) -> String {
        let alice = User { name: "alice".to_owned(), ..User::default() };
        let attributes = Attributes::of(&http::Method::GET, &uri.parse().unwrap());
        Forbidden::new(&alice, &attributes, reason).message
    }

    #[test]
    fn refusals_use_the_words_of_kubernetes() {
        let base = "/apis/custom.metrics.k8s.io/v1beta2";
        for (uri, expected) in [
            (
                format!("{base}/namespaces/default/pods/web-0/qps"),
                r#"pods.custom.metrics.k8s.io "web-0" is forbidden: User "alice" cannot get resource "pods/qps" in API group "custom.metrics.k8s.io" in the namespace "default""#,
            ),
            (
                format!("{base}/nodes/node-1/load"),
                r#"nodes.custom.metrics.k8s.io "node-1" is forbidden: User "alice" cannot get resource "nodes/load" in API group "custom.metrics.k8s.io" at the cluster scope"#,
            ),
            (
                format!("{base}/namespaces/default/metrics/nsm"),
                r#"metrics.custom.metrics.k8s.io "nsm" is forbidden: User "alice" cannot get resource "metrics" in API group "custom.metrics.k8s.io" in the namespace "default""#,
            ),
            (
                "/apis/external.metrics.k8s.io/v1beta1/namespaces/default/q".to_owned(),
                r#"q.external.metrics.k8s.io is forbidden: User "alice" cannot list resource "q" in API group "external.metrics.k8s.io" in the namespace "default""#,
            ),
            ("/metrics".to_owned(), r#"forbidden: User "alice" cannot get path "/metrics""#),
        ] {
            assert_eq!(message(&uri, ""), expected);
        }
    }

    #[test]
    fn the_reason_of_the_review_stands_behind_the_message() {
        assert_eq!(message("/x", "no luck"), r#"forbidden: User "alice" cannot get path "/x": no luck"#);
    }

    #[test]
    fn names_are_quoted_as_go_quotes_them() {
        for (text, quoted) in [
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a'b", "\"a'b\""),
            ("\n\u{7f}\u{0}", r#""\n\x7f\x00""#),
            ("é", "\"é\""),
            ("\u{200b}", r#""\u200b""#),
        ] {
            assert_eq!(go_quote(text), quoted);
        }
    }

    #[test]
    fn details_name_what_was_asked() {
        let attributes = Attributes::of(
            &http::Method::GET,
            &"/apis/custom.metrics.k8s.io/v1beta2/nodes/n/load".parse().unwrap(),
        );
        let refusal = Forbidden::new(&User::anonymous(), &attributes, "");
        assert_eq!(
            (&*refusal.name, &*refusal.group, &*refusal.kind),
            ("n", "custom.metrics.k8s.io", "nodes")
        );
    }
}
