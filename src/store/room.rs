//! Which scraped target gives way where a limit is reached.
//!
//! 1. Within a tenant older pods come first: what does not fit its share displaces newer targets of that tenant.
//! 2. Between tenants the smaller comes first: what fits the share but not the limit displaces the newest targets of
//!    tenants that hold more than this one then will, the largest tenant first; and after them rule 1 applies.
//!
//! So which targets are held follows from their ages and sizes, not from the order of their scrapes: it is the same
//! after a restart. No target is displaced unless that makes room for the new one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{
    AppendError, Store,
    budget::{Budget, Charge},
    scraped::Scraped,
};
use crate::model::{Tenant, Uid};

/// The age of a target; the older is the lesser.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Age {
    pub(super) created: Timestamp,
    /// Pods of one moment differ in it.
    pub(super) uid: Uid,
    /// And the targets of one pod in this.
    pub(super) name: Arc<str>,
}

/// The targets that hold series.
#[derive(Default)]
pub(super) struct Holders(Mutex<HashMap<Tenant, BTreeMap<Age, Arc<Scraped>>, RandomState>>);

/// The right of one target to take bytes for what it shares with others.
#[derive(Clone)]
pub struct Account {
    pub(super) store: Store,
    pub(super) scraped: Arc<Scraped>,
}

/// What a target wants of a budget.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) budget: &'a Budget,
    pub(super) target: &'a Scraped,
    pub(super) more: usize,
}

impl Holders {
    pub(super) fn insert(&self, target: &Arc<Scraped>) {
        let mut tenants = self.0.lock();
        tenants.entry(target.tenant().clone()).or_default().insert(target.age().clone(), target.clone());
    }

    pub(super) fn remove(&self, target: &Scraped) {
        let mut tenants = self.0.lock();
        let Some(ages) = tenants.get_mut(target.tenant()) else { return };
        if ages.get(target.age()).is_some_and(|held| std::ptr::eq(&raw const **held, target)) {
            ages.remove(target.age());
        }
        if ages.is_empty() {
            tenants.remove(target.tenant());
        }
    }

    /// The targets of a tenant, newest first.
    fn newest_first(&self, tenant: &Tenant) -> Vec<Arc<Scraped>> {
        let tenants = self.0.lock();
        tenants.get(tenant).into_iter().flat_map(|ages| ages.values().rev()).cloned().collect()
    }
}

impl Account {
    /// Takes `bytes` of what scrapes may hold.
    ///
    /// # Errors
    /// When so many are not left for this target.
    pub fn charge(&self, bytes: usize) -> Result<Charge, AppendError> {
        let budget = &self.store.0.bytes;
        let wish = Wish { budget, target: &self.scraped, more: bytes };
        self.store.fit(wish, || budget.charge(self.tenant(), bytes))
    }

    /// Who is charged.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        self.scraped.tenant()
    }
}

impl Store {
    /// What `attempt` gives back, once enough targets have given way for it.
    pub(super) fn fit<T>(
        &self,
        wish: Wish<'_>,
        attempt: impl Fn() -> Result<T, AppendError>,
    ) -> Result<T, AppendError> {
        let refusal = match attempt() {
            Ok(done) => return Ok(done),
            Err(refusal) => refusal,
        };
        for target in self.way(wish) {
            self.displace(&target, &refusal);
            if let Ok(done) = attempt() {
                return Ok(done);
            }
        }
        wish.budget.count_refusal(&refusal);
        Err(refusal)
    }

    /// The targets that have to give way, in that order; none if they would not make room enough.
    fn way(&self, wish: Wish<'_>) -> Vec<Arc<Scraped>> {
        let lack = wish.budget.lacks(wish.target.tenant(), wish.more);
        let own = self.newer(wish.target);
        let mut own = own.iter().map(|target| (target, target.holds(wish.budget.kind()))).peekable();
        let (mut way, mut freed) = (Vec::new(), 0);
        while let Some((target, holds)) = own.next_if(|_| freed < lack.share) {
            freed += holds;
            way.push(target.clone());
        }
        if freed < lack.share {
            return Vec::new();
        }
        for target in self.larger(wish) {
            if freed >= lack.limit {
                break;
            }
            freed += target.holds(wish.budget.kind());
            way.push(target);
        }
        while let Some((target, holds)) = own.next_if(|_| freed < lack.limit) {
            freed += holds;
            way.push(target.clone());
        }
        if freed < lack.limit { Vec::new() } else { way }
    }

    /// The targets of the same tenant that are newer, newest first.
    fn newer(&self, than: &Scraped) -> Vec<Arc<Scraped>> {
        let mut own = self.0.holders.newest_first(than.tenant());
        own.retain(|target| target.age() > than.age());
        own
    }

    /// Targets of tenants that hold more than the wishing one will, down to as much.
    fn larger(&self, wish: Wish<'_>) -> Vec<Arc<Scraped>> {
        let level = wish.budget.held_by(wish.target.tenant()).saturating_add(wish.more);
        let mut tenants = wish.budget.by_tenant();
        tenants.retain(|(tenant, held)| tenant != wish.target.tenant() && *held > level);
        tenants.sort_by(|(one, less), (other, more)| more.cmp(less).then_with(|| one.cmp(other)));
        let down_to_level = |(tenant, mut held): (Tenant, usize)| {
            let mut targets = self.0.holders.newest_first(&tenant).into_iter();
            std::iter::from_fn(move || {
                let target = targets.next().filter(|_| held > level)?;
                held = held.saturating_sub(target.holds(wish.budget.kind()));
                Some(target)
            })
        };
        tenants.into_iter().flat_map(down_to_level).collect()
    }
}

/// What a target keeps alive beside its history.
pub(super) struct Kept {
    pub(super) what: Arc<dyn std::any::Any + Send + Sync>,
    pub(super) bytes: usize,
}

impl Kept {
    /// The bytes that are free when it is dropped: none while others have it too.
    pub(super) fn own_bytes(&self) -> usize {
        if Arc::strong_count(&self.what) == 1 { self.bytes } else { 0 }
    }
}

#[cfg(test)]
mod tests;
