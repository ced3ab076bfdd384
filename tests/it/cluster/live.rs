//! The same promises against a real control plane, which `CMA_TEST_KUBECONFIG` names: run with `--ignored`.

use std::time::{Duration, Instant};

use custom_metrics_adapter::{
    cluster::{Cluster, ClusterOptions},
    model::{ObjectRef, Presence, Selector},
};
use k8s_openapi::{
    api::core::v1::{Namespace, Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const NAMESPACE: &str = "cluster-live-test";

#[tokio::test]
#[ignore = "needs a control plane"]
async fn a_real_control_plane_is_followed_through_its_changes() {
    let cluster = connected().await;
    let client = cluster.client().unwrap();
    let _ = create::<Namespace>(&Api::all(client.clone()), json!({"metadata": {"name": NAMESPACE}})).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    for name in ["web-1", "web-2", "db-1"] {
        let app = name.split('-').next().unwrap();
        let spec =
            json!({"containers": [{"name": "main", "image": "none", "ports": [{"containerPort": 9100}]}]});
        let metadata =
            json!({"name": name, "labels": {"app": app}, "annotations": {"prometheus.io/scrape": "true"}});
        create(&pods, json!({"metadata": metadata, "spec": spec})).await.unwrap();
    }
    let selected =
        patiently("two pods are selected", || names(&cluster, "po", "app=web").filter(|n| n.len() == 2));
    assert_eq!(selected.await, ["web-1", "web-2"]);
    let details =
        || cluster.pods().into_iter().find(|pod| &*pod.live.object.name == "web-1" && !pod.ips.is_empty());
    let details = patiently("the pod has an address", details).await;
    assert_eq!((details.annotations.len(), details.containers[0].ports[0].number), (1, 9100));

    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    pods.delete("web-1", &now).await.unwrap();
    absent(&cluster, "pods", "web-1").await;

    custom_resource(&cluster, client).await;
    for name in ["web-2", "db-1"] {
        pods.delete(name, &now).await.unwrap();
    }
}

async fn custom_resource(cluster: &Cluster, client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let _ = definitions.delete("widgets.live.example.io", &DeleteParams::default()).await;
    cluster.resolve_fresh("widgets").await.unwrap_err();
    let schema = json!({"openAPIV3Schema": {"type": "object"}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": schema});
    let named = json!({"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]});
    let spec =
        json!({"group": "live.example.io", "scope": "Namespaced", "names": named, "versions": [version]});
    create(&definitions, json!({"metadata": {"name": "widgets.live.example.io"}, "spec": spec}))
        .await
        .unwrap();
    patiently("the CRD is known", || cluster.resolve("wd").ok()).await;
    let kind = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("live.example.io", "v1", "Widget"),
        "widgets",
    );
    let widgets: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &kind);
    let widget = json!({"apiVersion": "live.example.io/v1", "kind": "Widget", "metadata": {"name": "one"}});
    let one = serde_json::from_value(widget).unwrap();
    widgets.create(&PostParams::default(), &one).await.unwrap();
    patiently("it is listed", || names(cluster, "Widget", "").filter(|names| names == &["one"])).await;
    definitions.delete("widgets.live.example.io", &DeleteParams::default()).await.unwrap();
    absent(cluster, "widgets", "one").await;
}

#[tokio::test]
#[ignore = "needs a control plane, which is stopped for a while and started again during the test"]
async fn a_real_control_plane_that_was_away_is_followed_again() {
    let cluster = connected().await;
    let failing = || cluster.watches()[0].last_error.clone();
    patiently("kube-apiserver is away", failing).await;
    assert!(cluster.checks().iter().all(|check| check.failure.is_none()));
    assert!(!names_everywhere(&cluster).is_empty(), "pods are answered from memory");
    let client = cluster.client().unwrap();
    let up = Instant::now();
    while client.apiserver_version().await.is_err() {
        assert!(up.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let up = Instant::now();
    let pods: Api<Pod> = Api::namespaced(client, "default");
    let spec = json!({"containers": [{"name": "main", "image": "none"}]});
    while create(&pods, json!({"metadata": {"name": "after"}, "spec": spec})).await.is_err() {
        assert!(up.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    patiently("the new pod is seen", || {
        names_everywhere(&cluster).contains(&"after".to_owned()).then_some(())
    })
    .await;
    pods.delete("after", &DeleteParams::default()).await.unwrap();
}

async fn connected() -> Cluster {
    let kubeconfig = std::env::var_os("CMA_TEST_KUBECONFIG").expect("CMA_TEST_KUBECONFIG").into();
    let options = ClusterOptions::new(TaskTracker::new(), CancellationToken::new());
    let options = ClusterOptions { kubeconfig: Some(kubeconfig), ..options };
    let cluster = Cluster::connect(options).await.unwrap();
    let is_ready = || cluster.checks().iter().all(|check| check.failure.is_none()).then_some(());
    patiently("the cluster is ready", is_ready).await;
    cluster
}

async fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn absent(cluster: &Cluster, resource: &str, name: &str) {
    let resource = cluster.resolve(resource).unwrap().resource.clone();
    let object = ObjectRef { resource, namespace: Some(NAMESPACE.into()), name: name.into() };
    let is_absent = || (cluster.presence(&object) == Presence::Absent).then_some(());
    patiently("the object is gone", is_absent).await;
}

fn names(cluster: &Cluster, resource: &str, selector: &str) -> Option<Vec<String>> {
    let resource = cluster.resolve(resource).ok()?;
    let listed = cluster.list(&resource, Some(NAMESPACE), &Selector::parse(selector).unwrap()).ok()?;
    Some(listed.iter().map(|live| live.object.name.to_string()).collect())
}

fn names_everywhere(cluster: &Cluster) -> Vec<String> {
    cluster.pods().iter().map(|pod| pod.live.object.name.to_string()).collect()
}

async fn create<K>(api: &Api<K>, object: Value) -> Result<K, kube::Error>
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}
