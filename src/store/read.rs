//! Values out.

use jiff::{SignedDuration, Timestamp};

use crate::model::{MetricName, MetricValue, ObjectRef, Presence, Selector};

use super::{Store, fold, slot::Series};

/// Why there is no value, where the nearest miss counts: a metric that exists for the object but is expired is
/// `Expired`, not `UnknownMetric`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Absence {
    /// Nothing was ever written under this name for this object, or it was removed.
    #[error("no value of this metric was written for it")]
    UnknownMetric,
    /// The metric is there, but no label set of it meets the metric selector.
    #[error("no series of this metric meets the selector")]
    NoSeries,
    /// A value is there, but it was written for an object that the cluster no longer has.
    #[error("the value was written for an object of this name that is gone")]
    ObjectGone,
    /// The value's ttl has passed.
    #[error("its ttl passed {ago:#} ago")]
    Expired {
        /// How long ago.
        ago: SignedDuration,
    },
    /// The label sets add up to more than the HPA can calculate with.
    #[error("its label sets add up to more than the HPA can calculate with")]
    OutOfRange,
}

/// How a read looks at an object's values.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What the cluster says of the object.
    pub presence: &'a Presence,
    /// Which label sets of a metric count.
    pub selector: &'a Selector,
    /// The moment of the read.
    pub now: Timestamp,
}

impl Store {
    /// The value of one metric of one object: the sum of its label sets that meet `selector`, dated by the oldest.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn read(
        &self,
        object: &ObjectRef,
        metric: &MetricName,
        query: Query<'_>,
    ) -> Result<MetricValue, Absence> {
        let slot = self.0.objects.get(object).ok_or(Absence::UnknownMetric)?;
        value(object, slot.of(metric), query)
    }

    /// Every metric of one object that has a value now, by name.
    #[must_use]
    pub fn read_all(&self, object: &ObjectRef, query: Query<'_>) -> Vec<MetricValue> {
        let Some(slot) = self.0.objects.get(object) else { return Vec::new() };
        slot.by_metric().filter_map(|series| value(object, series, query).ok()).collect()
    }
}

fn value(object: &ObjectRef, series: &[Series], query: Query<'_>) -> Result<MetricValue, Absence> {
    let first = series.first().ok_or(Absence::UnknownMetric)?;
    let selected = || series.iter().filter(|series| query.selector.matches(&series.labels));
    let refusal = |series: &Series| series.refusal(query.presence, query.now);
    let usable = selected().filter(|series| refusal(series).is_none());
    match fold::sum(usable.map(|series| &series.sample)) {
        Ok(sample) => Ok(MetricValue { object: object.clone(), metric: first.metric.clone(), sample }),
        Err(Absence::NoSeries) => Err(selected().find_map(refusal).unwrap_or(Absence::NoSeries)),
        Err(absence) => Err(absence),
    }
}
