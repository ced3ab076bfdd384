//! Monitors and pods as clusters have them.

use serde_json::{Value, json};

use super::*;
use crate::{
    cluster::{Pod, Protocol, ServicePort, TargetPort},
    model::{GroupResource, Labels, LiveObject, ObjectRef, Selector, Uid},
    monitor::{MonitorKind, is_known},
    scrape::{
        ScrapeOptions,
        targets::{self, PodPlan},
        testing::{container, pod},
    },
};

const TCP: Protocol = Protocol::Tcp;

/// A pod of `default` with the label app=web and ports `web` (8080) and `metrics` (9090).
fn web(annotations: &[(&str, &str)]) -> Pod {
    let mut pod = pod("web-1", annotations);
    Arc::make_mut(&mut pod.live).labels = Labels::from_pairs([("app", "web"), ("team.io/name", "red")]);
    pod.containers =
        vec![container("main", &[("web", 8080, TCP), ("metrics", 9090, TCP), ("dns", 53, Protocol::Udp)])];
    pod
}

fn monitor(kind: MonitorKind, namespace: &str, spec: Value) -> Arc<Monitor> {
    Arc::new(Monitor::read(kind, (namespace.to_owned(), "mon".to_owned()), spec))
}

fn service(ports: Vec<ServicePort>) -> Arc<Service> {
    let object = ObjectRef {
        resource: GroupResource::new("", "services"),
        namespace: Some("default".into()),
        name: "front".into(),
    };
    let labels = Labels::from_pairs([("tier", "front")]);
    let live = LiveObject { object, uid: Uid("s".into()), created: jiff::Timestamp::UNIX_EPOCH, labels };
    Arc::new(Service { live: Arc::new(live), selector: Selector::parse("app=web").unwrap(), ports })
}

fn service_port(name: &str, target: TargetPort) -> ServicePort {
    ServicePort { name: Some(name.into()), protocol: TCP, target }
}

fn view(monitors: Vec<Arc<Monitor>>, services: Vec<Arc<Service>>, across: &Across) -> View {
    View::new(&Monitored { monitors, services }, across)
}

fn planned(pod: &Pod, view: &View) -> PodPlan {
    plan(pod, view, &ScrapeOptions::default()).unwrap_or_default()
}

fn urls(plan: &PodPlan) -> Vec<String> {
    plan.targets.iter().map(|target| target.url()).collect()
}

fn refusals(plan: &PodPlan) -> Vec<String> {
    plan.refusals.iter().map(ToString::to_string).collect()
}

/// The plan for [`web`] of a PodMonitor with this endpoint.
fn by_endpoint(endpoint: Value) -> PodPlan {
    let endpoints = Value::Array(vec![endpoint]);
    let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "podMetricsEndpoints": endpoints});
    planned(&web(&[]), &view(vec![monitor(MonitorKind::Pod, "default", spec)], Vec::new(), &Across::Nobody))
}

