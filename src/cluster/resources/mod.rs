//! The resources that a cluster serves, and which of them a name means.

mod book;
mod builtin;
mod discovery;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

use foldhash::fast::RandomState;

pub(super) use book::Book;
pub use book::DiscoveryStatus;

use crate::model::{GroupResource, ResourceType};

/// A name that means no resource of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct UnknownResource {
    /// The name that was asked for.
    pub name: String,
    /// The canonical name of the resource that it is most like, if it is like one: `deployments.apps`.
    pub nearest: Option<String>,
}

impl fmt::Display for UnknownResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown resource {:?}", self.name)?;
        self.nearest.as_ref().map_or(Ok(()), |nearest| write!(f, " (did you mean {nearest:?}?)"))
    }
}

/// Every resource that can be listed and watched, by each of its names. Immutable: discovery makes a new one.
///
/// A name is looked up as kubectl does: a plural name wins over a singular or a kind, these over a short name;
/// of two groups with one name the earlier of discovery wins, and the core group is the earliest of all.
#[derive(Default, PartialEq)]
pub(super) struct Resources {
    types: Vec<Arc<ResourceType>>,
    names: HashMap<Box<str>, Arc<ResourceType>, RandomState>,
    taken: GroupNames,
}

/// The names of all resources by group, in lower case; those that cannot be watched are among them.
pub(super) type GroupNames = HashMap<String, HashSet<Box<str>>>;

impl Resources {
    /// Indexes `types`, which are in discovery's order of preference.
    pub(super) fn new(types: Vec<Arc<ResourceType>>) -> Self {
        let mut names: HashMap<Box<str>, Arc<ResourceType>, RandomState> = HashMap::default();
        let ranked = RANKS.iter().flat_map(|rank| types.iter().map(move |known| (rank(known), known)));
        let named = ranked.flat_map(|(names, known)| names.into_iter().map(move |name| (name, known)));
        for (name, known) in named {
            let name = name.to_ascii_lowercase();
            let qualified = format!("{name}.{}", known.resource.group);
            names.entry(qualified.into()).or_insert_with(|| known.clone());
            names.entry(name.into()).or_insert_with(|| known.clone());
        }
        Self { types, names, taken: GroupNames::new() }
    }

    /// The same resources, where these names belong to resources as well.
    pub(super) fn with_names(self, taken: GroupNames) -> Self {
        Self { taken, ..self }
    }

    /// Whether a client such as kubectl takes `name` for a resource of the cluster.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.names.contains_key(name.as_str())
            || self.taken.values().any(|names| names.contains(name.as_str()))
    }

    pub(super) fn taken(&self) -> &GroupNames {
        &self.taken
    }

    /// The usual resources of Kubernetes, which are known before, and without, any cluster.
    pub(super) fn builtin() -> Self {
        Self::new(builtin::types())
    }

    /// The resource that `name` means: `pods`, `pod`, `po`, `Pod`, `deployments.apps`, `deployments.v1.apps`,
    /// `pods.v1`. A version only has to look like one: whichever is served, the object is the same.
    pub(super) fn resolve(&self, name: &str) -> Option<&Arc<ResourceType>> {
        self.names.get(name).or_else(|| {
            let name = name.to_ascii_lowercase();
            self.names.get(name.as_str()).or_else(|| self.names.get(without_version(&name)?.as_str()))
        })
    }

    /// The resource of a canonical name.
    pub(super) fn canonical(&self, resource: &GroupResource) -> Option<&Arc<ResourceType>> {
        let found = if resource.group.is_empty() {
            self.names.get(&*resource.resource)
        } else {
            self.names.get(resource.to_string().as_str())
        };
        found.filter(|known| known.resource == *resource)
    }

    /// The error for a `name` that [`Resources::resolve`] does not know.
    pub(super) fn unknown(&self, name: &str) -> UnknownResource {
        UnknownResource { name: name.to_owned(), nearest: self.nearest(name) }
    }

    pub(super) fn types(&self) -> &[Arc<ResourceType>] {
        &self.types
    }

    /// The canonical name of what `name` was probably meant to be; at most a third of its letters may differ.
    fn nearest(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let tolerated = (name.len() / 3).clamp(1, 4);
        let near = |other: &str| name.len().abs_diff(other.len()) <= tolerated;
        let candidates = self.names.iter().filter(|(other, _)| name.len() <= LONGEST_GUESSED && near(other));
        let distances = candidates.map(|(other, known)| (strsim::damerau_levenshtein(&name, other), known));
        let close = distances.filter(|(distance, _)| *distance <= tolerated);
        let best = close.min_by_key(|(distance, known)| (*distance, &known.resource));
        best.map(|(_, known)| known.resource.to_string())
    }
}

