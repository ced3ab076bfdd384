//! Scrapes in, points out.

use super::*;
use crate::store::scraped::{SeriesKind, ShapeBuilder};

const SPAN: Span = Span { window: 60_000, interval: 15_000 };

fn shape(names: &[&str]) -> Arc<Shape> {
    let mut builder = ShapeBuilder::default();
    for name in names {
        builder.add(name, SeriesKind::Counter, []);
    }
    Arc::new(builder.build())
}

fn scrape(at: i64, values: &[f64]) -> Scraped<'_> {
    let stamp = Stamp { at, starts: Starts::default() };
    Scraped { stamp, values, times: &[], unreadable: &[] }
}

fn values(history: &History, series: u32) -> Vec<f64> {
    history.points(series).iter().map(|point| point.value).collect()
}

#[test]
fn what_was_pushed_is_read_back_newest_first() {
    let mut history = History::new(SPAN, shape(&["a", "b"]), scrape(0, &[1.0, 0.5]));
    history.push(scrape(15_000, &[3.0, 0.25]));
    history.push(scrape(30_000, &[1_000_003.0, f64::NAN]));
    assert_eq!(values(&history, 0), [1_000_003.0, 3.0, 1.0]);
    assert_eq!(values(&history, 1)[1..], [0.25, 0.5]);
}

#[test]
fn no_more_is_kept_than_a_window_and_its_anchor() {
    let mut history = History::new(SPAN, shape(&["a"]), scrape(0, &[0.0]));
    for n in 1..50_i32 {
        history.push(scrape(i64::from(n) * 15_000, &[f64::from(n)]));
    }
    assert_eq!(values(&history, 0), [49.0, 48.0, 47.0, 46.0, 45.0]);
}

#[test]
fn forgetting_stops_at_the_two_scrapes_that_a_rate_needs() {
    let mut history = History::new(SPAN, shape(&["a"]), scrape(0, &[0.0]));
    (1..4).for_each(|n| history.push(scrape(i64::from(n) * 15_000, &[f64::from(n)])));
    assert_eq!(
        [history.forget_oldest(), history.forget_oldest(), history.forget_oldest()],
        [true, true, false]
    );
    assert_eq!(values(&history, 0), [3.0, 2.0]);
}

#[test]
fn series_keep_their_past_when_the_shape_changes() {
    let mut history = History::new(SPAN, shape(&["a", "b"]), scrape(0, &[1.0, 10.0]));
    history.push(scrape(15_000, &[2.0, 20.0]));
    history.push_moved(scrape(30_000, &[30.0, 5.0]), shape(&["b", "c"]), &[Some(1), None]);
    assert_eq!(values(&history, 0), [30.0, 20.0, 10.0]);
    assert_eq!(values(&history, 1), [5.0]);
}

#[test]
fn a_series_that_comes_back_within_a_window_has_its_past() {
    let mut history = History::new(SPAN, shape(&["a", "b"]), scrape(0, &[1.0, 10.0]));
    history.push(scrape(15_000, &[2.0, 20.0]));
    history.push_moved(scrape(30_000, &[3.0]), shape(&["a"]), &[Some(0)]);
    assert_eq!(history.last_seen("b"), Some(15_000));
    history.push_moved(scrape(45_000, &[40.0, 4.0]), shape(&["b", "a"]), &[None, Some(0)]);
    assert_eq!(history.last_seen("b"), None);
    let points: Vec<_> = history.points(0).iter().map(|point| (point.scraped, point.value)).collect();
    assert_eq!(points, [(45_000, 40.0), (15_000, 20.0), (0, 10.0)]);
    history.push_moved(scrape(60_000, &[5.0]), shape(&["a"]), &[Some(1)]);
    for n in 5..10 {
        history.push(scrape(n * 15_000, &[6.0]));
    }
    history.push_moved(scrape(150_000, &[90.0, 6.0]), shape(&["b", "a"]), &[None, Some(0)]);
    assert_eq!(values(&history, 0), [90.0], "after more than a window it has none");
}

#[test]
fn a_series_that_comes_and_goes_keeps_no_more_than_it_needs() {
    let mut history = History::new(SPAN, shape(&["a", "b"]), scrape(0, &[1.0, 10.0]));
    let mut bytes = Vec::new();
    for n in 0..100 {
        let at = 15_000 * (1 + 2 * n);
        history.push_moved(scrape(at, &[1.0]), shape(&["a"]), &[Some(0)]);
        history.push_moved(scrape(at + 15_000, &[1.0, 10.0]), shape(&["a", "b"]), &[Some(0), None]);
        bytes.push(history.bytes());
    }
    assert_eq!(bytes[20], bytes[99]);
}

#[test]
fn a_gauge_that_becomes_a_counter_has_no_past_as_a_counter() {
    let of_kind = |kind| {
        let mut builder = ShapeBuilder::default();
        builder.add("a", kind, []);
        Arc::new(builder.build())
    };
    let mut history = History::new(SPAN, of_kind(SeriesKind::Gauge), scrape(0, &[100.0]));
    history.push(scrape(15_000, &[200.0]));
    history.push(scrape(30_000, &[300.0]));
    history.push_moved(scrape(45_000, &[400.0]), of_kind(SeriesKind::Counter), &[Some(0)]);
    assert_eq!(values(&history, 0), [400.0, 300.0]);
}

#[test]
fn times_of_samples_stay_with_their_series() {
    let timed = |at, values, times| Scraped { times, ..scrape(at, values) };
    let mut history = History::new(SPAN, shape(&["a", "b"]), timed(0, &[1.0, 10.0], &[(1, -500)]));
    history.push_moved(scrape(15_000, &[20.0, 2.0]), shape(&["b", "a"]), &[Some(1), Some(0)]);
    let times = |series| history.points(series).iter().map(|point| point.at).collect::<Vec<_>>();
    assert_eq!((times(0), times(1)), (vec![15_000, -500], vec![15_000, 0]));
    assert_eq!(history.time(0), 15_000);
}
