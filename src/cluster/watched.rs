//! A resource that is watched, and how long it is needed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Pacing,
    health::{Health, WatchStatus},
    index::Index,
    owners::Ties,
    watch::Failure,
};
use crate::{kubernetes::Class, model::GroupResource, notice::Incident};

/// A resource that is watched, or about to be.
pub(super) struct Watched {
    pub(super) resource: GroupResource,
    pub(super) index: Index,
    pub(super) ties: Ties,
    pub(super) health: Health,
    /// Whether it is watched whether anything needs it or not.
    is_always_needed: bool,
    incident: Incident,
    needed: Mutex<Instant>,
    /// Told when a resource that is refused is needed.
    wanted: Notify,
    /// Moves when an object comes, goes, or says something else.
    moves: watch::Sender<u64>,
    end: CancellationToken,
    is_unserved: AtomicBool,
}

impl Watched {
    /// Pods, which are watched from the start to the end.
    pub(super) fn pods(pacing: &Pacing) -> Arc<Self> {
        Self::always(GroupResource::pods(), pacing)
    }

    /// A resource that is needed whether a read or a write names it or not.
    pub(super) fn always(resource: GroupResource, pacing: &Pacing) -> Arc<Self> {
        Arc::new(Self { is_always_needed: true, ..Self::of(resource, pacing) })
    }

    /// A resource that a read or a write needs now.
    pub(super) fn new(resource: GroupResource, pacing: &Pacing) -> Arc<Self> {
        Arc::new(Self::of(resource, pacing))
    }

    fn of(resource: GroupResource, pacing: &Pacing) -> Self {
        Self {
            resource,
            index: Index::default(),
            ties: Ties::default(),
            health: Health::new(pacing.refusal_tolerance),
            is_always_needed: false,
            incident: Incident::default(),
            needed: Mutex::new(Instant::now()),
            wanted: Notify::new(),
            moves: watch::Sender::new(0),
            end: CancellationToken::new(),
            is_unserved: AtomicBool::new(false),
        }
    }

    pub(super) fn status(&self) -> WatchStatus {
        self.health.status(&self.resource, self.index.len())
    }

    pub(super) fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    pub(super) fn moved(&self) {
        self.moves.send_modify(|generation| *generation += 1);
    }

    /// A read or a write needs it now.
    pub(super) fn need(&self) {
        *self.needed.lock() = Instant::now();
        if self.health.forbidden().is_some() {
            self.wanted.notify_one();
        }
    }

    /// There is a value of one of its objects. That is no reason to go on asking for what is refused.
    pub(super) fn has_values(&self) {
        if self.health.forbidden().is_none() {
            *self.needed.lock() = Instant::now();
        }
    }

    /// For how long nothing has needed it.
    pub(super) fn unneeded(&self) -> Duration {
        self.needed.lock().elapsed()
    }

    /// While it is refused, waits until it is needed again, and no longer than the pacing says.
    pub(super) async fn wanted_again(&self, pacing: &Pacing) {
        if !self.is_always_needed && self.health.forbidden().is_some() {
            let _ = timeout(pacing.longest_refusal, self.wanted.notified()).await;
        }
    }

    /// Nothing needs it any more.
    pub(super) fn drop_it(&self) {
        tracing::info!(resource = %self.resource, "no longer watching: nothing needs the resource");
        self.end.cancel();
    }

    /// The cluster no longer serves the resource: its objects are gone.
    pub(super) fn unserved(&self) {
        tracing::info!(resource = %self.resource, "no longer watching: the cluster does not serve the resource");
        self.is_unserved.store(true, Ordering::Release);
        self.end.cancel();
    }

    pub(super) fn is_unserved(&self) -> bool {
        self.is_unserved.load(Ordering::Acquire)
    }

    /// Until [`Watched::drop_it`] or [`Watched::unserved`].
    pub(super) async fn until_end(&self, following: impl Future<Output = ()>) {
        let _ = self.end.run_until_cancelled(following).await;
    }

    pub(super) fn works(&self) {
        self.health.works();
        if let Some(failed) = self.incident.works() {
            let (resource, failed_for_seconds) = (&self.resource, failed.as_secs());
            tracing::info!(%resource, failed_for_seconds, "watch works again");
        }
    }

    pub(super) fn failed(&self, failure: Failure, class: Class, error: &str) {
        let (resource, class) = (&self.resource, class.as_str());
        tracing::debug!(%resource, class, error, "watch interrupted");
        let attempts = self.health.failed(failure, error);
        if attempts >= failure.attempts_before_it_is_logged() && self.incident.fails(class) {
            let remedy = remedy(failure, resource);
            tracing::warn!(%resource, class, error, remedy, "watch fails");
        }
    }
}

fn remedy(failure: Failure, resource: &GroupResource) -> String {
    match failure {
        Failure::Forbidden => grant(resource),
        _ => "it is tried again by itself; look at kube-apiserver and the network to it".to_owned(),
    }
}

/// What to do where the adapter may not list a resource.
#[must_use]
pub fn grant(resource: &GroupResource) -> String {
    if resource.group.is_empty() && &*resource.resource == "secrets" {
        return "do not grant it: the adapter needs no secrets; write metrics of another object".to_owned();
    }
    format!(
        "grant the adapter's service account the verbs list and watch on resource {:?} in API group {:?} by a ClusterRole",
        resource.resource, resource.group,
    )
}
