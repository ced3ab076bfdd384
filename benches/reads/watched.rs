//! The operators at work beside the reads: every HPA looked at each five seconds, and the list of them open in a browser.

use std::{sync::Arc, time::Duration};

use axum::Router;
use custom_metrics_adapter::{
    admin,
    cluster::KnownHpas,
    insight::{self, Insight},
    owned::Rules,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, JoinSet},
    time,
};
use tokio_util::sync::CancellationToken;

use crate::{
    door::Door,
    idle,
    kube_api::KubeApi,
    world::{METRICS, PODS, SELECTED, World},
};

/// What looks at the HPAs of a world.
pub(crate) struct Watched {
    insight: Insight,
    page: Door,
}

impl Watched {
    /// The HPAs are known, and each was looked at.
    pub(crate) async fn start(world: &World) -> Self {
        install(&world.api);
        let cluster = world.cluster.clone();
        let listed = || matches!(cluster.hpas(), KnownHpas::Listed(hpas) if hpas.len() == HPAS);
        while !listed() {
            time::sleep(Duration::from_millis(10)).await;
        }
        let insight = Insight::new(insight::Sources {
            cluster: cluster.clone(),
            store: world.store.clone(),
            rules: Rules::default(),
            targets: Arc::new(Vec::new),
            service: "custom-metrics/custom-metrics-apiserver".to_owned(),
        });
        insight.sample_once(Timestamp::now());
        let page = Door::InProcess(router(world, &insight));
        let watched = Self { insight, page };
        let warm = watched.work();
        time::sleep(WARM_UP).await;
        warm.end().await;
        watched
    }

    /// From now until its end.
    pub(crate) fn work(&self) -> Work {
        let end = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.insight.clone().run(end.clone()));
        let (page, closed) = (self.page.clone(), end.clone());
        tasks.spawn(async move {
            closed.run_until_cancelled(open(page)).await;
        });
        Work { end, tasks: tokio::spawn(async move { drop(tasks.join_all().await) }) }
    }
}

pub(crate) struct Work {
    end: CancellationToken,
    tasks: JoinHandle<()>,
}

impl Work {
    pub(crate) async fn end(self) {
        self.end.cancel();
        self.tasks.await.unwrap();
    }
}

/// As a browser does that follows the page's own refresh, three times as often.
async fn open(page: Door) {
    let mut ticks = time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        let shown = page.get(0, "/hpas?format=json").await;
        assert!(shown.len() > HPAS, "a short page");
    }
}

fn router(world: &World, insight: &Insight) -> Router {
    let list = insight.clone();
    let mut sources = idle::sources(world.store.clone());
    sources.hpas.list = Arc::new(move || list.listing());
    admin::router(sources)
}

/// HPAs of every app's pods, one for each metric that these have.
fn install(api: &KubeApi) {
    let apps = PODS / SELECTED;
    for number in 0..HPAS {
        let (app, metric) = (number % apps, number / apps % METRICS);
        api.apply("horizontalpodautoscalers.autoscaling", hpa(number, app, metric));
        let path = format!("/apis/apps/v1/namespaces/load/deployments/app-{app}/scale");
        api.answer("GET", &path, move |_| {
            let selector = format!("app=app-{app},tier=web");
            (200, json!({ "spec": { "replicas": 100 }, "status": { "replicas": 100, "selector": selector } }))
        });
    }
}

fn hpa(number: usize, app: usize, metric: usize) -> Value {
    json!({
        "metadata": { "namespace": "load", "name": format!("hpa-{number}") },
        "spec": {
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": format!("app-{app}") },
            "minReplicas": 1, "maxReplicas": 200,
            "metrics": [{ "type": "Pods", "pods": { "metric": { "name": format!("metric_{metric}") },
                "target": { "type": "AverageValue", "averageValue": "20" } } }],
        },
        "status": { "currentReplicas": 100, "desiredReplicas": 100 },
    })
}

pub(crate) const HPAS: usize = 1_000;

/// Long enough to ask for each scale once.
const WARM_UP: Duration = Duration::from_secs(12);
