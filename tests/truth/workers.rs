//! Several processes behind one port, each with counters of its own.
//!
//! **The truth.** A connection that is kept meets one process: the truth is what that process counts, until it is
//! replaced. With fresh connections each scrape meets another process, and a number that mixes two of them is wrong
//! whatever it is. An answer is right if it is what one process counted in the window, within a tenth.
//!
//! **What cannot be known.** Samples that one process could have shown as well tell nothing: a rise from a worker with
//! a low count to one with a high count is a burst; a fall, as long as the value before it is not reached again, is
//! a restart. So a wrong number may be served until the samples contradict one process: two falls, or a value above the
//! one before a fall, or a process start that moves back. From then on there is none.

use custom_metrics_adapter::store::SeriesKind;
use proptest::prelude::*;

use crate::{
    counter::Counter,
    judge::{Answer, agrees},
    pod::{Line, Pace, Pod},
    run::histories,
};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Connection {
    /// One connection, opened anew after so many turns.
    Kept(usize),
    /// The kernel gives each new connection to any worker.
    Random,
    /// The master gives them out in turn.
    RoundRobin,
}

#[derive(Clone, Debug)]
pub(crate) struct Story {
    interval: f64,
    pub(crate) workers: Vec<Counter>,
    /// When each started, and whether the page says so.
    started: Vec<f64>,
    starts: bool,
    connection: Connection,
    /// Which worker each turn would meet by chance.
    chance: Vec<usize>,
}

const TURNS: usize = 60;

/// What became of the reads of one history.
#[derive(Clone, Copy, Default, Debug)]
struct Tally {
    reads: u32,
    right: u32,
    /// Wrong while one process could have shown all samples of it.
    unknowable: u32,
    /// Wrong although samples had contradicted one process.
    wrong: u32,
    /// Absent although no process change was within a window and the minutes that falls are remembered.
    needless: u32,
}

impl Story {
    fn pace(&self) -> Pace {
        Pace { interval: self.interval, window: f64::max(60.0, 4.0 * self.interval) }
    }

    fn met(&self, turn: usize) -> usize {
        match self.connection {
            Connection::Kept(turns) => self.chance[turn / turns.max(1)] % self.workers.len(),
            Connection::Random => self.chance[turn] % self.workers.len(),
            Connection::RoundRobin => turn % self.workers.len(),
        }
    }
}

/// What samples have told of how many processes there are.
#[derive(Default)]
struct Evidence {
    samples: Vec<Sample>,
}

impl Evidence {
    /// Whether the samples within the window before one of them contradict one process, up to now.
    fn is_there(&self, window: f64) -> bool {
        let ends = 0..self.samples.len();
        ends.into_iter().any(|end| {
            let newest = self.samples[end].0;
            let from = self.samples.iter().position(|sample| sample.0 >= newest - window - 1.0).unwrap_or(0);
            contradict(&self.samples[from..=end])
        })
    }
}

/// By how much the clocks of pods and adapter may be apart, in seconds.
const CLOCK_SKEW: f64 = 30.0;

fn contradict(samples: &[Sample]) -> bool {
    let (mut falls, mut before_fall) = (0, f64::INFINITY);
    for pair in samples.windows(2) {
        let ((_, old, old_start), (_, new, new_start)) = (pair[0], pair[1]);
        // a process that was there before the last scrape ran beside the one that was met then
        let was_there = |start: f64| new_start != old_start && start < pair[0].0 - CLOCK_SKEW;
        if new_start < old_start || new_start.is_some_and(was_there) {
            return true;
        }
        if new < old && new_start == old_start {
            falls += 1;
            before_fall = before_fall.min(old);
        }
        if falls > 1 || new > before_fall {
            return true;
        }
    }
    false
}

/// A sample of the one series: time, value, and the start of the process that was met.
type Sample = (f64, f64, Option<f64>);

/// Plays the story: each scrape, and the answer a second after it.
pub(crate) fn answers(story: &Story, mut each: impl FnMut(Sample, Option<Answer>)) {
    let pod = Pod::new(story.pace());
    let mut port = pod.port("8080");
    for turn in 0..TURNS {
        let (at, worker) = (turn as f64 * story.interval, story.met(turn));
        let started = story.starts.then(|| story.started[worker]);
        let value = story.workers[worker].value(at);
        port.scrape(at, started, &[Line::new("jobs_total", SeriesKind::Counter, value)]);
        each((at, value, started), pod.ask("jobs_per_second", "", at + 1.0).ok());
    }
}

