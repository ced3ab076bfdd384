//! The objects of one resource, in the order that a list answers them, and by label.
//!
//! One writer (the watch task) and many readers share a `RwLock`. A lookup holds it for a binary search, a list
//! for as long as it takes to clone the matching `Arc`s, and the writer for one insertion; a relist is compared outside
//! the lock, and brought in change by change, so that no second index stands beside this one. Immutable snapshots behind an `ArcSwap` would spare readers the
//! lock but cost a copy of the namespace for each event, which is quadratic when ten thousand pods roll.
//!
//! What a watch mostly brings (a status that changed) leaves a [`LiveObject`] as it was and touches nothing.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::Change;
use crate::model::{LiveObject, ObjectRef, Operator, Presence, Requirement, Selector, Uid};

/// Objects of one resource; empty and not synced until the first [`Index::replace`].
#[derive(Default)]
pub(super) struct Index(RwLock<Option<Objects>>);

#[derive(Default)]
struct Objects {
    /// By namespace; what is cluster-scoped is in the namespace with the empty name.
    namespaces: BTreeMap<Arc<str>, Namespace>,
}

#[derive(Default)]
struct Namespace {
    by_name: Posting,
    /// By label name, then by value. Clusters have few label names and, apart from those that name one object,
    /// few values, so that this costs little more than a pointer for each label of each object.
    by_label: HashMap<String, HashMap<String, Posting, RandomState>, RandomState>,
}

/// Objects of one namespace, sorted by name, each name once.
#[derive(Default)]
struct Posting(Vec<Arc<LiveObject>>);

impl Index {
    /// Whether the cluster has `object`; `Unknown` until synced.
    pub(super) fn presence(&self, object: &ObjectRef) -> Presence {
        match &*self.0.read() {
            None => Presence::Unknown,
            Some(objects) => {
                objects.find(object).map_or(Presence::Absent, |live| Presence::Live(live.clone()))
            }
        }
    }

    /// The selected objects of `namespace`, or of all, sorted by namespace and name; `None` until synced.
    pub(super) fn list(&self, namespace: Option<&str>, selector: &Selector) -> Option<Vec<Arc<LiveObject>>> {
        let objects = self.0.read();
        let namespaces = &objects.as_ref()?.namespaces;
        let mut selected = Vec::new();
        match namespace {
            Some(name) => {
                namespaces.get(name).into_iter().for_each(|one| one.select(selector, &mut selected));
            }
            None => namespaces.values().for_each(|one| one.select(selector, &mut selected)),
        }
        Some(selected)
    }

    /// Whether all objects are known.
    pub(super) fn is_synced(&self) -> bool {
        self.0.read().is_some()
    }

    /// How many objects there are; `None` until synced.
    pub(super) fn len(&self) -> Option<usize> {
        let objects = self.0.read();
        objects.as_ref().map(|objects| objects.namespaces.values().map(|one| one.by_name.0.len()).sum())
    }

    /// Takes what a watch event shows, and tells what that means to others: nothing, `Seen`, or `Gone` and `Seen` where the
    /// name has a new UID.
    pub(super) fn insert(&self, shown: &Arc<LiveObject>) -> Vec<Change> {
        let before = self.find(&shown.object);
        if before.as_ref() == Some(shown) {
            return Vec::new();
        }
        self.write(|objects| objects.replace(before.as_ref(), shown));
        changes(before.as_ref(), Some(shown))
    }

    /// The object as it is known already, or `shown` if it is new or has changed. A list that is kept for a while holds
    /// what is known only once by it.
    pub(super) fn known_or(&self, shown: LiveObject) -> Arc<LiveObject> {
        self.find(&shown.object).filter(|known| **known == shown).unwrap_or_else(|| Arc::new(shown))
    }

    fn find(&self, object: &ObjectRef) -> Option<Arc<LiveObject>> {
        self.0.read().as_ref().and_then(|objects| objects.find(object).cloned())
    }

    /// Takes away an object, unless its name belongs to another incarnation by now.
    pub(super) fn remove(&self, object: &ObjectRef, uid: &Uid) -> Option<Change> {
        let gone = self.0.read().as_ref()?.find(object).filter(|live| live.uid == *uid).cloned()?;
        self.write(|objects| objects.remove(&gone));
        Some(Change::Gone(gone))
    }

    /// Takes a whole list, and tells what it means after what was known: first all that is gone, then what is
    /// new or has changed.
    pub(super) fn replace(&self, listed: Vec<Arc<LiveObject>>) -> Vec<Change> {
        let after = in_order(listed);
        // Only this task writes, so nothing changes between this comparison and the changes below.
        let Some(changes) = self.0.read().as_ref().map(|before| differences(before, &after)) else {
            *self.0.write() = Some(Objects::new(&after));
            return after.into_iter().map(Change::Seen).collect();
        };
        // One by one, many new objects would each move the ones behind them.
        if changes.len() > after.len() / 2 {
            *self.0.write() = Some(Objects::new(&after));
        } else {
            changes.iter().for_each(|change| self.write(|objects| objects.apply(change)));
        }
        changes
    }

    fn write(&self, change: impl FnOnce(&mut Objects)) {
        if let Some(objects) = self.0.write().as_mut() {
            change(objects);
        }
    }
}

