//! The value of one metric, from the scrapes of one target or several.
//!
//! A contributor that cannot be computed makes the whole value absent, with its reason: the sum of the rest would look
//! like the whole. A label set that is new is no contributor before its second scrape, and a NaN is the exporter's own
//! word for "no value".

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Fold, MetricSelector, Over};

use super::{
    SeriesKind,
    contribution::{Contribution, Parts, ValueKind},
    grown::{Grown, Member, common},
    history::{History, moment},
    names::Meaning,
    past::Gone,
    quantile::Histograms,
    rate::{Increase, Part, Point, Span, Unknown, increase},
    shape::{Family, Group, Set},
};
use crate::store::Absence;

/// Why a contributor contributes nothing.
#[derive(Debug)]
pub(super) struct Gap {
    pub(super) absence: Absence,
    /// Whether what the others have is no value either.
    pub(super) takes_all: bool,
}

/// One target's answer to a question.
pub(super) struct Reader<'a> {
    pub(super) history: &'a History,
    pub(super) selector: &'a MetricSelector,
    /// Samples with a time of their own before this one are too old.
    pub(super) oldest: i64,
    pub(super) raw_counters: bool,
    pub(super) reach: Reach,
    /// Whether a history in which nothing happened is read as such.
    pub(super) knows_steady: bool,
}

/// How far back a read looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) span: Span,
    /// What counts of the values of a gauge.
    pub(super) over: Option<Over>,
    /// Whether the asker says the window, or [`Reach::over`]: it has to be full then.
    pub(super) is_asked: bool,
}

impl Gap {
    /// The others count all the same.
    pub(super) fn alone(absence: Absence) -> Self {
        Self { absence, takes_all: false }
    }

    /// The rest is not the whole.
    pub(super) fn of_all(absence: Absence) -> Self {
        Self { absence, takes_all: true }
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
            Err(Absence::Unreadable { at: timestamp(self.history.at()), fault: unreadable.fault.clone() })
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
        let kind = if matches!(group.kind, SeriesKind::Quantile(_)) {
            ValueKind::Quantile
        } else {
            ValueKind::Gauge
        };
        let (values, window) = self.values(group, &selected)?;
        Ok(Contribution { parts: Parts::Values { values, kind }, window, at })
    }

    /// The newest values of some series of a group, or what is asked for over the window; and over how long.
    fn values(&self, group: &Group, series: &[u32]) -> Result<(Vec<f64>, i64), Absence> {
        let Some(over) = self.reach.over else {
            if self.reach.is_asked {
                return Err(Absence::NeedsOver);
            }
            return Ok((series.iter().filter_map(|series| self.history.newest(*series)).collect(), 0));
        };
        let since = self.history.watched(&group.name).ok_or(self.short_window())?;
        if self.history.at() - since < self.reach.span.anchor() {
            return Err(self.short_window());
        }
        let edge = since.max(self.history.at() - self.reach.span.window);
        let past = series.iter().map(|series| self.history.since(*series, edge));
        let (values, oldest): (Vec<f64>, Vec<i64>) =
            past.map(|(values, oldest)| (Fold::from(over).of(&values).unwrap_or(f64::NAN), oldest)).unzip();
        Ok((values, self.history.at() - oldest.into_iter().min().unwrap_or(since)))
    }

    fn short_window(&self) -> Absence {
        Absence::ShortWindow { seconds: self.reach.span.window / 1000 }
    }

    /// An error if what is computed over time is asked for over time once more, or over more time than is known.
    pub(super) fn full(&self) -> Result<(), Absence> {
        if self.reach.over.is_some() {
            return Err(Absence::NotOver);
        }
        let known = self.history.at() - self.history.oldest();
        if self.reach.is_asked && known < self.reach.span.anchor() {
            Err(self.short_window())
        } else {
            Ok(())
        }
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
        let family = group.kind.family(&group.name);
        if let Some(grown) = self.steady_counters(group, family)? {
            return Ok(rates(&grown));
        }
        let here = group.members.iter().copied().filter(|series| self.selects(*series));
        let here = here.map(|series| vec![Member { kind: group.kind, points: self.history.points(series) }]);
        let gone = self
            .gone(family)
            .filter(|gone| gone.kind == SeriesKind::Counter)
            .map(|gone| vec![Member::of(gone)]);
        let grown = self.grown(family, here.chain(gone))?;
        Ok(rates(&grown))
    }

