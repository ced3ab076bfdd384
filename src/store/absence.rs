//! Why a read has no value.

use jiff::Timestamp;

use super::Coverage;
use crate::derive::Fault;

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
    /// It is computed from others, and that does not work now.
    #[error("it is derived, and {0}")]
    Derived(Box<Fault<Self>>),
    /// A derived metric over a window.
    #[error(
        "it is derived from others, and custom-metrics-adapter/over is for gauges and written values: leave it out"
    )]
    DerivedOver,
    /// It is computed from pods, and too few of them have it.
    #[error("{0}")]
    Coverage(Box<Coverage>),
    /// Pods of one object mean different things by one name.
    #[error("its pods {pods} mean different things by it, which do not add up: rename one of them")]
    Unlike {
        /// Two of them, such as `web-1 and web-2`.
        pods: Box<str>,
    },
    /// Pods of one object derive it differently.
    #[error(
        "its pods {pods} derive it by different expressions: it has a value once all of them have the same"
    )]
    DerivedUnlike {
        /// Two of them.
        pods: Box<str>,
    },
    /// Too many written series have a past.
    #[error("the past of {most} written series is asked for, and no more are kept")]
    NoRoom {
        /// How many.
        most: usize,
    },
    /// Windows of too many metrics of one object.
    #[error("the past of {most} other metrics of it is asked for, and no more are kept")]
    TooManyWindows {
        /// How many.
        most: usize,
    },
}

impl Absence {
    /// Of a derived metric the reason of the part that is missing, else itself.
    #[must_use]
    pub fn root(&self) -> &Self {
        match self {
            Self::Coverage(coverage) => coverage.root().unwrap_or(self),
            Self::Derived(fault) => match &**fault {
                Fault::Missing { why, .. } => why.root(),
                Fault::DivisionByZero | Fault::OutOfRange => self,
            },
            _ => self,
        }
    }

    /// The more telling of two reasons.
    pub(super) fn or(self, other: Self) -> Self {
        if self == Self::UnknownMetric { other } else { self }
    }
}

fn because(error: Option<&str>) -> String {
    error.map(|error| format!("; it fails with: {error}")).unwrap_or_default()
}
