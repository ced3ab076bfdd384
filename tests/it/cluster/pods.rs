//! What a scrape learns of pods.

use custom_metrics_adapter::cluster::{ContainerPort, PodPhase, Protocol};
use serde_json::json;

use super::Followed;
use crate::support::{
    kube_api::{KubeApi, pod},
    seen,
};

#[tokio::test]
async fn a_pod_shows_what_a_scrape_needs_of_it() {
    let api = KubeApi::start().await;
    api.apply(
        "pods",
        json!({
            "metadata": {
                "namespace": "a", "name": "web", "uid": "u-1", "labels": {"app": "web"},
                "creationTimestamp": "2026-11-24T10:00:00Z", "deletionTimestamp": "2026-11-24T11:00:00Z",
                "annotations": {
                    "prometheus.io/scrape": "true", "custom-metrics-adapter/strict": "true",
                    "kubectl.kubernetes.io/last-applied-configuration": "{}",
                },
            },
            "spec": {
                "nodeName": "node-1", "hostNetwork": true, "volumes": [{"name": "v"}],
                "initContainers": [
                    {"name": "setup", "ports": [{"containerPort": 1}]},
                    {"name": "proxy", "restartPolicy": "Always", "ports": [{"containerPort": 15090}]},
                ],
                "containers": [{
                    "name": "main", "image": "x",
                    "ports": [
                        {"name": "metrics", "containerPort": 9100, "protocol": "TCP"},
                        {"containerPort": 53, "protocol": "UDP"},
                    ],
                }],
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}],
                "initContainerStatuses": [{"name": "proxy", "state": {"terminated": {}}}],
                "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": "2026-11-24T10:00:09Z"}}}],
            },
        }),
    );
    let followed = Followed::ready(&api).await;
    let pods = seen("the pod is there", || Some(followed.cluster.pods()).filter(|pods| !pods.is_empty()));
    let pod = pods.await.remove(0);
    assert_eq!(pod.live.object.to_string(), "pods a/web");
    assert_eq!((&*pod.live.uid.0, pod.live.created.to_string().as_str()), ("u-1", "2026-11-24T10:00:00Z"));
    let annotations: Vec<_> = pod.annotations.keys().map(String::as_str).collect();
    assert_eq!(annotations, ["custom-metrics-adapter/strict", "prometheus.io/scrape"]);
    assert_eq!((pod.phase, pod.host_network, pod.node.as_deref()), (PodPhase::Running, true, Some("node-1")));
    assert_eq!(pod.deletion.unwrap().to_string(), "2026-11-24T11:00:00Z");
    assert_eq!(pod.ips, ["10.0.0.7".parse::<std::net::IpAddr>().unwrap(), "fd00::7".parse().unwrap()]);
    let containers: Vec<_> =
        pod.containers.iter().map(|one| (&*one.name, one.is_sidecar, one.started)).collect();
    assert_eq!(containers, [("proxy", true, None), ("main", false, "2026-11-24T10:00:09Z".parse().ok())]);
    let ports = [
        ContainerPort { name: Some("metrics".into()), number: 9100, protocol: Protocol::Tcp },
        ContainerPort { name: None, number: 53, protocol: Protocol::Udp },
    ];
    assert_eq!(pod.containers[1].ports, ports);
}

#[tokio::test]
async fn where_nobody_scrapes_a_pod_keeps_what_an_hpa_is_explained_by() {
    let api = KubeApi::start().await;
    let mut annotated = pod("a", "web", "app=web");
    annotated["metadata"]["annotations"] = json!({"prometheus.io/scrape": "true"});
    annotated["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    api.apply("pods", annotated);
    let followed = Followed::with(&api, |options| options.annotation_prefixes.clear()).await;
    let pods = seen("the pod is there", || Some(followed.cluster.pods()).filter(|pods| !pods.is_empty()));
    let pod = pods.await.remove(0);
    assert_eq!(
        (pod.live.object.to_string().as_str(), pod.phase, pod.ready),
        ("pods a/web", PodPhase::Running, true)
    );
    assert!(pod.annotations.is_empty() && pod.containers.is_empty() && pod.ips.is_empty());
}

#[tokio::test]
async fn a_change_that_only_a_scrape_cares_for_moves_the_generation_and_tells_nobody_else() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", "app=web"));
    let followed = Followed::ready(&api).await;
    let mut changes = followed.cluster.pod_changes();
    let mut moved = pod("a", "web", "app=web");
    moved["status"]["podIP"] = "127.1.0.2".into();
    api.apply("pods", moved);
    let address = |ip: &str| {
        let pods = followed.cluster.pods();
        (pods.len() == 1 && pods[0].ips[0].to_string() == ip).then_some(())
    };
    seen("the address is there", || address("127.1.0.2")).await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    api.delete("pods", "a", "web");
    tokio::time::timeout(std::time::Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
    assert!(followed.cluster.pods().is_empty());
    seen("only coming and going is told", || (followed.told().len() == 2).then_some(())).await;
}

#[tokio::test]
async fn pods_that_went_unseen_are_no_targets_after_the_next_list() {
    let api = KubeApi::start().await;
    api.apply("pods", pod("a", "web", ""));
    let followed = Followed::ready(&api).await;
    seen("the pod is there", || (followed.cluster.pods().len() == 1).then_some(())).await;
    api.go_down();
    api.delete("pods", "a", "web");
    api.forget_history("pods", crate::support::kube_api::Expiry::InStream);
    api.come_up();
    seen("it is gone", || followed.cluster.pods().is_empty().then_some(())).await;
}
