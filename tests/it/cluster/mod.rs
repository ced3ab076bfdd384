//! What the adapter knows of a cluster, against a scripted API server.

mod hpas;
mod lifetime;
mod lists;
mod live;
mod naming;
mod pods;
mod recovery;
mod watching;

use std::{sync::Arc, time::Duration};

use custom_metrics_adapter::{
    cluster::{Change, Cluster, ClusterOptions, Pacing},
    model::{GroupResource, ObjectRef, Presence, Selector},
};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{kube_api::KubeApi, seen};

/// A cluster that follows a scripted server, and all that it told of it.
struct Followed {
    cluster: Cluster,
    told: Arc<Mutex<Vec<String>>>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Followed {
    /// Follows `api` and waits until it is ready.
    async fn ready(api: &KubeApi) -> Self {
        let followed = Self::begun(api, PACING).await;
        seen("the cluster is ready", || followed.unready().is_empty().then_some(())).await;
        followed
    }

    async fn begun(api: &KubeApi, pacing: Pacing) -> Self {
        Self::with(api, |options| options.pacing = pacing).await
    }

    async fn with(api: &KubeApi, change: impl FnOnce(&mut ClusterOptions)) -> Self {
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let told = Arc::new(Mutex::new(Vec::new()));
        let teller = told.clone();
        let mut options = ClusterOptions {
            kubeconfig: Some(api.kubeconfig()),
            on_change: Arc::new(move |change| teller.lock().push(told_as(change))),
            pacing: PACING,
            ..ClusterOptions::new(tasks.clone(), shutdown.clone())
        };
        change(&mut options);
        let cluster = Cluster::connect(options).await.unwrap();
        Self { cluster, told, tasks, shutdown }
    }

    /// The names of the checks that do not hold, and why.
    fn unready(&self) -> Vec<(&'static str, String)> {
        let checks = self.cluster.checks().into_iter();
        checks.filter_map(|check| Some((check.name, check.failure?))).collect()
    }

    /// The names of the selected objects as `namespace/name`, once the resource is synced.
    async fn names(&self, resource: &str, namespace: Option<&str>, selector: &str) -> Vec<String> {
        let resource = self.cluster.resolve(resource).unwrap();
        let selector = Selector::parse(selector).unwrap();
        let listed = seen("the list is there", || self.cluster.list(&resource, namespace, &selector).ok());
        let listed = listed.await;
        listed.iter().map(|live| shown(&live.object)).collect()
    }

    fn presence(&self, resource: &str, namespace: &str, name: &str) -> Presence {
        self.cluster.presence(&self.object(resource, namespace, name))
    }

    async fn becomes_live(&self, resource: &str, namespace: &str, name: &str) {
        let is_live = || matches!(self.presence(resource, namespace, name), Presence::Live(_)).then_some(());
        seen(&format!("{name} is live"), is_live).await;
    }

    async fn becomes_absent(&self, resource: &str, namespace: &str, name: &str) {
        let is_absent = || (self.presence(resource, namespace, name) == Presence::Absent).then_some(());
        seen(&format!("{name} is absent"), is_absent).await;
    }

    fn object(&self, resource: &str, namespace: &str, name: &str) -> ObjectRef {
        let resource = self.cluster.resolve(resource).unwrap().resource.clone();
        let namespace = (!namespace.is_empty()).then(|| namespace.into());
        ObjectRef { resource, namespace, name: name.into() }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().clone()
    }

    fn failures(&self, resource: &GroupResource) -> u64 {
        let watches = self.cluster.watches();
        watches.iter().find(|watch| watch.resource == *resource).map_or(0, |watch| watch.failures)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn told_as(change: &Change) -> String {
    match change {
        Change::Seen(live) => format!("seen {} {}", shown(&live.object), live.uid.0),
        Change::Gone(live) => format!("gone {} {}", shown(&live.object), live.uid.0),
    }
}

fn shown(object: &ObjectRef) -> String {
    object.namespace.as_ref().map_or_else(|| object.name.to_string(), |ns| format!("{ns}/{}", object.name))
}

/// Fast enough for a test to wait for, but for discovery, which is asked for misses alone and as often as at
/// first.
const PACING: Pacing = Pacing {
    first_retry: Duration::from_millis(5),
    longest_retry: Duration::from_millis(40),
    refused_retry: Duration::from_millis(40),
    list_silence: Duration::from_millis(300),
    longest_refusal: Duration::from_millis(80),
    refusal_tolerance: Duration::ZERO,
    unneeded: Duration::from_secs(3600),
    unserved: Duration::from_millis(100),
    discovery_gap: Duration::from_secs(3600),
    discovery_interval: Duration::from_secs(3600),
};
