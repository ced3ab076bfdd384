//! Whether the writer may: by Kubernetes identity, with an access review for each namespace, resource and metric.
//!
//! The attributes are those of a read of the same value, with `create` or `delete` for the verb, so that RBAC rules for reads
//! and writes name the same things (`pods/requests_per_second` of `custom.metrics.k8s.io`). Verdicts are remembered as those
//! of reads are.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt as _, stream};
use http::request::Parts;

use super::{audit::Audit, own::BoundPod};
use crate::{
    auth::{
        Attributes, Auth, AuthenticationError, AuthorizationError, PeerCertificates, ResourceAttributes, User,
    },
    cluster::Cluster,
    model::{MetricName, ObjectRef, Subject},
};

/// Who may write at a port.
#[derive(Clone)]
pub enum Access {
    /// Everybody who reaches it.
    Open,
    /// Nobody: writers have to show who they are, at the port of the metrics API.
    Closed,
    /// Whom kube-apiserver allows to.
    Reviewed(Auth),
}

/// Why a writer is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AccessError {
    /// This port cannot tell who writes: 401.
    #[error(
        "this port takes no writes (--write-auth=kubernetes): write to the same path at the port of the metrics API, \
         https://SERVICE.NAMESPACE.svc/write-metrics/…, with a bearer token"
    )]
    Closed,
    /// No credentials: 401.
    #[error(
        "no credentials: send the header Authorization: Bearer TOKEN, with a pod's ServiceAccount token for instance, or a \
         client certificate of the cluster"
    )]
    Anonymous,
    /// Credentials that do not count: 401.
    #[error("{0}")]
    Unauthenticated(String),
    /// Not allowed: 403.
    #[error("{message}; allow it: {grant}")]
    Forbidden {
        /// The words of every Kubernetes API server.
        message: String,
        /// The command that allows it.
        grant: String,
    },
    /// A pod that writes about something else than itself and its controllers: 403.
    #[error(
        "{pod} may write about itself and its controllers alone (--write-self-only), not about {subject}: write with a token \
         that is bound to no pod"
    )]
    NotItsOwn {
        /// The pod that the token is bound to.
        pod: String,
        /// What was written about.
        subject: String,
    },
    /// It is not known yet what the pod is and what controls it: 503.
    #[error("{0}: write again in a second")]
    PodUnknown(String),
    /// Nobody could say whose the token is or what its owner may: 500.
    #[error("kube-apiserver could not say whether you may: {0}")]
    ReviewFailed(String),
    /// Too many reviews are under way: 429.
    #[error("too many identities are being reviewed at once: write again in a second")]
    Crowded,
    /// A batch that would need too many reviews: 413.
    #[error(
        "the batch has {0} different pairs of namespace and metric, of which {MOST} can be reviewed: send it in parts"
    )]
    TooMany(usize),
}

/// Who writes; `None` where nobody is asked.
pub(super) struct Writer(Option<User>);

/// What is done to values, as RBAC has it.
#[derive(Clone, Copy)]
pub(super) enum Verb {
    Create,
    Delete,
}

/// What of a batch is refused, by what RBAC tells apart.
pub(super) struct Refused(HashMap<ResourceAttributes, AccessError>);

impl Access {
    /// Who writes, by the head of the request: the body of a stranger is not read.
    pub(super) async fn identify(&self, head: &Parts, audit: &Audit) -> Result<Writer, AccessError> {
        let identified = match self {
            Self::Open => return Ok(Writer(None)),
            Self::Closed => Err(AccessError::Closed),
            Self::Reviewed(auth) => identify(auth, head).await,
        };
        match identified {
            Ok(user) => Ok(Writer(Some(user))),
            Err(error) => {
                audit.unidentified(head.uri.path(), &error);
                Err(error)
            }
        }
    }

