//! What we know of the cluster, from watches; a query answers from memory. The sole home of kube.
//!
//! [`Cluster`] is the handle. Pods are watched from the start; any other resource, built in or of a CRD, from the
//! first time that a read or a write names one of its objects, and while reads, writes or values need it: metadata
//! only, one watch for the whole cluster. Nothing here waits for kube-apiserver but [`Cluster::resolve_fresh`]; while it is away, what was seen
//! last goes on answering, and the watches come back by themselves.
//!
//! ```text
//! kube-apiserver ─list, watch─▶ watch ─▶ sink ─┬─▶ index (presence, list)        ◀─ api, write
//!                                              ├─▶ pods (what a scrape needs)    ◀─ scrape
//!                                              └─▶ on_change (Gone: forget)      ─▶ store
//! kube-apiserver ─list, watch─▶ watch ─▶ hpas (what HPAs ask for)          ◀─ insight
//! kube-apiserver ─discovery──▶ resources (the name that a user wrote ─▶ the resource)
//! ```

mod connected;
mod health;
mod hpas;
mod index;
mod list;
mod lookups;
mod monitors;
mod options;
mod owners;
mod pod;
mod resources;
mod service;
mod sink;
mod watch;
mod watched;
mod watches;
mod wire;

use std::sync::Arc;

pub use health::{WatchState, WatchStatus};
pub use hpas::KnownHpas;
pub use lookups::{LookupError, Lookups, Reading, query};
pub use options::{ClusterError, ClusterOptions, OnChange, Pacing};
pub use owners::{Members, NoMembers};
pub use pod::{Changed, Container, ContainerPort, Pod, PodChanges, PodPhase, Protocol};
pub use resources::{DiscoveryStatus, UnknownResource};
pub use service::{Service, ServicePort, TargetPort};
pub use watched::grant;

use self::{connected::Connected, resources::Resources};
use crate::{
    hpa::Hpa,
    model::{GroupResource, LiveObject, ObjectRef, Presence, ResourceType, Selector, Uid},
    monitor::Monitor,
};

/// What the adapter knows of its cluster. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Cluster(Arc<Mode>);

enum Mode {
    Standalone { resources: Resources, pod_changes: tokio::sync::watch::Sender<u64> },
    Connected(Box<Connected>),
}

/// Something happened to an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It was created, or its labels have changed. Changes of anything else of it are not told.
    Seen(Arc<LiveObject>),
    /// It was deleted, or another took its name (`Seen` follows): whatever was known of this UID is void.
    Gone(Arc<LiveObject>),
}

/// Why the objects of a resource cannot be listed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// There is no cluster.
    #[error("there is no cluster in standalone mode")]
    Standalone,
    /// The watch has begun but its first list is not complete.
    #[error("{resource} are not known yet: their watch is not in sync")]
    NotSynced {
        /// The resource.
        resource: GroupResource,
    },
    /// kube-apiserver does not let us list or watch the resource.
    #[error("the adapter may not list {resource}: {message}")]
    Forbidden {
        /// The resource.
        resource: GroupResource,
        /// kube-apiserver's words.
        message: String,
    },
}

/// A condition of readiness by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// `discovery`, `pods-synced`.
    pub name: &'static str,
    /// Why it does not hold; `None` when it does.
    pub failure: Option<String>,
}

impl Cluster {
    /// No cluster: the usual resources are known by name, and of objects nothing.
    #[must_use]
    pub fn standalone() -> Self {
        let (resources, pod_changes) = (Resources::builtin(), tokio::sync::watch::Sender::new(0));
        Self(Arc::new(Mode::Standalone { resources, pod_changes }))
    }

    /// Starts to follow a cluster. Returns before it has answered: [`Cluster::checks`] tell when it has, and until
    /// then the built-in resources are known by name. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When no client can be configured; never because the cluster does not answer.
    pub async fn connect(options: ClusterOptions) -> Result<Self, ClusterError> {
        Ok(Self(Arc::new(Mode::Connected(Box::new(Connected::new(options).await?)))))
    }

