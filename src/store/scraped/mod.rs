//! What scrapes bring in. A [`Target`] is one scraped port of an object; it keeps the scrapes of a little more than
//! one window, and computes what is asked for when it is asked.

mod derive;
mod doubt;
mod history;
mod names;
mod past;
mod quantile;
mod rate;
mod read;
mod row;
mod shape;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};

pub(super) use read::read;
pub use shape::{PackedLabels, SeriesKind, Shape, ShapeBuilder};

use self::{
    history::{History, Stamp},
    rate::{Span, Starts},
};
use super::{Absence, AppendError, Store, catalog::Listed};
use crate::model::{MetricName, ObjectRef, Uid};

/// How several series of one name in an object become one number. Rates are taken first, so a restart of one of
/// them does not hide in the sum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fold {
    /// Added up.
    #[default]
    Sum,
    /// Their mean.
    Average,
    /// The highest.
    Max,
    /// The lowest.
    Min,
}

/// What a target is, and how its values are computed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetOptions {
    /// The object that the values are about.
    pub object: ObjectRef,
    /// Which incarnation of it.
    pub uid: Uid,
    /// What tells the targets of one object apart, such as `8080/metrics`.
    pub name: Arc<str>,
    /// The scrape interval.
    pub interval: SignedDuration,
    /// What rates and quantiles are computed over.
    pub window: SignedDuration,
    /// How old the last good scrape may be before its values are served no more.
    pub max_age: SignedDuration,
    /// The same after a scrape that timed out: the pod is there, and overloaded.
    pub max_age_after_timeout: SignedDuration,
    /// How series of one name become one number.
    pub fold: Fold,
    /// Whether counters answer to their exact names.
    pub raw_counters: bool,
}

/// One good scrape.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// When it began.
    pub at: Timestamp,
    /// When the process that answered started, by its `process_start_time_seconds`.
    pub process_started: Option<Timestamp>,
    /// When the container behind the port started, by the kubelet.
    pub container_started: Option<Timestamp>,
    /// What was exposed.
    pub shape: &'a Arc<Shape>,
    /// One value for each series of the shape.
    pub values: &'a [f64],
    /// Where the shape is not that of the last append: for each of its series the place in the last shape.
    pub moved: Option<&'a [Option<u32>]>,
    /// The series that are exposed with a timestamp of their own (milliseconds since 1970), by place, ascending.
    pub timestamps: &'a [(u32, i64)],
    /// The families of which a line could not be read.
    pub unreadable: &'a [Unreadable],
}

/// A family of which a line of a body could not be read. It has no value in that scrape: the rest of it would be taken
/// for the whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreadable {
    /// The family, without the suffix of its part: `latency_seconds` for a line of `latency_seconds_bucket`.
    pub family: Box<str>,
    /// The line and its fault, such as `line 2: expected a value: "queue_depth{q=\"a\"} undefined"`.
    pub fault: Box<str>,
}

impl<'a> Scrape<'a> {
    /// A scrape of the same shape as the last one, or of a target's first, and nothing else to tell.
    #[must_use]
    pub fn new(at: Timestamp, shape: &'a Arc<Shape>, values: &'a [f64]) -> Self {
        Self {
            at,
            process_started: None,
            container_started: None,
            shape,
            values,
            moved: None,
            timestamps: &[],
            unreadable: &[],
        }
    }
}

/// The right to append to one target; dropping it takes the target's values out of the store.
pub struct Target {
    store: Store,
    scraped: Arc<Scraped>,
}

/// What the store keeps of a target.
pub(super) struct Scraped {
    options: TargetOptions,
    history: RwLock<Option<History>>,
    failure: Mutex<Option<Failure>>,
}

/// Why the last scrape was no good one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The error, of which the first characters are kept.
    pub error: Box<str>,
    /// Whether the target was reached and did not answer in time.
    pub timed_out: bool,
}

impl Store {
    /// Registers a target with its object.
    #[must_use]
    pub fn target(&self, options: TargetOptions) -> Target {
        let object = options.object.clone();
        let scraped = Arc::new(Scraped { options, history: RwLock::default(), failure: Mutex::default() });
        self.0.slots.fill(object.into(), |slot| slot.scraped.push(scraped.clone()));
        Target { store: self.clone(), scraped }
    }
}

impl Target {
    /// Makes one scrape visible, all of it at once.
    ///
    /// A scrape that needs more bytes than are left takes them from the target's own past: rates are computed over
    /// less then, and say so.
    ///
    /// # Errors
    /// When its new series do not fit the store; the last scrape stands then.
    pub fn append(&self, scrape: Scrape<'_>) -> Result<(), AppendError> {
        let mut history = self.scraped.history.write();
        let before = history.as_ref().map(|history| history.shape().clone());
        let changed = before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, scrape.shape));
        if changed {
            self.store.reshape(&self.scraped.options, before.as_deref(), scrape.shape)?;
        }
        let bytes = history.as_ref().map_or(0, History::bytes);
        match (history.as_mut(), scrape.moved) {
            (Some(history), None) if !changed => history.push(scrape.scraped()),
            (Some(history), Some(moved)) => history.push_moved(scrape.scraped(), scrape.shape.clone(), moved),
            _ => {
                let span = self.scraped.options.span();
                *history = Some(History::new(span, scrape.shape.clone(), scrape.scraped()));
            }
        }
        if let Some(history) = history.as_mut() {
            self.store.account(bytes, history);
        }
        self.scraped.failure.lock().take();
        Ok(())
    }

    /// Says why the last scrape failed, for a read that misses its values.
    pub fn failed(&self, failure: &Failure) {
        let error = failure.error.chars().take(LONGEST_ERROR).collect::<String>().into();
        *self.scraped.failure.lock() = Some(Failure { error, ..*failure });
    }
}

