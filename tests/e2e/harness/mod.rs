//! What the tests say things with: a control plane, an adapter beside it, namespaces with workloads, and waiting.

mod adapter;
mod answer;
mod collector;
mod control_plane;
#[path = "../../control-plane/exposition-server/server.rs"]
mod exposition_server;
mod hpa;
mod namespace;
mod prometheus;
mod proxy;
mod service;
mod target;
mod wait;

pub(crate) use adapter::{Adapter, Caller, Direct};
pub(crate) use answer::Answer;
pub(crate) use collector::{Collector, Span};
pub(crate) use control_plane::ControlPlane;
pub(crate) use exposition_server::{ExpositionServer, Load, Traffic};
pub(crate) use hpa::{Described, Hpa};
pub(crate) use namespace::{Namespace, Subject};
pub(crate) use prometheus::Prometheus;
pub(crate) use proxy::Proxy;
pub(crate) use service::Service;
pub(crate) use target::Target;
pub(crate) use wait::{SOON, eventually, eventually_equals};

/// The group version that the HPA controller asks, because its APIService has the higher priority.
pub(crate) const API: &str = "/apis/custom.metrics.k8s.io/v1beta2";
