//! Answers as HTTP responses.

use std::io::Write;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{
    encode::{Document, EncodeError, Format},
    error::ApiError,
    negotiation::Asked,
    status::Status,
};

/// A finished body and what it is.
pub(super) struct Content {
    pub(super) media_type: HeaderValue,
    pub(super) body: Bytes,
}

impl Content {
    /// `document` in `format`.
    pub(super) fn of(document: &impl Document, format: Format, pretty: bool) -> Result<Self, EncodeError> {
        let body = format.encode(document, pretty)?.into();
        Ok(Self { media_type: HeaderValue::from_static(format.media_type()), body })
    }

    /// JSON that is finished already.
    pub(super) fn json(body: impl Into<Bytes>) -> Self {
        Self { media_type: HeaderValue::from_static(Format::Json.media_type()), body: body.into() }
    }

    /// The answer with this body, compressed if that is wanted and worth it.
    pub(super) fn reply(self, status: StatusCode, asked: &Asked) -> Response {
        let zipped = (asked.gzip && self.body.len() > GZIP_FROM).then(|| gzip(&self.body)).flatten();
        let encoded = zipped.is_some();
        let mut response = Response::new(Body::from(zipped.unwrap_or(self.body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, self.media_type);
        if encoded {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        response
    }

    /// The answer with this body, or 304 if the client has it.
    pub(super) fn reply_unless_current(self, etag: &HeaderValue, asked: &Asked) -> Response {
        let current = etag.to_str().is_ok_and(|etag| asked.has(etag));
        let mut response = if current { not_modified() } else { self.reply(StatusCode::OK, asked) };
        let headers = response.headers_mut();
        headers.insert(ETAG, etag.clone());
        headers.append(VARY, HeaderValue::from_static("Accept"));
        response
    }
}

/// Plain text, as the health endpoints speak.
pub(super) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer to an error: a `Status` in a format that the client takes, or indented JSON, as upstream falls back to.
pub(super) fn failure(error: &ApiError, asked: &Asked) -> Response {
    let status = Status::of(error);
    let content = match asked.error_format() {
        Some(format) => Content::of(&status, format, asked.pretty),
        None => Content::of(&status, Format::Json, true),
    };
    let content = content.unwrap_or_else(|_| Content::json(UNWRITABLE));
    let mut response = content.reply(status.code(), asked);
    let headers = response.headers_mut();
    if let Some(seconds) = status.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if matches!(error, ApiError::Forbidden { .. } | ApiError::ReviewFailed { .. } | ApiError::TooManyRequests)
    {
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// What every answer carries: the audit id of the request, and that no cache may keep it unless it says otherwise.
pub(super) fn stamp(headers: &mut HeaderMap, audit_id: HeaderValue) {
    headers.insert(AUDIT_ID, audit_id);
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
}

/// The request's own audit id, or a new one.
pub(super) fn audit_id(request: &HeaderMap) -> HeaderValue {
    let given = request.get(AUDIT_ID).filter(|id| !id.is_empty() && id.len() <= AUDIT_ID_BYTES);
    given.cloned().unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// An entity tag that is the same on every replica that serves the same bytes.
pub(super) fn etag(body: &[u8]) -> HeaderValue {
    use std::hash::BuildHasher;
    let hash = foldhash::quality::FixedState::with_seed(0).hash_one(body);
    let tag = format!("\"{hash:016x}-{:x}\"", body.len());
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"0\""))
}

fn not_modified() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// A longer audit id is not echoed; a real one is a UUID.
const AUDIT_ID_BYTES: usize = 64;

/// kube-apiserver's own threshold: below it, compressing costs more than it saves.
const GZIP_FROM: usize = 128 * 1024;

const UNWRITABLE: &str = concat!(
    r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
    r#""message":"an error could not be written down","reason":"InternalError","code":500}"#,
    "\n"
);
