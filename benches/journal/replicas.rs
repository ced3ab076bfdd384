//! Two replicas of one process on three servers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use custom_metrics_adapter::{
    journal::{self, Collection, Login, NatsOptions, Servers},
    model::{
        GroupResource, Labels, MetricName, MetricSelector, ObjectRef, Presence, Quantity, Sample, Subject,
    },
    store::{Limits, Query, Store, Write},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::adapter::Journal;

struct Replica {
    store: Store,
    journal: journal::Journal,
}

pub(crate) async fn compare(length: Duration) {
    let Journal::Nats { servers, .. } = &Journal::new("nats R3") else { return };
    let urls: Vec<String> =
        servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.port)).collect();
    let mut other_urls = urls.clone();
    other_urls.rotate_left(1);
    let (one, other) = (Arc::new(Replica::start(urls).await), Arc::new(Replica::start(other_urls).await));
    visible(&one, &other, length).await;
    reads(&one, &other, length).await;
}

impl Replica {
    async fn start(urls: Vec<String>) -> Self {
        let options = NatsOptions {
            servers: Servers { urls, ca_file: None, client_pair: None, login: Login::Nothing },
            stream: "writes".to_owned(),
            replicas: 3,
            timeout: Duration::from_secs(20),
            max_series: 1_000_000,
            collection: Collection::default(),
        };
        let (store, end) = (Store::new(Limits::default()), CancellationToken::new());
        let (journal, worker) = journal::Journal::nats(options, store.clone(), end).await.unwrap();
        tokio::spawn(worker);
        assert!(journal.loaded(Duration::from_secs(60)).await.unwrap());
        Self { store, journal }
    }

    async fn write(&self, names: std::ops::Range<usize>, value: usize) {
        let batch = names.map(|name| write(name, value)).collect();
        self.journal.commit(batch, Timestamp::now()).await.unwrap();
    }
}

/// From the acknowledgement of one until the other serves it.
async fn visible(one: &Replica, other: &Replica, length: Duration) {
    let (mut waits, begun, mut name) = (Vec::new(), Instant::now(), 1_000_000);
    while begun.elapsed() < length {
        name += 1;
        one.write(name..name + 1, 1).await;
        let acknowledged = Instant::now();
        while !other.store.holds(&write(name, 1)) {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        waits.push(acknowledged.elapsed());
    }
    waits.sort();
    let at = |percent: usize| waits.get(waits.len() * percent / 100).copied().unwrap_or_default();
    println!(
        "{} writes: seen by the other replica p50 {:.2?}, p99 {:.2?} after the acknowledgement",
        waits.len(),
        at(50),
        at(99)
    );
}

/// Reads of a replica that follows, while another writes batches as fast as it can, and in a calm. The writer and its servers have
/// the same two cores, which is why reads beside the same load that is not followed are measured too.
async fn reads(one: &Arc<Replica>, other: &Arc<Replica>, length: Duration) {
    one.write(0..1_000, 0).await;
    let calm = reads_a_second(&other.store, length).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, until) = (one.clone(), stop.clone());
    let writing = tokio::spawn(async move {
        let mut batches = 0;
        while !until.load(Ordering::Relaxed) {
            batches += 1;
            writer.write(0..1_000, batches).await;
        }
        batches
    });
    let stranger = Store::new(Limits::default());
    stranger.append((0..1_000).map(|name| write(name, 0)).collect(), Timestamp::now()).unwrap();
    let unfollowed = reads_a_second(&stranger, length).await;
    let followed = reads_a_second(&other.store, length).await;
    stop.store(true, Ordering::Relaxed);
    let batches = writing.await.unwrap();
    println!(
        "reads beside {batches} batches of 1,000: {:.3} of those of a store that follows nothing, {:.3} of a calm",
        followed / unfollowed,
        followed / calm
    );
}

async fn reads_a_second(store: &Store, length: Duration) -> f64 {
    let store = store.clone();
    let reading = move || {
        let (begun, mut reads) = (Instant::now(), 0_u32);
        let (metric, selector) = (MetricName::new("queue_depth").unwrap(), MetricSelector::default());
        while begun.elapsed() < length {
            for name in 0..1_000 {
                let query =
                    Query { presence: &Presence::Unknown, selector: &selector, now: Timestamp::now() };
                assert!(store.read(&object(name), &metric, query).is_ok());
                reads += 1;
            }
        }
        f64::from(reads) / begun.elapsed().as_secs_f64()
    };
    tokio::task::spawn_blocking(reading).await.unwrap()
}

fn object(name: usize) -> ObjectRef {
    ObjectRef {
        resource: GroupResource::pods(),
        namespace: Some("default".into()),
        name: format!("p{name}").into(),
    }
}

pub(crate) fn write(name: usize, value: usize) -> Write {
    let value = Quantity::parse(&value.to_string()).unwrap();
    Write {
        subject: Subject::Object(object(name)),
        uid: None,
        metric: MetricName::new("queue_depth").unwrap(),
        labels: Labels::default(),
        sample: Sample { value, timestamp: Timestamp::now(), window_seconds: None },
        ttl: None,
    }
}
