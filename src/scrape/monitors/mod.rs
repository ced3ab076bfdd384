//! Targets that PodMonitors and ServiceMonitors name.
//!
//! A pod is found by the monitors that look into its namespace: by its own labels, or by those of a Service before it. The
//! host of a target is the pod's IP whatever a rule says, and all that is true of annotated pods (limits, shares, refused
//! addresses, the pod's annotations of how its values count) is true of these.

mod labels;
mod plan;
mod ports;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

pub(super) use plan::plan;
pub(super) use view::View;

use crate::{cluster::Service, monitor::Monitor};

/// The monitors of the cluster, and the Services that they may select.
#[derive(Clone, Debug, Default)]
pub struct Monitored {
    /// The monitors.
    pub monitors: Vec<Arc<Monitor>>,
    /// The Services that select pods; none where no monitor selects Services.
    pub services: Vec<Arc<Service>>,
}

/// The namespaces whose monitors may name pods of others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Across {
    /// None.
    #[default]
    Nobody,
    /// These.
    Some(Vec<String>),
    /// All.
    All,
}

impl Across {
    /// Whether a monitor of `namespace` may name pods of others.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::Some(names) => names.iter().any(|name| name == namespace),
            Self::All => true,
        }
    }
}
