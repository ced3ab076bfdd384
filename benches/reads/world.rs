//! A cluster with many pods, and two stores with values of all of them.

use std::{fmt::Write as _, fs, sync::Arc, time::Duration};

use axum::Router;
use custom_metrics_adapter::{
    api::{self, Api, Checks, Clues, RecentReads, Sources},
    auth::Auth,
    cluster::{Cluster, ClusterOptions},
    serve::{self, ConnectionCounters, Listener, ServeOptions, ServiceNames, ServingCertificate, Tls},
    store::{self, Store},
    write::{self, WriteOptions},
};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    door::Door,
    kube_api::{KubeApi, pod as object},
    load::Load,
};

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) cluster: Cluster,
    pub(crate) api: KubeApi,
    reads: Router,
    elsewhere: Router,
    here: Router,
    certificates: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let api = KubeApi::start().await;
        api.serve("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler");
        for number in 0..PODS {
            let labels = format!("app=app-{},tier=web", number / SELECTED);
            api.apply("pods", object("load", &pod(number), &labels));
        }
        let cluster = followed(&api).await;
        let [store, other] = [(); 2].map(|()| Store::new(store::Limits::default()));
        let [here, elsewhere] = [&store, &other].map(|store| writes(store, &cluster));
        for router in [&here, &elsewhere] {
            fill(&Door::InProcess(router.clone())).await;
        }
        let reads = reads(&store, cluster.clone());
        check(&Door::InProcess(reads.clone())).await;
        Self { store, cluster, api, reads, elsewhere, here, certificates: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn describe(&self) -> String {
        let stats = self.store.stats();
        let (series, mebibytes) = (stats.written.series, stats.written.bytes / 1024 / 1024);
        format!("{series} written values on {} pods, {mebibytes} MiB", stats.objects)
    }

    pub(crate) fn in_process(&self) -> Load {
        let [reads, elsewhere, here] =
            [&self.reads, &self.elsewhere, &self.here].map(|router| Door::InProcess(router.clone()));
        Load { reads, elsewhere, here }
    }

    /// As kube-apiserver does: many reads on few connections.
    pub(crate) async fn over_loopback(&self) -> Load {
        let directory = self.certificates.path().to_path_buf();
        let names = ServiceNames { service: "adapter".into(), namespace: "load".into() };
        let certificate = ServingCertificate::generated(directory.clone(), names).await.unwrap();
        let tls = Tls::new(certificate, Auth::disabled()).unwrap();
        let authority = fs::read(directory.join("ca.crt")).unwrap();
        let authority = reqwest::Certificate::from_pem(&authority).unwrap();
        let builder = || reqwest::Client::builder().no_proxy();
        let secure = || builder().tls_certs_only([authority.clone()]).build().unwrap();
        let base = format!("https://localhost:{}", serve(&self.reads, Some(tls)).await);
        let reads = Door::Wire { base, clients: (0..CONNECTIONS).map(|_| secure()).collect() };
        let plain = async |router: &Router| {
            let base = format!("http://127.0.0.1:{}", serve(router, None).await);
            Door::Wire { base, clients: vec![builder().build().unwrap()] }
        };
        Load { reads, elsewhere: plain(&self.elsewhere).await, here: plain(&self.here).await }
    }
}

async fn followed(api: &KubeApi) -> Cluster {
    let options = ClusterOptions::new(TaskTracker::new(), CancellationToken::new());
    let options = ClusterOptions { kubeconfig: Some(api.kubeconfig()), ..options };
    let cluster = Cluster::connect(options).await.unwrap();
    cluster.pod_changes().wait_for(|_| cluster.pods().len() == PODS).await.unwrap();
    cluster
}

fn reads(store: &Store, cluster: Cluster) -> Router {
    let (store, cluster) = (store.clone(), Arc::new(cluster));
    let sources = Sources {
        store,
        cluster,
        auth: Auth::disabled(),
        checks: Checks::new(Vec::new),
        clues: Clues::of_writes_alone(None),
        recent: RecentReads::default(),
    };
    Api::new(sources, api::Limits::default()).router()
}

fn writes(store: &Store, cluster: &Cluster) -> Router {
    let options =
        WriteOptions { ttl: None, in_flight: 200, deadline: Duration::from_secs(60), self_only: false };
    write::router(store.clone(), cluster.clone(), options)
}

/// A batch for every hundred pods.
async fn fill(door: &Door) {
    let pods: Vec<String> = (0..PODS).map(pod).collect();
    for pods in pods.chunks(100) {
        let mut batch = String::new();
        for (pod, metric) in pods.iter().flat_map(|pod| (0..METRICS).map(move |metric| (pod, metric))) {
            writeln!(
                batch,
                r#"{{"namespace":"load","resource":"pods","name":"{pod}","metric":"metric_{metric}","value":{metric}.5}}"#
            )
            .unwrap();
        }
        door.post(0, "/write-metrics", batch).await;
    }
}

async fn check(door: &Door) {
    let list: Value = serde_json::from_slice(&door.get(0, READ).await).unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), SELECTED);
    assert!(items.iter().all(|item| item["value"] == "3500m"), "{list}");
}

/// The port.
async fn serve(router: &Router, tls: Option<Tls>) -> u16 {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_address().port();
    let counters = Arc::new(ConnectionCounters::default());
    let options = ServeOptions {
        tls,
        limits: serve::Limits::default(),
        heads: serve::head_budget(),
        counters,
        spans: None,
    };
    tokio::spawn(listener.run(router.clone(), options, CancellationToken::new()));
    port
}

pub(crate) fn pod(number: usize) -> String {
    format!("pod-{number:05}")
}

pub(crate) const PODS: usize = 10_000;
pub(crate) const METRICS: usize = 10;

/// Pods of one `app` label.
pub(crate) const SELECTED: usize = 100;

pub(crate) const READ: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/load/pods/*/metric_3\
                               ?labelSelector=app%3Dapp-42%2Ctier%3Dweb";

const CONNECTIONS: usize = 4;
