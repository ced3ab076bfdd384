//! What does it cost to follow pods that nobody wants scraped? 5,000 pods with the labels of a chart, none annotated, lose
//! and get back their readiness and address. The same changes go to an adapter's index without a scraper, and to index
//! and scraper.
//!
//! Both take turns. The figure is the CPU time of the threads of each, the kernel's count, by change; the server that
//! sends the changes runs in threads of its own.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench"
)]

#[path = "../tests/it/support/kube_api.rs"]
mod kube_api;

use std::{fs, time::Duration};

use custom_metrics_adapter::{
    cluster::{Cluster, ClusterOptions},
    model::{ObjectRef, Presence},
    scrape::{ScrapeOptions, Scraper},
    store::{Limits, Store},
};
use kube_api::{Expiry, KubeApi, pod};
use serde_json::{Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

fn main() {
    let server = Runtime::new().unwrap();
    let mut worlds = [false, true].map(|scrapes| World::start(&server, scrapes));
    for round in 0..=ROUNDS {
        for world in &mut worlds {
            let took = world.round(&server, round);
            // The first round warms up.
            if round > 0 {
                world.took.push(took);
            }
        }
    }
    let [without, with] = worlds.map(|world| world.took);
    let ratio = median(with.iter().zip(&without).map(|(with, without)| with / without).collect());
    println!("{PODS} pods, {ROUNDS} rounds of {CHANGES} changes\n");
    println!("| scraping | CPU a change | changes a second of one core |\n|---|---|---|");
    for (what, took) in [("off", without), ("on, no pod annotated", with)] {
        let took = median(took);
        println!("| {what} | {took:.1} µs | {:.0} |", 1e6 / took);
    }
    println!("| on / off | {ratio:.2} | |");
}

struct World {
    api: KubeApi,
    cluster: Cluster,
    _scraper: Option<Scraper>,
    /// The threads of index and scraper, by name.
    threads: &'static str,
    runtime: Runtime,
    /// Microseconds a change, by round.
    took: Vec<f64>,
}

impl World {
    fn start(server: &Runtime, scrapes: bool) -> Self {
        let threads = if scrapes { "index-scraper" } else { "index-alone" };
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name(threads).enable_all().build().unwrap();
        let api = server.block_on(KubeApi::start());
        (0..PODS).for_each(|number| api.apply("pods", changed(number, 1)));
        let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let options = ClusterOptions::new(tasks.clone(), shutdown.clone());
        let prefixes = if scrapes { options.annotation_prefixes.clone() } else { Vec::new() };
        let kubeconfig = Some(api.kubeconfig());
        let options = ClusterOptions { kubeconfig, annotation_prefixes: prefixes, ..options };
        let (cluster, scraper) = runtime.block_on(async {
            let cluster = Cluster::connect(options).await.unwrap();
            let mut changes = cluster.pod_changes();
            changes.wait_for(|_| cluster.pods().len() == PODS).await.unwrap();
            let store = Store::new(Limits::default());
            let scraper = scrapes
                .then(|| Scraper::start(ScrapeOptions::default(), cluster.clone(), store, tasks, shutdown));
            (cluster, scraper)
        });
        Self { api, cluster, _scraper: scraper, threads, runtime, took: Vec::new() }
    }

    /// Microseconds of CPU time that one change took.
    fn round(&self, server: &Runtime, round: usize) -> f64 {
        let before = self.cpu_time();
        let last = format!("last-of-{round}");
        server.block_on(async {
            self.change_all().await;
            self.api.apply("pods", pod("team-0", &last, ""));
            while !self.knows(&last) {
                sleep(Duration::from_millis(10)).await;
            }
            // Everybody has them; the server need not keep them.
            self.api.forget_history("pods", Expiry::InStream);
            // The scraper looks ten times a second.
            sleep(Duration::from_millis(300)).await;
        });
        (self.cpu_time() - before).as_secs_f64() * 1e6 / CHANGES as f64
    }

    async fn change_all(&self) {
        for number in 0..CHANGES {
            self.api.apply("pods", changed(number % PODS, number / PODS));
            if number % AT_ONCE == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
    }

    fn knows(&self, pod: &str) -> bool {
        let resource = self.cluster.resolve("pods").unwrap().resource.clone();
        let object = ObjectRef { resource, namespace: Some("team-0".into()), name: pod.into() };
        matches!(self.cluster.presence(&object), Presence::Live(_))
    }

    /// Of all threads of this world.
    fn cpu_time(&self) -> Duration {
        let threads = fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
        let mine = threads.filter(|path| {
            fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == self.threads)
        });
        mine.filter_map(|path| {
            let text = fs::read_to_string(path.join("schedstat")).ok()?;
            Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
        })
        .sum()
    }
}

/// A pod that is ready, or is not, in turns.
fn changed(number: usize, turn: usize) -> Value {
    let (namespace, release) = (number % 100, number / 20);
    let labels = format!(
        "app.kubernetes.io/name=web,app.kubernetes.io/instance=release-{release},app.kubernetes.io/component=api,\
         app.kubernetes.io/part-of=shop,app.kubernetes.io/managed-by=Helm,app.kubernetes.io/version=1.2.3,\
         helm.sh/chart=web-1.2.3,pod-template-hash=7c9d5f6b8{release}"
    );
    let mut pod = pod(&format!("team-{namespace}"), &format!("web-{release}-x{number:05}"), &labels);
    pod["spec"]["containers"] = json!([
        {"name": "web", "ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9090}]},
        {"name": "proxy", "ports": [{"name": "metrics", "containerPort": 15090}]},
    ]);
    let is_ready = turn % 2 == 1;
    let started = json!({"running": {"startedAt": "2026-01-02T03:04:05Z"}});
    let state = if is_ready { started } else { json!({"waiting": {"reason": "ContainerCreating"}}) };
    pod["status"] = json!({
        "phase": if is_ready { "Running" } else { "Pending" },
        "conditions": [{"type": "Ready", "status": if is_ready { "True" } else { "False" }}],
        "containerStatuses": [{"name": "web", "state": state}, {"name": "proxy", "state": state}],
    });
    if is_ready {
        pod["status"]["podIP"] = format!("10.1.{}.{}", number / 250, 1 + number % 250).into();
    }
    pod
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const PODS: usize = 5_000;
/// Of one round: each pod changes four times.
const CHANGES: usize = 20_000;
const ROUNDS: usize = 9;
/// Five thousand a second.
const AT_ONCE: usize = 5;
