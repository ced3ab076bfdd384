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

    fn seen(&self, live: LiveObject) -> Arc<LiveObject> {
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
    type Kept = LiveObject;

    fn api(&self, client: Client) -> Api<WireMeta> {
        let known = self.book.canonical(&self.first_known.resource);
        Api::all_with(client, &api_resource(known.as_deref().unwrap_or(&self.first_known)))
    }

    fn keep(&mut self, wire: WireMeta) -> Option<LiveObject> {
        self.memory.decoder.object(wire)
    }

    fn seen(&mut self, live: LiveObject) {
        self.memory.seen(live);
    }

    fn gone(&mut self, live: LiveObject) {
        self.memory.gone(&live.object, &live.uid);
    }

    fn listed(&mut self, listed: Vec<LiveObject>) {
        self.memory.listed(listed.into_iter().map(Arc::new).collect());
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
    type Kept = Pod;

    fn api(&self, client: Client) -> Api<WirePod> {
        Api::all(client)
    }

    fn keep(&mut self, wire: WirePod) -> Option<Pod> {
        self.memory.decoder.pod(wire, &self.prefixes)
    }

    fn seen(&mut self, mut pod: Pod) {
        pod.live = self.memory.seen((*pod.live).clone());
        self.pods.insert(pod);
    }

    fn gone(&mut self, pod: Pod) {
        self.pods.remove(&pod.live.uid);
        self.memory.gone(&pod.live.object, &pod.live.uid);
    }

    fn listed(&mut self, listed: Vec<Pod>) {
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
