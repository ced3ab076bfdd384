//! A pod with two ports: the sum of both, or nothing.

use custom_metrics_adapter::store::SeriesKind;
use proptest::prelude::*;

use crate::{
    counter::Counter,
    judge::{Answer, TENTH, begins},
    pod::{Line, Pace, Pod, Port},
    run::histories,
};

const TURNS: usize = 30;

/// What a scrape of the second port meets.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Turn {
    Good,
    /// Too slow, refused: the process may well count on.
    Fails,
    /// A good page without the metric.
    Lacks,
}

#[derive(Clone, Debug)]
struct Story {
    interval: f64,
    rates: [f64; 2],
    totals: [f64; 2],
    /// How much later than the first port the second is scraped, as a part of the interval.
    shift: f64,
    second: Vec<Turn>,
    /// The turn before which the second port comes, and the one before which it goes.
    comes: usize,
    goes: usize,
}

/// The pod, and what became of its second port.
struct History<'a> {
    story: &'a Story,
    pod: Pod,
    first: Port,
    second: Option<Port>,
    state: Turn,
    /// Whether its last good page lacked the metric.
    lacks: bool,
    /// When good pages of the second port had the metric, and how many in a row did up to now.
    shown: Vec<f64>,
    good: usize,
}

impl<'a> History<'a> {
    fn new(story: &'a Story) -> Self {
        let pod = Pod::new(Pace { interval: story.interval, window: f64::max(60.0, 4.0 * story.interval) });
        let first = pod.port("8080");
        Self { story, pod, first, second: None, state: Turn::Good, lacks: false, shown: Vec::new(), good: 0 }
    }

    fn counter(&self, port: usize) -> Counter {
        Counter { born: -1e4, ..Counter::steady(self.story.rates[port], self.story.totals[port]) }
    }

    /// Scrapes both ports and gives back when that was done.
    fn turn(&mut self, turn: usize) -> f64 {
        let at = turn as f64 * self.story.interval;
        let later = at + (self.story.shift * self.story.interval * 1000.0).round() / 1000.0;
        let values = [self.counter(0).value(at), self.counter(1).value(later)];
        self.first.scrape(at, None, &page(Some(values[0])));
        if turn == self.story.comes {
            self.second = Some(self.pod.port("8081"));
        }
        if turn == self.story.goes {
            self.second = None;
        }
        let Some(port) = &mut self.second else { return later };
        self.state = self.story.second[turn];
        self.good = if self.state == Turn::Good { self.good + 1 } else { 0 };
        if self.state != Turn::Fails {
            self.lacks = self.state == Turn::Lacks;
        }
        match self.state {
            Turn::Good => {
                port.scrape(later, None, &page(Some(values[1])));
                self.shown.push(later);
            }
            Turn::Fails => port.fails(),
            Turn::Lacks => port.scrape(later, None, &page(None)),
        }
        later
    }

    fn exposes(&self) -> bool {
        self.second.is_some() && !self.shown.is_empty()
    }

    fn is_true(&self, answer: Answer) -> bool {
        begins(answer).any(|from| {
            let (least, most) = self.second_rate((from, answer.at));
            let (least, most) = (self.story.rates[0] + least, self.story.rates[0] + most);
            answer.value >= least * (1.0 - TENTH) - 0.001 && answer.value <= most * (1.0 + TENTH) + 0.001
        })
    }

    /// What the second port adds, at the least and at the most. One that fails counts on; of one whose page lacks the
    /// metric, earlier pages tell what it counted; one that was never scraped is not known of.
    fn second_rate(&self, span: (f64, f64)) -> (f64, f64) {
        let rate = self.story.rates[1];
        match (self.exposes(), self.lacks) {
            (false, _) => (0.0, if self.second.is_some() { rate } else { 0.0 }),
            (true, true) => {
                (self.counter(1).observed(span, &self.shown, false).seen / (span.1 - span.0), rate)
            }
            (true, false) => (rate, rate),
        }
    }

    fn must_answer(&self, turn: usize) -> bool {
        turn >= 1 && (self.second.is_none() || self.exposes() && self.good >= 2)
    }
}

fn check(story: &Story) -> Result<(), TestCaseError> {
    let mut history = History::new(story);
    for turn in 0..TURNS {
        let now = history.turn(turn) + 0.1;
        let (state, shown) = (history.state, &history.shown);
        match history.pod.ask("jobs_per_second", "", now) {
            Ok(answer) => prop_assert!(
                history.is_true(answer),
                "turn {turn}: {answer:?}, the second port {state:?}, seen at {shown:?}"
            ),
            Err(absence) => {
                prop_assert!(!history.must_answer(turn), "turn {turn}: {absence}, the second port {state:?}");
            }
        }
    }
    Ok(())
}

fn page(value: Option<f64>) -> Vec<Line> {
    let line = |value| Line::new("jobs_total", SeriesKind::Counter, value);
    std::iter::once(Line::new("up", SeriesKind::Gauge, 1.0)).chain(value.map(line)).collect()
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let run = prop_oneof![3 => Just(Turn::Good), 2 => Just(Turn::Fails), 1 => Just(Turn::Lacks)];
    prop::collection::vec((run, 1_usize..8), TURNS).prop_map(|runs| {
        runs.into_iter().flat_map(|(turn, times)| std::iter::repeat_n(turn, times)).take(TURNS).collect()
    })
}

prop_compose! {
    fn story()(
        interval in prop::sample::select(vec![5.0, 15.0, 30.0]),
        rates in prop::array::uniform2(1.0..500.0),
        totals in prop::array::uniform2(1e4..1e9),
        shift in 0.0..0.9,
        second in turns(),
        comes in 0_usize..4,
        goes in TURNS / 2..TURNS + 10,
    ) -> Story {
        Story { interval, rates, totals, shift, second, comes, goes }
    }
}

#[test]
fn the_sum_of_two_ports_is_whole_or_absent() {
    histories(300, &story(), |story| check(&story));
}
