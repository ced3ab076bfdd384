//! One counter of one process, with everything that happens to one.

use std::fmt;

use custom_metrics_adapter::store::{Absence, SeriesKind};
use proptest::prelude::*;

use crate::{
    counter::{Counter, Load, load},
    judge::{Answer, agrees, begins},
    pod::{Line, Pace, Pod},
    run::histories,
};

/// Whose start time the page has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Start {
    /// Nobody's.
    Unknown,
    /// That of the process that counts.
    Own,
    /// That of an exporter or of the application beside a proxy.
    Other,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The process that counts starts again, from zero.
    Reset,
    /// Another process of the page starts again; the counter goes on.
    OtherRestarts,
    /// Good scrapes that lack the counter.
    Lacks { scrapes: usize },
    /// One scrape shows a little less than was counted.
    Dip { part: f64 },
    /// One scrape shows NaN.
    NotANumber,
    /// The clock of the adapter is set back by this many intervals.
    ClockBack { intervals: f64 },
}

/// One turn of the schedule.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// How much later than planned, as a part of the interval.
    jitter: f64,
    missed: bool,
    /// When the value is read after it, as parts of an interval.
    reads: [f64; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) pace: Pace,
    pub(crate) load: Load,
    /// What it had counted before the first scrape: outside of the process, or within its long life.
    pub(crate) total: f64,
    pub(crate) start: Start,
    /// How long before the first turn the process started.
    pub(crate) age: f64,
    /// How far the clock of its node is ahead, where starts are told in whole seconds; else they are exact.
    pub(crate) skew: Option<f64>,
    /// Whether the page has `_created`.
    pub(crate) dated: bool,
    /// Turns before the counter is there.
    pub(crate) late: usize,
    pub(crate) turns: Vec<Turn>,
    /// Each at a place of the history, from 0 to 1.
    pub(crate) events: Vec<(f64, Event)>,
}

/// What one turn met, and when, by the wall and by the adapter's clock.
#[derive(Clone, Debug)]
pub(crate) struct Met {
    pub(crate) real: f64,
    pub(crate) clock: f64,
    pub(crate) page: Option<Page>,
    pub(crate) reads: Vec<f64>,
}

/// A good scrape.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) value: Option<f64>,
    started: Option<f64>,
    created: Option<f64>,
}

/// A story with its samples.
pub(crate) struct History {
    pub(crate) pace: Pace,
    pub(crate) counter: Counter,
    pub(crate) dated: bool,
    pub(crate) met: Vec<Met>,
    /// What a scrape showed too little, and when.
    dips: Vec<(f64, f64)>,
    /// Resets that no start explains, and everything else that may take the answer away for a while.
    troubles: Vec<f64>,
    clock_back: Option<(f64, f64)>,
}

impl Story {
    /// Plays the story.
    pub(crate) fn play(&self) -> History {
        let times = self.times();
        let end = times.last().copied().unwrap_or_default();
        let when = |place: f64| place * end;
        let resets = self.moments(|event| matches!(event, Event::Reset));
        let counter = Counter {
            born: -self.age,
            total: self.total,
            load: self.load.clone(),
            resets: resets.iter().copied().map(when).collect(),
        };
        let moves = match self.start {
            Start::Unknown => None,
            Start::Own => Some(counter.resets.clone()),
            Start::Other => Some(
                self.moments(|event| matches!(event, Event::OtherRestarts)).into_iter().map(when).collect(),
            ),
        };
        let explained = self.dated || self.start == Start::Own;
        let mut history = History {
            pace: self.pace,
            dated: self.dated,
            met: Vec::new(),
            dips: Vec::new(),
            troubles: if explained { Vec::new() } else { counter.resets.clone() },
            clock_back: None,
            counter,
        };
        for (turn, real) in self.turns.iter().zip(times) {
            let start = moves.as_deref().map(|moves| self.start_at(real, moves));
            history.turn(turn, real, start);
        }
        for met in history.met.iter_mut().take(self.late) {
            if let Some(page) = &mut met.page {
                page.value = None;
            }
        }
        for (place, event) in &self.events {
            history.apply(event, when(*place), moves.as_deref());
        }
        history
    }

    /// The same with a miss at every so many turns; none at 0.
    pub(crate) fn with_misses(mut self, every: usize) -> Self {
        for (place, turn) in self.turns.iter_mut().enumerate() {
            turn.missed = every > 0 && place % every == every - 1;
        }
        self
    }