    fn observations(&self, family: &Family) -> Result<Contribution, Absence> {
        let grown = self.of_sets(family, |set| set.count.is_some(), |kind| kind != SeriesKind::Sum)?;
        let seconds = |grown: &Grown| grown.amount(SeriesKind::Count) / grown.increase.seconds();
        let values = grown.iter().map(seconds).collect();
        Ok(Grown::contribute(&grown, Parts::Values { values, kind: ValueKind::Rate }))
    }

    fn average(&self, family: &Family) -> Result<Contribution, Absence> {
        let grown = self.of_sets(family, |set| set.count.is_some() && set.sum.is_some(), |_| true)?;
        let total = |kind: SeriesKind| grown.iter().map(|grown| grown.amount(kind)).sum();
        let parts = Parts::Ratio { sum: total(SeriesKind::Sum), count: total(SeriesKind::Count) };
        Ok(Grown::contribute(&grown, parts))
    }

    fn quantile(&self, q: f64, family: &Family) -> Result<Contribution, Absence> {
        let grown = self.of_sets(family, |set| !set.buckets.is_empty(), |kind| kind != SeriesKind::Sum)?;
        let mut buckets = Histograms::default();
        grown.iter().for_each(|grown| buckets.add(grown.buckets()));
        Ok(Grown::contribute(&grown, Parts::Buckets { q, buckets }))
    }

    /// The increases of a family's selected histograms, those that the newest scrape lacks included. All parts of one are
    /// read but those that are not `needed`, because they are reset together.
    fn of_sets(
        &self,
        family: &Family,
        has: impl Fn(&Set) -> bool,
        needed: impl Fn(SeriesKind) -> bool,
    ) -> Result<Vec<Grown>, Absence> {
        let shape = self.history.shape();
        if let Some(grown) = self.steady_sets(family, (&has, &needed))? {
            return Ok(grown);
        }
        let selected = |set: &&Set| set.representative().is_some_and(|series| self.selects(series));
        let member =
            |series: u32| Some(Member { kind: shape.kind(series)?, points: self.history.points(series) });
        let here = family.sets.iter().filter(|set| has(set)).filter(selected);
        let here = here.map(|set| set.members().filter_map(member).collect::<Vec<_>>());
        let sets = here.chain(self.gone_sets(&family.name)).map(|mut members| {
            members.retain(|member| needed(member.kind));
            members
        });
        self.grown(&family.name, sets)
    }

