//! What a PodMonitor or a ServiceMonitor (`monitoring.coreos.com/v1`) says: which pods it means, and how their ports are
//! scraped. Pure; what of it cannot be followed is named, and the rest counts.

mod meta;
mod spec;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use meta::is_known;

use crate::{
    model::{GroupResource, Selector},
    relabel::Chain,
};

/// Which of the two resources.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum MonitorKind {
    /// Selects pods.
    Pod,
    /// Selects Services, and means their pods.
    Service,
}

/// A monitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Monitor {
    /// What it is.
    pub kind: MonitorKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it looks.
    pub reach: Reach,
    /// The pods, or the Services.
    pub selector: Selector,
    /// The label that the label `job` is taken from.
    pub job_label: Option<String>,
    /// The labels of pods that the target gets.
    pub pod_labels: Vec<String>,
    /// The labels of Services that the target gets.
    pub service_labels: Vec<String>,
    /// How the ports are scraped.
    pub endpoints: Vec<Endpoint>,
    /// What cannot be followed, each with the field.
    pub faults: Vec<String>,
}

/// The namespaces that a monitor looks into.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// Its own.
    #[default]
    Own,
    /// These.
    Named(Vec<String>),
    /// All.
    Any,
}

/// One of `podMetricsEndpoints` or `endpoints`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Which port.
    pub port: Port,
    /// The path; `/metrics` by default.
    pub path: String,
    /// Whether by TLS.
    pub https: bool,
    /// How often.
    pub interval: Option<Duration>,
    /// How long one scrape may take.
    pub timeout: Option<Duration>,
    /// Parameters of the query.
    pub params: Vec<(String, String)>,
    /// Whether a label of a series goes before the target's of that name.
    pub honor_labels: bool,
    /// Whether a timestamp that a series is exposed with is its time.
    pub honor_timestamps: bool,
    /// What becomes of the target.
    pub relabelings: Chain,
    /// What becomes of its series.
    pub metric_relabelings: Chain,
}

/// A port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Port {
    /// `port`: a name; of the Service in a ServiceMonitor, of a container in a PodMonitor.
    Named(String),
    /// `portNumber` or `targetPort` as a number: a declared port of a container.
    Container(u16),
    /// `targetPort` as a name: a declared port of a container.
    ContainerNamed(String),
}

impl MonitorKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Pod, Self::Service];

    /// `PodMonitor`, `ServiceMonitor`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "PodMonitor",
            Self::Service => "ServiceMonitor",
        }
    }

    /// The resource.
    #[must_use]
    pub fn resource(self) -> GroupResource {
        let plural = match self {
            Self::Pod => "podmonitors",
            Self::Service => "servicemonitors",
        };
        GroupResource::new("monitoring.coreos.com", plural)
    }
}

impl Monitor {
    /// What people call it: `PodMonitor shop/web`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }

    /// Whether it looks into namespaces that are not its own.
    #[must_use]
    pub fn looks_elsewhere(&self) -> bool {
        match &self.reach {
            Reach::Own => false,
            Reach::Named(names) => names.iter().any(|name| *name != self.namespace),
            Reach::Any => true,
        }
    }

    /// Whether it looks into a namespace.
    #[must_use]
    pub fn looks_into(&self, namespace: &str) -> bool {
        match &self.reach {
            Reach::Own => namespace == self.namespace,
            Reach::Named(names) => names.iter().any(|name| name == namespace),
            Reach::Any => true,
        }
    }
}
