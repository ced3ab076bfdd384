//! Of what a pod may write with its own token: of itself and of its controllers (`--write-self-only`).
//!
//! kube-apiserver binds the tokens that it projects into pods to the pod, and a TokenReview says to which one (KEP-1205,
//! "Bound Service Account Tokens"). An identity that is no pod has no such claim; RBAC alone says what it may.

use super::AccessError;
use crate::{
    auth::User,
    cluster::{Cluster, NoMembers},
    model::{GroupResource, ObjectRef, Presence, Subject, Uid},
};

/// The pod that a token is bound to.
pub(super) struct BoundPod<'a> {
    pod: ObjectRef,
    uid: &'a str,
}

impl<'a> BoundPod<'a> {
    /// `None` for an identity that is no pod.
    pub(super) fn of(user: &'a User) -> Option<Self> {
        let (namespace, _) = user.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        let [name, uid] = [POD_NAME, POD_UID].map(|claim| user.extra.get(claim)?.first());
        let pod = ObjectRef {
            resource: GroupResource::pods(),
            namespace: Some(namespace.into()),
            name: name?.as_str().into(),
        };
        Some(Self { pod, uid: uid? })
    }

    /// Whether the pod may write about this.
    pub(super) fn check(&self, subject: &Subject, cluster: &Cluster) -> Result<(), AccessError> {
        let Presence::Live(live) = cluster.presence(&self.pod) else { return Err(self.not_seen()) };
        if *live.uid.0 != *self.uid {
            return Err(self.not_seen());
        }
        if self.is_own(subject, &live.uid, cluster)? {
            return Ok(());
        }
        let subject = subject.to_string();
        Err(AccessError::NotItsOwn { pod: self.pod.to_string(), subject })
    }

    fn is_own(&self, subject: &Subject, uid: &Uid, cluster: &Cluster) -> Result<bool, AccessError> {
        match subject {
            Subject::Object(object) if *object == self.pod => Ok(true),
            Subject::Object(object) => {
                cluster.controls(object, uid).map_err(|unknown| self.owners_unknown(&unknown))
            }
            Subject::External { .. } => Ok(false),
        }
    }

    fn not_seen(&self) -> AccessError {
        AccessError::PodUnknown(format!("{} with the UID {} is not seen yet", self.pod, self.uid))
    }

    fn owners_unknown(&self, unknown: &NoMembers) -> AccessError {
        AccessError::PodUnknown(format!("the controllers of {} are not known: {unknown}", self.pod))
    }
}

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
