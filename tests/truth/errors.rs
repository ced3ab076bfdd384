//! Histories of some kinds with our answers and the truth, for a comparison with Prometheus: see
//! `tests/oracles/rates`.

use std::{fs::File, io::Write as _};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    counter::{Counted, Counter, Load},
    judge::{Answer, truth},
    one_counter::{Event, History, Start, Story, all_events, story},
    pod::Pace,
    workers,
};

/// The defaults of the adapter.
const PACE: Pace = Pace { interval: 15.0, window: 60.0 };

const HISTORIES: usize = 300;

#[test]
#[ignore = "tests/oracles/rates/record.sh runs it"]
fn histories_are_written_for_prometheus() {
    let path = std::env::var("TRUTH_FILE").expect("TRUTH_FILE names the file to write");
    let mut file = File::create(path).unwrap();
    for (kind, events, change) in kinds() {
        for story in stories(&story(all_events())) {
            let history = change(plain(story, &events)).play();
            writeln!(file, "{}", line(kind, &history)).unwrap();
        }
    }
    for history in stories(&workers::fresh_connections(PACE.interval)) {
        writeln!(file, "{}", workers_line(&history)).unwrap();
    }
}

type Kind = (&'static str, Vec<Event>, fn(Story) -> Story);

fn kinds() -> Vec<Kind> {
    let steady =
        |story: Story| Story { load: Load::steady(story.load.counted(0.0, 600.0) / 600.0 + 1.0), ..story };
    // Prometheus refuses samples that are older than the last one, and NaN in one sample is NaN for a window
    let is_comparable = |event: &Event| !matches!(event, Event::ClockBack { .. } | Event::NotANumber);
    let comparable = all_events().into_iter().filter(is_comparable).collect();
    vec![
        ("steady load", vec![], steady),
        ("changing load and bursts", vec![], |story| story),
        ("the first minute of a new pod", vec![], |story| Story {
            age: 1.0,
            total: 0.0,
            turns: story.turns.into_iter().take(5).collect(),
            ..story
        }),
        ("scrapes that fail", vec![], |story| story.with_misses(4)),
        ("restarts of the process that counts", vec![Event::Reset], |story| Story {
            start: Start::Own,
            ..story
        }),
        ("restarts of an exporter beside it", vec![Event::OtherRestarts], |story| Story {
            start: Start::Other,
            ..story
        }),
        (
            "good scrapes that lack the counter",
            vec![Event::Lacks { scrapes: 1 }, Event::Lacks { scrapes: 3 }],
            |story| story,
        ),
        ("an old total that appears late", vec![], |story| Story { late: 3, total: 1e7, ..story }),
        ("dips by a hair", vec![Event::Dip { part: 1e-6 }], |story| Story {
            start: Start::Own,
            age: 1e6,
            ..story
        }),
        ("all of these", comparable, |story| story.with_misses(9)),
    ]
}

/// A story at the default pace with these events in turn, and no surprises that a kind does not ask for.
fn plain(story: Story, events: &[Event]) -> Story {
    let places = story.events.iter().map(|(place, _)| *place);
    let events = places.zip(events.iter().cycle().cloned()).collect();
    Story { pace: PACE, dated: false, late: 0, events, ..story.with_misses(0) }
}

fn stories<S: Strategy>(strategy: &S) -> impl Iterator<Item = S::Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..HISTORIES).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

fn line(kind: &str, history: &History) -> Value {
    let shown = history.shown();
    let counted = |from, to| history.counter.observed((from, to), &shown, false);
    let mut reads = Vec::new();
    let read = |now: f64, answer: Result<Answer, _>| {
        let answer = answer.ok();
        let range = counted(now - PACE.window, now);
        reads.push(json!({
            "at": now,
            "ours": answer.map(|answer| answer.value),
            "truths": answer.map(|answer| [truth(answer, counted)]),
            "truths of the range": [[range.seen / PACE.window, range.all / PACE.window]],
        }));
        Ok(())
    };
    history.read(read).unwrap();
    written(kind, &history.samples(), &reads)
}

fn workers_line(story: &workers::Story) -> Value {
    let mut samples = Vec::new();
    let mut reads = Vec::new();
    workers::answers(story, |(at, value, _), answer| {
        let of = |worker: &Counter, answer| {
            truth(answer, |from, to| {
                let all = worker.counted(from, to);
                Counted { seen: all, all }
            })
        };
        let truths = |answer| story.workers.iter().map(|worker| of(worker, answer)).collect::<Vec<_>>();
        let range = Answer { value: 0.0, at: at + 1.0, window: PACE.window };
        samples.push((at, Some(value)));
        reads.push(json!({
            "at": range.at,
            "ours": answer.map(|answer| answer.value),
            "truths": answer.map(truths),
            "truths of the range": truths(range),
        }));
    });
    written("workers behind one port, fresh connections", &samples, &reads)
}

/// `W`, `eval` and `s` are what the program that asks Prometheus reads.
fn written(kind: &str, samples: &[(f64, Option<f64>)], reads: &[Value]) -> Value {
    let eval: Vec<&Value> = reads.iter().map(|read| &read["at"]).collect();
    json!({ "kind": kind, "W": PACE.window, "eval": eval, "s": samples, "reads": reads })
}
