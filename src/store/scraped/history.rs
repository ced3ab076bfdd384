//! The last scrapes of one target: the newest values in full, older ones as rows of differences.

use std::{collections::VecDeque, sync::Arc};

use super::{
    Unreadable,
    change::Starts,
    doubt::{Doubt, Step},
    kept::Kept,
    past::{Gone, Past, ShapeChange},
    rate::{Point, Span},
    row::Row,
    shape::Shape,
};
use crate::store::wishes::Wish;

/// A target's values over a little more than one window.
#[derive(Debug)]
pub(super) struct History {
    /// How far back it goes, which is what rates are computed over.
    span: Span,
    shape: Arc<Shape>,
    newest: Box<[f64]>,
    /// One for each scrape, newest first.
    stamps: VecDeque<Stamp>,
    /// One for each scrape but the newest, newest first.
    rows: VecDeque<Row>,
    /// The samples of each scrape that have a time of their own, newest first, by place.
    times: VecDeque<Times>,
    unreadable: Box<[Unreadable]>,
    past: Past,
    doubt: Doubt,
    kept: Kept,
}

/// When a scrape began (milliseconds since 1970), and what answered it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) at: i64,
    pub(super) starts: Starts,
}

/// One scrape, with all that is kept of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scraped<'a> {
    pub(super) stamp: Stamp,
    pub(super) values: &'a [f64],
    pub(super) times: &'a [(u32, i64)],
    pub(super) unreadable: &'a [Unreadable],
}

type Times = Box<[(u32, i64)]>;

impl History {
    pub(super) fn new(span: Span, shape: Arc<Shape>, scrape: Scraped<'_>) -> Self {
        Self {
            span,
            shape,
            newest: scrape.values.into(),
            stamps: VecDeque::from([scrape.stamp]),
            rows: VecDeque::new(),
            times: VecDeque::from([scrape.times.into()]),
            unreadable: scrape.unreadable.into(),
            past: Past::default(),
            doubt: Doubt::default(),
            kept: Kept::default(),
        }
    }

    /// Looks back so far from now on. What was scraped more often than it will be still tells a rate.
    pub(super) fn set_span(&mut self, span: Span) {
        self.span = Span { interval: self.span.interval.min(span.interval), ..span };
    }

    /// Keeps from now on what is asked for of the past, beside what rates need.
    pub(super) fn keep(&mut self, wishes: &[Wish]) {
        if !wishes.is_empty() || !self.kept.is_nothing() {
            self.kept.follow(wishes, &self.shape, self.at());
        }
    }

    /// Since which scrape the values of these gauges are kept, if they are.
    pub(super) fn watched(&self, group: &str) -> Option<i64> {
        self.kept.since(group)
    }

    /// The values that a gauge had from `edge` on, newest first, and when the oldest was scraped.
    pub(super) fn since(&self, series: u32, edge: i64) -> (Vec<f64>, i64) {
        let values =
            self.values(series).into_iter().zip(&self.stamps).take_while(|(_, stamp)| stamp.at >= edge);
        let (values, times): (Vec<f64>, Vec<i64>) = values.map(|(value, stamp)| (value, stamp.at)).unzip();
        (values, times.last().copied().unwrap_or_else(|| self.at()))
    }

    /// How far back it goes for all who ask.
    fn reach(&self) -> Span {
        Span { window: self.span.window.max(self.kept.window()), ..self.span }
    }

    fn has_past(&self, series: u32) -> bool {
        self.shape.kind(series).is_some_and(super::SeriesKind::has_past) || self.kept.has(series)
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    pub(super) fn newest(&self, series: u32) -> Option<f64> {
        self.newest.get(series as usize).copied()
    }

    /// When the newest scrape began.
    pub(super) fn at(&self) -> i64 {
        self.stamps.front().map_or(0, |stamp| stamp.at)
    }

    /// When the oldest scrape began that is kept.
    pub(super) fn oldest(&self) -> i64 {
        self.stamps.back().map_or(0, |stamp| stamp.at)
    }

    /// When the newest value of a series was true.
    pub(super) fn time(&self, series: u32) -> i64 {
        self.time_at(0, series).unwrap_or_else(|| self.at())
    }

    /// Why a family cannot be read in the newest scrape, if so.
    pub(super) fn unreadable(&self, family: &str) -> Option<&Unreadable> {
        self.unreadable.iter().find(|unreadable| *unreadable.family == *family)
    }

    /// The counters of a family that the newest scrape lacks, while their rates count.
    pub(super) fn gone<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a Gone> {
        self.past.gone(family)
    }

    /// When a family was last seen that the newest scrape lacks.
    pub(super) fn last_seen(&self, family: &str) -> Option<i64> {
        self.past.last_seen(family)
    }

    /// Whether the counters of a family may be those of several processes.
    pub(super) fn doubts(&self, family: &str) -> bool {
        self.doubt.applies_to(family)
    }

    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(Row::bytes).sum();
        let times: usize = self.times.iter().map(|times| size_of_val::<[_]>(times)).sum();
        let scrapes = self.stamps.len() * (size_of::<Stamp>() + size_of::<Times>());
        rows + self.newest.len() * 8
            + scrapes
            + times
            + self.past.bytes()
            + self.doubt.bytes()
            + self.kept.bytes()
            + size_of::<Self>()
    }

