//! A written value as it stands in the journal: a key, by which the values of a metric lie together, and a record.
//!
//! A record is a protobuf message. Its fields are only ever added to: an older record stays readable, and a later
//! version of the adapter that needs more raises [`FORMAT`].

use jiff::{SignedDuration, Timestamp};
use prost::Message;

use crate::{
    model::{GroupResource, Labels, MetricName, ObjectRef, Quantity, Sample, Subject, Uid},
    store::{Removal, Write},
};

/// The format of keys and records.
pub(super) const FORMAT: u64 = 1;

/// A write, and when it was received.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Received {
    pub(super) write: Write,
    pub(super) at: Timestamp,
}

/// A series.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Place {
    pub(super) subject: Subject,
    pub(super) metric: MetricName,
    pub(super) labels: Labels,
}

/// A record.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Recorded {
    Put(Received),
    Removed(Place),
}

/// The key of a series.
pub(super) fn key(write: &Write) -> Vec<u8> {
    key_of(&write.subject, &write.metric, &write.labels)
}

/// The same, of the parts of one.
pub(super) fn key_of(subject: &Subject, metric: &MetricName, labels: &Labels) -> Vec<u8> {
    let mut key = metric_key(subject, metric);
    push_labels(&mut key, labels);
    key
}

/// The key of a removed series, or what the keys of all removed series begin with.
pub(super) fn removed(removal: &Removal) -> (Vec<u8>, bool) {
    let mut key = metric_key(&removal.subject, &removal.metric);
    if let Some(labels) = &removal.labels {
        push_labels(&mut key, labels);
    }
    (key, removal.labels.is_none())
}

/// No part has a NUL: names, label names and label values are those that Kubernetes allows. So no key of one metric
/// begins as one of another does.
fn metric_key(subject: &Subject, metric: &MetricName) -> Vec<u8> {
    let mut key = Vec::new();
    match subject {
        Subject::Object(object) => {
            let GroupResource { group, resource } = &object.resource;
            let namespace = object.namespace.as_deref().unwrap_or_default();
            push(&mut key, ["object", group, resource, namespace, &object.name]);
        }
        Subject::External { namespace } => push(&mut key, ["external", namespace]),
    }
    push(&mut key, [metric.as_str()]);
    key
}

fn push_labels(key: &mut Vec<u8>, labels: &Labels) {
    for (name, value) in labels.iter() {
        push(key, [name, value]);
    }
}

fn push<const N: usize>(key: &mut Vec<u8>, parts: [&str; N]) {
    for part in parts {
        key.extend_from_slice(part.as_bytes());
        key.push(0);
    }
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(message, optional, tag = "1")]
    object: Option<Object>,
    /// Of an external metric, which has no object.
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(string, optional, tag = "3")]
    uid: Option<String>,
    #[prost(string, tag = "4")]
    metric: String,
    #[prost(message, repeated, tag = "5")]
    labels: Vec<Label>,
    /// A canonical quantity, exact.
    #[prost(string, tag = "6")]
    value: String,
    #[prost(message, optional, tag = "7")]
    measured: Option<Instant>,
    #[prost(uint32, optional, tag = "8")]
    window_seconds: Option<u32>,
    #[prost(int64, optional, tag = "9")]
    ttl_ms: Option<i64>,
    #[prost(message, optional, tag = "10")]
    received: Option<Instant>,
    /// There is no value: the series was removed. A journal that drops records themselves has none such.
    #[prost(bool, tag = "11")]
    removed: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Object {
    #[prost(string, tag = "1")]
    group: String,
    #[prost(string, tag = "2")]
    resource: String,
    #[prost(string, optional, tag = "3")]
    namespace: Option<String>,
    #[prost(string, tag = "4")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Instant {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanoseconds: i32,
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("a record cannot be read: {0}")]
pub(super) struct Unreadable(String);

