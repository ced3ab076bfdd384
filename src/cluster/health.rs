//! How a watch is.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::watch::Failure;
use crate::model::GroupResource;

/// One watched resource, for metrics and the status page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WatchStatus {
    /// What is watched.
    pub resource: GroupResource,
    /// How it is.
    pub state: WatchState,
    /// For how long it has been so.
    pub since: Duration,
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
    /// Why it fails, while it does.
    pub last_error: Option<String>,
}

/// How a watch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchState {
    /// It has begun, and its first list is not complete.
    Listing,
    /// It brings changes.
    Synced,
    /// It was interrupted and has not been resumed. Reads are answered from what it last brought.
    Failing,
    /// kube-apiserver does not let the adapter list or watch the resource, and it is asked again seldom.
    Refused,
}

impl WatchState {
    /// As labels and pages have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listing => "listing",
            Self::Synced => "synced",
            Self::Failing => "failing",
            Self::Refused => "refused",
        }
    }
}

/// What the watch task notes down.
pub(super) struct Health {
    /// How long kube-apiserver may refuse a resource that it has listed before: one that has just started refuses
    /// everything until it has read its own rules.
    tolerance: Duration,
    /// Spares readers the lock while all is well.
    is_failing: AtomicBool,
    notes: Mutex<Notes>,
}

struct Notes {
    begun: Instant,
    works_since: Option<Instant>,
    last_event: Option<Instant>,
    lists: u64,
    failures: u64,
    failing: Option<Failing>,
}

/// A failure that has not ended.
struct Failing {
    since: Instant,
    attempts: u32,
    error: String,
    refused: Option<(Instant, String)>,
}

impl Health {
    pub(super) fn new(tolerance: Duration) -> Self {
        let notes = Notes {
            begun: Instant::now(),
            works_since: None,
            last_event: None,
            lists: 0,
            failures: 0,
            failing: None,
        };
        Self { tolerance, is_failing: AtomicBool::new(false), notes: Mutex::new(notes) }
    }

    /// kube-apiserver's reason, when it refuses to list or watch the resource.
    pub(super) fn forbidden(&self) -> Option<String> {
        if !self.is_failing.load(Ordering::Acquire) {
            return None;
        }
        self.notes.lock().refusal(self.tolerance).map(|(_, reason)| reason.clone())
    }

    /// Why it fails, while it does.
    pub(super) fn last_error(&self) -> Option<String> {
        self.notes.lock().failing.as_ref().map(|failing| failing.error.clone())
    }

    pub(super) fn status(&self, resource: &GroupResource, objects: Option<usize>) -> WatchStatus {
        let notes = self.notes.lock();
        let (state, since) = notes.state(self.tolerance);
        WatchStatus {
            resource: resource.clone(),
            state,
            since: since.elapsed(),
            synced: objects.is_some(),
            objects: objects.unwrap_or_default(),
            last_event_age: notes.last_event.map(|at| at.elapsed()),
            lists: notes.lists,
            failures: notes.failures,
            last_error: notes.failing.as_ref().map(|failing| failing.error.clone()),
        }
    }

    /// Whether a list has been completed.
    pub(super) fn has_listed(&self) -> bool {
        self.notes.lock().lists > 0
    }

    /// An event has come.
    pub(super) fn heard(&self) {
        self.notes.lock().last_event = Some(Instant::now());
    }

    pub(super) fn listed(&self) {
        self.notes.lock().lists += 1;
    }

    /// kube-apiserver has answered with what it was asked for.
    pub(super) fn works(&self) {
        let mut notes = self.notes.lock();
        if notes.failing.take().is_some() || notes.works_since.is_none() {
            notes.works_since = Some(Instant::now());
        }
        self.is_failing.store(false, Ordering::Release);
    }

    /// Returns how often it has failed in a row.
    pub(super) fn failed(&self, failure: Failure, error: &str) -> u32 {
        let mut notes = self.notes.lock();
        let is_refused = notes.refusal(self.tolerance).is_some();
        notes.failures += 1;
        let now = Instant::now();
        let new = || Failing { since: now, attempts: 0, error: String::new(), refused: None };
        let failing = notes.failing.get_or_insert_with(new);
        failing.attempts += 1;
        match (failure, &mut failing.refused) {
            (Failure::Forbidden, Some((_, reason))) => error.clone_into(reason),
            (Failure::Forbidden, refused @ None) => *refused = Some((now, error.to_owned())),
            // An outage gives no right back.
            (_, _) if is_refused => {}
            (_, refused) => *refused = None,
        }
        error.clone_into(&mut failing.error);
        let attempts = failing.attempts;
        self.is_failing.store(true, Ordering::Release);
        attempts
    }
}

impl Notes {
    /// Since when, and why, the resource counts as refused.
    fn refusal(&self, tolerance: Duration) -> Option<&(Instant, String)> {
        let refused = self.failing.as_ref()?.refused.as_ref()?;
        (self.lists == 0 || refused.0.elapsed() >= tolerance).then_some(refused)
    }

    fn state(&self, tolerance: Duration) -> (WatchState, Instant) {
        match (self.refusal(tolerance), &self.failing) {
            (Some((since, _)), _) => (WatchState::Refused, *since),
            (None, Some(failing)) => (WatchState::Failing, failing.since),
            (None, None) if self.lists > 0 => (WatchState::Synced, self.works_since.unwrap_or(self.begun)),
            (None, None) => (WatchState::Listing, self.begun),
        }
    }
}
