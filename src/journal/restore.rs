//! The values of an earlier process come back.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::{JournalFile, OpenError, record::Received};
use crate::{
    model::{GroupResource, Subject},
    store::Store,
};

/// What became of the records of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Values that are served again.
    pub values: usize,
    /// Values whose ttl had passed.
    pub expired: usize,
    /// Values that were received too long ago.
    pub too_old: usize,
    /// Values for which the limits of the store have no room.
    pub refused: usize,
    /// Records that could not be read.
    pub unreadable: usize,
    /// How long the file was read.
    pub took: Duration,
    /// The resources of the objects that values came back for.
    pub resources: Vec<GroupResource>,
}

/// Fills an empty store from `file`. A value has the moment at which it was received, so its ttl counts on; a value that
/// was received more than `max_age` ago stays out.
///
/// # Errors
/// When the file cannot be read.
pub fn restore(
    file: &mut JournalFile,
    store: &Store,
    max_age: Option<SignedDuration>,
    now: Timestamp,
) -> Result<Restored, OpenError> {
    let (mut restored, begun) = (Restored::default(), Instant::now());
    let unreadable = file.read(|received| restored.add(received, store, max_age, now))?;
    restored.resources.sort();
    restored.resources.dedup();
    Ok(Restored { unreadable, took: begun.elapsed(), ..restored })
}

impl Restored {
    fn add(&mut self, received: Received, store: &Store, max_age: Option<SignedDuration>, now: Timestamp) {
        let Received { write, at } = received;
        let age = now.duration_since(at);
        if write.ttl.is_some_and(|ttl| age >= ttl) {
            self.expired += 1;
        } else if max_age.is_some_and(|max_age| age > max_age) {
            self.too_old += 1;
        } else {
            self.put(write, at, store);
        }
    }

    fn put(&mut self, write: crate::store::Write, at: Timestamp, store: &Store) {
        let resource = match &write.subject {
            Subject::Object(object) => object.resource.clone(),
            Subject::External { .. } => GroupResource::namespaces(),
        };
        if store.append(vec![write], at).is_err() {
            self.refused += 1;
            return;
        }
        self.values += 1;
        if self.resources.last() != Some(&resource) {
            self.resources.push(resource);
        }
    }
}