    /// The start that the page has at a moment, when it moves at each of `moves`.
    fn start_at(&self, real: f64, moves: &[f64]) -> f64 {
        let start = moves.iter().rev().find(|moved| **moved <= real).copied().unwrap_or(-self.age);
        self.skew.map_or(millis(start), |skew| (start + skew).floor())
    }

    fn times(&self) -> Vec<f64> {
        let planned = (0..).map(|turn| f64::from(turn) * self.pace.interval);
        let late = |(turn, planned): (&Turn, f64)| millis(planned + turn.jitter * self.pace.interval);
        self.turns.iter().zip(planned).map(late).collect()
    }

    fn moments(&self, of: impl Fn(&Event) -> bool) -> Vec<f64> {
        let mut places: Vec<f64> =
            self.events.iter().filter(|(_, event)| of(event)).map(|(place, _)| *place).collect();
        places.sort_by(f64::total_cmp);
        places
    }
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

impl History {
    fn turn(&mut self, turn: &Turn, real: f64, started: Option<f64>) {
        let page = Page {
            value: Some(self.counter.value(real)),
            started,
            created: self.dated.then(|| millis(self.counter.began(real))),
        };
        self.met.push(Met {
            real,
            clock: 0.0,
            page: (!turn.missed).then_some(page),
            reads: turn.reads.iter().map(|part| real + part * self.pace.interval).collect(),
        });
    }

    fn apply(&mut self, event: &Event, at: f64, moves: Option<&[f64]>) {
        let Some(place) = self.met.iter().position(|met| met.real >= at) else { return };
        match event {
            Event::Reset | Event::OtherRestarts => {}
            Event::Lacks { scrapes } => {
                for page in self.met.iter_mut().skip(place).take(*scrapes).filter_map(|met| met.page.as_mut())
                {
                    page.value = None;
                }
            }
            Event::Dip { part } => self.dip(place, *part, moves),
            Event::NotANumber => {
                if let Some(page) = self.met[place].page.as_mut().filter(|page| page.value.is_some()) {
                    page.value = Some(f64::NAN);
                    self.troubles.push(self.met[place].real);
                }
            }
            Event::ClockBack { intervals } => self.set_back(place, intervals * self.pace.interval),
        }
    }

    /// One scrape alone shows less. A dip is told from a reset by the process start, so there is none where a start is
    /// not known, or moves near by, or the counter states its own.
    fn dip(&mut self, place: usize, part: f64, moves: Option<&[f64]>) {
        let (real, reach) = (self.met[place].real, 20.0 * self.pace.interval);
        let near =
            |moves: &[f64]| moves.iter().chain(&self.counter.resets).any(|at| (at - real).abs() < reach);
        let is_alone = self.dips.iter().all(|(at, _)| (at - real).abs() > 3.0 * self.pace.interval);
        if self.dated || moves.is_none_or(near) || !is_alone {
            return;
        }
        let value = self.met[place].page.as_mut().and_then(|page| page.value.as_mut());
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.dips.push((real, part * *value));
            *value -= part * *value;
            self.troubles.push(real);
        }
    }

    fn set_back(&mut self, place: usize, by: f64) {
        // A clock that is set back by less than the time between two scrapes goes on, as far as these show.
        let good = |met: &&Met| met.page.is_some();
        let last = self.met[..place].iter().rev().find(good).map_or(f64::INFINITY, |met| met.real);
        let next = self.met[place..].iter().find(good).map_or(f64::INFINITY, |met| met.real);
        if self.clock_back.is_some() || by <= next - last {
            return;
        }
        self.clock_back = Some((self.met[place].real, by));
        for met in self.met.iter_mut().skip(place) {
            met.clock = -by;
        }
    }

    /// What good scrapes showed: time and value, which is none where a page lacked the counter.
    pub(crate) fn samples(&self) -> Vec<(f64, Option<f64>)> {
        self.met.iter().filter_map(|met| Some((met.real + met.clock, met.page.as_ref()?.value))).collect()
    }

    /// The times at which the counter was seen.
    pub(crate) fn shown(&self) -> Vec<f64> {
        let number = |met: &&Met| met.page.as_ref().and_then(|page| page.value).is_some_and(f64::is_finite);
        self.met.iter().filter(number).map(|met| met.real).collect()
    }

