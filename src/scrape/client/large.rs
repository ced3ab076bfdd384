//! Places for large bodies. Most bodies are small, and as many of those as there may be scrapes fit into memory; of the
//! largest they do not.
//!
//! A place is lent: whoever has waited for one as long as [`LENT`] takes it from the body that has been read the longest,
//! if that has had it as long. Bodies that begin and do not end hold up the others for moments, not for good.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::super::turns::{Turn, Turns};
use crate::model::Tenant;

/// What a body has to exceed to need a place.
pub(super) const FROM_BYTES: usize = 256 << 10;

/// The largest body comes within this, unless its sender or the network is in trouble.
pub(super) const LENT: Duration = Duration::from_secs(1);

/// The places of one scraper.
pub(super) struct Places {
    free: Turns,
    readers: Arc<Mutex<Readers>>,
}

/// Who reads in a place and since when, by number, which is by age.
#[derive(Debug, Default)]
struct Readers {
    last: u64,
    reading: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// A place, free again when it is dropped.
pub(super) struct Place {
    _turn: Turn,
    number: u64,
    readers: Arc<Mutex<Readers>>,
    taken: CancellationToken,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Turns::new(count), readers: Arc::default() }
    }

    /// Waits for a place. A body that holds one never waits for another, so this ends with somebody's timeout.
    pub(super) async fn take(&self, tenant: &Tenant) -> Place {
        let mut free = pin!(self.free.take(tenant));
        loop {
            match timeout(LENT, free.as_mut()).await {
                Ok(turn) => return self.occupy(turn),
                Err(_) => self.readers.lock().displace(),
            }
        }
    }

    fn occupy(&self, turn: Turn) -> Place {
        let taken = CancellationToken::new();
        let mut readers = self.readers.lock();
        readers.last += 1;
        let number = readers.last;
        readers.reading.insert(number, (Instant::now(), taken.clone()));
        drop(readers);
        Place { _turn: turn, number, readers: Arc::clone(&self.readers), taken }
    }
}

impl Place {
    /// Returns when somebody else needs the place.
    pub(super) async fn taken(&self) {
        self.taken.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.lock().reading.remove(&self.number);
    }
}

impl Readers {
    fn displace(&mut self) {
        let Some(oldest) = self.reading.first_entry() else { return };
        if oldest.get().0.elapsed() >= LENT {
            oldest.remove().1.cancel();
        }
    }
}
