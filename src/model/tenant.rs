//! Whose share of a limit something counts against.

use std::{fmt, sync::Arc};

use super::{ObjectRef, Subject};

/// A namespace, or everything that is in none.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Tenant {
    /// Cluster-scoped objects, Namespaces among them: all of them together are one tenant.
    Cluster,
    /// The objects of a namespace, and its external metrics.
    Namespace(Arc<str>),
}

impl Tenant {
    /// The one that `object` belongs to.
    #[must_use]
    pub fn of(object: &ObjectRef) -> Self {
        object.namespace.clone().map_or(Self::Cluster, Self::Namespace)
    }
}

impl From<&Subject> for Tenant {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Object(object) => Self::of(object),
            Subject::External { namespace } => Self::Namespace(namespace.clone()),
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster-scoped objects"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
        }
    }
}
