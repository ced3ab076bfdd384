//! What does it cost to keep written values? A real adapter process, with `--journal=memory`, with `file:`, and with one and three NATS
//! servers beside it in turn, so that a slow moment of the machine meets all:
//! - `1 writer` and `64 writers` send one value a request, and each waits for its answer before it sends the next;
//! - `batches` are requests of 1,000 values, from one writer.
//!
//! Then how long an adapter takes until it is ready that was killed with so many values in its journal. `JOURNAL_VALUES=10000,200000`
//! in the environment names other numbers of values, and `JOURNAL_SECONDS` the length of a round. At last two replicas: how long after
//! its acknowledgement a write is seen by the other, and what reads cost beside a follower at full rate.

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

mod adapter;
mod memory;
#[path = "../../tests/nats/process.rs"]
#[allow(dead_code, clippy::expect_used, reason = "tests need more of it")]
mod nats;
mod replicas;

use std::time::{Duration, Instant};

use reqwest::Client;
use tokio::task::JoinSet;

use adapter::{Adapter, JOURNALS, Journal, client};

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

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let length = Duration::from_secs(variable("JOURNAL_SECONDS", "5").parse().unwrap());
    memory::compare().await;
    for load in LOADS {
        load.compare(length).await;
    }
    for values in variable("JOURNAL_VALUES", "10000,200000").split(',') {
        for journal in ["file", "nats R3"] {
            time_to_ready(journal, values.parse().unwrap()).await;
        }
    }
    replicas::compare(length).await;
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

impl Load {
    async fn compare(self, length: Duration) {
        let mut rounds = [const { Vec::new() }; JOURNALS.len()];
        for at in 0..ROUNDS * JOURNALS.len() {
            let journal = at % JOURNALS.len();
            rounds[journal].push(self.round(JOURNALS[journal], length).await);
        }
        self.report(rounds.map(median));
    }

    async fn round(self, journal: &str, length: Duration) -> Round {
        let (folder, journal) = (tempfile::tempdir().unwrap(), Journal::new(journal));
        let adapter = Adapter::start(folder.path(), &journal, 1_000_000).await;
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

    fn report(self, rounds: [Round; JOURNALS.len()]) {
        for (journal, round) in JOURNALS.into_iter().zip(rounds) {
            let Round { values_a_second, p50, p99 } = round;
            let ratio = values_a_second / rounds[0].values_a_second;
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

async fn time_to_ready(name: &str, values: usize) {
    let (folder, journal) = (tempfile::tempdir().unwrap(), Journal::new(name));
    let adapter = Adapter::start(folder.path(), &journal, values * 4).await;
    let (client, begun) = (client(), Instant::now());
    for first in (0..values).step_by(1_000) {
        let body = lines(first, 1_000.min(values - first), first);
        let answer = client.post(&adapter.write).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
    let filled = begun.elapsed();
    drop(adapter);
    let begun = Instant::now();
    let adapter = Adapter::start(folder.path(), &journal, values * 4).await;
    let ready = begun.elapsed();
    let (mib, back) = (
        adapter.metric("journal_bytes").await / 1_048_576.0,
        adapter.metric(r#"store_series{source="written"}"#).await,
    );
    println!(
        "{values} values, {name}: filled in {filled:.1?}, {mib:.1} MiB; ready with {back} of them {ready:.2?} after the start"
    );
}

fn median(mut rounds: Vec<Round>) -> Round {
    rounds.sort_by(|a, b| a.values_a_second.total_cmp(&b.values_a_second));
    rounds.swap_remove(rounds.len() / 2)
}
