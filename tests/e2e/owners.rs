//! An HPA scales on the metric of any object, computed from its pods, with no configuration but the pods' annotations.

use serde_json::{Value, json};

use crate::harness::{
    API, Adapter, Caller, ControlPlane, Described, ExpositionServer, Hpa, Load, Namespace, SOON, Traffic,
    eventually, eventually_equals,
};

/// Pods with an exposition, in a namespace of their own.
struct World {
    adapter: &'static Adapter,
    namespace: Namespace<'static>,
    pods: ExpositionServer,
}

#[test]
fn hpas_on_a_service_a_deployment_a_stateful_set_and_an_ingress_follow_the_sum_of_their_pods() {
    let world = World::new("sums-up-pods");
    world.pods.receives(Traffic::Each(Load { queue: 30.0, ..Load::default() }));
    world.namespace.annotated_deployment("web", 2, &scraped(world.port()));
    world.stateful_set("db", 2);
    world.service("front", &json!({ "app": "web" }));
    world.ingress("shop", "front");
    let scaled = ["by-service", "by-deployment", "by-set", "by-ingress"];
    scaled.iter().for_each(|name| world.namespace.deployment(name, 1));
    let described = |api_version, kind, name| Described { api_version, kind, name };
    let objects = [
        described("v1", "Service", "front"),
        described("apps/v1", "Deployment", "web"),
        described("apps/v1", "StatefulSet", "db"),
        described("networking.k8s.io/v1", "Ingress", "shop"),
    ];
    let hpas: Vec<Hpa<'_>> = scaled
        .iter()
        .zip(&objects)
        .map(|(name, object)| Hpa::of(name, &world.namespace).on_object(object, "queue_depth", "20"))
        .collect();
    scaled.iter().for_each(|name| world.namespace.eventually_runs(name, 3));

    world.pods.receives(Traffic::Each(Load { queue: 5.0, ..Load::default() }));
    scaled.iter().for_each(|name| world.namespace.eventually_runs(name, 1));
    drop(hpas);
    let discovery = world.adapter.read(API, &Caller::AGGREGATOR).body;
    for listed in ["services", "deployments.apps", "statefulsets.apps", "ingresses.networking.k8s.io"] {
        assert!(discovery.contains(&format!(r#""{listed}/queue_depth""#)), "{listed} in {discovery}");
    }
}

#[test]
fn below_the_coverage_an_hpa_keeps_its_replicas_and_says_which_pod_is_missing() {
    let world = World::new("covers-pods");
    world.pods.receives(Traffic::Each(Load { queue: 30.0, ..Load::default() }));
    world.namespace.annotated_deployment("web", 2, &scraped(world.port()));
    world.namespace.annotated_pod("web-silent", "web", &scraped(1));
    world.service("front", &json!({ "app": "web" }));
    world.namespace.deployment("scaled", 1);
    // A pod that has just begun to run does not count yet.
    eventually("the silent pod counts", SOON, || {
        let answer = world.read("services/front");
        if answer.contains("2 of 3 pods have it") { Ok(()) } else { Err(answer) }
    });
    let front = Described { api_version: "v1", kind: "Service", name: "front" };
    let hpa = Hpa::of("scaled", &world.namespace).on_object(&front, "queue_depth", "20");

    let said = hpa.eventually_says(
        "computed from its pods: 2 of 3 pods have it, and 90 % of them have to; web-silent: ",
    );
    assert!(said.contains("Connection refused") || said.contains("connection refused"), "{said}");
    assert_eq!(world.namespace.replicas_of("scaled"), "1");
    world.namespace.delete_pod("web-silent");
    world.namespace.eventually_runs("scaled", 3);
}

#[test]
fn a_quantile_and_a_mean_of_a_service_are_those_of_all_requests_to_its_pods() {
    let world = World::new("counts-all-requests");
    let slow = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
    world.pods.receives(Traffic::Each(Load { quick: 50.0, ..Load::default() }));
    slow.receives(Traffic::Each(Load { slow: 50.0, ..Load::default() }));
    for quick in ["quick-0", "quick-1"] {
        world.namespace.annotated_pod(quick, "web", &scraped(world.port()));
    }
    world.namespace.annotated_pod("slow", "web", &scraped(slow.address().port()));
    world.service("front", &json!({ "app": "web" }));

    // Of three requests one takes 800 ms. The mean of the pods' own 99th percentiles would be 0.4.
    for (metric, expected) in [("latency_seconds_p99", 0.9..1.0), ("latency_seconds_avg", 0.25..0.35)] {
        eventually(metric, SOON, || match world.value("services/front", metric) {
            Some(value) if expected.contains(&value) => Ok(()),
            value => Err(format!("{value:?}, not within {expected:?}")),
        });
    }
}

#[test]
fn pods_count_for_the_owner_that_they_have_now() {
    let world = World::new("moves-pods");
    world.pods.receives(Traffic::Each(Load { queue: 10.0, ..Load::default() }));
    world.namespace.annotated_deployment("web", 2, &scraped(world.port()));
    world.namespace.annotated_deployment("api", 1, &scraped(world.port()));
    world.service("front", &json!({ "app": "web" }));
    world.eventually_is("deployments.apps/web", 20.0);
    world.eventually_is("services/front", 20.0);

    world.namespace.kubectl(r#"patch service front --patch {"spec":{"selector":{"app":"api"}}}"#);
    world.eventually_is("services/front", 10.0);
    // The ReplicaSet releases a pod that no longer meets its selector, and makes another.
    let moved = world.namespace.pods_of("web").remove(0);
    world.namespace.kubectl(&format!("label pod {moved} --overwrite app=api"));
    world.eventually_is("services/front", 20.0);
    world.eventually_is("deployments.apps/web", 20.0);
    let set = world
        .namespace
        .kubectl("get replicasets --selector app=web --output jsonpath={.items[0].metadata.name}");
    world.namespace.kubectl("delete deployment web --cascade=orphan --wait");
    world.eventually_is(&format!("replicasets.apps/{set}"), 20.0);
    let answer = world.read("deployments.apps/web");
    assert!(answer.contains(r#"the cluster has no deployments.apps \"web\""#), "{answer}");
}

#[test]
fn an_hpa_scales_to_zero_and_back_on_what_is_written_and_says_what_else_would_do() {
    let world = World::new("scales-from-zero");
    world.namespace.annotated_deployment("web", 2, &scraped(world.port()));
    world.service("front", &json!({ "app": "web" }));
    let path = format!("/namespaces/{}/services/front/waiting", world.namespace.name);
    world.adapter.write(&path, "0");
    let front = Described { api_version: "v1", kind: "Service", name: "front" };
    let _hpa = Hpa::of("web", &world.namespace).between(0, 5).on_object(&front, "waiting", "10");

    world.namespace.eventually_runs("web", 0);
    eventually("the pods are gone", SOON, || {
        let answer = world.read("deployments.apps/web");
        let says = answer.contains("it has no pods to compute it from; to scale from zero on, write it");
        if says { Ok(()) } else { Err(answer) }
    });
    world.adapter.write(&path, "30");
    world.namespace.eventually_runs("web", 3);
}

#[test]
fn an_hpa_of_type_external_scales_from_zero_on_what_an_exporter_in_its_namespace_shows() {
    let world = World::new("scales-on-an-exporter");
    world.namespace.annotated_pod("exporter", "exporter", &scraped(world.port()));
    world.namespace.pod("bystander", "other");
    world.namespace.deployment("workers", 1);
    let _hpa = Hpa::of("workers", &world.namespace).between(0, 5).on_external_average(
        "queue_depth",
        &json!({}),
        "10",
    );

    world.namespace.eventually_runs("workers", 0);
    world.pods.receives(Traffic::Each(Load { queue: 40.0, ..Load::default() }));
    world.namespace.eventually_runs("workers", 4);
    world.pods.receives(Traffic::Each(Load::default()));
    world.namespace.eventually_runs("workers", 0);
}

impl World {
    fn new(namespace: &str) -> Self {
        let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
        Self { adapter: Adapter::shared(), namespace: ControlPlane::shared().namespace(namespace), pods }
    }

    fn port(&self) -> u16 {
        self.pods.address().port()
    }

    fn service(&self, name: &str, selector: &Value) {
        self.namespace.apply(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": name },
            "spec": { "selector": selector, "ports": [{ "port": 80 }] },
        }));
    }

    fn ingress(&self, name: &str, service: &str) {
        let backend = json!({ "service": { "name": service, "port": { "number": 80 } } });
        self.namespace.apply(json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": { "name": name },
            "spec": { "rules": [{
                "http": { "paths": [{ "path": "/", "pathType": "Prefix", "backend": backend }] },
            }] },
        }));
    }

    fn stateful_set(&self, name: &str, replicas: u32) {
        let labels = json!({ "app": name });
        self.namespace.apply(json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": { "name": name },
            "spec": {
                "replicas": replicas,
                "serviceName": name,
                "podManagementPolicy": "Parallel",
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels, "annotations": scraped(self.port()) },
                    "spec": { "containers": [{ "name": "main", "image": "example.invalid/main" }] },
                },
            },
        }));
    }

    /// What a read of `queue_depth` of `RESOURCE/NAME` answers.
    fn read(&self, object: &str) -> String {
        let path = format!("{API}/namespaces/{}/{object}/queue_depth", self.namespace.name);
        self.adapter.read(&path, &Caller::AGGREGATOR).body
    }

    fn value(&self, object: &str, metric: &str) -> Option<f64> {
        let path = format!("{API}/namespaces/{}/{object}/{metric}", self.namespace.name);
        let answer = self.adapter.read(&path, &Caller::AGGREGATOR);
        answer.numbers().first().map(|(_, value)| *value)
    }

    fn eventually_is(&self, object: &str, expected: f64) {
        let value = || self.value(object, "queue_depth");
        eventually_equals(&format!("{object} has {expected}"), SOON, &Some(expected), value);
    }
}

/// The annotations of a pod that is behind a port; quick, so that tests are.
fn scraped(port: u16) -> Value {
    json!({
        "prometheus.io/scrape": "true",
        "prometheus.io/port": port.to_string(),
        "prometheus.io/interval": "1s",
    })
}
