//! What one replica takes, all serve.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use custom_metrics_adapter::{
    journal::{Collection, CommitError, NatsOptions},
    model::{Labels, MetricName},
    store::{Removal, Write},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    replica::{Replica, STREAM, eventually, options, pod, write},
    servers::Servers,
};

fn labelled(name: &str, label: &str, value: u64) -> Write {
    Write { labels: Labels::from_pairs([("queue", label)]), ..write(name, "depth", value) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_read_where_it_was_written_at_once_and_then_everywhere() {
    let servers = Servers::one().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    for value in 1..=20 {
        one.write("web", "m", value).await.unwrap();
        assert_eq!(one.value("web", "m"), Some(value), "it is there when the write has returned");
    }
    eventually("the other has the last", || other.value("web", "m") == Some(20)).await;
    other.write("web", "m", 21).await.unwrap();
    eventually("the first has that of the other", || one.value("web", "m") == Some(21)).await;
    assert_eq!(one.store.stats().written, other.store.stats().written);
    let resources = other.journal.resources().unwrap().borrow().clone();
    assert_eq!(resources.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pods"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_comes_later_has_the_newest_of_each_series_and_no_removed_one() {
    let servers = Servers::one().await;
    let first = Replica::start(&servers).await;
    for round in 1..=3 {
        let batch = (0..30).map(|at| labelled("web", &format!("q{at}"), round * 100 + at)).collect();
        first.journal.commit(batch, Timestamp::now()).await.unwrap();
    }
    first.write("gone", "m", 1).await.unwrap();
    let expiring = Write { ttl: Some(SignedDuration::from_hours(1)), ..write("short", "m", 5) };
    first.journal.commit(vec![expiring], Timestamp::now()).await.unwrap();
    assert_eq!(first.remove("gone", "m").await.unwrap(), 1);
    assert_eq!(first.remove("gone", "m").await.unwrap(), 0, "nothing is left");

    let second = Replica::start(&servers).await;
    assert_eq!(second.values().len(), 31);
    assert_eq!(second.values(), first.values());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_takes_the_label_sets_that_others_have_just_written() {
    let servers = Servers::one().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    for round in 0..20 {
        one.journal.commit(vec![labelled("web", &format!("q{round}"), 1)], Timestamp::now()).await.unwrap();
        assert_eq!(other.remove("web", "depth").await.unwrap(), 1, "round {round}");
        assert_eq!(other.value("web", "depth"), None);
    }
    eventually("the writer has none either", || one.values().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_write_counts_on_every_replica_whatever_its_moment_says() {
    let servers = Servers::one().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    let earlier = |value| {
        let mut write = write("web", "m", value);
        write.sample.timestamp = Timestamp::now() - SignedDuration::from_secs(60 + value.cast_signed());
        write
    };
    // The second was measured before the first: the write port refuses that where it knows the first, and two replicas may
    // take both at once.
    for value in [1, 2] {
        one.journal.commit(vec![earlier(value)], Timestamp::now()).await.unwrap();
    }
    let late = Replica::start(&servers).await;
    for replica in [&one, &other, &late] {
        eventually("it has the second", || replica.value("web", "m") == Some(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_empties_every_replica_and_takes_new_writes() {
    let servers = Servers::one().await;
    let (one, other) = tokio::join!(Replica::start(&servers), Replica::start(&servers));
    for value in 1..=10 {
        one.write("old", "m", value).await.unwrap();
    }
    servers.context().await.delete_stream(STREAM).await.unwrap();
    eventually("both are empty", || one.values().is_empty() && other.values().is_empty()).await;
    eventually("they say so", || {
        [&one, &other].iter().all(|replica| replica.journal.state().unwrap().resyncs == 1)
    })
    .await;
    one.write("new", "m", 1).await.unwrap();
    eventually("the other has it", || other.value("new", "m") == Some(1)).await;
    assert_eq!((one.values().len(), other.values().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_refuses_what_is_new_and_loses_nothing() {
    let servers = Servers::one().await;
    let full = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{STREAM}.>")],
        max_messages_per_subject: 1,
        // Two are the pulses of the replica and of the one that comes later.
        max_messages: 4,
        discard: DiscardPolicy::New,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        metadata: [("custom-metrics-adapter.format".to_owned(), "1".to_owned())].into(),
        ..Config::default()
    };
    servers.context().await.create_stream(full).await.unwrap();
    let replica = Replica::start(&servers).await;
    let mut taken = 0;
    let refused = loop {
        match replica.write(&format!("p{taken}"), "m", 1).await {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, CommitError::Full { .. }), "{refused}");
    assert!((2..=3).contains(&taken), "{taken}");
    assert_eq!(replica.values().len(), taken);
    assert!(refused.to_string().contains("nothing was stored"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_could_lose_values_ends_the_start_with_the_setting() {
    let servers = Servers::one().await;
    let short = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{STREAM}.>")],
        max_age: Duration::from_secs(3_600),
        ..Config::default()
    };
    servers.context().await.create_stream(short).await.unwrap();
    let refusal = Replica::refusal(options(&servers)).await.to_string();
    assert!(refusal.starts_with("the stream writes cannot keep the journal: "), "{refusal}");
    let alone = Replica::refusal(NatsOptions { replicas: 3, ..options(&servers) }).await.to_string();
    assert!(alone.contains("num_replicas is 1 and has to be at least 3"), "{alone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_values_that_no_replica_serves_leave_the_stream() {
    let servers = Servers::one().await;
    let collection = Collection { every: Duration::from_millis(500), age: SignedDuration::from_secs(1) };
    let replica = Replica::start_with(NatsOptions { collection, ..options(&servers) }).await;
    for name in ["gone", "kept"] {
        replica.write(name, "m", 1).await.unwrap();
    }
    // As when the object goes: nothing is written for it.
    let removal = Removal { subject: pod("gone"), metric: MetricName::new("m").unwrap(), labels: None };
    assert_eq!(replica.store.remove(&removal), 1);
    let before = Replica::start(&servers).await;
    assert_eq!(before.values().len(), 2, "its record is still there");
    eventually("the record is replaced by a tombstone", || before.value("gone", "m").is_none()).await;
    let late = Replica::start(&servers).await;
    assert_eq!(late.values(), replica.values());
    assert_eq!(late.values().len(), 1);
}
