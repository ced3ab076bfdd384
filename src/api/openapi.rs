//! `/openapi/v2` and `/openapi/v3`: documents without paths.
//!
//! kube-apiserver asks every aggregated server for both once a minute. A 404 makes it log an error per APIService
//! with a back-off; a document that has an entity tag and no paths makes it log nothing and leaves the cluster's own
//! OpenAPI as it is. What could be described are the values of any metric of any resource, which no tool reads.

use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;

use super::{
    encode::{Format, Message},
    negotiation::{Asked, NotAcceptable},
    reply::{Content, etag},
};

/// The documents and their tags.
pub(super) struct OpenApi {
    v2: Tagged,
    v2_protobuf: Tagged,
    v3: Tagged,
}

struct Tagged {
    body: Bytes,
    etag: HeaderValue,
}

impl OpenApi {
    pub(super) fn new() -> Self {
        Self { v2: Tagged::new(v2_json()), v2_protobuf: Tagged::new(v2_protobuf()), v3: Tagged::new(V3) }
    }

    /// The answer to `/openapi/v2`, as JSON or as the protobuf of gnostic's `OpenAPIv2.proto`.
    pub(super) fn v2(&self, asked: &Asked) -> Result<Response, NotAcceptable> {
        let Some(media_type) = asked.exactly(&V2_PROTOBUF) else { return self.v2.json(asked) };
        Ok(self.v2_protobuf.reply(HeaderValue::from_static(media_type), asked))
    }

    /// The answer to `/openapi/v3`: an index without group versions.
    pub(super) fn v3(&self, asked: &Asked) -> Result<Response, NotAcceptable> {
        self.v3.json(asked)
    }
}

impl Tagged {
    fn new(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { etag: etag(&body), body }
    }

    fn json(&self, asked: &Asked) -> Result<Response, NotAcceptable> {
        if !asked.takes_json() {
            return Err(NotAcceptable::Json);
        }
        Ok(self.reply(HeaderValue::from_static(Format::Json.media_type()), asked))
    }

    fn reply(&self, media_type: HeaderValue, asked: &Asked) -> Response {
        Content { media_type, body: self.body.clone() }.reply_unless_current(&self.etag, asked)
    }
}

fn v2_json() -> String {
    format!(r#"{{"swagger":"2.0","info":{{"title":"{TITLE}","version":"{VERSION}"}},"paths":{{}}}}"#)
}

/// `Document`: swagger 1, info 2 {title 1, version 2}, paths 8.
fn v2_protobuf() -> Vec<u8> {
    let mut document = Message::default();
    document.string(1, "2.0");
    document.message(2, |info| {
        info.string(1, TITLE);
        info.string(2, VERSION);
    });
    document.message(8, |_| {});
    document.into_bytes()
}

const TITLE: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));
const V3: &str = r#"{"paths":{}}"#;

/// The names of the protobuf form, the old one (with an `@`) included.
const V2_PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];
