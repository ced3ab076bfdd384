//! A counter with known events. Times are seconds since the start of its history.

use proptest::prelude::*;

/// How fast something is counted: `(since, per second)`, ascending. Before the first entry the first rate holds.
#[derive(Clone, Debug)]
pub(crate) struct Load(pub(crate) Vec<(f64, f64)>);

impl Load {
    pub(crate) fn steady(rate: f64) -> Self {
        Self(vec![(0.0, rate)])
    }

    /// What is counted from `from` to `to`.
    pub(crate) fn counted(&self, from: f64, to: f64) -> f64 {
        let mut sum = 0.0;
        for (place, (since, rate)) in self.0.iter().enumerate() {
            let begin = if place == 0 { f64::NEG_INFINITY } else { *since };
            let end = self.0.get(place + 1).map_or(f64::INFINITY, |(since, _)| *since);
            sum += rate * (to.min(end) - from.max(begin)).max(0.0);
        }
        sum
    }
}

/// Steady, idle, changing every minute or so, or in short bursts.
pub(crate) fn load() -> impl Strategy<Value = Load> {
    let rate = || prop_oneof![1 => Just(0.0), 3 => 0.5..20.0, 3 => 20.0..2000.0];
    let piece = |length: std::ops::Range<f64>| (length, rate());
    let pieces = |length: std::ops::Range<f64>| {
        prop::collection::vec(piece(length), 1..12).prop_map(|pieces| {
            let mut since = 0.0;
            let starts = pieces.into_iter().map(|(length, rate)| {
                let start = (since, rate);
                since += length;
                start
            });
            Load(starts.collect())
        })
    };
    let bursts = prop::collection::vec((1.0..200.0, 0.5..10.0, 10.0..5000.0), 1..8).prop_map(|bursts| {
        let (mut now, mut load) = (0.0, vec![(0.0, 0.0)]);
        for (pause, length, rate) in bursts {
            load.push((now + pause, rate));
            load.push((now + pause + length, 0.0));
            now += pause + length;
        }
        Load(load)
    });
    prop_oneof![2 => rate().prop_map(Load::steady), 2 => pieces(20.0..200.0), 1 => pieces(1.0..20.0), 1 => bursts]
}

/// A counter: born once, started again from zero at each of its resets.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) born: f64,
    /// What it shows at birth: the work of earlier processes, where the total is kept outside of them.
    pub(crate) total: f64,
    pub(crate) load: Load,
    /// Ascending.
    pub(crate) resets: Vec<f64>,
}

/// What was counted within a span: all of it, and the part that any observer of the samples could know of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) seen: f64,
    pub(crate) all: f64,
}

impl Counter {
    pub(crate) fn steady(rate: f64, total: f64) -> Self {
        Self { born: 0.0, total, load: Load::steady(rate), resets: Vec::new() }
    }

    /// What was counted within the span, by the events alone.
    pub(crate) fn counted(&self, from: f64, to: f64) -> f64 {
        self.load.counted(from.max(self.born), to.max(self.born))
    }

    /// What the counter shows.
    pub(crate) fn value(&self, at: f64) -> f64 {
        let reset = self.resets.iter().rev().find(|reset| **reset <= at);
        reset.map_or_else(|| self.total + self.counted(self.born, at), |reset| self.counted(*reset, at))
    }

    /// When the value began to count from zero, if that is known.
    pub(crate) fn began(&self, at: f64) -> f64 {
        let long_ago = if self.total > 0.0 { self.born - 1e6 } else { self.born };
        self.resets.iter().rev().find(|reset| **reset <= at).copied().unwrap_or(long_ago)
    }

    /// What was counted within the span, and how much of it scrapes at the times `shown` (ascending) could show.
    ///
    /// Three things cannot be observed, and an answer may lack them:
    /// - what was counted between a scrape and a reset;
    /// - what was counted before the first scrape that showed the counter, or after the last;
    /// - the old value of a counter that was reset and outgrew it before the next scrape: the same samples come from
    ///   a counter that was not reset.
    ///
    /// A `dated` counter states its own start: its resets are known, and what it counted since its start is known from
    /// the first scrape on.
    pub(crate) fn observed(&self, span: (f64, f64), shown: &[f64], dated: bool) -> Counted {
        let first = shown.first().map(|first| if dated { self.began(*first).min(*first) } else { *first });
        let known: Vec<f64> = first.into_iter().chain(shown.iter().copied()).collect();
        let counted: f64 =
            seen_spans(span, &known, &self.resets).map(|(from, to)| self.counted(from, to)).sum();
        let outgrown: f64 = known.windows(2).map(|gap| self.outgrown(span, (gap[0], gap[1]))).sum();
        let seen = if dated { counted } else { (counted - outgrown).max(0.0) };
        Counted { seen, all: self.counted(span.0, span.1) }
    }

    /// The old value that a counter which was reset between two scrapes in a row had outgrown by the second.
    fn outgrown(&self, span: (f64, f64), (before, after): (f64, f64)) -> f64 {
        let reset = self.resets.iter().any(|reset| before < *reset && *reset <= after);
        let (old, new) = (self.value(before), self.value(after));
        if reset && span.0 < after && after <= span.1 && new >= HAIR * old { old.min(new) } else { 0.0 }
    }
}

/// The parts of a span of which two scrapes in a row, at the times `known`, show what was counted in them: all of the
/// time between the two, or the time since the last reset.
pub(crate) fn seen_spans<'a>(
    (from, to): (f64, f64),
    known: &'a [f64],
    resets: &'a [f64],
) -> impl Iterator<Item = (f64, f64)> + 'a {
    let gaps = known.windows(2).map(|gap| (gap[0], gap[1])).filter(move |(_, after)| *after <= to);
    gaps.map(move |(before, after)| {
        let reset = resets.iter().rev().find(|reset| before < **reset && **reset <= after);
        (reset.copied().unwrap_or(before).max(from), after)
    })
    .filter(|(begin, end)| begin < end)
}

/// A fall to no less than this of the value is a dip by a hair, which a reset may look like.
const HAIR: f64 = 0.999;

#[test]
fn the_simulated_counter_counts_what_its_load_says() {
    let load = Load(vec![(0.0, 1.0), (10.0, 5.0), (20.0, 0.0)]);
    let counter = Counter { born: -10.0, total: 100.0, load, resets: vec![15.0] };
    let values: Vec<f64> = [-10.0, 0.0, 12.0, 15.0, 18.0, 90.0].map(|at| counter.value(at)).into();
    assert_eq!(values, [100.0, 110.0, 130.0, 0.0, 15.0, 25.0]);
    assert_eq!(counter.counted(-60.0, 60.0), 70.0);
    let seen = |shown: &[f64]| counter.observed((0.0, 30.0), shown, false).seen;
    assert_eq!(seen(&[0.0, 14.0, 16.0, 30.0]), 55.0, "five were counted between a scrape and the reset");
    assert_eq!(seen(&[12.0, 16.0, 30.0]), 25.0, "and twenty before the first scrape");
}
