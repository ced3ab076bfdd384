//! Two adapters behind a real kube-apiserver share a journal on three NATS servers.

use std::thread;
use std::time::Duration;

use crate::harness::{
    API, Adapter, ControlPlane, Hpa, Namespace, Proxy, SOON, Service, eventually, eventually_equals,
};
use crate::nats::{Node, three_of_the_component};
use crate::rollout::{end, register, while_reading};

const METRIC: &str = "load";

struct Replicas<'a> {
    plane: &'a ControlPlane,
    service: &'a Service,
    flags: Vec<String>,
}

impl Replicas<'_> {
    fn start(&self, name: &str) -> Adapter {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let replica = Adapter::start(self.plane, name, &flags);
        self.service.add(&replica);
        replica
    }
}

fn flags(servers: &[Node], plane: &ControlPlane) -> Vec<String> {
    let password = plane.directory().join("nats-password");
    std::fs::write(&password, "12e4").expect("it is written");
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    vec![
        format!("--journal=nats://{}", hosts.join(",")),
        "--journal-user=adapter".to_owned(),
        format!("--journal-password-file={}", password.display()),
        "--shutdown-delay=2s".to_owned(),
    ]
}

/// Writes the same number for each pod.
fn write_all(replica: &Adapter, namespace: &Namespace<'_>, value: &str) {
    for pod in namespace.pods_of("web") {
        replica.write(&namespace.pod_metric(&pod, METRIC), value);
    }
}

#[test]
fn replicas_that_share_a_journal_are_replaced_and_killed_under_an_hpa_that_does_not_notice() {
    let plane = ControlPlane::start("shared-journal");
    let folder = tempfile::tempdir().expect("a folder");
    let servers = three_of_the_component(folder.path());
    let namespace = Namespace::create(&plane, "shared-journal");
    namespace.deployment("web", 2);
    namespace.eventually_runs("web", 2);
    let service = Service::start();
    let replicas = Replicas { plane: &plane, service: &service, flags: flags(&servers, &plane) };
    let (first, second) = (replicas.start("first"), replicas.start("second"));
    register(&plane, &service);
    write_all(&first, &namespace, "30");
    let hpa = Hpa::of("web", &namespace).between(2, 10).on_pods(METRIC, "30");
    hpa.eventually_sees_pod_average("30");

    let path = format!("{API}{}", namespace.pod_metric("*", METRIC));
    let ((mut third, fourth), reads) = while_reading(&plane, &path, || {
        let third = replicas.start("third");
        end(first);
        let fourth = replicas.start("fourth");
        end(second);
        (third, fourth)
    });
    assert_eq!(reads.failed, Vec::<String>::new(), "of {} reads", reads.all);
    assert!(reads.all > 40, "{} reads", reads.all);

    let ((), reads) = while_reading(&plane, &path, || {
        third.kill();
        servers[0].kill();
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

    // The servers that are left elect a leader first.
    let pods = namespace.pods_of("web");
    for pod in &pods {
        let path = namespace.pod_metric(pod, METRIC);
        eventually("a write is taken", SOON, || match fourth.post(&path, "60").status {
            200 => Ok(()),
            status => Err(status.to_string()),
        });
    }
    namespace.eventually_runs("web", 4);
}

#[test]
fn what_one_replica_takes_the_other_serves_until_its_object_goes() {
    let plane = ControlPlane::start("shared-values");
    let folder = tempfile::tempdir().expect("a folder");
    let servers = three_of_the_component(folder.path());
    let namespace = Namespace::create(&plane, "shared-values");
    let flags = flags(&servers, &plane);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let (one, other) = (Adapter::start(&plane, "one", &flags), Adapter::start(&plane, "other", &flags));
    namespace.pod("web-0", "web");
    namespace.deployment("queue", 1);
    one.write(&namespace.pod_metric("web-0", METRIC), "7");
    let of_queue = format!("/namespaces/{}/deployments.apps/queue/waiting", namespace.name);
    one.write(&of_queue, "8");
    let read = |adapter: &Adapter, path: &str| {
        let answer = adapter.read(&format!("{API}{path}"), &crate::harness::Caller::AGGREGATOR);
        answer.numbers().into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    let path = namespace.pod_metric("web-0", METRIC);
    eventually_equals("the other has the pod's", SOON, &vec![7.0], || read(&other, &path));
    eventually_equals("and the Deployment's, which it did not watch", SOON, &vec![8.0], || {
        read(&other, &of_queue)
    });

    namespace.delete_pod("web-0");
    eventually_equals("the pod's value ends with it", SOON, &vec![], || read(&other, &path));
    namespace.pod("web-0", "web");
    let late = Adapter::start(&plane, "late", &flags);
    assert_eq!(read(&late, &path), Vec::<f64>::new(), "a new pod of the old name starts clean");
    assert_eq!(read(&late, &of_queue), [8.0]);
    assert_eq!(other.delete(&of_queue).status, 200);
    eventually_equals("a deletion is everywhere", SOON, &vec![], || read(&one, &of_queue));
}

#[test]
fn a_replica_that_alone_is_cut_off_is_not_ready_and_one_of_all_is() {
    let plane = ControlPlane::start("cut-off");
    plane.kubectl("apply --kustomize deploy/k8s/components/shared-journal/lease");
    let folder = tempfile::tempdir().expect("a folder");
    let servers = three_of_the_component(folder.path());
    let namespace = Namespace::create(&plane, "cut-off");
    namespace.pod("web-0", "web");
    let mut through = flags(&servers, &plane);
    let proxy = Proxy::to(servers[0].port);
    through[0] = format!("--journal=nats://127.0.0.1:{}", proxy.port);
    let own: Vec<&str> = through.iter().map(String::as_str).collect();
    let cut_off = Adapter::start(&plane, "cut-off", &own);
    let others = flags(&servers, &plane);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let other = Adapter::start(&plane, "other", &others);
    let path = namespace.pod_metric("web-0", METRIC);
    other.write(&path, "1");

    proxy.close(true);
    let why = |adapter: &Adapter| {
        let answer = adapter.admin("/readyz?verbose");
        (answer.status, answer.body)
    };
    eventually("it is not ready, and says why", SOON, || match why(&cut_off) {
        (500, body) if body.contains("journal-current") && body.contains("another replica") => Ok(()),
        (status, body) => Err(format!("{status} {body}")),
    });
    assert_eq!(why(&other).0, 200);
    assert_eq!(cut_off.post(&path, "2").status, 503, "and takes no write");

    servers.iter().for_each(Node::kill);
    eventually("now nobody has newer values", SOON, || match why(&cut_off) {
        (200, _) => Ok(()),
        (status, body) => Err(format!("{status} {body}")),
    });
    assert_eq!(why(&other).0, 200, "a cause that all share takes none away");

    servers.iter().for_each(Node::restart);
    proxy.close(false);
    eventually("the cut off one takes writes again", SOON, || match cut_off.post(&path, "3").status {
        200 => Ok(()),
        status => Err(status.to_string()),
    });
    assert_eq!(why(&cut_off).0, 200);
}
