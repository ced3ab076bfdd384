//! What does the metric of a Service cost that is computed from 1,000 pods of 1,000 series each?
//!
//! The pods are scraped by the adapter's own scraper and, where `$PROMETHEUS` names one, by Prometheus beside it. Then the pods
//! are gone, and both answer the same questions from what they have: a gauge, a rate and a 99th percentile over all pods.
//! Each answer of the adapter goes through its routes to JSON, without a network; each of Prometheus is an instant query
//! over loopback at the moment of the last scrape. CPU time is the kernel's.
//!
//! ```sh
//! PROMETHEUS=$(benches/owners/prometheus.sh) cargo bench --bench owners
//! ```

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench"
)]

#[path = "../../tests/it/support/kube_api.rs"]
mod kube_api;
#[path = "../scrape-load/page.rs"]
mod page;
mod prometheus;
#[allow(dead_code, reason = "a part of it is for another bench")]
#[path = "../scrape-load/serve.rs"]
mod serve;
mod world;

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use prometheus::Prometheus;
use world::World;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is asked for: the metric of the Service, and the same in PromQL.
const QUESTIONS: [(&str, &str, &str); 3] = [
    ("gauge", "process_max_fds", "sum(process_max_fds)"),
    ("rate, 12 series a pod", "http_0_requests_per_second", "sum(rate(http_0_requests_total[1m]))"),
    (
        "p99, 13 series a pod",
        "http_0_duration_seconds_p99",
        "histogram_quantile(0.99, sum by (le) (rate(http_0_duration_seconds_bucket[1m])))",
    ),
];

pub(crate) const PODS: usize = 1_000;
const SERIES: usize = 1_000;
const READS: usize = 500;
/// A minute's window, and some scrapes more.
const SCRAPING: Duration = Duration::from_secs(90);

/// The pods, as a process of their own.
struct Pods(Child);

impl Drop for Pods {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match arguments.get(1).map(String::as_str) {
        Some("serve") => runtime.block_on(serve::run(arguments[2].parse().unwrap(), SERIES)),
        _ => runtime.block_on(compare()),
    }
}

async fn compare() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let port = free_port();
    let pods =
        Command::new(std::env::current_exe().unwrap()).args(["serve", &port.to_string()]).spawn().unwrap();
    let pods = Pods(pods);
    let world = World::start(port).await;
    let prometheus = std::env::var("PROMETHEUS").ok().map(|program| Prometheus::start(&program, port));
    tokio::time::sleep(SCRAPING).await;
    prometheus.iter().for_each(Prometheus::note_moment);
    drop(pods);
    let mut ours = Vec::new();
    for (_, metric, _) in QUESTIONS {
        ours.push(asked(&world, metric).await);
    }
    if let Some(prometheus) = &prometheus {
        prometheus.stop_scraping().await;
    }
    println!("\n{PODS} pods of {SERIES} series\n");
    println!(
        "| question | p50 | p99 | CPU a read | Prometheus: CPU a query | ratio |\n|---|---|---|---|---|---|"
    );
    for ((question, metric, query), (took, cpu, ours)) in QUESTIONS.iter().zip(ours) {
        let [p50, p99] = [took[READS / 2], took[READS * 99 / 100]].map(|took| took.as_secs_f64() * 1e3);
        let theirs = match &prometheus {
            None => "| | ".to_owned(),
            Some(prometheus) => {
                let (theirs, value) = prometheus.asked(query).await;
                assert!(
                    (value - ours).abs() <= 0.05 * value.abs() + 1e-9,
                    "{metric}: {ours}, Prometheus {value}"
                );
                format!("| {:.2} ms | {:.0} ", theirs * 1e3, theirs / cpu)
            }
        };
        println!("| {question} | {p50:.2} ms | {p99:.2} ms | {:.2} ms {theirs}|", cpu * 1e3);
    }
}

/// How long the reads took, sorted; CPU seconds of one; its value.
async fn asked(world: &World, metric: &str) -> (Vec<Duration>, f64, f64) {
    let value = world.read(metric).await;
    let (mut took, before) = (Vec::new(), cpu_seconds("self"));
    for _ in 0..READS {
        let begun = Instant::now();
        world.read(metric).await;
        took.push(begun.elapsed());
    }
    let cpu = (cpu_seconds("self") - before) / READS as f64;
    took.sort_unstable();
    (took, cpu, value)
}

/// User and system time of a process.
pub(crate) fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `sysconf(_SC_CLK_TCK)` of every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
