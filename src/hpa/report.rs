//! What is said of one HPA: the checklist, its verdict and the numbers behind it. Pages, JSON and the command show the
//! same report.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Condition;

/// One HPA at one moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it scales: `Deployment/web`.
    pub target: String,
    /// The moment.
    pub at: Timestamp,
    /// How it is.
    pub state: State,
    /// The first thing that is wrong, or how all is well, in a sentence.
    pub reason: String,
    /// What is wrong, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What mends it: a command, or a line of YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// How many replicas.
    pub replicas: Replicas,
    /// The checklist, in order.
    pub steps: Vec<Step>,
    /// Its metrics, in the order of the spec.
    pub metrics: Vec<MetricReport>,
    /// What its controller says.
    pub conditions: Vec<Condition>,
}

/// How an HPA is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It gets no value.
    Unknown,
    /// Some pods have no value.
    PartlyBlind,
    /// It wants more replicas than it may have.
    AtMax,
    /// It works, and a value of it is odd.
    Odd,
    /// Another server answers it.
    NotOurs,
    /// It is off: its target is set to 0 replicas.
    Disabled,
    /// Too little is known to say.
    CannotTell,
    /// The number of replicas is about to change.
    Scaling,
    /// It has as few replicas as it may have, and wants no more.
    AtMin,
    /// It has what it wants.
    AtTarget,
}

impl State {
    /// All states, those that need somebody first.
    pub const ALL: [Self; 10] = [
        Self::Unknown,
        Self::PartlyBlind,
        Self::AtMax,
        Self::Odd,
        Self::NotOurs,
        Self::Disabled,
        Self::CannotTell,
        Self::Scaling,
        Self::AtMin,
        Self::AtTarget,
    ];

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::PartlyBlind => "partly blind",
            Self::AtMax => "at max",
            Self::Odd => "odd value",
            Self::NotOurs => "not ours",
            Self::Disabled => "off",
            Self::CannotTell => "cannot tell",
            Self::Scaling => "scaling",
            Self::AtMin => "at min",
            Self::AtTarget => "at target",
        }
    }

    /// As JSON, URLs and labels have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::PartlyBlind => "partly-blind",
            Self::AtMax => "at-max",
            Self::Odd => "odd",
            Self::NotOurs => "not-ours",
            Self::Disabled => "disabled",
            Self::CannotTell => "cannot-tell",
            Self::Scaling => "scaling",
            Self::AtMin => "at-min",
            Self::AtTarget => "at-target",
        }
    }

    /// Whether somebody has to do something.
    #[must_use]
    pub fn is_problem(self) -> bool {
        matches!(
            self,
            Self::Unknown | Self::PartlyBlind | Self::AtMax | Self::Odd | Self::NotOurs | Self::Disabled
        )
    }
}

/// What is wrong with an HPA.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Its spec cannot be read.
    Spec,
    /// What it scales is not there, or cannot be scaled.
    ScaleTargetMissing,
    /// Its pods are another HPA's too, or its target has no selector.
    Selector,
    /// Its target is set to 0 replicas.
    ScalingDisabled,
    /// The described object, or its kind, is not there.
    ObjectMissing,
    /// No server is registered for the API.
    ApiMissing,
    /// Another server is registered for the API.
    ApiForeign,
    /// The registered server does not answer kube-apiserver.
    ApiUnavailable,
    /// The HPA controller may not read the API.
    AccessDenied,
    /// No such metric, and one with a similar name.
    MetricMisspelt,
    /// No such metric.
    MetricMissing,
    /// The selector of the scale target selects no pod.
    NoPods,
    /// All selected pods are starting or ending.
    NoRunningPods,
    /// A target does not answer.
    TargetDown,
    /// A pod asks to be scraped and cannot be.
    TargetRefused,
    /// The first scrapes are still to come.
    TooEarly,
    /// No label set meets `metric.selector`.
    NoSeries,
    /// The value's time to live has passed.
    ValueExpired,
    /// The value belongs to an object that is gone.
    ObjectGone,
    /// There is a number that no HPA can use.
    ValueUnusable,
    /// Too few of an object's pods have the metric that is computed from them.
    Coverage,
    /// Some pods have no value.
    PartlyBlind,
    /// A value is below 0.
    ValueNegative,
    /// A value is a thousand times its target, or more.
    ValueHuge,
    /// More replicas are wanted than allowed.
    AtMax,
    /// Its controller says that it fails, for a reason that cannot be seen from here.
    Controller,
}

