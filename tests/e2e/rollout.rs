//! Two replicas that scrape are replaced, and one is killed, while an HPA and a reader go on asking by way of kube-apiserver.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    API, Adapter, ControlPlane, ExpositionServer, Hpa, Load, Namespace, SOON, Service, Traffic, eventually,
};

const RATE: &str = "http_requests_per_second";
const PODS: usize = 2;

/// What a reader saw.
#[derive(Default)]
pub(crate) struct Reads {
    pub(crate) all: usize,
    pub(crate) failed: Vec<String>,
}

impl Reads {
    fn read(&mut self, plane: &ControlPlane, path: &str) {
        let answer = plane.curl(&[], path);
        self.all += 1;
        if answer.status != 200 || answer.numbers().len() != PODS {
            self.failed.push(format!("{answer:?}"));
        }
    }
}

#[test]
fn replicas_are_replaced_without_a_failed_read_and_a_killed_one_costs_two_at_most() {
    let plane = ControlPlane::start("rollout");
    let namespace = Namespace::create(&plane, "rollout");
    let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
    pods.receives(Traffic::Each(Load { get: 80.0, ..Load::default() }));
    namespace.annotated_deployment(
        "web",
        2,
        &json!({ "prometheus.io/scrape": "true",
        "prometheus.io/port": pods.address().port().to_string(), "prometheus.io/interval": "2s" }),
    );
    let service = Service::start();
    let start = |name: &str| {
        let replica = Adapter::start(&plane, name, &["--scrape-allow-loopback", "--shutdown-delay=2s"]);
        service.add(&replica);
        replica
    };
    let first = start("first");
    register(&plane, &service);
    let second = start("second");
    let hpa = Hpa::of("web", &namespace).between(2, 10).on_pods(RATE, "100");
    eventually("the HPA sees an average", SOON, || hpa.pod_average().ok_or("none".to_owned()));

    let path = format!("{API}{}", namespace.pod_metric("*", RATE));
    let rolled = while_reading(&plane, &path, || {
        let third = start("third");
        end(first);
        let fourth = start("fourth");
        end(second);
        (third, fourth)
    });
    let ((mut third, _fourth), reads) = rolled;
    assert!(
        reads.failed.is_empty(),
        "{} of {} reads failed: {:#?}",
        reads.failed.len(),
        reads.all,
        reads.failed
    );
    assert!(reads.all > 40, "{} reads", reads.all);

    let ((), reads) = while_reading(&plane, &path, || {
        third.kill();
        thread::sleep(Duration::from_secs(5));
    });
    assert!(
        reads.failed.len() <= 2,
        "{} of {} reads failed: {:#?}",
        reads.failed.len(),
        reads.all,
        reads.failed
    );
    let scaled = namespace.kubectl("get hpa web --output jsonpath={.status.lastScaleTime}");
    assert_eq!(scaled, "", "the HPA has moved: {:?}", hpa.pod_average());
}

#[test]
fn a_replica_beside_another_is_ready_once_it_knows_the_rates_and_one_that_is_alone_at_once() {
    let plane = ControlPlane::start("warming");
    let namespace = Namespace::create(&plane, "warming");
    let pods = ExpositionServer::start("0.0.0.0:0").expect("a port is free");
    namespace.annotated_deployment(
        "web",
        2,
        &json!({ "prometheus.io/scrape": "true",
        "prometheus.io/port": pods.address().port().to_string(), "prometheus.io/interval": "4s" }),
    );
    namespace.eventually_runs("web", 2);
    // The first two scrapes of a target are an interval apart at least, and this one became ready before.
    let path = format!("{API}{}", namespace.pod_metric("*", RATE));
    let alone = Adapter::start(&plane, "alone", &["--scrape-allow-loopback"]);
    assert_eq!(alone.log_lines(&["targets have not been scraped"]), Vec::<String>::new());
    let read = |adapter: &Adapter| adapter.read(&path, &crate::harness::Caller::AGGREGATOR).numbers().len();
    assert_eq!(read(&alone), 0, "it has no rate yet");
    another_serves(&plane);
    let beside = Adapter::start(&plane, "beside", &["--scrape-allow-loopback"]);
    assert_eq!(read(&beside), PODS, "it was ready with its first rates");
}

/// An endpoint of the Service that no test has: here are no pods.
fn another_serves(plane: &ControlPlane) {
    plane.apply(
        &json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": "replicas", "namespace": "custom-metrics",
            "labels": { "kubernetes.io/service-name": "custom-metrics-apiserver" } },
        "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": { "ready": true },
            "targetRef": { "kind": "Pod", "namespace": "custom-metrics", "name": "another" } }],
        "ports": [] }),
    );
}

/// Has the APIServices lead to the Service's address; from then on another replica serves.
pub(crate) fn register(plane: &ControlPlane, service: &Service) {
    let directory = plane.directory().join("adapters/service");
    std::fs::create_dir_all(&directory).expect("the directory can be made");
    std::fs::write(directory.join("addresses"), format!("SECURE={}\n", service.address))
        .expect("it is written");
    plane.adapter_script(&["register", "service"]);
    another_serves(plane);
}

pub(crate) fn end(mut replica: Adapter) {
    replica.terminate();
    assert_eq!(replica.exit_status().code(), Some(0));
}

/// What `act` gives, and the reads by way of kube-apiserver meanwhile and for a while after it.
pub(crate) fn while_reading<T>(plane: &ControlPlane, path: &str, act: impl FnOnce() -> T) -> (T, Reads) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = Reads::default();
            while !is_over.load(Ordering::Relaxed) {
                reads.read(plane, path);
                thread::sleep(Duration::from_millis(50));
            }
            reads
        });
        let acted = act();
        thread::sleep(Duration::from_secs(3));
        is_over.store(true, Ordering::Relaxed);
        (acted, reader.join().expect("it reads to the end"))
    })
}
