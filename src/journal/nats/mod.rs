//! The journal that several replicas share: a stream of NATS JetStream, to which each replica writes, and which each
//! applies in its order ([ADR 14](../../../docs/adr/0014-replicas-share-a-stream.md)).
//!
//! ```text
//! write ──publish──▶ stream (a quorum of servers has it) ──follow──▶ store of every replica
//! ```
//!
//! The stream has the newest record of each series, and none older: it is as large as the values are many.

mod apply;
mod collect;
mod connect;
mod consume;
mod follow;
mod grouped;
mod held;
mod publish;
mod pulse;
mod stream;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::jetstream;
use futures::future::join_all;
use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout, timeout_at},
};

pub use collect::Collection;
pub use connect::{Login, Servers};

use super::{CommitError, JournalState, OpenError, record};
use crate::{
    model::{GroupResource, Labels, MetricName, Subject},
    notice::Incident,
    store::{Removal, Store, Write},
};
use collect::Collector;
use follow::Follower;
use publish::{Message, Published, Publisher};
use pulse::Pulse;

/// Where the stream is, and how long to wait for it.
#[derive(Clone, Debug, Default)]
pub struct NatsOptions {
    /// Where the servers are.
    pub servers: Servers,
    /// The stream's name, with which its subjects begin.
    pub stream: String,
    /// On how many servers each record is.
    pub replicas: usize,
    /// How long a write waits for the servers.
    pub timeout: Duration,
    /// How many series each replica takes.
    pub max_series: usize,
    /// When records of ended values are looked for.
    pub collection: Collection,
}

/// A cheap-clone handle on the stream.
#[derive(Clone)]
pub(super) struct Nats {
    shared: Arc<Shared>,
    store: Store,
}

/// How far the first reading of the stream is.
#[derive(Default)]
enum Load {
    #[default]
    Reading,
    Done,
    Refused(Option<OpenError>),
}

struct Shared {
    stream: String,
    timeout: Duration,
    publisher: Publisher,
    pulse: Pulse,
    /// All records up to this sequence are in the store.
    applied: watch::Sender<u64>,
    loaded: watch::Sender<Load>,
    /// Of the objects that values have come for.
    resources: watch::Sender<BTreeSet<GroupResource>>,
    failure: Mutex<Option<String>>,
    incident: Incident,
    last: Mutex<Option<Timestamp>>,
    bytes: AtomicU64,
    commits: AtomicU64,
    resyncs: AtomicU64,
    torn: AtomicU64,
    unreadable: AtomicU64,
}

type Outcome = Result<(), CommitError>;

/// Opens the journal. The future follows the stream, and ends when it is dropped.
pub(super) async fn open(
    options: NatsOptions,
    store: Store,
) -> Result<(Nats, impl Future<Output = ()> + Send + 'static), OpenError> {
    let client = options.servers.connect(options.timeout).await;
    let client = client.map_err(|error| OpenError::Servers(Box::new(error)))?;
    let publisher = Publisher::new(client.clone(), options.timeout);
    let mut context = jetstream::new(client);
    context.set_timeout(options.timeout);
    let shared = Arc::new(Shared::new(&options, publisher));
    let measured = context.clone();
    let collector = Collector {
        context: context.clone(),
        collection: options.collection,
        shared: shared.clone(),
        store: store.clone(),
    };
    let follower = Follower::new(context, options, shared.clone(), store.clone());
    let nats = Nats { shared: shared.clone(), store };
    let worker = async move {
        let beats = shared.pulse.run(&shared.publisher, |sent| shared.heard(&sent));
        tokio::join!(beats, follower.run(), collector.run(), shared.measure(measured));
    };
    Ok((nats, worker))
}

impl Nats {
    /// Commits each batch whole or not at all; the outcomes are in their order.
    pub(super) async fn commit(&self, batches: Vec<Vec<Write>>, now: Timestamp) -> Vec<Outcome> {
        join_all(batches.into_iter().map(|batch| self.commit_one(batch, now))).await
    }

