//! The sum of several label sets of one page: half a sum is worse than none.

use custom_metrics_adapter::store::SeriesKind;
use proptest::prelude::*;

use crate::{
    counter::{Counter, Load},
    judge::{Answer, TENTH, begins},
    pod::{Line, Pace, Pod},
    run::histories,
};

/// What becomes of a label set. Turns are counted from the start of the history.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Stays,
    /// It is there from this turn on.
    Appears(usize),
    /// Pages lack it, while it counts on.
    Lacked {
        turn: usize,
        turns: usize,
    },
    /// It counts no more, and is gone.
    Ends(usize),
    /// Its exporter drops it after some idle time, and shows it again when it counts again: with its past, or from zero.
    Expires {
        turn: usize,
        turns: usize,
        from_zero: bool,
    },
}

#[derive(Clone, Debug)]
struct LabelSet {
    rate: f64,
    total: f64,
    fate: Fate,
}

#[derive(Clone, Debug)]
struct Story {
    interval: f64,
    sets: Vec<LabelSet>,
    /// Whether the page has the start of the process that counts.
    start: bool,
    jitter: Vec<f64>,
    missed: Vec<bool>,
    /// Turns before which the process starts again, and turns of which the page lacks the whole metric.
    resets: Vec<usize>,
    lacks: Vec<usize>,
}

const TURNS: usize = 36;

/// A label set with its events.
#[derive(Debug)]
struct Series {
    counter: Counter,
    /// Whether the page of each turn would have it.
    there: Vec<bool>,
    /// The times of good scrapes that had it, and of those that lacked it.
    shown: Vec<f64>,
    lacked: Vec<f64>,
}

#[derive(Debug)]
struct History {
    pace: Pace,
    times: Vec<f64>,
    series: Vec<Series>,
}

impl Story {
    fn play(&self) -> History {
        let pace = Pace { interval: self.interval, window: f64::max(60.0, 4.0 * self.interval) };
        let planned = (0..TURNS as u32).map(|turn| f64::from(turn) * self.interval);
        let times: Vec<f64> = planned
            .zip(&self.jitter)
            .map(|(planned, jitter)| ((planned + jitter * self.interval) * 1000.0).round() / 1000.0)
            .collect();
        let series = self.sets.iter().map(|set| self.series(set, pace, &times)).collect();
        History { pace, times, series }
    }

    /// A moment a little before a turn.
    fn before(&self, turn: usize) -> f64 {
        (turn as f64 - 0.3) * self.interval
    }

    fn series(&self, set: &LabelSet, pace: Pace, times: &[f64]) -> Series {
        let mut counter = Counter { born: -1e4, ..Counter::steady(set.rate, set.total) };
        counter.resets = self.resets.iter().map(|turn| self.before(*turn)).collect();
        let mut there = vec![true; TURNS];
        match set.fate {
            Fate::Stays => {}
            Fate::Appears(turn) => there[..turn].fill(false),
            Fate::Lacked { turn, turns } => there[turn..(turn + turns).min(TURNS)].fill(false),
            Fate::Ends(turn) => {
                counter.load = Load(vec![(0.0, set.rate), (self.before(turn), 0.0)]);
                there[turn..].fill(false);
            }
            Fate::Expires { turn, turns, from_zero } => {
                let back = (turn + turns).min(TURNS);
                let idle = self.before(turn) - pace.window - 3.0 * self.interval;
                counter.load = Load(vec![(0.0, set.rate), (idle, 0.0), (self.before(back), set.rate)]);
                there[turn..back].fill(false);
                if from_zero {
                    counter.resets.push(self.before(back));
                    counter.resets.sort_by(f64::total_cmp);
                }
            }
        }
        for turn in &self.lacks {
            there[*turn] = false;
        }
        let good = |has: bool| {
            let turns = (0..TURNS).filter(|turn| there[*turn] == has && !self.missed[*turn]);
            turns.map(|turn| times[turn]).collect()
        };
        let (shown, lacked) = (good(true), good(false));
        Series { counter, there, shown, lacked }
    }

    /// Whether nothing happens but misses and new label sets.
    fn is_quiet(&self) -> bool {
        let calm = |set: &LabelSet| matches!(set.fate, Fate::Stays | Fate::Appears(_));
        self.resets.is_empty() && self.lacks.is_empty() && self.sets.iter().all(calm)
    }
}

impl Series {
    /// What it counted a second in the window, at the least and at the most. At the least: what scrapes showed of it; at
    /// the most: all of it. One window is stated for all label sets, but that of one may begin later: at a scrape
    /// within the first half of the stated window, or at the first one since a reset or a gap.
    fn rate(&self, (from, to): (f64, f64), window: f64) -> (f64, f64) {
        let shown: Vec<f64> = self.shown.iter().copied().filter(|at| *at <= to).collect();
        let is_break = |pair: &[f64]| {
            let within = |at: &f64| pair[0] < *at && *at <= pair[1];
            self.lacked.iter().chain(&self.counter.resets).any(within)
        };
        let run = shown.windows(2).rposition(is_break).map_or(0, |place| place + 1);
        let early = shown.iter().copied().filter(|at| from <= *at && *at <= to - 0.5 * (to - from));
        let begins = early.chain(shown.get(run).copied()).chain([from]).filter(|begin| *begin < to);
        // before a gap of more than a window it may have been forgotten
        let anew =
            shown.windows(2).rposition(|pair| pair[1] - pair[0] > window - 1.0).map_or(0, |place| place + 1);
        let known = &shown[anew.min(shown.len())..];
        begins.fold((f64::INFINITY, 0.0), |(least, most), begin| {
            let counted = self.counter.observed((begin, to), known, false);
            (least.min(counted.seen / (to - begin)), f64::max(most, counted.all / (to - begin)))
        })
    }
}

