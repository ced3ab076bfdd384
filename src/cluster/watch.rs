//! Follows one resource of the cluster for as long as the adapter runs.
//!
//! kube's `watcher` lists, watches from the list's resource version, and lists again when that is too old. Around it: how
//! to list, what an error means, when to try again, and how the watch is. While nothing can be reached, what was seen
//! last goes on answering.

use std::{pin::pin, sync::Arc, time::Duration};

use kube::{
    Api, Client, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::{Pacing, list::List, watched::Watched};
use crate::kubernetes::{Backoff, Class, root_cause, telling_of_opened_watches};

/// Where the objects of a watch go.
pub(super) trait Sink: Send {
    /// The object as it is sent.
    type Wire: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static;
    /// What remains of it while a list is under way.
    type Kept: Send;

    /// The API to list and watch, in the version that is preferred now.
    fn api(&self, client: Client) -> Api<Self::Wire>;
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
pub(super) async fn follow(mut sink: impl Sink, client: Client, watched: &Arc<Watched>, pacing: &Pacing) {
    let opened = watched.clone();
    let client = telling_of_opened_watches(client, Arc::new(move || opened.works()));
    let mut retries = Retries {
        passing: Backoff::new(pacing.first_retry, pacing.longest_retry),
        lasting: Backoff::new(pacing.first_retry, pacing.refused_retry),
        silence: pacing.list_silence,
    };
    let mut list = List::FIRST;
    loop {
        let api = sink.api(client.clone());
        list = follow_once(&mut sink, (api, list), watched, &mut retries).await;
        watched.wanted_again(pacing).await;
    }
}

/// Follows until the watch has to begin anew, with a list; how that one is to come.
async fn follow_once<S: Sink>(
    sink: &mut S,
    (api, mut list): (Api<S::Wire>, List),
    watched: &Watched,
    retries: &mut Retries,
) -> List {
    let mut events = pin!(watcher(api, list.config()));
    let mut listing = Vec::new();
    let mut refused_starts = 0;
    while let Some(event) = list.next(&mut events, retries.silence).await {
        let error = match event {
            Ok(event) => {
                refused_starts = 0;
                take(event, sink, &mut listing, watched);
                continue;
            }
            Err(error) => error,
        };
        if list.is_unknown_to_the_server(&error) {
            return List::Paged;
        }
        let failure = Failure::of(&error);
        refused_starts += u32::from(failure == Failure::StartRefused);
        watched.failed(failure, Class::of(&error), &root_cause(&error));
        if failure == Failure::NotServed {
            sink.not_served();
        }
        sleep(retries.after(failure).pause()).await;
        if list.broke(&error) {
            return List::Paged;
        }
        if failure.needs_a_list() || refused_starts >= MOST_REFUSED_STARTS {
            return list;
        }
    }
    List::Paged
}

fn take<S: Sink>(event: Event<S::Wire>, sink: &mut S, listing: &mut Vec<S::Kept>, watched: &Watched) {
    match event {
        Event::Init => return listing.clear(),
        Event::InitApply(wire) => listing.extend(sink.keep(wire)),
        Event::InitDone => {
            sink.listed(std::mem::take(listing));
            watched.health.listed();
            watched.works();
        }
        Event::Apply(wire) => sink.keep(wire).into_iter().for_each(|kept| sink.seen(kept)),
        Event::Delete(wire) => sink.keep(wire).into_iter().for_each(|kept| sink.gone(kept)),
    }
    watched.health.heard();
}

/// How long to pause after which failure. A refusal is asked about again soon at first too: one `kubectl apply` that
/// brings both the adapter and its rights starts the adapter a moment before the rights are in force.
struct Retries {
    passing: Backoff,
    lasting: Backoff,
    /// How long a streamed list may be silent.
    silence: Duration,
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
            (Some(410), _) => Self::Expired,
            (Some(_), watcher::Error::WatchStartFailed(_)) => Self::StartRefused,
            _ => Self::Passing,
        }
    }

    /// A connection that breaks once and is there again needs no line in the log, nor does a resource that is just
    /// being removed.
    pub(super) fn attempts_before_it_is_logged(self) -> u32 {
        match self {
            Self::Forbidden => 1,
            Self::Expired | Self::StartRefused | Self::Passing => 2,
            Self::NotServed => 8,
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

pub(super) fn status(error: &watcher::Error) -> Option<&kube::core::Status> {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        WatchError(status) => Some(status),
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        InitialListFailed(_) | WatchStartFailed(_) | WatchFailed(_) | NoResourceVersion => None,
    }
}

/// So often a server may refuse to resume a watch before we take our resource version for the reason.
const MOST_REFUSED_STARTS: u32 = 5;
