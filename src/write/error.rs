//! Why a write was refused, and how that is answered: JSON with the status code, what is wrong, and what to change.

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::{
    cluster::{Cluster, UnknownResource},
    model::{LabelError, MetricNameError, Quantity, QuantityError},
    store::{AppendError, Removal},
};

use super::{
    observe::{Rejected, Rejection},
    receive::BodyError,
};

/// Why a write was refused. Nothing was stored.
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
    #[error("method {method} is not taken here: use {allowed}")]
    Method {
        /// What came.
        method: Method,
        /// What is taken.
        allowed: &'static str,
    },
    /// A part of the path that no object can be called.
    #[error("{text:?} cannot be a {part}")]
    Segment {
        /// Which part.
        part: &'static str,
        /// What was written.
        text: String,
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
    /// The value is no quantity that an HPA can use.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// The body is no JSON of the right shape.
    #[error("the body is not a value: {0}")]
    Json(#[from] serde_json::Error),
    /// A label that breaks the rules of Kubernetes labels.
    #[error(transparent)]
    Label(#[from] LabelError),
    /// A ttl that is none.
    #[error("{0:?} is no ttl: write a positive duration such as 90s, 5m or 1h30m")]
    Ttl(String),
    /// A timestamp that is none.
    #[error("{0:?} is no timestamp: write RFC 3339 (2026-11-24T09:00:00Z) or seconds since 1970")]
    Timestamp(String),
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
    /// The body did not arrive, or is too long.
    #[error("{0}{remedy}", remedy = .0.remedy())]
    Body(#[from] BodyError),
    /// A delete that found nothing.
    #[error("nothing is stored for {} of {}{}", .0.metric, .0.subject, with_labels(.0))]
    NothingStored(Removal),
    /// The store is full.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Too many requests under way.
    #[error("{0} writes are under way already: try again in a second")]
    TooManyRequests(usize),
    /// Lines of a batch.
    #[error("{count} of the batch's lines are wrong; nothing was stored")]
    Lines {
        /// How many lines.
        count: usize,
        /// The first of them, by number.
        first: Vec<(usize, WriteError)>,
        /// All of them, by kind.
        rejected: Vec<Rejection>,
    },
}

/// The JSON body of an error.
#[derive(Serialize)]
struct Body {
    code: u16,
    error: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<LineBody>,
}

#[derive(Serialize)]
struct LineBody {
    line: usize,
    error: String,
}

impl WriteError {
    /// The error of a batch; the answer shows the first twenty lines.
    pub(super) fn lines(mut errors: Vec<(usize, Self)>) -> Self {
        let count = errors.len();
        let rejected = errors.iter().filter_map(|(_, error)| Rejection::of(error)).collect();
        errors.truncate(SHOWN_LINES);
        Self::Lines { count, first: errors, rejected }
    }

    /// With the nearest names where a resource is unknown and the answer says so.
    pub(super) fn with_nearest(self, cluster: &Cluster) -> Self {
        match self {
            Self::Resource(unknown) => Self::Resource(cluster.unknown(&unknown.name)),
            Self::Lines { count, first, rejected } => {
                let shown = first.into_iter().map(|(line, error)| (line, error.with_nearest(cluster)));
                Self::Lines { count, first: shown.collect(), rejected }
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
            Self::Body(BodyError::TooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(BodyError::Timeout { .. }) => StatusCode::REQUEST_TIMEOUT,
            Self::Append(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::TooManyRequests(_) | Self::Body(BodyError::Displaced) => StatusCode::TOO_MANY_REQUESTS,
            Self::Lines { .. }
            | Self::Segment { .. }
            | Self::Encoding(_)
            | Self::Metric(_)
            | Self::ExternalName(_)
            | Self::Negative(_)
            | Self::Line(_)
            | Self::Resource(_)
            | Self::NamespaceMissing(_)
            | Self::Empty
            | Self::NotUtf8
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

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Method { allowed, .. } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Self::TooManyRequests(_) | Self::Body(BodyError::Displaced) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        headers
    }

    fn shown_lines(&self) -> Vec<LineBody> {
        let Self::Lines { first, .. } = self else { return Vec::new() };
        first.iter().map(|(line, error)| LineBody { line: *line, error: error.to_string() }).collect()
    }
}

impl IntoResponse for WriteError {
    fn into_response(self) -> Response {
        let body = Body { code: self.status().as_u16(), error: self.to_string(), lines: self.shown_lines() };
        let mut json = serde_json::to_vec(&body).unwrap_or_default();
        json.push(b'\n');
        let mut response = (self.status(), self.headers(), json).into_response();
        response.extensions_mut().insert(Rejected::of(self));
        response
    }
}

fn with_labels(removal: &Removal) -> String {
    removal.labels.as_ref().map(|labels| format!(" with labels {labels}")).unwrap_or_default()
}

const SHOWN_LINES: usize = 20;
