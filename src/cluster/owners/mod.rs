//! Which pods belong to an object, from watches in memory.
//!
//! ```text
//! ReplicaSet, StatefulSet, DaemonSet, Job, …    the pods that it controls
//! Deployment, CronJob, custom resources         the pods of what it controls, to any depth
//! Service                                       the pods that its selector matches (or its EndpointSlices name)
//! Ingress, HTTPRoute, GRPCRoute                 the pods of its Services
//! Namespace, Node                               the pods in it, the pods on it
//! ```
//!
//! Each watch keeps the [`Ties`] of its objects beside its index. Of a chain of controllers only those resources are
//! watched that stand between the pods and the object that is asked for, from the first question on. Pods are always
//! watched, so that a question about a Namespace, or a Node, costs no other watch than its own.

mod find;
mod link;
mod object;
mod ties;

use std::sync::Arc;

pub(super) use link::{Link, LinkKind};
pub(super) use object::{WireLinked, WireObject};
pub(super) use ties::{Controller, Tie, Ties};

use super::{Cluster, Mode, Pod, Unavailable};
use crate::model::{LiveObject, ObjectRef, Uid};

/// The pods of an object.
#[derive(Clone, Debug)]
pub struct Members {
    /// The object.
    pub object: Arc<LiveObject>,
    /// All of them, sorted by name, whatever their phase.
    pub pods: Vec<Arc<Pod>>,
    /// Whether they are there for the object, as replicas of a workload and backends of a Service are. The pods of a
    /// Namespace or a Node have nothing in common but the place.
    pub are_alike: bool,
}

/// Why the pods of an object are not known.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoMembers {
    /// What has to be known for it is not.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such object.
    #[error("the cluster has no {0}")]
    NoObject(ObjectRef),
    /// A pod.
    #[error("it is a pod itself")]
    IsPod,
    /// A Service that selects nothing.
    #[error("the Service has no selector, and no EndpointSlice of it names a pod")]
    NoSelector,
    /// An Ingress or a route that leads to no Service.
    #[error("it leads to no Service of its namespace")]
    NoBackend,
    /// None of the Services that it leads to is there.
    #[error("none of the Services that it leads to is there: {}", .0.join(", "))]
    NoService(Vec<String>),
    /// A route into another namespace.
    #[error(
        "it leads to Service {service} in namespace {namespace}: pods are counted in its own namespace alone, so that who may \
         read here sees nothing of there"
    )]
    Foreign {
        /// The other namespace.
        namespace: String,
        /// The Service.
        service: String,
    },
    /// More pods than are looked at.
    #[error("it has more than {most} pods, and no more are added up")]
    TooMany {
        /// How many are.
        most: usize,
    },
    /// More kinds of controllers than are watched for one question.
    #[error("the pods of its namespace have controllers of more than {most} kinds, and no more are watched")]
    TooManyKinds {
        /// How many are.
        most: usize,
    },
}

impl Cluster {
    /// The pods that belong to `object`: those that it controls to any depth, selects, leads to, or holds. From memory;
    /// asking begins the watches that this needs.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn members(&self, object: &ObjectRef) -> Result<Members, NoMembers> {
        match &*self.0 {
            Mode::Standalone { .. } => Err(Unavailable::Standalone.into()),
            Mode::Connected(connected) => connected.members(object),
        }
    }

    /// Whether `owner` controls the pod with this UID, to any depth. From memory; asking begins the watches that this needs.
    ///
    /// # Errors
    /// Why that is not known.
    pub fn controls(&self, owner: &ObjectRef, pod: &Uid) -> Result<bool, NoMembers> {
        match &*self.0 {
            Mode::Standalone { .. } => Err(Unavailable::Standalone.into()),
            Mode::Connected(connected) => connected.controls(owner, pod),
        }
    }
}

impl Members {
    /// The most pods of one object.
    pub const MOST: usize = 10_000;
}
