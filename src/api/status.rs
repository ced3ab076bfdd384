//! `metav1.Status`: what every error is answered with. Here, and only here, an error gets its code.

use http::StatusCode;
use serde::Serialize;

use crate::cluster::Unavailable;

use super::{
    encode::{Document, Empty, Message, list_meta},
    error::ApiError,
    group::Group,
};

/// A failure, in the field order of the Go type.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    kind: &'static str,
    api_version: &'static str,
    metadata: Empty,
    status: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    code: u16,
}

/// What a failure is about. Errors of the routing layer have empty ones, errors about values have none.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    /// The object's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    /// The API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) group: String,
    /// The resource, in spite of the field's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) kind: String,
    /// When to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_seconds: Option<u32>,
}

impl Status {
    /// The answer to `error`. The one place that decides codes, reasons and details.
    pub(super) fn of(error: &ApiError) -> Self {
        let (code, reason, details) = match error {
            ApiError::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized", None),
            ApiError::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", Some(Details::again()))
            }
            ApiError::Forbidden { details, .. } => {
                (StatusCode::FORBIDDEN, "Forbidden", Some(details.clone()))
            }
            ApiError::ReviewFailed { .. } | ApiError::Encode(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "InternalError", None)
            }
            ApiError::Timeout => (StatusCode::GATEWAY_TIMEOUT, "Timeout", Some(Details::default())),
            ApiError::MalformedPath | ApiError::IncompletePath | ApiError::Query(_) => {
                (StatusCode::BAD_REQUEST, "BadRequest", None)
            }
            ApiError::UnknownPath | ApiError::NoSuchResource => {
                (StatusCode::NOT_FOUND, "NotFound", Some(Details::default()))
            }
            ApiError::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", Some(Details::default()))
            }
            ApiError::Watch => (
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                Some(Details::of(Group::External.as_str(), "*")),
            ),
            ApiError::NotAcceptable(refusal) => {
                (StatusCode::NOT_ACCEPTABLE, "NotAcceptable", refusal.details())
            }
            ApiError::UnknownResource(_) | ApiError::NotFound(_) | ApiError::NoExternalMetric(_) => {
                (StatusCode::NOT_FOUND, "NotFound", None)
            }
            ApiError::Unavailable(Unavailable::Forbidden { resource, .. }) => {
                (StatusCode::FORBIDDEN, "Forbidden", Some(Details::of(&resource.group, &resource.resource)))
            }
            ApiError::Unavailable(Unavailable::NotSynced { .. } | Unavailable::Standalone) => {
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", Some(Details::again()))
            }
        };
        Self {
            kind: "Status",
            api_version: "v1",
            metadata: Empty {},
            status: "Failure",
            message: error.to_string(),
            reason: Some(reason),
            details,
            code: code.as_u16(),
        }
    }

    /// Its HTTP status.
    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The value of `Retry-After`, which makes the HPA ask again within the same sync.
    pub(super) fn retry_after(&self) -> Option<u32> {
        self.details.as_ref().and_then(|details| details.retry_after_seconds)
    }
}

impl Details {
    fn of(group: &str, resource: &str) -> Self {
        Self { group: group.to_owned(), kind: resource.to_owned(), ..Self::default() }
    }

    fn again() -> Self {
        Self { retry_after_seconds: Some(RETRY_AFTER_SECONDS), ..Self::default() }
    }
}

impl Document for Status {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn api_version(&self) -> &'static str {
        self.api_version
    }

    fn protobuf(&self, message: &mut Message) {
        list_meta(message, 1);
        message.string(2, self.status);
        message.string(3, &self.message);
        message.string(4, self.reason.unwrap_or_default());
        if let Some(details) = &self.details {
            message.message(5, |inner| {
                inner.string(1, &details.name);
                inner.string(2, &details.group);
                inner.string(3, &details.kind);
                inner.integer(5, i64::from(details.retry_after_seconds.unwrap_or_default()));
            });
        }
        message.integer(6, i64::from(self.code));
    }
}

/// Long enough for a watch to sync or a burst to pass, short against the HPA's sync period of 15 s.
const RETRY_AFTER_SECONDS: u32 = 1;
