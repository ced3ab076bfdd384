//! Push in: `POST /write-metrics/…` puts a value into the store, `DELETE` takes it out: over plain HTTP for who reaches the
//! port, or over TLS for whom kube-apiserver allows to ([`Access`]).
//!
//! | request | object |
//! |---|---|
//! | `POST /write-metrics/namespaces/{namespace}/{resource}/{name}/{metric}` | one in a namespace |
//! | `POST /write-metrics/{resource}/{name}/{metric}` | a cluster-scoped one |
//! | `POST /write-metrics/namespaces/{name}/metrics/{metric}` | the namespace itself |
//! | `POST /write-metrics/namespaces/{namespace}/external/{metric}` | none: an external metric of the namespace |
//! | `POST /write-metrics` | a batch: JSON objects, one a line or in an array; all or nothing, or `?partial=true` |
//!
//! `DELETE` takes the same paths. Success is 200 with an empty body, as clients of the upstream test-adapter expect; where no
//! read can see the value, a line of text says so. Every error is JSON that says what to change.

mod access;
mod answer;
mod arrivals;
mod audit;
pub mod batch;
mod body;
mod clue;
mod error;
mod moment;
mod names;
mod observe;
mod own;
mod path;
mod port;
mod query;
mod receipt;
mod receive;
mod target;
mod text;

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::request::Parts};
use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Semaphore, time::timeout};

pub use access::{Access, AccessError};
pub use body::Value;
pub use error::WriteError;
pub use observe::{Ended, Observer, Operation, Rejection};
pub use path::{NamedObject, NamedSubject, WritePath};
pub use port::{Port, observed, router};
pub use query::{Query, UnknownParameter};
pub use receive::BodyError;

use crate::{
    cluster::Cluster,
    journal::Journal,
    model::{Labels, Sample, Subject},
    store::{Removal, Store, Write},
};
use access::{Verb, Writer};
use arrivals::{Arrival, Arrivals};
use audit::Audit;
use batch::Batch;
use observe::Admission;
use query::BatchQuery;
use receipt::Receipt;
use receive::BodyLimits;
use target::Target;

/// How writes are taken.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The ttl of a write that names none; `None` keeps it until something replaces or removes it.
    pub ttl: Option<SignedDuration>,
    /// Writes under way at once, once their bodies are there; more are answered 429.
    pub in_flight: usize,
    /// How long a request's body may take to arrive, and then its resource to be found.
    pub deadline: Duration,
    /// Whether a pod's token writes about that pod and its controllers alone, where writers have an identity.
    pub self_only: bool,
}

/// Where writes go, and what they are looked up in.
pub struct Sources {
    /// Read only: whether a newer value is stored.
    pub store: Store,
    /// Takes what is written and removed, for that store.
    pub journal: Journal,
    /// Knows the resources and objects.
    pub cluster: Cluster,
}

/// A body that is there, and unpacked.
struct Received<'a> {
    body: bytes::Bytes,
    arrival: Arrival,
    _admission: Admission<'a>,
}

/// The lines of a batch, looked up.
struct Resolved {
    writes: Vec<Write>,
    /// The number of the line of each write.
    numbers: Vec<usize>,
    refused: Vec<(usize, WriteError)>,
}

#[derive(Clone)]
struct Writes {
    store: Store,
    journal: Journal,
    cluster: Cluster,
    options: WriteOptions,
    permits: Arc<Semaphore>,
    /// Of those under way, the ones that may wait to learn whether their resource exists after all: half, so that who
    /// writes for nothing at all does not keep out who need not wait.
    waits: Arc<Semaphore>,
    arrivals: Arrivals,
    access: Access,
    audit: Audit,
    observer: Arc<dyn Observer>,
}

/// The largest request body, in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// What a body and what was read of it take, in bodies: the shortest lines of a batch take eight times their text.
const PARSED_FACTOR: usize = 9;

impl Resolved {
    fn add(&mut self, write: Write, number: usize) {
        self.writes.push(write);
        self.numbers.push(number);
    }

