//! A bounded memory of review verdicts that lets one call answer everyone who asks the same.

use std::{collections::VecDeque, hash::Hash, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use hashbrown::{Equivalent, HashMap};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ReviewError;

/// Verdicts by question.
///
/// Bounded by `capacity`: the oldest verdict makes room. Denials fill half of it at most, and never take the room of
/// what is allowed. A failed call is never remembered. When every request that waits for a call has gone away, the
/// call is cancelled.
pub(super) struct Verdicts<K, V> {
    capacity: usize,
    lifetime: fn(&V, &Lifetimes) -> Lifetime,
    lifetimes: Lifetimes,
    state: Mutex<State<K, V>>,
}

/// How long verdicts are used, by what they say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) allowed: Duration,
    pub(super) denied: Duration,
    /// How much longer an allowed verdict serves when the call that should renew it finds no kube-apiserver.
    pub(super) outage: Duration,
}

/// How long one verdict is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lifetime {
    pub(super) fresh: Duration,
    /// Counted from the end of `fresh`.
    pub(super) outage: Duration,
    /// A denial. Anybody can cause as many of them as they like, so they are remembered in one half of the memory
    /// only: the verdicts of those who may do something stay.
    pub(super) is_denial: bool,
}

/// Where an answer came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// A call was made, or one that was under way was waited for.
    Call,
    /// The call found no kube-apiserver, and a verdict that had run out was used instead.
    Outage,
}

type Call<V> = BoxFuture<'static, Result<(V, Origin), ReviewError>>;
type Flight<V> = Shared<Call<V>>;
type Flights<K, V> = HashMap<Arc<K>, (u64, WeakShared<Call<V>>), foldhash::quality::RandomState>;

type Known<K, V> = HashMap<Arc<K>, Remembered<V>, foldhash::quality::RandomState>;
/// Insertion order with the sequence number of each; entries whose number is not the verdict's are obsolete.
type Order<K> = VecDeque<(Arc<K>, u64)>;

struct State<K, V> {
    verdicts: Known<K, V>,
    allowed: Order<K>,
    /// A queue of their own: each is run out before those behind it are, and no allowance that an outage could still
    /// use stands in front of them.
    denied: Order<K>,
    /// Calls under way, with the sequence number of each.
    flights: Flights<K, V>,
    sequence: u64,
}

struct Remembered<V> {
    verdict: V,
    sequence: u64,
    fresh_until: Instant,
    usable_until: Instant,
}

