//! A budget of bytes for what is arriving and not complete: heads of requests, and bodies of writes.
//!
//! What is complete is mostly here for an instant; what is half sent stays until its deadline. So when the budget runs
//! out, what has been arriving the longest is displaced: a client that only begins displaces itself, and a request
//! that is sent in one go always finds room.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What all holders together may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// How many of them.
    pub holders: usize,
    /// What they hold, in bytes.
    pub bytes: usize,
}

/// What is arriving. Cheap to clone.
#[derive(Clone)]
pub struct ByteBudget {
    room: Room,
    held: Arc<Mutex<Holders>>,
}

#[derive(Default)]
struct Holders {
    /// By number, which is by age.
    holders: BTreeMap<u64, Holder>,
    bytes: usize,
    last: u64,
}

struct Holder {
    bytes: usize,
    displaced: CancellationToken,
}

/// What one holder has of a budget, given back when it is dropped.
pub struct Share {
    budget: ByteBudget,
    number: u64,
    displaced: CancellationToken,
}

impl ByteBudget {
    /// A budget of this size.
    #[must_use]
    pub fn new(room: Room) -> Self {
        Self { room, held: Arc::default() }
    }

    /// A holder begins.
    #[must_use]
    pub fn begin(&self) -> Share {
        let displaced = CancellationToken::new();
        let mut held = self.held.lock();
        held.last += 1;
        let number = held.last;
        held.holders.insert(number, Holder { bytes: 0, displaced: displaced.clone() });
        held.make_room(self.room);
        drop(held);
        Share { budget: self.clone(), number, displaced }
    }
}

impl Share {
    /// Says how many bytes the holder has now.
    pub fn holds(&self, bytes: usize) {
        let mut held = self.budget.held.lock();
        let Some(holder) = held.holders.get_mut(&self.number) else { return };
        let before = std::mem::replace(&mut holder.bytes, bytes);
        held.bytes = held.bytes.saturating_sub(before).saturating_add(bytes);
        held.make_room(self.budget.room);
    }

    /// Returns when newer holders have taken this one's room.
    pub async fn displaced(&self) {
        self.displaced.cancelled().await;
    }

    /// Cancelled when newer holders have taken this one's room.
    pub(super) fn token(&self) -> CancellationToken {
        self.displaced.clone()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.lock().remove(self.number);
    }
}

impl Holders {
    fn make_room(&mut self, room: Room) {
        while self.holders.len() > room.holders || self.bytes > room.bytes {
            let Some(oldest) = self.holders.keys().next().copied() else { return };
            if let Some(displaced) = self.remove(oldest) {
                displaced.cancel();
            }
        }
    }

    fn remove(&mut self, number: u64) -> Option<CancellationToken> {
        let holder = self.holders.remove(&number)?;
        self.bytes = self.bytes.saturating_sub(holder.bytes);
        Some(holder.displaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(share: &Share) -> bool {
        share.displaced.is_cancelled()
    }

    #[test]
    fn one_holder_too_many_displaces_the_one_that_began_first() {
        let budget = ByteBudget::new(Room { holders: 2, bytes: 100 });
        let [first, second, third] = [budget.begin(), budget.begin(), budget.begin()];
        assert_eq!([&first, &second, &third].map(is_displaced), [true, false, false]);
    }

    #[test]
    fn bytes_too_many_displace_the_oldest_holders_and_whoever_leaves_makes_room() {
        let budget = ByteBudget::new(Room { holders: 10, bytes: 100 });
        let [first, second, third] = [budget.begin(), budget.begin(), budget.begin()];
        first.holds(40);
        second.holds(40);
        third.holds(20);
        assert_eq!([&first, &second, &third].map(is_displaced), [false; 3]);
        drop(second);
        third.holds(60);
        assert_eq!([&first, &third].map(is_displaced), [false; 2]);
        third.holds(61);
        assert_eq!([&first, &third].map(is_displaced), [true, false]);
        assert_eq!(budget.held.lock().bytes, 61);
    }

    #[test]
    fn what_has_left_counts_no_more() {
        let budget = ByteBudget::new(Room { holders: 1, bytes: 100 });
        let first = budget.begin();
        first.holds(100);
        let second = budget.begin();
        first.holds(100);
        drop(first);
        second.holds(100);
        assert!(!is_displaced(&second));
        drop(second);
        let held = budget.held.lock();
        assert_eq!((held.bytes, held.holders.len()), (0, 0));
    }
}
