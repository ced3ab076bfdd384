//! Samples, and the values that a read gives back.

use jiff::Timestamp;

use super::{Labels, MetricName, ObjectRef, Quantity};

/// One number with the moment it was true.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The number, within what the HPA can calculate with.
    pub value: Quantity,
    /// When it was true; the oldest input of a computed value.
    pub timestamp: Timestamp,
    /// Whole seconds that it was computed over, if it was (`windowSeconds`).
    pub window_seconds: Option<u32>,
}

/// A sample of one metric of one object, as the metrics API answers it.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricValue {
    /// What it is about.
    pub object: ObjectRef,
    /// Which metric.
    pub metric: MetricName,
    /// The number and its moment.
    pub sample: Sample,
}

/// One label set of an external metric. The HPA sums those that it selects; nobody does it before.
#[derive(Clone, PartialEq, Debug)]
pub struct ExternalValue {
    /// The metric's labels.
    pub labels: Labels,
    /// The number and its moment.
    pub sample: Sample,
}
