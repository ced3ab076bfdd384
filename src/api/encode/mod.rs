//! Documents into bytes: JSON, YAML and protobuf as kube-apiserver's own libraries write them.

mod json;
mod protobuf;
mod yaml;

use serde::Serialize;

pub(super) use protobuf::Message;

/// Something that an answer's body can be.
///
/// Its `Serialize` writes `kind` and `apiVersion` itself, in the field order of the Go type; for protobuf they stand
/// in the envelope.
pub(super) trait Document: Serialize {
    /// The envelope's `kind`.
    fn kind(&self) -> &'static str;

    /// The envelope's `apiVersion`.
    fn api_version(&self) -> &'static str;

    /// Writes the fields of the message, without the envelope.
    fn protobuf(&self, message: &mut Message);

    /// About how many bytes it becomes, so that the buffer need not grow.
    fn size(&self) -> usize {
        1024
    }
}

/// How an answer's body is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// A document could not be written down: a fault of ours, answered 500.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    /// As JSON.
    #[error("writing JSON")]
    Json(#[from] serde_json::Error),
    /// As YAML.
    #[error("writing YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
}

impl Format {
    /// Every format, most preferred first, as upstream lists them.
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// Writes `document`; `pretty` is for JSON only.
    pub(super) fn encode(self, document: &impl Document, pretty: bool) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Json if pretty => json::pretty(document),
            Self::Json => json::compact(document, document.size()),
            Self::Yaml => yaml::encode(document),
            Self::Protobuf => Ok(envelope(document)),
        }
    }
}

/// `runtime.Unknown` around a document: magic, then TypeMeta 1 {apiVersion 1, kind 2}, raw 2, contentEncoding 3 and
/// contentType 4.
fn envelope(document: &impl Document) -> Vec<u8> {
    let mut message = Message::with_capacity(document.size());
    message.raw(b"k8s\0");
    message.message(1, |meta| {
        meta.string(1, document.api_version());
        meta.string(2, document.kind());
    });
    message.message(2, |raw| document.protobuf(raw));
    message.string(3, "");
    message.string(4, "");
    message.into_bytes()
}

/// `metav1.ListMeta` without any content, as Go writes it: selfLink 1, resourceVersion 2, continue 3.
pub(super) fn list_meta(message: &mut Message, field: u8) {
    message.message(field, |meta| {
        for field in 1..=3 {
            meta.string(field, "");
        }
    });
}

/// An object without fields: `metadata` of a list, `details` of an error of the routing layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Empty {}
