//! Aggregated discovery: every group version of this server in one document.

use serde::{Serialize, Serializer};

use super::{
    Metrics,
    documents::{Resource, Typed},
};
use crate::api::{
    encode::{Document, Empty, Message, list_meta},
    group::{Group, GroupVersion},
};

/// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList`, made from the same list as the others by the rules by which
/// kube-apiserver would: `pods/qps` is subresource `qps` of resource `pods`.
pub(super) struct Aggregated<'a> {
    pub(super) metrics: &'a Metrics,
}

#[derive(Serialize)]
struct AggregatedFields<'a> {
    metadata: Empty,
    items: [GroupItem<'a>; 2],
}

#[derive(Serialize)]
struct GroupItem<'a> {
    metadata: Named,
    versions: Vec<VersionItem<'a>>,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
}

#[derive(Serialize)]
struct VersionItem<'a> {
    version: &'static str,
    resources: Parents<'a>,
    freshness: &'static str,
}

#[derive(Clone, Copy)]
struct Parents<'a>(&'a [Resource]);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parent<'a> {
    resource: &'a str,
    response_kind: Kind,
    scope: &'static str,
    singular_resource: &'static str,
    verbs: &'a [&'static str],
    #[serde(skip_serializing_if = "Children::is_empty")]
    subresources: Children<'a>,
}

#[derive(Clone, Copy)]
struct Children<'a>(&'a [Resource]);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Child<'a> {
    subresource: &'a str,
    response_kind: Kind,
    verbs: [&'static str; 1],
}

/// `metav1.GroupVersionKind`. That of a parent which is none itself is empty, not null: clients of 1.26 panic on null.
#[derive(Serialize)]
struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
}

impl Kind {
    fn of(kind: &'static str) -> Self {
        Self { group: "", version: "", kind }
    }
}

impl<'a> Parents<'a> {
    /// Runs of metrics of one resource: the list is sorted by it. An external metric is a resource itself.
    fn all(self) -> impl Iterator<Item = Parent<'a>> {
        let runs = self.0.chunk_by(|a, b| a.parts().0 == b.parts().0);
        runs.filter_map(|run| run.first().map(|first| Parent::of(first, run)))
    }
}

impl<'a> Parent<'a> {
    fn of(first: &'a Resource, run: &'a [Resource]) -> Self {
        let (kind, verbs, subresources): (_, &[_], &[_]) = match first.parts().1 {
            Some(_) => ("", &[], run),
            None => (first.kind, &first.verbs, &[]),
        };
        Self {
            resource: first.parts().0,
            response_kind: Kind::of(kind),
            scope: if first.namespaced { "Namespaced" } else { "Cluster" },
            singular_resource: "",
            verbs,
            subresources: Children(subresources),
        }
    }

    /// resource 1, responseKind 2, scope 3, singularResource 4, verbs 5, subresources 8.
    fn protobuf(&self, resource: &mut Message) {
        resource.string(1, self.resource);
        self.response_kind.protobuf(resource);
        resource.string(3, self.scope);
        resource.string(4, self.singular_resource);
        resource.strings(5, self.verbs.iter().copied());
        for child in self.subresources.all() {
            resource.message(8, |subresource| child.protobuf(subresource));
        }
    }
}

impl<'a> Children<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn all(self) -> impl Iterator<Item = Child<'a>> {
        self.0.iter().map(|resource| Child {
            subresource: resource.parts().1.unwrap_or_default(),
            response_kind: Kind::of(resource.kind),
            verbs: resource.verbs,
        })
    }
}

impl Child<'_> {
    /// subresource 1, responseKind 2, verbs 4.
    fn protobuf(&self, subresource: &mut Message) {
        subresource.string(1, self.subresource);
        self.response_kind.protobuf(subresource);
        subresource.strings(4, self.verbs);
    }
}

impl Serialize for Parents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all())
    }
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all())
    }
}

impl<'a> GroupItem<'a> {
    fn of(group: Group, metrics: &'a Metrics) -> Self {
        let versions = group.versions().iter().map(|version| VersionItem {
            version: version.version(),
            resources: Parents(metrics.of(group)),
            freshness: FRESH,
        });
        Self { metadata: Named { name: group.as_str() }, versions: versions.collect() }
    }
}

impl Serialize for Aggregated<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let items = Group::ALL.map(|group| GroupItem::of(group, self.metrics));
        let fields = AggregatedFields { metadata: Empty {}, items };
        Typed { kind: self.kind(), api_version: self.api_version(), fields }.serialize(serializer)
    }
}

impl Document for Aggregated<'_> {
    fn kind(&self) -> &'static str {
        "APIGroupDiscoveryList"
    }

    fn api_version(&self) -> &'static str {
        "apidiscovery.k8s.io/v2"
    }

    fn protobuf(&self, message: &mut Message) {
        list_meta(message, 1);
        for group in Group::ALL {
            message.message(2, |item| self.group_protobuf(group, item));
        }
    }

    fn size(&self) -> usize {
        512 + (self.metrics.custom.len() * 2 + self.metrics.external.len()) * 128
    }
}

impl Aggregated<'_> {
    fn group_protobuf(&self, group: Group, item: &mut Message) {
        item.message(1, |metadata| metadata.string(1, group.as_str()));
        for version in group.versions() {
            item.message(2, |inner| version_protobuf(*version, Parents(self.metrics.of(group)), inner));
        }
    }
}

/// version 1, resources 2, freshness 3.
fn version_protobuf(version: GroupVersion, resources: Parents<'_>, item: &mut Message) {
    item.string(1, version.version());
    for parent in resources.all() {
        item.message(2, |resource| parent.protobuf(resource));
    }
    item.string(3, FRESH);
}

impl Kind {
    fn protobuf(&self, message: &mut Message) {
        message.message(2, |inner| {
            inner.string(1, self.group);
            inner.string(2, self.version);
            inner.string(3, self.kind);
        });
    }
}

const FRESH: &str = "Current";
