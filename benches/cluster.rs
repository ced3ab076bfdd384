//! What a read of the cluster costs: 10 000 pods in one namespace, 100 of them selected, with and without a watch
//! that brings changes all the time.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench"
)]

#[path = "../tests/it/support/kube_api.rs"]
mod kube_api;

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use custom_metrics_adapter::{
    cluster::{Cluster, ClusterOptions},
    model::{ObjectRef, ResourceType, Selector},
};
use kube_api::{KubeApi, pod};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const PODS: usize = 10_000;

fn reads(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let api = runtime.block_on(KubeApi::start());
    for number in 0..PODS {
        api.apply(
            "pods",
            pod("load", &format!("pod-{number:05}"), &format!("app=app-{},tier=web", number / 100)),
        );
    }
    let cluster = runtime.block_on(followed(&api));
    let pods = cluster.resolve("pods").unwrap();
    lists(c, "quiet", &cluster, &pods);
    let churn = runtime.spawn(churn(api));
    lists(c, "changing", &cluster, &pods);
    churn.abort();
}

async fn followed(api: &KubeApi) -> Cluster {
    let kubeconfig = Some(api.kubeconfig());
    let options = ClusterOptions::new(TaskTracker::new(), CancellationToken::new());
    let cluster = Cluster::connect(ClusterOptions { kubeconfig, ..options }).await.unwrap();
    let mut changes = cluster.pod_changes();
    changes.wait_for(|_| cluster.pods().len() == PODS).await.unwrap();
    cluster
}

/// A thousand label changes a second.
async fn churn(api: KubeApi) {
    for number in 0.. {
        let labels = format!("app=app-{},tier=web,round={number}", number % PODS / 100);
        api.apply("pods", pod("load", &format!("pod-{:05}", number % PODS), &labels));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn lists(c: &mut Criterion, state: &str, cluster: &Cluster, pods: &ResourceType) {
    for (what, text, found) in [("100 of 10000", "app=app-42,tier=web", 100), ("all 10000", "", PODS)] {
        let selector = Selector::parse(text).unwrap();
        let list = || cluster.list(pods, Some("load"), &selector).unwrap();
        assert_eq!(list().len(), found);
        c.bench_function(&format!("list {what}, {state}"), |b| b.iter(|| black_box(list())));
    }
    let object = ObjectRef {
        resource: pods.resource.clone(),
        namespace: Some(Arc::from("load")),
        name: "pod-04242".into(),
    };
    c.bench_function(&format!("presence, {state}"), |b| b.iter(|| black_box(cluster.presence(&object))));
    c.bench_function(&format!("resolve a kind, {state}"), |b| {
        b.iter(|| black_box(cluster.resolve("Deployment")));
    });
}

criterion_group!(benches, reads);
criterion_main!(benches);