impl History {
    /// Whether the answer is the sum of the rates of these label sets. Its time is that of the oldest sample in it;
    /// others are as new as the `newest` scrape.
    fn is_true(&self, answer: Answer, sets: &[usize], newest: f64) -> bool {
        begins(answer).any(|from| {
            let of = |set: &usize, end: f64| {
                self.series[*set].rate((end - (answer.at - from), end), self.pace.window)
            };
            let rates = sets.iter().map(|set| (of(set, answer.at), of(set, newest)));
            let (least, most) = rates.fold((0.0, 0.0), |sum, (old, new)| {
                (sum.0 + f64::min(old.0, new.0), sum.1 + f64::max(old.1, new.1))
            });
            answer.value >= least * (1.0 - TENTH) - 0.001 && answer.value <= most * (1.0 + TENTH) + 0.001
        })
    }
}

fn check(story: &Story) -> Result<(), TestCaseError> {
    let history = story.play();
    let pod = Pod::new(history.pace);
    let mut port = pod.port("8080");
    let all: Vec<usize> = (0..history.series.len()).collect();
    for (turn, at) in history.times.iter().copied().enumerate() {
        if story.missed[turn] {
            port.fails();
        } else {
            let moves = story.resets.iter().rev().find(|reset| **reset <= turn);
            let started = story.start.then(|| moves.map_or(-1e4, |turn| story.before(*turn)));
            port.scrape(at, started, &page(&history, turn, at));
        }
        let now = at + 0.5 * story.interval;
        for (selector, sets) in [("", all.as_slice()), ("set=s0", &[0])] {
            let answer = pod.ask("jobs_per_second", selector, now);
            let rates = || {
                let span = (at - history.pace.window, at);
                sets.iter()
                    .map(|set| history.series[*set].rate(span, history.pace.window))
                    .collect::<Vec<_>>()
            };
            match answer {
                Ok(answer) => prop_assert!(
                    history.is_true(answer, sets, at),
                    "turn {turn} at {at}, {selector:?}: {answer:?}, in truth {:?}",
                    rates()
                ),
                Err(absence) => {
                    let oldest = history.series[0].shown.iter().filter(|shown| **shown <= at).count();
                    let must =
                        story.is_quiet() && oldest >= 2 && !story.missed[turn] && !story.missed[turn - 1];
                    prop_assert!(!must, "turn {turn} at {at}, {selector:?}: {absence}");
                }
            }
        }
    }
    Ok(())
}

fn page(history: &History, turn: usize, at: f64) -> Vec<Line> {
    let there = history.series.iter().enumerate().filter(|(_, series)| series.there[turn]);
    let lines = there.map(|(place, series)| Line {
        labels: vec![("set", format!("s{place}"))],
        ..Line::new("jobs_total", SeriesKind::Counter, series.counter.value(at))
    });
    std::iter::once(Line::new("up", SeriesKind::Gauge, 1.0)).chain(lines).collect()
}

fn fate() -> impl Strategy<Value = Fate> {
    let turn = || 2_usize..TURNS - 2;
    prop_oneof![
        4 => Just(Fate::Stays),
        2 => turn().prop_map(Fate::Appears),
        2 => (turn(), 1_usize..4).prop_map(|(turn, turns)| Fate::Lacked { turn, turns }),
        1 => turn().prop_map(Fate::Ends),
        2 => (20..TURNS - 2, 1_usize..12, any::<bool>())
            .prop_map(|(turn, turns, from_zero)| Fate::Expires { turn, turns, from_zero }),
    ]
}

prop_compose! {
    fn label_set(fates: bool)(
        rate in prop_oneof![1 => Just(0.0), 4 => 1.0..500.0],
        total in prop_oneof![1 => Just(0.0), 2 => 1e5..1e9],
        fate in fate(),
    ) -> LabelSet {
        LabelSet { rate, total, fate: if fates { fate } else { Fate::Stays } }
    }
}

prop_compose! {
    fn story(fates: bool, events: usize)(
        interval in prop::sample::select(vec![5.0, 15.0, 30.0]),
        first in label_set(false),
        sets in prop::collection::vec(label_set(fates), 0..5),
        start in any::<bool>(),
        jitter in prop::collection::vec(0.0..0.2, TURNS),
        missed in prop::collection::vec(prop::bool::weighted(0.05), TURNS),
        resets in prop::collection::btree_set(2..TURNS, 0..=events),
        lacks in prop::collection::vec(2..TURNS, 0..=events),
    ) -> Story {
        let sets = std::iter::once(first).chain(sets).collect();
        Story { interval, sets, start, jitter, missed, resets: resets.into_iter().collect(), lacks }
    }
}

#[test]
fn a_sum_of_label_sets_that_come_and_go_is_the_sum_of_what_was_seen() {
    histories(400, &story(true, 0), |story| check(&story));
}

#[test]
fn a_sum_of_label_sets_is_right_through_resets_and_partial_pages() {
    histories(300, &story(true, 2), |story| check(&story));
}

#[test]
fn a_sum_of_steady_label_sets_is_there_from_the_second_scrape_on() {
    histories(200, &story(false, 0), |story| check(&story));
}
