//! What the objects of one resource say of others: by which object they are controlled, and which ones they lead to.

use std::{collections::HashSet, sync::Arc};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::Link;
use crate::model::{LiveObject, Uid};

/// The object that controls another, as its ownerReference says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::cluster) struct Controller {
    pub(in crate::cluster) uid: Uid,
    /// `apps` of `apps/v1`; empty for the core group.
    pub(in crate::cluster) group: Arc<str>,
    /// `ReplicaSet`
    pub(in crate::cluster) kind: Arc<str>,
}

/// What one object says of others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::cluster) struct Tie {
    pub(in crate::cluster) controller: Option<Arc<Controller>>,
    pub(in crate::cluster) link: Option<Arc<Link>>,
}

/// The ties of the objects of one resource. Those that say nothing are not kept.
#[derive(Default)]
pub(in crate::cluster) struct Ties(RwLock<Known>);

#[derive(Default)]
struct Known {
    ties: HashMap<Uid, Tie, RandomState>,
    /// By namespace, then by controller.
    families: HashMap<Arc<str>, HashMap<Uid, Family, RandomState>, RandomState>,
}

/// The objects of one controller.
struct Family {
    controller: Arc<Controller>,
    members: HashSet<Uid, RandomState>,
}

impl Ties {
    /// Takes what an object says now; whether that is something else than before.
    pub(in crate::cluster) fn put(&self, live: &LiveObject, tie: Tie) -> bool {
        let is_new = self.0.read().ties.get(&live.uid).cloned().unwrap_or_default() != tie;
        if is_new {
            self.0.write().put(live, tie);
        }
        is_new
    }

    /// An object is gone.
    pub(in crate::cluster) fn remove(&self, live: &LiveObject) {
        self.put(live, Tie::default());
    }

    /// Takes a whole list.
    pub(in crate::cluster) fn replace<'a>(
        &self,
        listed: impl Iterator<Item = (&'a Arc<LiveObject>, &'a Tie)>,
    ) {
        let mut known = Known::default();
        listed.for_each(|(live, tie)| known.put(live, tie.clone()));
        *self.0.write() = known;
    }

    /// What controls an object, as far as is known.
    pub(in crate::cluster) fn controller(&self, uid: &Uid) -> Option<Arc<Controller>> {
        self.0.read().ties.get(uid)?.controller.clone()
    }

    /// Where an object leads to.
    pub(in crate::cluster) fn link(&self, uid: &Uid) -> Option<Arc<Link>> {
        self.0.read().ties.get(uid)?.link.clone()
    }

    /// What controls objects of a namespace, or of all; each once in a namespace.
    pub(in crate::cluster) fn controllers(&self, namespace: Option<&str>) -> Vec<Arc<Controller>> {
        let known = self.0.read();
        let of = |families: &HashMap<Uid, Family, RandomState>| {
            families.values().map(|family| family.controller.clone()).collect::<Vec<_>>()
        };
        match namespace {
            Some(namespace) => known.families.get(namespace).map(of).unwrap_or_default(),
            None => known.families.values().flat_map(of).collect(),
        }
    }

    /// What is controlled by these.
    pub(in crate::cluster) fn controlled(
        &self,
        namespace: Option<&str>,
        controllers: &HashSet<Uid, RandomState>,
    ) -> Vec<Uid> {
        let known = self.0.read();
        let families =
            known.families.iter().filter(|(name, _)| namespace.is_none_or(|only| only == &***name));
        let members = |families: &HashMap<Uid, Family, RandomState>| {
            let wanted = controllers.iter().filter_map(|uid| families.get(uid));
            wanted.flat_map(|family| family.members.iter().cloned()).collect::<Vec<_>>()
        };
        families.flat_map(|(_, families)| members(families)).collect()
    }
}

impl Known {
    fn put(&mut self, live: &LiveObject, tie: Tie) {
        let namespace = live.object.namespace.clone().unwrap_or_default();
        let before = self.ties.remove(&live.uid).and_then(|tie| tie.controller);
        if let Some(before) = before {
            self.part(&namespace, &before.uid, &live.uid);
        }
        if let Some(controller) = &tie.controller {
            let families = self.families.entry(namespace).or_default();
            let family = families.entry(controller.uid.clone());
            let new = || Family { controller: controller.clone(), members: HashSet::default() };
            family.or_insert_with(new).members.insert(live.uid.clone());
        }
        if tie != Tie::default() {
            self.ties.insert(live.uid.clone(), tie);
        }
    }

    fn part(&mut self, namespace: &str, controller: &Uid, member: &Uid) {
        let Some(families) = self.families.get_mut(namespace) else { return };
        if let Some(family) = families.get_mut(controller) {
            family.members.remove(member);
            if family.members.is_empty() {
                families.remove(controller);
            }
        }
        if families.is_empty() {
            self.families.remove(namespace);
        }
    }
}
