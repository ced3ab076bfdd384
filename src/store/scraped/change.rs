//! What happened between two scrapes to the processes behind a target, and to a value.

use std::cmp::Ordering;

/// When the process and the container behind a target started. Neither says when a counter began: an exporter's
/// counters are older than the exporter. A start explains a fall, and shows that another process answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Starts {
    /// By `process_start_time_seconds`.
    pub(super) process: Option<i64>,
    /// By the kubelet.
    pub(super) container: Option<i64>,
}

/// How far a value fell. The order is that of their weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fall {
    /// By less than a thousandth: a counter that is computed from clocks or floats does that without a reset.
    Hair,
    /// By more.
    Deep,
}

impl Fall {
    pub(super) fn between(now: f64, then: f64) -> Option<Self> {
        let is_hair = then - now < then.abs() * HAIR;
        (now < then).then_some(if is_hair { Self::Hair } else { Self::Deep })
    }
}

/// What happened between two scrapes to the processes behind a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// The same process answered.
    Same,
    /// Nothing tells.
    Unknown,
    /// A process or container started in between.
    Restarted,
    /// The process of the one scrape ran beside that of the other.
    Several,
}

impl Change {
    /// From the starts of two successive scrapes, the older of which began at `older_at`.
    pub(super) fn between(newer: Starts, older: Starts, older_at: i64) -> Self {
        let both = |now: Option<i64>, then: Option<i64>| Some((now?, then?));
        let container = both(newer.container, older.container).and_then(|(now, then)| moved(now, then));
        if container == Some(Ordering::Greater) {
            return Self::Restarted;
        }
        let Some((now, then)) = both(newer.process, older.process) else { return Self::Unknown };
        match moved(now, then) {
            None => Self::Same,
            Some(Ordering::Greater) if now > older_at - CLOCK_SKEW => Self::Restarted,
            Some(_) => Self::Several,
        }
    }
}

/// How a start moved, if it is another one. A process's start is computed from the start of the machine, which the
/// kernel tells in whole seconds and corrects by one, so a second exactly is no move.
pub(super) fn moved(now: i64, then: i64) -> Option<Ordering> {
    let distance = now.abs_diff(then);
    let is_same = distance <= ROUNDING || distance.abs_diff(1_000) <= ROUNDING;
    (!is_same).then(|| now.cmp(&then))
}

/// Milliseconds by which one start may differ in two texts.
const ROUNDING: u64 = 2;

/// How far the clocks of a node and of the adapter may be apart: so much before the last scrape, a start may still be
/// one after it.
pub(super) const CLOCK_SKEW: i64 = 30_000;

/// The part of its value by which a counter may fall without a reset.
const HAIR: f64 = 1e-3;
