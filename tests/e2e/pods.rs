//! Values live no longer than the pod that they were written for.

use std::time::Duration;

use crate::harness::{API, Adapter, Caller, ControlPlane, SOON, eventually_equals};

/// What the project promises for the time between the event and the value's end.
const PROMISED: Duration = Duration::from_secs(1);

#[test]
fn a_deleted_pods_value_is_gone_within_a_second_of_the_event() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("loses-a-pod"));
    namespace.pod("a", "web");
    namespace.pod("b", "web");
    for pod in ["a", "b"] {
        adapter.write(&namespace.pod_metric(pod, "load"), "1");
    }
    let listed =
        || adapter.read(&format!("{API}{}", namespace.pod_metric("*", "load")), &Caller::AGGREGATOR).values();
    let status =
        || adapter.read(&format!("{API}{}", namespace.pod_metric("a", "load")), &Caller::AGGREGATOR).status;
    let value_of = |pod: &str| (pod.to_owned(), "1".to_owned());
    eventually_equals("both are listed", SOON, &vec![value_of("a"), value_of("b")], listed);
    assert_eq!(status(), 200);

    namespace.delete_pod("a");
    eventually_equals("the list has only the living", PROMISED, &vec![value_of("b")], listed);
    assert_eq!(status(), 404);
}

#[test]
fn a_pod_that_takes_the_name_of_a_deleted_one_starts_without_its_values() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("recreates-a-pod"));
    let read =
        || adapter.read(&format!("{API}{}", namespace.pod_metric("web-0", "load")), &Caller::AGGREGATOR);
    namespace.pod("web-0", "web");
    adapter.write(&namespace.pod_metric("web-0", "load"), "7");
    assert_eq!(read().values(), [("web-0".to_owned(), "7".to_owned())]);

    namespace.delete_pod("web-0");
    namespace.pod("web-0", "web");
    eventually_equals("the successor has no value", PROMISED, &404, || read().status);
    adapter.write(&namespace.pod_metric("web-0", "load"), "8");
    assert_eq!(read().values(), [("web-0".to_owned(), "8".to_owned())]);
}

#[test]
fn a_list_with_a_selector_has_the_pods_whose_labels_match_now() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("relabels-a-pod"));
    for (pod, app) in [("a", "web"), ("b", "other")] {
        namespace.pod(pod, app);
        adapter.write(&namespace.pod_metric(pod, "load"), "1");
    }
    let path = format!("{API}{}?labelSelector=app%3Dweb", namespace.pod_metric("*", "load"));
    let listed =
        || adapter.read(&path, &Caller::AGGREGATOR).values().into_iter().map(|(pod, _)| pod).collect();
    eventually_equals("the selector matches one", SOON, &vec!["a".to_owned()], listed);

    namespace.kubectl("label pod b app=web --overwrite");
    eventually_equals("the selector matches both", SOON, &vec!["a".to_owned(), "b".to_owned()], listed);
}

#[test]
fn a_value_that_is_deleted_over_http_is_not_found_any_more() {
    let (adapter, namespace) = (Adapter::shared(), ControlPlane::shared().namespace("deletes-a-value"));
    let read = || adapter.read(&format!("{API}{}", namespace.pod_metric("web", "load")), &Caller::AGGREGATOR);
    namespace.pod("web", "web");
    adapter.write(&namespace.pod_metric("web", "load"), "1");
    assert_eq!(read().status, 200);
    assert_eq!(adapter.delete(&namespace.pod_metric("web", "load")).status, 200);
    assert_eq!(read().status, 404);
}
