//! Aggregated discovery: every group version of this server in one document.

use serde::{Serialize, Serializer};

use super::documents::{Resource, Typed};
use crate::api::{
    encode::{Document, Empty, Message, list_meta},
    route::{GROUP, Version},
};

/// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList`, made from the same list as the others by the rules by which
/// kube-apiserver would: `pods/qps` is subresource `qps` of resource `pods`.
pub(super) struct Aggregated<'a> {
    pub(super) resources: &'a [Resource],
}

#[derive(Serialize)]
struct AggregatedFields<'a> {
    metadata: Empty,
    items: [GroupItem<'a>; 1],
}

#[derive(Serialize)]
struct GroupItem<'a> {
    metadata: Named,
    versions: [VersionItem<'a>; 2],
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
    verbs: [&'static str; 0],
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

/// `metav1.GroupVersionKind`. A parent's is empty, not null: clients of 1.26 panic on null.
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
    /// Runs of metrics of one resource: the list is sorted by it.
    fn runs(self) -> impl Iterator<Item = (&'a str, bool, Children<'a>)> {
        self.0.chunk_by(|a, b| a.parts().0 == b.parts().0).filter_map(|run| {
            let first = run.first()?;
            Some((first.parts().0, first.namespaced, Children(run)))
        })
    }
}

impl Serialize for Parents<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.runs().map(|(resource, namespaced, subresources)| Parent {
            resource,
            response_kind: Kind::of(""),
            scope: scope(namespaced),
            singular_resource: "",
            verbs: [],
            subresources,
        }))
    }
}

impl Serialize for Children<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|resource| Child {
            subresource: resource.parts().1,
            response_kind: Kind::of(resource.kind),
            verbs: resource.verbs,
        }))
    }
}

impl Serialize for Aggregated<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let versions = Version::ALL.map(|version| VersionItem {
            version: version.as_str(),
            resources: Parents(self.resources),
            freshness: FRESH,
        });
        let items = [GroupItem { metadata: Named { name: GROUP }, versions }];
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
        message.message(2, |group| {
            group.message(1, |metadata| metadata.string(1, GROUP));
            for version in Version::ALL {
                group.message(2, |item| version_protobuf(version, Parents(self.resources), item));
            }
        });
    }

    fn size(&self) -> usize {
        512 + self.resources.len() * 256
    }
}

fn version_protobuf(version: Version, resources: Parents<'_>, item: &mut Message) {
    item.string(1, version.as_str());
    resources.runs().for_each(|run| parent_protobuf(run, item));
    item.string(3, FRESH);
}

fn parent_protobuf((name, namespaced, children): (&str, bool, Children<'_>), item: &mut Message) {
    item.message(2, |resource| {
        resource.string(1, name);
        kind_protobuf("", resource);
        resource.string(3, scope(namespaced));
        resource.string(4, "");
        for child in children.0 {
            resource.message(8, |subresource| {
                subresource.string(1, child.parts().1);
                kind_protobuf(child.kind, subresource);
                subresource.strings(4, child.verbs);
            });
        }
    });
}

fn kind_protobuf(kind: &str, message: &mut Message) {
    message.message(2, |inner| {
        inner.string(1, "");
        inner.string(2, "");
        inner.string(3, kind);
    });
}

fn scope(namespaced: bool) -> &'static str {
    if namespaced { "Namespaced" } else { "Cluster" }
}

const FRESH: &str = "Current";
