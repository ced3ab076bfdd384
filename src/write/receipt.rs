//! The answer to a write that was stored: empty, or a line for each object that no read can see.

use std::fmt;

use axum::response::{IntoResponse, Response};

use super::Write;
use crate::{
    cluster::Cluster,
    model::{ObjectRef, Presence},
};

/// Stored. The objects that the cluster does not have, the first of them by name.
#[derive(Default)]
pub(super) struct Receipt {
    unseen: Vec<Unseen>,
    /// How many more there are.
    more: usize,
}

/// An object that the cluster does not have.
#[derive(PartialEq, Eq)]
struct Unseen {
    object: ObjectRef,
    is_namespace_absent: bool,
}

impl Receipt {
    /// Of what was just stored.
    pub(super) fn of(writes: &[Write], cluster: &Cluster) -> Self {
        let mut receipt = Self::default();
        // One with a UID was live when its path was resolved.
        let unbound = writes.iter().filter(|write| write.uid.is_none());
        for object in unbound.map(|write| write.subject.lives_with()) {
            match unseen(object, cluster) {
                Some(unseen) if receipt.unseen.contains(&unseen) => {}
                Some(_) if receipt.unseen.len() == NAMED => receipt.more += 1,
                found => receipt.unseen.extend(found),
            }
        }
        receipt
    }
}

fn unseen(object: ObjectRef, cluster: &Cluster) -> Option<Unseen> {
    // Absent is what a complete list says; while it is not known, nothing is said.
    if cluster.presence(&object) != Presence::Absent {
        return None;
    }
    let namespace = object.namespace.as_deref().map(ObjectRef::namespace);
    let is_namespace_absent =
        namespace.is_some_and(|namespace| cluster.presence(&namespace) == Presence::Absent);
    Some(Unseen { object, is_namespace_absent })
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectRef { resource, namespace, name } = &self.object;
        f.write_str("stored, and no read can see it: the cluster has no ")?;
        match namespace {
            Some(namespace) if self.is_namespace_absent => write!(f, "namespace {namespace:?}"),
            Some(namespace) => write!(f, "{resource} {name:?} in namespace {namespace:?}"),
            None => write!(f, "{resource} {name:?}"),
        }?;
        f.write_str("; it is dropped in ten minutes unless the object is made")
    }
}

impl IntoResponse for Receipt {
    fn into_response(self) -> Response {
        let mut lines: Vec<String> = self.unseen.iter().map(ToString::to_string).collect();
        if self.more > 0 {
            lines.push(format!("{} more writes are for objects that the cluster does not have", self.more));
        }
        lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_response()
    }
}

/// Objects that an answer names.
const NAMED: usize = 10;
