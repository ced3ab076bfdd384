//! `spec` of an `autoscaling/v2` HorizontalPodAutoscaler: the part that decides.

use serde::Deserialize;

use crate::model::{Quantity, SelectorSpec};

/// What an HPA is asked to do.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// What is scaled.
    pub scale_target_ref: Described,
    /// At least so many replicas.
    #[serde(default = "one")]
    pub min_replicas: i32,
    /// At most so many replicas.
    pub max_replicas: i32,
    /// What is looked at.
    #[serde(default)]
    pub metrics: Vec<MetricSpec>,
    /// How fast it may go.
    #[serde(default)]
    pub behavior: Option<Behavior>,
}

fn one() -> i32 {
    1
}

/// An object by kind and name, in the HPA's own namespace.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// `apps/v1`; empty means the core group.
    #[serde(default)]
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Described {
    /// `Deployment.apps`, `Pod`: the kind with its group, as a resource is asked for.
    #[must_use]
    pub fn kind_group(&self) -> String {
        match self.api_version.split_once('/') {
            Some((group, _)) => format!("{}.{group}", self.kind),
            None => self.kind.clone(),
        }
    }
}

/// One metric and its target.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(try_from = "WireMetric")]
pub struct MetricSpec {
    /// Where the value comes from.
    pub source: MetricSource,
    /// What it is compared with.
    pub target: Target,
}

impl MetricSpec {
    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.source {
            MetricSource::Pods(metric) | MetricSource::Object(metric, _) | MetricSource::External(metric) => {
                &metric.name
            }
            MetricSource::Resource { name, .. } => name,
        }
    }
}

/// Where the value of a metric comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MetricSource {
    /// Of each pod of the scale target: custom metrics.
    Pods(Identifier),
    /// Of one object: custom metrics.
    Object(Identifier, Described),
    /// Of the namespace: external metrics.
    External(Identifier),
    /// CPU or memory (of one container, if it is named): `metrics.k8s.io`, which is another server.
    Resource {
        /// `cpu`.
        name: String,
        /// The container.
        container: Option<String>,
    },
}

/// A metric's name and the label sets of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Identifier {
    /// Its name.
    pub name: String,
    /// `metric.selector` as a text; empty for all label sets.
    pub selector: String,
}

/// What a metric is compared with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    /// `value`: the whole.
    Value(Quantity),
    /// `averageValue`: for each pod.
    AverageValue(Quantity),
    /// `averageUtilization`: per cent of the request.
    Utilization(i32),
}

/// How fast an HPA may go. kube-apiserver fills in the defaults of the parts that are missing.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Behavior {
    /// For more replicas.
    #[serde(default = "Rules::up")]
    pub scale_up: Rules,
    /// For fewer replicas.
    #[serde(default = "Rules::down")]
    pub scale_down: Rules,
}

/// How fast an HPA may go in one direction.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Seconds within which the most cautious recommendation counts; `None` is the controller's own.
    #[serde(default, rename = "stabilizationWindowSeconds")]
    pub window: Option<u32>,
    /// Which of the policies counts.
    #[serde(default, rename = "selectPolicy")]
    pub select: Select,
    /// At most so much within a period.
    #[serde(default)]
    pub policies: Vec<Policy>,
    /// How far from the target the value may be; `None` is the controller's own.
    #[serde(default)]
    pub tolerance: Option<Quantity>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum Select {
    /// The one with the largest change.
    #[default]
    Max,
    /// The one with the smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// At most so much within a period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Policy {
    /// What `value` counts.
    #[serde(rename = "type")]
    pub kind: PolicyKind,
    /// How many.
    pub value: i32,
    /// Seconds.
    #[serde(rename = "periodSeconds")]
    pub period: u32,
}

/// What a policy counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum PolicyKind {
    /// Replicas.
    Pods,
    /// Per cent of the replicas at the start of the period.
    Percent,
}

/// How far from 1 a ratio may be without a change of replicas.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tolerances {
    /// Below 1.
    pub down: f64,
    /// Above 1.
    pub up: f64,
}

impl Tolerances {
    /// The HPA's own, else `default` (of the controller: 0.1).
    #[must_use]
    pub fn of(behavior: Option<&Behavior>, default: f64) -> Self {
        let own =
            |rules: Option<&Rules>| rules.and_then(|rules| rules.tolerance).map_or(default, Quantity::to_f64);
        Self {
            down: own(behavior.map(|behavior| &behavior.scale_down)),
            up: own(behavior.map(|behavior| &behavior.scale_up)),
        }
    }

    pub(super) fn cover(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

impl Rules {
    fn up() -> Self {
        let pods = Policy { kind: PolicyKind::Pods, value: 4, period: 15 };
        let policies = vec![pods, Policy { kind: PolicyKind::Percent, value: 100, period: 15 }];
        Self { window: Some(0), select: Select::Max, policies, tolerance: None }
    }

    fn down() -> Self {
        let policies = vec![Policy { kind: PolicyKind::Percent, value: 100, period: 15 }];
        Self { window: None, select: Select::Max, policies, tolerance: None }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireMetric {
    r#type: String,
    pods: Option<WireSource>,
    object: Option<WireSource>,
    external: Option<WireSource>,
    resource: Option<WireResource>,
    container_resource: Option<WireResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSource {
    metric: WireIdentifier,
    target: WireTarget,
    described_object: Option<Described>,
}

#[derive(Deserialize)]
struct WireResource {
    name: String,
    container: Option<String>,
    target: WireTarget,
}

#[derive(Deserialize)]
struct WireIdentifier {
    name: String,
    selector: Option<SelectorSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireTarget {
    value: Option<Quantity>,
    average_value: Option<Quantity>,
    average_utilization: Option<i32>,
}

impl TryFrom<WireMetric> for MetricSpec {
    type Error = String;

    fn try_from(wire: WireMetric) -> Result<Self, String> {
        let missing = || format!("a metric of type {:?} has no such field, or no target", wire.r#type);
        let (source, target) = match &*wire.r#type {
            "Pods" => wire.pods.map(|wire| (MetricSource::Pods(wire.metric.into()), wire.target)),
            "Object" => wire.object.and_then(|wire| {
                Some((MetricSource::Object(wire.metric.into(), wire.described_object?), wire.target))
            }),
            "External" => wire.external.map(|wire| (MetricSource::External(wire.metric.into()), wire.target)),
            _ => wire.resource.or(wire.container_resource).map(|wire| {
                (MetricSource::Resource { name: wire.name, container: wire.container }, wire.target)
            }),
        }
        .ok_or_else(missing)?;
        Ok(Self { target: target.known().ok_or_else(missing)?, source })
    }
}

impl WireTarget {
    fn known(&self) -> Option<Target> {
        let value = self.value.map(Target::Value);
        self.average_value
            .map(Target::AverageValue)
            .or(value)
            .or(self.average_utilization.map(Target::Utilization))
    }
}

impl From<WireIdentifier> for Identifier {
    fn from(wire: WireIdentifier) -> Self {
        Self { name: wire.name, selector: wire.selector.unwrap_or_default().text() }
    }
}
