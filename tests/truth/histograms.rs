//! Histograms: a reset is one of all parts, and the quantiles are those of what was observed in the window.

use custom_metrics_adapter::store::SeriesKind;
use proptest::prelude::*;

use crate::{
    counter::{Counter, Load, seen_spans},
    judge::{Answer, TENTH, begins},
    pod::{Line, Pace, Pod},
    run::histories,
};

const BOUNDS: [f64; 5] = [0.1, 0.5, 1.0, 5.0, f64::INFINITY];
/// How long an observation takes that falls into each bucket.
const TAKES: [f64; 5] = [0.05, 0.3, 0.7, 2.5, 8.0];
const TURNS: usize = 30;

/// Observations a second of each bucket, in each phase of the process.
#[derive(Clone, Debug)]
struct Phase {
    lasts: f64,
    rates: [f64; 5],
}

#[derive(Clone, Debug)]
struct Story {
    interval: f64,
    /// What each bucket had before the first scrape; the whole is far more than what is observed between two scrapes.
    totals: [f64; 5],
    phases: Vec<Phase>,
    /// Whether the page has the process's start, or each series its own.
    start: bool,
    dated: bool,
    jitter: Vec<f64>,
    missed: Vec<bool>,
    resets: Vec<usize>,
    lacks: Vec<usize>,
}

#[derive(Debug)]
struct History {
    /// One for each bucket alone, not cumulative.
    buckets: Vec<Counter>,
    times: Vec<f64>,
    shown: Vec<f64>,
}

/// Observations within a window: by bucket.
type Observed = [f64; 5];

impl Story {
    fn play(&self) -> History {
        let bucket = |place: usize| {
            let mut since = 0.0;
            let load = self.phases.iter().map(|phase| {
                let piece = (since, phase.rates[place]);
                since += phase.lasts;
                piece
            });
            Counter {
                born: 0.0,
                total: self.totals[place],
                load: Load(load.collect()),
                resets: self.resets.iter().map(|turn| self.before(*turn)).collect(),
            }
        };
        let time =
            |turn: usize| (((turn as f64 + self.jitter[turn]) * self.interval) * 1000.0).round() / 1000.0;
        let times: Vec<f64> = (0..TURNS).map(time).collect();
        let shown = |turn: &usize| !self.missed[*turn] && !self.lacks.contains(turn);
        let shown = (0..TURNS).filter(shown).map(|turn| times[turn]).collect();
        History { buckets: (0..5).map(bucket).collect(), times, shown }
    }

    fn before(&self, turn: usize) -> f64 {
        (turn as f64 - 0.2) * self.interval
    }
}

impl History {
    fn page(&self, at: f64, created: Option<f64>) -> Vec<Line> {
        let values: Vec<f64> = self.buckets.iter().map(|bucket| bucket.value(at)).collect();
        let cumulative: Vec<f64> = (0..5).map(|place| values[..=place].iter().sum()).collect();
        let sum = values.iter().zip(TAKES).map(|(value, takes)| value * takes).sum();
        let buckets = (0..5).map(|place| Line {
            labels: vec![("le", BOUNDS[place].to_string())],
            ..Line::new("lat_bucket", SeriesKind::Bucket(BOUNDS[place]), cumulative[place])
        });
        let parts = [
            Line::new("lat_sum", SeriesKind::Sum, sum),
            Line::new("lat_count", SeriesKind::Count, cumulative[4]),
        ];
        buckets.chain(parts).map(|line| Line { created, ..line }).collect()
    }

    /// What was observed in the window, and what of it scrapes could show.
    fn observed(&self, span: (f64, f64)) -> [Observed; 2] {
        let spans: Vec<(f64, f64)> = seen_spans(span, &self.shown, &self.buckets[0].resets).collect();
        let seen = |bucket: &Counter| spans.iter().map(|(from, to)| bucket.counted(*from, *to)).sum();
        let all = |bucket: &Counter| bucket.counted(span.0, span.1);
        [
            std::array::from_fn(|place| all(&self.buckets[place])),
            std::array::from_fn(|place| seen(&self.buckets[place])),
        ]
    }

    /// Whether the answer lies between the truth of all and that of what could be seen, or a tenth beside.
    fn is_true(&self, answer: Answer, of: impl Fn(&Observed, f64) -> Option<f64>) -> bool {
        begins(answer).any(|from| {
            let truths = self.observed((from, answer.at)).map(|observed| of(&observed, answer.at - from));
            let truths: Vec<f64> = truths.into_iter().flatten().collect();
            let (least, most) = (
                truths.iter().copied().fold(f64::INFINITY, f64::min),
                truths.iter().copied().fold(0.0, f64::max),
            );
            answer.value >= least * (1.0 - TENTH) - 0.001 && answer.value <= most * (1.0 + TENTH) + 0.001
        })
    }
}

/// The quantile of observations that lie evenly within their buckets.
fn quantile(q: f64, observed: &Observed) -> Option<f64> {
    let whole: f64 = observed.iter().sum();
    let (mut below, rank) = (0.0, q * whole);
    for (place, count) in observed.iter().enumerate() {
        if whole > 0.0 && (below + count >= rank || place == 4) {
            let lower = if place == 0 { 0.0 } else { BOUNDS[place - 1] };
            let within = if *count > 0.0 { (rank - below) / count } else { 0.0 };
            return Some(if place == 4 { lower } else { lower + (BOUNDS[place] - lower) * within });
        }
        below += count;
    }
    None
}

