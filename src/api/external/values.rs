//! `ExternalMetricValueList`, the answer to a read of an external metric.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{
    api::{
        encode::{Document, Empty, Message, list_meta},
        group::GroupVersion,
        values::{Seconds, Text, sample_protobuf},
    },
    model::{ExternalValue, Labels, Quantity},
};

/// Label sets of one metric.
pub(in crate::api) struct ExternalMetricValueList<'a> {
    pub(in crate::api) metric: &'a str,
    pub(in crate::api) values: &'a [ExternalValue],
}

impl Document for ExternalMetricValueList<'_> {
    fn kind(&self) -> &'static str {
        "ExternalMetricValueList"
    }

    fn api_version(&self) -> &'static str {
        GroupVersion::External.as_str()
    }

    fn protobuf(&self, message: &mut Message) {
        list_meta(message, 1);
        for value in self.values {
            message.message(2, |item| self.item_protobuf(value, item));
        }
    }

    fn size(&self) -> usize {
        256 + self.values.len() * 192
    }
}

impl ExternalMetricValueList<'_> {
    /// metricName 1, metricLabels 2 (a map), timestamp 3, window 4, value 5.
    fn item_protobuf(&self, value: &ExternalValue, item: &mut Message) {
        item.string(1, self.metric);
        for (name, text) in value.labels.iter() {
            item.message(2, |label| {
                label.string(1, name);
                label.string(2, text);
            });
        }
        sample_protobuf(&value.sample, item);
    }
}

impl Serialize for ExternalMetricValueList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_struct("ExternalMetricValueList", 4)?;
        list.serialize_field("kind", self.kind())?;
        list.serialize_field("apiVersion", self.api_version())?;
        list.serialize_field("metadata", &Empty {})?;
        list.serialize_field("items", &Items(self))?;
        list.end()
    }
}

struct Items<'a>(&'a ExternalMetricValueList<'a>);

impl Serialize for Items<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.values.iter().map(|value| Item {
            metric_name: self.0.metric,
            metric_labels: Map(&value.labels),
            timestamp: Seconds(value.sample.timestamp),
            window: value.sample.window_seconds,
            value: Text(&value.sample.value),
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    metric_name: &'a str,
    metric_labels: Map<'a>,
    timestamp: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<u32>,
    value: Text<'a, Quantity>,
}

/// Labels as a JSON object.
struct Map<'a>(&'a Labels);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}
