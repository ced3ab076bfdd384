//! The value of one metric, from the scrapes of one target or several.
//!
//! A contributor that cannot be computed makes the whole value absent, with its reason: the sum of the rest would look
//! like the whole. A label set that is new is no contributor before its second scrape, and a NaN is the exporter's own
//! word for "no value".

use jiff::Timestamp;

use crate::model::Selector;

use super::{
    Fold, SeriesKind,
    history::{History, moment},
    names::Meaning,
    quantile,
    rate::{Increase, Part, Unknown, increase},
    shape::{Family, Group, Set},
};
use crate::store::Absence;

/// A value, and what it was computed over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Derived {
    pub(super) value: f64,
    /// Milliseconds; 0 for what is not computed over time.
    pub(super) window: i64,
    /// The oldest moment that a part of it tells of.
    pub(super) at: i64,
}

/// What one target contributes to a value.
#[derive(Debug)]
pub(super) struct Contribution {
    parts: Parts,
    window: i64,
    at: i64,
}

#[derive(Debug)]
enum Parts {
    /// Values that are folded; of quantiles the highest counts.
    Values {
        values: Vec<f64>,
        kind: ValueKind,
    },
    Buckets {
        q: f64,
        buckets: Vec<(f64, f64)>,
    },
    Ratio {
        sum: f64,
        count: f64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ValueKind {
    Gauge,
    Rate,
    Quantile,
}

/// One target's answer to a question.
pub(super) struct Reader<'a> {
    pub(super) history: &'a History,
    pub(super) selector: &'a Selector,
    /// Samples with a time of their own before this one are too old.
    pub(super) oldest: i64,
    pub(super) raw_counters: bool,
}

impl Contribution {
    /// Adds another target's; an error if the two do not mean the same.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), ()> {
        self.window = self.window.max(other.window);
        self.at = self.at.min(other.at);
        match (&mut self.parts, other.parts) {
            (Parts::Values { values, kind }, Parts::Values { values: more, kind: other })
                if *kind == other =>
            {
                values.extend(more);
            }
            (Parts::Buckets { buckets, .. }, Parts::Buckets { buckets: more, .. }) => buckets.extend(more),
            (Parts::Ratio { sum, count }, Parts::Ratio { sum: more_sum, count: more_count }) => {
                *sum += more_sum;
                *count += more_count;
            }
            _ => return Err(()),
        }
        Ok(())
    }

    /// The folded value.
    pub(super) fn fold(self, fold: Fold) -> Result<Derived, Absence> {
        let value = match self.parts {
            Parts::Values { values, kind: ValueKind::Quantile } => Fold::Max.of(&values),
            Parts::Values { values, .. } => fold.of(&values),
            Parts::Buckets { q, buckets } => quantile::quantile(q, buckets),
            Parts::Ratio { count, .. } if count <= 0.0 => Err(Absence::NoObservations),
            Parts::Ratio { sum, count } => Ok(sum / count),
        }?;
        Ok(Derived { value, window: self.window, at: self.at })
    }
}

