//! The HPAs of the cluster: those that read a custom or an external metric.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, Resource};
use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::Value;

use super::{Pacing, health::WatchStatus, watch::Sink, watched::Watched};
use crate::{
    hpa::{Hpa, MetricSource, Spec},
    model::{GroupResource, Uid},
};

/// Namespace and name.
type Key = (String, String);

/// The HPAs as the watch last showed them.
pub(super) struct Hpas {
    known: RwLock<Option<BTreeMap<Key, Arc<Hpa>>>>,
    pub(super) watched: Arc<Watched>,
}

/// What is known of the HPAs of the cluster.
#[derive(Clone, Debug)]
pub enum KnownHpas {
    /// All that read a custom or an external metric, by namespace and name.
    Listed(Vec<Arc<Hpa>>),
    /// kube-apiserver does not let us list them: its words.
    Forbidden(String),
    /// The first list is not complete; why, if something failed.
    NotYet(Option<String>),
    /// There is no cluster.
    Standalone,
}

impl Hpas {
    pub(super) fn new(pacing: &Pacing) -> Self {
        let resource = GroupResource::new("autoscaling", "horizontalpodautoscalers");
        Self { known: RwLock::default(), watched: Watched::new(resource, pacing) }
    }

    pub(super) fn all(&self) -> KnownHpas {
        self.watched.need();
        if let Some(message) = self.watched.health.forbidden() {
            return KnownHpas::Forbidden(message);
        }
        match &*self.known.read() {
            Some(known) => KnownHpas::Listed(known.values().cloned().collect()),
            None => KnownHpas::NotYet(self.watched.health.last_error()),
        }
    }

    pub(super) fn status(&self) -> WatchStatus {
        let held = self.known.read().as_ref().map(BTreeMap::len);
        self.watched.health.status(&self.watched.resource, held)
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Hpa>> {
        self.known.read().as_ref()?.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn put(&self, hpa: Hpa) {
        if let Some(known) = self.known.write().as_mut() {
            let key = key(&hpa);
            if !reads_metrics(&hpa) {
                known.remove(&key);
            } else if known.len() < MOST || known.contains_key(&key) {
                known.insert(key, Arc::new(hpa));
            }
        }
    }

    fn remove(&self, hpa: &Hpa) {
        if let Some(known) = self.known.write().as_mut() {
            known.remove(&key(hpa));
        }
    }

    fn replace(&self, listed: Vec<Hpa>) {
        let kept = listed.into_iter().filter(reads_metrics).take(MOST);
        let known = kept.map(|hpa| (key(&hpa), Arc::new(hpa))).collect();
        *self.known.write() = Some(known);
    }
}

fn key(hpa: &Hpa) -> Key {
    (hpa.namespace.clone(), hpa.name.clone())
}

/// One whose spec cannot be read may do so.
fn reads_metrics(hpa: &Hpa) -> bool {
    let ours = |spec: &Spec| {
        spec.metrics.iter().any(|metric| !matches!(metric.source, MetricSource::Resource { .. }))
    };
    hpa.spec.as_ref().map_or(true, ours)
}

/// An HPA as it is sent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireHpa {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl Resource for WireHpa {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "HorizontalPodAutoscaler".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "autoscaling".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v2".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "horizontalpodautoscalers".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Keeps what a watch of HPAs shows.
pub(super) struct HpaObjects {
    hpas: Arc<Hpas>,
}

impl HpaObjects {
    pub(super) fn new(hpas: Arc<Hpas>) -> Self {
        Self { hpas }
    }
}

impl Sink for HpaObjects {
    type Wire = WireHpa;
    type Kept = Hpa;

    fn api(&self, client: Client) -> Api<WireHpa> {
        Api::all(client)
    }

    fn keep(&mut self, wire: WireHpa) -> Option<Hpa> {
        let WireHpa { metadata, spec, status } = wire;
        let uid = metadata.uid.map(|uid| Uid(uid.into()));
        Some(Hpa { uid, ..Hpa::read(metadata.namespace?, metadata.name?, (spec, status)) })
    }

    fn seen(&mut self, hpa: Hpa) {
        self.hpas.put(hpa);
    }

    fn gone(&mut self, hpa: Hpa) {
        self.hpas.remove(&hpa);
    }

    fn listed(&mut self, listed: Vec<Hpa>) {
        self.hpas.replace(listed);
    }

    fn not_served(&mut self) {}
}

/// So many HPAs are kept, of a few KiB each; clusters have hundreds.
const MOST: usize = 10_000;
