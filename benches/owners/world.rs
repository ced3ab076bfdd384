//! A cluster with one Service of many pods, which are scraped, and the API in front of it.

use std::sync::Arc;

use axum::{Router, body::Body};
use custom_metrics_adapter::{
    api::{self, Api, Checks, Clues, RecentReads, Sources},
    auth::Auth,
    cluster::{Cluster, ClusterOptions},
    model::Quantity,
    scrape::{ScrapeOptions, Scraper},
    store::{self, Store},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{
    PODS,
    kube_api::{KubeApi, object, pod},
};

pub(crate) struct World {
    reads: Router,
    _scraper: Scraper,
    _api: KubeApi,
}

impl World {
    pub(crate) async fn start(port: u16) -> Self {
        let api = KubeApi::start().await;
        api.serve("", "v1", "services", "Service");
        let mut service = object("load", "web", "");
        service["spec"] = json!({ "selector": { "app": "web" } });
        api.apply("services", service);
        (0..PODS).for_each(|number| api.apply("pods", scraped(number, port)));
        let options = ClusterOptions::new(TaskTracker::new(), CancellationToken::new());
        let options = ClusterOptions { kubeconfig: Some(api.kubeconfig()), ..options };
        let cluster = Cluster::connect(options).await.unwrap();
        cluster.pod_changes().wait_for(|_| cluster.pods().len() == PODS).await.unwrap();
        let store = Store::new(store::Limits::default());
        let options = ScrapeOptions { allow_loopback: true, ..ScrapeOptions::default() };
        let (tasks, end) = (TaskTracker::new(), CancellationToken::new());
        let scraper = Scraper::start(options, cluster.clone(), store.clone(), tasks, end);
        let sources = Sources {
            store,
            cluster: Arc::new(cluster),
            auth: Auth::disabled(),
            checks: Checks::new(Vec::new),
            clues: Clues::of_writes_alone(None),
            recent: RecentReads::default(),
        };
        let reads = Api::new(sources, api::Limits::default()).router();
        let world = Self { reads, _scraper: scraper, _api: api };
        // Begins the watch of Services.
        world.answer("process_max_fds").await;
        world
    }

    /// The value of a metric of the Service.
    pub(crate) async fn read(&self, metric: &str) -> f64 {
        let (status, body) = self.answer(metric).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        Quantity::parse(body["items"][0]["value"].as_str().unwrap()).unwrap().to_f64()
    }

    async fn answer(&self, metric: &str) -> (StatusCode, Value) {
        let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/load/services/web/{metric}");
        let answer =
            self.reads.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

fn scraped(number: usize, port: u16) -> Value {
    let mut scraped = pod("load", &format!("web-{number:04}"), "app=web");
    scraped["metadata"]["annotations"] = json!({
    "prometheus.io/scrape": "true",
    "prometheus.io/port": port.to_string(),
        });
    scraped["status"]["podIP"] = address(number).into();
    scraped
}

/// Every address of 127.0.0.0/8 leads to the server of the pods.
pub(crate) fn address(number: usize) -> String {
    format!("127.1.{}.{}", number / 250, number % 250 + 1)
}
