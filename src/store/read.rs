//! Values out.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::{MetricName, MetricValue, ObjectRef, Presence, Sample, Selector, Subject};

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
    #[error("its ttl ended at {at:.0}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is scraped, but the last good scrape is too long ago.
    #[error("the last good scrape was at {at:.0}{}", because(.error.as_deref()))]
    Stale {
        /// When.
        at: Timestamp,
        /// The error of the last scrape.
        error: Option<Box<str>>,
    },
    /// It has a target without a good scrape.
    #[error("its target was not scraped yet{}", because(.error.as_deref()))]
    NotScraped {
        /// The error of the last scrape.
        error: Option<Box<str>>,
    },
    /// A rate or quantile that needs another scrape.
    #[error("it was scraped too few times to tell how fast it grows: wait for the next scrape")]
    Early,
    /// Several processes behind one port.
    #[error(
        "its counter is not one counter: it falls again and again, or the process start moves back, as when several \
         processes answer behind one port: make each of them a target, or expose their sum"
    )]
    NonMonotonic,
    /// Nothing was observed in the window.
    #[error("nothing was observed within the window")]
    NoObservations,
    /// A histogram without `le="+Inf"` and without a count.
    #[error(
        "the histogram has neither a bucket le=\"+Inf\" nor a count, so its quantiles are not known: expose one"
    )]
    NoInfBucket,
    /// A histogram with the bucket `le="+Inf"` alone.
    #[error("the histogram has no bucket but le=\"+Inf\", so its quantiles are not known: give it bounds")]
    NoFiniteBucket,
    /// NaN or an infinity.
    #[error("it is exposed as NaN or infinity")]
    NotANumber,
    /// A line of the metric's family could not be read.
    #[error("a line of it could not be read in the scrape of {at:.0}, so the rest is not the whole: {fault}")]
    Unreadable {
        /// When that scrape began.
        at: Timestamp,
        /// The line and what is wrong with it.
        fault: Box<str>,
    },
    /// A good scrape does not have it, the one before had.
    #[error("the scrape of {at:.0} was good but lacks it; it was last exposed at {seen:.0}")]
    Lacking {
        /// When the last good scrape began.
        at: Timestamp,
        /// When the last one that had it began.
        seen: Timestamp,
    },
    /// The pod's allow-list does not keep it.
    #[error(
        "the pod exposes {name}, but its annotation custom-metrics-adapter/metrics does not keep it: add it there"
    )]
    LeftOut {
        /// The sample's name.
        name: String,
    },
    /// A counter by its exact name.
    #[error(
        "it is a counter, and a total only grows: ask for {instead}, or annotate the pod with \
         custom-metrics-adapter/raw-counters: \"true\""
    )]
    RawCounter {
        /// The name that an HPA can use.
        instead: String,
    },
    /// A rate of something that is not exposed as a counter.
    #[error(
        "{name} is exposed as a gauge or without a type, and a rate needs a counter: if it only grows, annotate the pod \
         with custom-metrics-adapter/counters: {name}"
    )]
    NoCounter {
        /// The sample's name.
        name: String,
    },
    /// The start of a counter.
    #[error("{metric} is the moment at which a counter began, not a measurement")]
    CounterStart {
        /// Its name.
        metric: String,
    },
    /// Targets of one object mean different things by one name.
    #[error(
        "its targets {targets} expose it as different types, which do not add up: rename one of them, or leave it out with \
         custom-metrics-adapter/metrics"
    )]
    Mismatch {
        /// Port and path of two of them, such as `8080/metrics and 9090/metrics`.
        targets: Box<str>,
    },
    /// The timestamp in the exposition is too long ago.
    #[error(
        "its sample is exposed with the timestamp {at:.0}, which is too long ago: if that is its nature, annotate the pod with \
         custom-metrics-adapter/honor-timestamps: \"false\", or a longer custom-metrics-adapter/max-age"
    )]
    OldSample {
        /// The timestamp.
        at: Timestamp,
    },
    /// The timestamp in the exposition is still to come.
    #[error(
        "its sample is exposed with the timestamp {at:.0}, which is still to come: correct the clock of the pod, or annotate it \
         with custom-metrics-adapter/honor-timestamps: \"false\""
    )]
    TimeAhead {
        /// The timestamp.
        at: Timestamp,
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

    /// Some label sets of one metric, as selectors name them: of the written series, or else of the scraped ones.
    #[must_use]
    pub fn label_sets(&self, subject: &Subject, metric: &MetricName, most: usize) -> Vec<String> {
        let sets = self.0.slots.look(subject, |slot| {
            let written: BTreeSet<String> =
                slot.of(metric).iter().map(|series| series.labels.to_string()).collect();
            if !written.is_empty() {
                return written;
            }
            slot.scraped.iter().flat_map(|target| target.label_sets(metric.as_str())).collect()
        });
        sets.unwrap_or_default()
            .into_iter()
            .map(|set| if set.is_empty() { "(no labels)".to_owned() } else { set })
            .take(most)
            .collect()
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
    /// The more telling of two reasons.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::UnknownMetric { other } else { self }
    }
}

fn because(error: Option<&str>) -> String {
    error.map(|error| format!("; it fails with: {error}")).unwrap_or_default()
}
