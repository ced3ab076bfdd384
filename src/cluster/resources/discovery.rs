//! Asks kube-apiserver which resources it serves.
//!
//! One aggregated document where the server has it (Kubernetes 1.26 and later), else one call a group version.
//! Either way a group that does not answer costs only itself: an APIService that is down, ours among them, must
//! not keep the others from being known.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt as _, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResource};
use kube::{
    Client,
    client::{APIGroupDiscovery, APIResourceDiscovery, APIVersionDiscovery},
};

use crate::model::{GroupResource, ResourceType, Scope};

/// A group as discovery shows it, in its order of preference.
pub(super) struct Group {
    pub(super) name: String,
    /// The resources that a metric can describe.
    pub(super) types: Vec<Arc<ResourceType>>,
    /// Every name of every resource of the group, in lower case.
    pub(super) names: HashSet<Box<str>>,
    /// The group, or a version of it, did not answer: what it lacks may exist all the same.
    pub(super) partial: bool,
}

/// All groups, the core group first.
pub(super) async fn discover(client: &Client) -> Result<Vec<Group>, kube::Error> {
    let core = client.list_core_api_versions_aggregated().await?.items;
    let named = client.list_api_groups_aggregated().await?.items;
    if core.is_empty() || named.is_empty() {
        return discover_by_group(client).await;
    }
    Ok(core.into_iter().chain(named).filter_map(group).collect())
}

fn group(found: APIGroupDiscovery) -> Option<Group> {
    let name = found.metadata.and_then(|metadata| metadata.name).unwrap_or_default();
    if is_ours(&name) {
        return None;
    }
    let partial = found.versions.iter().any(|version| version.freshness.as_deref() == Some("Stale"));
    let names = found.versions.iter().flat_map(|version| &version.resources).flat_map(discovered_names);
    let names = names.collect();
    let versions = found.versions.into_iter().map(|version| version_types(&name, version));
    let types = describable(&name, preferred(versions));
    Some(Group { name, types, names, partial })
}

fn discovered_names(found: &APIResourceDiscovery) -> Vec<Box<str>> {
    let kind = found.response_kind.as_ref().and_then(|kind| kind.kind.as_ref());
    let names = [&found.resource, &found.singular_resource].into_iter().flatten().chain(kind);
    lower(names.chain(&found.short_names))
}

fn version_types(group: &str, found: APIVersionDiscovery) -> Vec<ResourceType> {
    let version: Arc<str> = found.version.unwrap_or_default().into();
    found.resources.into_iter().filter_map(|resource| discovered(group, &version, resource)).collect()
}

fn discovered(group: &str, version: &Arc<str>, found: APIResourceDiscovery) -> Option<ResourceType> {
    let kind = found.response_kind?.kind.filter(|kind| !kind.is_empty())?;
    let scope = if found.scope? == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
    is_watchable(&found.verbs).then_some(ResourceType {
        resource: GroupResource::new(group, found.resource?),
        version: version.clone(),
        singular: singular(found.singular_resource.unwrap_or_default(), &kind),
        kind: kind.into(),
        short_names: found.short_names.into_iter().map(Arc::from).collect(),
        scope,
    })
}

async fn discover_by_group(client: &Client) -> Result<Vec<Group>, kube::Error> {
    let core = client.list_core_api_resources("v1").await?.resources;
    let names = core.iter().flat_map(listed_names).collect();
    let core = core.into_iter().filter_map(|resource| listed("", "v1", resource)).collect();
    let core = Group { name: String::new(), types: preferred([core]), names, partial: false };
    let groups = client.list_api_groups().await?.groups;
    let asked = groups.into_iter().filter(|group| !is_ours(&group.name));
    let named = stream::iter(asked).map(|group| ask_group(client, group)).buffered(GROUPS_AT_ONCE);
    Ok(stream::iter([core]).chain(named).collect().await)
}

async fn ask_group(client: &Client, group: APIGroup) -> Group {
    let mut versions: Vec<String> = group.versions.into_iter().map(|version| version.version).collect();
    let favourite = group.preferred_version.map(|version| version.version);
    versions.sort_by_key(|version| Some(version) != favourite.as_ref());
    let mut answers = Vec::new();
    let mut partial = false;
    for version in versions {
        match client.list_api_group_resources(&format!("{}/{version}", group.name)).await {
            Ok(answer) => answers.push((version, answer.resources)),
            Err(_) => partial = true,
        }
    }
    let names = answers.iter().flat_map(|(_, resources)| resources).flat_map(listed_names).collect();
    let types = |(version, resources): (String, Vec<APIResource>)| -> Vec<ResourceType> {
        resources.into_iter().filter_map(|found| listed(&group.name, &version, found)).collect()
    };
    let types = describable(&group.name, preferred(answers.into_iter().map(types)));
    Group { name: group.name, types, names, partial }
}

/// A subresource has no name of its own.
fn listed_names(found: &APIResource) -> Vec<Box<str>> {
    if found.name.contains('/') {
        return Vec::new();
    }
    let names = [&found.name, &found.singular_name, &found.kind].into_iter();
    lower(names.chain(found.short_names.iter().flatten()))
}

fn lower<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Box<str>> {
    names.filter(|name| !name.is_empty()).map(|name| name.to_ascii_lowercase().into()).collect()
}

fn listed(group: &str, version: &str, found: APIResource) -> Option<ResourceType> {
    (is_watchable(&found.verbs) && !found.name.contains('/')).then(|| ResourceType {
        resource: GroupResource::new(group, found.name),
        version: version.into(),
        singular: singular(found.singular_name, &found.kind),
        kind: found.kind.into(),
        short_names: found.short_names.unwrap_or_default().into_iter().map(Arc::from).collect(),
        scope: if found.namespaced { Scope::Namespaced } else { Scope::Cluster },
    })
}

/// Each resource once, in the first, that is the most preferred, version that has it.
fn preferred(versions: impl IntoIterator<Item = Vec<ResourceType>>) -> Vec<Arc<ResourceType>> {
    let mut types: Vec<Arc<ResourceType>> = Vec::new();
    for found in versions.into_iter().flatten() {
        if !types.iter().any(|known| known.resource == found.resource) {
            types.push(Arc::new(found));
        }
    }
    types
}

/// Old servers leave the singular of built-in resources empty; clients then take the kind.
fn singular(name: String, kind: &str) -> Arc<str> {
    if name.is_empty() { kind.to_ascii_lowercase().into() } else { name.into() }
}

/// Only what can be listed and watched is an object that a metric can describe; the rest are reviews and the like.
fn is_watchable(verbs: &[String]) -> bool {
    ["list", "watch"].iter().all(|needed| verbs.iter().any(|verb| verb == needed))
}

/// The metrics API names its values after real resources: `pods.metrics.k8s.io` would shadow `pods`.
fn describable(group: &str, types: Vec<Arc<ResourceType>>) -> Vec<Arc<ResourceType>> {
    if group == "metrics.k8s.io" || group.ends_with(".metrics.k8s.io") { Vec::new() } else { types }
}

/// The groups that an adapter serves. To ask for them would be to wait for ourselves, and their names are metrics.
fn is_ours(group: &str) -> bool {
    matches!(group, "custom.metrics.k8s.io" | "external.metrics.k8s.io")
}

const GROUPS_AT_ONCE: usize = 8;