fn play(story: &Story) -> Tally {
    let pace = story.pace();
    let (mut evidence, mut tally) = (Evidence::default(), Tally::default());
    answers(story, |sample, answer| {
        let turn = evidence.samples.len();
        evidence.samples.push(sample);
        tally.reads += 1;
        match answer {
            Some(answer) if is_true(&story.workers, answer) => tally.right += 1,
            Some(_) if evidence.is_there(pace.window) => tally.wrong += 1,
            Some(_) => tally.unknowable += 1,
            None => {
                let met = (0..=turn).rev().map(|turn| story.met(turn));
                let same = met.take_while(|worker| *worker == story.met(turn)).count();
                let remembered = f64::max(300.0, 20.0 * story.interval) + pace.window;
                let is_calm = same as f64 * story.interval > remembered;
                tally.needless += u32::from(is_calm && !evidence.is_there(pace.window));
            }
        }
    });
    tally
}

fn is_true(workers: &[Counter], answer: Answer) -> bool {
    let one =
        |worker: &Counter| agrees(answer, 0.0, |from, to| worker.observed((from, to), &[from, to], true));
    workers.iter().any(one)
}

prop_compose! {
    fn story(connections: Vec<Connection>, intervals: Vec<f64>)(
        interval in prop::sample::select(intervals),
        workers in prop::sample::select(vec![2_usize, 4, 8, 16]),
        rate in 1.0..100.0,
        // totals of workers that have shared the load fairly lie close together; of those that were restarted, apart
        base in prop_oneof![Just(0.0), 1e3..1e5, 1e6..1e9],
        spread in prop_oneof![10.0..1e3, 1e4..1e7],
        shares in prop::collection::vec((0.5..1.5, 0.0..1.0, -1e6..-1e3), 16),
        starts in any::<bool>(),
        connection in prop::sample::select(connections),
        chance in prop::collection::vec(0_usize..16, TURNS),
    ) -> Story {
        let of = |(share, place, _): &(f64, f64, f64)| Counter::steady(rate * share, base + spread * place);
        let started = shares.iter().take(workers).map(|(_, _, start)| f64::round(*start)).collect();
        let workers = shares.iter().take(workers).map(of).collect();
        Story { interval, workers, started, starts, connection, chance }
    }
}

/// Stories in which each scrape may meet another worker.
pub(crate) fn fresh_connections(interval: f64) -> impl Strategy<Value = Story> {
    story(vec![Connection::Random, Connection::RoundRobin], vec![interval])
}

/// Plays histories and adds up what became of their reads.
fn tally(
    cases: u32,
    connections: Vec<Connection>,
    check: impl Fn(Tally) -> Result<(), TestCaseError>,
) -> Tally {
    let sum = std::cell::Cell::new(Tally::default());
    histories(cases, &story(connections, vec![5.0, 15.0, 30.0]), |story| {
        let (one, all) = (play(&story), sum.get());
        sum.set(Tally {
            reads: all.reads + one.reads,
            right: all.right + one.right,
            unknowable: all.unknowable + one.unknowable,
            wrong: all.wrong + one.wrong,
            needless: all.needless + one.needless,
        });
        check(one)
    });
    sum.get()
}

#[test]
fn a_kept_connection_has_what_its_process_counts_or_nothing() {
    let kept = vec![Connection::Kept(1000), Connection::Kept(30), Connection::Kept(12)];
    let sum = tally(300, kept, |tally| {
        prop_assert!(tally.wrong == 0 && tally.needless == 0, "{tally:?}");
        Ok(())
    });
    eprintln!("kept connection: {sum:?}");
}

#[test]
fn fresh_connections_to_several_processes_have_no_number_once_these_have_shown() {
    let fresh = vec![Connection::Random, Connection::RoundRobin];
    let sum = tally(300, fresh, |tally| {
        prop_assert!(tally.wrong == 0, "{tally:?}");
        Ok(())
    });
    eprintln!("fresh connections: {sum:?}");
}
