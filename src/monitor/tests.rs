//! Specs as people write them.

use serde_json::{Value, json};

use super::*;

fn read(kind: MonitorKind, spec: Value) -> Monitor {
    Monitor::read(kind, ("shop".to_owned(), "web".to_owned()), spec)
}

fn faults(kind: MonitorKind, spec: Value) -> Vec<String> {
    read(kind, spec).faults
}

#[test]
fn a_pod_monitor_is_read_whole() {
    let monitor = read(
        MonitorKind::Pod,
        json!({
            "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "canary", "operator": "DoesNotExist"}]},
            "namespaceSelector": {"matchNames": ["shop", "blog"]},
            "jobLabel": "app", "podTargetLabels": ["team"], "sampleLimit": 5, "unheard": {"of": 1},
            "podMetricsEndpoints": [{
                "port": "metrics", "path": "/m", "scheme": "HTTPS", "interval": "1m30s", "scrapeTimeout": "5s",
                "params": {"match[]": ["a", "b"]}, "honorLabels": true, "honorTimestamps": false,
                "relabelings": [{"action": "Drop", "sourceLabels": ["__meta_kubernetes_pod_name"], "regex": "x"}],
                "metricRelabelings": [{"action": "labeldrop", "regex": "id"}],
            }, {"portNumber": 8080}, {"targetPort": "web"}, {"targetPort": 9090}],
        }),
    );
    assert_eq!(monitor.faults, [""; 0]);
    assert_eq!(monitor.title(), "PodMonitor shop/web");
    assert_eq!(monitor.selector, Selector::parse("app=web,!canary").unwrap());
    assert_eq!(["shop", "blog", "bank"].map(|name| monitor.looks_into(name)), [true, true, false]);
    assert_eq!((monitor.job_label.as_deref(), &*monitor.pod_labels), (Some("app"), &["team".to_owned()][..]));
    let ports: Vec<&Port> = monitor.endpoints.iter().map(|endpoint| &endpoint.port).collect();
    let wanted = [
        Port::Named("metrics".into()),
        Port::Container(8080),
        Port::ContainerNamed("web".into()),
        Port::Container(9090),
    ];
    assert_eq!(ports, wanted.iter().collect::<Vec<_>>());
    let first = &monitor.endpoints[0];
    assert_eq!(
        (&*first.path, first.https, first.honor_labels, first.honor_timestamps),
        ("/m", true, true, false)
    );
    assert_eq!(first.interval.zip(first.timeout), Some((Duration::from_secs(90), Duration::from_secs(5))));
    assert_eq!(first.params, [("match[]".into(), "a".into()), ("match[]".into(), "b".into())]);
    assert!(!first.relabelings.is_empty() && !first.metric_relabelings.is_empty());
}

#[test]
fn a_service_monitor_has_its_own_fields_and_defaults() {
    let monitor = read(
        MonitorKind::Service,
        json!({"selector": {}, "namespaceSelector": {"any": true}, "targetLabels": ["tier"], "endpoints": [{"port": "web"}]}),
    );
    assert_eq!((monitor.faults.len(), &monitor.reach), (0, &Reach::Any));
    let unset = json!({"endpoints": [{"port": "web", "bearerTokenSecret": {"key": ""}, "tlsConfig": {}, "proxyUrl": null}]});
    assert_eq!(faults(MonitorKind::Service, unset), [""; 0]);
    let endpoint = &monitor.endpoints[0];
    assert_eq!((&*endpoint.path, endpoint.https, endpoint.honor_timestamps), ("/metrics", false, true));
    assert_eq!((endpoint.interval, endpoint.timeout), (None, None));
    assert_eq!(monitor.service_labels, ["tier"]);
    assert!(read(MonitorKind::Service, json!({"endpoints": []})).looks_into("shop"));
}

#[test]
fn a_field_that_cannot_be_followed_is_named_and_the_other_endpoints_count() {
    for (endpoint, message) in [
        (json!({}), "spec.endpoints[1]: names no port"),
        (json!({"port": 5}), "spec.endpoints[1].port: invalid type: integer `5`, expected a string"),
        (
            json!({"port": "a", "interval": "often"}),
            "spec.endpoints[1].interval: \"often\": expected a duration",
        ),
        (json!({"port": "a", "scheme": "ftp"}), "spec.endpoints[1].scheme: \"ftp\": expected http or https"),
        (json!({"port": "a", "honorLabels": "yes"}), "spec.endpoints[1].honorLabels: invalid type"),
        (
            json!({"port": "a", "metricRelabelings": [{"action": "rename"}]}),
            "spec.endpoints[1].metricRelabelings[0]: unknown action \"rename\"",
        ),
        (
            json!({"port": "a", "relabelings": [{"sourceLabels": "a"}]}),
            "spec.endpoints[1].relabelings[0].sourceLabels:",
        ),
        (
            json!({"port": "a", "proxyUrl": "http://p"}),
            "spec.endpoints[1].proxyUrl: targets are asked directly",
        ),
        (
            json!({"port": "a", "tlsConfig": {"insecureSkipVerify": true}}),
            "spec.endpoints[1].tlsConfig: credentials",
        ),
        (
            json!({"port": "a", "basicAuth": {"username": {}}}),
            "spec.endpoints[1].basicAuth: credentials of monitors",
        ),
    ] {
        let monitor = read(MonitorKind::Service, json!({"endpoints": [{"port": "good"}, endpoint]}));
        assert_eq!((monitor.endpoints.len(), monitor.faults.len()), (1, 1), "{:?}", monitor.faults);
        assert!(monitor.faults[0].starts_with(message), "{:?}", monitor.faults);
    }
}

#[test]
fn without_a_selector_that_can_be_read_nothing_is_meant() {
    let wrong = json!({
        "selector": {"matchExpressions": [{"key": "a", "operator": "Near", "values": ["b"]}]},
        "podMetricsEndpoints": [{"port": "a"}],
    });
    let monitor = read(MonitorKind::Pod, wrong);
    assert!(monitor.endpoints.is_empty() && monitor.faults[0].starts_with("spec.selector: "), "{monitor:?}");
    let wrong = faults(MonitorKind::Pod, json!({"selector": 7}));
    assert!(wrong[0].starts_with("spec.selector: invalid type"), "{wrong:?}");
    let many: Vec<Value> = (0..65).map(|port| json!({"portNumber": port})).collect();
    assert_eq!(
        faults(MonitorKind::Pod, json!({"podMetricsEndpoints": many})),
        ["spec.podMetricsEndpoints: more than 64"]
    );
}
