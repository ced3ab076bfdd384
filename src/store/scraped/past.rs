//! Counters that a good scrape lacks, for as long as they may come back.
//!
//! An exporter whose backend did not answer, a merged page with a part missing, a label set that expires: the scrape is
//! good and some counters are not in it. Their absence is not a reset. They keep what was seen of them for one window, so
//! that a rate is taken across the gap when they are back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{
    SeriesKind,
    rate::{Point, Span},
    shape::{PackedLabels, Shape},
};

/// Points of the past, newest first.
pub(super) type Points = Arc<[Point]>;

/// The past of the series that are gone, and of those that are back.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// By name and labels.
    gone: HashMap<Key, Gone, RandomState>,
    /// By place; what they were before their absence.
    back: HashMap<u32, Points, RandomState>,
    /// The families that the newest scrape lacks, with the time of the last scrape that had them.
    families: HashMap<Box<str>, i64, RandomState>,
}

type Key = Box<[u8]>;

/// A series that the newest scrape lacks.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) kind: SeriesKind,
    family: Box<str>,
    labels: Box<[u8]>,
    pub(super) points: Points,
}

impl Gone {
    pub(super) fn labels(&self) -> PackedLabels<'_> {
        PackedLabels::from_bytes(&self.labels)
    }

    /// When the last scrape began that had it.
    pub(super) fn newest(&self) -> i64 {
        self.points.first().map_or(i64::MIN, |point| point.scraped)
    }

    fn bytes(&self) -> usize {
        self.family.len() + self.labels.len() + points_bytes(&self.points)
    }
}

impl Past {
    /// What series `at` was before it was absent, newest first.
    pub(super) fn of(&self, at: u32) -> &[Point] {
        self.back.get(&at).map_or(&[], |points| points)
    }

    /// The counters of a family that the newest scrape lacks.
    pub(super) fn gone<'a>(&'a self, family: &'a str) -> impl Iterator<Item = &'a Gone> {
        self.gone.values().filter(move |gone| *gone.family == *family && gone.kind.is_counter())
    }

    /// When a family was last seen that the newest scrape lacks.
    pub(super) fn last_seen(&self, family: &str) -> Option<i64> {
        self.families.get(family).copied()
    }

    /// Follows a change of the shape. `gone` has the points of the series that the new shape lacks, newest first.
    pub(super) fn follow(&mut self, change: &ShapeChange<'_>, gone: Vec<(u32, Vec<Point>)>) {
        let room = change.old.len().max(LEAST_GONE);
        for (series, points) in gone {
            if self.gone.len() < room {
                self.gone.extend(gone_series(change.old, series, points));
            }
        }
        let mut back = HashMap::default();
        for (series, old) in (0..).zip(change.moved) {
            let past = match old {
                Some(old) => self.back.remove(old),
                None if self.gone.is_empty() => None,
                None => self.gone.remove(&key(change.new, series)).map(|gone| gone.points),
            };
            back.extend(past.map(|past| (series, past)));
        }
        self.back = back;
        self.note_families(change);
    }

    /// Drops what is too old to be of use when the newest scrape is that of `now`.
    pub(super) fn forget(&mut self, now: i64, span: Span) {
        let gap = now - span.longest_gap();
        let is_since =
            |edge: i64| move |points: &Points| points.first().is_some_and(|point| point.scraped >= edge);
        self.gone.retain(|_, gone| is_since(gap)(&gone.points));
        // What is back needs its past until it has been there for a window again.
        self.back.retain(|_, points| is_since(gap - span.window)(points));
        self.families.retain(|_, seen| (gap..=now).contains(seen));
    }

    /// Drops all points.
    pub(super) fn clear(&mut self) {
        self.gone.clear();
        self.back.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.back.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        let gone: usize = self.gone.iter().map(|(key, gone)| key.len() + gone.bytes()).sum();
        let back: usize = self.back.values().map(points_bytes).sum();
        gone + back + self.families.keys().map(|name| name.len() + OVERHEAD).sum::<usize>()
    }

    fn note_families(&mut self, change: &ShapeChange<'_>) {
        let now: HashSet<&str, RandomState> =
            change.new.families().iter().map(|family| &*family.name).collect();
        self.families.retain(|name, _| !now.contains(&**name));
        for family in change.old.families().iter().filter(|family| !now.contains(&*family.name)) {
            if self.families.len() < MOST_FAMILIES {
                self.families.insert(family.name.clone(), change.last_at);
            }
        }
    }
}

/// From one shape to the next.
pub(super) struct ShapeChange<'a> {
    pub(super) old: &'a Shape,
    pub(super) new: &'a Shape,
    /// The old place of each new series.
    pub(super) moved: &'a [Option<u32>],
    /// When the last scrape of the old shape began.
    pub(super) last_at: i64,
}

impl ShapeChange<'_> {
    /// The old series with a past that the new shape lacks.
    pub(super) fn gone(&self) -> Vec<u32> {
        let stays: HashSet<u32, RandomState> = self.moved.iter().flatten().copied().collect();
        let old = (0..).take(self.old.len()).filter(|series| !stays.contains(series));
        old.filter(|series| self.old.kind(*series).is_some_and(SeriesKind::has_past)).collect()
    }
}

fn gone_series(shape: &Shape, series: u32, points: Vec<Point>) -> Option<(Key, Gone)> {
    let gone = Gone {
        kind: shape.kind(series)?,
        family: shape.family_of(series)?.name.clone(),
        labels: shape.labels(series).as_bytes().into(),
        points: points.into(),
    };
    Some((key(shape, series), gone))
}

fn points_bytes(points: &Points) -> usize {
    points.len() * size_of::<Point>() + OVERHEAD
}

/// Labels are sorted by the exposition, so one series has one key.
fn key(shape: &Shape, series: u32) -> Key {
    let name = shape.name_of(series).unwrap_or_default();
    [name.as_bytes(), &[0], shape.labels(series).as_bytes()].concat().into()
}

/// So many series are kept of a target that had fewer.
const LEAST_GONE: usize = 1_000;

/// Families whose last time is kept of a target that has them no more.
const MOST_FAMILIES: usize = 200;

/// Of a map's entry and an `Arc`.
const OVERHEAD: usize = 64;
