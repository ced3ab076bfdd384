//! The current [`Resources`] and the one task that renews them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use kube::Client;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{GroupNames, Resources, UnknownResource, discovery};
use crate::{
    cluster::Pacing,
    kubernetes::{Backoff, Class, root_cause},
    model::{GroupResource, ResourceType},
    notice::Incident,
};

/// How the knowledge of resources stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiscoveryStatus {
    /// How many resources are known.
    pub resources: usize,
    /// How long ago discovery last succeeded; `None` until it has, when only the built-in names are known.
    pub age: Option<Duration>,
    /// The groups that did not, or not wholly, answer then.
    pub partial_groups: Vec<String>,
    /// Why the last attempt failed, unless it succeeded.
    pub last_error: Option<String>,
    /// For how long attempts have failed, while they do.
    pub failing: Option<Duration>,
}

/// Resources by name, renewed by a timer and when somebody asks for an unknown one.
///
/// Misses cannot flood kube-apiserver: refreshes are single flight, and a bucket of [`REFRESHES_AT_ONCE`] that
/// gains one each [`Pacing::discovery_gap`] pays for them. The few at once let somebody who has just created a
/// CRD try again at once; a writer that repeats a wrong name for ever gets its answer without waiting.
pub(in crate::cluster) struct Book {
    resources: ArcSwap<Resources>,
    /// Moves with each change of the resources.
    generation: AtomicU64,
    asked: Mutex<Asked>,
    wanted: Notify,
    finished: watch::Sender<u64>,
    report: Mutex<Report>,
    /// What the last discovery lacked, and since when.
    missing: Mutex<HashMap<GroupResource, Instant>>,
    incident: Incident,
    pacing: Pacing,
}

struct Asked {
    /// How many refreshes have begun.
    begun: u64,
    /// Whether one is asked for that has not begun.
    pending: bool,
    left: u32,
    refilled: Instant,
}

#[derive(Default)]
struct Report {
    succeeded: Option<Instant>,
    partial_groups: Vec<String>,
    last_error: Option<String>,
    failing: Option<Instant>,
    failures: u32,
}

impl Book {
    /// Knows the built-in resources until [`Book::keep_fresh`] runs.
    pub(in crate::cluster) fn new(pacing: Pacing) -> Self {
        let asked = Asked { begun: 0, pending: false, left: REFRESHES_AT_ONCE, refilled: Instant::now() };
        Self {
            resources: ArcSwap::from_pointee(Resources::builtin()),
            generation: AtomicU64::new(0),
            asked: Mutex::new(asked),
            wanted: Notify::new(),
            finished: watch::Sender::new(0),
            report: Mutex::default(),
            missing: Mutex::default(),
            incident: Incident::default(),
            pacing,
        }
    }

