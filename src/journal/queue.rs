//! What waits for the file. One task takes all that waits into one transaction, so that one fsync serves many writers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{CommitError, JournalFile, JournalState, file::Change};
use crate::{
    notice::Incident,
    store::{Admitted, Removal, Store, Write},
};

type Outcome = Result<(), CommitError>;

/// Where requests are put.
#[derive(Clone)]
pub(super) struct Queue {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    failure: Mutex<Option<String>>,
    bytes: AtomicU64,
    transactions: AtomicU64,
    last: Mutex<Option<Timestamp>>,
}

enum Request {
    /// Each batch whole or not at all.
    Commit {
        batches: Vec<Vec<Write>>,
        now: Timestamp,
        answer: oneshot::Sender<Vec<Outcome>>,
    },
    Remove {
        removal: Removal,
        answer: oneshot::Sender<Result<usize, CommitError>>,
    },
}

/// The one user of the file.
pub(super) struct Worker {
    /// Locked by blocking work only, of which there is one piece at a time.
    file: Arc<Mutex<JournalFile>>,
    store: Store,
    requests: mpsc::Receiver<Request>,
    shared: Arc<Shared>,
    incident: Incident,
}

/// A request whose new series have their room in the store.
enum Step {
    Commit { batches: Vec<Result<Admitted, CommitError>>, answer: oneshot::Sender<Vec<Outcome>> },
    Remove { removal: Removal, answer: oneshot::Sender<Result<usize, CommitError>> },
}

pub(super) fn new(file: JournalFile, store: Store) -> (Queue, Worker) {
    let (sender, requests) = mpsc::channel(WAITING);
    let shared = Arc::new(Shared::default());
    shared.bytes.store(file.bytes(), Ordering::Relaxed);
    let file = Arc::new(Mutex::new(file));
    let worker = Worker { file, store, requests, shared: shared.clone(), incident: Incident::default() };
    (Queue { requests: sender, shared }, worker)
}

impl Queue {
    pub(super) async fn commit(&self, batches: Vec<Vec<Write>>, now: Timestamp) -> Vec<Outcome> {
        let (answer, outcome) = oneshot::channel();
        let stopped = vec![Err(CommitError::stopped()); batches.len()];
        if self.requests.send(Request::Commit { batches, now, answer }).await.is_err() {
            return stopped;
        }
        outcome.await.unwrap_or(stopped)
    }

    pub(super) async fn remove(&self, removal: Removal) -> Result<usize, CommitError> {
        let (answer, outcome) = oneshot::channel();
        let sent = self.requests.send(Request::Remove { removal, answer }).await;
        sent.map_err(|_| CommitError::stopped())?;
        outcome.await.unwrap_or(Err(CommitError::stopped()))
    }

    pub(super) fn state(&self) -> JournalState {
        JournalState {
            failure: self.shared.failure.lock().clone(),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            transactions: self.shared.transactions.load(Ordering::Relaxed),
            last: *self.shared.last.lock(),
            ..JournalState::default()
        }
    }
}

impl Worker {
    /// Serves until `end`, and then what waits already.
    pub(super) async fn run(mut self, end: CancellationToken) {
        let mut collect = interval(COLLECT);
        collect.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    Some(request) => self.serve(request).await,
                    None => return,
                },
                _ = collect.tick() => self.collect().await,
                () = end.cancelled() => {
                    self.requests.close();
                    while let Ok(request) = self.requests.try_recv() {
                        self.serve(request).await;
                    }
                    return;
                }
            }
        }
    }

    async fn serve(&mut self, first: Request) {
        let steps = self.admit(first);
        let file = self.file.clone();
        let made = spawn_blocking(move || {
            let mut file = file.lock();
            let changes: Vec<Change<'_>> = steps.iter().flat_map(Step::changes).collect();
            let made = if changes.is_empty() { Ok(()) } else { file.change(&changes) };
            (steps, made.map(|()| file.bytes()))
        });
        // A panic of redb's is the only way to lose them: their writers hear that nothing was stored.
        let Ok((steps, made)) = made.await else { return };
        let outcome = self.note(made);
        for step in steps {
            step.finish(&self.store, &outcome);
        }
    }

    /// The first request and those that wait behind it, up to a limit.
    fn admit(&mut self, first: Request) -> Vec<Step> {
        let mut steps = vec![first.admit(&self.store)];
        let mut writes = steps.iter().map(Step::writes).sum::<usize>();
        while writes < TOGETHER {
            let Ok(next) = self.requests.try_recv() else { break };
            let step = next.admit(&self.store);
            writes += step.writes().max(1);
            steps.push(step);
        }
        steps
    }

    fn note(&self, made: Result<u64, redb::Error>) -> Outcome {
        match made {
            Ok(bytes) => {
                self.shared.bytes.store(bytes, Ordering::Relaxed);
                self.shared.transactions.fetch_add(1, Ordering::Relaxed);
                *self.shared.last.lock() = Some(Timestamp::now());
                *self.shared.failure.lock() = None;
                if let Some(failed) = self.incident.works() {
                    tracing::info!(?failed, "the journal is written again");
                }
                Ok(())
            }
            Err(error) => {
                let error = CommitError::of(&error);
                *self.shared.failure.lock() = Some(error.to_string());
                if self.incident.fails("journal") {
                    tracing::warn!(%error, "the journal cannot be written: writes are refused, reads go on");
                }
                Err(error)
            }
        }
    }

    /// Drops the records of values that the store has dropped: their ttl passed, or their object went.
    async fn collect(&self) {
        let (file, store) = (self.file.clone(), self.store.clone());
        let collected = spawn_blocking(move || file.lock().collect(|write| store.holds(write))).await;
        match collected {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(dropped)) => tracing::debug!(dropped, "records of ended values left the journal"),
            Ok(Err(error)) => drop(self.note(Err(error))),
        }
    }
}

impl Request {
    fn admit(self, store: &Store) -> Step {
        match self {
            Self::Commit { batches, now, answer } => {
                let admitted = |batch| store.admit(batch, now).map_err(CommitError::from);
                Step::Commit { batches: batches.into_iter().map(admitted).collect(), answer }
            }
            Self::Remove { removal, answer } => Step::Remove { removal, answer },
        }
    }
}

impl Step {
    fn writes(&self) -> usize {
        self.changes().map(|change| if let Change::Put(writes, _) = change { writes.len() } else { 1 }).sum()
    }

    fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        let (batches, removal) = match self {
            Self::Commit { batches, .. } => (batches.as_slice(), None),
            Self::Remove { removal, .. } => (&[][..], Some(Change::Remove(removal))),
        };
        let admitted = batches.iter().filter_map(|batch| batch.as_ref().ok());
        admitted.map(|batch| Change::Put(batch.writes(), batch.received())).chain(removal)
    }

    /// The store takes what the file has, in the order of the file. Whoever asked may be gone.
    fn finish(self, store: &Store, outcome: &Outcome) {
        match self {
            Self::Commit { batches, answer } => {
                let finish = |admitted: Admitted| outcome.clone().map(|()| admitted.put());
                drop(answer.send(batches.into_iter().map(|batch| batch.and_then(finish)).collect()));
            }
            Self::Remove { removal, answer } => {
                drop(answer.send(outcome.clone().map(|()| store.remove(&removal))));
            }
        }
    }
}

/// Requests that wait for the file. Those of the write port are fewer: it has its own limit of writes under way.
const WAITING: usize = 2_048;

/// Writes in one transaction, after which no further request is taken into it.
const TOGETHER: usize = 1_000;

/// How often the file is rid of ended values.
const COLLECT: Duration = Duration::from_secs(60);