    /// Without the writes that have an error, by their place.
    fn without(self, mut error: impl FnMut(usize, &Write) -> Option<WriteError>) -> Self {
        let writes = Vec::with_capacity(self.writes.len());
        let mut kept = Self { writes, numbers: Vec::new(), refused: self.refused };
        for (at, (write, number)) in self.writes.into_iter().zip(self.numbers).enumerate() {
            match error(at, &write) {
                Some(error) => kept.refused.push((number, error)),
                None => kept.add(write, number),
            }
        }
        kept
    }
}

impl Writes {
    async fn write(
        &self,
        path: WritePath,
        (head, body): (&Parts, &mut Body),
        writer: &Writer,
    ) -> Result<Receipt, WriteError> {
        let query = Query::parse(head.uri.query().unwrap_or_default(), Timestamp::now())?;
        let Received { body, arrival, _admission } = self.receive(head, body).await?;
        let now = Timestamp::now();
        let value = Value::parse(&body, now)?.with_query(&query)?;
        self.learn([&path].into_iter(), &arrival, body.len()).await?;
        let target = Target::resolve(&self.cluster, path)?;
        self.access.allow(writer, (Verb::Create, &target.subject, &target.metric), &self.audit).await?;
        self.refuse_foreign(writer, &target.subject)?;
        let write = vec![self.stamped(target, value, now)?];
        if let Some((_, outdated)) = self.store.outdated(&write, now).pop() {
            return Err(outdated.into());
        }
        let receipt = Receipt::of(&write, &self.cluster);
        self.commit(write, now).await?;
        Ok(receipt)
    }

    async fn write_batch(
        &self,
        head: &Parts,
        body: &mut Body,
        writer: &Writer,
    ) -> Result<Receipt, WriteError> {
        let query = BatchQuery::parse(head.uri.query().unwrap_or_default(), Timestamp::now())?;
        let Received { body, arrival, _admission } = self.receive(head, body).await?;
        let now = Timestamp::now();
        let batch = batch::parse(&body, now)?;
        self.learn(batch.lines.iter().map(|line| &line.path), &arrival, body.len()).await?;
        let resolved = self.resolve_lines(batch, &query.defaults, now);
        let resolved = self.refuse_forbidden(resolved, writer).await?;
        let resolved = self.refuse_outdated(resolved, now);
        if query.partial {
            self.commit_each(resolved, now).await
        } else {
            self.commit_all(resolved, now).await
        }
    }

    /// All or nothing.
    async fn commit_all(&self, resolved: Resolved, now: Timestamp) -> Result<Receipt, WriteError> {
        if !resolved.refused.is_empty() {
            return Err(WriteError::lines(resolved.refused));
        }
        let receipt = Receipt::of(&resolved.writes, &self.cluster);
        self.commit(resolved.writes, now).await?;
        Ok(receipt)
    }

    /// Each line by itself: where there is no room for one, there may be for others.
    async fn commit_each(&self, resolved: Resolved, now: Timestamp) -> Result<Receipt, WriteError> {
        let Resolved { writes, numbers, mut refused } = resolved;
        let receipt = Receipt::of(&writes, &self.cluster);
        let mut stored = 0;
        for (outcome, number) in self.journal.commit_each(writes, now).await.into_iter().zip(numbers) {
            match outcome {
                Ok(()) => stored += 1,
                Err(error) => refused.push((number, error.into())),
            }
        }
        self.observer.appended(stored);
        if refused.is_empty() { Ok(receipt) } else { Err(WriteError::partly(refused, stored)) }
    }

    async fn refuse_forbidden(&self, resolved: Resolved, writer: &Writer) -> Result<Resolved, WriteError> {
        let values = resolved.writes.iter().map(|write| (&write.subject, &write.metric));
        let refused = self.access.refused(writer, values, &self.audit).await?;
        let error = |_, write: &Write| {
            let forbidden = refused.error(&write.subject, &write.metric);
            Some(forbidden.or_else(|| self.refuse_foreign(writer, &write.subject).err())?.into())
        };
        Ok(resolved.without(error))
    }

    fn refuse_foreign(&self, writer: &Writer, subject: &Subject) -> Result<(), AccessError> {
        if !self.options.self_only {
            return Ok(());
        }
        self.access.owns(writer, subject, (&self.cluster, &self.audit))
    }