    async fn commit_one(&self, batch: Vec<Write>, now: Timestamp) -> Outcome {
        // Its room is taken until the follower has put the values there.
        let admitted = self.store.admit(batch, now)?;
        let mut last = HashMap::new();
        for write in admitted.writes() {
            let Write { subject, metric, labels, .. } = write;
            last.insert(self.shared.subject_of(subject, metric, labels), write);
        }
        let message = |(subject, write): (&String, &&Write)| Message {
            subject: subject.clone(),
            payload: record::encode(write, now).into(),
            ttl: write.ttl.map(|ttl| ttl.unsigned_abs() + REMEMBERED),
            replaces: self.store.version(&write.subject, &write.metric, &write.labels),
        };
        self.publish(|| last.iter().map(message).collect()).await
    }

    /// Removes written values; how many series that were.
    pub(super) async fn remove(&self, removal: Removal) -> Result<usize, CommitError> {
        let mut labels = self.all_labels(&removal).await?;
        labels.retain(|held| removal.labels.as_ref().is_none_or(|labels| labels == held));
        let place = |labels: &Labels| record::Place {
            subject: removal.subject.clone(),
            metric: removal.metric.clone(),
            labels: labels.clone(),
        };
        let tombstone = |place: record::Place| Message {
            subject: self.shared.subject_of(&place.subject, &place.metric, &place.labels),
            payload: record::encode_removed(&place).into(),
            ttl: Some(TOMBSTONE),
            replaces: self.store.version(&place.subject, &place.metric, &place.labels),
        };
        self.publish(|| labels.iter().map(place).map(tombstone).collect()).await?;
        Ok(labels.len())
    }

    /// Of all that was acknowledged anywhere before the call.
    async fn all_labels(&self, removal: &Removal) -> Result<Vec<Labels>, CommitError> {
        let all = timeout(self.shared.timeout, self.shared.pulse.barrier()).await;
        all.map_err(|_| {
            let problem = "this replica does not know whether it has all label sets".to_owned();
            CommitError::Away { problem }
        })?;
        Ok(self.store.written_labels(&removal.subject, &removal.metric))
    }

    /// Returns when a quorum has the records and a read of this replica finds them.
    ///
    /// A record takes the place of the one that this replica knows of its series, and of no other: one that a stalled server
    /// sends on when its writer has long been told that nobody knows, and has written again, comes too late.
    async fn publish(&self, messages: impl Fn() -> Vec<Message>) -> Outcome {
        let deadline = Instant::now() + self.shared.timeout;
        loop {
            let mut applied = self.shared.applied.subscribe();
            let messages = messages();
            if messages.is_empty() {
                return Ok(());
            }
            let published = self.shared.publisher.publish(messages).await;
            self.shared.heard(&published);
            match published? {
                Published::At(sequence) => return self.applied(sequence).await,
                // That record is on its way here, or has come meanwhile: then the next try takes its place.
                Published::Overtaken => {
                    let came = timeout_at(deadline, applied.changed()).await;
                    came.map_err(|_| overtaken())?.map_err(|_| CommitError::stopped())?;
                }
            }
        }
    }

    async fn applied(&self, sequence: u64) -> Outcome {
        let shared = &self.shared;
        shared.commits.fetch_add(1, Ordering::Relaxed);
        *shared.last.lock() = Some(Timestamp::now());
        let mut applied = shared.applied.subscribe();
        match timeout(shared.timeout, applied.wait_for(|applied| *applied >= sequence)).await {
            Ok(_) => Ok(()),
            // It is kept. But who is told so would read an older value here.
            Err(_) => Err(CommitError::Unknown {
                problem: "the servers have it, and this replica has not got it back yet".to_owned(),
            }),
        }
    }

    /// Whether the stream was read within `longest`.
    ///
    /// # Errors
    /// When it cannot be the journal's.
    pub(super) async fn loaded(&self, longest: Duration) -> Result<bool, OpenError> {
        let mut loaded = self.shared.loaded.subscribe();
        let _ = timeout(longest, loaded.wait_for(|load| !matches!(load, Load::Reading))).await;
        let mut outcome = Ok(false);
        self.shared.loaded.send_if_modified(|load| {
            outcome = load.outcome();
            false
        });
        outcome
    }

    /// Of the objects that values have come for.
    pub(super) fn resources(&self) -> watch::Receiver<BTreeSet<GroupResource>> {
        self.shared.resources.subscribe()
    }

