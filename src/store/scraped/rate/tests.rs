//! Rates of single histories; `tests/truth` has thousands of random ones.

use serde_json::Value;

use super::*;

const SPAN: Span = Span { window: 60_000, interval: 15_000 };

fn point(at: i64, value: f64) -> Point {
    Point { scraped: at, at, value, created: None, starts: Starts::default() }
}

fn started(process: i64, point: Point) -> Point {
    Point { starts: Starts { process: Some(process), container: None }, ..point }
}

fn created(created: i64, point: Point) -> Point {
    Point { created: Some(created), ..point }
}

/// A counter by its points, oldest first.
fn part(points: impl IntoIterator<Item = Point>) -> Part {
    let mut points: Vec<Point> = points.into_iter().collect();
    points.reverse();
    Part { points, is_sum: false }
}

/// Values every 15 seconds, the last at 60.
fn every_15_s(values: &[f64]) -> Vec<Point> {
    let first = 75_000 - 15_000 * i64::try_from(values.len()).unwrap();
    (0..).zip(values).map(|(n, value)| point(first + 15_000 * n, *value)).collect()
}

fn rate(points: Vec<Point>) -> Result<f64, Unknown> {
    increase(&[part(points)], SPAN).map(|increase| increase.rate())
}

#[expect(clippy::cast_possible_truncation, reason = "recorded seconds are small")]
fn millis(seconds: &Value) -> i64 {
    (seconds.as_f64().unwrap() * 1000.0) as i64
}

/// A start time is the case's, or stands third in a sample; it is that of the process, or the series' own.
fn recorded(case: &Value) -> Vec<Point> {
    let start = |sample: &Value| sample.get(2).or_else(|| case.get("start")).map(millis);
    let is_own = case["own"] == true;
    let recorded = |sample: &Value| Point {
        created: start(sample).filter(|_| is_own),
        starts: Starts { process: start(sample).filter(|_| !is_own), container: None },
        ..point(millis(&sample[0]), sample[1].as_f64().unwrap())
    };
    case["s"].as_array().unwrap().iter().map(recorded).collect()
}

#[test]
fn the_recorded_cases_give_the_recorded_rates() {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/rates.json")).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 19);
    for case in cases {
        let span = Span { window: millis(&case["W"]), interval: 15_000 };
        let ours = increase(&[part(recorded(case))], span);
        match case["ours"].as_object() {
            None => assert!(ours.is_err(), "{case} {ours:?}"),
            Some(expected) => {
                let increase = ours.unwrap();
                let rate = expected["rate"].as_f64().unwrap();
                assert!((increase.rate() - rate).abs() < 1e-6, "{case} {}", increase.rate());
                assert_eq!(increase.to - increase.from, millis(&expected["window"]), "{case}");
            }
        }
    }
}

#[test]
fn a_process_that_starts_while_its_counters_go_on_changes_nothing() {
    let steady = every_15_s(&[8e7, 8e7 + 1_500.0, 8e7 + 3_000.0, 8e7 + 4_500.0, 8e7 + 6_000.0]);
    let restarted =
        steady.into_iter().map(|point| started(if point.at < 60_000 { -9_000_000 } else { 57_000 }, point));
    assert_eq!(rate(restarted.collect()), Ok(100.0));
}

#[test]
fn an_old_total_that_is_first_seen_is_a_base() {
    let first = vec![started(0, point(10_000, 8e7))];
    assert_eq!(rate(first), Err(Unknown::New));
    let second = vec![started(0, point(10_000, 8e7)), started(0, point(25_000, 8e7 + 1_500.0))];
    assert_eq!(rate(second), Ok(100.0));
}

#[test]
fn the_rate_does_not_reach_across_a_reset() {
    let values = every_15_s(&[1000.0, 1150.0, 1300.0, 20.0, 170.0]);
    let after = increase(&[part(values)], SPAN).unwrap();
    assert_eq!((after.rate(), after.from, after.to), (10.0, 45_000, 60_000));
    let values = every_15_s(&[1000.0, 1150.0, 1300.0, 1450.0, 30.0]);
    let before = increase(&[part(values)], SPAN).unwrap();
    assert_eq!((before.rate(), before.from, before.to), (10.0, 0, 45_000));
    assert_eq!(rate(vec![point(45_000, 1450.0), point(60_000, 30.0)]), Err(Unknown::Early), "it is not new");
}

#[test]
fn a_gap_is_crossed_if_the_counter_is_back_within_a_window() {
    let values = vec![point(0, 1e9), point(15_000, 1e9 + 150.0), point(45_000, 1e9 + 450.0)];
    assert_eq!(rate(values), Ok(10.0));
    let values = vec![point(0, 1e9), point(15_000, 1e9 + 150.0), point(95_000, 1e9 + 950.0)];
    assert_eq!(rate(values), Err(Unknown::New));
}

