//! Readers and writers at work, and what the readers saw.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    door::Door,
    world::{METRICS, PODS, READ, SELECTED, pod},
};

pub(crate) struct Load {
    pub(crate) reads: Door,
    /// Writes to another store.
    pub(crate) elsewhere: Door,
    /// Writes to the store that is read.
    pub(crate) here: Door,
}

/// What happened under one condition.
pub(crate) struct Round {
    /// Sorted.
    reads: Vec<Duration>,
    writes: usize,
    length: Duration,
}

impl Load {
    pub(crate) async fn run(&self, length: Duration, writers: Option<&Door>) -> Round {
        let start = Instant::now();
        let (mut reading, mut writing) = (JoinSet::new(), JoinSet::new());
        for asker in 0..READERS {
            reading.spawn(read(self.reads.clone(), asker, start + length));
        }
        if let Some(door) = writers {
            (0..WRITERS).for_each(|asker| drop(writing.spawn(write(door.clone(), asker, start + length))));
        }
        let reads: Vec<Duration> = reading.join_all().await.into_iter().flatten().collect();
        let writes = writing.join_all().await.into_iter().sum();
        Round::new(reads, writes, start.elapsed())
    }
}

async fn read(door: Door, asker: usize, end: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut begun = Instant::now();
    while begun < end {
        let list = door.get(asker, READ).await;
        took.push(begun.elapsed());
        assert!(list.len() > SELECTED * 100, "a short list: {}", String::from_utf8_lossy(&list));
        tokio::task::yield_now().await;
        begun = Instant::now();
    }
    took
}

/// How many values it has written.
async fn write(door: Door, asker: usize, end: Instant) -> usize {
    let mut written = 0;
    while Instant::now() < end {
        // A stride that is prime to both numbers leads everywhere.
        let step = asker * 7919 + written * 611_953;
        let number = if written % 2 == 0 { SELECTED * 42 + step % SELECTED } else { step % PODS };
        let path =
            format!("/write-metrics/namespaces/load/pods/{}/metric_{}", pod(number), written / 2 % METRICS);
        door.post(asker, &path, step.to_string()).await;
        written += 1;
        tokio::task::yield_now().await;
    }
    written
}

impl Round {
    fn new(mut reads: Vec<Duration>, writes: usize, length: Duration) -> Self {
        reads.sort_unstable();
        Self { reads, writes, length }
    }

    pub(crate) fn together(rounds: &[Self]) -> Self {
        let reads = rounds.iter().flat_map(|round| round.reads.iter().copied()).collect();
        let writes = rounds.iter().map(|round| round.writes).sum();
        Self::new(reads, writes, rounds.iter().map(|round| round.length).sum())
    }

    pub(crate) fn reads_per_second(&self) -> f64 {
        self.reads.len() as f64 / self.length.as_secs_f64()
    }

    /// In milliseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        let last = self.reads.len() - 1;
        self.reads[(last as f64 * quantile) as usize].as_secs_f64() * 1000.0
    }

    pub(crate) fn row(&self) -> String {
        let [p50, p99, longest] = [0.5, 0.99, 1.0].map(|quantile| self.quantile(quantile));
        let writes = self.writes as f64 / self.length.as_secs_f64();
        let reads = self.reads_per_second();
        format!("| {reads:.0} | {p50:.2} ms | {p99:.2} ms | {longest:.1} ms | {writes:.0} |")
    }
}

const READERS: usize = 200;
const WRITERS: usize = 50;
