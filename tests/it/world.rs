//! A cluster in memory and a metrics API in front of it, for tests.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    api::{Api, Checks, Clues, ClusterView, Limits, RecentReads, Sources},
    auth::Auth,
    cluster::{Cluster, Members, NoMembers, Pod, PodPhase, Unavailable, UnknownResource},
    model::{
        GroupResource, Labels, LiveObject, MetricName, ObjectRef, Presence, Quantity, ResourceType, Sample,
        Selector, Subject, Uid,
    },
    store::{self, Store, Write},
};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use tower::ServiceExt;

/// What a test's cluster has.
#[derive(Clone, Default)]
pub(crate) struct World {
    objects: Vec<Arc<LiveObject>>,
    /// Objects with the names of their pods.
    owners: Vec<(ObjectRef, Vec<String>)>,
    forbidden: Vec<(GroupResource, String)>,
    unsynced: Vec<GroupResource>,
    standalone: bool,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl World {
    /// A cluster where the adapter may list everything, and that has nothing.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// No cluster.
    pub(crate) fn standalone() -> Self {
        Self { standalone: true, ..Self::default() }
    }

    /// With this object, created long ago.
    pub(crate) fn with(mut self, object: ObjectRef, labels: &str) -> Self {
        let labels = labels.split(',').filter_map(|pair| pair.split_once('='));
        self.objects.push(Arc::new(LiveObject {
            uid: Uid(format!("uid-{}", object.name).into()),
            created: Timestamp::constant(1_700_000_000, 0),
            labels: Labels::from_pairs(labels),
            object,
        }));
        self.objects.sort_by(|a, b| a.object.cmp(&b.object));
        self
    }

    /// With this object, to which pods of these names belong that run.
    pub(crate) fn with_pods(self, owner: ObjectRef, pods: &[&str]) -> Self {
        let mut world = self.with(owner.clone(), "");
        world.owners.push((owner, pods.iter().copied().map(str::to_owned).collect()));
        pods.iter().fold(world, |world, name| match world.presence(&pod(name)) {
            Presence::Live(_) => world,
            _ => world.with(pod(name), ""),
        })
    }

    /// Where the adapter may not list a resource.
    pub(crate) fn forbidding(mut self, resource: GroupResource, message: &str) -> Self {
        self.forbidden.push((resource, message.to_owned()));
        self
    }

    /// Where the list of a resource is not complete yet.
    pub(crate) fn not_synced(mut self, resource: GroupResource) -> Self {
        self.unsynced.push(resource);
        self
    }

    fn unavailable(&self, resource: &GroupResource) -> Option<Unavailable> {
        if self.standalone {
            return Some(Unavailable::Standalone);
        }
        if self.unsynced.contains(resource) {
            return Some(Unavailable::NotSynced { resource: resource.clone() });
        }
        let (resource, message) = self.forbidden.iter().find(|(forbidden, _)| forbidden == resource)?;
        Some(Unavailable::Forbidden { resource: resource.clone(), message: message.clone() })
    }
}

impl ClusterView for World {
    fn members(&self, object: &ObjectRef) -> Result<Members, NoMembers> {
        let (_, pods) =
            self.owners.iter().find(|(owner, _)| owner == object).ok_or(Unavailable::Standalone)?;
        let Presence::Live(object) = self.presence(object) else {
            return Err(NoMembers::NoObject(object.clone()));
        };
        let are_alike = !object.object.resource.is_namespaces();
        let pods = pods.iter().filter_map(|name| self.objects.iter().find(|live| live.object == pod(name)));
        Ok(Members { object, pods: pods.map(|live| Arc::new(running(live))).collect(), are_alike })
    }

    fn resolve(&self, name: &str) -> Result<Arc<ResourceType>, UnknownResource> {
        Cluster::standalone().resolve(name)
    }

    fn find(&self, name: &str) -> Option<Arc<ResourceType>> {
        Cluster::standalone().find(name)
    }

    fn is_resource_name(&self, name: &str) -> bool {
        Cluster::standalone().is_resource_name(name)
    }

    fn names_generation(&self) -> u64 {
        0
    }

    fn presence(&self, object: &ObjectRef) -> Presence {
        if self.unavailable(&object.resource).is_some() {
            return Presence::Unknown;
        }
        let live = self.objects.iter().find(|live| live.object == *object);
        live.map_or(Presence::Absent, |live| Presence::Live(Arc::clone(live)))
    }

