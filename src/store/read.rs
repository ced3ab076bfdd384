//! Values out.

use std::collections::BTreeSet;

use dashmap::mapref::one::Ref;
use jiff::{SignedDuration, Timestamp};

use crate::{
    derive::Expression,
    model::{
        Fold, GroupResource, MetricName, MetricSelector, MetricValue, ObjectRef, Options, Over, Presence,
        Sample, Subject,
    },
};

use super::{
    Absence, Store, fold,
    recent::MOST_PASTS,
    scraped,
    slot::{Series, Slot},
};

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
        let of_all = || self.0.derived.load().get(metric).cloned();
        let sample = match scraped::derived(&slot.scraped, metric, query.presence).or_else(of_all) {
            Some(expression) => {
                drop(slot);
                self.derive(object, &expression, query)
            }
            None => read_itself(slot, metric, query),
        }?;
        Ok(MetricValue { object: object.clone(), metric: metric.clone(), sample })
    }

    /// The value of an expression over the object's metrics; the label sets of each are those that both select.
    fn derive(
        &self,
        object: &ObjectRef,
        expression: &Expression,
        query: Query<'_>,
    ) -> Result<Sample, Absence> {
        let asked = query.selector.options();
        if asked.over.is_some() {
            return Err(Absence::DerivedOver);
        }
        let value = expression.evaluate(|reference| {
            let matchers = reference.matchers.iter().chain(&asked.matchers).cloned().collect();
            let (fold, window) = (reference.fold.or(asked.fold), asked.window);
            let options = Options { fold, window, matchers, ..Options::default() };
            let selector = query.selector.with(options);
            let slot = self.0.slots.object(object).ok_or(Absence::UnknownMetric)?;
            read_itself(slot, &reference.metric, Query { selector: &selector, ..query })
        });
        fold::scaled(value.map_err(|fault| Absence::Derived(Box::new(fault)))?, asked.scale)
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
        let derived = self.0.derived.load();
        let of_all = derived.names().filter(|_| object.resource == GroupResource::pods()).cloned();
        written.chain(scraped).chain(of_all).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The value of a metric that is not derived.
pub(super) fn read_itself(
    slot: Ref<'_, ObjectRef, Slot>,
    metric: &MetricName,
    query: Query<'_>,
) -> Result<Sample, Absence> {
    let absence = match written(&slot, metric, query) {
        Err(absence) if !slot.scraped.is_empty() => absence,
        written => return written,
    };
    let targets = slot.scraped.clone();
    drop(slot);
    scraped::read(&targets, metric.as_str(), query).map_err(|scraped| absence.or(scraped))
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
    let part = |series: &'a Series| match reach {
        Some(reach) => Ok((series, reach.over(series, query.now)?)),
        None => Ok((series, series.sample.clone())),
    };
    let parts = usable(series, query).map(part).collect::<Result<Vec<_>, Absence>>()?;
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

    fn over(self, series: &Series, now: Timestamp) -> Result<Sample, Absence> {
        if !series.recent.is_whole(self.window, now) {
            return Err(Absence::NoRoom { most: MOST_PASTS });
        }
        let newest = &series.sample;
        let (value, since) = series.recent.over(self.over, (newest.timestamp, newest.value), self.window);
        let seconds = newest.timestamp.duration_since(since).as_secs();
        Ok(Sample { value, window_seconds: u32::try_from(seconds).ok(), ..newest.clone() })
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
