//! Brings what a watch shows into memory and tells others of it.

use std::sync::Arc;

use kube::{Api, Client, core::ApiResource};

use super::{
    OnChange,
    index::Insertion,
    pod::{Pod, Pods},
    resources::Book,
    watch::Sink,
    watched::Watched,
    wire::{Decoder, WireMeta, WirePod},
};
use crate::model::{LiveObject, ObjectRef, ResourceType, Uid};

/// Updates the index and calls `on_change`. The index comes first: whoever is told that an object is gone, and
/// looks, does not find it.
struct Memory {
    watched: Arc<Watched>,
    decoder: Decoder,
    on_change: OnChange,
}

impl Memory {
    fn new(watched: Arc<Watched>, on_change: OnChange) -> Self {
        Self { decoder: Decoder::new(watched.resource.clone()), watched, on_change }
    }

    fn seen(&self, live: Arc<LiveObject>) -> Arc<LiveObject> {
        let Insertion { kept, changes } = self.watched.index.insert(live);
        changes.iter().for_each(|change| (self.on_change)(change));
        kept
    }

    fn gone(&self, object: &ObjectRef, uid: &Uid) {
        self.watched.index.remove(object, uid).iter().for_each(|change| (self.on_change)(change));
    }

    fn listed(&self, listed: Vec<Arc<LiveObject>>) {
        self.watched.index.replace(listed).iter().for_each(|change| (self.on_change)(change));
    }
}

/// Metadata of any resource.
pub(super) struct Objects {
    memory: Memory,
    book: Arc<Book>,
    /// As it was when the watch was asked for; discovery may know a newer version by now.
    first_known: ResourceType,
}

impl Objects {
    pub(super) fn new(
        watched: Arc<Watched>,
        first_known: ResourceType,
        book: Arc<Book>,
        on_change: OnChange,
    ) -> Self {
        Self { memory: Memory::new(watched, on_change), book, first_known }
    }
}

impl Sink for Objects {
    type Wire = WireMeta;
    type Kept = Arc<LiveObject>;

    fn api(&self, client: Client) -> Api<WireMeta> {
        let known = self.book.canonical(&self.first_known.resource);
        Api::all_with(client, &api_resource(known.as_deref().unwrap_or(&self.first_known)))
    }

    fn keep(&mut self, wire: WireMeta) -> Option<Arc<LiveObject>> {
        let live = self.memory.decoder.object(wire)?;
        Some(self.memory.watched.index.known_or(live))
    }

    fn seen(&mut self, live: Arc<LiveObject>) {
        self.memory.seen(live);
    }

    fn gone(&mut self, live: Arc<LiveObject>) {
        self.memory.gone(&live.object, &live.uid);
    }

    fn listed(&mut self, listed: Vec<Arc<LiveObject>>) {
        self.memory.listed(listed);
    }

    fn not_served(&mut self) {
        self.book.refresh();
    }
}

/// Pods, with what a scrape needs of them.
pub(super) struct PodObjects {
    memory: Memory,
    pods: Arc<Pods>,
    prefixes: Vec<String>,
}

impl PodObjects {
    pub(super) fn new(
        watched: Arc<Watched>,
        (pods, prefixes): (Arc<Pods>, Vec<String>),
        on_change: OnChange,
    ) -> Self {
        Self { memory: Memory::new(watched, on_change), pods, prefixes }
    }
}

impl Sink for PodObjects {
    type Wire = WirePod;
    type Kept = Arc<Pod>;

    fn api(&self, client: Client) -> Api<WirePod> {
        Api::all(client)
    }

    fn keep(&mut self, wire: WirePod) -> Option<Arc<Pod>> {
        let mut pod = self.memory.decoder.pod(wire, &self.prefixes)?;
        if self.prefixes.is_empty() {
            pod = pod.without_targets();
        }
        pod.live = self.memory.watched.index.known_or(Arc::unwrap_or_clone(pod.live));
        Some(self.pods.known_or(pod))
    }

    fn seen(&mut self, pod: Arc<Pod>) {
        self.memory.seen(pod.live.clone());
        self.pods.insert(pod);
    }

    fn gone(&mut self, pod: Arc<Pod>) {
        self.pods.remove(&pod.live.uid);
        self.memory.gone(&pod.live.object, &pod.live.uid);
    }

    fn listed(&mut self, listed: Vec<Arc<Pod>>) {
        self.memory.listed(listed.iter().map(|pod| pod.live.clone()).collect());
        self.pods.replace(listed);
    }

    fn not_served(&mut self) {}
}

fn api_resource(known: &ResourceType) -> ApiResource {
    ApiResource {
        group: known.resource.group.to_string(),
        version: known.version.to_string(),
        api_version: known.api_version(),
        kind: known.kind.to_string(),
        plural: known.resource.resource.to_string(),
    }
}
