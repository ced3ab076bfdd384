//! Which pods belong to an object, and what their values add up to: a scripted cluster beside a model of it.

use std::{collections::BTreeMap, sync::Arc};

use custom_metrics_adapter::{
    cluster::{Cluster, ClusterOptions, Members, NoMembers, Unavailable},
    model::{
        GroupResource, Labels, LiveObject, MetricName, MetricSelector, ObjectRef, Presence, Quantity, Sample,
    },
    owned::{self, Nothing, Rules},
    store::{Limits, Query, Store, Write},
};
use jiff::Timestamp;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{
    kube_api::{KubeApi, object, pod},
    seen,
};

const NAMESPACE: &str = "shop";

struct World {
    api: KubeApi,
    cluster: Cluster,
    end: CancellationToken,
}

/// What owns others: resource, kind and API group with version.
type Kind = (&'static str, &'static str, &'static str);

const DEPLOYMENT: Kind = ("deployments.apps", "Deployment", "apps/v1");
const REPLICA_SET: Kind = ("replicasets.apps", "ReplicaSet", "apps/v1");
const STATEFUL_SET: Kind = ("statefulsets.apps", "StatefulSet", "apps/v1");
const JOB: Kind = ("jobs.batch", "Job", "batch/v1");
const CRON_JOB: Kind = ("cronjobs.batch", "CronJob", "batch/v1");
const ROLLOUT: Kind = ("rollouts.argoproj.io", "Rollout", "argoproj.io/v1alpha1");
const GROUP: Kind = ("leaderworkersets.x-k8s.io", "LeaderWorkerSet", "x-k8s.io/v1");
const POD: Kind = ("pods", "Pod", "v1");

impl World {
    async fn new() -> Self {
        let api = KubeApi::start().await;
        for (group, version, plural, kind) in [
            ("", "v1", "services", "Service"),
            ("apps", "v1", "replicasets", "ReplicaSet"),
            ("apps", "v1", "statefulsets", "StatefulSet"),
            ("batch", "v1", "jobs", "Job"),
            ("batch", "v1", "cronjobs", "CronJob"),
            ("argoproj.io", "v1alpha1", "rollouts", "Rollout"),
            ("x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet"),
            ("networking.k8s.io", "v1", "ingresses", "Ingress"),
            ("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
            ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
        ] {
            api.serve(group, version, plural, kind);
        }
        let end = CancellationToken::new();
        let mut options = ClusterOptions::new(TaskTracker::new(), end.clone());
        options.kubeconfig = Some(api.kubeconfig());
        let cluster = Cluster::connect(options).await.unwrap();
        let world = Self { api, cluster, end };
        let known = || world.cluster.checks().iter().all(|check| check.failure.is_none()).then_some(());
        seen("the cluster is known", known).await;
        world
    }

    /// An object with a controller above it, of which it is named.
    fn put(&self, (resource, _, _): Kind, name: &str, above: Option<(Kind, &str)>) {
        let mut new =
            if resource == "pods" { pod(NAMESPACE, name, "app=web") } else { object(NAMESPACE, name, "") };
        new["metadata"]["uid"] = uid(resource, name).into();
        if let Some(above) = above {
            new["metadata"]["ownerReferences"] = controlled_by(above);
        }
        self.api.apply(resource, new);
    }

    fn service(&self, name: &str, selector: &Value) {
        let mut service = object(NAMESPACE, name, "");
        service["spec"] = json!({ "selector": selector });
        self.api.apply("services", service);
    }

    fn object(&self, resource: &str, name: &str) -> ObjectRef {
        let found = self.cluster.resolve(resource).unwrap();
        let namespaced = !matches!(resource, "namespaces" | "nodes");
        ObjectRef {
            resource: found.resource.clone(),
            namespace: namespaced.then(|| NAMESPACE.into()),
            name: name.into(),
        }
    }

    /// The names of an object's pods once the watches that it needs are in sync, or why they are not known.
    async fn pods(&self, resource: &str, name: &str) -> Result<Vec<String>, NoMembers> {
        let members = self.members(resource, name).await?;
        Ok(members.pods.iter().map(|pod| pod.live.object.name.to_string()).collect())
    }

    async fn members(&self, resource: &str, name: &str) -> Result<Members, NoMembers> {
        let object = self.object(resource, name);
        let known = || match self.cluster.members(&object) {
            Err(NoMembers::Unavailable(Unavailable::NotSynced { .. })) => None,
            known => Some(known),
        };
        seen("what is asked for is known", known).await
    }

    /// Waits until an object has these pods.
    async fn becomes(&self, resource: &str, name: &str, pods: &[&str]) {
        let object = self.object(resource, name);
        let names = || -> Option<()> {
            let members = self.cluster.members(&object).ok()?;
            members.pods.iter().map(|pod| &*pod.live.object.name).eq(pods.iter().copied()).then_some(())
        };
        seen(&format!("{resource} {name} has {pods:?}"), names).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

fn uid(resource: &str, name: &str) -> String {
    format!("uid-of-{resource}-{name}")
}

fn controlled_by(((resource, kind, api_version), name): (Kind, &str)) -> Value {
    let other = json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "uid-of-n"});
    let controller = json!({
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid(resource, name), "controller": true,
    });
    json!([other, controller])
}

#[tokio::test]
async fn a_deployment_has_the_pods_of_its_replica_sets_and_no_others() {
    let world = World::new().await;
    world.put(DEPLOYMENT, "web", None);
    world.put(DEPLOYMENT, "api", None);
    for (set, deployment) in [("web-1", "web"), ("web-2", "web"), ("api-1", "api")] {
        world.put(REPLICA_SET, set, Some((DEPLOYMENT, deployment)));
        world.put(POD, &format!("{set}-a"), Some((REPLICA_SET, set)));
    }
    world.put(POD, "alone", None);
    assert_eq!(world.pods("deployments.apps", "web").await.unwrap(), ["web-1-a", "web-2-a"]);
    assert_eq!(world.pods("replicasets.apps", "web-2").await.unwrap(), ["web-2-a"]);
    let watched: Vec<String> =
        world.cluster.watches().iter().map(|watch| watch.resource.to_string()).collect();
    assert_eq!(
        watched,
        ["pods", "deployments.apps", "replicasets.apps"],
        "only what is asked for is watched"
    );
    let lists = world.api.asked("/apis/apps/v1/replicasets");
    assert!(lists.iter().all(|asked| asked.accept.contains("PartialObjectMetadata")), "{lists:?}");
}

#[tokio::test]
async fn a_pod_and_a_replica_set_that_change_their_owner_count_where_they_are_now() {
    let world = World::new().await;
    for name in ["web", "api"] {
        world.put(DEPLOYMENT, name, None);
        world.put(REPLICA_SET, &format!("{name}-1"), Some((DEPLOYMENT, name)));
        world.put(POD, &format!("{name}-pod"), Some((REPLICA_SET, &format!("{name}-1"))));
    }
    assert_eq!(world.pods("deployments.apps", "web").await.unwrap(), ["web-pod"]);
    world.put(POD, "api-pod", Some((REPLICA_SET, "web-1")));
    world.becomes("deployments.apps", "web", &["api-pod", "web-pod"]).await;
    world.becomes("deployments.apps", "api", &[]).await;
    world.put(REPLICA_SET, "web-1", None);
    world.becomes("deployments.apps", "web", &[]).await;
    assert_eq!(world.pods("replicasets.apps", "web-1").await.unwrap().len(), 2, "the orphan has its pods");
    world.put(REPLICA_SET, "web-1", Some((DEPLOYMENT, "api")));
    world.becomes("deployments.apps", "api", &["api-pod", "web-pod"]).await;
    world.api.delete("pods", NAMESPACE, "web-pod");
    world.becomes("deployments.apps", "api", &["api-pod"]).await;
    world.put(POD, "api-pod", None);
    world.becomes("deployments.apps", "api", &[]).await;
}

#[tokio::test]
async fn a_custom_owner_has_pods_to_any_depth() {
    let world = World::new().await;
    world.put(ROLLOUT, "web", None);
    world.put(REPLICA_SET, "web-1", Some((ROLLOUT, "web")));
    world.put(POD, "web-a", Some((REPLICA_SET, "web-1")));
    assert_eq!(world.pods("rollouts.argoproj.io", "web").await.unwrap(), ["web-a"]);
    // The leaders' set stands below the custom resource, the workers' sets below the leaders themselves.
    world.put(GROUP, "llm", None);
    world.put(STATEFUL_SET, "llm", Some((GROUP, "llm")));
    world.put(POD, "llm-0", Some((STATEFUL_SET, "llm")));
    world.put(STATEFUL_SET, "llm-0", Some((POD, "llm-0")));
    world.put(POD, "llm-0-1", Some((STATEFUL_SET, "llm-0")));
    world.becomes("leaderworkersets.x-k8s.io", "llm", &["llm-0", "llm-0-1"]).await;
    world.becomes("statefulsets.apps", "llm", &["llm-0"]).await;
    world.put(CRON_JOB, "night", None);
    world.put(JOB, "night-1", Some((CRON_JOB, "night")));
    world.put(POD, "night-1-a", Some((JOB, "night-1")));
    world.becomes("cronjobs.batch", "night", &["night-1-a"]).await;
}

#[tokio::test]
async fn owners_that_control_each_other_in_a_circle_have_no_pods_beside_their_own() {
    let world = World::new().await;
    world.put(ROLLOUT, "a", Some((ROLLOUT, "b")));
    world.put(ROLLOUT, "b", Some((ROLLOUT, "a")));
    world.put(ROLLOUT, "other", None);
    world.put(POD, "pod", Some((ROLLOUT, "a")));
    world.becomes("rollouts.argoproj.io", "a", &["pod"]).await;
    world.becomes("rollouts.argoproj.io", "b", &["pod"]).await;
    world.becomes("rollouts.argoproj.io", "other", &[]).await;
}

#[tokio::test]
async fn a_service_has_the_pods_that_its_selector_matches_now() {
    let world = World::new().await;
    for (name, labels) in [("web-0", "app=web"), ("web-1", "app=web,track=canary"), ("db-0", "app=db")] {
        world.api.apply("pods", pod(NAMESPACE, name, labels));
    }
    world.api.apply("pods", pod("bank", "web-9", "app=web"));
    world.service("web", &json!({"app": "web"}));
    assert_eq!(world.pods("services", "web").await.unwrap(), ["web-0", "web-1"]);
    let lists = world.api.asked("/api/v1/services");
    assert!(
        lists.iter().all(|asked| !asked.accept.contains("PartialObjectMetadata")),
        "its selector is in its spec"
    );
    world.service("web", &json!({"app": "db"}));
    world.becomes("services", "web", &["db-0"]).await;
    world.api.apply("pods", pod(NAMESPACE, "db-1", "app=db"));
    world.becomes("services", "web", &["db-0", "db-1"]).await;
    assert_eq!(
        world.pods("services", "none").await,
        Err(NoMembers::NoObject(world.object("services", "none")))
    );
}

#[tokio::test]
async fn a_service_without_a_selector_has_the_pods_that_its_endpoint_slices_name() {
    let world = World::new().await;
    world.api.apply("pods", pod(NAMESPACE, "web-0", ""));
    world.api.apply("pods", pod(NAMESPACE, "web-1", ""));
    world.service("web", &Value::Null);
    assert_eq!(world.pods("services", "web").await, Err(NoMembers::NoSelector));
    let mut slice = object(NAMESPACE, "web-x", "kubernetes.io/service-name=web");
    slice["endpoints"] = json!([{"targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": "web-1"}}]);
    world.api.apply("endpointslices.discovery.k8s.io", slice);
    world.becomes("services", "web", &["web-1"]).await;
}

#[tokio::test]
async fn an_ingress_has_the_pods_of_its_services_each_once_and_a_route_none_of_another_namespace() {
    let world = World::new().await;
    for (name, labels) in [("web-0", "app=web"), ("api-0", "app=api")] {
        world.api.apply("pods", pod(NAMESPACE, name, labels));
    }
    for (name, selector) in
        [("web", json!({"app": "web"})), ("web-too", json!({"app": "web"})), ("api", json!({"app": "api"}))]
    {
        world.service(name, &selector);
    }
    let path = |name: &str| json!({"backend": {"service": {"name": name}}});
    let mut ingress = object(NAMESPACE, "shop", "");
    ingress["spec"] =
        json!({"rules": [{"http": {"paths": [path("web"), path("web-too"), path("api"), path("gone")]}}]});
    world.api.apply("ingresses.networking.k8s.io", ingress.clone());
    assert_eq!(world.pods("ingresses.networking.k8s.io", "shop").await.unwrap(), ["api-0", "web-0"]);
    ingress["spec"] = json!({"rules": [{"http": {"paths": [path("gone")]}}]});
    ingress["metadata"]["name"] = "lost".into();
    world.api.apply("ingresses.networking.k8s.io", ingress);
    let gone: Result<(), NoMembers> = Err(NoMembers::NoService(vec!["gone".to_owned()]));
    let lost = world.object("ingresses.networking.k8s.io", "lost");
    let lost = || world.cluster.members(&lost).map(|_| ());
    seen("its Service is missed", || (lost() == gone).then_some(())).await;
    let mut route = object(NAMESPACE, "shop", "");
    route["spec"] =
        json!({"rules": [{"backendRefs": [{"name": "web"}, {"name": "vault", "namespace": "bank"}]}]});
    world.api.apply("httproutes.gateway.networking.k8s.io", route);
    let foreign = NoMembers::Foreign { namespace: "bank".to_owned(), service: "vault".to_owned() };
    assert_eq!(world.pods("httproutes.gateway.networking.k8s.io", "shop").await, Err(foreign));
}

#[tokio::test]
async fn a_namespace_has_its_pods_and_a_node_those_on_it() {
    let world = World::new().await;
    world.api.apply("namespaces", object("", NAMESPACE, ""));
    world.api.apply("nodes", object("", "node-1", ""));
    world.api.apply("pods", pod(NAMESPACE, "web-0", ""));
    world.api.apply("pods", pod("bank", "vault-0", ""));
    let mut elsewhere = pod(NAMESPACE, "web-1", "");
    elsewhere["spec"]["nodeName"] = "node-2".into();
    world.api.apply("pods", elsewhere);
    world.becomes("namespaces", NAMESPACE, &["web-0", "web-1"]).await;
    world.becomes("nodes", "node-1", &["vault-0", "web-0"]).await;
}

#[tokio::test]
async fn what_the_adapter_may_not_list_is_said_by_name() {
    let world = World::new().await;
    world.put(DEPLOYMENT, "web", None);
    world.put(REPLICA_SET, "web-1", Some((DEPLOYMENT, "web")));
    world.put(POD, "web-a", Some((REPLICA_SET, "web-1")));
    world.api.refuse("replicasets.apps", 403, "replicasets.apps is forbidden");
    let refused = world.pods("deployments.apps", "web").await.unwrap_err();
    let resource = GroupResource::new("apps", "replicasets");
    assert!(
        matches!(&refused, NoMembers::Unavailable(Unavailable::Forbidden { resource: of, .. }) if *of == resource),
        "{refused}"
    );
}

/// A forest: of each pod the way up to what owns it, by name.
type Forest = Vec<(u8, u8, u8)>;

#[tokio::test]
async fn in_random_forests_a_sum_is_that_of_the_pods_below() {
    let mut runner = TestRunner::deterministic();
    let forests = proptest::collection::vec((0..4_u8, 0..3_u8, 0..3_u8), 1..14);
    for _ in 0..8 {
        let forest: Forest = forests.new_tree(&mut runner).unwrap().current();
        compare(&forest).await;
    }
}

async fn compare(forest: &Forest) {
    let (world, store, now) = (World::new().await, Store::new(Limits::default()), Timestamp::now());
    let mut sums: BTreeMap<(&str, String), i64> = BTreeMap::new();
    for (number, (kind, owner, middle)) in forest.iter().enumerate() {
        let pod = format!("pod-{number:02}");
        let (top, between) = [
            (DEPLOYMENT, Some(REPLICA_SET)),
            (CRON_JOB, Some(JOB)),
            (ROLLOUT, Some(REPLICA_SET)),
            (STATEFUL_SET, None),
        ][usize::from(*kind)];
        let name = format!("owner-{owner}");
        world.put(top, &name, None);
        let above = match between {
            None => (top, name.clone()),
            Some(between) => {
                let set = format!("{}-{name}-{middle}", top.1.to_lowercase());
                world.put(between, &set, Some((top, &name)));
                (between, set)
            }
        };
        world.put(POD, &pod, Some((above.0, &above.1)));
        let value = i64::try_from(number).unwrap() * 7 + 1;
        store.append(vec![written(&world, &pod, value, now)], now).unwrap();
        *sums.entry((top.0, name)).or_default() += value;
    }
    for ((resource, name), sum) in sums {
        let members = || world.cluster.members(&world.object(resource, &name));
        let metric = MetricName::new("load").unwrap();
        let read =
            || owned::read(&store, members(), &metric, (&MetricSelector::default(), now, Rules::default()));
        let expected = Quantity::from_i64(sum).unwrap();
        let is_sum = || read().is_ok_and(|sample| sample.value == expected).then_some(());
        seen(&format!("{resource} {name} of {forest:?} is {sum}"), is_sum).await;
        let each =
            members().unwrap().pods.iter().map(|pod| single(&store, &pod.live, now)).collect::<Vec<_>>();
        assert_eq!(Quantity::checked_sum(each).unwrap(), Some(expected), "the reads of its pods");
    }
}

fn written(world: &World, pod: &str, value: i64, now: Timestamp) -> Write {
    Write {
        subject: world.object("pods", pod).into(),
        uid: None,
        metric: MetricName::new("load").unwrap(),
        labels: Labels::default(),
        sample: Sample { value: Quantity::from_i64(value).unwrap(), timestamp: now, window_seconds: None },
        ttl: None,
    }
}

fn single(store: &Store, live: &Arc<LiveObject>, now: Timestamp) -> Quantity {
    let (presence, selector) = (Presence::Live(live.clone()), MetricSelector::default());
    let query = Query { presence: &presence, selector: &selector, now };
    store.read(&live.object, &MetricName::new("load").unwrap(), query).unwrap().sample.value
}

#[tokio::test]
async fn pods_that_do_not_run_or_are_ending_do_not_count() {
    let (world, store, now) = (World::new().await, Store::new(Limits::default()), Timestamp::now());
    world.service("web", &json!({"app": "web"}));
    let mut pending = pod(NAMESPACE, "web-1", "app=web");
    pending["status"]["phase"] = "Pending".into();
    let mut ending = pod(NAMESPACE, "web-2", "app=web");
    ending["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into();
    world.api.apply("pods", pending);
    world.api.apply("pods", ending);
    let load = MetricName::new("load").unwrap();
    let read =
        |members| owned::read(&store, members, &load, (&MetricSelector::default(), now, Rules::default()));
    assert_eq!(read(world.members("services", "web").await), Err(Nothing::NoneRuns(2)));
    world.api.apply("pods", pod(NAMESPACE, "web-0", "app=web"));
    world.becomes("services", "web", &["web-0", "web-1", "web-2"]).await;
    for (name, value) in [("web-0", 5), ("web-1", 50), ("web-2", 500)] {
        store.append(vec![written(&world, name, value, now)], now).unwrap();
    }
    let sum = read(world.members("services", "web").await).unwrap();
    assert_eq!(sum.value, Quantity::from_i64(5).unwrap());
}
