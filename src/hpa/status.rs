//! A HorizontalPodAutoscaler with what its controller says of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Spec;
use crate::model::Uid;

/// An HPA.
#[derive(Clone, PartialEq, Debug)]
pub struct Hpa {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which one of that name; `None` if it was read by name.
    pub uid: Option<Uid>,
    /// What it is asked to do; the error says why that cannot be read.
    pub spec: Result<Spec, String>,
    /// What its controller says.
    pub status: Status,
}

/// What the controller says of an HPA.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// The replicas that the scale target is set to.
    pub current_replicas: i32,
    /// The replicas that it was last set to.
    pub desired_replicas: i32,
    /// When it was last changed.
    pub last_scale_time: Option<Timestamp>,
    /// What holds, in the controller's order.
    pub conditions: Vec<Condition>,
}

/// A condition of an HPA.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `AbleToScale`, `ScalingActive`, `ScalingLimited`, `ScaledToZero`.
    pub r#type: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// One word.
    #[serde(default)]
    pub reason: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// Since when it has its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
}

impl Hpa {
    /// An HPA of its `spec` and `status` as kube-apiserver sends them. What is long in a status is cut.
    #[must_use]
    pub fn read(namespace: String, name: String, (spec, status): (Value, Value)) -> Self {
        let spec = serde_json::from_value(spec).map_err(|error| error.to_string());
        let mut status: Status = serde_json::from_value(status).unwrap_or_default();
        status.conditions.truncate(MOST_CONDITIONS);
        for condition in &mut status.conditions {
            condition.message.truncate(condition.message.floor_char_boundary(LONGEST_MESSAGE));
        }
        Self { namespace, name, uid: None, spec, status }
    }
}

impl Hpa {
    /// Whether 0 replicas of the target were not set by the controller itself, which switches the HPA off.
    #[must_use]
    pub fn is_switched_off(&self) -> bool {
        self.status.condition("ScaledToZero").is_none_or(|condition| condition.status != "True")
    }
}

impl Status {
    /// The condition of a type, if the controller has set it.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == of)
    }
}

/// The controller sets four.
const MOST_CONDITIONS: usize = 16;

/// Bytes; a message of the metrics API is shorter.
const LONGEST_MESSAGE: usize = 4096;
