//! One limit of the store: how much of it is taken, in all and by each tenant.
//!
//! A tenant takes at most its share of a limit. So what one namespace writes or exposes leaves room for the others.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::limits::{AppendError, LimitKind, Refused, Sum};
use crate::model::Tenant;

/// A limit, and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    kind: LimitKind,
    limit: usize,
    /// What one tenant may take.
    share: usize,
    taken: Mutex<Taken>,
    refused: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Tenants that hold anything.
    tenants: HashMap<Tenant, usize, RandomState>,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    tenant: Tenant,
    amount: usize,
}

impl Budget {
    /// Nothing taken of `limit`, of which one tenant may take `share`.
    pub(super) fn new(kind: LimitKind, limit: usize, share: usize) -> Arc<Self> {
        Arc::new(Self { kind, limit, share, taken: Mutex::default(), refused: Default::default() })
    }

    /// Which limit it is.
    #[must_use]
    pub fn kind(&self) -> LimitKind {
        self.kind
    }

    /// What may be taken.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What one tenant may take.
    #[must_use]
    pub fn share(&self) -> usize {
        self.share
    }

    /// What is taken.
    #[must_use]
    pub fn held(&self) -> usize {
        self.taken.lock().total
    }

    /// What each tenant has taken, in no order.
    #[must_use]
    pub fn by_tenant(&self) -> Vec<(Tenant, usize)> {
        self.taken.lock().tenants.iter().map(|(tenant, held)| (tenant.clone(), *held)).collect()
    }

    /// What `tenant` has taken.
    pub(super) fn held_by(&self, tenant: &Tenant) -> usize {
        self.taken.lock().of(tenant)
    }

    /// Whether more than half of what `tenant` may take is taken, by itself or by all.
    pub(super) fn is_crowded(&self, tenant: &Tenant) -> bool {
        let taken = self.taken.lock();
        taken.total > self.limit / 2 || taken.of(tenant) > self.share / 2
    }

    /// Takes `more` for `tenant`.
    ///
    /// # Errors
    /// When so much is not left of the limit, or of the tenant's share.
    pub(super) fn take(&self, tenant: &Tenant, more: usize) -> Result<(), AppendError> {
        let mut taken = self.taken.lock();
        self.fits(&taken, tenant, more)?;
        taken.add(tenant, more);
        Ok(())
    }

    /// Takes `amount` for as long as the charge lives.
    pub(super) fn charge(self: &Arc<Self>, tenant: &Tenant, amount: usize) -> Result<Charge, AppendError> {
        self.take(tenant, amount)?;
        Ok(Charge { budget: Arc::clone(self), tenant: tenant.clone(), amount })
    }

    /// Whether `more` is left for `tenant`; says why not.
    pub(super) fn check(&self, tenant: &Tenant, more: usize) -> Result<(), AppendError> {
        self.fits(&self.taken.lock(), tenant, more)
    }

    /// Replaces one amount by another, fitting or not.
    pub(super) fn recount(&self, tenant: &Tenant, before: usize, after: usize) {
        let mut taken = self.taken.lock();
        taken.add(tenant, after);
        taken.remove(tenant, before);
    }

    pub(super) fn give_back(&self, tenant: &Tenant, amount: usize) {
        self.taken.lock().remove(tenant, amount);
    }

    /// Counts what was refused for good, by the limit that refused it.
    pub(super) fn count_refusal(&self, refusal: &AppendError) {
        let [by_share, by_limit] = &self.refused;
        let count = if refusal.is_share() { by_share } else { by_limit };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// What was refused so far.
    #[must_use]
    pub fn refused(&self) -> Refused {
        let [share, limit] = &self.refused;
        Refused {
            kind: self.kind,
            share: share.load(Ordering::Relaxed),
            limit: limit.load(Ordering::Relaxed),
        }
    }

    /// What `more` for `tenant` would need of its own share, and of what all tenants hold, to be given back first.
    pub(super) fn lacks(&self, tenant: &Tenant, more: usize) -> Lack {
        let taken = self.taken.lock();
        let beyond = |held: usize, limit: usize| held.saturating_add(more).saturating_sub(limit);
        Lack { share: beyond(taken.of(tenant), self.share), limit: beyond(taken.total, self.limit) }
    }

    fn fits(&self, taken: &Taken, tenant: &Tenant, more: usize) -> Result<(), AppendError> {
        let held = taken.of(tenant);
        if more == 0 {
            Ok(())
        } else if held.saturating_add(more) > self.share && self.share < self.limit {
            Err(self.kind.over_share(tenant, Sum { held, new: more, limit: self.share }))
        } else if taken.total.saturating_add(more) > self.limit {
            Err(self.kind.over_limit(Sum { held: taken.total, new: more, limit: self.limit }))
        } else {
            Ok(())
        }
    }
}

/// What has to be given back before something fits; nothing lacks where it fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lack {
    /// By the tenant itself.
    pub(super) share: usize,
    /// By anybody.
    pub(super) limit: usize,
}

impl Taken {
    fn of(&self, tenant: &Tenant) -> usize {
        self.tenants.get(tenant).copied().unwrap_or_default()
    }

    fn add(&mut self, tenant: &Tenant, amount: usize) {
        if amount == 0 {
            return;
        }
        self.total += amount;
        match self.tenants.get_mut(tenant) {
            Some(held) => *held += amount,
            None => _ = self.tenants.insert(tenant.clone(), amount),
        }
    }

    fn remove(&mut self, tenant: &Tenant, amount: usize) {
        let Some(held) = self.tenants.get_mut(tenant) else { return };
        let amount = amount.min(*held);
        *held -= amount;
        if *held == 0 {
            self.tenants.remove(tenant);
        }
        self.total -= amount;
    }
}

impl Charge {
    /// Who it is charged to.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// How much it is.
    #[must_use]
    pub fn amount(&self) -> usize {
        self.amount
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(&self.tenant, self.amount);
    }
}
