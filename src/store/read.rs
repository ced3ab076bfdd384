//! Values out.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::model::{MetricName, MetricValue, ObjectRef, Presence, Sample, Selector};

use super::{Store, fold, scraped, slot::Series};

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
    /// It is scraped, but the last good scrape is too long ago.
    #[error("the last good scrape is {age:#} ago{}", because(.error.as_deref()))]
    Stale {
        /// How long ago.
        age: SignedDuration,
        /// What the last scrape failed with.
        error: Option<String>,
    },
    /// It has a target that was never scraped well.
    #[error("its target was not scraped yet{}", because(.error.as_deref()))]
    NotScraped {
        /// What the last scrape failed with.
        error: Option<String>,
    },
    /// A rate or quantile that needs another scrape.
    #[error("it was scraped too few times to tell how fast it grows: wait for the next scrape")]
    Early,
    /// A counter that falls without a restart.
    #[error(
        "the counter falls again and again without a restart, as when several processes answer behind one port: \
         make each of them a target, or expose their sum"
    )]
    NonMonotonic,
    /// Nothing was observed in the window.
    #[error("nothing was observed within the window")]
    NoObservations,
    /// NaN or an infinity.
    #[error("it is exposed as NaN or infinity")]
    NotANumber,
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
    /// The value of one metric of one object. Of what was written: the sum of the label sets that meet the selector,
    /// dated by the oldest. Else what was scraped.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn read(
        &self,
        object: &ObjectRef,
        metric: &MetricName,
        query: Query<'_>,
    ) -> Result<MetricValue, Absence> {
        let slot = self.0.slots.object(object).ok_or(Absence::UnknownMetric)?;
        let value = |sample| MetricValue { object: object.clone(), metric: metric.clone(), sample };
        let absence = match sum(slot.of(metric), query) {
            Err(absence) if !slot.scraped.is_empty() => absence,
            written => return written.map(value),
        };
        let targets = slot.scraped.clone();
        drop(slot);
        let sample =
            scraped::read(&targets, metric.as_str(), query).map_err(|scraped| absence.or(scraped))?;
        Ok(value(sample))
    }

    /// Every metric of one object that has a value now, by name.
    #[must_use]
    pub fn read_all(&self, object: &ObjectRef, query: Query<'_>) -> Vec<MetricValue> {
        self.metrics_of(object).iter().filter_map(|metric| self.read(object, metric, query).ok()).collect()
    }

    /// The names of an object's metrics, whether they have a value now or not; sorted.
    #[must_use]
    pub fn metrics_of(&self, object: &ObjectRef) -> Vec<MetricName> {
        let Some(slot) = self.0.slots.object(object) else { return Vec::new() };
        let written = slot.by_metric().filter_map(|series| Some(series.first()?.metric.clone()));
        let scraped = slot.scraped.iter().flat_map(|target| target.names());
        written.chain(scraped).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The sum of what a read of one metric's `series` may use.
///
/// # Errors
/// The reason why there is none: what refuses a series that the selector meets says more than that none is left.
pub(super) fn sum(series: &[Series], query: Query<'_>) -> Result<Sample, Absence> {
    if series.is_empty() {
        return Err(Absence::UnknownMetric);
    }
    let refusal = |series: &Series| series.refusal(query.presence, query.now);
    fold::sum(usable(series, query).map(|series| &series.sample)).map_err(|absence| match absence {
        Absence::NoSeries => selected(series, query).find_map(refusal).unwrap_or(Absence::NoSeries),
        absence => absence,
    })
}

/// Those of `series` that meet the selector and may be served now.
pub(super) fn usable<'a>(series: &'a [Series], query: Query<'a>) -> impl Iterator<Item = &'a Series> {
    selected(series, query).filter(move |series| series.refusal(query.presence, query.now).is_none())
}

fn selected<'a>(series: &'a [Series], query: Query<'a>) -> impl Iterator<Item = &'a Series> {
    series.iter().filter(move |series| query.selector.matches(&series.labels))
}

impl Absence {
    /// The more telling of what was written and what was scraped.
    fn or(self, scraped: Self) -> Self {
        if self == Self::UnknownMetric { scraped } else { self }
    }
}

fn because(error: Option<&str>) -> String {
    error.map(|error| format!("; it fails with: {error}")).unwrap_or_default()
}
