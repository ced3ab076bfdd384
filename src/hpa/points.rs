//! The last minutes of a metric, for a picture.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What one metric of an HPA was at one moment.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Seconds since 1970.
    pub at: i64,
    /// The value; `None` if there was none.
    pub value: Option<f32>,
    /// Replicas that the scale target was set to.
    pub replicas: u16,
    /// Pods that have a value …
    pub with_value: u16,
    /// … of so many that count.
    pub pods: u16,
}

/// HPAs as the list shows them.
#[derive(Clone, Debug)]
pub struct Listing {
    /// When they were looked at.
    pub at: Timestamp,
    /// Each, in short.
    pub hpas: Vec<Listed>,
    /// Why there are none, or not all.
    pub notice: Option<Notice>,
}

/// One HPA as the list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// In short.
    pub report: std::sync::Arc<super::Report>,
    /// The points of each metric, the oldest first.
    pub points: Vec<Vec<Point>>,
}

/// Why HPAs are not listed, and what mends it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Notice {
    /// Why.
    pub text: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// One HPA as its own page shows it.
#[derive(Clone, Debug)]
pub struct Detail {
    /// In full.
    pub report: super::Report,
    /// The points of each metric, the oldest first.
    pub points: Vec<Vec<Point>>,
}
