//! Where the slots are.
//!
//! Two maps, one for each kind of [`Subject`]: a read of an object and a read of an external metric cannot meet,
//! whatever anything is called, and a read of an object, of which the HPA has thousands in one answer, makes no key.

use std::sync::Arc;

use dashmap::{DashMap, mapref::one::Ref};

use super::slot::Slot;
use crate::model::{ObjectRef, Subject};

type Map<K> = DashMap<K, Slot, foldhash::fast::RandomState>;

/// One slot for each subject that has anything.
#[derive(Default)]
pub(super) struct Slots {
    objects: Map<ObjectRef>,
    /// By namespace.
    external: Map<Arc<str>>,
}

impl Slots {
    /// The slot of an object, held for as long as the answer lives.
    pub(super) fn object(&self, object: &ObjectRef) -> Option<Ref<'_, ObjectRef, Slot>> {
        self.objects.get(object)
    }

    /// The slot of a namespace's external metrics, held for as long as the answer lives.
    pub(super) fn external(&self, namespace: &str) -> Option<Ref<'_, Arc<str>, Slot>> {
        self.external.get(namespace)
    }

    /// What `look` sees in a slot; `None` if there is none.
    pub(super) fn look<T>(&self, subject: &Subject, look: impl FnOnce(&Slot) -> T) -> Option<T> {
        match subject {
            Subject::Object(object) => self.objects.get(object).map(|slot| look(&slot)),
            Subject::External { namespace } => self.external.get(namespace).map(|slot| look(&slot)),
        }
    }

    /// Runs `fill` on a slot, which begins to be if there was none.
    pub(super) fn fill<T>(&self, subject: Subject, fill: impl FnOnce(&mut Slot) -> T) -> T {
        match subject {
            Subject::Object(object) => fill(&mut self.objects.entry(object).or_default()),
            Subject::External { namespace } => fill(&mut self.external.entry(namespace).or_default()),
        }
    }

    /// Runs `change` on a slot, if there is one, and drops it if nothing is left in it.
    pub(super) fn change<T>(&self, subject: &Subject, change: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        match subject {
            Subject::Object(object) => changed(&self.objects, object, change),
            Subject::External { namespace } => changed(&self.external, namespace, change),
        }
    }

    /// Every object that has something, in no order.
    pub(super) fn objects(&self) -> impl Iterator<Item = ObjectRef> {
        self.objects.iter().map(|slot| slot.key().clone())
    }

    /// Everything that has something, in no order.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let external = self.external.iter().map(|slot| Subject::external(slot.key().clone()));
        self.objects().map(Subject::Object).chain(external).collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.objects.len() + self.external.len()
    }
}

fn changed<K: Eq + std::hash::Hash, T>(
    map: &Map<K>,
    key: &K,
    change: impl FnOnce(&mut Slot) -> T,
) -> Option<T> {
    let done = change(&mut *map.get_mut(key)?);
    map.remove_if(key, |_, slot| slot.is_empty());
    Some(done)
}
