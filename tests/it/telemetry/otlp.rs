//! Spans as a collector gets them; the end-to-end tests have this file too.

use std::{collections::BTreeMap, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value},
    trace::v1::Span,
};
use parking_lot::Mutex;

/// Spans, each with the attributes of what sent it.
#[derive(Clone, Default)]
pub(crate) struct Received(pub(crate) Arc<Mutex<Vec<(Attributes, Span)>>>);

pub(crate) type Attributes = BTreeMap<String, String>;

impl Received {
    pub(crate) fn keep(&self, request: ExportTraceServiceRequest) {
        for spans in request.resource_spans {
            let resource = attributes(&spans.resource.unwrap_or_default().attributes);
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.0.lock().extend(spans.map(|span| (resource.clone(), span)));
        }
    }
}

/// Attributes as text.
pub(crate) fn attributes(pairs: &[KeyValue]) -> Attributes {
    let text = |pair: &KeyValue| {
        let value = match pair.value.as_ref()?.value.as_ref()? {
            any_value::Value::StringValue(text) => text.clone(),
            any_value::Value::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((pair.key.clone(), value))
    };
    pairs.iter().filter_map(text).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
