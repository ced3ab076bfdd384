//! A HorizontalPodAutoscaler with what its controller says of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Spec;

/// An HPA.
#[derive(Clone, PartialEq, Debug)]
pub struct Hpa {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID, which tells it from another of its name.
    pub uid: String,
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

impl Status {
    /// The condition of a type, if the controller has set it.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == of)
    }
}
