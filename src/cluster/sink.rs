//! Brings what a watch shows into memory and tells others of it.

use std::{marker::PhantomData, sync::Arc};

use kube::{Api, Client, core::ApiResource};

use super::{
    Change, OnChange,
    owners::{Tie, WireObject},
    pod::{Pod, Pods},
    resources::Book,
    watch::Sink,
    watched::Watched,
    wire::{Decoder, WirePod},
};
use crate::model::{LiveObject, ObjectRef, ResourceType, Uid};

/// An object, and what it says of others.
type Shown = (Arc<LiveObject>, Tie);

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

    fn seen(&self, (live, tie): (Arc<LiveObject>, Tie)) {
        let is_retied = self.watched.ties.put(&live, tie);
        let changes = self.watched.index.insert(&live);
        if is_retied || !changes.is_empty() {
            self.watched.moved();
        }
        changes.iter().for_each(|change| self.tell(change));
    }

    fn gone(&self, object: &ObjectRef, uid: &Uid) {
        self.watched.index.remove(object, uid).iter().for_each(|change| self.tell(change));
        self.watched.moved();
    }

    fn listed(&self, listed: Vec<Shown>) {
        self.watched.ties.replace(listed.iter().map(|(live, tie)| (live, tie)));
        let live = listed.into_iter().map(|(live, _)| live).collect();
        self.watched.index.replace(live).iter().for_each(|change| self.tell(change));
        self.watched.moved();
    }

    fn tell(&self, change: &Change) {
        if let Change::Gone(live) = change {
            self.watched.ties.remove(live);
        }
        (self.on_change)(change);
    }
}

/// Objects of any resource as `W`: metadata, or a little more of those that lead to others.
pub(super) struct Objects<W> {
    memory: Memory,
    book: Arc<Book>,
    /// As it was when the watch was asked for; discovery may know a newer version by now.
    first_known: ResourceType,
    wire: PhantomData<fn() -> W>,
}

impl<W: WireObject> Objects<W> {
    pub(super) fn new(
        watched: Arc<Watched>,
        first_known: ResourceType,
        book: Arc<Book>,
        on_change: OnChange,
    ) -> Self {
        Self { memory: Memory::new(watched, on_change), book, first_known, wire: PhantomData }
    }
}

impl<W: WireObject> Sink for Objects<W> {
    type Wire = W;
    type Kept = Shown;

    fn api(&self, client: Client) -> Api<W> {
        let known = self.book.canonical(&self.first_known.resource);
        Api::all_with(client, &api_resource(known.as_deref().unwrap_or(&self.first_known)))
    }

    fn keep(&mut self, wire: W) -> Option<Shown> {
        let (live, tie) = self.memory.decoder.object(wire)?;
        Some((self.memory.watched.index.known_or(live), tie))
    }

    fn seen(&mut self, shown: Shown) {
        self.memory.seen(shown);
    }

    fn gone(&mut self, (live, _): Shown) {
        self.memory.gone(&live.object, &live.uid);
    }

    fn listed(&mut self, listed: Vec<Shown>) {
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
    type Kept = (Arc<Pod>, Tie);

    fn api(&self, client: Client) -> Api<WirePod> {
        Api::all(client)
    }

    fn keep(&mut self, wire: WirePod) -> Option<Self::Kept> {
        let (mut pod, tie) = self.memory.decoder.pod(wire, &self.prefixes)?;
        if self.prefixes.is_empty() {
            pod = pod.without_targets();
        }
        pod.live = self.memory.watched.index.known_or(Arc::unwrap_or_clone(pod.live));
        Some((self.pods.known_or(pod), tie))
    }

    fn seen(&mut self, (pod, tie): Self::Kept) {
        self.memory.seen((pod.live.clone(), tie));
        self.pods.insert(pod);
    }

    fn gone(&mut self, (pod, _): Self::Kept) {
        self.pods.remove(&pod.live.uid);
        self.memory.gone(&pod.live.object, &pod.live.uid);
    }

    fn listed(&mut self, listed: Vec<Self::Kept>) {
        let pods = listed.iter().map(|(pod, _)| pod.clone()).collect();
        self.memory.listed(listed.into_iter().map(|(pod, tie)| (pod.live.clone(), tie)).collect());
        self.pods.replace(pods);
    }

    fn not_served(&mut self) {}
}

pub(super) fn api_resource(known: &ResourceType) -> ApiResource {
    ApiResource {
        group: known.resource.group.to_string(),
        version: known.version.to_string(),
        api_version: known.api_version(),
        kind: known.kind.to_string(),
        plural: known.resource.resource.to_string(),
    }
}
