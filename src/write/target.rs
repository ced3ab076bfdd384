//! A path becomes the one subject that its names mean.

use std::sync::Arc;

use crate::{
    cluster::{Cluster, UnknownResource},
    model::{GroupResource, MetricName, ObjectRef, Presence, ResourceType, Scope, Subject, Uid},
};

use super::{
    WriteError, WritePath, names,
    path::{NamedObject, NamedSubject},
};

/// The subject and metric of a write, under their canonical names.
pub(super) struct Target {
    pub(super) subject: Subject,
    pub(super) uid: Option<Uid>,
    pub(super) metric: MetricName,
}

impl Target {
    /// Looks the resource up in memory and starts its watch, so that the object that the value lives with is known when
    /// it is asked for.
    pub(super) fn resolve(cluster: &Cluster, path: WritePath) -> Result<Self, WriteError> {
        let WritePath { subject, metric } = path;
        let subject = match subject {
            NamedSubject::Object(named) => Subject::Object(object(cluster, named)?),
            NamedSubject::External { namespace } => external(cluster, namespace)?,
        };
        let uid = match cluster.presence(&subject.lives_with()) {
            Presence::Live(live) => Some(live.uid.clone()),
            Presence::Absent | Presence::Unknown => None,
        };
        Ok(Self { subject, uid, metric })
    }
}

/// Whether `path` can be looked up.
pub(super) fn is_known(cluster: &Cluster, path: &WritePath) -> bool {
    match &path.subject {
        NamedSubject::Object(named) => cluster.find(&named.resource).is_some(),
        NamedSubject::External { .. } => cluster.find(&GroupResource::namespaces().resource).is_some(),
    }
}

fn object(cluster: &Cluster, named: NamedObject) -> Result<ObjectRef, WriteError> {
    let NamedObject { namespace, resource, name } = named;
    let resource = find(cluster, &resource)?;
    names::check(&resource.resource, &name)?;
    cluster.watch(&resource);
    let namespace = scoped(&resource, namespace)?;
    Ok(ObjectRef { resource: resource.resource.clone(), namespace, name: name.into() })
}

fn external(cluster: &Cluster, namespace: String) -> Result<Subject, WriteError> {
    let namespaces = find(cluster, &GroupResource::namespaces().resource)?;
    cluster.watch(&namespaces);
    Ok(Subject::external(namespace))
}

/// Without the nearest name, which takes long to find: a batch may have thousands of wrong ones.
fn find(cluster: &Cluster, resource: &str) -> Result<Arc<ResourceType>, WriteError> {
    let unknown = || UnknownResource { name: resource.to_owned(), nearest: None };
    Ok(cluster.find(resource).ok_or_else(unknown)?)
}

/// A cluster-scoped object under a namespaced path is the object itself: that is how the HPA asks for one.
fn scoped(resource: &ResourceType, namespace: Option<String>) -> Result<Option<Arc<str>>, WriteError> {
    match (resource.scope, namespace) {
        (Scope::Cluster, _) => Ok(None),
        (Scope::Namespaced, Some(namespace)) => Ok(Some(namespace.into())),
        (Scope::Namespaced, None) => Err(WriteError::NamespaceMissing(resource.resource.to_string())),
    }
}
