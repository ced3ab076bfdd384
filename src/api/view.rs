//! What an answer may ask of the cluster: three questions, each answered from memory.

use std::sync::Arc;

use crate::{
    cluster::{Cluster, Unavailable, UnknownResource},
    model::{LiveObject, ObjectRef, Presence, ResourceType, Selector},
};

/// The cluster as a read sees it. No method is `async` and none takes long: a read never waits for Kubernetes.
pub trait ClusterView: Send + Sync + 'static {
    /// The resource that `name` (`pods`, `pod`, `po`, `deployments.apps`) stands for.
    ///
    /// # Errors
    /// When discovery has no such resource, with the nearest that it has.
    fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource>;

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
}

impl ClusterView for Cluster {
    fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        Self::resolve(self, name)
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
}
