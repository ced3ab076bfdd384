//! Values of objects whose kind the cluster did not have when the adapter started.

use serde_json::json;

use crate::harness::{API, Adapter, Caller, ControlPlane, Namespace, SOON, eventually, eventually_equals};

#[test]
fn a_resource_whose_crd_is_installed_later_can_be_written_read_and_listed() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("installs-a-crd");
    let path =
        |name: &str| format!("/namespaces/{}/widgets.e2e.example.com/{name}/temperature", namespace.name);
    assert_eq!(adapter.post(&path("w1"), "21").status, 400, "nothing knows widgets yet");
    install_widgets(plane);
    create_widget(&namespace, "w1");

    eventually("a write of the new resource is accepted", SOON, || {
        let answer = adapter.post(&path("w1"), "21");
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    });
    let read = |name| adapter.read(&format!("{API}{}", path(name)), &Caller::AGGREGATOR);
    let expected = vec![("w1".to_owned(), "21".to_owned())];
    assert_eq!(read("w1").values(), expected);
    eventually_equals("the list has the widget", SOON, &expected, || read("*").values());

    namespace.kubectl("delete widgets w1");
    eventually_equals("the widget's value goes with it", SOON, &404, || read("w1").status);
}

/// The CRD, and the right to watch its objects as `deploy/examples/watch-your-resource.yaml` gives it.
fn install_widgets(plane: &ControlPlane) {
    plane.apply(&json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "widgets.e2e.example.com" },
        "spec": {
            "group": "e2e.example.com",
            "scope": "Namespaced",
            "names": { "plural": "widgets", "singular": "widget", "kind": "Widget" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object" } },
            }],
        },
    }));
    plane.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {
            "name": "custom-metrics-adapter:described-objects:widgets",
            "labels": { "custom-metrics-adapter/described-objects": "true" },
        },
        "rules": [{ "apiGroups": ["e2e.example.com"], "resources": ["widgets"], "verbs": ["list", "watch"] }],
    }));
    plane.kubectl("wait --for=condition=Established crd/widgets.e2e.example.com --timeout=60s");
}

fn create_widget(namespace: &Namespace<'_>, name: &str) {
    namespace.apply(json!({
        "apiVersion": "e2e.example.com/v1", "kind": "Widget", "metadata": { "name": name },
    }));
}
