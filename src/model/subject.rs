//! What a value is about, and which object's life bounds its own.

use std::{fmt, sync::Arc};

use super::ObjectRef;

/// What a value is about. The two kinds are served by two API groups, and neither is ever found under the other.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Subject {
    /// An object of the cluster: `custom.metrics.k8s.io`.
    Object(ObjectRef),
    /// Nothing that the cluster has. The metric is one of a namespace, which says who may read it and how long it
    /// lives, and no more: `external.metrics.k8s.io`.
    External {
        /// The namespace that it was written for.
        namespace: Arc<str>,
    },
}

impl Subject {
    /// External metrics of `namespace`.
    pub fn external(namespace: impl Into<Arc<str>>) -> Self {
        Self::External { namespace: namespace.into() }
    }

    /// The object that the values end with: the described one, or the Namespace of external metrics.
    #[must_use]
    pub fn lives_with(&self) -> ObjectRef {
        match self {
            Self::Object(object) => object.clone(),
            Self::External { namespace } => ObjectRef::namespace(namespace.clone()),
        }
    }

    /// Everything that lives with `object`: the inverse of [`Subject::lives_with`].
    pub fn living_with(object: &ObjectRef) -> impl Iterator<Item = Self> {
        let external =
            object.resource.is_namespaces().then(|| Self::External { namespace: object.name.clone() });
        std::iter::once(Self::Object(object.clone())).chain(external)
    }
}

impl From<ObjectRef> for Subject {
    fn from(object: ObjectRef) -> Self {
        Self::Object(object)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(object) => object.fmt(f),
            Self::External { namespace } => write!(f, "namespace {namespace} (external)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;

    #[test]
    fn what_lives_with_an_object_names_that_object() {
        let namespace = ObjectRef::namespace("shop");
        let subjects: Vec<Subject> = Subject::living_with(&namespace).collect();
        assert_eq!(subjects, [Subject::Object(namespace.clone()), Subject::external("shop")]);
        assert!(subjects.iter().all(|subject| subject.lives_with() == namespace));
    }

    #[test]
    fn no_external_metric_lives_with_an_object_that_is_only_called_like_a_namespace() {
        let pod =
            ObjectRef { resource: GroupResource::pods(), namespace: Some("a".into()), name: "shop".into() };
        assert_eq!(Subject::living_with(&pod).collect::<Vec<_>>(), [Subject::Object(pod)]);
    }
}