    fn refuse_outdated(&self, resolved: Resolved, now: Timestamp) -> Resolved {
        let outdated = self.store.outdated(&resolved.writes, now);
        if outdated.is_empty() {
            return resolved;
        }
        let mut outdated = outdated.into_iter().peekable();
        resolved.without(|at, _| Some(outdated.next_if(|(outdated, _)| *outdated == at)?.1.into()))
    }

    /// Where a resource is not known, waits once for discovery: the CRD may be a moment old. Who waits holds what has
    /// been read, and gives way to newer bodies as who arrives does. When too many wait already, what is known now
    /// has to do.
    async fn learn<'p>(
        &self,
        mut paths: impl Iterator<Item = &'p WritePath>,
        arrival: &Arrival,
        body_bytes: usize,
    ) -> Result<(), WriteError> {
        if paths.all(|path| target::is_known(&self.cluster, path)) {
            return Ok(());
        }
        let Ok(_wait) = self.waits.try_acquire() else { return Ok(()) };
        arrival.holds(body_bytes.saturating_mul(PARSED_FACTOR));
        tokio::select! {
            biased;
            _ = timeout(self.options.deadline, self.cluster.refreshed()) => Ok(()),
            () = arrival.displaced() => Err(BodyError::Displaced.into()),
        }
    }

    async fn commit(&self, batch: Vec<Write>, now: Timestamp) -> Result<(), WriteError> {
        let samples = batch.len();
        self.journal.commit(batch, now).await?;
        self.observer.appended(samples);
        Ok(())
    }

    async fn receive(&self, head: &Parts, body: &mut Body) -> Result<Received<'_>, WriteError> {
        let limits = BodyLimits { bytes: MAX_BODY_BYTES, deadline: self.options.deadline };
        let arrival = self.arrivals.begin();
        let packed = receive::read(&head.headers, body, limits, &arrival).await?;
        let _admission = self.admit()?;
        let body = text::unpacked(&head.headers, packed)?;
        arrival.holds(body.len());
        Ok(Received { body, arrival, _admission })
    }

    /// Asked for when the body is there: a client that does not send the rest of it must not hold up those who do.
    fn admit(&self) -> Result<Admission<'_>, WriteError> {
        let permit = self.permits.try_acquire();
        let permit = permit.map_err(|_| WriteError::TooManyRequests(self.options.in_flight))?;
        Ok(Admission::new(&*self.observer, permit))
    }

    async fn delete(&self, path: WritePath, query: &str, writer: &Writer) -> Result<Receipt, WriteError> {
        let labels = query::labels_of_deletion(query)?;
        let _admission = self.admit()?;
        self.learn([&path].into_iter(), &self.arrivals.begin(), 0).await?;
        let Target { subject, metric, .. } = Target::resolve(&self.cluster, path)?;
        self.access.allow(writer, (Verb::Delete, &subject, &metric), &self.audit).await?;
        self.refuse_foreign(writer, &subject)?;
        let removal = Removal { subject, metric, labels };
        match self.journal.remove(removal.clone()).await? {
            0 => Err(WriteError::NothingStored(removal)),
            _ => Ok(Receipt::default()),
        }
    }

    fn resolve_lines(&self, batch: Batch, defaults: &Query, now: Timestamp) -> Resolved {
        let mut resolved = Resolved {
            writes: Vec::with_capacity(batch.lines.len()),
            numbers: Vec::new(),
            refused: batch.refused,
        };
        for line in batch.lines {
            let target = Target::resolve(&self.cluster, line.path);
            match target.and_then(|target| self.stamped(target, line.value.or(defaults), now)) {
                Ok(write) => resolved.add(write, line.number),
                Err(error) => resolved.refused.push((line.number, error)),
            }
        }
        resolved
    }

    fn stamped(&self, target: Target, value: Value, now: Timestamp) -> Result<Write, WriteError> {
        let Target { subject, uid, metric } = target;
        if matches!(subject, Subject::External { .. }) && value.quantity.milli() < 0 {
            return Err(WriteError::Negative(value.quantity));
        }
        let timestamp = value.timestamp.unwrap_or(now);
        let sample = Sample { value: value.quantity, timestamp, window_seconds: value.window_seconds };
        let labels: Labels = value.labels.unwrap_or_default();
        Ok(Write { subject, uid, metric, labels, sample, ttl: value.ttl.or(self.options.ttl) })
    }
}