/// `pods.v1` and `pods.v1.` to `pods.`, `deployments.v1.apps` to `deployments.apps`; the input is lower case.
fn without_version(name: &str) -> Option<String> {
    let (resource, rest) = name.split_once('.')?;
    let (version, group) = rest.split_once('.').unwrap_or((rest, ""));
    is_version(version).then(|| format!("{resource}.{group}"))
}

/// Kubernetes' version names: `v1`, `v2beta3`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(text) = text.strip_prefix('v') else { return false };
    let parts = text.split_once("alpha").or_else(|| text.split_once("beta"));
    parts.map_or_else(|| digits(text), |(major, minor)| digits(major) && digits(minor))
}

type Rank = fn(&ResourceType) -> Vec<&str>;

/// The kinds of names, the strongest first.
const RANKS: [Rank; 3] = [
    |known| vec![&known.resource.resource],
    |known| vec![&known.singular, &known.kind],
    |known| known.short_names.iter().map(|name| &**name).collect(),
];

/// Longer names are not compared with anything: nobody mistypes that much, and comparing costs time.
const LONGEST_GUESSED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;

    fn resolved(name: &str) -> Option<String> {
        Resources::builtin().resolve(name).map(|known| known.resource.to_string())
    }

    fn custom(group: &str, plural: &str, kind: &str, short: &str) -> Arc<ResourceType> {
        Arc::new(ResourceType {
            resource: GroupResource::new(group, plural),
            version: "v1".into(),
            kind: kind.into(),
            singular: kind.to_lowercase().into(),
            short_names: vec![short.into()],
            scope: Scope::Namespaced,
        })
    }

    #[test]
    fn every_spelling_of_a_resource_means_the_same_one() {
        for name in ["pods", "pod", "po", "Pod", "PODS", "pods.v1", "pod.v1.", "pods."] {
            assert_eq!(resolved(name).as_deref(), Some("pods"), "{name}");
        }
        let spellings = ["deployments", "deployment", "deploy", "Deployment", "deployments.apps"];
        for name in
            spellings.into_iter().chain(["deploy.apps", "Deployment.v1.apps", "deployments.v1beta2.apps"])
        {
            assert_eq!(resolved(name).as_deref(), Some("deployments.apps"), "{name}");
        }
    }

    #[test]
    fn a_name_of_another_group_or_of_none_means_nothing() {
        for name in
            ["", ".", "pods.apps", "deployments.v1", "pods.metrics.k8s.io", "deployments.vx.apps", "x.v1.y"]
        {
            assert_eq!(resolved(name), None, "{name}");
        }
    }

    #[test]
    fn events_without_a_group_are_those_of_the_core() {
        assert_eq!(resolved("events").as_deref(), Some("events"));
        assert_eq!(resolved("events.events.k8s.io").as_deref(), Some("events.events.k8s.io"));
    }

    #[test]
    fn a_plural_name_wins_over_the_short_name_of_an_earlier_group() {
        let types =
            vec![custom("a.io", "widgets", "Widget", "gears"), custom("b.io", "gears", "Gear", "widget")];
        let resources = Resources::new(types);
        let resolved = |name: &str| resources.resolve(name).map(|known| known.resource.to_string());
        assert_eq!(resolved("gears").as_deref(), Some("gears.b.io"));
        assert_eq!(resolved("gears.a.io").as_deref(), Some("widgets.a.io"));
        assert_eq!(resolved("widget").as_deref(), Some("widgets.a.io"));
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        let nearest = |name: &str| Resources::builtin().unknown(name).nearest;
        assert_eq!(nearest("podz").as_deref(), Some("pods"));
        assert_eq!(nearest("deploymnets").as_deref(), Some("deployments.apps"));
        assert_eq!(nearest("statefulset.app").as_deref(), Some("statefulsets.apps"));
        assert_eq!(nearest("qqqqqqq"), None);
        assert_eq!(nearest(&"pods".repeat(1000)), None);
        let error = Resources::builtin().unknown("podz").to_string();
        assert_eq!(error, r#"unknown resource "podz" (did you mean "pods"?)"#);
    }

    #[test]
    fn a_canonical_name_finds_only_itself() {
        let resources = Resources::builtin();
        assert!(resources.canonical(&GroupResource::new("apps", "deployments")).is_some());
        assert!(resources.canonical(&GroupResource::new("", "deployments")).is_none());
        assert!(resources.canonical(&GroupResource::new("", "pod")).is_none());
    }
}
