//! The value of one metric of an object, from all its targets.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::{
    Failure, Scraped,
    contribution::{Contribution, Derived},
    derive::{Gap, Reach, Reader, timestamp},
    history::{History, MOST_SCRAPES},
    millis,
    rate::Span,
};
use crate::{
    derive::Expression,
    model::{Fold, Labels, MetricName, Presence, Quantity, Sample},
    store::{Absence, Query},
};

/// The value of `metric` from all targets of an object. A target that may be too little is no smaller sum but none.
pub(in crate::store) fn read(
    targets: &[Arc<Scraped>],
    metric: &str,
    query: Query<'_>,
) -> Result<Sample, Absence> {
    let (whole, fold) = contributed(targets, metric, query)?;
    sample(whole.fold(query.selector.options(), fold)?)
}

/// What all targets of an object contribute to `metric`, and how it is folded where the asker does not say.
pub(in crate::store) fn contributed(
    targets: &[Arc<Scraped>],
    metric: &str,
    query: Query<'_>,
) -> Result<(Contribution, Fold), Absence> {
    let mut live: Vec<&Scraped> =
        targets.iter().map(|target| &**target).filter(|target| target.is_live(query.presence)).collect();
    let Some(fold) = live.first().map(|target| target.options.fold) else { return Err(Absence::ObjectGone) };
    live.sort_by(|a, b| a.options.name.cmp(&b.options.name));
    let mut whole: Option<(Contribution, &Scraped)> = None;
    let mut missing = Absence::UnknownMetric;
    for target in live {
        match target.contribution(metric, query) {
            Ok(more) => match &mut whole {
                None => whole = Some((more, target)),
                Some((sum, first)) => sum.merge(more).map_err(|()| first.mismatch(target))?,
            },
            Err(Gap { absence, takes_all: true }) => return Err(absence),
            Err(Gap { absence, .. }) => missing = missing.or(absence),
        }
    }
    let (whole, _) = whole.ok_or(missing)?;
    Ok((whole, fold))
}

/// How `metric` of an object is computed from its others, if one of its targets says so.
pub(in crate::store) fn derived(
    targets: &[Arc<Scraped>],
    metric: &MetricName,
    presence: &Presence,
) -> Option<Arc<Expression>> {
    let live = targets.iter().filter(|target| target.is_live(presence));
    live.into_iter().find_map(|target| target.options.derived.get(metric).cloned())
}

impl Scraped {
    /// The label sets of the series that a metric is made of.
    pub(in crate::store) fn label_sets(&self, metric: &str) -> BTreeSet<String> {
        let mut sets = BTreeSet::new();
        let names = exposed_names(metric);
        self.search(
            |name| names.iter().any(|wanted| wanted == name),
            |_, labels, _, _| {
                let own = labels.iter().filter(|(name, _)| !matches!(*name, "le" | "quantile"));
                sets.insert(Labels::from_pairs(own).to_string());
            },
        );
        sets
    }

    /// Why nothing of this target is served, if so.
    pub(in crate::store) fn refusal(&self, presence: &Presence, now: Timestamp) -> Option<Absence> {
        if !self.is_live(presence) {
            return Some(Absence::ObjectGone);
        }
        let failure = self.failure.lock().clone();
        let at = timestamp(self.history.read().as_ref()?.at());
        let is_stale = now.duration_since(at) > self.max_age(failure.as_ref());
        is_stale.then(|| Absence::Stale { at, error: failure.map(|failure| failure.error) })
    }

    fn is_live(&self, presence: &Presence) -> bool {
        match presence {
            Presence::Live(live) => live.uid == self.options.uid,
            Presence::Absent => false,
            Presence::Unknown => true,
        }
    }

    fn contribution(&self, metric: &str, query: Query<'_>) -> Result<Contribution, Gap> {
        let history = self.history.read();
        let failure = self.failure.lock().clone();
        let Some(history) = history.as_ref() else {
            let has_lost = sources(metric).into_iter().any(|family| self.has_lost(family));
            return Err(never_scraped(failure, has_lost));
        };
        let age =
            |limit: SignedDuration| query.now.checked_sub(limit).unwrap_or(Timestamp::MIN).as_millisecond();
        let oldest = age(self.max_age(failure.as_ref()));
        let reach = self.reach(metric, history, query).map_err(Gap::of_all)?;
        let (selector, raw_counters) = (query.selector, self.options.raw_counters);
        let reader = Reader { history, selector, oldest, raw_counters, reach, knows_steady: true };
        let read = reader.read(metric);
        if history.at() < oldest && (read.is_some() || last_seen(history, metric).is_some()) {
            let error = failure.map(|failure| failure.error);
            return Err(Gap::of_all(Absence::Stale { at: timestamp(history.at()), error }));
        }
        let Some(read) = read else { return Err(not_exposed(history, metric)) };
        read.map_err(|absence| match absence {
            // The exporter says itself that it has no value.
            Absence::NoSeries | Absence::NotANumber => Gap::alone(absence),
            _ => Gap::of_all(absence),
        })
    }