    fn list(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Arc<LiveObject>>, Unavailable> {
        if let Some(unavailable) = self.unavailable(&resource.resource) {
            return Err(unavailable);
        }
        let listed = |live: &&Arc<LiveObject>| {
            live.object.resource == resource.resource
                && live.object.namespace.as_deref() == namespace
                && selector.matches(&live.labels)
        };
        Ok(self.objects.iter().filter(listed).cloned().collect())
    }
}

fn running(live: &Arc<LiveObject>) -> Pod {
    Pod {
        live: live.clone(),
        annotations: BTreeMap::new(),
        phase: PodPhase::Running,
        ready: true,
        deletion: None,
        ips: Vec::new(),
        host_network: false,
        node: None,
        containers: Vec::new(),
    }
}

/// An object of the core group in a namespace.
pub(crate) fn namespaced(resource: &str, name: &str) -> ObjectRef {
    ObjectRef {
        resource: GroupResource::new("", resource),
        namespace: Some("default".into()),
        name: name.into(),
    }
}

/// A cluster-scoped object of the core group.
pub(crate) fn cluster_scoped(resource: &str, name: &str) -> ObjectRef {
    ObjectRef { resource: GroupResource::new("", resource), namespace: None, name: name.into() }
}

/// A pod in namespace `default`.
pub(crate) fn pod(name: &str) -> ObjectRef {
    namespaced("pods", name)
}

/// A value written at `at` (RFC 3339) with metric labels `a=1,b=2`.
pub(crate) fn value(object: &ObjectRef, metric: &str, value: &str, labels: &str, at: &str) -> Write {
    about(object.clone().into(), metric, value, labels, at)
}

/// A value of an external metric of `namespace`, written at `at` with metric labels `a=1,b=2`.
pub(crate) fn external(namespace: &str, metric: &str, value: &str, labels: &str, at: &str) -> Write {
    about(Subject::external(namespace), metric, value, labels, at)
}

fn about(subject: Subject, metric: &str, value: &str, labels: &str, at: &str) -> Write {
    let labels = labels.split(',').filter_map(|pair| pair.split_once('='));
    Write {
        subject,
        uid: None,
        metric: MetricName::new(metric).unwrap(),
        labels: Labels::from_pairs(labels),
        sample: Sample {
            value: Quantity::parse(value).unwrap(),
            timestamp: at.parse().unwrap(),
            window_seconds: None,
        },
        ttl: None,
    }
}

/// A store with these values.
pub(crate) fn store(values: Vec<Write>) -> Store {
    let store = Store::new(store::Limits::default());
    store.append(values, Timestamp::now()).unwrap();
    store
}

/// The API in front of `world` and `store`, open to everyone.
pub(crate) fn api(world: World, store: Store) -> Router {
    api_with(world, store, Auth::disabled(), Limits::default())
}

/// The API with another gate or other limits.
pub(crate) fn api_with(world: World, store: Store, auth: Auth, limits: Limits) -> Router {
    let sources = Sources {
        store,
        cluster: Arc::new(world),
        auth,
        checks: Checks::new(Vec::new),
        clues: Clues::of_writes_alone(None),
        recent: RecentReads::default(),
    };
    Api::new(sources, limits).router()
}

/// The answer to `request`.
pub(crate) async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: head.status, headers: head.headers, body }
}

/// The answer to GET.
pub(crate) async fn get(router: &Router, uri: &str) -> Answer {
    send(router, Request::get(uri).body(Body::empty()).unwrap()).await
}

/// What is below one version of the group.
pub(crate) fn path(rest: &str) -> String {
    format!("/apis/custom.metrics.k8s.io/v1beta2/{rest}")
}

impl Answer {
    /// The body, which has to be text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body, which has to be JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The message of a `Status` with this code.
    pub(crate) fn failure(&self, code: u16) -> String {
        let status = self.json();
        assert_eq!(self.status.as_u16(), code, "{status}");
        assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &code.into()), "{status}");
        status["message"].as_str().unwrap().to_owned()
    }

    /// `NAME=VALUE` of each item.
    pub(crate) fn values(&self) -> Vec<String> {
        let list = self.json();
        assert_eq!(self.status, StatusCode::OK, "{list}");
        let item = |item: &serde_json::Value| {
            let [name, value] =
                [&item["describedObject"]["name"], &item["value"]].map(|v| v.as_str().unwrap());
            format!("{name}={value}")
        };
        list["items"].as_array().unwrap().iter().map(item).collect()
    }

    /// A header as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
