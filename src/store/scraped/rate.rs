//! How fast counters grow: an anchored rate over real time.
//!
//! Prometheus's `rate()` extrapolates to the edges of its range, so a new pod shows half its rate and the answer
//! depends on the moment of the question. An HPA is better served by the increase between two scrapes: the value now
//! minus the value one window ago, divided by the time between the two. `tests/vectors/rates.json` sets both beside
//! the truth.
//!
//! A rate never reaches across a reset. The increments between the last scrape before a reset and the reset itself are
//! not observable, so a sum across it is wrong by up to an interval's increments. The rate is taken over the unbroken
//! run of scrapes after the reset, or, until that run has two scrapes, over the run before it.

use std::cmp::Ordering;

use super::change::{CLOCK_SKEW, Change, Fall, Starts, moved};

/// One scraped value of one counter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// When the scrape began (milliseconds since 1970, as all moments here).
    pub(super) scraped: i64,
    /// When the value was true: as `scraped`, unless the sample has a timestamp of its own.
    pub(super) at: i64,
    pub(super) value: f64,
    /// When the series began to count, by its own `_created`.
    pub(super) created: Option<i64>,
    pub(super) starts: Starts,
}

/// The points of one counter, or of one part of a histogram, newest first.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) points: Vec<Point>,
    /// A histogram's sum falls by a negative observation; nothing else of a counter falls without a reset.
    pub(super) is_sum: bool,
}

/// What counts as a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// The window, in milliseconds.
    pub(super) window: i64,
    /// The scrape interval, in milliseconds.
    pub(super) interval: i64,
}

/// How much each part grew, and over which time.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Increase {
    pub(super) amounts: Vec<f64>,
    pub(super) from: i64,
    pub(super) to: i64,
    /// Whether the counter was not there before, as far as is known.
    pub(super) is_new: bool,
}

/// Why a counter's growth cannot be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unknown {
    /// It is new: one scrape has it.
    New,
    /// It was reset, and too little has been seen of it before and after.
    Early,
    /// Several processes answer behind one port, and each has counters of its own.
    NonMonotonic,
}

/// How two successive scrapes of a counter hang together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    /// The counter counted on.
    Unbroken,
    /// The counter was reset. Where its own start says when, it stood at zero then.
    Reset { zero: Option<i64>, explained: bool },
    /// The two scrapes met different processes.
    Several,
}

impl Span {
    /// A scrape this much older than the newest one is a window old; half an interval absorbs jitter.
    pub(super) fn anchor(self) -> i64 {
        self.window - self.interval / 2
    }

    /// The longest time without a scrape that a rate reaches across.
    pub(super) fn longest_gap(self) -> i64 {
        self.window.max(5 * self.interval)
    }
}

impl Part {
    /// What lies within two moments.
    pub(super) fn within(&self, from: i64, to: i64) -> Self {
        let points = self.points.iter().copied().filter(|point| (from..=to).contains(&point.at)).collect();
        Self { points, is_sum: self.is_sum }
    }
}

impl Increase {
    /// Of the first part, per second.
    pub(super) fn rate(&self) -> f64 {
        self.amounts.first().copied().unwrap_or_default() / self.seconds()
    }

    pub(super) fn seconds(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "spans are minutes")]
        let millis = (self.to - self.from) as f64;
        millis / 1000.0
    }
}

/// The increase of `parts`, which are reset together, over the window that ends with the newest scrape that has all of
/// them.
pub(super) fn increase(parts: &[Part], span: Span) -> Result<Increase, Unknown> {
    let table = Table::align(parts);
    if table.shows_several(span) {
        return Err(Unknown::NonMonotonic);
    }
    let (mut newest, mut unknown) = (0, Unknown::New);
    while let Some(run) = table.run(newest, span) {
        if let Some(increase) = table.grown(&run, span) {
            return Ok(increase);
        }
        match run.end {
            // The counters before the reset are the last ones that are known.
            End::Reset { .. } => (newest, unknown) = (run.oldest + 1, Unknown::Early),
            End::Start | End::Anchor | End::Gap => break,
        }
    }
    Err(unknown)
}

/// Scrapes that have every part, newest first.
struct Table {
    rows: Vec<Row>,
    sums: Vec<bool>,
}

struct Row {
    at: i64,
    created: Option<i64>,
    starts: Starts,
    values: Vec<f64>,
}