    /// The resource that a name means: plural, singular, kind in any case, short name, each also with its group
    /// (`deployments.apps`) and with version and group (`deployments.v1.apps`). A name without a group means the
    /// core group's resource, else that of the first group in discovery's order. From memory; a miss makes
    /// discovery be asked again, with a limit, for the next time.
    ///
    /// # Errors
    /// When no resource has that name, as far as is known.
    pub fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        match &*self.0 {
            Mode::Standalone { resources, .. } => standalone(resources, name),
            Mode::Connected(connected) => connected.book.resolve(name),
        }
    }

    /// As [`Cluster::resolve`], but a miss waits up to five seconds for discovery, so that a resource can be
    /// written for as soon as its CRD is served. When discovery was asked too often lately it does not wait.
    ///
    /// # Errors
    /// When no resource has that name.
    pub async fn resolve_fresh(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        match &*self.0 {
            Mode::Standalone { resources, .. } => standalone(resources, name),
            Mode::Connected(connected) => connected.book.resolve_fresh(name).await,
        }
    }

    /// As [`Cluster::resolve`], and a miss has no consequence: for many names at once, of which few may be known.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<ResourceType>> {
        match &*self.0 {
            Mode::Standalone { resources, .. } => resources.resolve(name).cloned(),
            Mode::Connected(connected) => connected.book.find(name),
        }
    }

    /// Whether `name` is the name, singular, kind or short name of a resource of the cluster, in any case. A client
    /// such as kubectl would no longer find that resource if another API listed one of this name.
    #[must_use]
    pub fn is_resource_name(&self, name: &str) -> bool {
        match &*self.0 {
            Mode::Standalone { resources, .. } => resources.is_taken(name),
            Mode::Connected(connected) => connected.book.is_taken(name),
        }
    }

    /// A number that moves when a name may mean another resource than before.
    #[must_use]
    pub fn names_generation(&self) -> u64 {
        match &*self.0 {
            Mode::Standalone { .. } => 0,
            Mode::Connected(connected) => connected.book.generation(),
        }
    }

    /// Waits, as [`Cluster::resolve_fresh`] does, until discovery has been asked again.
    pub async fn refreshed(&self) {
        if let Mode::Connected(connected) = &*self.0 {
            connected.book.refreshed().await;
        }
    }

    /// The error for a name that [`Cluster::find`] does not know. The nearest one takes a millisecond to find.
    #[must_use]
    pub fn unknown(&self, name: &str) -> UnknownResource {
        match &*self.0 {
            Mode::Standalone { resources, .. } => resources.unknown(name),
            Mode::Connected(connected) => connected.book.unknown(name),
        }
    }

    /// Whether the cluster has `object`. `Unknown` in standalone mode, until the resource is synced (asking starts
    /// its watch), when we may not list it, and when there is no such resource.
    #[must_use]
    pub fn presence(&self, object: &ObjectRef) -> Presence {
        match &*self.0 {
            Mode::Standalone { .. } => Presence::Unknown,
            Mode::Connected(connected) => connected.presence(object),
        }
    }

    /// The same for an object that a value is stored of. It starts no watch, and keeps the one that there is, unless
    /// kube-apiserver refuses the resource.
    #[must_use]
    pub fn presence_of_stored(&self, object: &ObjectRef) -> Presence {
        match &*self.0 {
            Mode::Standalone { .. } => Presence::Unknown,
            Mode::Connected(connected) => connected.presence_of_stored(object),
        }
    }

    /// Whether discovery has `resource`, or has lacked it for a moment only.
    #[must_use]
    pub fn is_served(&self, resource: &GroupResource) -> bool {
        match &*self.0 {
            Mode::Standalone { .. } => true,
            Mode::Connected(connected) => connected.book.is_served(resource),
        }
    }

    /// The objects of `resource` in `namespace` (or in all) that `selector` matches, sorted by namespace and name.
    ///
    /// # Errors
    /// When their watch does not have them; asking has started it.
    pub fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable> {
        match &*self.0 {
            Mode::Standalone { .. } => Err(Unavailable::Standalone),
            Mode::Connected(connected) => connected.list(resource, namespace, selector),
        }
    }

    /// Starts the watch of `resource`, if it has none.
    pub fn watch(&self, resource: &ResourceType) {
        if let Mode::Connected(connected) = &*self.0 {
            connected.watch(resource);
        }
    }

    /// All pods, in no order; none in standalone mode and until they are synced.
    #[must_use]
    pub fn pods(&self) -> Vec<Arc<Pod>> {
        match &*self.0 {
            Mode::Standalone { .. } => Vec::new(),
            Mode::Connected(connected) => connected.pod_details.all(),
        }
    }

    /// What has changed of the pods since a generation, which an earlier call gave; all of them since 0.
    #[must_use]
    pub fn pods_since(&self, generation: u64) -> PodChanges {
        match &*self.0 {
            Mode::Standalone { .. } => PodChanges { generation, changed: Changed::Some(Vec::new()) },
            Mode::Connected(connected) => connected.pod_details.since(generation),
        }
    }

    /// One pod; `None` if it is not known.
    #[must_use]
    pub fn pod(&self, uid: &Uid) -> Option<Arc<Pod>> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => connected.pod_details.get(uid),
        }
    }

    /// The HPAs that read a custom or an external metric.
    #[must_use]
    pub fn hpas(&self) -> KnownHpas {
        match &*self.0 {
            Mode::Standalone { .. } => KnownHpas::Standalone,
            Mode::Connected(connected) => connected.hpas.all(),
        }
    }

    /// One of [`Cluster::hpas`].
    #[must_use]
    pub fn hpa(&self, namespace: &str, name: &str) -> Option<Arc<Hpa>> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => connected.hpas.get(namespace, name),
        }
    }

    /// The PodMonitors and ServiceMonitors, and the Services that the latter may select. None where they are not asked for
    /// ([`ClusterOptions::monitors`]).
    #[must_use]
    pub fn monitors(&self) -> (Vec<Arc<Monitor>>, Vec<Arc<Service>>) {
        match &*self.0 {
            Mode::Standalone { .. } => (Vec::new(), Vec::new()),
            Mode::Connected(connected) => connected.monitors(),
        }
    }

    /// Whether the monitors are known, as far as they can be: a resource that is not served, or refused, has none.
    #[must_use]
    pub fn knows_monitors(&self) -> bool {
        match &*self.0 {
            Mode::Standalone { .. } => true,
            Mode::Connected(connected) => connected.knows_monitors(),
        }
    }

    /// A number that moves whenever [`Cluster::monitors`] would answer something new; `None` where they are not asked for.
    #[must_use]
    pub fn monitor_changes(&self) -> Option<tokio::sync::watch::Receiver<u64>> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => connected.monitors.as_ref().map(|monitors| monitors.changes()),
        }
    }

    /// A number that moves whenever [`Cluster::pods`] would answer something new. Several changes may be one move:
    /// wait for it, then take all pods and compare.
    #[must_use]
    pub fn pod_changes(&self) -> tokio::sync::watch::Receiver<u64> {
        match &*self.0 {
            Mode::Standalone { pod_changes, .. } => pod_changes.subscribe(),
            Mode::Connected(connected) => connected.pod_details.changes(),
        }
    }

    /// What has to hold for answers to be worth asking for; nothing in standalone mode. Once they hold they hold
    /// for good, whether kube-apiserver is there or not, unless we lose the right to see pods.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        match &*self.0 {
            Mode::Standalone { .. } => Vec::new(),
            Mode::Connected(connected) => connected.checks(),
        }
    }

    /// How the watch of HPAs is, which no value depends on; none in standalone mode.
    #[must_use]
    pub fn hpa_watch(&self) -> Option<WatchStatus> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => Some(connected.hpas.status()),
        }
    }

    /// How each watch is that values depend on, pods first; none in standalone mode.
    #[must_use]
    pub fn watches(&self) -> Vec<WatchStatus> {
        match &*self.0 {
            Mode::Standalone { .. } => Vec::new(),
            Mode::Connected(connected) => connected.watches(),
        }
    }

    /// How discovery is; `None` in standalone mode.
    #[must_use]
    pub fn discovery(&self) -> Option<DiscoveryStatus> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => Some(connected.book.status()),
        }
    }

    /// The client of the cluster, for reviews of who may read; `None` in standalone mode. It does not retry.
    #[must_use]
    pub fn client(&self) -> Option<kube::Client> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => Some(connected.client.clone()),
        }
    }

    /// The URL of kube-apiserver; `None` in standalone mode.
    #[must_use]
    pub fn server(&self) -> Option<&http::Uri> {
        match &*self.0 {
            Mode::Standalone { .. } => None,
            Mode::Connected(connected) => Some(&connected.server),
        }
    }
}

fn standalone(resources: &Resources, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
    resources.resolve(name).cloned().ok_or_else(|| resources.unknown(name))
}