impl Objects {
    fn new(in_order: &[Arc<LiveObject>]) -> Self {
        let mut objects = Self::default();
        in_order.iter().for_each(|live| objects.insert(live));
        objects
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Gone(live) => self.remove(live),
            Change::Seen(live) => {
                let before = self.find(&live.object).cloned();
                self.replace(before.as_ref(), live);
            }
        }
    }

    fn find(&self, object: &ObjectRef) -> Option<&Arc<LiveObject>> {
        let namespace = self.namespaces.get(object.namespace.as_deref().unwrap_or_default())?;
        namespace.by_name.find(&object.name)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<LiveObject>> {
        self.namespaces.values().flat_map(|one| &one.by_name.0)
    }

    fn replace(&mut self, before: Option<&Arc<LiveObject>>, live: &Arc<LiveObject>) {
        if let Some(before) = before {
            self.remove(before);
        }
        self.insert(live);
    }

    fn insert(&mut self, live: &Arc<LiveObject>) {
        let name = live.object.namespace.clone().unwrap_or_default();
        self.namespaces.entry(name).or_default().insert(live);
    }

    fn remove(&mut self, live: &LiveObject) {
        if let Some(one) = self.namespaces.get_mut(namespace(live)) {
            one.remove(live);
            if one.by_name.0.is_empty() {
                self.namespaces.remove(namespace(live));
            }
        }
    }
}

impl Namespace {
    fn insert(&mut self, live: &Arc<LiveObject>) {
        self.by_name.insert(live.clone());
        for (name, value) in live.labels.iter() {
            let values = self.by_label.entry_ref(name).or_default();
            values.entry_ref(value).or_default().insert(live.clone());
        }
    }

    fn remove(&mut self, live: &LiveObject) {
        self.by_name.remove(&live.object.name);
        for (name, value) in live.labels.iter() {
            let Some(values) = self.by_label.get_mut(name) else { continue };
            if values.get_mut(value).is_some_and(|posting| posting.remove(&live.object.name)) {
                values.remove(value);
            }
            if values.is_empty() {
                self.by_label.remove(name);
            }
        }
    }

    fn select(&self, selector: &Selector, selected: &mut Vec<Arc<LiveObject>>) {
        if selector.is_empty() {
            return selected.extend(self.by_name.0.iter().cloned());
        }
        let already = selected.len();
        let postings = self.narrowest(selector);
        let candidates = postings.iter().flat_map(|posting| &posting.0);
        selected.extend(candidates.filter(|live| selector.matches(&live.labels)).cloned());
        if let (true, Some(new)) = (postings.len() > 1, selected.get_mut(already..)) {
            new.sort_by(|a, b| a.object.name.cmp(&b.object.name));
        }
    }

    /// The fewest objects that are known to hold all that `selector` can match, in postings without overlap.
    fn narrowest(&self, selector: &Selector) -> Vec<&Posting> {
        let size = |postings: &Vec<&Posting>| postings.iter().map(|posting| posting.0.len()).sum::<usize>();
        let narrowed = selector.requirements().iter().filter_map(|requirement| self.postings(requirement));
        narrowed.min_by_key(size).unwrap_or_else(|| vec![&self.by_name])
    }

    /// The objects that meet `requirement`, if it names the values of a label; an object has one of them.
    fn postings(&self, requirement: &Requirement) -> Option<Vec<&Posting>> {
        let named = matches!(requirement.operator, Operator::Equals | Operator::DoubleEquals | Operator::In);
        let values = self.by_label.get(requirement.key.as_str());
        let posting = |value: &String| values?.get(value.as_str());
        named.then(|| requirement.values.iter().filter_map(posting).collect())
    }
}

impl Posting {
    fn find(&self, name: &str) -> Option<&Arc<LiveObject>> {
        self.position(name).ok().and_then(|at| self.0.get(at))
    }

    fn insert(&mut self, live: Arc<LiveObject>) {
        match self.0.last() {
            // A list comes sorted: it is appended, without a search.
            Some(last) if last.object.name >= live.object.name => match self.position(&live.object.name) {
                Ok(at) => self.0.splice(at..=at, [live]).for_each(drop),
                Err(at) => self.0.insert(at, live),
            },
            _ => self.0.push(live),
        }
    }

    /// Removes `name` and tells whether nothing is left.
    fn remove(&mut self, name: &str) -> bool {
        if let Ok(at) = self.position(name) {
            self.0.remove(at);
        }
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|live| (*live.object.name).cmp(name))
    }
}

fn namespace(live: &LiveObject) -> &str {
    live.object.namespace.as_deref().unwrap_or_default()
}

/// Sorted by namespace and name. A name that is listed twice was created anew between two pages; the later one is true.
fn in_order(mut listed: Vec<Arc<LiveObject>>) -> Vec<Arc<LiveObject>> {
    listed.sort_by(|a, b| place(&a.object).cmp(&place(&b.object)));
    listed.reverse();
    listed.dedup_by(|a, b| a.object == b.object);
    listed.reverse();
    listed
}

fn place(object: &ObjectRef) -> (&str, &str) {
    (object.namespace.as_deref().unwrap_or_default(), &object.name)
}

fn differences(before: &Objects, after: &[Arc<LiveObject>]) -> Vec<Change> {
    let now = |object: &ObjectRef| {
        let at = after.binary_search_by(|live| place(&live.object).cmp(&place(object))).ok()?;
        after.get(at)
    };
    let lost = |live: &&Arc<LiveObject>| now(&live.object).is_none_or(|now| now.uid != live.uid);
    let is_new = |live: &&Arc<LiveObject>| before.find(&live.object) != Some(live);
    let gone = before.all().filter(lost).cloned().map(Change::Gone);
    gone.chain(after.iter().filter(is_new).cloned().map(Change::Seen)).collect()
}

fn changes(before: Option<&Arc<LiveObject>>, after: Option<&Arc<LiveObject>>) -> Vec<Change> {
    let gone = before.filter(|before| after.is_none_or(|after| after.uid != before.uid));
    let seen = after.filter(|after| before != Some(after));
    gone.cloned().map(Change::Gone).into_iter().chain(seen.cloned().map(Change::Seen)).collect()
}

#[cfg(test)]
mod tests;