/// What becomes of the series `x` of the only target of a plan.
fn series(plan: &PodPlan, labels: &[(&str, &str)]) -> String {
    let (_, labels) = plan.targets[0].settings.series.apply("x", labels.iter().copied()).unwrap();
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_pod_monitor_finds_declared_ports_by_name_or_number() {
    for (endpoint, wanted) in [
        (json!({"port": "metrics"}), &["http://10.1.2.3:9090/metrics"][..]),
        (json!({"portNumber": 8080, "path": "m"}), &["http://10.1.2.3:8080/m"]),
        (json!({"targetPort": 9090, "scheme": "https"}), &["https://10.1.2.3:9090/metrics"]),
        (
            json!({"port": "metrics", "params": {"a": ["1", "2"], "b": ["x y"]}}),
            &["http://10.1.2.3:9090/metrics?a=1&a=2&b=x+y"],
        ),
        (json!({"port": "other"}), &[]),
        (json!({"port": "dns"}), &[]),
        (json!({"portNumber": 7070}), &[]),
    ] {
        let plan = by_endpoint(endpoint.clone());
        assert_eq!(
            (urls(&plan), refusals(&plan)),
            (wanted.iter().map(ToString::to_string).collect(), vec![]),
            "{endpoint}"
        );
    }
}

#[test]
fn settings_come_from_the_endpoint_and_the_pods_own_annotations() {
    let spec = json!({"podMetricsEndpoints": [
        {"port": "web", "interval": "30s", "scrapeTimeout": "60s", "honorTimestamps": false},
        {"port": "metrics"},
    ]});
    let own = [("custom-metrics-adapter/fold", "max"), ("custom-metrics-adapter/nonsense", "1")];
    let view = view(vec![monitor(MonitorKind::Pod, "default", spec)], Vec::new(), &Across::Nobody);
    let plan = planned(&web(&own), &view);
    let [first, second] = [0, 1].map(|at: usize| &*plan.targets[at].settings);
    assert_eq!((first.interval.as_secs(), first.timeout.as_secs(), first.window.as_secs()), (30, 30, 120));
    assert_eq!((second.interval.as_secs(), second.timeout.as_secs()), (15, 5));
    assert_eq!([first.honor_timestamps, second.honor_timestamps], [false, true]);
    assert_eq!(
        (first.fold, plan.targets[0].source.to_string().as_str()),
        (crate::model::Fold::Max, "PodMonitor default/mon")
    );
    assert!(matches!(refusals(&plan).as_slice(), [one] if one.contains("custom-metrics-adapter/nonsense")));
}

#[test]
fn a_service_monitor_finds_the_pods_behind_the_ports_of_its_services() {
    let ports = vec![
        service_port("http", TargetPort::Number(8080)),
        service_port("prom", TargetPort::Name("metrics".into())),
        service_port("deep", TargetPort::Number(6060)),
        service_port("gone", TargetPort::Name("none".into())),
    ];
    let services = vec![service(ports)];
    for (endpoint, wanted) in [
        (json!({"port": "http"}), Some(8080)),
        (json!({"port": "prom"}), Some(9090)),
        (json!({"port": "deep"}), Some(6060)),
        (json!({"targetPort": "metrics"}), Some(9090)),
        (json!({"targetPort": 6060}), None),
        (json!({"port": "gone"}), None),
        (json!({"port": "metrics"}), None),
    ] {
        let spec = json!({"selector": {"matchLabels": {"tier": "front"}}, "endpoints": [endpoint]});
        let view =
            view(vec![monitor(MonitorKind::Service, "default", spec)], services.clone(), &Across::Nobody);
        let wanted: Vec<String> =
            wanted.map(|port| format!("http://10.1.2.3:{port}/metrics")).into_iter().collect();
        assert_eq!(urls(&planned(&web(&[]), &view)), wanted, "{endpoint}");
    }
    let other = json!({"selector": {"matchLabels": {"tier": "back"}}, "endpoints": [{"port": "http"}]});
    let view = view(vec![monitor(MonitorKind::Service, "default", other)], services, &Across::Nobody);
    assert!(urls(&planned(&web(&[]), &view)).is_empty());
}

#[test]
fn a_monitor_names_pods_of_other_namespaces_only_where_its_own_may() {
    let reaching =
        |reach: Value| json!({"namespaceSelector": reach, "podMetricsEndpoints": [{"port": "web"}]});
    let all = Across::All;
    let some = Across::Some(vec!["monitoring".to_owned()]);
    for (namespace, reach, across, is_meant) in [
        ("default", json!({}), &Across::Nobody, true),
        ("default", json!({"any": true}), &Across::Nobody, true),
        ("default", json!({"matchNames": ["other"]}), &all, false),
        ("monitoring", json!({}), &all, false),
        ("monitoring", json!({"any": true}), &Across::Nobody, false),
        ("monitoring", json!({"any": true}), &some, true),
        ("monitoring", json!({"matchNames": ["default"]}), &some, true),
        ("another", json!({"any": true}), &some, false),
    ] {
        let view =
            view(vec![monitor(MonitorKind::Pod, namespace, reaching(reach.clone()))], Vec::new(), across);
        assert_eq!(!urls(&planned(&web(&[]), &view)).is_empty(), is_meant, "{namespace} {reach} {across:?}");
    }
}

#[test]
fn relabelings_keep_drop_and_change_targets() {
    let rule = |rule: Value| by_endpoint(json!({"port": "web", "relabelings": [rule]}));
    let drops =
        json!({"action": "drop", "sourceLabels": ["__meta_kubernetes_pod_container_name"], "regex": "main"});
    let plan = rule(drops);
    assert_eq!((urls(&plan).len(), refusals(&plan).len()), (0, 0));
    let by_label = json!({"action": "keep", "sourceLabels": ["__meta_kubernetes_pod_label_team_io_name"], "regex": "red"});
    assert_eq!(urls(&rule(by_label)).len(), 1);
    let to = |label: &str, value: &str| rule(json!({"targetLabel": label, "replacement": value}));
    assert_eq!(urls(&to("__address__", "10.1.2.3:7070")), ["http://10.1.2.3:7070/metrics"]);
    assert_eq!(urls(&to("__metrics_path__", "/m")), ["http://10.1.2.3:8080/m"]);
    assert_eq!(urls(&to("__param_q", "1")), ["http://10.1.2.3:8080/metrics?q=1"]);
    assert_eq!(urls(&to("__scheme__", "https")), ["https://10.1.2.3:8080/metrics"]);
    for (label, value, reason) in [
        ("__address__", "169.254.169.254:80", "only a pod's own IP is scraped"),
        ("__address__", "example.org:80", "not an IP and a port"),
        ("__scheme__", "ftp", "relabelings make the scheme \"ftp\""),
    ] {
        let plan = to(label, value);
        assert!(urls(&plan).is_empty() && refusals(&plan)[0].contains(reason), "{:?}", refusals(&plan));
    }
}

#[test]
fn series_get_the_labels_that_somebody_asked_for() {
    assert_eq!(series(&by_endpoint(json!({"port": "web"})), &[("a", "1")]), "a=1");
    assert_eq!(series(&by_endpoint(json!({"port": "web"})), &[("job", "x")]), "exported_job=x");
    assert_eq!(series(&by_endpoint(json!({"port": "web", "honorLabels": true})), &[("job", "x")]), "job=x");
    let added = json!({"port": "web", "relabelings": [
        {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "from"},
        {"sourceLabels": ["job"], "targetLabel": "job", "replacement": "$1!"},
    ]});
    assert_eq!(series(&by_endpoint(added), &[]), "from=web-1 job=default/mon!");
    let spec = json!({"podTargetLabels": ["team.io/name"], "targetLabels": ["tier"], "endpoints": [{"port": "http"}]});
    let services = vec![service(vec![service_port("http", TargetPort::Number(8080))])];
    let view = view(vec![monitor(MonitorKind::Service, "default", spec)], services, &Across::Nobody);
    assert_eq!(series(&planned(&web(&[]), &view), &[]), "team_io_name=red tier=front");
}

#[test]
fn each_label_of_discovery_is_a_known_one() {
    let pod = web(&[]);
    let port = service_port("http", TargetPort::Number(8080));
    let service = service(vec![port.clone()]);
    let monitor = monitor(MonitorKind::Service, "default", json!({"endpoints": [{"port": "http"}]}));
    let declared = pod.containers.first().and_then(|container| Some((container, container.ports.first()?)));
    let found = ports::Found { number: 8080, declared, service: Some((&service, &port)) };
    let address = "10.1.2.3:8080".parse().unwrap();
    let candidate =
        labels::Candidate { pod: &pod, monitor: &monitor, endpoint: &monitor.endpoints[0], found, address };
    let labels = candidate.discovered();
    assert!(labels.len() > 25 && labels.keys().all(|label| is_known(label)), "{labels:?}");
    assert!(!is_known("__meta_kubernetes_pod_annotation_x") && !is_known("__meta_consul_tags"));
}

#[test]
fn what_annotations_ask_for_already_is_not_asked_for_twice() {
    let annotated = web(&[("prometheus.io/scrape", "true"), ("prometheus.io/port", "9090")]);
    let spec = json!({"podMetricsEndpoints": [
        {"port": "metrics", "scheme": "https"}, {"port": "metrics", "path": "/other"}, {"port": "web"}, {"portNumber": 8080},
    ]});
    let view = view(vec![monitor(MonitorKind::Pod, "default", spec)], Vec::new(), &Across::Nobody);
    let plan = targets::plan_all(&annotated, &view, &ScrapeOptions::default()).unwrap();
    let sources: Vec<String> =
        plan.targets.iter().map(|target| format!("{} {}", target.name(), target.source)).collect();
    let wanted = [
        "9090/metrics annotations",
        "9090/other PodMonitor default/mon",
        "8080/metrics PodMonitor default/mon",
    ];
    assert_eq!(sources, wanted);
}

#[test]
fn a_pod_that_cannot_be_scraped_yet_says_so_if_a_port_of_it_is_meant() {
    let spec = json!({"podMetricsEndpoints": [{"port": "web"}]});
    let view = view(vec![monitor(MonitorKind::Pod, "default", spec)], Vec::new(), &Across::Nobody);
    let mut pending = web(&[]);
    pending.phase = crate::cluster::PodPhase::Pending;
    assert_eq!(refusals(&planned(&pending, &view)), ["the pod is pending, not running"]);
    pending.containers.clear();
    assert_eq!(plan(&pending, &view, &ScrapeOptions::default()), None);
    let mut node = web(&[]);
    node.host_network = true;
    assert_eq!(urls(&planned(&node, &view)).len(), 1);
}

#[test]
fn only_namespaces_whose_monitors_have_changed_differ() {
    let of = |namespace: &str| {
        monitor(MonitorKind::Pod, namespace, json!({"podMetricsEndpoints": [{"port": "web"}]}))
    };
    let (one, both) = (
        view(vec![of("a")], Vec::new(), &Across::Nobody),
        view(vec![of("b"), of("a")], Vec::new(), &Across::Nobody),
    );
    assert_eq!(["a", "b"].map(|namespace| both.differs(&one, namespace)), [false, true]);
}
