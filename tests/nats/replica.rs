//! An adapter's store and journal, without its doors.

use std::{collections::BTreeMap, time::Duration};

use custom_metrics_adapter::{
    journal::{Collection, CommitError, Journal, Login, NatsOptions, OpenError, Servers as Addresses},
    model::{GroupResource, Labels, MetricName, ObjectRef, Presence, Quantity, Sample, Subject},
    store::{Limits, Removal, Search, Store, Write},
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::servers::Servers;

pub(crate) const STREAM: &str = "writes";

/// A store that a journal fills; its end is that of the process.
pub(crate) struct Replica {
    pub(crate) store: Store,
    pub(crate) journal: Journal,
    end: CancellationToken,
}

impl Replica {
    /// Starts a replica, and waits until it has what all have written.
    pub(crate) async fn start(servers: &Servers) -> Self {
        Self::start_with(options(servers)).await
    }

    pub(crate) async fn start_with(options: NatsOptions) -> Self {
        let replica = Self::begin(options).await;
        assert!(replica.journal.loaded(LONG).await.unwrap(), "it has not read the stream");
        replica
    }

    /// Starts a replica, and waits for nothing.
    pub(crate) async fn begin(options: NatsOptions) -> Self {
        // Fails when another test of this process was first, with the same provider.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (store, end) = (Store::new(Limits::default()), CancellationToken::new());
        let (journal, worker) = Journal::nats(options, store.clone(), end.clone()).await.unwrap();
        tokio::spawn(worker);
        Self { store, journal, end }
    }

    pub(crate) async fn refusal(options: NatsOptions) -> OpenError {
        let replica = Self::begin(options).await;
        replica.journal.loaded(LONG).await.unwrap_err()
    }

    pub(crate) async fn write(&self, name: &str, metric: &str, value: u64) -> Result<(), CommitError> {
        self.journal.commit(vec![write(name, metric, value)], Timestamp::now()).await
    }

    pub(crate) async fn remove(&self, name: &str, metric: &str) -> Result<usize, CommitError> {
        let removal = Removal { subject: pod(name), metric: MetricName::new(metric).unwrap(), labels: None };
        self.journal.remove(removal).await
    }

    /// All values, by object, metric and labels.
    pub(crate) fn values(&self) -> BTreeMap<String, u64> {
        let search = Search { limit: usize::MAX, ..Search::default() };
        let found = self.store.search(&search, Timestamp::now(), &|_| Presence::Unknown);
        let value = |text: &str| {
            let nanos = Quantity::parse(text).unwrap().nanos();
            u64::try_from(nanos / 1_000_000_000).unwrap()
        };
        let name = |stored: &custom_metrics_adapter::store::Stored| {
            format!("{} {} {:?}", stored.subject, stored.metric, stored.labels)
        };
        found.series.iter().map(|stored| (name(stored), value(&stored.value))).collect()
    }

    /// The value of the only label set.
    pub(crate) fn value(&self, name: &str, metric: &str) -> Option<u64> {
        let place = format!("{} {metric} ", pod(name));
        self.values().into_iter().find(|(series, _)| series.starts_with(&place)).map(|(_, value)| value)
    }

    pub(crate) fn end(&self) {
        self.end.cancel();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.end();
    }
}

/// Of a replica that may use any of the servers.
pub(crate) fn options(servers: &Servers) -> NatsOptions {
    NatsOptions {
        servers: Addresses { urls: servers.urls(), ca_file: None, client_pair: None, login: Login::Nothing },
        stream: STREAM.to_owned(),
        replicas: servers.count(),
        timeout: Duration::from_secs(2),
        max_series: 100_000,
        collection: Collection::default(),
    }
}

pub(crate) fn pod(name: &str) -> Subject {
    Subject::Object(ObjectRef {
        resource: GroupResource::pods(),
        namespace: Some("default".into()),
        name: name.into(),
    })
}

pub(crate) fn write(name: &str, metric: &str, value: u64) -> Write {
    let value = Quantity::parse(&value.to_string()).unwrap();
    Write {
        subject: pod(name),
        uid: None,
        metric: MetricName::new(metric).unwrap(),
        labels: Labels::default(),
        sample: Sample { value, timestamp: Timestamp::now(), window_seconds: None },
        ttl: None,
    }
}

/// Waits until `holds`, and fails with `what` when it never does.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Longer than an election, a restart of all servers, and a busy machine take.
pub(crate) const LONG: Duration = Duration::from_secs(90);