    /// From memory; a miss asks for a refresh and does not wait for it.
    pub(in crate::cluster) fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        self.find(name).ok_or_else(|| {
            self.refresh();
            self.unknown(name)
        })
    }

    /// From memory; a miss waits for a refresh, if one is due, and at most [`LONGEST_WAIT`].
    pub(in crate::cluster) async fn resolve_fresh(
        &self,
        name: &str,
    ) -> Result<Arc<ResourceType>, UnknownResource> {
        if let Some(known) = self.find(name) {
            return Ok(known);
        }
        self.refreshed().await;
        self.find(name).ok_or_else(|| self.unknown(name))
    }

    /// Waits for a refresh, if one is due, and at most [`LONGEST_WAIT`].
    pub(in crate::cluster) async fn refreshed(&self) {
        let Some(number) = self.refresh() else { return };
        let mut finished = self.finished.subscribe();
        let refreshed = timeout(LONGEST_WAIT, finished.wait_for(|finished| *finished >= number)).await;
        tracing::debug!(refreshed = refreshed.is_ok(), "looked for a resource that was not known");
    }

    /// From memory, and nothing else.
    pub(in crate::cluster) fn find(&self, name: &str) -> Option<Arc<ResourceType>> {
        self.resources.load().resolve(name).cloned()
    }

    pub(in crate::cluster) fn unknown(&self, name: &str) -> UnknownResource {
        self.resources.load().unknown(name)
    }

    /// Whether a client takes `name` for a resource of the cluster.
    pub(in crate::cluster) fn is_taken(&self, name: &str) -> bool {
        self.resources.load().is_taken(name)
    }

    /// Moves when a name may mean something else than before.
    pub(in crate::cluster) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The resource of a canonical name, from memory.
    pub(in crate::cluster) fn canonical(&self, resource: &GroupResource) -> Option<Arc<ResourceType>> {
        self.resources.load().canonical(resource).cloned()
    }

    /// Asks for a refresh; returns the number of the one that will answer, or `None` when none is due.
    pub(in crate::cluster) fn refresh(&self) -> Option<u64> {
        let mut asked = self.asked.lock();
        if !asked.pending {
            asked.pay(self.pacing.discovery_gap).then_some(())?;
            asked.pending = true;
            self.wanted.notify_one();
        }
        Some(asked.begun + 1)
    }

    pub(in crate::cluster) fn status(&self) -> DiscoveryStatus {
        let report = self.report.lock();
        DiscoveryStatus {
            resources: self.resources.load().types().len(),
            age: report.succeeded.map(|at| at.elapsed()),
            partial_groups: report.partial_groups.clone(),
            last_error: report.last_error.clone(),
            failing: report.failing.map(|since| since.elapsed()),
        }
    }

    /// Whether the cluster serves a resource, or has lacked it for a moment only.
    pub(in crate::cluster) fn is_served(&self, resource: &GroupResource) -> bool {
        self.canonical(resource).is_some() || self.missing.lock().contains_key(resource)
    }

    /// Returns once a resource is served, or once it is not served any more.
    pub(in crate::cluster) async fn until(&self, resource: &GroupResource, is_served: bool) {
        let mut finished = self.finished.subscribe();
        while self.is_served(resource) != is_served {
            let _ = finished.changed().await;
        }
    }

    /// Renews the resources now, then by the timer and when asked, for ever, and tells of each that is gone for good.
    pub(in crate::cluster) async fn keep_fresh(&self, client: Client, gone: impl Fn(&GroupResource)) {
        let mut backoff = Backoff::new(self.pacing.first_retry, self.pacing.longest_retry);
        loop {
            let number = self.begin();
            let succeeded = self.renew(&client).await;
            if succeeded {
                self.gone_for_good().iter().for_each(&gone);
            }
            self.finished.send_replace(number);
            let pause = if succeeded { self.until_the_next() } else { backoff.pause() };
            // A refresh that is asked for begins at once; otherwise the pause has to end first.
            let _ = timeout(pause, self.wanted.notified()).await;
        }
    }

    /// A resource that is missing is looked for again soon.
    fn until_the_next(&self) -> Duration {
        let is_missing = !self.missing.lock().is_empty();
        let interval = self.pacing.discovery_interval;
        if is_missing { interval.min(self.pacing.unserved) } else { interval }
    }

    /// What has been missing for so long that it is gone.
    fn gone_for_good(&self) -> Vec<GroupResource> {
        let mut missing = self.missing.lock();
        missing.extract_if(|_, since| since.elapsed() >= self.pacing.unserved).map(|(gone, _)| gone).collect()
    }

    fn begin(&self) -> u64 {
        let mut asked = self.asked.lock();
        asked.pending = false;
        asked.begun += 1;
        asked.begun
    }

    async fn renew(&self, client: &Client) -> bool {
        let outcome = timeout(LONGEST_DISCOVERY, discovery::discover(client)).await;
        match outcome.map_err(|_| format!("no answer in {LONGEST_DISCOVERY:?}")) {
            Ok(Ok(groups)) => self.accept(groups),
            Ok(Err(error)) => return self.reject(Class::of(&error), root_cause(&error)),
            Err(timeout) => return self.reject(Class::Timeout, timeout),
        }
        true
    }

    fn accept(&self, groups: Vec<discovery::Group>) {
        let partial_groups: Vec<String> =
            groups.iter().filter(|group| group.partial).map(|group| group.name.clone()).collect();
        let before = self.resources.load_full();
        let resources = merged(&before, groups);
        tracing::debug!(resources = resources.types().len(), ?partial_groups, "discovery");
        self.note_missing(&before, &resources);
        if *before != resources {
            self.resources.store(Arc::new(resources));
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.log_success(&partial_groups);
        let succeeded = Some(Instant::now());
        *self.report.lock() = Report { succeeded, partial_groups, ..Report::default() };
    }

    fn note_missing(&self, before: &Resources, after: &Resources) {
        let mut missing = self.missing.lock();
        let known = before.types().iter().map(|known| known.resource.clone());
        let lost = known.filter(|resource| after.canonical(resource).is_none());
        let now = Instant::now();
        for resource in lost {
            missing.entry(resource).or_insert(now);
        }
        missing.retain(|resource, _| after.canonical(resource).is_none());
    }

    fn log_success(&self, partial_groups: &[String]) {
        if let Some(failed) = self.incident.works() {
            tracing::info!(failed_for_seconds = failed.as_secs(), "discovery works again");
        }
        let before = self.report.lock().partial_groups.clone();
        if before != partial_groups {
            tracing::info!(groups = ?partial_groups, "API groups that did not wholly answer discovery have changed");
        }
    }

    fn reject(&self, class: Class, error: String) -> bool {
        let mut report = self.report.lock();
        report.failures += 1;
        report.failing.get_or_insert_with(Instant::now);
        // A connection that breaks once needs no line in the log.
        let is_refused = matches!(class, Class::Forbidden | Class::Unauthorized);
        if (is_refused || report.failures > 1) && self.incident.fails(class.as_str()) {
            let (class, remedy) = (class.as_str(), remedy(class));
            tracing::warn!(class, error, remedy, "discovery fails");
        }
        report.last_error = Some(error);
        false
    }
}

