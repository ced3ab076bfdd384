//! Places for connections: so many in all, and so many for one client.
//!
//! When all are taken, a client that has few connections gets the place of the oldest one of the client that has most.
//! So a crowd of a few addresses keeps out neither kubelet's probes nor kube-apiserver. A connection whose certificate
//! was accepted never gives way.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Limits;

/// The places of one listener. Cheap to clone.
#[derive(Clone)]
pub(super) struct Slots {
    all: usize,
    per_client: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    next: u64,
    by: HashMap<IpAddr, Held, foldhash::quality::RandomState>,
}

/// The connections of one client, the oldest first.
type Held = BTreeMap<u64, Claim>;

/// What the holder of a place and the other connections share of it.
#[derive(Clone, Default)]
pub(super) struct Claim {
    gives_way: CancellationToken,
    is_kept: Arc<AtomicBool>,
}

/// A place, free again when it is dropped.
pub(super) struct Slot {
    slots: Slots,
    client: IpAddr,
    number: u64,
    pub(super) claim: Claim,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoSlot {
    /// None is left.
    All,
    /// This client has its share.
    Client,
}

impl Slots {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { all: limits.connections, per_client: limits.connections_per_client, taken: Arc::default() }
    }

    /// A place for a connection of `client`.
    pub(super) fn take(&self, client: IpAddr) -> Result<Slot, NoSlot> {
        let client = client.to_canonical();
        let mut taken = self.taken.lock();
        let own = taken.by.get(&client).map_or(0, Held::len);
        if own >= self.per_client {
            return Err(NoSlot::Client);
        }
        if taken.all >= self.all && !taken.makes_room(own) {
            return Err(NoSlot::All);
        }
        let (number, claim) = (taken.next, Claim::default());
        taken.next += 1;
        taken.all += 1;
        taken.by.entry(client).or_default().insert(number, claim.clone());
        drop(taken);
        Ok(Slot { slots: self.clone(), client, number, claim })
    }
}

impl Taken {
    /// Lets go of the oldest connection of the client that has most of them, if it has more than one that has `own`, and
    /// one more, would.
    fn makes_room(&mut self, own: usize) -> bool {
        let gives_way = |held: &Held| held.values().filter(|claim| !claim.is_kept()).count();
        let most = self.by.iter().map(|(client, held)| (gives_way(held), *client)).max();
        let Some((_, client)) = most.filter(|(count, _)| *count > own + 1) else { return false };
        let Some(held) = self.by.get(&client) else { return false };
        let oldest = held.iter().find(|(_, claim)| !claim.is_kept());
        let Some((number, claim)) = oldest.map(|(number, claim)| (*number, claim.clone())) else {
            return false;
        };
        claim.gives_way.cancel();
        self.free(client, number);
        true
    }

    fn free(&mut self, client: IpAddr, number: u64) {
        let Some(held) = self.by.get_mut(&client) else { return };
        // One that gave way is free already.
        self.all -= usize::from(held.remove(&number).is_some());
        if held.is_empty() {
            self.by.remove(&client);
        }
    }
}

impl Claim {
    /// Until the place is wanted for somebody else.
    pub(super) async fn wanted(&self) {
        self.gives_way.cancelled().await;
    }

    /// From now on it never gives way.
    pub(super) fn keep(&self) {
        self.is_kept.store(true, Ordering::Relaxed);
    }

    fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken.lock().free(self.client, self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(connections: usize, connections_per_client: usize) -> Slots {
        Slots::new(&Limits { connections, connections_per_client, ..Limits::default() })
    }

    fn take(slots: &Slots, client: &str) -> Result<Slot, NoSlot> {
        slots.take(client.parse().unwrap())
    }

    fn gave_way(held: &[Slot]) -> Vec<bool> {
        held.iter().map(|slot| slot.claim.gives_way.is_cancelled()).collect()
    }

    #[test]
    fn one_client_gets_its_share_and_leaves_the_rest_to_others() {
        let slots = slots(3, 2);
        let (first, _second) = (take(&slots, "10.0.0.1").unwrap(), take(&slots, "::ffff:10.0.0.1").unwrap());
        assert_eq!(take(&slots, "10.0.0.1").err(), Some(NoSlot::Client), "in any spelling");
        let other = take(&slots, "10.0.0.2").unwrap();
        assert_eq!(take(&slots, "10.0.0.2").err(), Some(NoSlot::All), "nobody has more");
        drop(first);
        assert!(take(&slots, "10.0.0.1").is_ok());
        drop(other);
        assert_eq!(slots.taken.lock().by.len(), 1, "who has gone is forgotten");
    }

    #[test]
    fn a_newcomer_gets_the_oldest_place_of_the_client_that_has_most() {
        let slots = slots(5, 4);
        let few = take(&slots, "10.0.0.1").unwrap();
        let crowd: Vec<Slot> = (0..4).map(|_| take(&slots, "10.0.0.2").unwrap()).collect();
        let newcomers: Vec<Slot> =
            ["10.0.0.3", "10.0.0.4"].iter().map(|client| take(&slots, client).unwrap()).collect();
        assert_eq!(gave_way(&crowd), [true, true, false, false]);
        assert!(!few.claim.gives_way.is_cancelled());
        assert_eq!(slots.taken.lock().all, 5);
        drop(crowd);
        assert_eq!(slots.taken.lock().all, 3, "who gave way is not counted twice");
        drop((few, newcomers));
        assert!(slots.taken.lock().by.is_empty());
    }

    #[test]
    fn nobody_gives_way_to_a_client_that_would_have_as_many() {
        let slots = slots(4, 4);
        let held: Vec<Slot> =
            ["a::1", "a::1", "a::2", "a::2"].iter().map(|client| take(&slots, client).unwrap()).collect();
        assert_eq!(take(&slots, "a::1").err(), Some(NoSlot::All));
        assert!(take(&slots, "a::3").is_ok(), "who has none has fewer");
        assert_eq!(gave_way(&held).into_iter().filter(|gone| *gone).count(), 1);
    }

    #[test]
    fn a_connection_that_is_kept_never_gives_way() {
        let slots = slots(3, 3);
        let held: Vec<Slot> = (0..3).map(|_| take(&slots, "10.0.0.1").unwrap()).collect();
        held.iter().for_each(|slot| slot.claim.keep());
        assert_eq!(take(&slots, "10.0.0.2").err(), Some(NoSlot::All));
        assert_eq!(gave_way(&held), [false; 3]);
    }
}