impl Cause {
    /// Whether the HPA's own conditions and Events do not tell it.
    #[must_use]
    pub fn is_seen_here_alone(self) -> bool {
        matches!(
            self,
            Self::PartlyBlind
                | Self::TargetDown
                | Self::TargetRefused
                | Self::MetricMisspelt
                | Self::NoSeries
                | Self::ValueExpired
                | Self::ValueUnusable
                | Self::ObjectGone
                | Self::ApiForeign
        )
    }
}

/// A step of the checklist.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which.
    pub step: StepKind,
    /// Of which metric, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found.
    pub text: String,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The steps, in the order in which a value comes to an HPA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// The HPA's spec is understood.
    Spec,
    /// What it scales exists and has a selector.
    ScaleTarget,
    /// The API is registered, by this adapter, and available.
    Api,
    /// The HPA controller may read it.
    Access,
    /// The object that the metric describes exists.
    Object,
    /// The scale target's selector selects pods.
    Pods,
    /// The pods' targets are scraped.
    Targets,
    /// The metric exists.
    Metric,
    /// There are values, and of every pod.
    Values,
    /// What the controller itself says.
    Controller,
    /// What is computed of the values.
    Computation,
    /// What becomes of the replicas.
    Replicas,
}

impl StepKind {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Spec => "HPA spec",
            Self::ScaleTarget => "scale target",
            Self::Api => "API registered",
            Self::Access => "HPA controller may read",
            Self::Object => "described object",
            Self::Pods => "pods selected",
            Self::Targets => "pods scraped",
            Self::Metric => "metric exists",
            Self::Values => "values",
            Self::Controller => "HPA controller says",
            Self::Computation => "computation",
            Self::Replicas => "replicas",
        }
    }
}

/// Whether a step holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It does.
    Ok,
    /// It does not, and the HPA cannot work.
    Wrong,
    /// The HPA works, with less than it should have.
    Warning,
    /// Nobody could tell.
    Unknown,
}

/// Numbers of replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// As the HPA's status has it.
    pub current: i32,
    /// As the HPA's status has it.
    pub desired: i32,
    /// What the controller's own arithmetic makes of the values that are here now.
    pub computed: Option<i32>,
    /// `minReplicas`
    pub min: i32,
    /// `maxReplicas`
    pub max: i32,
}

/// One metric of an HPA.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricReport {
    /// `Pods`, `Object`, `External` or `Resource`.
    pub r#type: String,
    /// Its name.
    pub name: String,
    /// `metric.selector`; empty for all label sets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// `Service/checkout`: the described object of a metric of type `Object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// `AverageValue`, `Value` or `Utilization`.
    pub target_type: String,
    /// The target.
    pub target: String,
    /// The target as a number.
    pub target_number: f64,
    /// What the HPA compares with the target; of pods the average of those that have a value.
    pub value: Option<f64>,
    /// Value over target, with what the controller assumes of pods without a value.
    pub ratio: Option<f64>,
    /// Replicas that this metric asks for.
    pub replicas: Option<i32>,
    /// When the oldest sample was true.
    pub oldest: Option<Timestamp>,
    /// Pods that count; 0 for metrics that are of no pod.
    pub pods: usize,
    /// Pods of those that have a value.
    pub pods_with_value: usize,
    /// Why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack: Option<String>,
    /// Each pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<PodReport>,
}

/// One pod of a metric.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodReport {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<f64>,
    /// When that was true.
    pub at: Option<Timestamp>,
    /// How its target is: `up`, `down: …`; nothing if it is not scraped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How the HPA treats it.
    pub treated: String,
    /// Why it has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lack: Option<String>,
}

impl Report {
    /// The first step that is wrong; without one, the first that is a warning.
    #[must_use]
    pub fn first_wrong(&self) -> Option<&Step> {
        first_wrong(&self.steps)
    }

    /// Without what only the page of one HPA shows.
    #[must_use]
    pub fn brief(mut self) -> Self {
        self.steps.retain(|step| step.outcome != Outcome::Ok);
        self.metrics.iter_mut().for_each(|metric| metric.each.clear());
        self
    }
}

/// The first step that is wrong; without one, the first that is a warning.
pub(super) fn first_wrong(steps: &[Step]) -> Option<&Step> {
    let first = |outcome: Outcome| steps.iter().find(|step| step.outcome == outcome);
    first(Outcome::Wrong).or_else(|| first(Outcome::Warning))
}