/// The bytes of a write.
pub(super) fn encode(write: &Write, received: Timestamp) -> Vec<u8> {
    let record = Record {
        uid: write.uid.as_ref().map(|uid| uid.0.to_string()),
        value: write.sample.value.to_string(),
        measured: Some(write.sample.timestamp.into()),
        window_seconds: write.sample.window_seconds,
        ttl_ms: write.ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)),
        received: Some(received.into()),
        ..Record::about(&write.subject, &write.metric, &write.labels)
    };
    record.encode_to_vec()
}

/// The bytes of the removal of one series.
pub(super) fn encode_removed(place: &Place) -> Vec<u8> {
    let Place { subject, metric, labels } = place;
    Record { removed: true, ..Record::about(subject, metric, labels) }.encode_to_vec()
}

/// The write of these bytes.
///
/// # Errors
/// When they are no record, or say what no write says.
pub(super) fn decode(bytes: &[u8]) -> Result<Received, Unreadable> {
    match decode_change(bytes)? {
        Recorded::Put(received) => Ok(received),
        Recorded::Removed(_) => Err(unreadable("it has no value")),
    }
}

/// The write or the removal of these bytes.
///
/// # Errors
/// When they are no record, or say what neither says.
pub(super) fn decode_change(bytes: &[u8]) -> Result<Recorded, Unreadable> {
    let record = Record::decode(bytes).map_err(unreadable)?;
    let place = record.place()?;
    if record.removed {
        return Ok(Recorded::Removed(place));
    }
    let instant = |instant: Option<Instant>| instant.unwrap_or_default().moment();
    let write = Write {
        subject: place.subject,
        uid: record.uid.map(|uid| Uid(uid.into())),
        metric: place.metric,
        labels: place.labels,
        sample: Sample {
            value: Quantity::parse(&record.value).map_err(unreadable)?,
            timestamp: instant(record.measured)?,
            window_seconds: record.window_seconds,
        },
        ttl: record.ttl_ms.map(SignedDuration::from_millis),
    };
    Ok(Recorded::Put(Received { write, at: instant(record.received)? }))
}

impl Record {
    fn about(subject: &Subject, metric: &MetricName, labels: &Labels) -> Self {
        let (object, namespace) = match subject {
            Subject::Object(object) => (Some(Object::from(object)), String::new()),
            Subject::External { namespace } => (None, namespace.to_string()),
        };
        let label = |(name, value): (&str, &str)| Label { name: name.into(), value: value.into() };
        let labels = labels.iter().map(label).collect();
        Self { object, namespace, metric: metric.to_string(), labels, ..Self::default() }
    }

    fn place(&self) -> Result<Place, Unreadable> {
        let labels = self.labels.iter().map(|Label { name, value }| (name.as_str(), value.as_str()));
        let external = || Subject::external(self.namespace.as_str());
        Ok(Place {
            subject: self.object.clone().map_or_else(external, Subject::from),
            metric: MetricName::new(&self.metric).map_err(unreadable)?,
            labels: Labels::from_pairs(labels),
        })
    }
}

fn unreadable(error: impl std::fmt::Display) -> Unreadable {
    Unreadable(error.to_string())
}

impl From<Timestamp> for Instant {
    fn from(moment: Timestamp) -> Self {
        Self { seconds: moment.as_second(), nanoseconds: moment.subsec_nanosecond() }
    }
}

impl Instant {
    fn moment(self) -> Result<Timestamp, Unreadable> {
        Timestamp::new(self.seconds, self.nanoseconds).map_err(unreadable)
    }
}

impl From<&ObjectRef> for Object {
    fn from(object: &ObjectRef) -> Self {
        Self {
            group: object.resource.group.to_string(),
            resource: object.resource.resource.to_string(),
            namespace: object.namespace.as_deref().map(str::to_owned),
            name: object.name.to_string(),
        }
    }
}

impl From<Object> for Subject {
    fn from(object: Object) -> Self {
        let Object { group, resource, namespace, name } = object;
        Self::Object(ObjectRef {
            resource: GroupResource::new(group, resource),
            namespace: namespace.map(Into::into),
            name: name.into(),
        })
    }
}
