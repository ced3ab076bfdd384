//! The labels of a target that relabelling may ask for, of those that Prometheus' service discovery has. A rule that asks for
//! another one would find it empty, and keep or drop the wrong targets without a word.

use crate::relabel::Chain;

/// The first label of the rules' sources that nobody fills in.
pub(super) fn unknown(rules: &Chain) -> Option<&str> {
    rules.sources().find(|label| !is_known(label))
}

/// Whether the label is filled in, or would be by a rule.
#[must_use]
pub fn is_known(label: &str) -> bool {
    let Some(name) = label.strip_prefix("__meta_") else { return true };
    name.strip_prefix("kubernetes_")
        .is_some_and(|name| KNOWN.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family)))
}

const KNOWN: [&str; 27] = [
    "namespace",
    "pod_name",
    "pod_ip",
    "pod_uid",
    "pod_ready",
    "pod_phase",
    "pod_node_name",
    "pod_container_name",
    "pod_container_init",
    "pod_container_port_name",
    "pod_container_port_number",
    "pod_container_port_protocol",
    "service_name",
    "endpoints_name",
    "endpoint_node_name",
    "endpoint_port_name",
    "endpoint_port_protocol",
    "endpoint_ready",
    "endpoint_address_target_kind",
    "endpoint_address_target_name",
    "endpointslice_port",
    "endpointslice_port_name",
    "endpointslice_port_protocol",
    "endpointslice_endpoint_conditions_ready",
    "endpointslice_address_target_kind",
    "endpointslice_address_target_name",
    "endpointslice_endpoint_conditions_serving",
];

const FAMILIES: [&str; 4] = ["pod_label_", "pod_labelpresent_", "service_label_", "service_labelpresent_"];
