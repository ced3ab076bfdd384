//! The bodies that are arriving, or are there and wait to be stored: how many there may be, and how much memory what has come of them may take.
//!
//! A body that is complete is mostly here for an instant; one that is half sent stays until its deadline. So when room runs
//! out the body goes that has been arriving the longest: whoever only begins bodies displaces themselves, and a write
//! that is sent in one go always finds room.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What all arriving bodies together may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Room {
    /// How many of them.
    pub(super) bodies: usize,
    /// What has arrived of them, in bytes.
    pub(super) bytes: usize,
}

/// The room of the write port: 32 batches of the largest size, so that they fit beside everything else with buffers
/// that may be twice as large.
pub(super) const ROOM: Room = Room { bodies: 2_048, bytes: 32 << 20 };

/// All bodies that are arriving. Cheap to clone.
#[derive(Clone)]
pub(super) struct Arrivals {
    room: Room,
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Default)]
struct UnderWay {
    /// By number, which is by age.
    bodies: BTreeMap<u64, Body>,
    bytes: usize,
    last: u64,
}

struct Body {
    bytes: usize,
    displaced: CancellationToken,
}

/// One arriving body; leaves the books when it is dropped.
pub(super) struct Arrival {
    arrivals: Arrivals,
    number: u64,
    displaced: CancellationToken,
}

impl Arrivals {
    pub(super) fn new(room: Room) -> Self {
        Self { room, under_way: Arc::default() }
    }

    /// A body begins.
    pub(super) fn begin(&self) -> Arrival {
        let displaced = CancellationToken::new();
        let mut under_way = self.under_way.lock();
        under_way.last += 1;
        let number = under_way.last;
        under_way.bodies.insert(number, Body { bytes: 0, displaced: displaced.clone() });
        under_way.make_room(self.room);
        drop(under_way);
        Arrival { arrivals: self.clone(), number, displaced }
    }
}

impl Arrival {
    /// Says how many bytes of the body are held now.
    pub(super) fn holds(&self, bytes: usize) {
        let mut under_way = self.arrivals.under_way.lock();
        let Some(body) = under_way.bodies.get_mut(&self.number) else { return };
        let before = std::mem::replace(&mut body.bytes, bytes);
        under_way.bytes = under_way.bytes.saturating_sub(before).saturating_add(bytes);
        under_way.make_room(self.arrivals.room);
    }

    /// Returns when newer bodies have taken this one's room.
    pub(super) async fn displaced(&self) {
        self.displaced.cancelled().await;
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.arrivals.under_way.lock().leave(self.number);
    }
}

impl UnderWay {
    fn make_room(&mut self, room: Room) {
        while self.bodies.len() > room.bodies || self.bytes > room.bytes {
            let Some(oldest) = self.bodies.keys().next().copied() else { return };
            self.leave(oldest);
        }
    }

    fn leave(&mut self, number: u64) {
        if let Some(body) = self.bodies.remove(&number) {
            self.bytes = self.bytes.saturating_sub(body.bytes);
            body.displaced.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_displaced(arrival: &Arrival) -> bool {
        arrival.displaced.is_cancelled()
    }

    #[test]
    fn one_body_too_many_displaces_the_one_that_began_first() {
        let arrivals = Arrivals::new(Room { bodies: 2, bytes: 100 });
        let [first, second, third] = [arrivals.begin(), arrivals.begin(), arrivals.begin()];
        assert_eq!([&first, &second, &third].map(is_displaced), [true, false, false]);
    }

    #[test]
    fn bytes_too_many_displace_the_oldest_bodies_and_whoever_leaves_makes_room() {
        let arrivals = Arrivals::new(Room { bodies: 10, bytes: 100 });
        let [first, second, third] = [arrivals.begin(), arrivals.begin(), arrivals.begin()];
        first.holds(40);
        second.holds(40);
        third.holds(20);
        assert_eq!([&first, &second, &third].map(is_displaced), [false; 3]);
        drop(second);
        third.holds(60);
        assert_eq!([&first, &third].map(is_displaced), [false; 2]);
        third.holds(61);
        assert_eq!([&first, &third].map(is_displaced), [true, false]);
        assert_eq!(arrivals.under_way.lock().bytes, 61);
    }

    #[test]
    fn what_has_left_counts_no_more() {
        let arrivals = Arrivals::new(Room { bodies: 1, bytes: 100 });
        let first = arrivals.begin();
        first.holds(100);
        let second = arrivals.begin();
        first.holds(100);
        drop(first);
        second.holds(100);
        assert!(!is_displaced(&second));
        drop(second);
        let under_way = arrivals.under_way.lock();
        assert_eq!((under_way.bytes, under_way.bodies.len()), (0, 0));
    }
}
