//! A Service, as much of it as says which ports of which pods are behind it.

use std::sync::Arc;

use super::Protocol;
use crate::model::{LiveObject, Selector};

/// A Service that selects pods.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its namespace, name and labels.
    pub live: Arc<LiveObject>,
    /// The pods behind it.
    pub selector: Selector,
    /// Its ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServicePort {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the pods.
    pub target: TargetPort,
}

/// A port of pods, as a Service names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetPort {
    /// By its number; it need not be declared.
    Number(u16),
    /// By the name under which a container declares it.
    Name(Arc<str>),
}
