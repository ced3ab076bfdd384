//! A path becomes the one object that its names mean.

use crate::{
    cluster::Cluster,
    model::{MetricName, ObjectRef, Presence, ResourceType, Scope, Uid},
};

use super::{WriteError, WritePath};

/// The object and metric of a write, under their canonical names.
pub(super) struct Target {
    pub(super) object: ObjectRef,
    pub(super) uid: Option<Uid>,
    pub(super) metric: MetricName,
}

impl Target {
    /// Looks the resource up (a CRD of a moment ago is waited for) and starts its watch, so that the value's
    /// object is known when it is asked for.
    pub(super) async fn resolve(cluster: &Cluster, path: WritePath) -> Result<Self, WriteError> {
        let resource = cluster.resolve_fresh(&path.resource).await?;
        cluster.watch(&resource);
        let WritePath { namespace, name, metric, .. } = path;
        let namespace = scoped(&resource, namespace)?;
        let object = ObjectRef { resource: resource.resource.clone(), namespace, name: name.into() };
        let uid = match cluster.presence(&object) {
            Presence::Live(live) => Some(live.uid.clone()),
            Presence::Absent | Presence::Unknown => None,
        };
        Ok(Self { object, uid, metric })
    }
}

/// A cluster-scoped object under a namespaced path is the object itself: that is how the HPA asks for one.
fn scoped(
    resource: &ResourceType,
    namespace: Option<String>,
) -> Result<Option<std::sync::Arc<str>>, WriteError> {
    match (resource.scope, namespace) {
        (Scope::Cluster, _) => Ok(None),
        (Scope::Namespaced, Some(namespace)) => Ok(Some(namespace.into())),
        (Scope::Namespaced, None) => Err(WriteError::NamespaceMissing(resource.resource.to_string())),
    }
}
