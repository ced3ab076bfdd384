//! Places for connections: so many in all, and so many for one client.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

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
    by: HashMap<IpAddr, usize, foldhash::quality::RandomState>,
}

/// A place, free again when it is dropped.
pub(super) struct Slot {
    slots: Slots,
    client: IpAddr,
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
        if taken.all >= self.all {
            return Err(NoSlot::All);
        }
        if taken.by.get(&client).is_some_and(|count| *count >= self.per_client) {
            return Err(NoSlot::Client);
        }
        taken.all += 1;
        *taken.by.entry(client).or_default() += 1;
        drop(taken);
        Ok(Slot { slots: self.clone(), client })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(count) = taken.by.get_mut(&self.client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(slots: &Slots, client: &str) -> Option<NoSlot> {
        slots.take(client.parse().unwrap()).err()
    }

    #[test]
    fn one_client_gets_its_share_and_leaves_the_rest_to_others() {
        let slots = Slots::new(&Limits { connections: 3, connections_per_client: 2, ..Limits::default() });
        let take = |client: &str| slots.take(client.parse().unwrap()).unwrap();
        let (first, _second) = (take("10.0.0.1"), take("::ffff:10.0.0.1"));
        assert_eq!(refusal(&slots, "10.0.0.1"), Some(NoSlot::Client), "in any spelling");
        let other = take("10.0.0.2");
        assert_eq!(refusal(&slots, "10.0.0.3"), Some(NoSlot::All));
        drop(first);
        assert_eq!(refusal(&slots, "10.0.0.1"), None);
        drop(other);
        assert_eq!(slots.taken.lock().by.len(), 1, "who has gone is forgotten");
    }
}
