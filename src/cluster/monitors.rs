//! The PodMonitors and ServiceMonitors of the cluster, where it has such resources; they may come and go while the adapter
//! runs. Of ServiceMonitors the Services are watched as well, as long as there is one.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    core::{ApiResource, DynamicResourceScope},
};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

use super::{
    Pacing, Service,
    health::WatchStatus,
    owners::Link,
    resources::Book,
    sink::api_resource,
    watch::{Sink, follow},
    watched::Watched,
    watches::Watches,
    wire::slim,
};
use crate::{
    model::{GroupResource, Selector},
    monitor::{Monitor, MonitorKind},
};

/// Namespace and name.
type Key = (String, String);

/// The monitors as their watches last showed them.
pub(super) struct Monitors {
    pods: Known,
    services: Known,
    /// Moves whenever a monitor, or a Service that one may select, has changed.
    changes: watch::Sender<u64>,
}

/// Those of one kind.
#[derive(Default)]
struct Known {
    monitors: RwLock<BTreeMap<Key, Arc<Monitor>>>,
    /// While the cluster serves the resource.
    watched: RwLock<Option<Arc<Watched>>>,
}

impl Monitors {
    pub(super) fn new() -> Self {
        Self { pods: Known::default(), services: Known::default(), changes: watch::Sender::new(0) }
    }

    pub(super) fn all(&self) -> Vec<Arc<Monitor>> {
        let of = |known: &Known| known.monitors.read().values().cloned().collect::<Vec<_>>();
        MonitorKind::ALL.into_iter().flat_map(|kind| of(self.known(kind))).collect()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How the watches are of the resources that the cluster serves.
    pub(super) fn statuses(&self) -> Vec<WatchStatus> {
        let of = |known: &Known| {
            let watched = known.watched.read().clone()?;
            let held = watched.health.has_listed().then(|| known.monitors.read().len());
            Some(watched.health.status(&watched.resource, held))
        };
        MonitorKind::ALL.into_iter().filter_map(|kind| of(self.known(kind))).collect()
    }

    /// Whether each kind is listed, refused, or not served.
    pub(super) fn are_known(&self, book: &Book) -> bool {
        MonitorKind::ALL.into_iter().all(|kind| match &*self.known(kind).watched.read() {
            Some(watched) => watched.health.has_listed() || watched.health.forbidden().is_some(),
            None => !book.is_served(&kind.resource()),
        })
    }

    /// Follows one kind for ever.
    pub(super) async fn keep(
        self: Arc<Self>,
        kind: MonitorKind,
        (client, book): (Client, Arc<Book>),
        pacing: Pacing,
    ) {
        let resource = kind.resource();
        loop {
            book.until(&resource, true).await;
            tracing::info!(%resource, "watching");
            let watched = Watched::always(resource.clone(), &pacing);
            *self.known(kind).watched.write() = Some(watched.clone());
            let sink = MonitorObjects { monitors: self.clone(), kind, book: book.clone() };
            tokio::select! {
                () = follow(sink, client.clone(), &watched, &pacing) => {}
                () = book.until(&resource, false) => {}
            }
            tracing::info!(%resource, "no longer watching: the cluster does not serve the resource");
            *self.known(kind).watched.write() = None;
            self.change(kind, BTreeMap::clear);
        }
    }

    /// Keeps the watch of Services while there is a ServiceMonitor, and tells of their changes, for ever.
    pub(super) async fn keep_services(self: Arc<Self>, others: Arc<Watches>, book: Arc<Book>) {
        let (mut changes, mut following) = (self.changes(), None::<(Arc<Watched>, watch::Receiver<u64>)>);
        loop {
            let is_needed = !self.services.monitors.read().is_empty();
            let services = book.canonical(&services()).filter(|_| is_needed);
            let Some(services) = services else {
                let _ = changes.changed().await;
                continue;
            };
            let watched = others.begun(&services);
            let (_, moves) = match following.take().filter(|(known, _)| Arc::ptr_eq(known, &watched)) {
                Some(known) => following.insert(known),
                None => following.insert((watched.clone(), watched.moves())),
            };
            tokio::select! {
                _ = changes.changed() => {}
                moved = timeout(NEEDED_AGAIN, moves.changed()) => if moved.is_ok() { self.moved() },
            }
        }
    }

    fn known(&self, kind: MonitorKind) -> &Known {
        match kind {
            MonitorKind::Pod => &self.pods,
            MonitorKind::Service => &self.services,
        }
    }

    fn moved(&self) {
        self.changes.send_modify(|generation| *generation += 1);
    }

    fn change(&self, kind: MonitorKind, change: impl FnOnce(&mut BTreeMap<Key, Arc<Monitor>>)) {
        change(&mut self.known(kind).monitors.write());
        self.moved();
    }
}

/// The Services that select pods, as far as their watch knows them.
pub(super) fn known_services(others: &Watches) -> Vec<Arc<Service>> {
    let Some(watched) = others.needed(&services()) else { return Vec::new() };
    let all = watched.index.list(None, &Selector::default()).unwrap_or_default();
    let service = |live: Arc<_>, link: &Link| match link {
        Link::Pods(Some(selector), ports) => {
            Some(Arc::new(Service { live, selector: selector.clone(), ports: ports.clone() }))
        }
        _ => None,
    };
    all.into_iter().filter_map(|live| service(live.clone(), &*watched.ties.link(&live.uid)?)).collect()
}

fn services() -> GroupResource {
    GroupResource::new("", "services")
}

/// A monitor as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireMonitor {
    #[serde(deserialize_with = "slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
}