    /// Whether the writer may do this to one value.
    pub(super) async fn allow(
        &self,
        writer: &Writer,
        (verb, subject, metric): (Verb, &Subject, &MetricName),
        audit: &Audit,
    ) -> Result<(), AccessError> {
        let Some((auth, user)) = self.reviewer(writer) else { return Ok(()) };
        let named = ResourceAttributes { name: name(subject, metric), ..attributes(verb, subject, metric) };
        review(auth, user, &named).await.inspect_err(|error| audit.refused(user, &named, error))
    }

    /// Which of these the writer may not write. One review covers all objects of a namespace and resource, so it asks
    /// without their names.
    pub(super) async fn refused(
        &self,
        writer: &Writer,
        values: impl Iterator<Item = (&Subject, &MetricName)>,
        audit: &Audit,
    ) -> Result<Refused, AccessError> {
        let Some((auth, user)) = self.reviewer(writer) else { return Ok(Refused(HashMap::new())) };
        let distinct: HashSet<_> =
            values.map(|(subject, metric)| attributes(Verb::Create, subject, metric)).collect();
        if distinct.len() > MOST {
            return Err(AccessError::TooMany(distinct.len()));
        }
        let reviewed = async |asked: ResourceAttributes| {
            let error = review(auth, user, &asked).await.err()?;
            audit.refused(user, &asked, &error);
            Some((asked, error))
        };
        let refused = stream::iter(distinct).map(reviewed).buffer_unordered(AT_ONCE);
        Ok(Refused(refused.filter_map(std::future::ready).collect().await))
    }

    /// Whether the writer, if it is a pod, writes about its own.
    pub(super) fn owns(
        &self,
        writer: &Writer,
        subject: &Subject,
        (cluster, audit): (&Cluster, &Audit),
    ) -> Result<(), AccessError> {
        let Some((_, user)) = self.reviewer(writer) else { return Ok(()) };
        let Some(pod) = BoundPod::of(user) else { return Ok(()) };
        pod.check(subject, cluster).inspect_err(|error| audit.not_its_own(user, subject, error))
    }

    fn reviewer<'a>(&'a self, writer: &'a Writer) -> Option<(&'a Auth, &'a User)> {
        match (self, &writer.0) {
            (Self::Reviewed(auth), Some(user)) => Some((auth, user)),
            _ => None,
        }
    }
}

impl Refused {
    /// Why this value may not be written.
    pub(super) fn error(&self, subject: &Subject, metric: &MetricName) -> Option<AccessError> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&attributes(Verb::Create, subject, metric)).cloned()
    }
}

async fn identify(auth: &Auth, head: &Parts) -> Result<User, AccessError> {
    let nobody = PeerCertificates::none();
    let certificates = head.extensions.get().unwrap_or(&nobody);
    let user = auth.authenticate(&head.headers, certificates).await.map_err(|error| match error {
        AuthenticationError::Crowded(_) => AccessError::Crowded,
        AuthenticationError::ReviewFailed(source) => AccessError::ReviewFailed(source.to_string()),
        unknown => AccessError::Unauthenticated(unknown.to_string()),
    })?;
    if user.is_anonymous() && auth.is_delegated() { Err(AccessError::Anonymous) } else { Ok(user) }
}

async fn review(auth: &Auth, user: &User, asked: &ResourceAttributes) -> Result<(), AccessError> {
    let verdict = auth.authorize(user, &Attributes::Resource(asked.clone())).await;
    verdict.map_err(|error| match error {
        AuthorizationError::Forbidden(forbidden) => {
            AccessError::Forbidden { message: forbidden.message, grant: grant(user, &asked.namespace) }
        }
        AuthorizationError::Crowded(_) => AccessError::Crowded,
        AuthorizationError::ReviewFailed(source) => AccessError::ReviewFailed(source.to_string()),
    })
}

