//! The Horizontal Pod Autoscaler as its controller sees it: what it asks for, what it computes from the answers, and
//! what is to be said when it does not scale.
//!
//! Everything here is a pure function: no clock, no Kubernetes client, no store. The arithmetic is that of
//! `pkg/controller/podautoscaler` of Kubernetes 1.37, held by recorded answers of that controller. Whoever knows the
//! [`Facts`] gets the same [`Report`] of [`explain`].

mod checklist;
mod decision;
#[cfg(test)]
mod explained;
mod facts;
mod limits;
mod metric_steps;
pub mod numbers;
mod outlook;
mod points;
mod propose;
mod replicas;
mod report;
mod spec;
mod status;
#[cfg(test)]
mod tests;
pub mod text;

pub use checklist::explain;
pub use decision::{Decision, Inputs, Unchanged, Unread, decide};
pub use facts::{
    Access, Answer, ApiFact, ApiService, Facts, Lack, LackKind, Measured, MetricFact, MetricsGroup, PodFact,
    ScaleTarget, TargetFact, TargetState,
};
pub use limits::{Bounds, Held, History, Limit, Recommendation, ScaleEvent};
pub use points::{Detail, Listed, Listing, Notice, Point};
pub use propose::{Reading, Scale, propose};
pub use replicas::{
    Counting, NoProposal, PodReading, Proposal, Ready, Verdict, of_object_average, of_pods, of_total, sum,
    sum_for_average,
};
pub use report::{Cause, MetricReport, Outcome, PodReport, Replicas, Report, State, Step, StepKind};
pub use spec::{
    Behavior, Described, Identifier, MetricSource, MetricSpec, Policy, PolicyKind, Rules, Select, Spec,
    Target, Tolerances,
};
pub use status::{Condition, Hpa, Status};

/// The account of the HPA controller, where controllers have one each, as almost everywhere.
pub const CONTROLLER_ACCOUNT: &str = "system:serviceaccount:kube-system:horizontal-pod-autoscaler";
