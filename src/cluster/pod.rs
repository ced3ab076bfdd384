//! What a scrape needs to know of a pod.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::model::{LiveObject, Uid};

/// A pod as the watch last showed it, without what nobody here reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pod {
    /// Its namespace, name, UID, age and labels.
    pub live: Arc<LiveObject>,
    /// The annotations under one of [`annotation_prefixes`](super::ClusterOptions::annotation_prefixes).
    pub annotations: BTreeMap<String, String>,
    /// `status.phase`.
    pub phase: PodPhase,
    /// Whether it passes its readiness checks (condition `Ready`).
    pub ready: bool,
    /// `metadata.deletionTimestamp`: the pod is terminating, and this is when its grace period ends.
    pub deletion: Option<Timestamp>,
    /// `status.podIP`, then the others of `status.podIPs` (the second family of a dual-stack cluster).
    pub ips: Vec<IpAddr>,
    /// `spec.hostNetwork`: its addresses are those of the node, which other pods share.
    pub host_network: bool,
    /// `spec.nodeName`; `None` until it is scheduled.
    pub node: Option<Arc<str>>,
    /// The containers that run beside each other: sidecars (init containers with `restartPolicy: Always`) first,
    /// then the main ones; ordinary init containers have ended when a scrape could meet them and are left out.
    pub containers: Vec<Container>,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PodPhase {
    /// Accepted, not all containers have started.
    Pending,
    /// Bound to a node, at least one container runs or is about to.
    Running,
    /// All containers have ended well.
    Succeeded,
    /// All containers have ended, one of them badly.
    Failed,
    /// The node does not tell, or the phase is not set.
    #[default]
    Unknown,
}

/// A container and what it declares to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// Its name.
    pub name: Arc<str>,
    /// An init container with `restartPolicy: Always`.
    pub is_sidecar: bool,
    /// The declared ports, in order.
    pub ports: Vec<ContainerPort>,
    /// When it last started, whole seconds (`status.containerStatuses[].state.running.startedAt`); `None` while
    /// it does not run. A counter of this container cannot be older.
    pub started: Option<Timestamp>,
}

/// A declared port of a container.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ContainerPort {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
}

/// The protocol of a port; TCP where the pod does not say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// All pods by UID, and a generation that moves with each change of them.
pub(super) struct Pods {
    pods: RwLock<HashMap<Uid, Arc<Pod>, RandomState>>,
    generation: watch::Sender<u64>,
}

impl Pods {
    pub(super) fn new() -> Self {
        Self { pods: RwLock::default(), generation: watch::Sender::new(0) }
    }

    pub(super) fn all(&self) -> Vec<Arc<Pod>> {
        self.pods.read().values().cloned().collect()
    }

    pub(super) fn get(&self, uid: &Uid) -> Option<Arc<Pod>> {
        self.pods.read().get(uid).cloned()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    pub(super) fn insert(&self, pod: Pod) {
        let uid = pod.live.uid.clone();
        if self.pods.read().get(&uid).is_some_and(|known| **known == pod) {
            return;
        }
        self.pods.write().insert(uid, Arc::new(pod));
        self.moved();
    }

    pub(super) fn remove(&self, uid: &Uid) {
        if self.pods.write().remove(uid).is_some() {
            self.moved();
        }
    }

    /// Takes a whole list; pods that it lacks are gone.
    pub(super) fn replace(&self, listed: Vec<Pod>) {
        let known = self.pods.read().clone();
        let arc = |pod: Pod| match known.get(&pod.live.uid) {
            Some(known) if **known == pod => known.clone(),
            _ => Arc::new(pod),
        };
        let pods = listed.into_iter().map(|pod| (pod.live.uid.clone(), arc(pod))).collect();
        *self.pods.write() = pods;
        self.moved();
    }

    fn moved(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }
}
