//! Asking kube-apiserver: TokenReview and SubjectAccessReview, behind a trait that tests script.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{Attributes, ResourceAttributes, SelectorRequirement, User};

/// Asks who a token belongs to and what a user may do.
///
/// The futures are `'static`, because one call answers every request that waits for the same question.
pub trait Reviews: Send + Sync + 'static {
    /// Whose token is this?
    fn token(&self, token: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>>;

    /// May this user do that?
    fn access(&self, question: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>>;
}

/// A bearer token; never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(pub(super) Arc<str>);

impl BearerToken {
    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

/// Who wants to do what: the whole of an access review's spec.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// Who.
    pub user: User,
    /// What.
    pub attributes: Attributes,
}

/// What a TokenReview answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenVerdict {
    /// The token is this user's.
    Authenticated(User),
    /// The token is nobody's, with the review's error, which may be empty.
    Rejected(String),
}

/// What a SubjectAccessReview answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessVerdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why; may be empty.
    pub reason: String,
}

/// A review that gave no verdict.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ReviewError {
    /// The API server's words, or the transport's.
    pub message: String,
    /// What kind of failure.
    pub failure: ReviewFailure,
}

/// Kinds of failed review calls; a closed set, so that metrics can count by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ReviewFailure {
    /// No answer: refused, reset, name not found, TLS.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// 429 or 5xx.
    Unavailable,
    /// Any other status, most often 403: the adapter itself lacks `system:auth-delegator`.
    Refused,
    /// An answer that is no review, or one that both allows and denies.
    Malformed,
}

impl ReviewFailure {
    /// As attributes and labels have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }

    /// Whether kube-apiserver gave no answer at all, as opposed to one that we do not like.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout | Self::Unavailable)
    }
}

/// Reviews by a cluster's kube-apiserver.
///
/// One review has ten seconds in all, retries included: a caller behind the aggregation layer waits no longer for
/// anything useful. Retried, up to five attempts from half a second growing by half each time, are the failures that
/// upstream retries: 500, 504, 429, any answer with `Retry-After`, and a connection that was lost underneath.
#[derive(Clone)]
pub(super) struct KubeReviews {
    client: kube::Client,
    request_headers: Option<RequestHeaders>,
}

/// Adds headers to each review call, such as a trace's; called in the task that calls.
pub type RequestHeaders = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

impl KubeReviews {
    pub(super) fn new(client: kube::Client, request_headers: Option<RequestHeaders>) -> Self {
        Self { client, request_headers }
    }

    /// Creates a review and gives its status back.
    async fn create(&self, path: &'static str, review: Value) -> Result<ReviewStatus, ReviewError> {
        let deadline = Instant::now() + DEADLINE;
        let body = Bytes::from(review.to_string());
        let mut delay = FIRST_DELAY;
        for attempt in 1.. {
            let Ok(outcome) = timeout_at(deadline, self.attempt(path, body.clone())).await else {
                return Err(timed_out(path));
            };
            match outcome {
                Ok(status) => return Ok(status),
                Err(failed) if attempt >= ATTEMPTS || !failed.retry => return Err(failed.error),
                Err(failed) if Instant::now() + delay >= deadline => return Err(failed.error),
                Err(_) => tokio::time::sleep(delay).await,
            }
            delay = delay.mul_f64(DELAY_FACTOR);
        }
        Err(timed_out(path))
    }

    async fn attempt(&self, path: &str, review: Bytes) -> Result<ReviewStatus, FailedAttempt> {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(kube::client::Body::from(review.to_vec()))
            .map_err(|error| FailedAttempt::malformed(error.to_string()))?;
        if let Some(add) = &self.request_headers {
            add(request.headers_mut());
        }
        let answer = self.client.send(request).await.map_err(|error| FailedAttempt::transport(&error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| FailedAttempt::transport(&*error))?.to_bytes();
        if !parts.status.is_success() {
            return Err(FailedAttempt::status(parts.status, &parts.headers, &body));
        }
        let review: Review =
            serde_json::from_slice(&body).map_err(|e| FailedAttempt::malformed(e.to_string()))?;
        Ok(review.status)
    }
}

impl Reviews for KubeReviews {
    fn token(&self, token: BearerToken) -> BoxFuture<'static, Result<TokenVerdict, ReviewError>> {
        let reviews = self.clone();
        Box::pin(async move {
            let review = json!({
                "kind": "TokenReview",
                "apiVersion": "authentication.k8s.io/v1",
                "spec": {"token": token.expose()},
            });
            Ok(reviews.create(TOKEN_REVIEWS, review).await?.into_token_verdict())
        })
    }

    fn access(&self, question: Arc<Question>) -> BoxFuture<'static, Result<AccessVerdict, ReviewError>> {
        let reviews = self.clone();
        Box::pin(async move {
            let review = json!({
                "kind": "SubjectAccessReview",
                "apiVersion": "authorization.k8s.io/v1",
                "spec": access_spec(&question.user, &question.attributes),
            });
            reviews.create(ACCESS_REVIEWS, review).await?.into_access_verdict()
        })
    }
}

