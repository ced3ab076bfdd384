//! Names that Kubernetes can give to an object. A value for any other could never be read, and nobody would notice.
//!
//! The rules are those of Kubernetes' validation (pkg/apis/*/validation): pods and most others are DNS subdomains,
//! namespaces and services DNS labels (RFC 1123), and objects of CRDs are DNS subdomains too. Some resources, such as
//! RBAC roles (`system:node`), take any path segment, and so may those of servers beside kube-apiserver, as
//! OpenShift's are: of these nothing is refused here.

use crate::model::GroupResource;

use super::WriteError;

/// What names of one resource look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rule {
    Label,
    Subdomain,
    Segment,
}

/// Checks the name of a namespace.
pub(super) fn check_namespace(name: &str) -> Result<(), WriteError> {
    Rule::Label.check("namespace", name)
}

/// Checks the name of an object.
pub(super) fn check(resource: &GroupResource, name: &str) -> Result<(), WriteError> {
    Rule::of(resource).check(&format!("name of {resource}"), name)
}

impl Rule {
    fn of(resource: &GroupResource) -> Self {
        match (&*resource.group, &*resource.resource) {
            ("", "namespaces" | "services") => Self::Label,
            ("" | "apps" | "batch" | "autoscaling" | "policy", _)
            | ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses") => Self::Subdomain,
            (group, _) if is_of_crds(group) => Self::Subdomain,
            _ => Self::Segment,
        }
    }

    fn check(self, part: &str, name: &str) -> Result<(), WriteError> {
        let (is_right, rule) = match self {
            Self::Label => (is_label(name) && name.len() <= LABEL, "63 lower-case letters, digits and '-'"),
            Self::Subdomain => (
                name.len() <= SUBDOMAIN && name.split('.').all(is_label),
                "253 lower-case letters, digits, '-' and '.'",
            ),
            Self::Segment => return Ok(()),
        };
        if is_right {
            return Ok(());
        }
        Err(WriteError::Name { part: part.to_owned(), text: name.to_owned(), rule })
    }
}

/// Kubernetes' own groups and OpenShift's may be served by other servers, with names of their own rules; a group of
/// anybody else is one of CRDs, as good as always.
fn is_of_crds(group: &str) -> bool {
    let is_under =
        |domain: &str| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    group.contains('.') && !["k8s.io", "kubernetes.io", "openshift.io"].into_iter().any(is_under)
}

/// A DNS label, of any length.
fn is_label(text: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let has_ends = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && has_ends && text.as_bytes().iter().all(is_inner)
}

const LABEL: usize = 63;
const SUBDOMAIN: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(group: &str, resource: &str, name: &str) -> bool {
        check(&GroupResource::new(group, resource), name).is_ok()
    }

    #[test]
    fn each_resource_takes_the_names_that_kubernetes_gives_it() {
        let long = "a".repeat(64);
        for (name, subdomain, label) in [
            ("web-0", true, true),
            ("0", true, true),
            ("a.b-c.d", true, false),
            (&*long, true, false),
            (&*"a".repeat(253), true, false),
            (&*"a".repeat(254), false, false),
            ("Web-0", false, false),
            ("web_0", false, false),
            ("web:0", false, false),
            ("-web", false, false),
            ("web-", false, false),
            ("web-.a", false, false),
            ("a..b", false, false),
            (".a", false, false),
            ("wéb", false, false),
            ("", false, false),
        ] {
            for (group, resource) in [
                ("", "pods"),
                ("", "nodes"),
                ("apps", "deployments"),
                ("batch", "jobs"),
                ("networking.k8s.io", "ingresses"),
                ("kafka.strimzi.io", "kafkatopics"),
            ] {
                assert_eq!(takes(group, resource, name), subdomain, "{resource} {name:?}");
            }
            assert_eq!(takes("", "namespaces", name), label, "{name:?}");
            assert_eq!(takes("", "services", name), label, "{name:?}");
            assert_eq!(check_namespace(name).is_ok(), label, "{name:?}");
        }
    }

    #[test]
    fn resources_with_other_rules_take_any_path_segment() {
        for (group, resource, name) in [
            ("rbac.authorization.k8s.io", "roles", "system:controller:token-cleaner"),
            ("rbac.authorization.k8s.io", "clusterroles", "Admin Role"),
            ("user.openshift.io", "users", "system:admin"),
            ("image.openshift.io", "imagestreamtags", "ruby:3.4"),
            ("networking.k8s.io", "ipaddresses", "2001:db8::ffff"),
        ] {
            assert!(takes(group, resource, name), "{resource} {name}");
        }
    }

    #[test]
    fn a_refusal_says_the_rule() {
        let refusal = check(&GroupResource::pods(), "Web-0").unwrap_err().to_string();
        let wanted =
            "\"Web-0\" cannot be a name of pods: it has up to 253 lower-case letters, digits, '-' and '.'";
        assert!(refusal.starts_with(wanted), "{refusal}");
    }
}
