//! Targets of one workload that are in one state for one reason: one row for somebody who looks for a cause.

use crate::scrape::TargetStatus;

use super::query::State;

/// Targets that are told apart by their pod alone.
#[derive(Debug)]
pub(super) struct Group<'t> {
    pub(super) namespace: &'t str,
    /// The name that its pods begin with.
    pub(super) workload: &'t str,
    pub(super) state: State,
    /// Why, without what differs from pod to pod.
    pub(super) reason: String,
    pub(super) targets: Vec<&'t TargetStatus>,
}

/// The groups, in the order of their first targets.
pub(super) fn grouped<'t>(targets: impl Iterator<Item = &'t TargetStatus>) -> Vec<Group<'t>> {
    let mut groups: Vec<Group<'t>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for target in targets {
        let (namespace, workload, state) = (&*target.namespace, workload(&target.pod), State::of(target));
        let reason = reason(target);
        let place = *places.entry((namespace, workload, state, reason.clone())).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.targets.push(target),
            None => groups.push(Group { namespace, workload, state, reason, targets: vec![target] }),
        }
    }
    groups
}

/// What the pods of a workload have in common: the name without what its controller has put behind it, which is a number
/// (StatefulSet), five letters (DaemonSet, Job), or these after the hash of a template (Deployment).
fn workload(pod: &str) -> &str {
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) {
        return rest;
    }
    if last.len() != 5 || !is_generated(last) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((name, hash)) if (6..=10).contains(&hash.len()) && is_generated(hash) => name,
        _ => rest,
    }
}

/// Kubernetes generates names without vowels and without what looks like one, so that no word comes out.
fn is_generated(text: &str) -> bool {
    text.bytes().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(&byte))
}

fn reason(target: &TargetStatus) -> String {
    let last = target.last_scrape.as_ref();
    if let Some(error) = last.and_then(|last| last.error.as_ref()) {
        let host = target.url.as_deref().and_then(host).unwrap_or_default();
        return if host.is_empty() { error.message.clone() } else { error.message.replace(host, "POD-IP") };
    }
    target.problems.first().cloned().unwrap_or_default()
}

/// The host of a URL, without its port.
fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_workload_is_that_of_its_pods_without_what_controllers_add() {
        for (pod, name) in [
            ("checkout-api-667b47974-7d2nk", "checkout-api"),
            ("node-exporter-x7k2p", "node-exporter"),
            ("db-0", "db"),
            ("nightly-28912345-bcdfg", "nightly-28912345"),
            ("web", "web"),
            ("web-server", "web-server"),
            ("my-pods", "my-pods"),
        ] {
            assert_eq!(workload(pod), name, "{pod}");
        }
    }

    #[test]
    fn the_host_of_a_url_has_no_port() {
        assert_eq!(host("http://10.0.0.7:9102/metrics"), Some("10.0.0.7"));
        assert_eq!(host("https://[fd00::7]:9102/m"), Some("[fd00::7]"));
        assert_eq!(host("nonsense"), None);
    }
}