    /// Scrapes the story into a store and gives each read to `judge`, with the moment by the wall.
    pub(crate) fn read(
        &self,
        mut judge: impl FnMut(f64, Result<Answer, Absence>) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let pod = Pod::new(self.pace);
        let mut port = pod.port("8080");
        for (place, met) in self.met.iter().enumerate() {
            match &met.page {
                None => port.fails(),
                Some(page) => {
                    let line = |value| Line {
                        created: page.created,
                        ..Line::new("jobs_total", SeriesKind::Counter, value)
                    };
                    let mut lines = vec![Line::new("up", SeriesKind::Gauge, 1.0)];
                    lines.extend(page.value.map(line));
                    port.scrape(met.real + met.clock, page.started, &lines);
                }
            }
            let next = self.met.get(place + 1).map_or(f64::INFINITY, |next| next.real);
            for real in met.reads.iter().copied().filter(|real| *real < next) {
                judge(
                    real,
                    pod.ask("jobs_per_second", "", real + met.clock)
                        .map(|answer| self.by_the_wall(answer, real)),
                )?;
            }
        }
        Ok(())
    }

    /// An answer's time is that of a scrape; by the wall it is when that was.
    fn by_the_wall(&self, answer: Answer, now: f64) -> Answer {
        let of = |met: &&Met| met.real <= now && (met.real + met.clock - answer.at).abs() < 0.0015;
        let met = self.met.iter().rev().find(of).unwrap_or_else(|| panic!("no scrape at {answer:?}"));
        Answer { at: met.real, ..answer }
    }

    /// Whether the answer is what was counted, over a window that was observed.
    pub(crate) fn is_true(&self, answer: Answer, shown: &[f64]) -> bool {
        let begin = answer.at - answer.window;
        let within = |at: f64| begin - 1.0 <= at && at <= answer.at;
        let noise =
            self.dips.iter().filter(|(at, _)| within(*at) && !self.is_visible(*at)).map(|(_, dip)| dip).sum();
        let first = shown.first().copied().unwrap_or(f64::INFINITY);
        let known = if self.dated { self.counter.began(first).min(first) } else { first };
        answer.window <= 2.0 * (self.pace.window + self.pace.interval)
            && begins(answer).any(|begin| begin >= known - 0.001)
            && agrees(answer, noise, |from, to| self.counter.observed((from, to), shown, self.dated))
    }

    /// Whether a dip shows: the value is below one that was there before. Then it is no sample to take a rate from.
    fn is_visible(&self, dip: f64) -> bool {
        let value =
            |met: &Met| met.page.as_ref().and_then(|page| page.value).filter(|value| value.is_finite());
        let lately =
            self.met.iter().filter(|met| dip - 10.0 * self.pace.interval < met.real && met.real < dip);
        let before = lately.filter_map(value).fold(f64::NEG_INFINITY, f64::max);
        self.met.iter().find(|met| met.real == dip).and_then(value).is_some_and(|value| value < before)
    }

    /// Whether there is no excuse for having no answer at this moment: the newest two scrapes within a window showed
    /// the counter, the newest is not too old, and nothing happened for a window and two intervals that may take the
    /// answer away.
    fn must_answer(&self, now: f64, shown: &[f64]) -> bool {
        let shown: Vec<f64> = shown.iter().copied().filter(|at| *at <= now).collect();
        let [.., before, newest] = *shown else { return false };
        let good = self.met.iter().rev().find(|met| met.real <= now && met.page.is_some());
        let Pace { interval, window } = self.pace;
        let quiet = |since: f64| now - since > window + 2.0 * interval;
        good.is_some_and(|met| met.real == newest)
            && now - newest < self.pace.max_age()
            && newest - before < window - 1.0
            && newest - before > 0.55 * interval
            // A rate does not reach across a reset: it needs two scrapes on one side of it.
            && !self.counter.resets.iter().any(|at| before < *at && *at <= newest)
            && self.troubles.iter().all(|at| *at > now || quiet(*at))
            && self.clock_back.is_none_or(|(at, by)| at > now || quiet(at + by))
            && !self.looks_like_several(now)
    }

    /// Two resets that nothing explains, or one that the counter outgrew, look like several processes behind one port.
    /// How long that counts is not stated here.
    fn looks_like_several(&self, now: f64) -> bool {
        let resets: Vec<f64> = self.troubles.iter().copied().filter(|at| *at <= now).collect();
        let outgrown = |at: &f64| self.counter.value(now) > self.counter.value(at - 0.001);
        resets.len() > 1 || resets.iter().any(outgrown)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, resets at {:?}", self.pace, self.counter.resets)?;
        for Met { real, clock, page, .. } in &self.met {
            match page {
                None => write!(f, "\n  {real} failed")?,
                Some(Page { value: None, .. }) => write!(f, "\n  {real} lacks it")?,
                Some(Page { value: Some(value), started, created }) => {
                    write!(f, "\n  {real} ({clock:+}) {value}, started {started:?}, created {created:?}")?;
                }
            }
        }
        Ok(())
    }
}