/// What RBAC tells apart, without the object's name.
fn attributes(verb: Verb, subject: &Subject, metric: &MetricName) -> ResourceAttributes {
    let verb = match verb {
        Verb::Create => "create",
        Verb::Delete => "delete",
    };
    let metric = metric.as_str().to_owned();
    let of_custom = |namespace: &str| ResourceAttributes {
        verb: verb.to_owned(),
        group: "custom.metrics.k8s.io".to_owned(),
        version: "v1beta2".to_owned(),
        namespace: namespace.to_owned(),
        ..ResourceAttributes::default()
    };
    match subject {
        Subject::Object(namespace) if namespace.resource.is_namespaces() => {
            ResourceAttributes { resource: "metrics".to_owned(), name: metric, ..of_custom(&namespace.name) }
        }
        Subject::Object(ObjectRef { resource, namespace, .. }) => {
            let namespace = namespace.as_deref().unwrap_or_default();
            ResourceAttributes { resource: resource.to_string(), subresource: metric, ..of_custom(namespace) }
        }
        Subject::External { namespace } => ResourceAttributes {
            group: "external.metrics.k8s.io".to_owned(),
            version: "v1beta1".to_owned(),
            resource: metric,
            ..of_custom(namespace)
        },
    }
}

/// The name that a review of one value asks about; of a Namespace's own metric it is the metric, as in a read.
fn name(subject: &Subject, metric: &MetricName) -> String {
    match subject {
        Subject::Object(object) if object.resource.is_namespaces() => metric.as_str().to_owned(),
        Subject::Object(object) => object.name.to_string(),
        Subject::External { .. } => String::new(),
    }
}

fn grant(user: &User, namespace: &str) -> String {
    let account = user.name.strip_prefix("system:serviceaccount:");
    let who = account
        .map_or_else(|| format!("--user={}", user.name), |account| format!("--serviceaccount={account}"));
    let role = "metrics-writer --clusterrole=custom-metrics-adapter:metrics-writer";
    match namespace {
        "" => format!("kubectl create clusterrolebinding {role} {who}"),
        namespace => format!("kubectl -n {namespace} create rolebinding {role} {who}"),
    }
}

/// How many reviews one batch may need.
const MOST: usize = 256;

/// How many of them are under way at once.
const AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GroupResource;

    fn asked(subject: &Subject) -> [String; 5] {
        let metric = MetricName::new("depth").unwrap();
        let asked = attributes(Verb::Create, subject, &metric);
        [asked.group, asked.namespace, asked.resource, asked.subresource, name(subject, &metric)]
    }

    #[test]
    fn a_write_is_reviewed_as_the_read_of_the_same_value() {
        let object = |resource: GroupResource, namespace: Option<&str>, name: &str| {
            Subject::Object(ObjectRef { resource, namespace: namespace.map(Into::into), name: name.into() })
        };
        let custom = "custom.metrics.k8s.io";
        let deployments = GroupResource::new("apps", "deployments");
        assert_eq!(
            asked(&object(deployments, Some("shop"), "web")),
            [custom, "shop", "deployments.apps", "depth", "web"]
        );
        assert_eq!(
            asked(&object(GroupResource::new("", "nodes"), None, "n")),
            [custom, "", "nodes", "depth", "n"]
        );
        assert_eq!(
            asked(&object(GroupResource::namespaces(), None, "shop")),
            [custom, "shop", "metrics", "", "depth"]
        );
        let external = ["external.metrics.k8s.io", "shop", "depth", "", ""];
        assert_eq!(asked(&Subject::external("shop")), external);
    }

    #[test]
    fn the_command_that_allows_it_names_the_writer_and_the_namespace() {
        let user = |name: &str| User { name: name.to_owned(), ..User::default() };
        let grant = |name, namespace| grant(&user(name), namespace);
        let role = "metrics-writer --clusterrole=custom-metrics-adapter:metrics-writer";
        assert_eq!(
            grant("system:serviceaccount:ci:writer", "shop"),
            format!("kubectl -n shop create rolebinding {role} --serviceaccount=ci:writer")
        );
        assert_eq!(grant("alice", ""), format!("kubectl create clusterrolebinding {role} --user=alice"));
    }
}
