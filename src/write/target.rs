//! A path becomes the one subject that its names mean.

use std::sync::Arc;

use crate::{
    cluster::Cluster,
    model::{GroupResource, MetricName, ObjectRef, Presence, ResourceType, Scope, Subject, Uid},
};

use super::{
    WriteError, WritePath,
    path::{NamedObject, NamedSubject},
};

/// The subject and metric of a write, under their canonical names.
pub(super) struct Target {
    pub(super) subject: Subject,
    pub(super) uid: Option<Uid>,
    pub(super) metric: MetricName,
}

impl Target {
    /// Looks the resource up (a CRD of a moment ago is waited for) and starts its watch, so that the object that the
    /// value lives with is known when it is asked for.
    pub(super) async fn resolve(cluster: &Cluster, path: WritePath) -> Result<Self, WriteError> {
        let WritePath { subject, metric } = path;
        let subject = match subject {
            NamedSubject::Object(named) => Subject::Object(object(cluster, named).await?),
            NamedSubject::External { namespace } => external(cluster, namespace).await?,
        };
        let uid = match cluster.presence(&subject.lives_with()) {
            Presence::Live(live) => Some(live.uid.clone()),
            Presence::Absent | Presence::Unknown => None,
        };
        Ok(Self { subject, uid, metric })
    }
}

async fn object(cluster: &Cluster, named: NamedObject) -> Result<ObjectRef, WriteError> {
    let NamedObject { namespace, resource, name } = named;
    let resource = cluster.resolve_fresh(&resource).await?;
    cluster.watch(&resource);
    let namespace = scoped(&resource, namespace)?;
    Ok(ObjectRef { resource: resource.resource.clone(), namespace, name: name.into() })
}

async fn external(cluster: &Cluster, namespace: String) -> Result<Subject, WriteError> {
    let namespaces = cluster.resolve_fresh(&GroupResource::namespaces().to_string()).await?;
    cluster.watch(&namespaces);
    Ok(Subject::external(namespace))
}

/// A cluster-scoped object under a namespaced path is the object itself: that is how the HPA asks for one.
fn scoped(resource: &ResourceType, namespace: Option<String>) -> Result<Option<Arc<str>>, WriteError> {
    match (resource.scope, namespace) {
        (Scope::Cluster, _) => Ok(None),
        (Scope::Namespaced, Some(namespace)) => Ok(Some(namespace.into())),
        (Scope::Namespaced, None) => Err(WriteError::NamespaceMissing(resource.resource.to_string())),
    }
}
