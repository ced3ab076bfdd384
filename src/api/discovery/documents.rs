//! The documents of discovery, in the field order of their Go types.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    api::{
        encode::{Document, Message},
        group::{Group, GroupVersion},
    },
    model::{GroupResource, MetricName},
};

/// One `metav1.APIResource`: a metric.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Resource {
    /// `pods/qps`, or the name of an external metric.
    name: String,
    singular_name: &'static str,
    pub(super) namespaced: bool,
    pub(super) kind: &'static str,
    pub(super) verbs: [&'static str; 1],
}

impl Resource {
    /// What a row takes as JSON beside its name, at most.
    pub(super) const BYTES: usize = 100;

    /// A metric of a resource.
    pub(super) fn of(resource: &GroupResource, metric: &MetricName, namespaced: bool) -> Self {
        Self::named(format!("{resource}/{metric}"), namespaced, "MetricValueList")
    }

    /// An external metric.
    pub(super) fn external(metric: &MetricName) -> Self {
        Self::named(metric.to_string(), true, "ExternalMetricValueList")
    }

    /// What stands in the list of `group` when there is no metric.
    pub(super) fn placeholder(group: Group) -> Self {
        match group {
            Group::Custom => Self::named("/custommetrics".to_owned(), false, "MetricValueList"),
            Group::External => Self::named("externalmetrics".to_owned(), true, "ExternalMetricValueList"),
        }
    }

    fn named(name: String, namespaced: bool, kind: &'static str) -> Self {
        Self { name, singular_name: "", namespaced, kind, verbs: ["get"] }
    }

    /// name 1, namespaced 2, kind 3, verbs 4, singularName 6, group 8, version 9, storageVersionHash 10.
    fn protobuf(&self, message: &mut Message) {
        message.string(1, &self.name);
        message.boolean(2, self.namespaced);
        message.string(3, self.kind);
        message.message(4, |verbs| verbs.strings(1, self.verbs));
        for field in [6, 8, 9, 10] {
            message.string(field, "");
        }
    }

    /// Resource and subresource, as kube-apiserver splits an `APIResource` for aggregated discovery.
    pub(super) fn parts(&self) -> (&str, Option<&str>) {
        self.name.split_once('/').map_or((&self.name, None), |(resource, metric)| (resource, Some(metric)))
    }
}

/// `APIResourceList`
pub(super) struct ResourceList<'a> {
    pub(super) group_version: GroupVersion,
    pub(super) resources: &'a [Resource],
}

impl Serialize for ResourceList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("APIResourceList", 4)?;
        list.serialize_field("kind", self.kind())?;
        list.serialize_field("apiVersion", self.api_version())?;
        list.serialize_field("groupVersion", self.group_version.as_str())?;
        list.serialize_field("resources", self.resources)?;
        list.end()
    }
}

impl Document for ResourceList<'_> {
    fn kind(&self) -> &'static str {
        "APIResourceList"
    }

    fn api_version(&self) -> &'static str {
        "v1"
    }

    fn protobuf(&self, message: &mut Message) {
        message.string(1, self.group_version.as_str());
        for resource in self.resources {
            message.message(2, |inner| resource.protobuf(inner));
        }
    }

    fn size(&self) -> usize {
        256 + self.resources.len() * 192
    }
}

/// `metav1.GroupVersionForDiscovery`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VersionFields {
    group_version: &'static str,
    version: &'static str,
}

impl VersionFields {
    fn of(group_version: GroupVersion) -> Self {
        Self { group_version: group_version.as_str(), version: group_version.version() }
    }

    fn protobuf(&self, field: u8, message: &mut Message) {
        message.message(field, |inner| {
            inner.string(1, self.group_version);
            inner.string(2, self.version);
        });
    }
}

/// What a group says inside and outside of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupFields {
    name: &'static str,
    versions: Vec<VersionFields>,
    preferred_version: Option<VersionFields>,
}

impl GroupFields {
    fn of(group: Group) -> Self {
        let versions = || group.versions().iter().copied().map(VersionFields::of);
        Self { name: group.as_str(), versions: versions().collect(), preferred_version: versions().next() }
    }

    fn protobuf(&self, message: &mut Message) {
        message.string(1, self.name);
        for version in &self.versions {
            version.protobuf(2, message);
        }
        if let Some(preferred) = &self.preferred_version {
            preferred.protobuf(3, message);
        }
    }
}

/// A document's `kind` and `apiVersion` before its own fields.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Typed<T> {
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) api_version: &'static str,
    #[serde(flatten)]
    pub(super) fields: T,
}

/// `APIGroup`, alone.
pub(super) struct GroupDocument(pub(super) Group);

impl Serialize for GroupDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = GroupFields::of(self.0);
        Typed { kind: self.kind(), api_version: self.api_version(), fields }.serialize(serializer)
    }
}

impl Document for GroupDocument {
    fn kind(&self) -> &'static str {
        "APIGroup"
    }

    fn api_version(&self) -> &'static str {
        "v1"
    }

    fn protobuf(&self, message: &mut Message) {
        GroupFields::of(self.0).protobuf(message);
    }
}

/// `APIGroupList`; upstream gives it no apiVersion.
pub(super) struct GroupList;

#[derive(Serialize)]
struct GroupListFields {
    groups: [GroupFields; 2],
}

impl Serialize for GroupList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = GroupListFields { groups: Group::ALL.map(GroupFields::of) };
        Typed { kind: self.kind(), api_version: self.api_version(), fields }.serialize(serializer)
    }
}

impl Document for GroupList {
    fn kind(&self) -> &'static str {
        "APIGroupList"
    }

    fn api_version(&self) -> &'static str {
        ""
    }

    fn protobuf(&self, message: &mut Message) {
        for group in Group::ALL {
            message.message(1, |inner| GroupFields::of(group).protobuf(inner));
        }
    }
}

/// The list of a server's paths.
#[derive(Serialize)]
pub(super) struct Paths {
    pub(super) paths: Vec<String>,
}

impl Document for Paths {
    fn kind(&self) -> &'static str {
        ""
    }

    fn api_version(&self) -> &'static str {
        ""
    }

    /// Never asked for: the list is JSON whoever asks.
    fn protobuf(&self, _message: &mut Message) {}
}
