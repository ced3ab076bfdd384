//! The documents of discovery, in the field order of their Go types.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    api::{
        encode::{Document, Message},
        route::{GROUP, Version},
    },
    model::{GroupResource, MetricName},
};

/// One `metav1.APIResource`: a metric of a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Resource {
    /// `pods/qps`
    name: String,
    singular_name: &'static str,
    pub(super) namespaced: bool,
    pub(super) kind: &'static str,
    pub(super) verbs: [&'static str; 1],
}

impl Resource {
    /// A metric of a resource.
    pub(super) fn of(resource: &GroupResource, metric: &MetricName, namespaced: bool) -> Self {
        Self::named(format!("{resource}/{metric}"), namespaced)
    }

    /// What stands in the list when there is no metric.
    pub(super) fn placeholder() -> Self {
        Self::named("/custommetrics".to_owned(), false)
    }

    fn named(name: String, namespaced: bool) -> Self {
        Self { name, singular_name: "", namespaced, kind: KIND, verbs: [VERB] }
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
    pub(super) fn parts(&self) -> (&str, &str) {
        self.name.split_once('/').unwrap_or((&self.name, ""))
    }
}

/// `APIResourceList`
pub(super) struct ResourceList<'a> {
    pub(super) version: Version,
    pub(super) resources: &'a [Resource],
}

impl Serialize for ResourceList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("APIResourceList", 4)?;
        list.serialize_field("kind", self.kind())?;
        list.serialize_field("apiVersion", self.api_version())?;
        list.serialize_field("groupVersion", self.version.group_version())?;
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
        message.string(1, self.version.group_version());
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
struct GroupVersion {
    group_version: &'static str,
    version: &'static str,
}

impl GroupVersion {
    const ALL: [Self; 2] = [Self::of(Version::ALL[0]), Self::of(Version::ALL[1])];

    const fn of(version: Version) -> Self {
        match version {
            Version::V1Beta1 => Self { group_version: "custom.metrics.k8s.io/v1beta1", version: "v1beta1" },
            Version::V1Beta2 => Self { group_version: "custom.metrics.k8s.io/v1beta2", version: "v1beta2" },
        }
    }

    fn protobuf(&self, field: u8, message: &mut Message) {
        message.message(field, |inner| {
            inner.string(1, self.group_version);
            inner.string(2, self.version);
        });
    }
}

/// `APIGroup`, alone.
pub(super) struct Group;

/// What a group says inside and outside of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupFields {
    name: &'static str,
    versions: [GroupVersion; 2],
    preferred_version: GroupVersion,
}

impl GroupFields {
    fn new() -> Self {
        Self { name: GROUP, versions: GroupVersion::ALL, preferred_version: GroupVersion::of(PREFERRED) }
    }

    fn protobuf(&self, message: &mut Message) {
        message.string(1, self.name);
        for version in &self.versions {
            version.protobuf(2, message);
        }
        self.preferred_version.protobuf(3, message);
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

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = GroupFields::new();
        Typed { kind: self.kind(), api_version: self.api_version(), fields }.serialize(serializer)
    }
}

impl Document for Group {
    fn kind(&self) -> &'static str {
        "APIGroup"
    }

    fn api_version(&self) -> &'static str {
        "v1"
    }

    fn protobuf(&self, message: &mut Message) {
        GroupFields::new().protobuf(message);
    }
}

/// `APIGroupList`; upstream gives it no apiVersion.
pub(super) struct GroupList;

#[derive(Serialize)]
struct GroupListFields {
    groups: [GroupFields; 1],
}

impl Serialize for GroupList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = GroupListFields { groups: [GroupFields::new()] };
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
        message.message(1, |group| GroupFields::new().protobuf(group));
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

const KIND: &str = "MetricValueList";
const VERB: &str = "get";
const PREFERRED: Version = Version::V1Beta2;
