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

use super::{rate::Point, shape::Shape};

/// Points of the past, newest first.
pub(super) type Points = Arc<[Point]>;

/// The past of the series that are gone, and of those that are back.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// By name and labels.
    gone: HashMap<Key, Points, RandomState>,
    /// By place; what they were before their absence.
    back: HashMap<u32, Points, RandomState>,
    /// The families that the newest scrape lacks, by the time of the last scrape that had them.
    families: HashMap<Box<str>, i64, RandomState>,
}

type Key = Box<[u8]>;

impl Past {
    /// What series `at` was before it was absent, newest first.
    pub(super) fn of(&self, at: u32) -> &[Point] {
        self.back.get(&at).map_or(&[], |points| points)
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
                self.gone.insert(key(change.old, series), points.into());
            }
        }
        let mut back = HashMap::default();
        for (series, old) in (0..).zip(change.moved) {
            let past = match old {
                Some(old) => self.back.remove(old),
                None if self.gone.is_empty() => None,
                None => self.gone.remove(&key(change.new, series)),
            };
            back.extend(past.map(|past| (series, past)));
        }
        self.back = back;
        self.note_families(change);
    }

    /// Drops what is too old to be of use at `edge`.
    pub(super) fn forget(&mut self, edge: i64) {
        let is_recent = |points: &Points| points.first().is_some_and(|point| point.scraped >= edge);
        self.gone.retain(|_, points| is_recent(points));
        self.back.retain(|_, points| is_recent(points));
        self.families.retain(|_, seen| *seen >= edge);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.back.is_empty() && self.families.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        let of = |points: &Points| points.len() * size_of::<Point>() + OVERHEAD;
        let gone: usize = self.gone.iter().map(|(key, points)| key.len() + of(points)).sum();
        let back: usize = self.back.values().map(of).sum();
        gone + back + self.families.keys().map(|name| name.len() + OVERHEAD).sum::<usize>()
    }

    fn note_families(&mut self, change: &ShapeChange<'_>) {
        let now: HashSet<&str, RandomState> =
            change.new.families().iter().map(|family| &*family.name).collect();
        self.families.retain(|name, _| !now.contains(&**name));
        for family in change.old.families().iter().filter(|family| !now.contains(&*family.name)) {
            if self.families.len() < LEAST_GONE {
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
        old.filter(|series| self.old.kind(*series).is_some_and(super::SeriesKind::has_past)).collect()
    }
}

/// Labels are sorted by the exposition, so one series has one key.
fn key(shape: &Shape, series: u32) -> Key {
    let name = shape.name_of(series).unwrap_or_default();
    [name.as_bytes(), &[0], shape.labels(series).as_bytes()].concat().into()
}

/// So many series are kept of a target that had fewer.
const LEAST_GONE: usize = 1_000;

/// Of a map's entry and an `Arc`.
const OVERHEAD: usize = 64;