    /// The histograms of a family that the newest scrape lacks.
    fn gone_sets(&self, family: &str) -> impl Iterator<Item = Vec<Member>> {
        let mut sets: BTreeMap<Vec<(&str, &str)>, Vec<Member>> = BTreeMap::new();
        let parts = self.gone(family).filter(|gone| gone.kind != SeriesKind::Counter);
        for gone in parts {
            let labels = gone.labels().iter().filter(|(name, _)| *name != "le").collect();
            sets.entry(labels).or_default().push(Member::of(gone));
        }
        sets.into_values()
            .filter(|members| members.iter().any(|member| member.kind == SeriesKind::Count))
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn gone<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a Gone> {
        let edge = self.history.at() - self.reach.span.longest_gap();
        self.history
            .gone(family)
            .filter(move |gone| gone.newest() >= edge)
            .filter(|gone| self.selector.is_met_by_all() || self.selector.matches(&gone.labels()))
    }

    /// The increases of counters and histograms; those that are new or NaN are left out, unless that is all of them.
    fn grown(&self, family: &str, all: impl Iterator<Item = Vec<Member>>) -> Result<Vec<Grown>, Absence> {
        self.full()?;
        if self.history.doubts(family) {
            return Err(Absence::NonMonotonic);
        }
        let mut known = Vec::new();
        let mut missing = Absence::NoSeries;
        for members in all {
            let (kinds, parts): (Vec<SeriesKind>, Vec<Part>) = members.into_iter().map(Member::split).unzip();
            match self.increase(&parts) {
                Ok(increase) => known.push(Grown { kinds, parts, increase, is_apart: false }),
                Err(gap) if gap.takes_all => return Err(gap.absence),
                Err(gap) => missing = gap.absence,
            }
        }
        if known.is_empty() {
            return Err(missing);
        }
        self.align(&mut known);
        Ok(known)
    }

    /// Takes the increases over the time that all have in common: a sum of rates over different times is the rate of no
    /// time. A counter that is newer than that time, or gone, counts with what it is known to have counted within it.
    fn align(&self, all: &mut Vec<Grown>) {
        all.iter_mut().for_each(|grown| grown.is_apart = self.is_apart(grown));
        // Each round ends at a scrape that one more counter has; after a few they all have one in common.
        for _ in 0..MOST_ROUNDS {
            let Some((from, to)) = common(all) else { return };
            let differs = |grown: &&mut Grown| {
                let reaches_out = grown.increase.from < from || grown.increase.to > to;
                reaches_out && !self.is_gone(grown)
            };
            let changed =
                all.iter_mut().filter(differs).map(|grown| self.cut(grown, from, to)).filter(|cut| *cut);
            if changed.count() == 0 {
                break;
            }
        }
        if let Some((from, to)) = common(all) {
            all.retain_mut(|grown| !self.is_gone(grown) || self.counted_within(grown, from, to));
            // The stated time is the common one: of the rest of it, nothing is known of a counter that is newer.
            let is_newer = |grown: &&mut Grown| self.is_new(grown) && grown.increase.from > from;
            all.iter_mut().filter(is_newer).for_each(|grown| grown.increase.from = from);
        }
    }

    fn counted_within(&self, grown: &mut Grown, from: i64, to: i64) -> bool {
        let is_counted = self.cut(grown, from, to);
        (grown.increase.from, grown.increase.to) = (from, to);
        is_counted
    }

    fn is_gone(&self, grown: &Grown) -> bool {
        grown.newest_scrape() < self.history.at()
    }

    fn cut(&self, grown: &mut Grown, from: i64, to: i64) -> bool {
        let parts: Vec<Part> = grown.parts.iter().map(|part| part.within(from, to)).collect();
        let cut = increase(&parts, self.reach.span);
        grown.is_apart = cut.is_err();
        cut.map(|increase| grown.increase = increase).is_ok()
    }

    fn is_apart(&self, grown: &Grown) -> bool {
        self.is_new(grown) || self.is_gone(grown)
    }

    /// Whether it was not there at the begin of what is known.
    fn is_new(&self, grown: &Grown) -> bool {
        grown.increase.is_new && grown.oldest_scrape() > self.history.oldest()
    }

    fn increase(&self, parts: &[Part]) -> Result<Increase, Gap> {
        let newest: Vec<Point> = parts.iter().filter_map(|part| part.points.first().copied()).collect();
        if newest.iter().any(|point| !point.value.is_finite()) {
            return Err(Gap::alone(Absence::NotANumber));
        }
        // The time of a series that ended is no fault.
        let is_here = |point: &&Point| point.scraped == self.history.at() && point.at != point.scraped;
        let timed = || newest.iter().filter(is_here).map(|point| point.at);
        if let (Some(oldest), Some(newest)) = (timed().min(), timed().max()) {
            self.check_times(oldest, newest).map_err(Gap::of_all)?;
        }
        // A histogram with a new bucket is not new.
        let is_new =
            parts.iter().all(|part| part.points.iter().filter(|point| point.value.is_finite()).count() < 2);
        let increase = increase(parts, self.reach.span).map_err(|unknown| match unknown {
            Unknown::New if is_new => Gap::alone(Absence::Early),
            Unknown::New | Unknown::Early => Gap::of_all(Absence::Early),
            Unknown::NonMonotonic => Gap::of_all(Absence::NonMonotonic),
        })?;
        // After a reset, the rate before it serves only as long as a value may be old.
        let behind = newest.first().map_or(0, |newest| newest.at - increase.to);
        if self.history.at() - behind < self.oldest { Err(Gap::of_all(Absence::Early)) } else { Ok(increase) }
    }

    /// An error if a sample's own time is too long ago, or still to come.
    fn check_times(&self, oldest: i64, newest: i64) -> Result<(), Absence> {
        if newest > self.history.at() + AHEAD {
            return Err(Absence::TimeAhead { at: timestamp(newest) });
        }
        if oldest < self.oldest { Err(Absence::OldSample { at: timestamp(oldest) }) } else { Ok(()) }
    }

    pub(super) fn selects(&self, series: u32) -> bool {
        self.selector.is_met_by_all() || self.selector.matches(&self.history.shape().labels(series))
    }
}

fn is_quantile(kind: SeriesKind, q: f64) -> bool {
    matches!(kind, SeriesKind::Quantile(published) if (published - q).abs() < 1e-9)
}

fn rates(grown: &[Grown]) -> Contribution {
    let values = grown.iter().map(|grown| grown.increase.rate()).collect();
    Grown::contribute(grown, Parts::Values { values, kind: ValueKind::Rate })
}

pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

/// How often increases are cut to a common time.
const MOST_ROUNDS: usize = 4;

/// How far ahead of the adapter's clock the clock of an exporter may be.
const AHEAD: i64 = 60_000;