/// Rows between which nothing was reset.
struct Run {
    newest: usize,
    oldest: usize,
    end: End,
}

/// What lies before the oldest row of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// Nothing: the series was not there before.
    Start,
    /// The oldest row is a window old.
    Anchor,
    /// So long a time that what happened in it is not known.
    Gap,
    /// A reset.
    Reset { zero: Option<i64> },
}

impl Table {
    fn align(parts: &[Part]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        let (first, others) =
            parts.split_first().map_or((&[][..], parts), |(first, others)| (&*first.points, others));
        let mut rest: Vec<&[Point]> = others.iter().map(|part| &*part.points).collect();
        // What was scraped before the clock was set back has no place on it.
        let in_order = |newer: &Point, older: &Point| older.scraped < newer.scraped;
        let comparable = first
            .windows(2)
            .take_while(|pair| matches!(pair, [newer, older] if in_order(newer, older)))
            .count()
            + 1;
        for point in first.iter().take(comparable) {
            let mut values = vec![point.value];
            values.extend(rest.iter_mut().filter_map(|points| at_scrape(points, point.scraped)));
            // A sample that is exposed again with its old timestamp tells nothing new.
            let is_older = rows.last().is_none_or(|newer| point.at < newer.at);
            if is_older && values.len() == parts.len() && values.iter().all(|value| value.is_finite()) {
                rows.push(Row { at: point.at, created: point.created, starts: point.starts, values });
            }
        }
        Self { rows, sums: parts.iter().map(|part| part.is_sum).collect() }.without_dips()
    }

    /// A scrape that shows a little less than the one before, of the same process, is stepped over: a rate that begins
    /// or ends there would be off by the dip.
    fn without_dips(mut self) -> Self {
        let mut kept: Vec<Row> = Vec::with_capacity(self.rows.len());
        for row in std::mem::take(&mut self.rows).into_iter().rev() {
            if !kept.last().is_some_and(|older| self.is_dip(&row, older)) {
                kept.push(row);
            }
        }
        kept.reverse();
        self.rows = kept;
        self
    }

    fn is_dip(&self, newer: &Row, older: &Row) -> bool {
        let moved_own =
            newer.created.zip(older.created).is_some_and(|(now, then)| moved(now, then).is_some());
        !moved_own
            && Change::between(newer.starts, older.starts, older.at) == Change::Same
            && self.fell(newer, older) == Some(Fall::Hair)
    }

    /// Each pair of neighbours with its place, newest first.
    fn pairs(&self) -> impl Iterator<Item = (usize, &Row, &Row)> {
        let older = self.rows.iter().skip(1);
        self.rows.iter().zip(older).enumerate().map(|(at, (newer, older))| (at, newer, older))
    }

    /// Whether the scrapes of the last window met several processes: by their starts, by a second fall that no start
    /// explains, or by a counter that goes on where another one stood in between.
    fn shows_several(&self, span: Span) -> bool {
        let Some(newest) = self.rows.first() else { return false };
        let recent = self.pairs().take_while(|(_, newer, _)| newer.at > newest.at - span.window);
        let links: Vec<(usize, Link)> =
            recent.map(|(at, newer, older)| (at, self.link(newer, older))).collect();
        let falls = || links.iter().filter(|(_, link)| matches!(link, Link::Reset { explained: false, .. }));
        links.iter().any(|(_, link)| *link == Link::Several)
            || falls().nth(1).is_some()
            || falls().any(|(at, _)| self.goes_on_around(*at))
    }

    /// Whether the fall from row `at + 1` to row `at` stands between values of one counter: the next value is above the
    /// one before the fall, or the fall ends above the value before the rise.
    fn goes_on_around(&self, at: usize) -> bool {
        let value = |row: Option<usize>, part: usize| self.rows.get(row?)?.values.get(part).copied();
        (0..self.sums.len()).any(|part| {
            let (Some(low), Some(high)) = (value(Some(at), part), value(Some(at + 1), part)) else {
                return false;
            };
            let rises_above = value(at.checked_sub(1), part).is_some_and(|next| next > high);
            let stays_above = value(Some(at + 2), part).is_some_and(|before| 0.0 < before && before <= low);
            low < high && (rises_above || stays_above)
        })
    }

