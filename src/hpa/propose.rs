//! From what the metrics API answers for one metric of an HPA to the replicas that it asks for.

use super::{
    MetricSource, MetricSpec, NoProposal, PodReading, Proposal, Ready, Target, Tolerances, Unread,
    replicas::{of_object_average, of_pods, of_total, sum, sum_for_average},
};

/// What the metrics API has for one metric, in thousandths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reading {
    /// Of each selected pod.
    Pods(Vec<PodReading>),
    /// The value of an object, or those of an external metric's label sets.
    Values(Vec<i64>),
    /// Nothing, with the reason.
    Nothing(String),
}

/// How large the scale target is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scale {
    /// `spec.replicas`.
    pub spec: i32,
    /// `status.replicas`.
    pub status: i32,
    /// Selected pods that are running and ready.
    pub ready: Ready,
}

/// How many replicas a metric asks for.
///
/// # Errors
/// When it has no value, or one that nothing can be computed of.
pub fn propose(
    metric: &MetricSpec,
    reading: &Reading,
    scale: Scale,
    tolerances: Tolerances,
) -> Result<Proposal, Unread> {
    match (reading, metric.target) {
        (Reading::Nothing(reason), _) => Err(Unread::NoValue(reason.clone())),
        (_, Target::Utilization(_)) => Err(Unread::NoValue(UTILIZATION.to_owned())),
        (Reading::Pods(pods), Target::AverageValue(target) | Target::Value(target)) => {
            Ok(of_pods(pods, target.milli(), scale.spec, tolerances)?)
        }
        (Reading::Values(values), target) => Ok(of_values(metric, (values, target), scale, tolerances)?),
    }
}

fn of_values(
    metric: &MetricSpec,
    (values, target): (&[i64], Target),
    scale: Scale,
    tolerances: Tolerances,
) -> Result<Proposal, NoProposal> {
    let values = values.iter().copied();
    let external = matches!(metric.source, MetricSource::External(_));
    match target {
        Target::Value(target) => of_total(sum(values), target.milli(), (scale.spec, scale.ready), tolerances),
        Target::AverageValue(target) if external => {
            let usage = sum_for_average(values);
            Ok(of_object_average(usage, target.milli(), scale.status, (tolerances, true)))
        }
        Target::AverageValue(target) => {
            Ok(of_object_average(sum(values), target.milli(), scale.status, (tolerances, false)))
        }
        Target::Utilization(_) => Err(NoProposal::NoValues),
    }
}

const UTILIZATION: &str =
    "a share of the pods' requests is computed by the HPA controller from metrics.k8s.io";
