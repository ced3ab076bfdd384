//! What does it cost to keep written values in a file? A real adapter process, with `--journal=memory` and with `file:` in turn, so
//! that a slow moment of the machine meets both:
//! - `1 writer` and `64 writers` send one value a request, and each waits for its answer before it sends the next;
//! - `batches` are requests of 1,000 values, from one writer.
//!
//! Then how long an adapter takes until it is ready that was killed with so many values in its file. `JOURNAL_VALUES=10000,200000`
//! in the environment names other numbers of values, and `JOURNAL_SECONDS` the length of a round.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench"
)]

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use tokio::task::JoinSet;

const ROUNDS: usize = 3;
const LOADS: [Load; 3] = [
    Load { name: "1 writer", writers: 1, batch: 1 },
    Load { name: "64 writers", writers: 64, batch: 1 },
    Load { name: "batches", writers: 1, batch: 1_000 },
];

#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    writers: usize,
    /// Values in a request.
    batch: usize,
}

/// What one round of a load gave.
#[derive(Clone, Copy)]
struct Round {
    values_a_second: f64,
    p50: Duration,
    p99: Duration,
}

struct Adapter {
    child: Child,
    write: String,
    admin: String,
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let length = Duration::from_secs(variable("JOURNAL_SECONDS", "5").parse().unwrap());
    let mut rounds = [const { [const { Vec::new() }; 2] }; LOADS.len()];
    for _ in 0..ROUNDS {
        for (load, rounds) in LOADS.into_iter().zip(&mut rounds) {
            rounds[0].push(load.round("memory", length).await);
            rounds[1].push(load.round("file", length).await);
        }
    }
    for (load, rounds) in LOADS.into_iter().zip(rounds) {
        load.report(rounds.map(median));
    }
    for values in variable("JOURNAL_VALUES", "10000,200000").split(',') {
        time_to_ready(values.parse().unwrap()).await;
    }
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

impl Load {
    async fn round(self, journal: &str, length: Duration) -> Round {
        let folder = tempfile::tempdir().unwrap();
        let adapter = Adapter::start(folder.path(), journal, 1_000_000).await;
        let (client, mut writing, begun) = (client(), JoinSet::new(), Instant::now());
        for writer in 0..self.writers {
            let to = (client.clone(), adapter.write.clone());
            writing.spawn(write_on(to, writer, self.batch, begun + length));
        }
        let mut waits = writing.join_all().await.concat();
        waits.sort();
        let values_a_second = (waits.len() * self.batch) as f64 / begun.elapsed().as_secs_f64();
        let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
        Round { values_a_second, p50: at(50), p99: at(99) }
    }

    fn report(self, [memory, file]: [Round; 2]) {
        for (journal, round) in [("memory", memory), ("file", file)] {
            let Round { values_a_second, p50, p99 } = round;
            let ratio = values_a_second / memory.values_a_second;
            println!(
                "{:<11} {journal:<7} {values_a_second:>9.0} values/s  ×{ratio:.3}  p50 {p50:.2?}  p99 {p99:.2?}",
                self.name
            );
        }
    }
}

/// How long each request took.
async fn write_on(
    (client, url): (Client, String),
    writer: usize,
    batch: usize,
    end: Instant,
) -> Vec<Duration> {
    let (mut waits, mut number) = (Vec::new(), 0);
    while Instant::now() < end {
        let body = lines(writer * 10_000 + number % 1_000, batch, number);
        number += 1;
        let begun = Instant::now();
        let answer = client.post(&url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        waits.push(begun.elapsed());
    }
    waits
}

/// A batch of values, one for each object from the first on.
fn lines(first: usize, count: usize, value: usize) -> String {
    let line = |at: usize| {
        format!(
            r#"{{"namespace":"default","resource":"pods","name":"p{at}","metric":"queue_depth","value":{value}}}"#
        )
    };
    (first..first + count).map(line).collect::<Vec<_>>().join("\n")
}

async fn time_to_ready(values: usize) {
    let folder = tempfile::tempdir().unwrap();
    let adapter = Adapter::start(folder.path(), "file", values * 4).await;
    let (client, begun) = (client(), Instant::now());
    for first in (0..values).step_by(1_000) {
        let body = lines(first, 1_000.min(values - first), first);
        let answer = client.post(&adapter.write).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
    let filled = begun.elapsed();
    drop(adapter);
    let begun = Instant::now();
    let adapter = Adapter::start(folder.path(), "file", values * 4).await;
    let ready = begun.elapsed();
    let read = adapter.metric("journal_restore_duration_seconds").await;
    let (mib, back) = (
        adapter.metric("journal_bytes").await / 1_048_576.0,
        adapter.metric("journal_restored_values").await,
    );
    println!(
        "{values} values: filled in {filled:.1?}, file {mib:.1} MiB; ready {ready:.2?} after the start, {read:.2} s of them to read {back}"
    );
}

impl Adapter {
    /// Returns when it is ready.
    async fn start(folder: &Path, journal: &str, max_series: usize) -> Self {
        let [write, admin] = [free_address(), free_address()];
        let journal =
            if journal == "file" { format!("file:{}", folder.display()) } else { journal.to_owned() };
        let child = Command::new(env!("CARGO_BIN_EXE_custom-metrics-adapter"))
            .args([
                "--standalone",
                "--secure-listen=127.0.0.1:0",
                "--log-level=error",
                "--namespace-share=100",
            ])
            .arg(format!("--write-listen={write}"))
            .arg(format!("--admin-listen={admin}"))
            .arg(format!("--cert-dir={}", folder.join("certificates").display()))
            .arg(format!("--journal={journal}"))
            .arg(format!("--max-series={max_series}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let adapter = Self { child, write: format!("http://{write}/write-metrics"), admin };
        adapter.is_ready().await;
        adapter
    }

    async fn is_ready(&self) {
        let (client, url, begun) = (client(), format!("http://{}/readyz", self.admin), Instant::now());
        while !client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(begun.elapsed() < Duration::from_secs(120), "it is not ready after two minutes");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn metric(&self, name: &str) -> f64 {
        let url = format!("http://{}/metrics", self.admin);
        let page = client().get(url).send().await.unwrap().text().await.unwrap();
        let name = format!("custom_metrics_adapter_{name} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn median(mut rounds: Vec<Round>) -> Round {
    rounds.sort_by(|a, b| a.values_a_second.total_cmp(&b.values_a_second));
    rounds.swap_remove(rounds.len() / 2)
}