impl<K, V> Verdicts<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(
        capacity: usize,
        lifetimes: Lifetimes,
        lifetime: fn(&V, &Lifetimes) -> Lifetime,
    ) -> Arc<Self> {
        let state = State {
            verdicts: HashMap::default(),
            allowed: Order::new(),
            denied: Order::new(),
            flights: HashMap::default(),
            sequence: 0,
        };
        Arc::new(Self { capacity, lifetime, lifetimes, state: Mutex::new(state) })
    }

    /// The verdict, if it is known and fresh.
    pub(super) fn fresh<Q: Hash + Equivalent<Arc<K>> + ?Sized>(&self, question: &Q) -> Option<V> {
        let state = self.state.lock();
        let known = state.verdicts.get(question)?;
        (Instant::now() < known.fresh_until).then(|| known.verdict.clone())
    }

    /// Asks, or waits for the answer that another request is asking for already. The call may be refused; waiting for
    /// one that is under way never is.
    pub(super) async fn ask_if<E: From<ReviewError>>(
        self: &Arc<Self>,
        question: Arc<K>,
        call: impl FnOnce() -> Result<BoxFuture<'static, Result<V, ReviewError>>, E>,
    ) -> Result<(V, Origin), E> {
        Ok(self.board(question, call)?.await?)
    }

    fn board<E>(
        self: &Arc<Self>,
        question: Arc<K>,
        call: impl FnOnce() -> Result<BoxFuture<'static, Result<V, ReviewError>>, E>,
    ) -> Result<Flight<V>, E> {
        let mut state = self.state.lock();
        if let Some(flight) = state.flights.get(&question).and_then(|(_, flight)| flight.upgrade()) {
            return Ok(flight);
        }
        let call = call()?;
        state.sequence += 1;
        let sequence = state.sequence;
        let landing = Landing { verdicts: Arc::clone(self), question: Arc::clone(&question), sequence };
        let flight = async move {
            let outcome = call.await;
            landing.settle(outcome)
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(question, (sequence, weak));
        }
        Ok(flight)
    }

    fn remember(&self, question: Arc<K>, verdict: V) {
        let lifetime = (self.lifetime)(&verdict, &self.lifetimes);
        let now = Instant::now();
        let fresh_until = now + lifetime.fresh;
        let usable_until = fresh_until + lifetime.outage;
        let mut state = self.state.lock();
        state.make_room(self.capacity, now);
        let is_full = state.denied.len() >= self.capacity / 2 || state.verdicts.len() >= self.capacity;
        if lifetime.is_denial && is_full {
            state.verdicts.remove(&question);
            return;
        }
        state.sequence += 1;
        let sequence = state.sequence;
        let order = if lifetime.is_denial { &mut state.denied } else { &mut state.allowed };
        order.push_back((Arc::clone(&question), sequence));
        state.verdicts.insert(question, Remembered { verdict, sequence, fresh_until, usable_until });
        state.make_room(self.capacity, now);
    }

    /// The verdict that an outage leaves usable. It counts as fresh for a moment, so that not every request of an
    /// outage waits for a call that is going to fail.
    fn through_outage(&self, question: &Arc<K>) -> Option<V> {
        let mut state = self.state.lock();
        let known = state.verdicts.get_mut(question)?;
        let now = Instant::now();
        if now >= known.usable_until {
            return None;
        }
        known.fresh_until = known.usable_until.min(now + OUTAGE_PAUSE);
        Some(known.verdict.clone())
    }
}

impl<K: Eq + Hash, V> State<K, V> {
    /// Drops obsolete and run-out verdicts from the old ends, then whatever is over the bounds, denials first.
    fn make_room(&mut self, capacity: usize, now: Instant) {
        shorten(&mut self.denied, &mut self.verdicts, capacity, now);
        shorten(&mut self.allowed, &mut self.verdicts, capacity, now);
    }
}

fn shorten<K: Eq + Hash, V>(order: &mut Order<K>, verdicts: &mut Known<K, V>, capacity: usize, now: Instant) {
    while let Some((question, sequence)) = order.front() {
        let known = verdicts.get(question).filter(|known| known.sequence == *sequence);
        let current = known.is_some_and(|known| now < known.usable_until);
        let over = verdicts.len() > capacity || order.len() > capacity.saturating_mul(2);
        if current && !over {
            return;
        }
        if known.is_some() {
            verdicts.remove(question);
        }
        order.pop_front();
    }
}

/// Ends a call: remembers its verdict, and clears its place even when it is cancelled.
struct Landing<K: Eq + Hash, V> {
    verdicts: Arc<Verdicts<K, V>>,
    question: Arc<K>,
    sequence: u64,
}

impl<K, V> Landing<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn settle(&self, outcome: Result<V, ReviewError>) -> Result<(V, Origin), ReviewError> {
        match outcome {
            Ok(verdict) => {
                self.verdicts.remember(Arc::clone(&self.question), verdict.clone());
                Ok((verdict, Origin::Call))
            }
            Err(error) if error.failure.is_outage() => {
                let usable = self.verdicts.through_outage(&self.question);
                usable.map(|verdict| (verdict, Origin::Outage)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut state = self.verdicts.state.lock();
        if state.flights.get(&self.question).is_some_and(|(sequence, _)| *sequence == self.sequence) {
            state.flights.remove(&self.question);
        }
    }
}

const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
