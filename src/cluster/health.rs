//! How a watch is.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::watch::Failure;
use crate::model::GroupResource;

/// One watched resource, for metrics and the status page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchStatus {
    /// What is watched.
    pub resource: GroupResource,
    /// Whether it has been listed, so that it answers.
    pub synced: bool,
    /// How many objects are in memory.
    pub objects: usize,
    /// How long ago the watch last brought something; a quiet resource brings nothing for long.
    pub last_event_age: Option<Duration>,
    /// How many lists have been completed; more than one means that events were missed.
    pub lists: u64,
    /// How often the watch was interrupted by an error.
    pub failures: u64,
    /// The last error and its age, unless an event has come since. A watch that is still failing has an error
    /// that is younger than the longest pause between attempts.
    pub last_error: Option<(String, Duration)>,
}

/// What the watch task notes down.
#[derive(Default)]
pub(super) struct Health {
    /// Why we may not list the resource.
    forbidden: ArcSwapOption<String>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    last_event: Option<Instant>,
    lists: u64,
    failures: u64,
    last_error: Option<(String, Instant)>,
}

impl Health {
    /// kube-apiserver's reason, when it refuses to list or watch the resource.
    pub(super) fn forbidden(&self) -> Option<Arc<String>> {
        self.forbidden.load_full()
    }

    /// The last error, if nothing has come since.
    pub(super) fn last_error(&self) -> Option<String> {
        self.notes.lock().last_error.as_ref().map(|(error, _)| error.clone())
    }

    pub(super) fn status(&self, resource: &GroupResource, objects: Option<usize>) -> WatchStatus {
        let notes = self.notes.lock();
        WatchStatus {
            resource: resource.clone(),
            synced: objects.is_some(),
            objects: objects.unwrap_or_default(),
            last_event_age: notes.last_event.map(|at| at.elapsed()),
            lists: notes.lists,
            failures: notes.failures,
            last_error: notes.last_error.as_ref().map(|(error, at)| (error.clone(), at.elapsed())),
        }
    }

    pub(super) fn heard(&self) {
        let mut notes = self.notes.lock();
        notes.last_event = Some(Instant::now());
        notes.last_error = None;
        drop(notes);
        if self.forbidden.load().is_some() {
            self.forbidden.store(None);
        }
    }

    pub(super) fn listed(&self) {
        self.notes.lock().lists += 1;
    }

    pub(super) fn failed(&self, failure: Failure, error: String) {
        if failure == Failure::Forbidden {
            self.forbidden.store(Some(Arc::new(error.clone())));
        }
        let mut notes = self.notes.lock();
        notes.failures += 1;
        notes.last_error = Some((error, Instant::now()));
    }
}