fn total() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(0.0), 1 => 1.0..1e4, 2 => 1e5..1e10].prop_map(f64::round)
}

fn pace() -> impl Strategy<Value = Pace> {
    let windows = prop_oneof![3 => Just(0.0), 1 => Just(2.0), 1 => Just(3.0), 1 => Just(8.0)];
    (prop::sample::select(vec![5.0, 15.0, 30.0]), windows).prop_map(|(interval, intervals)| {
        let window = if intervals == 0.0 { f64::max(60.0, 4.0 * interval) } else { intervals * interval };
        Pace { interval, window }
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    (0.0..0.2, prop::bool::weighted(0.08), 0.0..1.0, 0.0..3.0)
        .prop_map(|(jitter, missed, soon, later)| Turn { jitter, missed, reads: [soon, later] })
}

prop_compose! {
    pub(crate) fn story(what: Vec<Event>)(
        pace in pace(),
        load in load(),
        total in total(),
        start in prop::sample::select(vec![Start::Unknown, Start::Own, Start::Other]),
        skew in prop::sample::select(vec![None, Some(0.0), Some(-5.0), Some(5.0)]),
        age in prop_oneof![1 => 0.0..60.0, 2 => 1e3..1e6],
        dated in prop::bool::weighted(0.2),
        late in prop_oneof![4 => Just(0_usize), 1 => 1_usize..6],
        turns in prop::collection::vec(turn(), 8..40),
        events in prop::collection::vec((0.05..1.0, prop::sample::select(what.clone())), 0..4),
    ) -> Story {
        // a counter's own start is told by a clock that does not move with the adapter's: its first rate follows that one
        let dated = dated && !events.iter().any(|(_, event)| matches!(event, Event::ClockBack { .. }));
        Story { pace, load, total, start, age, skew, dated, late, turns, events }
    }
}

pub(crate) fn all_events() -> Vec<Event> {
    vec![
        Event::Reset,
        Event::Reset,
        Event::OtherRestarts,
        Event::OtherRestarts,
        Event::Lacks { scrapes: 1 },
        Event::Lacks { scrapes: 3 },
        Event::Lacks { scrapes: 12 },
        Event::Dip { part: 0.0009 },
        Event::Dip { part: 0.000_001 },
        Event::NotANumber,
        Event::ClockBack { intervals: 1.5 },
        Event::ClockBack { intervals: 20.0 },
    ]
}

fn check(story: &Story) -> Result<(), TestCaseError> {
    let history = story.play();
    let shown = history.shown();
    history.read(|now, answer| {
        match answer {
            Ok(answer) => {
                let (from, to) = (answer.at - answer.window, answer.at);
                let counted = history.counter.observed((from, to), &shown, history.dated);
                let (seen, all) = (counted.seen / answer.window, counted.all / answer.window);
                prop_assert!(
                    history.is_true(answer, &shown),
                    "at {now}: {answer:?}, in truth {seen} to {all} a second, {history}"
                );
                let oldest = f64::max(history.pace.max_age(), history.pace.window) + 0.001;
                prop_assert!(now - answer.at <= oldest || history.clock_back.is_some());
            }
            Err(absence) => {
                prop_assert!(!history.must_answer(now, &shown), "at {now}: {absence}, {history}");
            }
        }
        Ok(())
    })
}

macro_rules! truths {
    ($($(#[$attribute:meta])* $name:ident: $cases:literal, $events:expr;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $name() {
            histories($cases, &story($events), |story| check(&story));
        }
    )*};
}

truths! {
    a_counter_without_trouble_has_its_rate_from_the_second_scrape_on: 400, vec![Event::OtherRestarts];
    a_reset_hides_what_no_scrape_saw_and_no_more: 400, vec![Event::Reset];
    a_restart_of_another_process_changes_nothing: 300, vec![Event::OtherRestarts, Event::Lacks { scrapes: 1 }];
    a_counter_that_scrapes_lack_comes_back_with_its_past: 400, vec![
        Event::Lacks { scrapes: 1 }, Event::Lacks { scrapes: 3 }, Event::Lacks { scrapes: 12 }, Event::Reset,
    ];
    a_dip_by_a_hair_is_no_reset: 300, vec![Event::Dip { part: 0.0009 }, Event::Dip { part: 0.000_001 }];
    a_clock_that_is_set_back_makes_no_number: 200, vec![
        Event::ClockBack { intervals: 1.5 }, Event::ClockBack { intervals: 4.0 }, Event::ClockBack { intervals: 20.0 },
    ];
    all_troubles_together_make_no_wrong_number: 800, all_events();
}