    /// How far back a read looks: as far as rates do, or as far as the asker says.
    fn reach(&self, metric: &str, history: &History, query: Query<'_>) -> Result<Reach, Absence> {
        let (span, options) = (history.span(), query.selector.options());
        if !options.looks_back() {
            return Ok(Reach { span, over: None, is_asked: false });
        }
        let longest = span.interval.saturating_mul(MOST_SCRAPES - 1);
        let window = options.window.map_or(span.window, |window| millis(window).max(2 * span.interval));
        if window > longest {
            return Err(Absence::LongWindow { longest: longest / 1000 });
        }
        let needs_past = options.over.is_some() || window > span.window;
        if needs_past && history.shape().names().meaning(metric).is_some() {
            let window = SignedDuration::from_millis(window);
            self.wishes.note(metric, (options, window), query.now)?;
        }
        Ok(Reach { span: Span { window, ..span }, over: options.over, is_asked: true })
    }

    fn max_age(&self, failure: Option<&Failure>) -> SignedDuration {
        let timed_out = failure.is_some_and(|failure| failure.timed_out);
        let options = &self.options;
        if timed_out { options.max_age.max(options.max_age_after_timeout) } else { options.max_age }
    }

    fn mismatch(&self, other: &Self) -> Absence {
        let targets = format!("{} and {}", self.options.name, other.options.name);
        Absence::Mismatch { targets: targets.into() }
    }
}

/// Until a first scrape has ended, nobody knows whether the target has the metric; when it failed, others count.
fn never_scraped(failure: Option<Failure>, has_lost: bool) -> Gap {
    match failure {
        None => Gap::of_all(Absence::NotScraped { error: None }),
        Some(failure) if has_lost => Gap::of_all(Absence::NotScraped { error: Some(failure.error) }),
        Some(failure) => Gap::alone(Absence::NotScraped { error: Some(failure.error) }),
    }
}

/// Why a target that was scraped does not have `metric`.
fn not_exposed(history: &History, metric: &str) -> Gap {
    let shape = history.shape();
    if let Some(unreadable) = sources(metric).into_iter().find_map(|family| history.unreadable(family)) {
        let fault = unreadable.fault.clone();
        return Gap::of_all(Absence::Unreadable { at: timestamp(history.at()), fault });
    }
    if let Some(seen) = last_seen(history, metric) {
        return Gap::of_all(Absence::Lacking { at: timestamp(history.at()), seen: timestamp(seen) });
    }
    let exposed = |name: &str| shape.leaves_out(name).then(|| name.to_owned());
    if let Some(name) = exposed_names(metric).iter().find_map(|name| exposed(name)) {
        return Gap::alone(Absence::LeftOut { name });
    }
    match metric.strip_suffix("_per_second").filter(|base| shape.names().meaning(base).is_some()) {
        Some(base) => Gap::alone(Absence::NoCounter { name: base.to_owned() }),
        None => Gap::alone(Absence::UnknownMetric),
    }
}

/// Where a longer past is kept than rates need, this forgets as where it is not.
fn last_seen(history: &History, metric: &str) -> Option<i64> {
    let edge = history.at() - history.span().longest_gap();
    let seen = sources(metric).into_iter().find_map(|family| history.last_seen(family));
    seen.filter(|seen| *seen >= edge)
}

/// The families that a name may be derived from: its own, and it without a suffix that we add.
fn sources(metric: &str) -> Vec<&str> {
    let exposed =
        ["_bucket", "_sum", "_count", "_total"].iter().find_map(|suffix| metric.strip_suffix(suffix));
    [Some(metric), derived_from(metric), exposed].into_iter().flatten().collect()
}

/// The samples that a name may be derived from.
fn exposed_names(metric: &str) -> Vec<String> {
    let base = derived_from(metric);
    let parts = base
        .into_iter()
        .flat_map(|base| ["", "_total", "_count", "_bucket"].map(|part| format!("{base}{part}")));
    [metric.to_owned()].into_iter().chain(parts).collect()
}

fn derived_from(metric: &str) -> Option<&str> {
    let quantile = || {
        let (base, percent) = metric.rsplit_once("_p")?;
        percent.starts_with(|digit: char| digit.is_ascii_digit()).then_some(base)
    };
    ["_per_second", "_avg"].iter().find_map(|suffix| metric.strip_suffix(suffix)).or_else(quantile)
}

pub(in crate::store) fn sample(derived: Derived) -> Result<Sample, Absence> {
    let value = Quantity::from_f64(derived.value).map_err(|_| Absence::OutOfRange)?;
    let timestamp = Timestamp::from_millisecond(derived.at).map_err(|_| Absence::OutOfRange)?;
    // Nil would make the HPA assume a minute; a gauge has no window.
    let seconds = if derived.window == 0 { 0 } else { ((derived.window + 500) / 1000).max(1) };
    Ok(Sample { value, timestamp, window_seconds: u32::try_from(seconds).ok() })
}
