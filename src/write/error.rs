//! Why a write was refused: what is wrong, what to change, and the status code that says so.

use axum::http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::{
    cluster::{Cluster, UnknownResource},
    exposition::decode::DecodeError,
    journal::CommitError,
    model::{LabelError, MetricNameError, Quantity, QuantityError},
    store::{Outdated, Removal},
};

use super::{AccessError, observe::Rejection, query::UnknownParameter, receive::BodyError};

/// Why a write was refused. Nothing was stored, but for the good lines of a partial batch.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// No such path.
    #[error(
        "no such path {0:?}: write to /write-metrics/namespaces/NAMESPACE/RESOURCE/NAME/METRIC, for cluster-scoped \
         objects to /write-metrics/RESOURCE/NAME/METRIC, for a namespace itself to \
         /write-metrics/namespaces/NAME/metrics/METRIC, an external metric to \
         /write-metrics/namespaces/NAMESPACE/external/METRIC, or in batches to /write-metrics"
    )]
    NoRoute(String),
    /// A method that the path does not take.
    #[error("method {method} is not taken here: use {allowed}{}", reading(method, read.as_deref()))]
    Method {
        /// What came.
        method: Method,
        /// What is taken.
        allowed: &'static str,
        /// Where the metrics API serves the value; `None` for a batch.
        read: Option<String>,
    },
    /// A part of the path that no object can be called.
    #[error("{text:?} cannot be a {part}")]
    Segment {
        /// Which part.
        part: &'static str,
        /// What was written.
        text: String,
    },
    /// A name that Kubernetes gives to no object.
    #[error(
        "{text:?} cannot be a {part}: it has up to {rule}, with a letter or digit at each end of it and of each part, as \
         Kubernetes has it"
    )]
    Name {
        /// The name of what.
        part: String,
        /// What was written.
        text: String,
        /// What it may have.
        rule: &'static str,
    },
    /// Percent-encoding that is no UTF-8.
    #[error("the path segment {0:?} is not percent-encoded UTF-8")]
    Encoding(String),
    /// A name that no metric can have.
    #[error(transparent)]
    Metric(#[from] MetricNameError),
    /// A name that no external metric can have.
    #[error(
        "an external metric cannot be called {0:?}: Kubernetes reads namespaces/NAMESPACE/{0} as a part of the Namespace"
    )]
    ExternalName(String),
    /// An external metric below zero.
    #[error(
        "an external metric cannot be negative, as {0} is: with averageValue the HPA takes a sum below zero for an \
         overflow and scales to the maximum; write 0; the value before it is still served"
    )]
    Negative(Quantity),
    /// A line of a batch that says too much or too little of what it is about.
    #[error("{0}")]
    Line(&'static str),
    /// A resource that the cluster does not have.
    #[error(transparent)]
    Resource(#[from] UnknownResource),
    /// A namespaced resource on a path without namespace.
    #[error("{0} live in a namespace: write to /write-metrics/namespaces/NAMESPACE/{0}/NAME/METRIC")]
    NamespaceMissing(String),
    /// No body.
    #[error("the body is empty: send a value, such as \"42\" or {{\"value\": \"42\", \"ttl\": \"90s\"}}")]
    Empty,
    /// The body is not text.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// The body is text of another encoding.
    #[error("the body is UTF-16: send UTF-8 (PowerShell: Set-Content -Encoding utf8)")]
    Utf16,
    /// The body is gzip, and no header says so.
    #[error("the body is gzip: send the header Content-Encoding: gzip with it")]
    Packed,
    /// The body is packed in a way that is not read, or not packed as it says.
    #[error("{0}{remedy}", remedy = unpacking(.0))]
    Packing(#[from] DecodeError),
    /// The body is something else that clients send by mistake.
    #[error("the body {text:?} is not a value: {clue}")]
    Mistake {
        /// How it begins.
        text: String,
        /// What to send instead.
        clue: &'static str,
    },
    /// The value is no quantity that an HPA can use.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// The body is no JSON of the right shape.
    #[error("the body is not a value: {0}")]
    Json(#[from] serde_json::Error),
    /// A batch that begins as a JSON array and is none.
    #[error("the batch begins with [ and is no JSON array: {0}")]
    Array(#[source] serde_json::Error),
    /// More than an object on a line of a batch.
    #[error("an object of a batch has its line for itself: {0}")]
    Joined(&'static str),
    /// An object of a batch that begins on a line and does not end on it, nor on a later one.
    #[error("the object that begins here does not end: {0}, counted from here")]
    Unended(#[source] serde_json::Error),
    /// A label that breaks the rules of Kubernetes labels.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A ttl that is none.
    #[error("{0:?} is no ttl: write a positive duration such as 90s, 5m or 1h30m")]
    Ttl(String),
    /// A timestamp that is none.
    #[error(
        "{0:?} is no timestamp: write RFC 3339 with a time zone (2026-11-24T09:00:00Z) or seconds since 1970"
    )]
    Timestamp(String),
    /// A timestamp in another unit than seconds.
    #[error("timestamp {text} looks like {unit}: send seconds, {seconds}, or RFC 3339")]
    TimestampUnit {
        /// What was written.
        text: String,
        /// The unit that it has.
        unit: &'static str,
        /// The same moment in seconds.
        seconds: String,
    },
    /// A window that is none.
    #[error("{0:?} cannot be windowSeconds: write whole seconds, such as 60")]
    Window(String),
    /// A timestamp in the future.
    #[error("timestamp {timestamp} lies {by:#} ahead of this server's clock: check the writer's clock")]
    Ahead {
        /// The timestamp.
        timestamp: Timestamp,
        /// How far ahead.
        by: SignedDuration,
    },
    /// Said in the query and in the body.
    #[error("{0} is given in the query and in the body: give it once")]
    Twice(&'static str),
    /// Said twice in the query.
    #[error("{0:?} is given twice in the query: give it once, labels as labels=a=b,c=d")]
    Repeated(String),
    /// A query parameter that is not known.
    #[error(transparent)]
    Parameter(#[from] UnknownParameter),
    /// A query parameter that is neither on nor off.
    #[error("partial={0}: write true or false")]
    Switch(String),
    /// A value that was measured before the stored one.
    #[error(transparent)]
    Outdated(#[from] Outdated),
    /// The body did not arrive, or is too long.
    #[error("{0}{remedy}", remedy = .0.remedy())]
    Body(#[from] BodyError),
    /// A delete that found nothing.
    #[error("nothing is stored for {} of {}{}", .0.metric, .0.subject, with_labels(.0))]
    NothingStored(Removal),
    /// The store or the journal did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Too many requests under way.
    #[error("{0} writes are under way already: try again in a second")]
    TooManyRequests(usize),
    /// The writer is not known, or may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Lines of a batch.
    #[error("{count} of the batch's lines are refused; {}", stored_lines(*stored))]
    Lines {
        /// How many lines.
        count: usize,
        /// The first of them, by number.
        first: Vec<(usize, WriteError)>,
        /// All of them, by kind.
        rejected: Vec<Rejection>,
        /// How many others were stored: none unless the batch may be partial.
        stored: usize,
        /// What the request is answered with.
        status: StatusCode,
    },
}

impl WriteError {
    /// The refusal of a batch of which nothing was stored; the answer shows the first twenty lines.
    pub(super) fn lines(refused: Vec<(usize, Self)>) -> Self {
        Self::of_lines(refused, 0, SHOWN_LINES)
    }

    /// The refusal of lines beside others that may have been stored; the answer shows a thousand of them, because the
    /// client has to know which.
    pub(super) fn partly(refused: Vec<(usize, Self)>, stored: usize) -> Self {
        Self::of_lines(refused, stored, SHOWN_PARTIAL)
    }

    fn of_lines(mut first: Vec<(usize, Self)>, stored: usize, shown: usize) -> Self {
        first.sort_by_key(|(line, _)| *line);
        let rejected = first.iter().filter_map(|(_, error)| Rejection::of(error)).collect();
        let (count, status) =
            (first.len(), if stored > 0 { StatusCode::MULTI_STATUS } else { common_status(&first) });
        first.truncate(shown);
        Self::Lines { count, first, rejected, stored, status }
    }

    /// A body that is a frequent mistake.
    pub(super) fn mistake(text: &str, clue: &'static str) -> Self {
        Self::Mistake { text: text.chars().take(SHOWN_CHARS).collect(), clue }
    }

    /// With the nearest names where a resource is unknown and the answer says so.
    pub(super) fn with_nearest(self, cluster: &Cluster) -> Self {
        match self {
            Self::Resource(unknown) => Self::Resource(cluster.unknown(&unknown.name)),
            Self::Lines { count, mut first, rejected, stored, status } => {
                // A search for each: more would take long, and a reader looks at the first.
                let rest = first.split_off(first.len().min(SHOWN_LINES));
                let named = first.into_iter().map(|(line, error)| (line, error.with_nearest(cluster)));
                Self::Lines { count, first: named.chain(rest).collect(), rejected, stored, status }
            }
            other => other,
        }
    }

    /// The HTTP status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoRoute(_) | Self::NothingStored(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(BodyError::TooLarge { .. })
            | Self::Packing(DecodeError::TooLarge(_))
            | Self::Commit(CommitError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Packing(DecodeError::UnknownEncoding(_)) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Outdated(_) => StatusCode::CONFLICT,
            Self::Lines { status, .. } => *status,
            Self::Body(BodyError::Timeout { .. }) => StatusCode::REQUEST_TIMEOUT,
            Self::Commit(CommitError::Append(_) | CommitError::Full { .. }) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Commit(CommitError::Away { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Commit(CommitError::Unknown { .. }) => StatusCode::GATEWAY_TIMEOUT,
            Self::TooManyRequests(_) | Self::Body(BodyError::Displaced) => StatusCode::TOO_MANY_REQUESTS,
            Self::Access(error) => error.status(),
            Self::Packing(DecodeError::Gzip(_))
            | Self::Segment { .. }
            | Self::Name { .. }
            | Self::Encoding(_)
            | Self::Metric(_)
            | Self::ExternalName(_)
            | Self::Negative(_)
            | Self::Line(_)
            | Self::Resource(_)
            | Self::NamespaceMissing(_)
            | Self::Empty
            | Self::NotUtf8
            | Self::Utf16
            | Self::Packed
            | Self::Mistake { .. }
            | Self::Array(_)
            | Self::Joined(_)
            | Self::Unended(_)
            | Self::TimestampUnit { .. }
            | Self::Window(_)
            | Self::Repeated(_)
            | Self::Parameter(_)
            | Self::Switch(_)
            | Self::Quantity(_)
            | Self::Json(_)
            | Self::Label(_)
            | Self::Ttl(_)
            | Self::Timestamp(_)
            | Self::Ahead { .. }
            | Self::Twice(_)
            | Self::Body(BodyError::Aborted { .. }) => StatusCode::BAD_REQUEST,
        }
    }
}

impl AccessError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Closed | Self::Anonymous | Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } | Self::NotItsOwn { .. } => StatusCode::FORBIDDEN,
            Self::PodUnknown(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::ReviewFailed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Crowded => StatusCode::TOO_MANY_REQUESTS,
            Self::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }
}

fn with_labels(removal: &Removal) -> String {
    removal.labels.as_ref().map(|labels| format!(" with labels {labels}")).unwrap_or_default()
}

/// What all lines are refused with, or 400 if they differ.
fn common_status(refused: &[(usize, WriteError)]) -> StatusCode {
    let mut statuses = refused.iter().map(|(_, error)| error.status());
    let first = statuses.next().unwrap_or(StatusCode::BAD_REQUEST);
    if statuses.all(|status| status == first) { first } else { StatusCode::BAD_REQUEST }
}

fn stored_lines(stored: usize) -> String {
    if stored == 0 { "nothing was stored".to_owned() } else { format!("{stored} others are stored") }
}

/// Where to read, for a request that wants to.
fn reading(method: &Method, read: Option<&str>) -> String {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return String::new();
    }
    let path = read.map_or_else(|| "/apis/custom.metrics.k8s.io/v1beta2/…".to_owned(), str::to_owned);
    format!(
        "; values are read from the metrics API, with kubectl get --raw '{path}', and seen on the page /series of the \
         admin port"
    )
}

fn unpacking(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::TooLarge(_) => " once it is unpacked: send a batch in parts",
        DecodeError::UnknownEncoding(_) | DecodeError::Gzip(_) => "",
    }
}

const SHOWN_LINES: usize = 20;
const SHOWN_PARTIAL: usize = 1_000;
/// How much of a body a message shows.
const SHOWN_CHARS: usize = 80;