impl Reader<'_> {
    /// What the target contributes to `metric`; `None` if it exposes nothing that the name could mean.
    pub(super) fn read(&self, metric: &str) -> Option<Result<Contribution, Absence>> {
        let meaning = self.history.shape().names().meaning(metric)?;
        Some(self.readable(meaning).and_then(|()| self.compute(meaning, metric)))
    }

    /// An error if a line of the metric's family could not be read in the newest scrape.
    fn readable(&self, meaning: Meaning) -> Result<(), Absence> {
        let shape = self.history.shape();
        let family = match meaning {
            Meaning::Newest(group)
            | Meaning::Moment(group)
            | Meaning::Raw(group)
            | Meaning::Rate(group)
            | Meaning::Published(_, group) => shape.group(group).and_then(|group| shape.family(group.family)),
            Meaning::Observations(family) | Meaning::Average(family) | Meaning::Quantile(_, family) => {
                shape.family(family)
            }
        };
        let unreadable = family.and_then(|family| self.history.unreadable(&family.name));
        unreadable.map_or(Ok(()), |unreadable| {
            Err(Absence::Unreadable { at: timestamp(self.history.at()), fault: unreadable.fault.to_string() })
        })
    }

    fn compute(&self, meaning: Meaning, metric: &str) -> Result<Contribution, Absence> {
        let shape = self.history.shape();
        let group = |at: usize| shape.group(at).ok_or(Absence::UnknownMetric);
        let family = |at: usize| shape.family(at).ok_or(Absence::UnknownMetric);
        match meaning {
            Meaning::Newest(at) => self.newest(group(at)?, |_| true),
            Meaning::Moment(at) => self.moment(group(at)?, metric),
            Meaning::Raw(at) => self.raw(group(at)?),
            Meaning::Published(q, at) => self.newest(group(at)?, |kind| is_quantile(kind, q)),
            Meaning::Rate(at) => self.rate(group(at)?),
            Meaning::Observations(at) => self.observations(family(at)?),
            Meaning::Average(at) => self.average(family(at)?),
            Meaning::Quantile(q, at) => self.quantile(q, family(at)?),
        }
    }

    /// The newest values of a group's series of some kinds.
    fn newest(&self, group: &Group, wanted: impl Fn(SeriesKind) -> bool) -> Result<Contribution, Absence> {
        let kind = |series: &u32| self.history.shape().kind(*series).is_some_and(&wanted);
        let selected: Vec<u32> =
            group.members.iter().copied().filter(|series| self.selects(*series)).filter(kind).collect();
        let times = || selected.iter().map(|series| self.history.time(*series));
        let at = times().min().ok_or(Absence::NoSeries)?;
        self.check_times(at, times().max().unwrap_or(at))?;
        let values = selected.iter().filter_map(|series| self.history.newest(*series)).collect();
        let kind = if matches!(group.kind, SeriesKind::Quantile(_)) {
            ValueKind::Quantile
        } else {
            ValueKind::Gauge
        };
        Ok(Contribution { parts: Parts::Values { values, kind }, window: 0, at })
    }

    /// A gauge that is called like the start of a counter is one if its values are no moments.
    fn moment(&self, group: &Group, metric: &str) -> Result<Contribution, Absence> {
        let value = |series: &u32| self.history.newest(*series).unwrap_or(f64::NAN);
        let is_start = group.kind == SeriesKind::Created
            && group.members.iter().all(|series| moment(value(series), self.history.at()).is_some());
        if is_start {
            return Err(Absence::CounterStart { metric: metric.to_owned() });
        }
        self.newest(group, |_| true)
    }

    fn raw(&self, group: &Group) -> Result<Contribution, Absence> {
        if self.raw_counters {
            return self.newest(group, |_| true);
        }
        let family = group.kind.family(&group.name);
        let instead = match group.kind {
            SeriesKind::Bucket(_) => format!("{family}_p99"),
            SeriesKind::Sum => format!("{family}_avg"),
            _ => format!("{family}_per_second"),
        };
        Err(Absence::RawCounter { instead })
    }

    fn rate(&self, group: &Group) -> Result<Contribution, Absence> {
        self.doubt(group.kind.family(&group.name))?;
        let selected = group.members.iter().copied().filter(|series| self.selects(*series));
        let increases = self.increases(selected.map(|series| vec![self.part(series)]))?;
        let values = increases.iter().map(Increase::rate).collect();
        Ok(contribution(Parts::Values { values, kind: ValueKind::Rate }, &increases))
    }

    fn observations(&self, family: &Family) -> Result<Contribution, Absence> {
        let increases = self.of_sets(family, |set| set.count.map(|count| vec![count]))?;
        let values = increases.iter().map(|(_, increase)| increase.rate()).collect();
        Ok(contribution(
            Parts::Values { values, kind: ValueKind::Rate },
            increases.iter().map(|(_, increase)| increase),
        ))
    }

    fn average(&self, family: &Family) -> Result<Contribution, Absence> {
        let increases = self.of_sets(family, |set| Some(vec![set.sum?, set.count?]))?;
        let total =
            |part: usize| increases.iter().filter_map(|(_, increase)| increase.amounts.get(part)).sum();
        let parts = Parts::Ratio { sum: total(0), count: total(1) };
        Ok(contribution(parts, increases.iter().map(|(_, increase)| increase)))
    }

    fn quantile(&self, q: f64, family: &Family) -> Result<Contribution, Absence> {
        let buckets = |set: &Set| (!set.buckets.is_empty()).then(|| set.buckets.to_vec());
        let increases = self.of_sets(family, buckets)?;
        let shape = self.history.shape();
        let mut all = Vec::new();
        for (set, increase) in &increases {
            let bound = |series: &u32| match shape.kind(*series) {
                Some(SeriesKind::Bucket(bound)) => bound,
                _ => f64::NAN,
            };
            all.extend(set.buckets.iter().map(bound).zip(increase.amounts.iter().copied()));
            // The count is the bucket without a bound.
            let count = set.count.and_then(|_| increase.amounts.last().copied());
            let has_inf = set.buckets.iter().any(|series| bound(series) == f64::INFINITY);
            all.extend(count.filter(|_| !has_inf).map(|count| (f64::INFINITY, count)));
        }
        let parts = Parts::Buckets { q, buckets: all };
        Ok(contribution(parts, increases.iter().map(|(_, increase)| increase)))
    }

    /// The increases of a family's selected sets. `wanted` are the parts whose amounts come first; all other parts of
    /// the set are read with them, because they are reset together.
    fn of_sets<'f>(
        &self,
        family: &'f Family,
        wanted: impl Fn(&Set) -> Option<Vec<u32>>,
    ) -> Result<Vec<(&'f Set, Increase)>, Absence> {
        self.doubt(&family.name)?;
        let selected =
            family.sets.iter().filter(|set| set.representative().is_some_and(|series| self.selects(series)));
        let sets: Vec<(&Set, Vec<u32>)> =
            selected.filter_map(|set| Some((set, set.with_all_parts(wanted(set)?)))).collect();
        let mut known = Vec::new();
        let mut missing = Absence::NoSeries;
        for (set, series) in sets {
            let parts: Vec<Part> = series.iter().map(|series| self.part(*series)).collect();
            match self.increase(&parts) {
                Ok(increase) => known.push((set, increase)),
                Err(absence) if absence.is_of_a_new_series() => missing = absence,
                Err(absence) => return Err(absence),
            }
        }
        if known.is_empty() { Err(missing) } else { Ok(known) }
    }

    /// The increases of counters; those that are new or NaN are left out, unless that is all of them.
    fn increases(&self, counters: impl Iterator<Item = Vec<Part>>) -> Result<Vec<Increase>, Absence> {
        let mut known = Vec::new();
        let mut missing = Absence::NoSeries;
        for parts in counters {
            match self.increase(&parts) {
                Ok(increase) => known.push(increase),
                Err(absence) if absence.is_of_a_new_series() => missing = absence,
                Err(absence) => return Err(absence),
            }
        }
        if known.is_empty() { Err(missing) } else { Ok(known) }
    }

    fn increase(&self, parts: &[Part]) -> Result<Increase, Absence> {
        let newest = |part: &Part| part.points.first().copied();
        if parts.iter().filter_map(newest).any(|point| !point.value.is_finite()) {
            return Err(Absence::NotANumber);
        }
        let increase = increase(parts, self.history.span()).map_err(|unknown| match unknown {
            Unknown::Early => Absence::Early,
            Unknown::NonMonotonic => Absence::NonMonotonic,
        })?;
        let newest = || parts.iter().filter_map(newest).map(|point| point.at);
        self.check_times(newest().min().unwrap_or(increase.to), newest().max().unwrap_or(increase.to))?;
        Ok(increase)
    }

    fn part(&self, series: u32) -> Part {
        let is_sum = self.history.shape().kind(series) == Some(SeriesKind::Sum);
        Part { points: self.history.points(series), is_sum }
    }

    fn doubt(&self, family: &str) -> Result<(), Absence> {
        if self.history.doubts(family) { Err(Absence::NonMonotonic) } else { Ok(()) }
    }

    /// An error if a sample's own time is too long ago, or still to come.
    fn check_times(&self, oldest: i64, newest: i64) -> Result<(), Absence> {
        if newest > self.history.at() + AHEAD {
            return Err(Absence::TimeAhead { at: timestamp(newest) });
        }
        if oldest < self.oldest { Err(Absence::OldSample { at: timestamp(oldest) }) } else { Ok(()) }
    }

    fn selects(&self, series: u32) -> bool {
        self.selector.is_empty() || self.selector.matches(&self.history.shape().labels(series))
    }
}

impl Set {
    /// `first`, then the others. A sum is no part of what is reset: negative observations take it down.
    fn with_all_parts(&self, first: Vec<u32>) -> Vec<u32> {
        let rest = self.buckets.iter().copied().chain(self.count);
        let others: Vec<u32> = rest.filter(|series| !first.contains(series)).collect();
        [first, others].concat()
    }
}

fn is_quantile(kind: SeriesKind, q: f64) -> bool {
    matches!(kind, SeriesKind::Quantile(published) if (published - q).abs() < 1e-9)
}

fn contribution<'a>(parts: Parts, increases: impl IntoIterator<Item = &'a Increase> + Clone) -> Contribution {
    let increases = || increases.clone().into_iter();
    let window = increases().map(|increase| increase.to - increase.from).max().unwrap_or_default();
    let at = increases().map(|increase| increase.to).min().unwrap_or_default();
    Contribution { parts, window, at }
}

pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// How far ahead of the adapter's clock the clock of an exporter may be.
const AHEAD: i64 = 60_000;