/// The spec of a SubjectAccessReview; empty parts are left out, as upstream's `omitempty` leaves them out.
pub(super) fn access_spec(user: &User, attributes: &Attributes) -> Value {
    let mut spec = serde_json::Map::new();
    match attributes {
        Attributes::Path { verb, path } => {
            let attributes = filled([("path", path), ("verb", verb)]);
            spec.insert("nonResourceAttributes".to_owned(), attributes.into());
        }
        Attributes::Resource(resource) => {
            spec.insert("resourceAttributes".to_owned(), resource_attributes(resource));
        }
    }
    spec.extend(filled([("user", &user.name), ("uid", &user.uid)]));
    if !user.groups.is_empty() {
        spec.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".to_owned(), json!(user.extra));
    }
    spec.into()
}

fn resource_attributes(r: &ResourceAttributes) -> Value {
    let mut attributes = filled([
        ("namespace", &r.namespace),
        ("verb", &r.verb),
        ("group", &r.group),
        ("version", &r.version),
        ("resource", &r.resource),
        ("subresource", &r.subresource),
        ("name", &r.name),
    ]);
    for (key, requirements) in [("fieldSelector", &r.field_selector), ("labelSelector", &r.label_selector)] {
        if !requirements.is_empty() {
            let requirements: Vec<Value> = requirements.iter().map(requirement).collect();
            attributes.insert(key.to_owned(), json!({ "requirements": requirements }));
        }
    }
    attributes.into()
}

fn requirement(requirement: &SelectorRequirement) -> Value {
    let mut value = json!({"key": requirement.key, "operator": requirement.operator.as_str()});
    if let (Some(fields), false) = (value.as_object_mut(), requirement.values.is_empty()) {
        fields.insert("values".to_owned(), json!(requirement.values));
    }
    value
}

fn filled<const N: usize>(texts: [(&str, &String); N]) -> serde_json::Map<String, Value> {
    let filled = texts.into_iter().filter(|(_, text)| !text.is_empty());
    filled.map(|(key, text)| (key.to_owned(), Value::from(text.as_str()))).collect()
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: ReviewStatus,
}

/// The status of either review; what one lacks stays at its default, which is a refusal.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ReviewStatus {
    allowed: bool,
    denied: bool,
    reason: String,
    authenticated: bool,
    user: UserInfo,
    error: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct UserInfo {
    username: String,
    uid: String,
    groups: Option<Vec<String>>,
    extra: Option<std::collections::BTreeMap<String, Vec<String>>>,
}

impl ReviewStatus {
    fn into_token_verdict(self) -> TokenVerdict {
        if !self.authenticated {
            return TokenVerdict::Rejected(self.error);
        }
        TokenVerdict::Authenticated(User {
            name: self.user.username,
            uid: self.user.uid,
            groups: self.user.groups.unwrap_or_default(),
            extra: self.user.extra.unwrap_or_default(),
        })
    }

    fn into_access_verdict(self) -> Result<AccessVerdict, ReviewError> {
        if self.allowed && self.denied {
            let message = "the subject access review both allows and denies".to_owned();
            return Err(ReviewError { message, failure: ReviewFailure::Malformed });
        }
        Ok(AccessVerdict { allowed: self.allowed, reason: self.reason })
    }
}

struct FailedAttempt {
    error: ReviewError,
    retry: bool,
}

impl FailedAttempt {
    fn malformed(message: String) -> Self {
        Self { error: ReviewError { message, failure: ReviewFailure::Malformed }, retry: false }
    }

    fn transport(error: &(dyn std::error::Error + 'static)) -> Self {
        let message = chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Self {
            error: ReviewError { message, failure: ReviewFailure::Unreachable },
            retry: chain(error).any(lost_connection),
        }
    }

    fn status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let unavailable = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let failure = if unavailable { ReviewFailure::Unavailable } else { ReviewFailure::Refused };
        let told: kube::core::Status = serde_json::from_slice(body).unwrap_or_default();
        let message = if told.message.is_empty() {
            format!("the review was answered with status {status}")
        } else {
            told.message
        };
        let retry = matches!(status.as_u16(), 429 | 500 | 504) || headers.contains_key(header::RETRY_AFTER);
        Self { error: ReviewError { message, failure }, retry }
    }
}

fn chain<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// A connection that broke while it was used; a review is safe to send again.
fn lost_connection(error: &(dyn std::error::Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let io = error.downcast_ref::<std::io::Error>();
    let http = error.downcast_ref::<hyper::Error>();
    io.is_some_and(|e| matches!(e.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
        || http.is_some_and(hyper::Error::is_incomplete_message)
}

fn timed_out(path: &str) -> ReviewError {
    let message = format!("no answer to {path} within {} s", DEADLINE.as_secs());
    ReviewError { message, failure: ReviewFailure::Timeout }
}

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews?timeout=10s";
const DEADLINE: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(500);
const DELAY_FACTOR: f64 = 1.5;
const ANSWER_BYTES: usize = 1 << 20;
