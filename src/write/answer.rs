//! How a refusal is answered: JSON with the status code, what is wrong, and what to change.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::{
    exposition::decode::{ACCEPT_ENCODING, DecodeError},
    journal::CommitError,
};

use super::{AccessError, BodyError, WriteError, observe::Rejected};

/// The JSON body of an error.
#[derive(Serialize)]
struct Body {
    code: u16,
    error: String,
    #[serde(flatten)]
    batch: Option<BatchBody>,
}

/// What is said of a batch.
#[derive(Serialize)]
struct BatchBody {
    stored: usize,
    refused: usize,
    lines: Vec<LineBody>,
}

#[derive(Serialize)]
struct LineBody {
    line: usize,
    code: u16,
    error: String,
}

impl WriteError {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match self {
            Self::Method { allowed, .. } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            Self::Packing(DecodeError::UnknownEncoding(_)) => {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(ACCEPT_ENCODING));
            }
            Self::Access(AccessError::Closed | AccessError::Anonymous | AccessError::Unauthenticated(_)) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::TooManyRequests(_)
            | Self::Access(AccessError::Crowded | AccessError::PodUnknown(_))
            | Self::Body(BodyError::Displaced)
            | Self::Commit(CommitError::Away { .. } | CommitError::Unknown { .. }) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        headers
    }

    fn batch_body(&self) -> Option<BatchBody> {
        let Self::Lines { count, first, stored, .. } = self else { return None };
        let lines = first.iter().map(|(line, error)| LineBody {
            line: *line,
            code: error.status().as_u16(),
            error: error.to_string(),
        });
        Some(BatchBody { stored: *stored, refused: *count, lines: lines.collect() })
    }
}

impl IntoResponse for WriteError {
    fn into_response(self) -> Response {
        let body = Body { code: self.status().as_u16(), error: self.to_string(), batch: self.batch_body() };
        let mut json = serde_json::to_vec(&body).unwrap_or_default();
        json.push(b'\n');
        let mut response = (self.status(), self.headers(), json).into_response();
        response.extensions_mut().insert(Rejected::of(self));
        response
    }
}
