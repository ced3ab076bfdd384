//! A journal that keeps nothing, beside the store alone: what every write pays for there being journals.

use std::time::{Duration, Instant};

use custom_metrics_adapter::{
    journal::Journal,
    store::{Limits, Store},
};
use jiff::Timestamp;

use crate::replicas::write;

const ROUNDS: usize = 9;
const WRITES: usize = 100_000;

pub(crate) async fn compare() {
    let (store, journalled) = (Store::new(Limits::default()), Store::new(Limits::default()));
    let journal = Journal::memory(journalled);
    let (mut alone, mut committed) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        for name in 0..WRITES {
            store.append(vec![write(name % 1_000, round)], Timestamp::now()).unwrap();
        }
        alone.push(begun.elapsed());
        let begun = Instant::now();
        for name in 0..WRITES {
            journal.commit(vec![write(name % 1_000, round)], Timestamp::now()).await.unwrap();
        }
        committed.push(begun.elapsed());
    }
    let ratio = median(&mut committed).as_secs_f64() / median(&mut alone).as_secs_f64();
    println!("a write to memory takes {ratio:.3} times as long by way of the journal as the store alone");
}

fn median(rounds: &mut [Duration]) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}
