//! `tests/vectors/rates.json`: its samples and truths follow from its worlds, and the store answers as it says.

use custom_metrics_adapter::store::SeriesKind;
use serde_json::Value;

use crate::{
    counter::{Counter, Load},
    pod::{Line, Pace, Pod},
};

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/rates.json")).unwrap();
    vectors["cases"].as_array().cloned().unwrap_or_default()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(number).collect()
}

/// The counter that a scrape met.
fn world(case: &Value, sample: usize) -> Counter {
    let world =
        case["met"].get(sample).map_or(&case["world"], |met| &case["world"][met.as_u64().unwrap() as usize]);
    let load = world["rates"].as_array().unwrap().iter().map(|piece| (number(&piece[0]), number(&piece[1])));
    Counter {
        born: number(&world["from"]),
        total: number(&world["total"]),
        load: Load(load.collect()),
        resets: numbers(&world["resets"]),
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[test]
fn the_samples_of_each_case_are_those_of_its_world() {
    for case in cases() {
        for (place, sample) in case["s"].as_array().unwrap().iter().enumerate() {
            let at = number(&sample[0]);
            let dips = case["world"]["dips"].as_array().into_iter().flatten();
            let dip: f64 = dips.filter(|dip| number(&dip[0]) == at).map(|dip| number(&dip[1])).sum();
            assert!(is_near(number(&sample[1]), world(&case, place).value(at) - dip), "{case}: {sample}");
        }
    }
}

#[test]
fn the_truth_of_each_case_is_what_its_world_counted() {
    for case in cases().iter().filter(|case| !case["truth"].is_null()) {
        let samples = case["s"].as_array().unwrap();
        let times: Vec<f64> = samples.iter().map(|sample| number(&sample[0])).collect();
        let counter = world(case, 0);
        let newest = case["ours"]["timestamp"].as_f64().unwrap_or(times[times.len() - 1]);
        let window = match &case["ours"]["window"] {
            Value::Null => (newest - times[0]).max(f64::min(15.0, newest - counter.born)),
            window => number(window),
        };
        let counted = counter.observed((newest - window, newest), &times, case["own"] == true);
        let truth = &case["truth"];
        assert!(is_near(number(&truth["rate"]), counted.all / window), "{case}: {counted:?}");
        if let Some(rate) = case["ours"]["rate"].as_f64() {
            let hidden = truth["hidden"].as_f64().unwrap_or_default();
            assert!(
                is_near(rate, (counted.all - hidden) / window),
                "{case}: {counted:?} and {hidden} hidden"
            );
            assert!(is_near(counted.seen, counted.all - hidden), "{case}: {counted:?} and {hidden} hidden");
        }
    }
}

/// The answer of a store that has scraped a case.
fn answer(case: &Value) -> Option<(f64, f64)> {
    let interval = case["interval"].as_f64().unwrap_or(15.0);
    let pod = Pod::new(Pace { interval, window: number(&case["W"]) });
    let mut port = pod.port("8080");
    let own = case["own"] == true;
    let samples = case["s"].as_array().unwrap();
    let mut pages: Vec<(f64, Option<&Value>)> =
        samples.iter().map(|sample| (number(&sample[0]), Some(sample))).collect();
    pages.extend(numbers(&case["lacked"]).into_iter().map(|at| (at, None)));
    pages.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (at, sample) in pages {
        let start = sample.and_then(|sample| sample.get(2)).or_else(|| case.get("start")).map(number);
        let line = |sample: &Value| Line {
            created: start.filter(|_| own),
            ..Line::new("jobs_total", SeriesKind::Counter, number(&sample[1]))
        };
        let up = Line::new("up", SeriesKind::Gauge, 1.0);
        let lines: Vec<Line> = std::iter::once(up).chain(sample.map(line)).collect();
        port.scrape(at, start.filter(|_| !own), &lines);
    }
    pod.ask("jobs_per_second", "", number(&case["eval"])).ok().map(|answer| (answer.value, answer.window))
}

#[test]
fn a_store_that_scraped_a_case_answers_as_it_says() {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let ours = case["ours"].as_object().map(|ours| (number(&ours["rate"]), number(&ours["window"])));
            let found = answer(case);
            let same = match (ours, found) {
                (Some(ours), Some(found)) => (ours.0 - found.0).abs() < 0.001 && ours.1 == found.1,
                (ours, found) => ours == found,
            };
            (!same).then(|| format!("{}: {found:?}, not {ours:?}", case["name"]))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
