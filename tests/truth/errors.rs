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
    counter::{Counted, Load},
    judge::Answer,
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
        for history in stories(&story(events)).map(|story| change(plain(story)).play()) {
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
        ("all of these", all_events(), |story| story),
    ]
}

/// A story at the default pace without the surprises of its own that a kind does not ask for.
fn plain(story: Story) -> Story {
    Story { pace: PACE, dated: false, late: 0, ..story.with_misses(0) }
}

fn stories<S: Strategy>(strategy: &S) -> impl Iterator<Item = S::Value> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..HISTORIES).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

fn line(kind: &str, history: &History) -> Value {
    let shown = history.shown();
    let truth = |from: f64, to: f64| {
        let Counted { seen, all } = history.counter.observed((from, to), &shown, false);
        json!([seen / (to - from), all / (to - from)])
    };
    let mut reads = Vec::new();
    let read = |now: f64, answer: Result<Answer, _>| {
        let answer = answer.ok();
        reads.push(json!({
            "at": now,
            "ours": answer.map(|answer| answer.value),
            "truth": answer.map(|answer| truth(answer.at - answer.window, answer.at)),
            "truth of the range": truth(now - PACE.window, now),
        }));
        Ok(())
    };
    history.read(read).unwrap();
    json!({ "kind": kind, "W": PACE.window, "s": history.samples(), "reads": reads })
}

fn workers_line(story: &workers::Story) -> Value {
    let truths = |from: f64, to: f64| {
        let one = |worker: &crate::counter::Counter| json!([worker.counted(from, to) / (to - from)]);
        story.workers.iter().map(one).collect::<Vec<_>>()
    };
    let mut samples = Vec::new();
    let mut reads = Vec::new();
    workers::answers(story, |(at, value, _), answer| {
        samples.push(json!([at, value]));
        reads.push(json!({
            "at": at + 1.0,
            "ours": answer.map(|answer| answer.value),
            "truths": answer.map(|answer| truths(answer.at - answer.window, answer.at)),
            "truths of the range": truths(at + 1.0 - PACE.window, at + 1.0),
        }));
    });
    json!({ "kind": "workers behind one port, fresh connections", "W": PACE.window, "s": samples, "reads": reads })
}
