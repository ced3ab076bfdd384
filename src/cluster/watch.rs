//! Follows one resource of the cluster for as long as the adapter runs.
//!
//! kube's `watcher` lists in pages, watches from the list's resource version, and lists again when that is too old.
//! Around it: what an error means, when to try again, and how the watch is. While nothing can be reached, what was
//! seen last goes on answering.

use std::pin::pin;

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{Pacing, health::Health};
use crate::kubernetes::{Backoff, root_cause};

/// Where the objects of a watch go.
pub(super) trait Sink: Send {
    /// The object as it is sent.
    type Wire: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static;
    /// What remains of it while a list is under way.
    type Kept: Send;

    /// The API to list and watch, in the version that is preferred now.
    fn api(&self) -> Api<Self::Wire>;
    /// Reduces an object to what is kept.
    fn keep(&mut self, wire: Self::Wire) -> Option<Self::Kept>;
    /// An object was created or has changed.
    fn seen(&mut self, kept: Self::Kept);
    /// An object was deleted.
    fn gone(&mut self, kept: Self::Kept);
    /// A whole list; what it lacks was deleted unseen.
    fn listed(&mut self, kept: Vec<Self::Kept>);
    /// The server does not know the resource, or not in that version.
    fn not_served(&mut self);
}

/// Follows the resource of `sink` for ever.
pub(super) async fn follow(mut sink: impl Sink, health: &Health, pacing: &Pacing) {
    let mut retries = Retries {
        passing: Backoff::new(pacing.first_retry, pacing.longest_retry),
        lasting: Backoff::new(pacing.first_retry, pacing.refused_retry),
    };
    loop {
        follow_once(&mut sink, health, &mut retries).await;
    }
}

/// Follows until the watch has to begin anew, with a list.
async fn follow_once<S: Sink>(sink: &mut S, health: &Health, retries: &mut Retries) {
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE);
    let mut events = pin!(watcher(sink.api(), config));
    let mut listing = Vec::new();
    let mut refused_starts = 0;
    while let Some(event) = events.next().await {
        let error = match event {
            Ok(event) => {
                refused_starts = 0;
                take(event, sink, &mut listing, health);
                continue;
            }
            Err(error) => error,
        };
        let failure = Failure::of(&error);
        tracing::debug!(%error, ?failure, "watch interrupted");
        refused_starts += u32::from(failure == Failure::StartRefused);
        health.failed(failure, root_cause(&error));
        if failure == Failure::NotServed {
            sink.not_served();
        }
        sleep(retries.after(failure).pause()).await;
        if failure.needs_a_list() || refused_starts >= MOST_REFUSED_STARTS {
            return;
        }
    }
}

fn take<S: Sink>(event: Event<S::Wire>, sink: &mut S, listing: &mut Vec<S::Kept>, health: &Health) {
    match event {
        Event::Init => return listing.clear(),
        Event::InitApply(wire) => listing.extend(sink.keep(wire)),
        Event::InitDone => {
            sink.listed(std::mem::take(listing));
            health.listed();
        }
        Event::Apply(wire) => sink.keep(wire).into_iter().for_each(|kept| sink.seen(kept)),
        Event::Delete(wire) => sink.keep(wire).into_iter().for_each(|kept| sink.gone(kept)),
    }
    health.heard();
}

/// How long to pause after which failure. A refusal is asked about again soon at first too: one `kubectl apply` that
/// brings both the adapter and its rights starts the adapter a moment before the rights are in force.
struct Retries {
    passing: Backoff,
    lasting: Backoff,
}

impl Retries {
    fn after(&mut self, failure: Failure) -> &mut Backoff {
        if failure.is_lasting() { &mut self.lasting } else { &mut self.passing }
    }
}

/// What an interruption of a watch means for the next attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// We may not list or watch this: ask again now and then, a role may be granted.
    Forbidden,
    /// There is no such resource, or not in this version, or not to watch.
    NotServed,
    /// The server no longer has the changes since we were last connected.
    Expired,
    /// The server answered the start of a watch, but not with a watch.
    StartRefused,
    /// Anything that passes by itself: no connection, an overloaded server, a broken stream.
    Passing,
}

impl Failure {
    fn of(error: &watcher::Error) -> Self {
        match (status(error).map(|status| status.code), error) {
            (Some(403), _) => Self::Forbidden,
            (Some(404..=406), _) => Self::NotServed,
            // Only at the start: within a stream kube's watcher lists anew by itself.
            (Some(410), watcher::Error::WatchStartFailed(_)) => Self::Expired,
            (Some(_), watcher::Error::WatchStartFailed(_)) => Self::StartRefused,
            _ => Self::Passing,
        }
    }

    fn is_lasting(self) -> bool {
        matches!(self, Self::Forbidden | Self::NotServed)
    }

    /// A watch that is resumed after a refusal says nothing until something changes; a list says at once that
    /// we may again.
    fn needs_a_list(self) -> bool {
        matches!(self, Self::Forbidden | Self::NotServed | Self::Expired)
    }
}

fn status(error: &watcher::Error) -> Option<&kube::core::Status> {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status) => Some(status),
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        InitialListFailed(_) | WatchStartFailed(_) | WatchFailed(_) | NoResourceVersion => None,
    }
}

/// The server ends a watch after so long, and so a connection that died unnoticed (a node that vanished) is known
/// for dead five seconds later; a new watch a minute costs neither side anything to speak of.
const WATCH_SECONDS: u32 = 60;

/// Objects a page of a list, as client-go has it.
const PAGE: u32 = 500;

/// So often a server may refuse to resume a watch before we take our resource version for the reason.
const MOST_REFUSED_STARTS: u32 = 5;
