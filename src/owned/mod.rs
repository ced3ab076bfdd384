//! The metric of any object, computed from its pods, where none is written for the object itself.
//!
//! [`Cluster::members`](crate::cluster::Cluster::members) knows which pods those are, and
//! [`Store::read_crowd`] what they have together. In between is decided which of them count.

use jiff::{SignedDuration, Timestamp};

use crate::{
    cluster::{Members, NoMembers, Pod, PodPhase},
    model::{MetricName, MetricSelector, Sample},
    store::{Absence, Crowd, Member, Percent, Store},
};

/// When the pods of an object make up a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The part of the pods that should have a metric which has to have it.
    pub min_coverage: Percent,
    /// The scrape interval of pods that do not say one.
    pub interval: SignedDuration,
}

/// Why an object has no value from its pods.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Nothing {
    /// Its pods are not known.
    #[error("its pods are not known: {0}")]
    Unknown(NoMembers),
    /// There is none.
    #[error("it has no pods")]
    NoPods,
    /// None of them runs.
    #[error("it has {0} pods, and none of them is running")]
    NoneRuns(usize),
    /// They have no value together.
    #[error("{0}")]
    Absent(Absence),
}

impl Default for Rules {
    /// As the flags are by default.
    fn default() -> Self {
        let min_coverage = Percent::new(90).unwrap_or(Percent::WHOLE);
        Self { min_coverage, interval: SignedDuration::from_secs(15) }
    }
}

/// What the pods of an object have together.
///
/// # Errors
/// The reason why that is no value.
pub fn read(
    store: &Store,
    members: Result<Members, NoMembers>,
    metric: &MetricName,
    (selector, now, rules): (&MetricSelector, Timestamp, Rules),
) -> Result<Sample, Nothing> {
    let Members { object, pods, are_alike } = members.map_err(Nothing::Unknown)?;
    if pods.is_empty() {
        return Err(Nothing::NoPods);
    }
    let running = pods.iter().filter(|pod| counts(pod)).map(|pod| member(pod));
    let members: Vec<Member> = running.collect();
    if members.is_empty() {
        return Err(Nothing::NoneRuns(pods.len()));
    }
    let Rules { min_coverage: least, interval } = rules;
    let crowd = Crowd { object: Some(object), members, are_alike, least, interval };
    store.read_crowd(metric, (selector, now), &crowd).map_err(Nothing::Absent)
}

/// A pod that is starting does nothing yet, and one that is ending will do no more.
fn counts(pod: &Pod) -> bool {
    pod.phase == PodPhase::Running && pod.deletion.is_none()
}

/// It runs since the first of its containers has started: it may have waited long for a node.
fn member(pod: &Pod) -> Member {
    let started = pod.containers.iter().filter_map(|container| container.started).min();
    let created = pod.live.created;
    Member { live: pod.live.clone(), since: started.map_or(created, |started| started.max(created)) }
}