    /// Adds a scrape of the same shape.
    pub(super) fn push(&mut self, scrape: Scraped<'_>) {
        self.add(scrape, |_| true);
    }

    /// Adds a scrape of another shape; `moved` has the old place of each of its series. Series keep their past, new
    /// ones have none, and counters that are gone keep theirs for a window.
    pub(super) fn push_moved(&mut self, scrape: Scraped<'_>, shape: Arc<Shape>, moved: &[Option<u32>]) {
        self.reshape(shape, moved);
        self.add(scrape, |series| moved.get(series as usize).copied().flatten().is_some());
    }

    fn add(&mut self, scrape: Scraped<'_>, known: impl Fn(u32) -> bool) {
        let Scraped { stamp, values, times, unreadable } = scrape;
        if let Some(&before) = self.stamps.front() {
            let step = Step {
                shape: &self.shape,
                then: (before, &self.newest),
                now: (stamp, values),
                span: self.span,
            };
            self.doubt.note(&step);
            if stamp.at <= before.at {
                // The clock was set back: what series were before an absence has no place on it.
                self.past.clear();
            }
        }
        let before = (0..).zip(&self.newest).zip(values).map(|((series, before), after)| {
            // What has no past to be asked for keeps none: its lanes cost half a byte.
            known(series).then_some(if self.has_past(series) { *before } else { *after })
        });
        self.rows.push_front(Row::between(before, values));
        self.newest = values.into();
        self.stamps.push_front(stamp);
        self.times.push_front(times.into());
        self.unreadable = unreadable.into();
        self.prune();
    }

    fn reshape(&mut self, shape: Arc<Shape>, moved: &[Option<u32>]) {
        let old = self.shape.clone();
        let change = ShapeChange { old: &old, new: &shape, moved, last_at: self.at() };
        // A series that comes and goes again and again would carry all of its past with it.
        let reach = self.reach();
        let edge = self.at() - reach.window - reach.longest_gap();
        let recent =
            |series| self.points(series).into_iter().take_while(|point| point.scraped >= edge).collect();
        let gone = change.gone().into_iter().map(|series| (series, recent(series))).collect();
        self.past.follow(&change, gone);
        self.move_times(moved);
        self.doubt.follow(moved);
        let column = |old: &Option<u32>| old.map(|old| self.kept_values(old)).unwrap_or_default();
        let columns: Vec<Vec<f64>> = moved.iter().map(column).collect();
        let at = |scrape: usize| columns.iter().map(move |column| column.get(scrape).copied());
        let full = |scrape: usize| at(scrape).map(|value| value.unwrap_or(f64::NAN)).collect::<Box<[f64]>>();
        self.rows =
            (1..self.stamps.len()).map(|scrape| Row::between(at(scrape), &full(scrape - 1))).collect();
        self.newest = full(0);
        self.kept.find(&shape);
        self.shape = shape;
    }

    fn move_times(&mut self, moved: &[Option<u32>]) {
        if self.times.iter().all(|times| times.is_empty()) {
            return;
        }
        for times in &mut self.times {
            let time = |old: u32| {
                times.binary_search_by_key(&old, |(series, _)| *series).ok().and_then(|at| times.get(at))
            };
            let new = (0..).zip(moved).filter_map(|(series, old)| Some((series, time((*old)?)?.1)));
            *times = new.collect();
        }
    }

    fn time_at(&self, scrape: usize, series: u32) -> Option<i64> {
        let times = self.times.get(scrape)?;
        let at = times.binary_search_by_key(&series, |(place, _)| *place).ok()?;
        times.get(at).map(|(_, time)| *time)
    }

