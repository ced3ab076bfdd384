//! What the controller does with an HPA once it has asked for every metric.

use super::{
    MetricSource, NoProposal, Proposal, Spec, Status,
    limits::{self, Bounds, Held, History},
};

/// What one sync of the controller has to go by.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The HPA.
    pub spec: &'a Spec,
    /// Its status: whether the controller itself scaled to zero stands there.
    pub status: &'a Status,
    /// `spec.replicas` of the scale.
    pub current: i32,
    /// What each metric asks for, in the order of the spec; the error says why it asks for nothing.
    pub proposals: &'a [Result<Proposal, Unread>],
    /// What the controller remembers.
    pub history: &'a History,
    /// The controller's window for fewer replicas, in seconds: 300 by default.
    pub down_window: u32,
}

/// Why a metric asks for nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unread {
    /// The metrics API has no value.
    #[error("{0}")]
    NoValue(String),
    /// It has, and nothing can be computed of it.
    #[error(transparent)]
    NoProposal(#[from] NoProposal),
}

/// What the controller does.
#[derive(Clone, PartialEq, Debug)]
pub enum Decision {
    /// It keeps or changes the number of replicas.
    Replicas {
        /// The metric that asks for most, as an index of the spec; `None` where only the bounds count.
        metric: Option<usize>,
        /// What the metrics ask for.
        wanted: i32,
        /// What is set, and what held it.
        held: Held,
    },
    /// It changes nothing.
    Nothing(Unchanged),
}

/// Why the controller changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unchanged {
    /// The target was scaled to zero by hand: the HPA is off.
    Disabled,
    /// Every metric is without a value, or one is and the others ask for fewer replicas.
    Metric {
        /// The first such metric, as an index of the spec.
        metric: usize,
        /// Why.
        why: Unread,
    },
}

impl Decision {
    /// The replicas after the sync.
    #[must_use]
    pub fn replicas(&self, current: i32) -> i32 {
        match self {
            Self::Replicas { held, .. } => held.replicas,
            Self::Nothing(_) => current,
        }
    }
}

/// One sync of the controller.
#[must_use]
pub fn decide(inputs: &Inputs<'_>) -> Decision {
    let bounds =
        Bounds { min: inputs.spec.min_replicas, max: inputs.spec.max_replicas, current: inputs.current };
    match inputs.current {
        0 if !scales_from_zero(inputs) => Decision::Nothing(Unchanged::Disabled),
        1.. if inputs.current > bounds.max => bound(bounds.max, limits::Limit::TooManyReplicas),
        1.. if inputs.current < bounds.min => bound(bounds.min, limits::Limit::TooFewReplicas),
        _ => by_metrics(inputs, bounds),
    }
}

fn bound(replicas: i32, limit: limits::Limit) -> Decision {
    let held = Held { replicas, stabilized: replicas, limit };
    Decision::Replicas { metric: None, wanted: replicas, held }
}

fn scales_from_zero(inputs: &Inputs<'_>) -> bool {
    let itself = inputs.status.condition("ScaledToZero").is_some_and(|condition| condition.status == "True");
    let whole =
        |source: &MetricSource| matches!(source, MetricSource::Object(..) | MetricSource::External(_));
    let can = inputs.spec.metrics.iter().any(|metric| whole(&metric.source));
    itself && (inputs.spec.min_replicas != 0 || can)
}

fn by_metrics(inputs: &Inputs<'_>, bounds: Bounds) -> Decision {
    let (metric, most) = match largest(inputs.proposals) {
        Some((metric, most)) => (Some(metric), most),
        None => (None, 0),
    };
    let failed = inputs.proposals.iter().enumerate().find_map(|(at, one)| Some((at, one.as_ref().err()?)));
    if let Some((at, why)) = failed
        && (metric.is_none() || most < inputs.current)
    {
        return Decision::Nothing(Unchanged::Metric { metric: at, why: why.clone() });
    }
    // The controller starts from 0: a number below it counts as 0.
    let wanted = most.max(0);
    let mut held = match &inputs.spec.behavior {
        None => limits::plain(bounds, wanted, inputs.history, inputs.down_window),
        Some(behavior) => limits::shaped(bounds, wanted, (behavior, inputs.history), inputs.down_window),
    };
    if inputs.current == 0 {
        held.replicas = held.replicas.max(bounds.min);
    }
    Decision::Replicas { metric, wanted, held }
}

/// The first of the largest proposals; as the controller has it, anything replaces 0.
fn largest(proposals: &[Result<Proposal, Unread>]) -> Option<(usize, i32)> {
    let valid = proposals.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_ref().ok()?.replicas)));
    valid.reduce(|most, one| if most.1 == 0 || one.1 > most.1 { one } else { most })
}
