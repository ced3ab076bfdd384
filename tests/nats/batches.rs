//! A batch is taken and seen whole, or not at all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use custom_metrics_adapter::{journal::CommitError, model::Labels, store::Write};
use jiff::Timestamp;

use crate::{
    replica::{Replica, eventually, write},
    servers::Servers,
};

/// So many label sets of one metric of one object, each with this value.
fn batch(size: u64, value: u64) -> Vec<Write> {
    let labelled = |at: u64| Write {
        labels: Labels::from_pairs([("shard", at.to_string())]),
        ..write("web", "m", value)
    };
    (0..size).map(labelled).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn more_lines_than_the_servers_take_at_once_are_refused_whole() {
    let servers = Servers::one().await;
    let replica = Replica::start(&servers).await;
    replica.journal.commit(batch(1_000, 1), Timestamp::now()).await.unwrap();
    let refused = replica.journal.commit(batch(1_001, 2), Timestamp::now()).await.unwrap_err();
    assert!(matches!(refused, CommitError::TooLarge { .. }), "{refused}");
    assert!(refused.to_string().contains("max_msgs"), "{refused}");
    assert!(replica.values().values().all(|value| *value == 1), "nothing of it is there");
    assert_eq!(replica.store.stats().written.series, 1_000, "nor does it keep room");
    assert_eq!(replica.journal.state().unwrap().failure, None, "the journal itself is well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_is_twice_in_a_batch_has_the_last_value_and_tears_nothing() {
    let servers = Servers::one().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    let twice = [batch(3, 1), batch(3, 2)].concat();
    one.journal.commit(twice, Timestamp::now()).await.unwrap();
    eventually("the other has it", || other.values().len() == 3).await;
    for replica in [&one, &other] {
        assert!(replica.values().values().all(|value| *value == 2));
        assert_eq!(replica.journal.state().unwrap().torn_batches, 0);
    }
}

/// A replica that follows slowly, because it shares two cores with a writer at full speed, gets batches of which parts are
/// overwritten already; and so does one whose server was away.
#[tokio::test(flavor = "multi_thread")]
async fn no_replica_shows_half_of_a_batch_however_fast_batches_overwrite_each_other() {
    let servers = Servers::three().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    let (one, other) = (Arc::new(one), Arc::new(other));
    let stop = Arc::new(AtomicBool::new(false));
    let readers = [&one, &other].map(|replica| tokio::spawn(read_wholes(replica.clone(), stop.clone())));
    let follower = 1;
    for round in 1..=60 {
        if round == 20 {
            servers.pause(follower);
        }
        if round == 40 {
            servers.resume(follower);
        }
        // Each batch overwrites a part of the one before.
        let size = if round % 2 == 0 { 20 } else { 40 };
        write_until_taken(&one, size, round).await;
    }
    write_until_taken(&one, 40, 61).await;
    eventually("both have the last", || {
        [&one, &other].iter().all(|replica| replica.values().values().all(|value| *value == 61))
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 100, "it has read all the while");
    }
}

async fn write_until_taken(replica: &Replica, size: u64, value: u64) {
    while replica.journal.commit(batch(size, value), Timestamp::now()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// The first twenty label sets are in every batch, so that their values are equal; so are those of the others.
async fn read_wholes(replica: Arc<Replica>, stop: Arc<AtomicBool>) -> usize {
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let values = replica.values();
        let of = |is_wanted: fn(u64) -> bool| {
            let mut of: Vec<u64> = values
                .iter()
                .filter(|(series, _)| is_wanted(shard(series)))
                .map(|(_, value)| *value)
                .collect();
            of.dedup();
            of
        };
        let (all, large) = (of(|shard| shard < 20), of(|shard| shard >= 20));
        assert!(all.len() <= 1 && large.len() <= 1, "{all:?} {large:?}");
        reads += 1;
        tokio::task::yield_now().await;
    }
    reads
}

fn shard(series: &str) -> u64 {
    let digits: String =
        series.rsplit("shard").next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