impl Resource for WireMonitor {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Keeps what a watch of monitors shows.
struct MonitorObjects {
    monitors: Arc<Monitors>,
    kind: MonitorKind,
    book: Arc<Book>,
}

impl Sink for MonitorObjects {
    type Wire = WireMonitor;
    type Kept = Monitor;

    fn api(&self, client: Client) -> Api<WireMonitor> {
        let resource = self.kind.resource();
        let known = self.book.canonical(&resource).map(|known| api_resource(&known));
        // It was there a moment ago.
        let usual = || ApiResource {
            group: resource.group.to_string(),
            version: "v1".to_owned(),
            api_version: format!("{}/v1", resource.group),
            kind: self.kind.as_str().to_owned(),
            plural: resource.resource.to_string(),
        };
        Api::all_with(client, &known.unwrap_or_else(usual))
    }

    fn keep(&mut self, wire: WireMonitor) -> Option<Monitor> {
        let WireMonitor { metadata, spec } = wire;
        Some(Monitor::read(self.kind, (metadata.namespace?, metadata.name?), spec))
    }

    fn seen(&mut self, monitor: Monitor) {
        let key = key(&monitor);
        let known = self.monitors.known(self.kind).monitors.read();
        let is_new = !known.contains_key(&key);
        if known.get(&key).is_some_and(|known| **known == monitor) || (is_new && known.len() >= MOST) {
            return;
        }
        drop(known);
        tell(&monitor);
        self.monitors.change(self.kind, |known| drop(known.insert(key, Arc::new(monitor))));
    }

    fn gone(&mut self, monitor: Monitor) {
        self.monitors.change(self.kind, |known| drop(known.remove(&key(&monitor))));
    }

    fn listed(&mut self, listed: Vec<Monitor>) {
        listed.iter().take(MOST).for_each(tell);
        let listed =
            listed.into_iter().take(MOST).map(|monitor| (key(&monitor), Arc::new(monitor))).collect();
        self.monitors.change(self.kind, |known| *known = listed);
    }

    fn not_served(&mut self) {
        self.book.refresh();
    }
}

fn key(monitor: &Monitor) -> Key {
    (monitor.namespace.clone(), monitor.name.clone())
}

/// What of it is not followed. `/targets` says so too, for as long as it is so.
fn tell(monitor: &Monitor) {
    if let Some(fault) = monitor.faults.first() {
        let faults = monitor.faults.len();
        tracing::warn!(monitor = monitor.title(), faults, fault, "a monitor cannot be followed as a whole");
    }
}

/// So many of each kind are kept, of a few KiB each; clusters have hundreds.
const MOST: usize = 10_000;

/// Less than the time after which a watch that nothing needs is dropped.
const NEEDED_AGAIN: Duration = Duration::from_secs(60);
