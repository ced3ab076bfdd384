//! What telemetry may learn of writes.

use std::{sync::Arc, time::Duration};

use axum::{
    http::{Method, StatusCode},
    response::Response,
};
use tokio::{sync::SemaphorePermit, time::Instant};

use crate::{exposition::decode::DecodeError, journal::CommitError};

use super::{AccessError, BodyError, WriteError};

/// Watches writes; every method does nothing unless it is overridden. Called in the task that answers the request.
pub trait Observer: Send + Sync + 'static {
    /// A request has come.
    fn begun(&self, operation: Operation) {
        let _ = operation;
    }

    /// Its body is there, and it counts among those under way; [`Observer::left`] follows.
    fn entered(&self) {}

    /// It counts among those under way no more.
    fn left(&self) {}

    /// So many samples were stored.
    fn appended(&self, samples: usize) {
        let _ = samples;
    }

    /// A sample was refused.
    fn rejected(&self, rejection: Rejection) {
        let _ = rejection;
    }

    /// The request was answered, or its client went away.
    fn ended(&self, ended: &Ended) {
        let _ = ended;
    }
}

/// Watches nothing.
impl Observer for () {}

/// The end of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// What it wanted.
    pub operation: Operation,
    /// What it was answered with; `None` if nobody waited for the answer.
    pub status: Option<StatusCode>,
    /// From its head to its answer.
    pub took: Duration,
}

/// What a request wants, by method and path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// One value.
    Write,
    /// Many.
    Batch,
    /// Values taken out.
    Delete,
    /// What this port does not have.
    Other,
}

/// Why a sample was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Rejection {
    /// No such path, or no object can be called so.
    Path,
    /// The wrong method.
    Method,
    /// The cluster has no such resource.
    Resource,
    /// A name that no metric can have.
    MetricName,
    /// The namespace is missing.
    Namespace,
    /// No body.
    Empty,
    /// Not text.
    NotUtf8,
    /// Not a quantity.
    Quantity,
    /// Not JSON of the right shape.
    Json,
    /// Not labels.
    Label,
    /// Not a ttl.
    Ttl,
    /// Not a timestamp, or one in the future.
    Timestamp,
    /// Said twice.
    Ambiguous,
    /// A query parameter that is unknown or wrong.
    Parameter,
    /// Packed in a way that is not read.
    Encoding,
    /// Older than the value that is stored.
    Outdated,
    /// Too long a body.
    TooLarge,
    /// Too slow a body.
    Timeout,
    /// Half a body.
    Aborted,
    /// A body that newer ones took the room of.
    Displaced,
    /// The store is full, or the journal's volume.
    Full,
    /// The journal cannot be written, or has not answered.
    JournalAway,
    /// Too many requests under way.
    TooManyRequests,
    /// The writer showed no credentials, or none that count.
    Unauthenticated,
    /// The writer may not.
    Forbidden,
    /// kube-apiserver could not say.
    ReviewFailed,
}

impl Operation {
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let below = path.strip_prefix("/write-metrics").map(|below| below.trim_end_matches('/'));
        match (method, below) {
            (&Method::POST, Some("")) => Self::Batch,
            (&Method::POST, Some(_)) => Self::Write,
            (&Method::DELETE, Some(_)) => Self::Delete,
            _ => Self::Other,
        }
    }
}

