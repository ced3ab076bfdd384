//! Who asks.

use std::collections::BTreeMap;

/// A caller, as Kubernetes describes one: what a SubjectAccessReview is asked about.
///
/// The order of `groups` is kept as the caller's credentials gave it: it is part of the review and of its cache key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct User {
    /// The user name, such as `system:serviceaccount:kube-system:horizontal-pod-autoscaler`.
    pub name: String,
    /// The UID; empty when the credentials have none.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// What authenticators add, such as `authentication.kubernetes.io/credential-id`.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// The caller without credentials: `system:anonymous` in group `system:unauthenticated`.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED_GROUP.to_owned()], ..Self::default() }
    }

    /// Whether the user is in `group`.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// Adds `system:authenticated`, as Kubernetes' group adder does: not for `system:anonymous` (which kube-apiserver
    /// may forward through the front proxy), and not when one of the two blanket groups is there already.
    #[must_use]
    pub(super) fn authenticated(mut self) -> Self {
        let settled =
            self.name == ANONYMOUS || self.is_in(AUTHENTICATED_GROUP) || self.is_in(UNAUTHENTICATED_GROUP);
        if !settled {
            self.groups.push(AUTHENTICATED_GROUP.to_owned());
        }
        self
    }

    /// Whether this is a caller without credentials, ours or one that kube-apiserver forwards.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.name == ANONYMOUS || self.is_in(UNAUTHENTICATED_GROUP)
    }

    /// How many bytes of text it has; bounds what a cache holds of it.
    pub(super) fn text_bytes(&self) -> usize {
        let extra: usize = self.extra.iter().map(|(key, values)| key.len() + total(values)).sum();
        self.name.len() + self.uid.len() + total(&self.groups) + extra
    }
}

fn total(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}

const ANONYMOUS: &str = "system:anonymous";
const AUTHENTICATED_GROUP: &str = "system:authenticated";
const UNAUTHENTICATED_GROUP: &str = "system:unauthenticated";

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, groups: &[&str]) -> User {
        User {
            name: name.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            ..User::default()
        }
    }

    #[test]
    fn authenticated_users_are_in_the_blanket_group_once() {
        assert_eq!(user("alice", &["devs"]).authenticated().groups, ["devs", "system:authenticated"]);
        assert_eq!(user("alice", &["system:authenticated"]).authenticated().groups, ["system:authenticated"]);
    }

    #[test]
    fn anonymous_callers_that_the_front_proxy_forwards_stay_unauthenticated() {
        assert_eq!(User::anonymous().authenticated(), User::anonymous());
        assert_eq!(user("system:anonymous", &[]).authenticated().groups, Vec::<String>::new());
    }
}
