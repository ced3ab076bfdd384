//! The commands of the README through kube-apiserver, and what a broken aggregated API would break in a cluster.

use crate::harness::{Adapter, Answer, ControlPlane, Namespace, SOON, eventually};

#[test]
fn the_kubectl_commands_of_the_readme_work_literally() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = Namespace::default_of(plane);
    namespace.pod("my-pod", "my-app");
    adapter.write(&namespace.pod_metric("my-pod", "my_custom_metric"), r#""42""#);
    let expected = vec![("my-pod".to_owned(), "42".to_owned())];

    let v1beta1 = "/apis/custom.metrics.k8s.io/v1beta1";
    let one = plane.kubectl(&format!("get --raw {v1beta1}/namespaces/default/pods/my-pod/"));
    assert_eq!(values(one), expected);
    let every_pod = plane.kubectl(&format!("get --raw {v1beta1}/namespaces/default/pods/*/my_custom_metric"));
    assert_eq!(values(every_pod), expected);
    eventually("discovery lists the metric", SOON, || {
        let resources = plane.kubectl(&format!("get --raw {v1beta1}"));
        if resources.contains("pods/my_custom_metric") { Ok(()) } else { Err(resources) }
    });
}

#[test]
fn every_api_service_of_the_manifests_is_available() {
    let _adapter = Adapter::shared();
    let words = "get apiservices --no-headers --output custom-columns=NAME:.metadata.name,SERVICE:.spec.service.name,\
                 AVAILABLE:.status.conditions[?(@.type=='Available')].status";
    let listed = ControlPlane::shared().kubectl(words);
    let ours: Vec<_> = listed.lines().filter(|line| line.contains("custom-metrics-apiserver")).collect();

    assert!(ours.iter().any(|line| line.starts_with("v1beta1.custom.metrics.k8s.io")), "{listed}");
    assert!(ours.iter().any(|line| line.starts_with("v1beta2.custom.metrics.k8s.io")), "{listed}");
    assert!(ours.iter().any(|line| line.starts_with("v1beta1.external.metrics.k8s.io")), "{listed}");
    assert!(ours.iter().all(|line| line.ends_with("True")), "{listed}");
}

#[test]
fn kubectl_api_resources_lists_the_whole_cluster_without_complaint() {
    let _adapter = Adapter::shared();
    let resources = ControlPlane::shared().kubectl("api-resources --cached=false");
    assert!(resources.contains("horizontalpodautoscalers"), "{resources}");
    assert!(resources.contains("deployments"), "{resources}");
}

#[test]
fn aggregated_discovery_names_the_metrics_as_subresources() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("is-discovered");
    namespace.pod("worker", "worker");
    adapter.write(&namespace.pod_metric("worker", "discovered_jobs"), "1");

    // kube-apiserver asks an aggregated API for its discovery once a minute.
    eventually("/apis of the cluster names the metric", 2 * SOON, || {
        let names = aggregated_subresources(plane);
        if names.iter().any(|name| name == "pods/discovered_jobs") {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    });
}

#[test]
fn a_namespace_can_be_deleted_with_its_values() {
    let (adapter, plane) = (Adapter::shared(), ControlPlane::shared());
    let namespace = plane.namespace("is-deleted");
    namespace.pod("worker", "worker");
    adapter.write(&namespace.pod_metric("worker", "last_words"), "1");

    plane.kubectl("delete namespace is-deleted --wait --timeout=60s");
    eventually("the value is gone", SOON, || {
        match plane.try_kubectl(
            "get --raw /apis/custom.metrics.k8s.io/v1beta1/namespaces/is-deleted/pods/worker/last_words",
        ) {
            Err(problem) if problem.contains("NotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn values(body: String) -> Vec<(String, String)> {
    Answer { status: 200, body }.values()
}

/// `RESOURCE/SUBRESOURCE` of the metrics API in the document that clients of the cluster read at `/apis`.
fn aggregated_subresources(plane: &ControlPlane) -> Vec<String> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let groups = plane.curl(&["--header", &format!("Accept: {accept}")], "/apis").json();
    let group = groups["items"]
        .as_array()
        .expect("groups")
        .iter()
        .find(|group| group["metadata"]["name"] == "custom.metrics.k8s.io");
    let resources = group.and_then(|group| group["versions"][0]["resources"].as_array()).cloned();
    let named = |resource: &serde_json::Value| -> Vec<String> {
        let subresources = resource["subresources"].as_array().cloned().unwrap_or_default();
        let name = |part: &serde_json::Value, key: &str| part[key].as_str().unwrap_or_default().to_owned();
        subresources
            .iter()
            .map(|sub| format!("{}/{}", name(resource, "resource"), name(sub, "subresource")))
            .collect()
    };
    resources.unwrap_or_default().iter().flat_map(named).collect()
}
