//! What an answer may ask of the cluster: a few questions, each answered from memory.

use std::sync::Arc;

use crate::{
    cluster::{Cluster, Members, NoMembers, Unavailable, UnknownResource},
    model::{LiveObject, ObjectRef, Presence, ResourceType, Selector},
};

/// The cluster as a read sees it. No method is `async` and none takes long: a read never waits for Kubernetes.
pub trait ClusterView: Send + Sync + 'static {
    /// The resource that `name` (`pods`, `pod`, `po`, `deployments.apps`) stands for.
    ///
    /// # Errors
    /// When discovery has no such resource, with the nearest that it has.
    fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource>;

    /// The same, and a miss has no consequence: for a list of many names.
    fn find(&self, name: &str) -> Option<Arc<ResourceType>>;

    /// Whether clients take `name` for a resource of the cluster.
    fn is_resource_name(&self, name: &str) -> bool;

    /// Moves when a name may mean another resource than before.
    fn names_generation(&self) -> u64;

    /// Whether the cluster has `object`.
    fn presence(&self, object: &ObjectRef) -> Presence;

    /// The objects of a resource that `selector` selects, sorted by namespace and name; `namespace` is `None` for
    /// cluster-scoped ones.
    ///
    /// # Errors
    /// When the resource is not, or not yet, watched.
    fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable>;

    /// The pods that belong to an object.
    ///
    /// # Errors
    /// Why they are not known.
    fn members(&self, object: &ObjectRef) -> Result<Members, NoMembers>;
}

impl ClusterView for Cluster {
    fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        Self::resolve(self, name)
    }

    fn find(&self, name: &str) -> Option<Arc<ResourceType>> {
        Self::find(self, name)
    }

    fn is_resource_name(&self, name: &str) -> bool {
        Self::is_resource_name(self, name)
    }

    fn names_generation(&self) -> u64 {
        Self::names_generation(self)
    }

    fn presence(&self, object: &ObjectRef) -> Presence {
        Self::presence(self, object)
    }

    fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable> {
        Self::list(self, resource, namespace, selector)
    }

    fn members(&self, object: &ObjectRef) -> Result<Members, NoMembers> {
        Self::members(self, object)
    }
}
