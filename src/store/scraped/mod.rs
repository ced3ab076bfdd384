//! What scrapes bring in. A [`Target`] is one scraped port of an object; it keeps the scrapes of a little more than
//! one window, and computes what is asked for when it is asked.

mod books;
mod change;
mod contribution;
mod derive;
mod doubt;
mod grown;
mod history;
mod kept;
mod names;
mod past;
mod quantile;
mod rate;
mod read;
mod row;
mod shape;
mod steady;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, hash::BuildHasher, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, RwLock};

pub(super) use contribution::{Contribution, Derived, Parts, ValueKind};
pub(super) use read::{contributed, derived, read, sample};
pub use shape::{PackedLabels, SeriesKind, Shape, ShapeBuilder};

use self::{
    change::Starts,
    history::{History, Stamp},
    rate::Span,
};
use super::{
    Absence, Account, AppendError, Store,
    room::{Age, Kept},
    wishes::Wishes,
};
use crate::derive::Derivations;
use crate::model::{Fold, MetricName, ObjectRef, Tenant, Uid};

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
    /// The same after a scrape that timed out: the pod is there, and overloaded.
    pub max_age_after_timeout: SignedDuration,
    /// How series of one name become one number.
    pub fold: Fold,
    /// Whether counters answer to their exact names.
    pub raw_counters: bool,
    /// What is computed from its object's values.
    pub derived: Arc<Derivations>,
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
    tenant: Tenant,
    age: Age,
    /// One with that of the target before it was reconfigured, which a read may still look at.
    history: Arc<RwLock<Option<History>>>,
    /// Whose past is asked for beyond what rates need.
    wishes: Arc<Wishes>,
    /// There is none without a history.
    kept: Mutex<Option<Kept>>,
    failure: Mutex<Option<Failure>>,
    /// The families that a limit took or refused last, as hashes: while there is no history, a sum without them is not
    /// whole.
    lost: Mutex<Box<[u64]>>,
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
        let mut history = self.scraped.history.write();
        let before = history.as_ref().map(|history| history.shape().clone());
        let changed = before.as_ref().is_none_or(|before| !Arc::ptr_eq(before, scrape.shape));
        if changed {
            let fits = self.store.reshape(&self.scraped, before.as_deref(), scrape.shape);
            if fits.is_err() && before.is_none() {
                self.scraped.lose(scrape.shape);
            }
            fits?;
        }
        let bytes = history.as_ref().map_or(0, History::bytes);
        if let Some(history) = history.as_mut() {
            history.keep(&self.scraped.wishes.current(scrape.at));
        }
        match (history.as_mut(), scrape.moved) {
            (Some(history), None) if !changed => history.push(scrape.scraped()),
            (Some(history), Some(moved)) => history.push_moved(scrape.scraped(), scrape.shape.clone(), moved),
            _ => {
                let span = self.scraped.options.span();
                *history = Some(History::new(span, scrape.shape.clone(), scrape.scraped()));
            }
        }
        if let Some(history) = history.as_mut() {
            self.store.account(&self.scraped.tenant, bytes, history);
        }
        self.scraped.failure.lock().take();
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

impl TargetOptions {
    fn span(&self) -> Span {
        Span { window: millis(self.window).max(1), interval: millis(self.interval).max(1) }
    }
}

fn millis(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 8)
}

impl Scraped {
    fn new(options: TargetOptions) -> Self {
        let TargetOptions { uid, created, name, .. } = &options;
        Self {
            tenant: Tenant::of(&options.object),
            age: Age { created: *created, uid: uid.clone(), name: name.clone() },
            options,
            history: Arc::default(),
            wishes: Arc::default(),
            kept: Mutex::default(),
            failure: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// Remembers what a target without a history would have.
    fn lose(&self, shape: &Shape) {
        *self.lost.lock() = shape.families().iter().map(|family| hash_of(&family.name)).collect();
    }

    fn has_lost(&self, family: &str) -> bool {
        self.lost.lock().contains(&hash_of(family))
    }

    pub(super) fn interval(&self) -> SignedDuration {
        self.options.interval
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

    /// The names that an object's list of metrics has of it.
    pub(super) fn names(&self) -> BTreeSet<MetricName> {
        let history = self.history.read();
        history.as_ref().map(|history| listed(history.shape(), &self.options)).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        &self.options.name
    }

    /// What a name means of this target; `None` if nothing.
    pub(super) fn kind(&self, metric: &str) -> Option<crate::store::Kind> {
        let history = self.history.read();
        Some(history.as_ref()?.shape().names().meaning(metric)?.kind())
    }

    /// Shows every series of a name that is wanted: name, labels, newest value, and when.
    pub(super) fn search(
        &self,
        wanted: impl Fn(&str) -> bool,
        mut show: impl FnMut(&str, PackedLabels<'_>, f64, i64),
    ) {
        let history = self.history.read();
        let Some(history) = history.as_ref() else { return };
        let shape = history.shape();
        for group in shape.groups().iter().filter(|group| wanted(&group.name)) {
            for series in &group.members {
                let value = history.newest(*series).unwrap_or(f64::NAN);
                show(&group.name, shape.labels(*series), value, history.time(*series));
            }
        }
    }
}

/// The names that discovery lists of a target of this shape and that a path can carry, each once.
fn listed(shape: &Shape, options: &TargetOptions) -> BTreeSet<MetricName> {
    let exposed = shape.names().listed(options.raw_counters).filter_map(|name| MetricName::new(name).ok());
    // What exposes nothing has nothing to compute from.
    exposed.chain(options.derived.names().filter(|_| !shape.is_empty()).cloned()).collect()
}

/// A collision makes a value absent that could be there, so a fixed seed does no harm.
fn hash_of(family: &str) -> u64 {
    foldhash::quality::FixedState::default().hash_one(family)
}

/// Characters of a scrape's error that a read quotes.
const LONGEST_ERROR: usize = 300;

impl Fold {
    /// One number from many; what is no number is left out.
    pub(super) fn of(self, values: &[f64]) -> Result<f64, Absence> {
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