fn mean(observed: &Observed) -> Option<f64> {
    let whole: f64 = observed.iter().sum();
    let sum: f64 = observed.iter().zip(TAKES).map(|(count, takes)| count * takes).sum();
    (whole > 0.0).then(|| sum / whole)
}

fn check(story: &Story) -> Result<(), TestCaseError> {
    let history = story.play();
    let pace = Pace { interval: story.interval, window: f64::max(60.0, 4.0 * story.interval) };
    let pod = Pod::new(pace);
    let mut port = pod.port("8080");
    for (turn, at) in history.times.iter().copied().enumerate() {
        let moved = story.resets.iter().rev().find(|reset| **reset <= turn);
        let began = moved.map_or(-1e5, |turn| story.before(*turn));
        let up = std::iter::once(Line::new("up", SeriesKind::Gauge, 1.0));
        if story.missed[turn] {
            port.fails();
        } else if story.lacks.contains(&turn) {
            port.scrape(at, story.start.then_some(began), &up.collect::<Vec<_>>());
        } else {
            let lines: Vec<Line> = up.chain(history.page(at, story.dated.then_some(began))).collect();
            port.scrape(at, story.start.then_some(began), &lines);
        }
        let now = at + 0.4 * story.interval;
        let quiet = story.lacks.is_empty()
            && story.resets.is_empty()
            && turn >= 1
            && !story.missed[turn]
            && !story.missed[turn - 1];
        for (metric, q) in [("lat_p50", 0.5), ("lat_p90", 0.9), ("lat_p99", 0.99)] {
            if let Ok(answer) = pod.ask(metric, "", now) {
                let [truth, seen] = history.observed((answer.at - answer.window, answer.at));
                prop_assert!(
                    history.is_true(answer, |observed, _| quantile(q, observed)),
                    "turn {turn} at {at}: {metric} {answer:?}, in truth {truth:?}, seen {seen:?}, {:?}",
                    history.shown
                );
            }
        }
        if let Ok(answer) = pod.ask("lat_avg", "", now) {
            prop_assert!(history.is_true(answer, |observed, _| mean(observed)), "turn {turn}: {answer:?}");
        }
        match pod.ask("lat_per_second", "", now) {
            Ok(answer) => {
                let rate = |observed: &Observed, span| Some(observed.iter().sum::<f64>() / span);
                prop_assert!(history.is_true(answer, rate), "turn {turn} at {at}: {answer:?}");
            }
            Err(absence) => prop_assert!(!quiet, "turn {turn} at {at}: {absence}"),
        }
    }
    Ok(())
}

fn phase() -> impl Strategy<Value = Phase> {
    let rate = || prop_oneof![1 => Just(0.0), 2 => 0.5..50.0];
    (20.0..400.0, prop::array::uniform5(rate())).prop_map(|(lasts, rates)| Phase { lasts, rates })
}

prop_compose! {
    fn story()(
        interval in prop::sample::select(vec![5.0, 15.0, 30.0]),
        many in 1e6..1e8,
        totals in prop::array::uniform5(prop_oneof![1 => Just(0.0), 2 => 0.0..2000.0]),
        phases in prop::collection::vec(phase(), 1..5),
        start in any::<bool>(),
        dated in prop::bool::weighted(0.2),
        jitter in prop::collection::vec(0.0..0.2, TURNS),
        missed in prop::collection::vec(prop::bool::weighted(0.06), TURNS),
        resets in prop::collection::btree_set(2..TURNS, 0..3),
        lacks in prop::collection::vec(2..TURNS, 0..2),
        place in 0_usize..5,
    ) -> Story {

        let totals = std::array::from_fn(|bucket| if bucket == place { many } else { totals[bucket] });
        let resets: Vec<usize> = resets.into_iter().take(1).collect();
        Story { interval, totals, phases, start, dated, jitter, missed, resets, lacks }
    }
}

#[test]
fn quantiles_mean_and_rate_of_a_histogram_are_those_of_the_window() {
    histories(400, &story(), |story| check(&story));
}

/// One NaN makes the sum of a label set NaN for ever; its count goes on.
#[test]
fn a_label_set_without_a_sum_has_no_part_in_the_mean() {
    let pod = Pod::new(Pace { interval: 15.0, window: 60.0 });
    let mut port = pod.port("8080");
    for turn in 0..6 {
        let at = f64::from(turn) * 15.0;
        let line = |name, kind, handler: &str, value| Line {
            labels: vec![("handler", handler.to_owned())],
            ..Line::new(name, kind, value)
        };
        port.scrape(
            at,
            None,
            &[
                line("lat_sum", SeriesKind::Sum, "a", f64::NAN),
                line("lat_count", SeriesKind::Count, "a", 100.0 * at),
                line("lat_sum", SeriesKind::Sum, "b", 5.0 * at),
                line("lat_count", SeriesKind::Count, "b", 10.0 * at),
            ],
        );
    }
    let mean = pod.ask("lat_avg", "", 76.0).map(|answer| answer.value);
    assert!(mean.as_ref().is_ok_and(|mean| (mean - 0.5).abs() < 1e-6), "{mean:?}");
}
