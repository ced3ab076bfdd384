//! One trace from kube-apiserver to the value.

use std::iter;

use crate::harness::{
    API, Adapter, Caller, Collector, ControlPlane, Hpa, Namespace, SOON, Span, eventually, eventually_equals,
};

const LIST: &str = "/apis/{group}/{version}/namespaces/{namespace}/{resource}/*/{metric}";
const ADAPTER: &str = "custom-metrics-adapter";
const REVIEW: &str = "POST subjectaccessreviews";

/// The kinds of the protocol's `SpanKind`.
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

#[test]
fn an_hpas_read_is_one_trace_from_kube_apiserver_to_the_review() {
    let collector = Collector::start();
    let plane = ControlPlane::traced("tracing", collector.address);
    let endpoint = format!("http://{}", collector.address);
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let adapter = Adapter::start_in(&environment, &plane, "traced", &[]);
    plane.adapter_script(&["register", "traced"]);
    let namespace = Namespace::create(&plane, "traced");
    namespace.deployment("web", 2);
    for pod in namespace.pods_of("web") {
        adapter.write(&namespace.pod_metric(&pod, "load"), "20");
    }
    let both = format!("{API}{}", namespace.pod_metric("*", "load"));
    eventually_equals("both values are listed", SOON, &2, || {
        adapter.read(&both, &Caller::AGGREGATOR).numbers().len()
    });
    let _hpa = Hpa::of("web", &namespace).between(2, 2).on_pods("load", "20");

    let path = reviewed_list(&collector);
    let [received, .., sent, read, review] = &path[..] else { panic!("too short: {path:#?}") };
    assert_received_of_the_hpa_controller(received);
    assert_eq!((sent.service.as_str(), sent.kind), ("apiserver", CLIENT), "{sent:?}");
    assert_read(read, &namespace.name);
    assert_eq!((review.service.as_str(), review.kind), (ADAPTER, CLIENT), "{review:?}");
    assert_eq!(review.attributes.get("error.type"), None);
}

/// From the root of a trace to the review that a list needed, once all of it has come.
fn reviewed_list(collector: &Collector) -> Vec<Span> {
    eventually("a list with its review has come whole", SOON, || {
        let spans = collector.spans();
        let reviews = spans.iter().filter(|span| span.name == REVIEW);
        let paths: Vec<Vec<Span>> = reviews.map(|review| path_to(review, &spans)).collect();
        let seen = format!("{} spans, to the reviews {paths:#?}", spans.len());
        paths.into_iter().find(|path| is_a_list(path) && path[0].parent.is_empty()).ok_or(seen)
    })
}

/// The span and those that it is a descendant of, the eldest first, as far as they have come.
fn path_to(span: &Span, spans: &[Span]) -> Vec<Span> {
    let parent = |child: &&Span| {
        let (trace, id) = (child.trace.clone(), child.parent.clone());
        spans.iter().find(move |span| span.trace == trace && span.id == id)
    };
    let mut path: Vec<Span> = iter::successors(Some(span), parent).cloned().collect();
    path.reverse();
    path
}

fn is_a_list(path: &[Span]) -> bool {
    path.iter().any(|span| span.name == format!("GET {LIST}"))
}

/// What the HPA controller asked kube-apiserver.
fn assert_received_of_the_hpa_controller(span: &Span) {
    assert_eq!((span.service.as_str(), span.kind), ("apiserver", SERVER), "{span:?}");
    let agent = &span.attributes["user_agent.original"];
    assert!(agent.ends_with("system:serviceaccount:kube-system:horizontal-pod-autoscaler"), "{agent}");
}

/// What kube-apiserver asked the adapter for it.
fn assert_read(span: &Span, namespace: &str) {
    assert_eq!((span.service.as_str(), span.kind), (ADAPTER, SERVER), "{span:?}");
    for (attribute, value) in [
        ("http.request.method", "GET"),
        ("http.route", LIST),
        ("http.response.status_code", "200"),
        ("custom_metrics.group_version", "custom.metrics.k8s.io/v1beta2"),
        ("custom_metrics.verb", "list"),
        ("custom_metrics.resource", "pods"),
        ("custom_metrics.metric", "load"),
        ("custom_metrics.objects", "2"),
        ("k8s.namespace.name", namespace),
    ] {
        assert_eq!(span.attributes.get(attribute).map(String::as_str), Some(value), "{attribute}: {span:?}");
    }
    assert_eq!(span.attributes.get("custom_metrics.absence"), None);
}