#[test]
fn its_own_start_is_the_zero_of_a_counter() {
    let born = vec![created(40_000, point(60_000, 200.0))];
    let born = increase(&[part(born)], SPAN).unwrap();
    assert_eq!((born.rate(), born.from), (10.0, 40_000));
    let old = vec![created(-86_400_000, point(60_000, 200.0))];
    assert_eq!(rate(old), Err(Unknown::New), "its start is not in the window");
    let reset = vec![
        created(0, point(30_000, 500.0)),
        created(0, point(45_000, 650.0)),
        created(50_000, point(60_000, 700.0)),
    ];
    let reset = increase(&[part(reset)], SPAN).unwrap();
    assert_eq!(
        (reset.amounts[0], reset.from, reset.to),
        (700.0, 50_000, 60_000),
        "also where it did not fall"
    );
}

#[test]
fn a_hairs_breadth_down_in_one_process_is_no_reset() {
    let values = every_15_s(&[6939.31, 6939.32, 6939.29, 6939.33, 6939.34]);
    let of_one_process = values.iter().map(|point| started(-86_400_000, *point)).collect();
    let dipped = rate(of_one_process).unwrap();
    assert!((dipped - 0.03 / 60.0).abs() < 1e-9, "{dipped}");
    let unknown = increase(&[part(values)], SPAN).unwrap_err();
    assert_eq!(unknown, Unknown::NonMonotonic, "without a start it may be another process");
}

#[test]
fn two_workers_in_turn_are_not_one_counter() {
    for values in [
        [10_000.0, 1_000_075.0, 10_150.0, 1_000_225.0, 10_300.0],
        [1_000_000.0, 10_075.0, 1_000_150.0, 10_225.0, 1_000_300.0],
        [10_000.0, 10_075.0, 10_150.0, 1_000_225.0, 10_300.0],
        [1_000_000.0, 10_075.0, 1_000_150.0, 1_000_225.0, 1_000_300.0],
        [50_000.0, 50_175.0, 50_150.0, 50_325.0, 50_300.0],
    ] {
        assert_eq!(rate(every_15_s(&values)), Err(Unknown::NonMonotonic), "{values:?}");
    }
}

#[test]
fn a_start_that_moves_back_or_is_older_than_the_last_scrape_is_that_of_another_process() {
    let (one, other) = (-500_000, -400_000);
    for starts in [[one, other, other], [other, one, one]] {
        let values = every_15_s(&[10_000.0, 1_000_000.0, 1_000_075.0]);
        let points = values.into_iter().zip(starts).map(|(point, start)| started(start, point));
        assert_eq!(rate(points.collect()), Err(Unknown::NonMonotonic), "{starts:?}");
    }
}

#[test]
fn a_start_that_is_corrected_by_one_second_is_the_same() {
    let values = every_15_s(&[100.0, 250.0, 400.0]);
    let starts = [-500_000, -501_000, -500_000];
    let points = values.into_iter().zip(starts).map(|(point, start)| started(start, point));
    assert_eq!(rate(points.collect()), Ok(10.0));
}

#[test]
fn parts_are_reset_together_even_where_one_has_overtaken_its_old_value() {
    let low = part(every_15_s(&[100.0, 100.0, 120.0, 140.0]));
    let all = part(every_15_s(&[1000.0, 1000.0, 150.0, 300.0]));
    let increase = increase(&[low, all], SPAN).unwrap();
    assert_eq!((increase.amounts, increase.from), (vec![20.0, 150.0], 45_000));
}

#[test]
fn a_sum_that_falls_by_negative_observations_is_no_reset() {
    let count = part(every_15_s(&[10.0, 20.0, 30.0]));
    let sum = Part { is_sum: true, ..part(every_15_s(&[5.0, -5.0, -20.0])) };
    assert_eq!(increase(&[count, sum], SPAN).unwrap().amounts, [20.0, -25.0]);
}

#[test]
fn a_sample_that_is_no_number_is_stepped_over() {
    let points = vec![point(0, 10.0), point(10_000, f64::NAN), point(20_000, 30.0), point(30_000, f64::NAN)];
    let increase = increase(&[part(points)], Span { window: 20_000, interval: 10_000 }).unwrap();
    assert_eq!((increase.amounts[0], increase.from, increase.to), (20.0, 0, 20_000));
}

#[test]
fn a_sample_that_is_exposed_again_with_its_old_time_is_one_sample() {
    let again = |scraped, at, value| Point { scraped, ..point(at, value) };
    let points = vec![again(0, 0, 100.0), again(15_000, 0, 100.0), again(30_000, 30_000, 400.0)];
    let increase = increase(&[part(points)], SPAN).unwrap();
    assert_eq!((increase.rate(), increase.from), (10.0, 0));
}
