//! A cluster that is there: its client, its resources, its watches.

use std::sync::Arc;

use kube::Client;

use super::{
    Check, ClusterError, ClusterOptions, Pacing, Service, Unavailable,
    health::WatchStatus,
    hpas::{HpaObjects, Hpas},
    monitors::{Monitors, known_services},
    options,
    pod::Pods,
    resources::Book,
    sink::PodObjects,
    watch::follow,
    watched::Watched,
    watches::Watches,
};
use crate::{
    model::{GroupResource, LiveObject, ObjectRef, Presence, ResourceType, Selector},
    monitor::{Monitor, MonitorKind},
};

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) server: http::Uri,
    pub(super) book: Arc<Book>,
    pub(super) pod_details: Arc<Pods>,
    pub(super) hpas: Arc<Hpas>,
    pub(super) pods: Arc<Watched>,
    others: Arc<Watches>,
    /// If they are asked for.
    pub(super) monitors: Option<Arc<Monitors>>,
}

impl Connected {
    pub(super) async fn new(options: ClusterOptions) -> Result<Self, ClusterError> {
        let (client, server) = options::client(options.kubeconfig.as_ref()).await?;
        let book = Arc::new(Book::new(options.pacing.clone()));
        let connected = Self {
            client: client.clone(),
            server,
            book: book.clone(),
            pod_details: Arc::new(Pods::new()),
            hpas: Arc::new(Hpas::new(&options.pacing)),
            pods: Watched::pods(&options.pacing),
            others: Arc::new(Watches::new(client, book, options.clone())),
            monitors: options.monitors.then(|| Arc::new(Monitors::new())),
        };
        connected.keep_discovering();
        connected.follow_hpas(options.pacing.clone());
        connected.follow_monitors(&options.pacing);
        connected.follow_pods(options);
        let others = connected.others.clone();
        connected.others.spawn(async move { others.drop_unneeded().await });
        Ok(connected)
    }

    pub(super) fn presence(&self, object: &ObjectRef) -> Presence {
        self.needed(&object.resource).map_or(Presence::Unknown, |watched| presence(&watched, object))
    }

    pub(super) fn presence_of_stored(&self, object: &ObjectRef) -> Presence {
        if object.resource == self.pods.resource {
            return presence(&self.pods, object);
        }
        let watched = self.others.with_values(&object.resource);
        watched.map_or(Presence::Unknown, |watched| presence(&watched, object))
    }

    pub(super) fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable> {
        let watched = self.watch(resource);
        if let Some(message) = watched.health.forbidden() {
            return Err(Unavailable::Forbidden { resource: watched.resource.clone(), message });
        }
        let not_synced = || Unavailable::NotSynced { resource: watched.resource.clone() };
        watched.index.list(namespace, selector).ok_or_else(not_synced)
    }

    /// The watch of `resource`, which begins now if there was none.
    pub(super) fn watch(&self, resource: &ResourceType) -> Arc<Watched> {
        if resource.resource == self.pods.resource {
            return self.pods.clone();
        }
        self.others.begun(resource)
    }

    pub(super) fn checks(&self) -> Vec<Check> {
        let discovery = self.book.status();
        let undiscovered = discovery.age.is_none().then(|| reason(discovery.last_error));
        let forbidden = self.pods.health.forbidden();
        let unlisted = || self.pods.index.len().is_none().then(|| reason(self.pods.health.last_error()));
        vec![
            Check { name: "discovery", failure: undiscovered },
            Check { name: "pods-synced", failure: forbidden.or_else(unlisted) },
        ]
    }

    /// How each watch is, pods first, then by name.
    pub(super) fn watches(&self) -> Vec<WatchStatus> {
        let others = self.others.all();
        let watched = std::iter::once(&self.pods).chain(&others).map(|watched| watched.status());
        watched.chain(self.monitors.iter().flat_map(|monitors| monitors.statuses())).collect()
    }

    pub(super) fn monitors(&self) -> (Vec<Arc<Monitor>>, Vec<Arc<Service>>) {
        let Some(monitors) = self.monitors.as_ref().map(|monitors| monitors.all()) else {
            return Default::default();
        };
        let select_services = monitors.iter().any(|monitor| monitor.kind == MonitorKind::Service);
        let services = if select_services { known_services(&self.others) } else { Vec::new() };
        (monitors, services)
    }

    /// The watch of a canonical name; `None` if it names nothing that we know.
    pub(super) fn needed(&self, resource: &GroupResource) -> Option<Arc<Watched>> {
        if *resource == self.pods.resource {
            return Some(self.pods.clone());
        }
        self.others.needed(resource).or_else(|| Some(self.watch(&*self.book.canonical(resource)?)))
    }

    fn keep_discovering(&self) {
        let (book, client, others) = (self.book.clone(), self.client.clone(), self.others.clone());
        self.others.spawn(async move { book.keep_fresh(client, |gone| others.unserved(gone)).await });
    }

    fn follow_pods(&self, options: ClusterOptions) {
        let ClusterOptions { annotation_prefixes, on_change, pacing, .. } = options;
        let details = (self.pod_details.clone(), annotation_prefixes);
        let sink = PodObjects::new(self.pods.clone(), details, on_change);
        let (client, pods) = (self.client.clone(), self.pods.clone());
        self.others.spawn(async move { follow(sink, client, &pods, &pacing).await });
    }

    pub(super) fn knows_monitors(&self) -> bool {
        self.monitors.as_ref().is_none_or(|monitors| monitors.are_known(&self.book))
    }

    fn follow_monitors(&self, pacing: &Pacing) {
        let Some(monitors) = &self.monitors else { return };
        for kind in MonitorKind::ALL {
            let way = (self.client.clone(), self.book.clone());
            self.others.spawn(monitors.clone().keep(kind, way, pacing.clone()));
        }
        self.others.spawn(monitors.clone().keep_services(self.others.clone(), self.book.clone()));
    }

    fn follow_hpas(&self, pacing: Pacing) {
        let (sink, watched) = (HpaObjects::new(self.hpas.clone()), self.hpas.watched.clone());
        let client = self.client.clone();
        self.others.spawn(async move { follow(sink, client, &watched, &pacing).await });
    }
}

/// Whether the cluster has `object`, as far as its watch may tell.
fn presence(watched: &Watched, object: &ObjectRef) -> Presence {
    match watched.health.forbidden() {
        Some(_) => Presence::Unknown,
        None => watched.index.presence(object),
    }
}

fn reason(error: Option<String>) -> String {
    error.unwrap_or_else(|| "kube-apiserver has not answered yet".to_owned())
}
