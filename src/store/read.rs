//! Values out.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Fold, MetricName, MetricSelector, MetricValue, ObjectRef, Over, Presence, Sample};

use super::{
    Store, fold, scraped,
    slot::{Series, Slot},
};

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
    /// A gauge with a window, and nothing said of it.
    #[error(
        "nothing of it is computed over time, so a window needs custom-metrics-adapter/over beside it: avg, max or min"
    )]
    NeedsOver,
    /// What is computed over time already.
    #[error(
        "it is computed over custom-metrics-adapter/window already, and custom-metrics-adapter/over is for gauges and \
         written values: leave it out"
    )]
    NotOver,
    /// A fold of a quantile or a mean observation.
    #[error(
        "a quantile or mean is of all observations together, never one of several: leave custom-metrics-adapter/fold out"
    )]
    NotFolded,
    /// The past of an asked window is not known yet.
    #[error("its past is kept from the first question on: the window of {seconds} s is not full yet")]
    ShortWindow {
        /// The window.
        seconds: i64,
    },
    /// A window that holds more scrapes than are kept.
    #[error("it is scraped so often that its window is {longest} s at most: ask for a shorter one")]
    LongWindow {
        /// Seconds.
        longest: i64,
    },
    /// Windows of too many metrics of one object.
    #[error("the past of {most} other metrics of it is asked for, and no more are kept")]
    TooManyWindows {
        /// How many.
        most: usize,
    },
}

/// How a read looks at an object's values.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What the cluster says of the object.
    pub presence: &'a Presence,
    /// Which label sets of a metric count, and how.
    pub selector: &'a MetricSelector,
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
        let absence = match written(&slot, metric, query) {
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

/// The one value of what a read of one metric may use of a slot's written series.
///
/// # Errors
/// The reason why there is none: what refuses a series that the selector meets says more than that none is left.
pub(super) fn written(slot: &Slot, metric: &MetricName, query: Query<'_>) -> Result<Sample, Absence> {
    let options = query.selector.options();
    let parts = parts(slot, metric, query)?;
    let sample = fold::fold(options.fold.unwrap_or(Fold::Sum), parts.into_iter().map(|(_, sample)| sample))?;
    fold::scaled(sample, options.scale)
}

/// What a read of one metric may use of a slot's written series, each over the window that is asked for; at least one.
///
/// # Errors
/// The reason why there is none.
pub(super) fn parts<'a>(
    slot: &'a Slot,
    metric: &MetricName,
    query: Query<'a>,
) -> Result<Vec<(&'a Series, Sample)>, Absence> {
    let series = slot.of(metric);
    if series.is_empty() {
        return Err(Absence::UnknownMetric);
    }
    let options = query.selector.options();
    let reach = options.looks_back().then(|| Reach::of(slot, metric, query)).transpose()?;
    let part = |series: &'a Series| {
        (series, reach.map_or_else(|| series.sample.clone(), |reach| reach.over(series)))
    };
    let parts: Vec<_> = usable(series, query).map(part).collect();
    if parts.is_empty() {
        let refusal = |series: &Series| series.refusal(query.presence, query.now);
        return Err(selected(series, query).find_map(refusal).unwrap_or(Absence::NoSeries));
    }
    Ok(parts)
}

/// How far a read of written values looks back.
#[derive(Clone, Copy)]
struct Reach {
    over: Over,
    window: SignedDuration,
}

impl Reach {
    fn of(slot: &Slot, metric: &MetricName, query: Query<'_>) -> Result<Self, Absence> {
        let options = query.selector.options();
        let over = options.over.ok_or(Absence::NeedsOver)?;
        let window = options.window.unwrap_or(DEFAULT_WINDOW);
        let since = slot.wishes.note(metric.as_str(), (options, window), query.now)?;
        if query.now.duration_since(since) < window {
            return Err(Absence::ShortWindow { seconds: window.as_secs() });
        }
        Ok(Self { over, window })
    }

    fn over(self, series: &Series) -> Sample {
        let newest = &series.sample;
        let (value, since) = series.recent.over(self.over, (newest.timestamp, newest.value), self.window);
        let seconds = newest.timestamp.duration_since(since).as_secs();
        Sample { value, window_seconds: u32::try_from(seconds).ok(), ..newest.clone() }
    }
}

/// The window of a written value that an HPA asks for over time without saying how long.
const DEFAULT_WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// Those of `series` that meet the selector and may be served now.
fn usable<'a>(series: &'a [Series], query: Query<'a>) -> impl Iterator<Item = &'a Series> {
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