fn remedy(class: Class) -> &'static str {
    match class {
        Class::Forbidden => "bind ClusterRole system:discovery to the adapter's service account",
        Class::Unauthorized => {
            "look at the token or the certificate of the kubeconfig or the service account"
        }
        _ => "it is tried again by itself; look at kube-apiserver and the network to it",
    }
}

impl Asked {
    fn pay(&mut self, gap: Duration) -> bool {
        while self.left < REFRESHES_AT_ONCE && self.refilled.elapsed() >= gap {
            self.left += 1;
            self.refilled += gap;
        }
        if self.left == 0 {
            return false;
        }
        if self.left == REFRESHES_AT_ONCE {
            self.refilled = Instant::now();
        }
        self.left -= 1;
        true
    }
}

/// What `groups` say, and what was known before of those that did not wholly answer.
fn merged(before: &Resources, groups: Vec<discovery::Group>) -> Resources {
    let mut types: Vec<Arc<ResourceType>> = Vec::new();
    let mut names = GroupNames::new();
    for group in groups {
        let known =
            before.types().iter().filter(|known| group.partial && *known.resource.group == *group.name);
        let missing = known.filter(|known| !group.types.iter().any(|found| found.resource == known.resource));
        types.extend(group.types.iter().chain(missing).cloned());
        let kept = before.taken().get(&group.name).filter(|_| group.partial).cloned().unwrap_or_default();
        names.entry(group.name).or_default().extend(group.names.into_iter().chain(kept));
    }
    Resources::new(types).with_names(names)
}

/// How many refreshes misses may cause in a row.
const REFRESHES_AT_ONCE: u32 = 3;

/// How long a write waits to learn whether its resource exists after all.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const LONGEST_DISCOVERY: Duration = Duration::from_secs(30);
