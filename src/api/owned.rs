//! Values of objects that are computed from their pods.

use std::{cell::Cell, fmt};

use super::{custom::Read, not_found::remedy};
use crate::{
    cluster::{Members, NoMembers, Unavailable, grant},
    model::{GroupResource, MetricName, MetricValue, ObjectRef},
    owned::{self, Nothing},
    store::Absence,
};

/// Why an object for which nothing is written has no value from its pods either.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct NotOwned {
    pub(super) why: Nothing,
    /// How the metric would be written for it.
    pub(super) write: String,
    /// A metric with a similar name, of the object's resource or of pods.
    pub(super) nearest: Option<(GroupResource, MetricName)>,
}

/// How many pods one read may still look at.
pub(super) struct Allowance(Cell<usize>);

impl Allowance {
    pub(super) fn new() -> Self {
        Self(Cell::new(Members::MOST))
    }

    fn take(&self, members: Members) -> Result<Members, NoMembers> {
        let left = self.0.get().checked_sub(members.pods.len());
        let left = left.ok_or(NoMembers::TooMany { most: Members::MOST })?;
        self.0.set(left);
        Ok(members)
    }
}

impl Read<'_> {
    /// The value of an object from its pods.
    ///
    /// # Errors
    /// `None` where nothing is to be said of pods.
    pub(super) fn of_pods(
        &self,
        object: &ObjectRef,
        metric: &MetricName,
        allowance: &Allowance,
    ) -> Result<MetricValue, Option<Box<NotOwned>>> {
        if object.resource == GroupResource::pods() {
            return Err(None);
        }
        let members = self.cluster.members(object).and_then(|members| allowance.take(members));
        let asked = (&self.query.metrics, self.now, self.rules);
        let why = match owned::read(self.store, members, metric, asked) {
            Ok(sample) => {
                self.asked.note(Some(&object.resource), metric, self.now);
                return Ok(MetricValue { object: object.clone(), metric: metric.clone(), sample });
            }
            Err(why) => why,
        };
        if is_of_no_pods(&why) {
            return Err(None);
        }
        let is_of_nobody =
            matches!(&why, Nothing::Absent(Absence::Coverage(coverage)) if coverage.is_of_nobody());
        let nearest = is_of_nobody.then(|| self.nearest(object, metric)).flatten();
        Err(Some(Box::new(NotOwned { why, write: write_path(object, metric), nearest })))
    }
}

impl Read<'_> {
    fn nearest(&self, object: &ObjectRef, metric: &MetricName) -> Option<(GroupResource, MetricName)> {
        let of = |resource: GroupResource| {
            let nearest = self.store.nearest_metric(&resource, metric).filter(|nearest| nearest != metric);
            nearest.map(|nearest| (resource, nearest))
        };
        of(object.resource.clone()).or_else(|| of(GroupResource::pods()))
    }
}

/// Whether the object is none that has pods, as far as is known.
fn is_of_no_pods(why: &Nothing) -> bool {
    matches!(
        why,
        Nothing::Unknown(
            NoMembers::Unavailable(Unavailable::Standalone) | NoMembers::NoObject(_) | NoMembers::IsPod
        ) | Nothing::Absent(Absence::UnknownMetric)
    )
}

fn write_path(object: &ObjectRef, metric: &MetricName) -> String {
    let (resource, name) = (&object.resource, &object.name);
    match &object.namespace {
        _ if resource.is_namespaces() => format!("/write-metrics/namespaces/{name}/metrics/{metric}"),
        Some(namespace) => format!("/write-metrics/namespaces/{namespace}/{resource}/{name}/{metric}"),
        None => format!("/write-metrics/{resource}/{name}/{metric}"),
    }
}

impl fmt::Display for NotOwned {
    /// The cause first, the way to mend it last; no ages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, write, nearest } = self;
        match why {
            Nothing::Unknown(NoMembers::Unavailable(Unavailable::Forbidden { resource, .. })) => {
                write!(f, "{why}; {}", grant(resource))
            }
            Nothing::Unknown(NoMembers::Unavailable(Unavailable::NotSynced { resource })) => {
                write!(
                    f,
                    "the list of {resource} is still being read from the cluster; ask again in a second"
                )
            }
            Nothing::Unknown(_) => write!(f, "nothing is written for it under this name, and {why}"),
            Nothing::NoPods => write!(
                f,
                "nothing is written for it under this name, and it has no pods to compute it from; to scale from zero on, write it \
                 (POST {write}), or scale on a number that is there without these pods: that of an Ingress or of another \
                 workload, or an external metric"
            ),
            Nothing::NoneRuns(_) => write!(f, "nothing is written for it under this name, and {why}"),
            Nothing::Absent(absence) => {
                write!(f, "computed from its pods: {absence}{}", remedy(absence.root()))?;
                match nearest {
                    Some((resource, nearest)) => write!(f, "; the nearest metric of {resource} is {nearest}"),
                    None => Ok(()),
                }
            }
        }
    }
}
