//! What scrapes bring in. A [`Target`] is one scraped port of an object; it keeps the scrapes of a little more than
//! one window, and computes what is asked for when it is asked.

mod books;
mod derive;
mod history;
mod quantile;
mod rate;
mod row;
mod shape;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};

pub use shape::{PackedLabels, SeriesKind, Shape, ShapeBuilder};

use self::{
    derive::{Derived, Missing, Sum},
    history::{History, Stamp},
    rate::Span,
};
use super::{
    Absence, Account, AppendError, Query, Store,
    room::{Age, Kept},
};
use crate::model::{MetricName, ObjectRef, Presence, Quantity, Sample, Tenant, Uid};

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
    /// When that was created: older ones go before newer ones where a limit is reached.
    pub created: Timestamp,
    /// What tells the targets of one object apart, such as `8080/metrics`.
    pub name: Arc<str>,
    /// The scrape interval.
    pub interval: SignedDuration,
    /// What rates and quantiles are computed over.
    pub window: SignedDuration,
    /// How old the last good scrape may be before its values are served no more.
    pub max_age: SignedDuration,
    /// How series of one name become one number.
    pub fold: Fold,
}

/// One good scrape.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// When it began.
    pub at: Timestamp,
    /// When the target's process started, if that is known.
    pub started: Option<Timestamp>,
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
        Self { at, started: None, shape, values, moved: None, timestamps: &[], unreadable: &[] }
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
    tenant: Tenant,
    age: Age,
    /// One with that of the target before it was reconfigured, which a read may still look at.
    history: Arc<RwLock<Option<History>>>,
    /// There is none without a history.
    kept: Mutex<Option<Kept>>,
    error: Mutex<Option<Box<str>>>,
}

impl Store {
    /// Registers a target with its object.
    #[must_use]
    pub fn target(&self, options: TargetOptions) -> Target {
        let object = options.object.clone();
        let scraped = Arc::new(Scraped::new(options));
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
        let stamp =
            Stamp { at: scrape.at.as_millisecond(), started: scrape.started.map(Timestamp::as_millisecond) };
        let mut history = self.scraped.history.write();
        let before = history.as_ref().map(|history| history.shape().clone());
        let changed = before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, scrape.shape));
        if changed {
            self.store.reshape(&self.scraped, before.as_deref(), scrape.shape)?;
        }
        let bytes = history.as_ref().map_or(0, History::bytes);
        match (history.as_mut(), scrape.moved) {
            (Some(history), None) if !changed => history.push(stamp, scrape.values),
            (Some(history), Some(moved)) => {
                history.push_moved(stamp, scrape.shape.clone(), scrape.values, moved);
            }
            _ => {
                let span = self.scraped.options.span();
                *history = Some(History::new(span, stamp, scrape.shape.clone(), scrape.values));
            }
        }
        if let Some(history) = history.as_mut() {
            self.store.account(&self.scraped.tenant, bytes, history);
        }
        self.scraped.error.lock().take();
        Ok(())
    }

    /// Changes how the target's values are computed. Its past stays, and counts by the new rules.
    pub fn reconfigure(&mut self, options: TargetOptions) {
        self.scraped = self.store.replace(&self.scraped, options);
    }

    /// Keeps `what` alive for as long as the store holds what was last appended, and no longer. `bytes` of it are
    /// charged to the target's [`Account`], alone or with others that keep the same.
    pub fn keep(&self, what: Arc<dyn std::any::Any + Send + Sync>, bytes: usize) {
        if self.scraped.history.read().is_some() {
            *self.scraped.kept.lock() = Some(Kept { what, bytes });
        }
    }

    /// For what the target shares with others.
    #[must_use]
    pub fn account(&self) -> Account {
        Account { store: self.store.clone(), scraped: self.scraped.clone() }
    }

    /// Says why the last scrape failed, for those who miss its values.
    pub fn failed(&self, error: &str) {
        let cut: String = error.chars().take(LONGEST_ERROR).collect();
        *self.scraped.error.lock() = Some(cut.into());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.store.detach(&self.scraped);
    }
}

