//! A cluster that is there: its client, its resources, its watches.

use std::{collections::HashMap, sync::Arc};

use kube::Client;
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::{
    Check, ClusterError, ClusterOptions, Unavailable,
    health::WatchStatus,
    hpas::{HpaObjects, Hpas},
    options,
    pod::Pods,
    resources::Book,
    sink::{Objects, PodObjects, Watched},
    watch::{Sink, follow},
};
use crate::model::{GroupResource, LiveObject, ObjectRef, Presence, ResourceType, Selector};

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) server: http::Uri,
    pub(super) book: Arc<Book>,
    pub(super) pod_details: Arc<Pods>,
    pub(super) hpas: Arc<Hpas>,
    pods: Arc<Watched>,
    /// All others, each from the first time that it was asked for.
    others: RwLock<HashMap<GroupResource, Arc<Watched>>>,
    options: ClusterOptions,
    /// Watches begin in whatever thread asks first, also one that no runtime owns.
    runtime: Handle,
}

impl Connected {
    pub(super) async fn new(options: ClusterOptions) -> Result<Self, ClusterError> {
        let (client, server) = options::client(options.kubeconfig.as_ref()).await?;
        let connected = Self {
            client,
            server,
            book: Arc::new(Book::new(options.pacing.clone())),
            pod_details: Arc::new(Pods::new()),
            hpas: Arc::default(),
            pods: Watched::new(GroupResource::pods()),
            others: RwLock::default(),
            options,
            runtime: Handle::current(),
        };
        connected.keep_discovering();
        connected.follow_pods();
        connected.follow_hpas();
        Ok(connected)
    }

    pub(super) fn presence(&self, object: &ObjectRef) -> Presence {
        match self.watched(&object.resource) {
            Some(watched) if watched.health.forbidden().is_none() => watched.index.presence(object),
            _ => Presence::Unknown,
        }
    }

    pub(super) fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable> {
        let watched = self.watch(resource);
        if let Some(message) = watched.health.forbidden() {
            return Err(Unavailable::Forbidden {
                resource: watched.resource.clone(),
                message: (*message).clone(),
            });
        }
        let not_synced = || Unavailable::NotSynced { resource: watched.resource.clone() };
        watched.index.list(namespace, selector).ok_or_else(not_synced)
    }

    /// The watch of `resource`, which begins now if there was none.
    pub(super) fn watch(&self, resource: &ResourceType) -> Arc<Watched> {
        if let Some(watched) = self.already(&resource.resource) {
            return watched;
        }
        let mut others = self.others.write();
        let watched = others.entry(resource.resource.clone());
        watched.or_insert_with(|| self.follow_objects(resource)).clone()
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        let discovery = self.book.status();
        let undiscovered = discovery.age.is_none().then(|| reason(discovery.last_error));
        let forbidden = self.pods.health.forbidden().map(|message| (*message).clone());
        let unlisted = || self.pods.index.len().is_none().then(|| reason(self.pods.health.last_error()));
        vec![
            Check { name: "discovery", failure: undiscovered },
            Check { name: "pods-synced", failure: forbidden.or_else(unlisted) },
        ]
    }

    /// How each watch is, pods first, then by name.
    pub(super) fn watches(&self) -> Vec<WatchStatus> {
        let mut others: Vec<Arc<Watched>> = self.others.read().values().cloned().collect();
        others.sort_by(|a, b| a.resource.cmp(&b.resource));
        let all = std::iter::once(&self.pods).chain(&others);
        all.map(|watched| watched.health.status(&watched.resource, watched.index.len())).collect()
    }

    /// The watch of a canonical name; `None` if it names nothing that we know.
    fn watched(&self, resource: &GroupResource) -> Option<Arc<Watched>> {
        self.already(resource).or_else(|| Some(self.watch(&*self.book.canonical(resource)?)))
    }

    fn already(&self, resource: &GroupResource) -> Option<Arc<Watched>> {
        if *resource == self.pods.resource {
            return Some(self.pods.clone());
        }
        self.others.read().get(resource).cloned()
    }

    fn keep_discovering(&self) {
        let (book, client) = (self.book.clone(), self.client.clone());
        self.spawn(async move { book.keep_fresh(client).await });
    }

    fn follow_pods(&self) {
        let details = (self.pod_details.clone(), self.options.annotation_prefixes.clone());
        let on_change = self.options.on_change.clone();
        self.follow(&self.pods, PodObjects::new(self.pods.clone(), details, self.client.clone(), on_change));
    }

    fn follow_hpas(&self) {
        let (hpas, pacing) = (self.hpas.clone(), self.options.pacing.clone());
        let sink = HpaObjects::new(hpas.clone(), self.client.clone());
        self.spawn(async move { follow(sink, &hpas.health, &pacing).await });
    }

    fn follow_objects(&self, resource: &ResourceType) -> Arc<Watched> {
        tracing::info!(resource = %resource.resource, "watching");
        let watched = Watched::new(resource.resource.clone());
        let source = (self.client.clone(), self.book.clone());
        let on_change = self.options.on_change.clone();
        self.follow(&watched, Objects::new(watched.clone(), resource.clone(), source, on_change));
        watched
    }

    fn follow(&self, watched: &Arc<Watched>, sink: impl Sink + 'static) {
        let (watched, pacing) = (watched.clone(), self.options.pacing.clone());
        self.spawn(async move { follow(sink, &watched.health, &pacing).await });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.options.shutdown.clone();
        let task = async move { shutdown.run_until_cancelled(task).await };
        self.options.tasks.spawn_on(task, &self.runtime);
    }
}

fn reason(error: Option<String>) -> String {
    error.unwrap_or_else(|| "kube-apiserver has not answered yet".to_owned())
}
