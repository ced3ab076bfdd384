//! Described objects: what a metric is about, and what the cluster knows of it.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::Labels;

/// A resource with its API group, as it stands in a metrics path and in RBAC: `pods`, `deployments.apps`.
///
/// Always the canonical plural name; a kind (`Pod`) or a short name (`po`) is resolved before one is made.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct GroupResource {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The plural resource name.
    pub resource: Arc<str>,
}

impl GroupResource {
    /// Names `resource` of `group` (empty for the core group).
    pub fn new(group: impl Into<Arc<str>>, resource: impl Into<Arc<str>>) -> Self {
        Self { group: group.into(), resource: resource.into() }
    }

    /// The namespace resource itself: a metric of a Namespace is cluster-scoped.
    #[must_use]
    pub fn namespaces() -> Self {
        Self::new("", "namespaces")
    }

    /// Whether it is [`GroupResource::namespaces`]; for each event of the cluster, so nothing is allocated.
    #[must_use]
    pub fn is_namespaces(&self) -> bool {
        self.group.is_empty() && &*self.resource == "namespaces"
    }

    /// Pods, which the HPA asks for most.
    #[must_use]
    pub fn pods() -> Self {
        Self::new("", "pods")
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.resource)
        } else {
            write!(f, "{}.{}", self.resource, self.group)
        }
    }
}

/// Whether objects of a resource live in a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Objects have a namespace.
    Namespaced,
    /// Objects have none (nodes, namespaces, persistent volumes).
    Cluster,
}

/// What discovery says of a resource: enough to normalise a name and to fill `describedObject`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceType {
    /// The canonical name.
    pub resource: GroupResource,
    /// The preferred version, such as `v1`.
    pub version: Arc<str>,
    /// The kind, such as `Pod`.
    pub kind: Arc<str>,
    /// The singular name, such as `pod`.
    pub singular: Arc<str>,
    /// Short names, such as `po`.
    pub short_names: Vec<Arc<str>>,
    /// Namespaced or cluster-scoped.
    pub scope: Scope,
}

impl ResourceType {
    /// `v1`, `apps/v1`: the apiVersion of its objects.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.resource.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.resource.group, self.version)
        }
    }
}

impl ResourceType {
    /// Where kube-apiserver has the object of that name; `namespace` is of no matter where objects have none.
    #[must_use]
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        let GroupResource { group, resource } = &self.resource;
        let api = if group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{group}/{}", self.version)
        };
        match self.scope {
            Scope::Namespaced => format!("{api}/namespaces/{namespace}/{resource}/{name}"),
            Scope::Cluster => format!("{api}/{resource}/{name}"),
        }
    }
}

/// One object by name. Cheap to clone; equal names are equal objects whatever their UID.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectRef {
    /// Its resource.
    pub resource: GroupResource,
    /// Its namespace; `None` for cluster-scoped objects.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectRef {
    /// The Namespace object of that name.
    pub fn namespace(name: impl Into<Arc<str>>) -> Self {
        Self { resource: GroupResource::namespaces(), namespace: None, name: name.into() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource, self.name),
            None => write!(f, "{} {}", self.resource, self.name),
        }
    }
}

/// The UID that tells two objects of one name apart (a pod and its successor).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Uid(pub Arc<str>);

/// An object that the cluster has now, as the watch last showed it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LiveObject {
    /// Which object.
    pub object: ObjectRef,
    /// Which incarnation of that name.
    pub uid: Uid,
    /// `metadata.creationTimestamp`, whole seconds.
    pub created: Timestamp,
    /// Its labels, which `labelSelector` selects on.
    pub labels: Labels,
}

/// What the cluster index can say of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// The cluster has it.
    Live(Arc<LiveObject>),
    /// The watch is in sync and the object is not there.
    Absent,
    /// No synced watch of that resource (yet), or no cluster at all (standalone).
    Unknown,
}
