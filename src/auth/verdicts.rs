//! A bounded memory of review verdicts that lets one call answer everyone who asks the same.

use std::{hash::Hash, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use hashbrown::HashMap;
use moka::{Equivalent, policy::EvictionPolicy, sync::Cache};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::ReviewError;

/// Verdicts by question.
///
/// Bounded in bytes: the verdict that was used longest ago makes room. Denials have bytes of their own, because anybody
/// can cause as many of them as they like; those of callers who may do something stay. A failed call is never
/// remembered. When every request that waits for a call has gone away, the call is cancelled.
pub(super) struct Verdicts<K, V> {
    lifetimes: Lifetimes,
    lifetime: fn(&V, &Lifetimes) -> Lifetime,
    allowed: Known<K, V>,
    denied: Known<K, V>,
    calls: Mutex<Calls<K, V>>,
}

/// How many bytes verdicts may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) allowed: u64,
    pub(super) denied: u64,
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
    /// Kept among the denials.
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

type Known<K, V> = Cache<Arc<K>, Arc<Remembered<V>>, foldhash::quality::RandomState>;
type Call<V> = BoxFuture<'static, Result<(V, Origin), ReviewError>>;
type SharedCall<V> = Shared<Call<V>>;

struct Remembered<V> {
    verdict: V,
    fresh_until: Mutex<Instant>,
    usable_until: Instant,
}

/// Calls under way, with the number of each.
struct Calls<K, V> {
    by_question: HashMap<Arc<K>, (u64, WeakShared<Call<V>>), foldhash::quality::RandomState>,
    last: u64,
}

impl<V> Remembered<V> {
    fn is_fresh(&self) -> bool {
        Instant::now() < *self.fresh_until.lock()
    }
}

impl<K, V> Verdicts<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Verdicts that take `weight` bytes each.
    pub(super) fn new(
        bounds: Bounds,
        lifetimes: Lifetimes,
        lifetime: fn(&V, &Lifetimes) -> Lifetime,
        weight: fn(&K, &V) -> usize,
    ) -> Arc<Self> {
        let allowed = known(bounds.allowed, lifetimes.allowed + lifetimes.outage, weight);
        let denied = known(bounds.denied, lifetimes.denied, weight);
        let calls = Mutex::new(Calls { by_question: HashMap::default(), last: 0 });
        Arc::new(Self { lifetimes, lifetime, allowed, denied, calls })
    }

    /// The verdict, if it is known and fresh.
    pub(super) fn fresh<Q: Hash + Equivalent<Arc<K>> + ?Sized>(&self, question: &Q) -> Option<V> {
        let fresh = |known: &Known<K, V>| known.get(question).filter(|known| known.is_fresh());
        let known = fresh(&self.allowed).or_else(|| fresh(&self.denied))?;
        Some(known.verdict.clone())
    }

    /// Asks, or waits for the answer that another request is asking for already. The call may be refused; waiting for
    /// one that is under way never is.
    pub(super) async fn ask_if<E: From<ReviewError>>(
        self: &Arc<Self>,
        question: Arc<K>,
        call: impl FnOnce() -> Result<BoxFuture<'static, Result<V, ReviewError>>, E>,
    ) -> Result<(V, Origin), E> {
        Ok(self.join_or_start(question, call)?.await?)
    }

    fn join_or_start<E>(
        self: &Arc<Self>,
        question: Arc<K>,
        call: impl FnOnce() -> Result<BoxFuture<'static, Result<V, ReviewError>>, E>,
    ) -> Result<SharedCall<V>, E> {
        let mut calls = self.calls.lock();
        if let Some(shared) = calls.by_question.get(&question).and_then(|(_, shared)| shared.upgrade()) {
            return Ok(shared);
        }
        let call = call()?;
        calls.last += 1;
        let number = calls.last;
        let completion = Completion { verdicts: Arc::clone(self), question: Arc::clone(&question), number };
        let shared = async move {
            let outcome = call.await;
            completion.complete(outcome)
        };
        let shared = shared.boxed().shared();
        if let Some(weak) = shared.downgrade() {
            calls.by_question.insert(question, (number, weak));
        }
        Ok(shared)
    }

    fn remember(&self, question: Arc<K>, verdict: V) {
        let lifetime = (self.lifetime)(&verdict, &self.lifetimes);
        let fresh_until = Instant::now() + lifetime.fresh;
        let usable_until = fresh_until + lifetime.outage;
        let remembered = Remembered { verdict, fresh_until: Mutex::new(fresh_until), usable_until };
        let (known, opposite) =
            if lifetime.is_denial { (&self.denied, &self.allowed) } else { (&self.allowed, &self.denied) };
        opposite.invalidate(&question);
        known.insert(question, Arc::new(remembered));
        // At once, so that what is over the bound is gone before more comes.
        known.run_pending_tasks();
    }

    /// The verdict that an outage leaves usable. It counts as fresh for a moment, so that not every request of an
    /// outage waits for a call that is going to fail.
    fn through_outage(&self, question: &Arc<K>) -> Option<V> {
        let known = self.allowed.get(question)?;
        let now = Instant::now();
        if now >= known.usable_until {
            return None;
        }
        *known.fresh_until.lock() = known.usable_until.min(now + OUTAGE_PAUSE);
        Some(known.verdict.clone())
    }
}

fn known<K, V>(bytes: u64, lifetime: Duration, weight: fn(&K, &V) -> usize) -> Known<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder()
        .max_capacity(bytes)
        .weigher(move |question: &Arc<K>, known: &Arc<Remembered<V>>| {
            u32::try_from(weight(question, &known.verdict)).unwrap_or(u32::MAX)
        })
        .eviction_policy(EvictionPolicy::lru())
        .time_to_live(lifetime)
        .build_with_hasher(foldhash::quality::RandomState::default())
}

/// Ends a call: remembers its verdict, and clears its place even when it is cancelled.
struct Completion<K: Eq + Hash, V> {
    verdicts: Arc<Verdicts<K, V>>,
    question: Arc<K>,
    number: u64,
}

impl<K, V> Completion<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn complete(&self, outcome: Result<V, ReviewError>) -> Result<(V, Origin), ReviewError> {
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

impl<K: Eq + Hash, V> Drop for Completion<K, V> {
    fn drop(&mut self) {
        let mut calls = self.verdicts.calls.lock();
        if calls.by_question.get(&self.question).is_some_and(|(number, _)| *number == self.number) {
            calls.by_question.remove(&self.question);
        }
    }
}

const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
