//! What a scrape needs to know of a pod.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
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

impl Protocol {
    /// As objects have it.
    pub(super) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("TCP") => Some(Self::Tcp),
            Some("UDP") => Some(Self::Udp),
            Some("SCTP") => Some(Self::Sctp),
            Some(_) => None,
        }
    }
}

impl Pod {
    /// Without what only a scrape needs. Phase and readiness stay: the HPA controller decides by them, and whoever explains
    /// its decisions has to know them. So pods are watched whole even where none is scraped.
    pub(super) fn without_targets(self) -> Self {
        Self { ips: Vec::new(), containers: Vec::new(), ..self }
    }
}

/// What has changed of the pods.
#[derive(Clone, Debug)]
pub struct PodChanges {
    /// The generation that this leads up to.
    pub generation: u64,
    /// What has changed.
    pub changed: Changed,
}

/// The pods that have changed.
#[derive(Clone, Debug)]
pub enum Changed {
    /// These alone, each once; `None` is gone.
    Some(Vec<(Uid, Option<Arc<Pod>>)>),
    /// Too many to tell: these are all that there are.
    All(Vec<Arc<Pod>>),
}

/// All pods by UID, and a generation that moves with each change of them.
pub(super) struct Pods {
    known: RwLock<Known>,
    generation: watch::Sender<u64>,
}

#[derive(Default)]
struct Known {
    pods: HashMap<Uid, Arc<Pod>, RandomState>,
    /// One more with each change.
    generation: u64,
    /// The pods of the last changes, the last one last.
    log: VecDeque<Uid>,
}

impl Pods {
    pub(super) fn new() -> Self {
        Self { known: RwLock::default(), generation: watch::Sender::new(0) }
    }

    pub(super) fn all(&self) -> Vec<Arc<Pod>> {
        self.known.read().pods.values().cloned().collect()
    }

    /// What has changed since a generation.
    pub(super) fn since(&self, generation: u64) -> PodChanges {
        let known = self.known.read();
        let missed = usize::try_from(known.generation.saturating_sub(generation)).unwrap_or(usize::MAX);
        let changed = match known.log.len().checked_sub(missed) {
            Some(seen) if generation > 0 => Changed::Some(known.changed(seen)),
            _ => Changed::All(known.pods.values().cloned().collect()),
        };
        PodChanges { generation: known.generation, changed }
    }

    pub(super) fn get(&self, uid: &Uid) -> Option<Arc<Pod>> {
        self.known.read().pods.get(uid).cloned()
    }

    /// Those of these that are known.
    pub(super) fn get_all(&self, uids: impl IntoIterator<Item = Uid>) -> Vec<Arc<Pod>> {
        let known = self.known.read();
        uids.into_iter().filter_map(|uid| known.pods.get(&uid).cloned()).collect()
    }

    /// Those on a node. It looks at each pod: a Node is asked for rarely.
    pub(super) fn on_node(&self, node: &str) -> Vec<Arc<Pod>> {
        let known = self.known.read();
        known.pods.values().filter(|pod| pod.node.as_deref() == Some(node)).cloned().collect()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// The pod as it is known already, or `shown` if it is new or has changed.
    pub(super) fn known_or(&self, shown: Pod) -> Arc<Pod> {
        let known = self.known.read().pods.get(&shown.live.uid).filter(|known| ***known == shown).cloned();
        known.unwrap_or_else(|| Arc::new(shown))
    }

    pub(super) fn insert(&self, pod: Arc<Pod>) {
        let uid = pod.live.uid.clone();
        if self.known.read().pods.get(&uid).is_some_and(|known| *known == pod) {
            return;
        }
        self.change(|known| {
            known.pods.insert(uid.clone(), pod);
            known.log(uid);
        });
    }

    pub(super) fn remove(&self, uid: &Uid) {
        if self.known.read().pods.contains_key(uid) {
            self.change(|known| {
                known.pods.remove(uid);
                known.log(uid.clone());
            });
        }
    }

    /// Takes a whole list; pods that it lacks are gone.
    pub(super) fn replace(&self, listed: Vec<Arc<Pod>>) {
        let pods = listed.into_iter().map(|pod| (pod.live.uid.clone(), pod)).collect();
        self.change(|known| {
            known.pods = pods;
            known.log.clear();
        });
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let generation = {
            let mut known = self.known.write();
            known.generation += 1;
            change(&mut known);
            known.generation
        };
        self.generation.send_replace(generation);
    }
}

impl Known {
    fn log(&mut self, uid: Uid) {
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(uid);
    }

