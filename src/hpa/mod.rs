//! The Horizontal Pod Autoscaler as its controller sees it: what it asks for, and what it computes from the answers.
//!
//! Everything here is a pure function: no clock, no Kubernetes client, no store. The rules are those of
//! `pkg/controller/podautoscaler` of Kubernetes 1.37, held by recorded answers of that controller.

mod decision;
mod limits;
mod propose;
mod replicas;
mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use decision::{Decision, Inputs, Unchanged, Unread, decide};
pub use limits::{Bounds, Held, History, Limit, Recommendation, ScaleEvent};
pub use propose::{Reading, Scale, propose};
pub use replicas::{
    Counting, NoProposal, PodReading, Proposal, Ready, Verdict, of_object_average, of_pods, of_total, sum,
    sum_for_average,
};
pub use spec::{
    Behavior, Described, Identifier, MetricSource, MetricSpec, Policy, PolicyKind, Rules, Select, Spec,
    Target, Tolerances,
};
pub use status::{Condition, Hpa, Status};
