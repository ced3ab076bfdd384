//! The one owner of state. What is written comes in by [`Store::append`], what is scraped by [`Target::append`]; what the
//! metrics API answers comes out of [`Store::read`] and, where it is about no object, of [`Store::read_external`].
//!
//! The store spawns no task, reads no clock (callers pass `now`), and knows no HTTP, no Kubernetes and no text format.
//!
//! **Whose value is it?** A value is bound to the UID of the object that the cluster had when it was written. It is
//! served only while the cluster has that very object, so a value of a deleted pod is never served, whatever the order
//! in which events and writes arrive. A value written while the object was unknown is unbound: it is served by name
//! while the object is absent (as the upstream adapter does), and becomes the object's own when it appears, unless it
//! was written before that object was created: an object starts clean.

mod absence;
mod append;
mod budget;
mod catalog;
mod crowd;
mod external;
mod fold;
mod limits;
mod order;
mod overview;
mod quiet;
mod read;
mod recent;
mod room;
mod scraped;
mod search;
mod slot;
mod slots;
mod sweep;
#[cfg(test)]
mod tests;
mod wishes;

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

pub use crate::model::Fold;
pub use absence::Absence;
pub use append::{Admitted, Applied, Removal, Write};
pub use budget::{Budget, Charge};
pub use catalog::{Catalog, nearest};
pub use crowd::{Coverage, Crowd, Lacking, Member};
pub use limits::{AppendError, LimitKind, Limits, Percent, Refused};
pub use order::Outdated;
pub use overview::{Kind, MetricOverview, Overview, Presences, Reading, Wanted};
pub use quiet::Quiet;
pub use read::Query;
pub use room::Account;
pub use scraped::{
    Failure, PackedLabels, Scrape, SeriesKind, Shape, ShapeBuilder, Target, TargetOptions, Unreadable,
};
pub use search::{Found, Search, Source, Standing, Stored};

use crate::derive::Derivations;
use crate::model::{GroupResource, LiveObject, MetricName, ObjectRef, Subject, Tenant, Uid};
use catalog::{Listed, Names};
use limits::Bytes;
use recent::Places;
use room::Holders;
use slot::Slot;
use slots::Slots;

/// A cheap-clone handle on all values.
///
/// A read takes the read side of two short locks (a shard of the object map, the object's own series list); a write
/// takes the write side of the same for the time of one assignment. No lock is held over a call out or an await.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    slots: Slots,
    names: Names,
    /// Written series, and an estimate of their bytes.
    written: Arc<Budget>,
    written_bytes: Bytes,
    /// Scraped series, and an estimate of the bytes of their values.
    scraped: Arc<Budget>,
    scraped_bytes: Bytes,
    /// Bytes of all that scrapes hold.
    bytes: Arc<Budget>,
    /// What is computed from the values of any object.
    derived: ArcSwap<Derivations>,
    /// Written series with a past.
    places: Places,
    holders: Holders,
    quiet: Quiet,
    /// Held by whoever adds written series, from counting to the last of them.
    growth: Mutex<()>,
    limits: Limits,
}

/// What the store holds now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Objects with at least one value or target, and namespaces with an external metric.
    pub objects: usize,
    /// What was written.
    pub written: Held,
    /// What was scraped; shapes, which targets share, are not counted.
    pub scraped: Held,
}

/// What is held of one source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Series (metric name + label set of one object).
    pub series: usize,
    /// Their estimated heap bytes.
    pub bytes: usize,
}