    fn link(&self, newer: &Row, older: &Row) -> Link {
        let fell = self.fell(newer, older);
        if let (Some(now), Some(then)) = (newer.created, older.created)
            && let Some(moved) = moved(now, then)
        {
            return own_start_moved(moved, now, (newer, older), fell);
        }
        let change = Change::between(newer.starts, older.starts, older.at);
        match (change, fell) {
            (Change::Several, _) => Link::Several,
            (Change::Same, Some(Fall::Hair)) | (_, None) => Link::Unbroken,
            (change, _) => Link::Reset { zero: None, explained: change == Change::Restarted },
        }
    }

    /// How far the parts fell that fall only at a reset.
    fn fell(&self, newer: &Row, older: &Row) -> Option<Fall> {
        let values = newer.values.iter().zip(&older.values).zip(&self.sums);
        values.filter(|(_, is_sum)| !**is_sum).filter_map(|((now, then), _)| Fall::between(*now, *then)).max()
    }

    /// The run whose newest row is `newest`: back to the window's anchor, a reset, a long gap or the start.
    fn run(&self, newest: usize, span: Span) -> Option<Run> {
        let to = self.rows.get(newest)?.at;
        let mut oldest = newest;
        let end = loop {
            let Some(row) = self.rows.get(oldest) else { break End::Start };
            if to - row.at >= span.anchor() {
                break End::Anchor;
            }
            let Some(older) = self.rows.get(oldest + 1) else { break End::Start };
            match self.link(row, older) {
                _ if row.at - older.at > span.longest_gap() => break End::Gap,
                Link::Reset { zero, .. } => break End::Reset { zero },
                Link::Several => break End::Gap,
                Link::Unbroken => oldest += 1,
            }
        };
        Some(Run { newest, oldest, end })
    }

    /// The increase over a run, if that is long enough to be a rate.
    fn grown(&self, run: &Run, span: Span) -> Option<Increase> {
        let rows = self.rows.get(run.newest..=run.oldest)?;
        let (newest, oldest) = (rows.first()?, rows.last()?);
        let zero = match run.end {
            End::Reset { zero } => zero,
            End::Start => oldest.created.filter(|created| *created > newest.at - span.window),
            End::Anchor | End::Gap => None,
        };
        let zero = zero.filter(|zero| *zero < oldest.at);
        let from = zero.unwrap_or(oldest.at);
        if newest.at - from < (span.interval / 2).max(1) {
            return None;
        }
        let amount = |(part, is_sum): (usize, &bool)| {
            let values = rows.iter().rev().filter_map(|row| row.values.get(part).copied());
            let since_zero = if zero.is_some() { oldest.values.get(part).copied()? } else { 0.0 };
            Some(since_zero + if *is_sum { difference(values) } else { climbed(values) })
        };
        let amounts: Option<Vec<f64>> = self.sums.iter().enumerate().map(amount).collect();
        let is_new = matches!(run.end, End::Start | End::Gap);
        Some(Increase { amounts: amounts?, from, to: newest.at, is_new })
    }
}

/// The value of the scrape at `scraped`; `points`, newest first, is cut to what is older.
fn at_scrape(points: &mut &[Point], scraped: i64) -> Option<f64> {
    let at = points.iter().position(|point| point.scraped <= scraped)?;
    let rest = points.get(at..).unwrap_or_default();
    *points = rest;
    rest.first().filter(|point| point.scraped == scraped).map(|point| point.value)
}

/// How far above its first value a counter came, oldest first. A dip adds nothing, nor does the way back up from it.
fn climbed(values: impl Iterator<Item = f64>) -> f64 {
    let mut values = values.peekable();
    let first = values.peek().copied().unwrap_or_default();
    values.fold(first, f64::max) - first
}

fn difference(mut values: impl Iterator<Item = f64>) -> f64 {
    let first = values.next().unwrap_or_default();
    values.last().map_or(0.0, |last| last - first)
}

/// A series' own start is another one than in the scrape before.
fn own_start_moved(moved: Ordering, now: i64, (newer, older): (&Row, &Row), fell: Option<Fall>) -> Link {
    let within = older.at < now && now <= newer.at;
    match moved {
        Ordering::Greater if within => Link::Reset { zero: Some(now), explained: true },
        Ordering::Greater if fell.is_some() || now > older.at - CLOCK_SKEW => {
            Link::Reset { zero: None, explained: true }
        }
        // An older start without a fall, or an earlier one: both series were there all along.
        _ => Link::Several,
    }
}

#[cfg(test)]
mod tests;
