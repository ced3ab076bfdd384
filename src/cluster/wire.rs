//! Objects as kube-apiserver sends them, of which only what we keep is ever decoded.
//!
//! `managedFields`, most of `spec` and most of `status` are skipped by the JSON parser: a pod of 10 KiB allocates
//! less than 1 KiB here, and less again once it is kept. Times and addresses are decoded leniently, since one odd
//! object must not keep all others of its list from being seen.

use std::{borrow::Cow, collections::BTreeMap, collections::HashSet, sync::Arc};

use k8s_openapi::{
    NamespaceResourceScope,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time},
};
use kube::{
    Resource,
    core::{ApiResource, DynamicResourceScope},
};
use serde::{Deserialize, Deserializer};

use super::owners::{Controller, Tie, WireObject};
use super::pod::{Container, ContainerPort, Pod, PodPhase, Protocol};
use crate::model::{GroupResource, Labels, LiveObject, ObjectRef, Uid};

/// The metadata of an object of any resource (`PartialObjectMetadata`).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WireMeta {
    #[serde(deserialize_with = "slim")]
    pub(super) metadata: ObjectMeta,
}

/// A pod.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WirePod {
    #[serde(deserialize_with = "slim")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<WireSpec>,
    #[serde(default)]
    status: Option<WireStatus>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireSpec {
    node_name: Option<String>,
    host_network: Option<bool>,
    init_containers: Option<Vec<WireContainer>>,
    containers: Option<Vec<WireContainer>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireContainer {
    name: String,
    ports: Option<Vec<WirePort>>,
    restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WirePort {
    name: Option<String>,
    container_port: i64,
    protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireStatus {
    phase: Option<String>,
    conditions: Option<Vec<WireCondition>>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<WireIp>>,
    init_container_statuses: Option<Vec<WireContainerStatus>>,
    container_statuses: Option<Vec<WireContainerStatus>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireIp {
    ip: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireContainerStatus {
    name: String,
    state: Option<WireState>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct WireState {
    running: Option<WireRunning>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireRunning {
    #[serde(deserialize_with = "time")]
    started_at: Option<Time>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireObjectMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    #[serde(default, deserialize_with = "time")]
    creation_timestamp: Option<Time>,
    #[serde(default, deserialize_with = "time")]
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

/// A time that cannot be read is none.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()).map(Time))
}

pub(super) fn slim<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let wire = WireObjectMeta::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: wire.name,
        namespace: wire.namespace,
        uid: wire.uid,
        resource_version: wire.resource_version,
        creation_timestamp: wire.creation_timestamp,
        deletion_timestamp: wire.deletion_timestamp,
        labels: wire.labels,
        annotations: wire.annotations,
        owner_references: wire.owner_references,
        ..ObjectMeta::default()
    })
}

impl Resource for WireMeta {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn metadata_api() -> bool {
        true
    }

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Resource for WirePod {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Makes what we keep out of what is sent, and shares the strings that many objects have in common.
pub(super) struct Decoder {
    resource: GroupResource,
    /// Namespace and node names, which a cluster has few of.
    shared: HashSet<Arc<str>>,
}

impl Decoder {
    /// A decoder of objects of `resource`.
    pub(super) fn new(resource: GroupResource) -> Self {
        Self { resource, shared: HashSet::new() }
    }

    /// The object, or `None` for one without a name or a UID, which kube-apiserver never sends.
    pub(super) fn object(&mut self, wire: impl WireObject) -> Option<(LiveObject, Tie)> {
        let (mut metadata, link) = wire.parts(&self.resource);
        let controller = self.controller(&mut metadata);
        Some((self.live(metadata)?, Tie { controller, link: link.map(Arc::new) }))
    }

    /// The pod with the annotations under one of `prefixes`.
    pub(super) fn pod(&mut self, wire: WirePod, prefixes: &[String]) -> Option<(Pod, Tie)> {
        let WirePod { mut metadata, spec, status } = wire;
        let (spec, status) = (spec.unwrap_or_default(), status.unwrap_or_default());
        let annotations = metadata.annotations.take().unwrap_or_default();
        let controller = self.controller(&mut metadata);
        let is_ours = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let pod = Pod {
            annotations: annotations.into_iter().filter(|(name, _)| is_ours(name)).collect(),
            phase: phase(status.phase.as_deref()),
            ready: is_ready(&status),
            deletion: metadata.deletion_timestamp.as_ref().map(|Time(at)| *at),
            ips: ips(&status),
            host_network: spec.host_network.unwrap_or_default(),
            node: spec.node_name.as_deref().map(|node| self.share(node)),
            containers: containers(&spec, &status),
            live: Arc::new(self.live(metadata)?),
        };
        Some((pod, Tie { controller, link: None }))
    }

    /// The one owner that controls it.
    fn controller(&mut self, metadata: &mut ObjectMeta) -> Option<Arc<Controller>> {
        let owners = metadata.owner_references.take()?;
        let owner = owners.into_iter().find(|owner| owner.controller == Some(true))?;
        let group = owner.api_version.split_once('/').map_or("", |(group, _)| group);
        let (group, kind) = (self.share(group), self.share(&owner.kind));
        Some(Arc::new(Controller { uid: Uid(self.share(&owner.uid)), group, kind }))
    }

    fn live(&mut self, metadata: ObjectMeta) -> Option<LiveObject> {
        let name = metadata.name?;
        let namespace = metadata.namespace.map(|namespace| self.share(&namespace));
        Some(LiveObject {
            object: ObjectRef { resource: self.resource.clone(), namespace, name: name.into() },
            uid: Uid(metadata.uid?.into()),
            created: metadata.creation_timestamp.map_or_else(Default::default, |Time(at)| at),
            labels: Labels::from_pairs(metadata.labels.unwrap_or_default()),
        })
    }

    fn share(&mut self, text: &str) -> Arc<str> {
        if self.shared.len() > MOST_SHARED {
            self.shared.clear();
        }
        if let Some(known) = self.shared.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.shared.insert(new.clone());
        new
    }
}

fn phase(text: Option<&str>) -> PodPhase {
    match text {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

fn is_ready(status: &WireStatus) -> bool {
    let mut conditions = status.conditions.iter().flatten();
    conditions.any(|condition| condition.kind == "Ready" && condition.status == "True")
}

fn ips(status: &WireStatus) -> Vec<std::net::IpAddr> {
    let others = status.pod_ips.iter().flatten().map(|one| one.ip.as_str());
    let mut ips = Vec::new();
    for ip in status.pod_ip.as_deref().into_iter().chain(others).filter_map(|text| text.parse().ok()) {
        if !ips.contains(&ip) {
            ips.push(ip);
        }
    }
    ips
}

fn containers(spec: &WireSpec, status: &WireStatus) -> Vec<Container> {
    let is_sidecar = |container: &&WireContainer| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let sidecars = sidecars.map(|found| container(found, true, status.init_container_statuses.as_ref()));
    let main = spec.containers.iter().flatten();
    sidecars.chain(main.map(|found| container(found, false, status.container_statuses.as_ref()))).collect()
}

fn container(
    wire: &WireContainer,
    is_sidecar: bool,
    statuses: Option<&Vec<WireContainerStatus>>,
) -> Container {
    let status = statuses.into_iter().flatten().find(|status| status.name == wire.name);
    let running = status.and_then(|status| status.state.as_ref()?.running.as_ref());
    Container {
        name: wire.name.as_str().into(),
        is_sidecar,
        ports: wire.ports.iter().flatten().filter_map(port).collect(),
        started: running.and_then(|running| running.started_at.as_ref()).map(|Time(at)| *at),
    }
}

fn port(wire: &WirePort) -> Option<ContainerPort> {
    let protocol = Protocol::named(wire.protocol.as_deref())?;
    let number = u16::try_from(wire.container_port).ok()?;
    Some(ContainerPort { name: wire.name.as_deref().map(Arc::from), number, protocol })
}

/// Above this the shared strings are forgotten and gathered anew, so that names of the past do not stay for ever.
const MOST_SHARED: usize = 10_000;
