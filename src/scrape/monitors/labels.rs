//! The labels of a target before its relabelling: those of Prometheus' service discovery, and those that the Prometheus
//! Operator adds.

use std::{collections::BTreeMap, net::SocketAddr};

use super::ports::Found;
use crate::{
    cluster::{Pod, PodPhase},
    model::{LabelSource, Labels},
    monitor::{Endpoint, Monitor, MonitorKind, Port},
    relabel::LabelMap,
};

/// A target of a pod that is about to be one.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) pod: &'a Pod,
    pub(super) monitor: &'a Monitor,
    pub(super) endpoint: &'a Endpoint,
    pub(super) found: Found<'a>,
    pub(super) address: SocketAddr,
}

/// Labels that every target has.
pub(super) const ADDRESS: &str = "__address__";
pub(super) const SCHEME: &str = "__scheme__";
pub(super) const PATH: &str = "__metrics_path__";
pub(super) const PARAM: &str = "__param_";

impl Candidate<'_> {
    /// What the relabelling may read and change.
    pub(super) fn discovered(&self) -> LabelMap {
        let mut labels = LabelMap::new();
        let mut set = |name: &str, value: &str| drop(labels.insert(name.to_owned(), value.to_owned()));
        set(ADDRESS, &self.address.to_string());
        set(SCHEME, if self.endpoint.https { "https" } else { "http" });
        set(PATH, &self.endpoint.path);
        for (name, value) in self.endpoint.params.iter().rev() {
            set(&format!("{PARAM}{name}"), value);
        }
        self.of_pod(&mut set);
        self.of_port(&mut set);
        self.of_service(&mut set);
        labels.retain(|_, value| !value.is_empty());
        labels
    }

    /// The labels that the Prometheus Operator gives every target.
    pub(super) fn usual(&self) -> LabelMap {
        let object = &self.pod.live.object;
        let mut labels = LabelMap::from([
            ("namespace".to_owned(), object.namespace.as_deref().unwrap_or_default().to_owned()),
            ("pod".to_owned(), object.name.to_string()),
            ("endpoint".to_owned(), self.port_name()),
            ("job".to_owned(), self.job()),
        ]);
        if let Some((container, _)) = self.found.declared {
            labels.insert("container".to_owned(), container.name.to_string());
        }
        if let Some((service, _)) = self.found.service {
            labels.insert("service".to_owned(), service.live.object.name.to_string());
        }
        labels
    }

    /// Those that the monitor asks for by `podTargetLabels` and `targetLabels`.
    pub(super) fn asked_for(&self) -> LabelMap {
        let of = |names: &[String], labels: &Labels| -> BTreeMap<String, String> {
            let found =
                names.iter().filter_map(|name| Some((sanitized(name), labels.label(name)?.to_owned())));
            found.filter(|(_, value)| !value.is_empty()).collect()
        };
        let mut labels = of(&self.monitor.pod_labels, &self.pod.live.labels);
        if let Some((service, _)) = self.found.service {
            labels.extend(of(&self.monitor.service_labels, &service.live.labels));
        }
        labels
    }

    fn job(&self) -> String {
        let labels = self.found.service.map_or(&self.pod.live.labels, |(service, _)| &service.live.labels);
        let named = self.monitor.job_label.as_deref().and_then(|label| labels.label(label));
        let default = || match (self.monitor.kind, self.found.service) {
            (MonitorKind::Service, Some((service, _))) => service.live.object.name.to_string(),
            _ => format!("{}/{}", self.monitor.namespace, self.monitor.name),
        };
        named.filter(|job| !job.is_empty()).map_or_else(default, str::to_owned)
    }

    fn port_name(&self) -> String {
        match &self.endpoint.port {
            Port::Named(name) | Port::ContainerNamed(name) => name.clone(),
            Port::Container(number) => number.to_string(),
        }
    }

    fn of_pod(&self, set: &mut impl FnMut(&str, &str)) {
        let (live, mut meta) = (&self.pod.live, meta(set));
        meta("namespace", live.object.namespace.as_deref().unwrap_or_default());
        meta("pod_name", &live.object.name);
        meta("pod_uid", &live.uid.0);
        meta("pod_ip", &self.address.ip().to_string());
        meta("pod_ready", boolean(self.pod.ready));
        meta("pod_phase", phase(self.pod.phase));
        meta("pod_node_name", self.pod.node.as_deref().unwrap_or_default());
        of_labels("pod", &live.labels, &mut meta);
    }

    fn of_port(&self, set: &mut impl FnMut(&str, &str)) {
        let Some((container, port)) = self.found.declared else { return };
        let mut meta = meta(set);
        meta("pod_container_name", &container.name);
        meta("pod_container_init", boolean(container.is_sidecar));
        meta("pod_container_port_name", port.name.as_deref().unwrap_or_default());
        meta("pod_container_port_number", &port.number.to_string());
        meta("pod_container_port_protocol", "TCP");
    }

    fn of_service(&self, set: &mut impl FnMut(&str, &str)) {
        let Some((service, port)) = self.found.service else { return };
        let mut meta = meta(set);
        let (name, ready) = (port.name.as_deref().unwrap_or_default(), boolean(self.pod.ready));
        meta("service_name", &service.live.object.name);
        meta("endpoints_name", &service.live.object.name);
        of_labels("service", &service.live.labels, &mut meta);
        meta("endpoint_node_name", self.pod.node.as_deref().unwrap_or_default());
        meta("endpoint_ready", ready);
        meta("endpointslice_endpoint_conditions_ready", ready);
        meta("endpointslice_endpoint_conditions_serving", ready);
        meta("endpointslice_port", &self.found.number.to_string());
        for role in ["endpoint", "endpointslice"] {
            meta(&format!("{role}_port_name"), name);
            meta(&format!("{role}_port_protocol"), "TCP");
            meta(&format!("{role}_address_target_kind"), "Pod");
            meta(&format!("{role}_address_target_name"), &self.pod.live.object.name);
        }
    }
}

fn meta(set: &mut impl FnMut(&str, &str)) -> impl FnMut(&str, &str) {
    |name: &str, value: &str| set(&format!("__meta_kubernetes_{name}"), value)
}

fn of_labels(of: &str, labels: &Labels, meta: &mut impl FnMut(&str, &str)) {
    for (name, value) in labels.iter() {
        let name = sanitized(name);
        meta(&format!("{of}_label_{name}"), value);
        meta(&format!("{of}_labelpresent_{name}"), "true");
    }
}

/// A label of Kubernetes as a label of Prometheus.
fn sanitized(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn boolean(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

fn phase(phase: PodPhase) -> &'static str {
    match phase {
        PodPhase::Pending => "Pending",
        PodPhase::Running => "Running",
        PodPhase::Succeeded => "Succeeded",
        PodPhase::Failed => "Failed",
        PodPhase::Unknown => "Unknown",
    }
}
