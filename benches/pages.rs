//! Do reads of the metrics API wait for readers of the operators' pages? One reader lists a metric of 100 pods a hundred
//! times a second by TLS and HTTP/2, alone, and beside 100 readers of `/targets?format=json` with 20,000 targets.
//!
//! Both conditions take turns. What is printed is the ratio of their latencies, the median of the rounds.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench, which uses a part of another one's world"
)]

#[path = "reads/door.rs"]
mod door;
#[path = "reads/idle.rs"]
mod idle;
#[path = "../tests/it/support/kube_api.rs"]
mod kube_api;
#[path = "reads/load.rs"]
mod load;
#[path = "reads/world.rs"]
mod world;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use custom_metrics_adapter::{
    admin::{self, Sources},
    scrape::{Health, TargetStatus},
    serve::{self, Listener, ServeOptions},
    store::{self, Store},
};
use door::Door;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use world::{READ, World};

fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Runtime::new().unwrap().block_on(compare());
}

async fn compare() {
    let world = World::start().await;
    let reads = world.over_loopback().await.reads;
    let pages = format!("http://127.0.0.1:{}/targets?format=json", serve_pages().await);
    let read = Arc::new(AtomicUsize::new(0));
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    latencies(&reads).await;
    for _ in 0..ROUNDS {
        alone.push(latencies(&reads).await);
        let mut readers = JoinSet::new();
        (0..READERS).for_each(|_| drop(readers.spawn(read_pages(pages.clone(), read.clone()))));
        beside.push(latencies(&reads).await);
        readers.shutdown().await;
    }
    println!(
        "{READERS} readers of {TARGETS} targets read {} pages in {ROUNDS} rounds\n",
        read.load(Ordering::Relaxed)
    );
    println!("| reads | p50 | p99 |\n|---|---|---|");
    for (condition, rounds) in [("alone", &alone), ("beside readers", &beside)] {
        let [p50, p99] =
            [0.5, 0.99].map(|at| median(rounds.iter().map(|round| quantile(round, at)).collect()));
        println!("| {condition} | {p50:.2} ms | {p99:.2} ms |");
    }
    let ratio = |at: f64| {
        let pairs = beside.iter().zip(&alone);
        median(pairs.map(|(beside, alone)| quantile(beside, at) / quantile(alone, at)).collect())
    };
    println!("| beside readers / alone | {:.2} | {:.2} |", ratio(0.5), ratio(0.99));
}

/// Of the reads of one round, sorted.
async fn latencies(reads: &Door) -> Vec<Duration> {
    let (end, mut ticks) = (Instant::now() + LENGTH, tokio::time::interval(PAUSE));
    let mut took = Vec::new();
    while Instant::now() < end {
        ticks.tick().await;
        let begun = Instant::now();
        reads.get(0, READ).await;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    took
}

fn quantile(sorted: &[Duration], at: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * at) as usize].as_secs_f64() * 1000.0
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Again and again, until it is stopped. A page that is refused for now (429) is asked for again.
async fn read_pages(url: String, read: Arc<AtomicUsize>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        let answer = client.get(&url).send().await.unwrap();
        read.fetch_add(usize::from(answer.status().is_success()), Ordering::Relaxed);
        drop(answer.bytes().await.unwrap());
    }
}

/// The port of the pages.
async fn serve_pages() -> u16 {
    let targets: Vec<TargetStatus> = (0..TARGETS).map(target).collect();
    let sources = Sources {
        targets: Arc::new(move || targets.clone()),
        ..idle::sources(Store::new(store::Limits::default()))
    };
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_address().port();
    let (limits, heads) = (serve::Limits::default(), serve::head_budget());
    let options = ServeOptions { tls: None, limits, heads, counters: Arc::default(), spans: None };
    tokio::spawn(listener.run(admin::router(sources), options, CancellationToken::new()));
    port
}

fn target(number: usize) -> TargetStatus {
    TargetStatus {
        namespace: "load".to_owned(),
        pod: format!("pod-{number:05}"),
        url: Some(format!("http://10.0.{}.{}:8080/metrics", number / 250 % 250, number % 250)),
        source: None,
        health: if number.is_multiple_of(100) { Health::Down } else { Health::Up },
        problems: Vec::new(),
        interval_seconds: 15.0,
        next_scrape: Some(Timestamp::now()),
        last_scrape: None,
        last_good: Some(Timestamp::now()),
        failures: 0,
        recent: Vec::new(),
    }
}

const TARGETS: usize = 20_000;
const READERS: usize = 100;
const ROUNDS: usize = 5;
const LENGTH: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(10);