impl TargetOptions {
    fn span(&self) -> Span {
        let millis = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 8);
        Span { window: millis(self.window).max(1), interval: millis(self.interval).max(1) }
    }
}

impl Scraped {
    fn new(options: TargetOptions) -> Self {
        let TargetOptions { uid, created, name, .. } = &options;
        Self {
            tenant: Tenant::of(&options.object),
            age: Age { created: *created, uid: uid.clone(), name: name.clone() },
            options,
            history: Arc::default(),
            kept: Mutex::default(),
            error: Mutex::default(),
        }
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub(super) fn age(&self) -> &Age {
        &self.age
    }

    pub(super) fn uid(&self) -> &Uid {
        &self.options.uid
    }

    /// The names that it answers to, for listing an object's metrics.
    pub(super) fn names(&self) -> BTreeSet<MetricName> {
        self.history.read().as_ref().map(|history| answered(history.shape())).unwrap_or_default()
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
                show(&group.name, shape.labels(*series), value, history.at());
            }
        }
    }

    /// Whether a read may use it now; why not, if so.
    fn refusal(&self, query: Query<'_>) -> Option<Absence> {
        let live = match query.presence {
            Presence::Live(live) => live.uid == self.options.uid,
            Presence::Absent => false,
            Presence::Unknown => true,
        };
        if !live {
            return Some(Absence::ObjectGone);
        }
        let error = || self.error.lock().as_deref().map(str::to_owned);
        let Some(at) = self.history.read().as_ref().map(History::at) else {
            return Some(Absence::NotScraped { error: error() });
        };
        let age = SignedDuration::from_millis(query.now.as_millisecond() - at);
        (age > self.options.max_age).then(|| Absence::Stale { age, error: error() })
    }
}

/// The names that a target of this shape answers to and that a path can carry, each once.
fn answered(shape: &Shape) -> BTreeSet<MetricName> {
    derive::names(shape).iter().filter_map(|name| MetricName::new(name).ok()).collect()
}

/// Characters of a scrape's error that a read quotes.
const LONGEST_ERROR: usize = 300;

/// The value of one metric from all targets of an object.
pub(super) fn read(targets: &[Arc<Scraped>], metric: &str, query: Query<'_>) -> Result<Sample, Absence> {
    let mut sum = Sum::new();
    let mut oldest = i64::MAX;
    let mut refusal = None;
    for target in targets {
        if let Some(absence) = target.refusal(query) {
            refusal = Some(absence);
            continue;
        }
        if let Some(history) = target.history.read().as_ref() {
            sum.add(history, metric, query.selector);
            oldest = oldest.min(history.at());
        }
    }
    let fold = targets.first().map_or(Fold::Sum, |target| target.options.fold);
    match sum.fold(fold) {
        Ok(derived) => sample(derived, oldest),
        Err(Missing::NotExposed) => Err(refusal.unwrap_or(Absence::UnknownMetric)),
        Err(missing) => Err(missing.into()),
    }
}

fn sample(derived: Derived, at: i64) -> Result<Sample, Absence> {
    let value = Quantity::from_f64(derived.value).map_err(|_| Absence::OutOfRange)?;
    let timestamp = Timestamp::from_millisecond(at).map_err(|_| Absence::OutOfRange)?;
    // Nil would make the HPA assume a minute; a gauge has no window.
    let seconds = if derived.window == 0 { 0 } else { ((derived.window + 500) / 1000).max(1) };
    Ok(Sample { value, timestamp, window_seconds: u32::try_from(seconds).ok() })
}

impl From<Missing> for Absence {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::NotExposed => Self::UnknownMetric,
            Missing::NotSelected => Self::NoSeries,
            Missing::Early => Self::Early,
            Missing::NonMonotonic => Self::NonMonotonic,
            Missing::NoObservations => Self::NoObservations,
            Missing::NotANumber => Self::NotANumber,
        }
    }
}

impl Fold {
    /// One number from many; what is no number is left out.
    fn of(self, values: &[f64]) -> Result<f64, Missing> {
        let numbers = || values.iter().copied().filter(|value| value.is_finite());
        let count = numbers().count();
        if count == 0 {
            return Err(Missing::NotANumber);
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
