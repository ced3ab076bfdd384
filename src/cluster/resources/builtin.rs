//! The usual resources of Kubernetes: what is known without a cluster, and until one has answered.

use std::sync::Arc;

use crate::model::{GroupResource, ResourceType, Scope};

pub(super) fn types() -> Vec<Arc<ResourceType>> {
    let namespaced = NAMESPACED.iter().map(|row| resource_type(row, Scope::Namespaced));
    namespaced.chain(CLUSTER.iter().map(|row| resource_type(row, Scope::Cluster))).collect()
}

/// Group, version, kind, plural, short names separated by blanks. The singular is the kind in lower case, as it
/// is for every built-in resource.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn resource_type(&(group, version, kind, plural, short): &Row, scope: Scope) -> Arc<ResourceType> {
    Arc::new(ResourceType {
        resource: GroupResource::new(group, plural),
        version: version.into(),
        kind: kind.into(),
        singular: kind.to_ascii_lowercase().into(),
        short_names: short.split_whitespace().map(Arc::from).collect(),
        scope,
    })
}

/// As `kubectl api-resources` prints them for v1.37, those that can be listed and watched.
const NAMESPACED: &[Row] = &[
    ("", "v1", "Pod", "pods", "po"),
    ("", "v1", "Service", "services", "svc"),
    ("", "v1", "ConfigMap", "configmaps", "cm"),
    ("", "v1", "Secret", "secrets", ""),
    ("", "v1", "ServiceAccount", "serviceaccounts", "sa"),
    ("", "v1", "Endpoints", "endpoints", "ep"),
    ("", "v1", "Event", "events", "ev"),
    ("", "v1", "LimitRange", "limitranges", "limits"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc"),
    ("", "v1", "PodTemplate", "podtemplates", ""),
    ("", "v1", "ReplicationController", "replicationcontrollers", "rc"),
    ("", "v1", "ResourceQuota", "resourcequotas", "quota"),
    ("apps", "v1", "Deployment", "deployments", "deploy"),
    ("apps", "v1", "StatefulSet", "statefulsets", "sts"),
    ("apps", "v1", "DaemonSet", "daemonsets", "ds"),
    ("apps", "v1", "ReplicaSet", "replicasets", "rs"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", ""),
    ("events.k8s.io", "v1", "Event", "events", "ev"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa"),
    ("batch", "v1", "Job", "jobs", ""),
    ("batch", "v1", "CronJob", "cronjobs", "cj"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", "ing"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", ""),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", ""),
    ("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities", ""),
    ("coordination.k8s.io", "v1", "Lease", "leases", ""),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", ""),
];

const CLUSTER: &[Row] = &[
    ("", "v1", "Namespace", "namespaces", "ns"),
    ("", "v1", "Node", "nodes", "no"),
    ("", "v1", "PersistentVolume", "persistentvolumes", "pv"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", ""),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", ""),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc"),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc"),
    ("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", ""),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", "crd crds"),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", ""),
];