    pub(super) fn state(&self) -> JournalState {
        let shared = &self.shared;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        JournalState {
            failure: shared.failure.lock().clone(),
            bytes: count(&shared.bytes),
            transactions: count(&shared.commits),
            last: *shared.last.lock(),
            current: shared.pulse.current(),
            resyncs: count(&shared.resyncs),
            torn_batches: count(&shared.torn),
            unreadable: count(&shared.unreadable),
        }
    }
}

impl Load {
    /// Whether that is new.
    fn finish(&mut self) -> bool {
        let is_new = !matches!(self, Self::Done);
        *self = Self::Done;
        is_new
    }

    /// Whether that is new. After it has been read, a stream that has become unfit ends nothing.
    fn refuse(&mut self, error: OpenError) -> bool {
        let is_new = matches!(self, Self::Reading);
        if is_new {
            *self = Self::Refused(Some(error));
        }
        is_new
    }

    fn outcome(&mut self) -> Result<bool, OpenError> {
        match self {
            Self::Reading | Self::Refused(None) => Ok(false),
            Self::Done => Ok(true),
            Self::Refused(error) => error.take().map_or(Ok(false), Err),
        }
    }
}

impl Shared {
    fn new(options: &NatsOptions, publisher: Publisher) -> Self {
        Self {
            stream: options.stream.clone(),
            timeout: options.timeout,
            publisher,
            pulse: Pulse::new(&format!("{}.{PULSE}", options.stream)),
            applied: watch::Sender::default(),
            loaded: watch::Sender::default(),
            resources: watch::Sender::default(),
            failure: Mutex::default(),
            incident: Incident::default(),
            last: Mutex::default(),
            bytes: AtomicU64::default(),
            commits: AtomicU64::default(),
            resyncs: AtomicU64::default(),
            torn: AtomicU64::default(),
            unreadable: AtomicU64::default(),
        }
    }

    /// The subject of a series' records. Names have dots, which a token must not have, so it is a digest.
    fn subject_of(&self, subject: &Subject, metric: &MetricName, labels: &Labels) -> String {
        let digest = Sha256::digest(record::key_of(subject, metric, labels));
        let series: String = digest.iter().take(SERIES_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{VALUE}.{series}", self.stream)
    }

    fn is_pulse(&self, subject: &str) -> bool {
        let rest = subject.strip_prefix(self.stream.as_str()).and_then(|rest| rest.strip_prefix('.'));
        rest.is_some_and(|rest| rest.starts_with(PULSE))
    }

    /// Asks for the size of the stream for ever.
    async fn measure(&self, context: jetstream::Context) {
        loop {
            sleep(MEASURE).await;
            if let Ok(stream) = context.get_stream(&self.stream).await {
                self.bytes.store(stream.cached_info().state.bytes, Ordering::Relaxed);
            }
        }
    }

    /// What the servers have said of a record.
    fn heard<T>(&self, outcome: &Result<T, CommitError>) {
        match outcome {
            Ok(_) => {
                *self.failure.lock() = None;
                if let Some(failed) = self.incident.works() {
                    tracing::info!(?failed, "the journal is written again");
                }
            }
            // Of one batch, and not of the journal.
            Err(CommitError::TooLarge { .. } | CommitError::Append(_)) => {}
            Err(error) => self.failed(&error.to_string()),
        }
    }

    fn failed(&self, problem: &str) {
        *self.failure.lock() = Some(problem.to_owned());
        if self.incident.fails("journal") {
            tracing::warn!(error = problem, "the journal cannot be written: writes are refused, reads go on");
        }
    }
}

fn overtaken() -> CommitError {
    CommitError::Away { problem: "other writes of these series come before this one".to_owned() }
}

/// The second token of subjects.
const VALUE: &str = "value";
const PULSE: &str = "pulse";

/// 128 bits: no two series meet by accident or on purpose.
const SERIES_BYTES: usize = 16;

/// Of a value whose ttl has passed; the store explains it for five minutes, and a clock may be off.
const REMEMBERED: Duration = Duration::from_secs(360);

/// Longer than a replica follows without reading the stream anew.
const TOMBSTONE: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the size of the stream is asked for.
const MEASURE: Duration = Duration::from_secs(60);