impl<'a> Scrape<'a> {
    fn scraped(&self) -> history::Scraped<'a> {
        let millis = |moment: Option<Timestamp>| moment.map(Timestamp::as_millisecond);
        let starts =
            Starts { process: millis(self.process_started), container: millis(self.container_started) };
        history::Scraped {
            stamp: Stamp { at: self.at.as_millisecond(), starts },
            values: self.values,
            times: self.timestamps,
            unreadable: self.unreadable,
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.store.detach(&self.scraped);
    }
}

impl Store {
    /// Accounts for a target's new shape: there has to be room for two scrapes of what is new, for its rates.
    fn reshape(&self, options: &TargetOptions, old: Option<&Shape>, new: &Shape) -> Result<(), AppendError> {
        let limit = self.0.limits.scraped_series;
        let old_len = old.map_or(0, Shape::len);
        let more = new.len().saturating_sub(old_len);
        self.0.budget.check(more.saturating_mul(2 * size_of::<f64>()))?;
        self.0.scraped.reserve(more, limit)?;
        self.0.scraped.give_back(old_len.saturating_sub(new.len()));
        self.name(options, old, new);
        Ok(())
    }

    /// Puts what a history grew by on the books, cut to what is left, but never to less than two scrapes: an HPA
    /// would be told for ever to wait for the next one. So targets that came when there was room can pass the limit
    /// by one scrape each, nine bytes a series.
    fn account(&self, before: usize, history: &mut History) {
        let grew = |history: &History| history.bytes().saturating_sub(before);
        while self.0.budget.check(grew(history)).is_err() && history.forget_oldest() {}
        let after = history.bytes();
        self.0.scraped.recount(before, after);
        self.0.budget.recount(before, after);
    }

    fn name(&self, options: &TargetOptions, old: Option<&Shape>, new: &Shape) {
        let under = Listed::Under(options.object.resource.clone());
        let raw = options.raw_counters;
        let (old, new) = (old.map(|old| listed(old, raw)).unwrap_or_default(), listed(new, raw));
        new.difference(&old).for_each(|metric| self.0.names.add(&under, metric));
        old.difference(&new).for_each(|metric| self.0.names.remove(&under, metric));
    }

    /// Takes a target out of its object and off the books; nothing if that was done already.
    pub(super) fn detach(&self, scraped: &Arc<Scraped>) {
        let subject = scraped.options.object.clone().into();
        self.0.slots.change(&subject, |slot| slot.scraped.retain(|other| !Arc::ptr_eq(other, scraped)));
        if let Some(history) = scraped.history.write().take() {
            self.0.scraped.give_back(history.shape().len());
            self.0.scraped.refund(history.bytes());
            self.0.budget.recount(history.bytes(), 0);
            self.name(&scraped.options, Some(history.shape()), &Shape::default());
        }
    }
}

impl TargetOptions {
    fn span(&self) -> Span {
        let millis = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 8);
        Span { window: millis(self.window).max(1), interval: millis(self.interval).max(1) }
    }
}

impl Scraped {
    pub(super) fn uid(&self) -> &Uid {
        &self.options.uid
    }

    /// The names that an object's list of metrics has of it.
    pub(super) fn names(&self) -> BTreeSet<MetricName> {
        let history = self.history.read();
        history.as_ref().map(|history| listed(history.shape(), self.options.raw_counters)).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        &self.options.name
    }

    /// Shows every series whose name has `part` in it: name, labels, newest value, and when.
    pub(super) fn search(&self, part: &str, mut show: impl FnMut(&str, PackedLabels<'_>, f64, i64)) {
        let history = self.history.read();
        let Some(history) = history.as_ref() else { return };
        let shape = history.shape();
        for group in shape.groups().iter().filter(|group| part.is_empty() || group.name.contains(part)) {
            for series in &group.members {
                let value = history.newest(*series).unwrap_or(f64::NAN);
                show(&group.name, shape.labels(*series), value, history.time(*series));
            }
        }
    }
}

/// The names that discovery lists of a target of this shape and that a path can carry, each once.
fn listed(shape: &Shape, raw_counters: bool) -> BTreeSet<MetricName> {
    shape.names().listed(raw_counters).filter_map(|name| MetricName::new(name).ok()).collect()
}

/// Characters of a scrape's error that a read quotes.
const LONGEST_ERROR: usize = 300;

impl Fold {
    /// One number from many; what is no number is left out.
    fn of(self, values: &[f64]) -> Result<f64, Absence> {
        let numbers = || values.iter().copied().filter(|value| value.is_finite());
        let count = numbers().count();
        if count == 0 {
            return Err(Absence::NotANumber);
        }
        #[expect(clippy::cast_precision_loss, reason = "series counts are small")]
        let mean = || numbers().sum::<f64>() / count as f64;
        Ok(match self {
            Self::Sum => numbers().sum(),
            Self::Average => mean(),
            Self::Max => numbers().fold(f64::NEG_INFINITY, f64::max),
            Self::Min => numbers().fold(f64::INFINITY, f64::min),
        })
    }
}
