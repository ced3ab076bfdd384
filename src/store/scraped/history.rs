//! The last scrapes of one target: the newest values in full, older ones as rows of differences.

use std::{collections::VecDeque, sync::Arc};

use super::{
    rate::{Point, Span},
    row::Row,
    shape::Shape,
};

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
}

/// When a scrape began, and since when its process ran (milliseconds since 1970).
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) at: i64,
    pub(super) started: Option<i64>,
}

impl History {
    pub(super) fn new(span: Span, stamp: Stamp, shape: Arc<Shape>, values: &[f64]) -> Self {
        Self { span, shape, newest: values.into(), stamps: VecDeque::from([stamp]), rows: VecDeque::new() }
    }

    /// Looks back so far from now on. What was scraped more often than it will be still tells a rate.
    pub(super) fn set_span(&mut self, span: Span) {
        self.span = Span { interval: self.span.interval.min(span.interval), ..span };
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

    pub(super) fn bytes(&self) -> usize {
        let rows: usize = self.rows.iter().map(Row::bytes).sum();
        rows + self.newest.len() * 8 + self.stamps.len() * size_of::<Stamp>() + size_of::<Self>()
    }

    /// Adds a scrape of the same shape.
    pub(super) fn push(&mut self, stamp: Stamp, values: &[f64]) {
        self.add(stamp, values, |_| true);
    }

    /// Adds a scrape of another shape; `moved` has the old place of each of its series. Series keep their past, new
    /// ones have none.
    pub(super) fn push_moved(
        &mut self,
        stamp: Stamp,
        shape: Arc<Shape>,
        values: &[f64],
        moved: &[Option<u32>],
    ) {
        self.reshape(shape, moved);
        self.add(stamp, values, |series| moved.get(series as usize).copied().flatten().is_some());
    }

    fn add(&mut self, stamp: Stamp, values: &[f64], known: impl Fn(u32) -> bool) {
        let shape = &self.shape;
        let before = (0..).zip(&self.newest).zip(values).map(|((series, before), after)| {
            // What has no past to be asked for keeps none: its lanes cost half a byte.
            let counts = shape.kind(series).is_some_and(super::SeriesKind::is_counter);
            known(series).then_some(if counts { *before } else { *after })
        });
        self.rows.push_front(Row::between(before, values));
        self.newest = values.into();
        self.stamps.push_front(stamp);
        self.prune();
    }

    fn reshape(&mut self, shape: Arc<Shape>, moved: &[Option<u32>]) {
        let column = |old: &Option<u32>| old.map(|old| self.values(old)).unwrap_or_default();
        let columns: Vec<Vec<f64>> = moved.iter().map(column).collect();
        let at = |scrape: usize| columns.iter().map(move |column| column.get(scrape).copied());
        let full = |scrape: usize| at(scrape).map(|value| value.unwrap_or(f64::NAN)).collect::<Box<[f64]>>();
        self.rows =
            (1..self.stamps.len()).map(|scrape| Row::between(at(scrape), &full(scrape - 1))).collect();
        self.newest = full(0);
        self.shape = shape;
    }

    /// A series' points, newest first, and the time of the scrape before the oldest of them if that had no such
    /// series.
    pub(super) fn points(&self, series: u32) -> (Vec<Point>, Option<i64>) {
        let values = self.values(series);
        let lacked = self.stamps.get(values.len()).map(|stamp| stamp.at);
        let created = self.shape.created(series).and_then(|created| self.newest(created)).and_then(seconds);
        let point = |(stamp, value): (&Stamp, f64)| {
            let started = created.filter(|created| *created <= stamp.at).or(stamp.started);
            Point { at: stamp.at, value, started }
        };
        (self.stamps.iter().zip(values).map(point).collect(), lacked)
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

    /// Drops the oldest scrape, but for the two newest: without them there is no rate.
    pub(super) fn forget_oldest(&mut self) -> bool {
        if self.rows.len() < 2 {
            return false;
        }
        self.rows.pop_back();
        self.stamps.truncate(self.rows.len() + 1);
        true
    }

    /// Keeps what lies within the window and the one scrape before it that anchors the rate, and never more than
    /// the window can hold.
    fn prune(&mut self) {
        let span = self.span;
        let edge = self.at() - span.window + span.interval / 2;
        let anchored = self.stamps.iter().take_while(|stamp| stamp.at > edge).count() + 1;
        let most = usize::try_from(span.window / span.interval.max(1)).unwrap_or(0) + 3;
        self.stamps.truncate(anchored.min(most).min(MOST_SCRAPES));
        self.rows.truncate(self.stamps.len().saturating_sub(1));
    }
}

/// A window of many short intervals is cut to this many scrapes; its `windowSeconds` say so.
const MOST_SCRAPES: usize = 64;

/// Seconds since 1970, as `_created` has them, in milliseconds.
fn seconds(seconds: f64) -> Option<i64> {
    let sane = seconds.is_finite() && (0.0..1e11).contains(&seconds);
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    sane.then_some((seconds * 1000.0) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scraped::{SeriesKind, ShapeBuilder};

    const SPAN: Span = Span { window: 60_000, interval: 15_000 };

    fn shape(names: &[&str]) -> Arc<Shape> {
        let mut builder = ShapeBuilder::default();
        for name in names {
            builder.add(name, SeriesKind::Counter, []);
        }
        Arc::new(builder.build())
    }

    fn stamp(at: i64) -> Stamp {
        Stamp { at, started: None }
    }

    fn values(history: &History, series: u32) -> Vec<f64> {
        history.points(series).0.iter().map(|point| point.value).collect()
    }

    #[test]
    fn what_was_pushed_is_read_back_newest_first() {
        let mut history = History::new(SPAN, stamp(0), shape(&["a", "b"]), &[1.0, 0.5]);
        history.push(stamp(15_000), &[3.0, 0.25]);
        history.push(stamp(30_000), &[1_000_003.0, f64::NAN]);
        assert_eq!(values(&history, 0), [1_000_003.0, 3.0, 1.0]);
        assert_eq!(values(&history, 1)[1..], [0.25, 0.5]);
    }

    #[test]
    fn no_more_is_kept_than_a_window_and_its_anchor() {
        let mut history = History::new(SPAN, stamp(0), shape(&["a"]), &[0.0]);
        for n in 1..50_i32 {
            history.push(stamp(i64::from(n) * 15_000), &[f64::from(n)]);
        }
        assert_eq!(values(&history, 0), [49.0, 48.0, 47.0, 46.0, 45.0]);
    }

    #[test]
    fn forgetting_stops_at_the_two_scrapes_that_a_rate_needs() {
        let mut history = History::new(SPAN, stamp(0), shape(&["a"]), &[0.0]);
        (1..4).for_each(|n| history.push(stamp(i64::from(n) * 15_000), &[f64::from(n)]));
        assert_eq!(
            [history.forget_oldest(), history.forget_oldest(), history.forget_oldest()],
            [true, true, false]
        );
        assert_eq!(values(&history, 0), [3.0, 2.0]);
    }

    #[test]
    fn series_keep_their_past_when_the_shape_changes() {
        let mut history = History::new(SPAN, stamp(0), shape(&["a", "b"]), &[1.0, 10.0]);
        history.push(stamp(15_000), &[2.0, 20.0]);
        history.push_moved(stamp(30_000), shape(&["b", "c"]), &[30.0, 5.0], &[Some(1), None]);
        assert_eq!(values(&history, 0), [30.0, 20.0, 10.0]);
        let (points, lacked) = history.points(1);
        assert_eq!(points.len(), 1, "{points:?}");
        assert_eq!(lacked, Some(15_000), "the scrape before had no such series");
    }
}