    /// The pods of the changes from this place of the log on.
    fn changed(&self, from: usize) -> Vec<(Uid, Option<Arc<Pod>>)> {
        let changed: HashSet<&Uid, RandomState> = self.log.iter().skip(from).collect();
        changed.into_iter().map(|uid| (uid.clone(), self.pods.get(uid).cloned())).collect()
    }
}

/// Changes that are told one by one. The scraper asks ten times a second at most, so these are forty thousand a second.
const REMEMBERED: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GroupResource, Labels, ObjectRef};

    fn pod(name: &str, phase: PodPhase) -> Arc<Pod> {
        let object =
            ObjectRef { resource: GroupResource::pods(), namespace: Some("a".into()), name: name.into() };
        let live = LiveObject {
            object,
            uid: Uid(name.into()),
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::default(),
        };
        Arc::new(Pod {
            live: Arc::new(live),
            annotations: BTreeMap::new(),
            phase,
            ready: true,
            deletion: None,
            ips: Vec::new(),
            host_network: false,
            node: None,
            containers: Vec::new(),
        })
    }

    /// The names of what has changed, those that are gone with a minus; `all` in front where everything is listed.
    fn told(pods: &Pods, since: u64) -> (u64, String) {
        let PodChanges { generation, changed } = pods.since(since);
        let (prefix, mut names): (_, Vec<String>) = match changed {
            Changed::All(pods) => ("all ", pods.iter().map(|pod| pod.live.uid.0.to_string()).collect()),
            Changed::Some(changed) => {
                let name = |(uid, pod): &(Uid, Option<_>)| {
                    format!("{}{}", if pod.is_some() { "" } else { "-" }, uid.0)
                };
                ("", changed.iter().map(name).collect())
            }
        };
        names.sort();
        (generation, format!("{prefix}{}", names.join(" ")))
    }

    #[test]
    fn a_change_is_told_without_the_pods_that_have_not_changed() {
        let pods = Pods::new();
        pods.replace(vec![
            pod("a", PodPhase::Running),
            pod("b", PodPhase::Running),
            pod("c", PodPhase::Running),
        ]);
        let (first, all) = told(&pods, 0);
        assert_eq!(all, "all a b c");
        assert_eq!(told(&pods, first), (first, String::new()));
        pods.insert(pod("b", PodPhase::Running));
        assert_eq!(told(&pods, first), (first, String::new()), "it is as it was");
        pods.insert(pod("b", PodPhase::Failed));
        pods.insert(pod("b", PodPhase::Succeeded));
        pods.remove(&Uid("c".into()));
        let (second, changed) = told(&pods, first);
        assert_eq!(changed, "-c b");
        pods.replace(vec![pod("d", PodPhase::Running)]);
        assert_eq!(told(&pods, second), (second + 1, "all d".to_owned()));
    }

    #[test]
    fn more_changes_than_are_remembered_are_told_as_all_pods() {
        let pods = Pods::new();
        pods.insert(pod("a", PodPhase::Running));
        let (first, _) = told(&pods, 0);
        for n in 0..REMEMBERED {
            pods.insert(pod("b", if n % 2 == 0 { PodPhase::Running } else { PodPhase::Failed }));
        }
        assert_eq!(told(&pods, first).1, "b");
        pods.insert(pod("b", PodPhase::Running));
        assert_eq!(told(&pods, first).1, "all a b");
    }
}