    /// Whether no series has a past beside the rows, and no sample a time of its own.
    pub(super) fn is_plain(&self) -> bool {
        self.past.is_empty() && self.times.iter().all(|times| times.is_empty())
    }

    /// Each scrape with the one before it, newest first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Stamp, &Stamp)> {
        self.stamps.iter().zip(self.stamps.iter().skip(1))
    }

    /// How many scrapes there are before the newest one.
    pub(super) fn scrapes_before(&self) -> usize {
        self.rows.len()
    }

    /// The values of a series without a start of its own, newest first, as far back as it was there without a break.
    pub(super) fn plain(&self, series: u32) -> Option<impl Iterator<Item = f64>> {
        let newest = self.newest(series).filter(|_| self.shape.created(series).is_none())?;
        let mut rows = self.rows.iter();
        Some(std::iter::successors(Some(newest), move |after| rows.next()?.before(series, *after)))
    }

    /// A series' points, newest first, what it was before an absence included.
    pub(super) fn points(&self, series: u32) -> Vec<Point> {
        let created = self.shape.created(series).map(|created| self.values(created)).unwrap_or_default();
        let point = |(scrape, (stamp, value)): (usize, (&Stamp, f64))| Point {
            scraped: stamp.at,
            at: self.time_at(scrape, series).unwrap_or(stamp.at),
            value,
            created: created.get(scrape).and_then(|created| moment(*created, stamp.at)),
            starts: stamp.starts,
        };
        let seen = self.stamps.iter().zip(self.values(series)).enumerate().map(point);
        seen.chain(self.past.of(series).iter().copied()).collect()
    }

    /// A series' values, newest first, as far back as it was there without a break.
    fn values(&self, series: u32) -> Vec<f64> {
        let Some(newest) = self.newest(series) else { return Vec::new() };
        let mut values = vec![newest];
        let mut after = newest;
        for row in &self.rows {
            let Some(before) = row.before(series, after) else { break };
            values.push(before);
            after = before;
        }
        values
    }

    /// The values of a series that were kept: of one that had no past to be asked for, the newest alone.
    fn kept_values(&self, series: u32) -> Vec<f64> {
        let mut values = self.values(series);
        if !self.has_past(series) {
            values.truncate(1);
        }
        values
    }

    /// Drops what is least needed: the oldest scrape, but for the two newest, without which there is no rate; then the
    /// past of series that are gone, without which a sum is not whole.
    pub(super) fn forget_oldest(&mut self) -> bool {
        if self.rows.len() < 2 {
            let had_past = !self.past.is_empty();
            self.past.clear();
            return had_past;
        }
        self.rows.pop_back();
        self.stamps.truncate(self.rows.len() + 1);
        self.times.truncate(self.stamps.len());
        true
    }

    /// Keeps what lies within the window and the one scrape before it that anchors the rate, and never more than
    /// the window can hold.
    fn prune(&mut self) {
        let span = self.reach();
        let edge = self.at() - span.anchor();
        let within = self.stamps.iter().take_while(|stamp| stamp.at > edge).count();
        // A rate neither ends nor begins at a dip, but at the scrape before it.
        let dips = self.stamps.get(within).is_some_and(|anchor| self.doubt.dipped_since(anchor.at));
        let anchored = within + 1 + 2 * usize::from(dips);
        let most = usize::try_from(span.window / span.interval.max(1)).unwrap_or(0) + 5;
        self.stamps.truncate(anchored.min(most).min(usize::try_from(MOST_SCRAPES).unwrap_or(0)));
        self.rows.truncate(self.stamps.len().saturating_sub(1));
        self.times.truncate(self.stamps.len());
        self.past.forget(self.at(), span);
    }
}

/// A window of many short intervals is cut to this many scrapes; its `windowSeconds` say so.
pub(super) const MOST_SCRAPES: i64 = 64;

/// A moment in seconds since 1970, as `_created` has it, in milliseconds. A gauge of such a name that counts something
/// is told by its value: it is no moment of this century that has passed.
pub(super) fn moment(seconds: f64, now: i64) -> Option<i64> {
    let is_moment = seconds.is_finite() && (1e9..1e11).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    is_moment.then_some((seconds * 1000.0) as i64).filter(|moment| *moment <= now)
}

#[cfg(test)]
mod tests;
