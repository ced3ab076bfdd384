//! Turns: a semaphore whose permits go round between namespaces.
//!
//! - A free permit goes to the waiting namespace that holds the fewest; of equals to the one that was served the longest
//!   ago. So one target of a small namespace does not wait for a thousand of a large one.
//! - A namespace takes no permit while it holds [`HOLD`] times as many as are free. So however long it keeps them, and
//!   although it may have nearly all, some are left for namespaces that come later.
//!
//! Within a namespace it is first come, first served.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::model::Tenant;

/// Permits. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<Queue>>);

/// A permit, free again when it is dropped.
pub(super) struct Turn {
    turns: Turns,
    tenant: Tenant,
}

struct Queue {
    permits: usize,
    free: usize,
    /// How many permits each namespace holds, where it holds any.
    held: HashMap<Tenant, usize, RandomState>,
    waiting: HashMap<Tenant, VecDeque<oneshot::Sender<()>>, RandomState>,
    /// The namespaces that wait, the one first that was served the longest ago.
    order: VecDeque<Tenant>,
}

/// A place in the queue. A permit that comes when nobody waits for it any more goes on to the next.
struct Waiting {
    turns: Turns,
    tenant: Tenant,
    permit: oneshot::Receiver<()>,
}

impl Turns {
    pub(super) fn new(permits: usize) -> Self {
        let permits = permits.max(1);
        Self(Arc::new(Mutex::new(Queue {
            permits,
            free: permits,
            held: HashMap::default(),
            waiting: HashMap::default(),
            order: VecDeque::new(),
        })))
    }

    /// Waits for a permit.
    pub(super) async fn take(&self, tenant: &Tenant) -> Turn {
        let permit = {
            let mut queue = self.0.lock();
            let permit = queue.join(tenant);
            queue.serve();
            permit
        };
        Waiting { turns: self.clone(), tenant: tenant.clone(), permit }.turn().await
    }

    /// A permit, if one is free and nobody waits for it.
    pub(super) fn try_take(&self, tenant: &Tenant) -> Option<Turn> {
        let mut queue = self.0.lock();
        (queue.order.is_empty() && queue.may_have(tenant)).then(|| {
            queue.hand_to(tenant);
            Turn { turns: self.clone(), tenant: tenant.clone() }
        })
    }

    /// Whether somebody waits.
    pub(super) fn is_contended(&self) -> bool {
        !self.0.lock().order.is_empty()
    }

    /// How many permits there are.
    pub(super) fn permits(&self) -> usize {
        self.0.lock().permits
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        let queue = self.0.lock();
        queue.permits - queue.free
    }

    fn give_back(&self, tenant: &Tenant) {
        let mut queue = self.0.lock();
        queue.release(tenant);
        queue.serve();
    }
}

impl Turn {
    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }
}

impl Waiting {
    async fn turn(mut self) -> Turn {
        // The queue lives as long as this does, so the other end is not dropped.
        let _ = (&mut self.permit).await;
        Turn { turns: self.turns.clone(), tenant: self.tenant.clone() }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.permit.close();
        // What was received is not there a second time.
        if self.permit.try_recv().is_ok() {
            self.turns.give_back(&self.tenant);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.give_back(&self.tenant);
    }
}

impl Queue {
    fn join(&mut self, tenant: &Tenant) -> oneshot::Receiver<()> {
        let (permit, receiver) = oneshot::channel();
        match self.waiting.get_mut(tenant) {
            Some(waiting) => waiting.push_back(permit),
            None => {
                self.waiting.insert(tenant.clone(), VecDeque::from([permit]));
                self.order.push_back(tenant.clone());
            }
        }
        receiver
    }

    fn release(&mut self, tenant: &Tenant) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(tenant) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(tenant);
            }
        }
    }

    /// Hands out permits for as long as somebody may have one.
    fn serve(&mut self) {
        while let Some(next) = self.next() {
            let Some(tenant) = self.order.remove(next) else { return };
            let waiting = self.waiting.get_mut(&tenant);
            let Some(permit) = waiting.and_then(VecDeque::pop_front) else { return };
            if permit.send(()).is_ok() {
                self.hand_to(&tenant);
            }
            self.requeue(tenant);
        }
    }

    /// The place in the order of the namespace that a permit goes to.
    fn next(&self) -> Option<usize> {
        let may = self.order.iter().enumerate().filter(|(_, tenant)| self.may_have(tenant));
        may.min_by_key(|(_, tenant)| self.held_by(tenant)).map(|(place, _)| place)
    }

    fn may_have(&self, tenant: &Tenant) -> bool {
        self.held_by(tenant) < HOLD * self.free
    }

    fn held_by(&self, tenant: &Tenant) -> usize {
        self.held.get(tenant).copied().unwrap_or_default()
    }

    fn hand_to(&mut self, tenant: &Tenant) {
        self.free -= 1;
        *self.held.entry(tenant.clone()).or_default() += 1;
    }

    /// Puts a namespace behind the others, if more of it wait.
    fn requeue(&mut self, tenant: Tenant) {
        if self.waiting.get(&tenant).is_some_and(|waiting| !waiting.is_empty()) {
            self.order.push_back(tenant);
        } else {
            self.waiting.remove(&tenant);
        }
    }
}

/// One namespace alone gets three quarters of the permits, two get three sevenths each, and so on: what they leave is for
/// those that come later, each of which may have at least one.
const HOLD: usize = 3;

#[cfg(test)]
mod tests;