impl Store {
    /// An empty store with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let budget = |kind, limit| Budget::new(kind, limit, limits.share.of(limit));
        Self(Arc::new(Inner {
            slots: Slots::default(),
            names: Names::default(),
            written: budget(LimitKind::WrittenSeries, limits.series),
            written_bytes: Bytes::default(),
            scraped: budget(LimitKind::ScrapedSeries, limits.scraped_series),
            scraped_bytes: Bytes::default(),
            bytes: budget(LimitKind::ScrapedBytes, limits.scraped_bytes),
            derived: ArcSwap::default(),
            places: Places::default(),
            holders: Holders::default(),
            quiet: Quiet::default(),
            growth: Mutex::default(),
            limits,
        }))
    }

    /// Takes a live object's unbound values as its own, and drops what was written before it was created or for an
    /// earlier object of its name. With a namespace go its external metrics.
    pub fn adopt(&self, live: &LiveObject) {
        for subject in Subject::living_with(&live.object) {
            self.prune(&subject, |slot| slot.adopt(live));
        }
    }

    /// Drops the values of one incarnation of an object, and unbound ones with it: they were written for it or for
    /// an earlier one. With a namespace go its external metrics.
    pub fn forget(&self, object: &ObjectRef, uid: &Uid) {
        let targets = self.0.slots.object(object).map(|slot| slot.scraped.clone()).unwrap_or_default();
        targets.iter().filter(|target| target.uid() == uid).for_each(|target| self.detach(target));
        for subject in Subject::living_with(object) {
            self.prune(&subject, |slot| {
                slot.retain(|series| series.uid.as_ref().is_some_and(|bound| bound != uid))
            });
        }
    }

    /// Drops the written values of all objects of the resources that the cluster does not serve: those objects are gone,
    /// and no event tells so.
    pub fn forget_unserved(&self, is_served: impl Fn(&GroupResource) -> bool) {
        let catalog = self.catalog();
        let mut resources: Vec<&GroupResource> =
            catalog.metrics.iter().map(|(resource, _)| resource).collect();
        resources.dedup();
        resources.retain(|resource| !is_served(resource));
        if resources.is_empty() {
            return;
        }
        for object in self.0.slots.objects().collect::<Vec<_>>() {
            if resources.contains(&&object.resource) {
                self.prune(&Subject::Object(object), |slot| slot.retain(|_| false));
            }
        }
    }

    /// Computes these from the values of any object from now on, and nothing else; discovery lists them for pods.
    pub fn derive_for_all(&self, derivations: Arc<Derivations>) {
        let pods = Listed::Under(GroupResource::pods());
        derivations.names().for_each(|metric| self.0.names.add(&pods, metric));
        let before = self.0.derived.swap(derivations);
        before.names().for_each(|metric| self.0.names.remove(&pods, metric));
    }

    /// The metrics that exist, for discovery; the same `Arc` until one comes or goes.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.0.names.catalog()
    }

    /// The known metric of `resource` whose name is most like `metric`, for error texts.
    #[must_use]
    pub fn nearest_metric(&self, resource: &GroupResource, metric: &MetricName) -> Option<MetricName> {
        self.catalog().nearest(resource, metric)
    }

    /// Objects of a resource that something was written for, sorted: what `*` lists where there is no cluster.
    #[must_use]
    pub fn written(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<ObjectRef> {
        let wanted = |object: &ObjectRef| {
            object.resource == *resource && (namespace.is_none() || object.namespace.as_deref() == namespace)
        };
        let mut objects: Vec<ObjectRef> = self.0.slots.objects().filter(wanted).collect();
        objects.sort();
        objects
    }

    /// What is held now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let held = |series: &Budget, bytes: &Bytes| Held { series: series.held(), bytes: bytes.held() };
        let inner = &*self.0;
        Stats {
            objects: inner.slots.len(),
            written: held(&inner.written, &inner.written_bytes),
            scraped: held(&inner.scraped, &inner.scraped_bytes),
        }
    }

    /// The bytes that scrapes may hold, and do.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.0.bytes
    }

    /// The limits of which a tenant has a share, with what is taken of them.
    #[must_use]
    pub fn budgets(&self) -> [&Budget; 3] {
        [&self.0.written, &self.0.scraped, &self.0.bytes]
    }

    /// The limits it was made with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Runs `change`, which gives back what it removed, on one subject's slot, and accounts for it.
    fn prune(&self, subject: &Subject, change: impl FnOnce(&mut Slot) -> Vec<slot::Series>) -> usize {
        let removed = self.0.slots.change(subject, change).unwrap_or_default();
        if removed.is_empty() {
            return 0;
        }
        let listed = Listed::of(subject);
        for series in &removed {
            self.0.names.remove(&listed, &series.metric);
            self.0.written_bytes.refund(series.bytes());
        }
        self.0.written.give_back(&Tenant::from(subject), removed.len());
        removed.len()
    }
}
