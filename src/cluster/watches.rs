//! The watches of all resources but pods: each from its first use until nobody needs it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use kube::Client;
use parking_lot::RwLock;
use tokio::{runtime::Handle, time::interval};

use super::{
    ClusterOptions,
    owners::{LinkKind, WireLinked, WireObject},
    resources::Book,
    sink::Objects,
    watch::follow,
    watched::Watched,
    wire::WireMeta,
};
use crate::model::{GroupResource, ResourceType};

pub(super) struct Watches {
    watched: RwLock<HashMap<GroupResource, Arc<Watched>>>,
    client: Client,
    book: Arc<Book>,
    options: ClusterOptions,
    /// Watches begin in whatever thread asks first, also one that no runtime owns.
    runtime: Handle,
}

impl Watches {
    pub(super) fn new(client: Client, book: Arc<Book>, options: ClusterOptions) -> Self {
        Self { watched: RwLock::default(), client, book, options, runtime: Handle::current() }
    }

    /// The watch of a resource that a read or a write needs now, if there is one.
    pub(super) fn needed(&self, resource: &GroupResource) -> Option<Arc<Watched>> {
        // Under the lock, so that a watch that is needed is not dropped.
        self.watched.read().get(resource).inspect(|watched| watched.need()).cloned()
    }

    /// The same, which begins now if there was none.
    pub(super) fn begun(&self, resource: &ResourceType) -> Arc<Watched> {
        if let Some(watched) = self.needed(&resource.resource) {
            return watched;
        }
        let mut watched = self.watched.write();
        watched.entry(resource.resource.clone()).or_insert_with(|| self.begin(resource)).clone()
    }

    /// The watch of a resource that there are values of.
    pub(super) fn with_values(&self, resource: &GroupResource) -> Option<Arc<Watched>> {
        self.watched.read().get(resource).inspect(|watched| watched.has_values()).cloned()
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Arc<Watched>> {
        let mut all: Vec<Arc<Watched>> = self.watched.read().values().cloned().collect();
        all.sort_by(|a, b| a.resource.cmp(&b.resource));
        all
    }

    /// The cluster no longer serves a resource.
    pub(super) fn unserved(&self, resource: &GroupResource) {
        if let Some(watched) = self.watched.write().remove(resource) {
            watched.unserved();
        }
    }

    /// Ends the watches that nothing needs, for ever.
    pub(super) async fn drop_unneeded(&self) {
        let longest = self.options.pacing.unneeded;
        let mut looks = interval((longest / LOOKS).max(SHORTEST_LOOK));
        loop {
            looks.tick().await;
            for watched in self.take_unneeded(longest) {
                watched.drop_it();
            }
        }
    }

    fn take_unneeded(&self, longest: Duration) -> Vec<Arc<Watched>> {
        let mut watched = self.watched.write();
        watched.extract_if(|_, watched| watched.unneeded() >= longest).map(|(_, watched)| watched).collect()
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.options.shutdown.clone();
        let task = async move { shutdown.run_until_cancelled(task).await };
        self.options.tasks.spawn_on(task, &self.runtime);
    }

    fn begin(&self, resource: &ResourceType) -> Arc<Watched> {
        tracing::info!(resource = %resource.resource, "watching");
        let watched = Watched::new(resource.resource.clone(), &self.options.pacing);
        if LinkKind::of(&resource.resource).is_some() {
            self.follow::<WireLinked>(resource, watched.clone());
        } else {
            self.follow::<WireMeta>(resource, watched.clone());
        }
        watched
    }

    fn follow<W: WireObject>(&self, resource: &ResourceType, task: Arc<Watched>) {
        let (on_change, pacing) = (self.options.on_change.clone(), self.options.pacing.clone());
        let sink = Objects::<W>::new(task.clone(), resource.clone(), self.book.clone(), on_change.clone());
        let client = self.client.clone();
        self.spawn(async move {
            task.until_end(follow(sink, client, &task, &pacing)).await;
            if task.is_unserved() {
                task.index.replace(Vec::new()).iter().for_each(|change| on_change(change));
            }
        });
    }
}

/// How often to look in the time after which a watch is dropped.
const LOOKS: u32 = 20;

const SHORTEST_LOOK: Duration = Duration::from_millis(1);