impl Rejection {
    /// Why this error refuses a sample; `None` if there was none to refuse.
    pub(super) fn of(error: &WriteError) -> Option<Self> {
        Some(match error {
            WriteError::NoRoute(_)
            | WriteError::Segment { .. }
            | WriteError::Name { .. }
            | WriteError::Encoding(_) => Self::Path,
            WriteError::Method { .. } => Self::Method,
            WriteError::Metric(_) | WriteError::ExternalName(_) => Self::MetricName,
            WriteError::Resource(_) => Self::Resource,
            WriteError::NamespaceMissing(_) => Self::Namespace,
            WriteError::Empty => Self::Empty,
            WriteError::NotUtf8 | WriteError::Utf16 => Self::NotUtf8,
            WriteError::Quantity(_) | WriteError::Negative(_) | WriteError::Mistake { .. } => Self::Quantity,
            WriteError::Json(_)
            | WriteError::Line(_)
            | WriteError::Array(_)
            | WriteError::Joined(_)
            | WriteError::Unended(_) => Self::Json,
            WriteError::Label(_) => Self::Label,
            WriteError::Ttl(_) => Self::Ttl,
            WriteError::Timestamp(_)
            | WriteError::TimestampUnit { .. }
            | WriteError::Window(_)
            | WriteError::Ahead { .. } => Self::Timestamp,
            WriteError::Twice(_) | WriteError::Repeated(_) => Self::Ambiguous,
            WriteError::Parameter(_) | WriteError::Switch(_) => Self::Parameter,
            WriteError::Packing(DecodeError::TooLarge(_)) => Self::TooLarge,
            WriteError::Packing(_) | WriteError::Packed => Self::Encoding,
            WriteError::Outdated(_) => Self::Outdated,
            WriteError::Body(BodyError::TooLarge { .. }) => Self::TooLarge,
            WriteError::Body(BodyError::Timeout { .. }) => Self::Timeout,
            WriteError::Body(BodyError::Aborted { .. }) => Self::Aborted,
            WriteError::Body(BodyError::Displaced) => Self::Displaced,
            WriteError::Commit(CommitError::Append(_) | CommitError::Full { .. }) => Self::Full,
            WriteError::Commit(CommitError::Away { .. } | CommitError::Unknown { .. }) => Self::JournalAway,
            WriteError::Commit(CommitError::TooLarge { .. }) => Self::TooLarge,
            WriteError::TooManyRequests(_) | WriteError::Access(AccessError::Crowded) => {
                Self::TooManyRequests
            }
            WriteError::Access(AccessError::Forbidden { .. } | AccessError::NotItsOwn { .. }) => {
                Self::Forbidden
            }
            WriteError::Access(AccessError::ReviewFailed(_) | AccessError::PodUnknown(_)) => {
                Self::ReviewFailed
            }
            WriteError::Access(AccessError::TooMany(_)) => Self::TooLarge,
            WriteError::Access(_) => Self::Unauthenticated,
            WriteError::NothingStored(_) | WriteError::Lines { .. } => return None,
        })
    }
}

/// What an answer of ours refuses: rides on it, out to [`Turn`].
#[derive(Clone)]
pub(super) struct Rejected(Vec<Rejection>);

impl Rejected {
    pub(super) fn of(error: WriteError) -> Self {
        match error {
            WriteError::Lines { rejected, .. } => Self(rejected),
            error => Self(Rejection::of(&error).into_iter().collect()),
        }
    }
}

/// One of the writes that may be under way, until it is dropped.
pub(super) struct Admission<'a> {
    observer: &'a dyn Observer,
    _permit: SemaphorePermit<'a>,
}

impl<'a> Admission<'a> {
    pub(super) fn new(observer: &'a dyn Observer, permit: SemaphorePermit<'a>) -> Self {
        observer.entered();
        Self { observer, _permit: permit }
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.observer.left();
    }
}

/// One request from its head to its answer; tells of its end when it is dropped, which is early if the client goes.
pub(super) struct Turn {
    observer: Arc<dyn Observer>,
    since: Instant,
    ended: Ended,
}

impl Turn {
    pub(super) fn begin(observer: &Arc<dyn Observer>, operation: Operation) -> Self {
        observer.begun(operation);
        let ended = Ended { operation, status: None, took: Duration::ZERO };
        Self { observer: Arc::clone(observer), since: Instant::now(), ended }
    }

    pub(super) fn answered(&mut self, response: &Response) {
        self.ended.status = Some(response.status());
        let writes = matches!(self.ended.operation, Operation::Write | Operation::Batch);
        if let Some(Rejected(rejected)) = response.extensions().get().filter(|_| writes) {
            rejected.iter().for_each(|rejection| self.observer.rejected(*rejection));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.ended.took = self.since.elapsed();
        self.observer.ended(&self.ended);
    }
}
