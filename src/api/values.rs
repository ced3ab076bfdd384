//! `MetricValueList`, the answer to every read.

use std::fmt::Display;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::model::{EchoedSelector, MetricSelector, MetricValue, ResourceType, Sample};

use super::{
    encode::{Document, Empty, Message, list_meta},
    route::Version,
};

/// Values of one resource, in one version's shape.
pub(super) struct MetricValueList<'a> {
    pub(super) version: Version,
    /// What `describedObject` says of kind and version.
    pub(super) described: Described<'a>,
    pub(super) values: &'a [MetricValue],
    /// The metric selector of the request.
    pub(super) selector: Option<EchoedSelector>,
}

/// Kind and version of the described objects.
#[derive(Clone)]
pub(super) struct Described<'a> {
    kind: &'a str,
    api_version: String,
}

impl<'a> Described<'a> {
    /// Group, slash, version, joined blindly: `/v1` for a pod. Upstream does so, and no client reads it.
    pub(super) fn of(resource: &'a ResourceType) -> Self {
        Self {
            kind: &resource.kind,
            api_version: format!("{}/{}", resource.resource.group, resource.version),
        }
    }
}

/// What an answer says of the request's metric selector: nothing of the empty one, nor of one that has only what a
/// `LabelSelector` cannot say.
pub(super) fn echo(selector: &MetricSelector) -> Option<EchoedSelector> {
    Some(selector.echo()).filter(|echo| *echo != EchoedSelector::default())
}

impl Document for MetricValueList<'_> {
    fn kind(&self) -> &'static str {
        "MetricValueList"
    }

    fn api_version(&self) -> &'static str {
        self.version.group_version()
    }

    fn protobuf(&self, message: &mut Message) {
        list_meta(message, 1);
        for value in self.values {
            message.message(2, |item| self.item_protobuf(value, item));
        }
    }

    fn size(&self) -> usize {
        256 + self.values.len() * 256
    }
}

/// timestamp 3, window 4 and value 5, in the items of both groups.
pub(super) fn sample_protobuf(sample: &Sample, item: &mut Message) {
    item.message(3, |time| time_protobuf(sample.timestamp, time));
    if let Some(seconds) = sample.window_seconds {
        item.integer(4, i64::from(seconds));
    }
    item.message(5, |quantity| quantity.text(1, sample.value));
}

impl MetricValueList<'_> {
    fn item_protobuf(&self, value: &MetricValue, item: &mut Message) {
        item.message(1, |object| self.object_protobuf(value, object));
        match self.version {
            Version::V1Beta1 => item.string(2, value.metric.as_str()),
            Version::V1Beta2 => item.message(2, |identifier| {
                identifier.string(1, value.metric.as_str());
                self.selector_protobuf(2, identifier);
            }),
        }
        sample_protobuf(&value.sample, item);
        if self.version == Version::V1Beta1 {
            self.selector_protobuf(6, item);
        }
    }

    /// `corev1.ObjectReference`; uid 4, resourceVersion 6 and fieldPath 7 stay empty.
    fn object_protobuf(&self, value: &MetricValue, object: &mut Message) {
        object.string(1, self.described.kind);
        object.string(2, value.object.namespace.as_deref().unwrap_or_default());
        object.string(3, &value.object.name);
        object.string(4, "");
        object.string(5, &self.described.api_version);
        object.string(6, "");
        object.string(7, "");
    }

    fn selector_protobuf(&self, field: u8, message: &mut Message) {
        if let Some(selector) = &self.selector {
            message.message(field, |inner| echo_protobuf(selector, inner));
        }
    }
}

/// `metav1.Time`: seconds 1, nanos 2.
fn time_protobuf(at: Timestamp, message: &mut Message) {
    message.integer(1, at.as_second());
    message.integer(2, 0);
}

/// matchLabels 1 (a map), matchExpressions 2 {key 1, operator 2, values 3}.
fn echo_protobuf(selector: &EchoedSelector, message: &mut Message) {
    for (key, value) in &selector.match_labels {
        message.message(1, |label| {
            label.string(1, key);
            label.string(2, value);
        });
    }
    for expression in &selector.match_expressions {
        message.message(2, |inner| {
            inner.string(1, &expression.key);
            inner.string(2, expression.operator.as_str());
            inner.strings(3, expression.values.iter().map(String::as_str));
        });
    }
}

impl Serialize for MetricValueList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("MetricValueList", 4)?;
        list.serialize_field("kind", self.kind())?;
        list.serialize_field("apiVersion", self.api_version())?;
        list.serialize_field("metadata", &Empty {})?;
        list.serialize_field("items", &Items(self))?;
        list.end()
    }
}

struct Items<'a>(&'a MetricValueList<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = self.0;
        match list.version {
            Version::V1Beta1 => serializer.collect_seq(list.values.iter().map(|value| ItemV1Beta1 {
                described_object: Object::of(list, value),
                metric_name: value.metric.as_str(),
                timestamp: Seconds(value.sample.timestamp),
                window: value.sample.window_seconds,
                value: Text(&value.sample.value),
                selector: list.selector.as_ref(),
            })),
            Version::V1Beta2 => serializer.collect_seq(list.values.iter().map(|value| ItemV1Beta2 {
                described_object: Object::of(list, value),
                metric: Identifier { name: value.metric.as_str(), selector: list.selector.as_ref() },
                timestamp: Seconds(value.sample.timestamp),
                window_seconds: value.sample.window_seconds,
                value: Text(&value.sample.value),
            })),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemV1Beta1<'a> {
    described_object: Object<'a>,
    metric_name: &'a str,
    timestamp: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
    value: Text<'a, crate::model::Quantity>,
    selector: Option<&'a EchoedSelector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemV1Beta2<'a> {
    described_object: Object<'a>,
    metric: Identifier<'a>,
    timestamp: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<u32>,
    value: Text<'a, crate::model::Quantity>,
}

#[derive(Serialize)]
struct Identifier<'a> {
    name: &'a str,
    selector: Option<&'a EchoedSelector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    api_version: &'a str,
}

impl<'a> Object<'a> {
    fn of(list: &'a MetricValueList<'a>, value: &'a MetricValue) -> Self {
        Self {
            kind: list.described.kind,
            namespace: value.object.namespace.as_deref(),
            name: &value.object.name,
            api_version: &list.described.api_version,
        }
    }
}

/// A moment as `metav1.Time` prints it: whole seconds, `Z`.
pub(super) struct Seconds(pub(super) Timestamp);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp::from_second(self.0.as_second()).unwrap_or(self.0))
    }
}

/// A string of whatever it prints.
pub(super) struct Text<'a, T>(pub(super) &'a T);

impl<T: Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
