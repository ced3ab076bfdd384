//! The body of an error that no router wrote.

use axum::body::Body;
use http::{HeaderValue, Response, header};
use hyper::body::Body as _;
use serde_json::json;

/// How a listener words its errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// `{"code": …, "error": …}`, as the write port does.
    Plain,
    /// A Kubernetes `Status`, as the metrics API does.
    Status,
}

impl Form {
    /// The JSON that says `message`.
    pub(super) fn body(self, code: u16, message: &str) -> String {
        let body = match self {
            Self::Plain => json!({"code": code, "error": message}),
            Self::Status => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": message, "reason": reason(code), "code": code,
            }),
        };
        format!("{body}\n")
    }

    /// `answer`, with a body if it refuses without one.
    pub(super) fn explained(self, mut answer: Response<Body>) -> Response<Body> {
        let status = answer.status();
        let fails = status.is_client_error() || status.is_server_error();
        if fails && answer.body().is_end_stream() {
            *answer.body_mut() = Body::from(self.body(status.as_u16(), &message(&answer)));
            let headers = answer.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.remove(header::CONTENT_LENGTH);
        }
        answer
    }
}

fn message(answer: &Response<Body>) -> String {
    let allowed = answer.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    match (answer.status().as_u16(), allowed) {
        (404, _) => "this port has no such path".to_owned(),
        (405, Some(allowed)) => format!("this path does not take the method: use {allowed}"),
        _ => answer.status().canonical_reason().unwrap_or("the request failed").to_lowercase(),
    }
}

/// The `reason` of a Status, as apimachinery names it.
fn reason(code: u16) -> &'static str {
    match code {
        404 => "NotFound",
        405 => "MethodNotAllowed",
        431 => "RequestHeaderFieldsTooLarge",
        500 => "InternalError",
        400..500 => "BadRequest",
        _ => "",
    }
}
