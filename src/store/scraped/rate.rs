//! How fast a counter grows: an anchored rate over real time.
//!
//! Prometheus's `rate()` extrapolates to the edges of its range, so a new pod shows half its rate and the answer
//! depends on when one asks. An HPA is better served by what was really counted between two scrapes: the increase
//! since the sample that is one window old, divided by the time between the two. The vectors in
//! `tests/vectors/rates.json` set both side by side.

/// One scraped value of one counter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    /// When the scrape began, in milliseconds since 1970.
    pub(super) at: i64,
    /// What the counter stood at.
    pub(super) value: f64,
    /// When the counter began to count, as far as is known.
    pub(super) started: Option<i64>,
}

/// What counts as a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    /// The window, in milliseconds.
    pub(super) window: i64,
    /// The scrape interval, in milliseconds.
    pub(super) interval: i64,
}

/// How much a counter grew, and since when.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Increase {
    pub(super) amount: f64,
    pub(super) from: i64,
    pub(super) to: i64,
}

/// Why a counter's growth cannot be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unknown {
    /// Not enough has been seen of it.
    Early,
    /// It falls again and again without a restart: several processes behind one port, as prefork servers have them.
    /// Each fall taken for a reset would look like a burst, and a burst would scale up.
    NonMonotonic,
}

impl Increase {
    /// Per second.
    pub(super) fn rate(self) -> f64 {
        self.amount * 1000.0 / self.millis()
    }

    #[expect(clippy::cast_precision_loss, reason = "spans are minutes")]
    fn millis(self) -> f64 {
        (self.to - self.from) as f64
    }
}

/// The increase over the window that ends with the newest of `points` (newest first); points that are no numbers are
/// stepped over. `lacked` is the time of a good
/// scrape just before the oldest point that did not have this series.
pub(super) fn increase(points: &[Point], lacked: Option<i64>, span: Span) -> Result<Increase, Unknown> {
    let points: Vec<Point> = points.iter().copied().filter(|point| point.value.is_finite()).collect();
    let to = points.first().ok_or(Unknown::Early)?.at;
    let (counted, anchored) = within(&points, to, span);
    let oldest = counted.last().ok_or(Unknown::Early)?;
    let zero = if anchored {
        None
    } else {
        birth(oldest, lacked.filter(|_| counted.len() == points.len()), to, span)
    };
    let from = zero.unwrap_or(oldest.at);
    if to - from < (span.interval / 2).max(1) {
        return Err(Unknown::Early);
    }
    let since_birth = if zero.is_some() { oldest.value } else { 0.0 };
    Ok(Increase { amount: since_birth + grown(counted, to - span.window)?, from, to })
}

/// The points that count, and whether the oldest of them is the window's anchor: the newest one that is a window
/// old, where half an interval absorbs the jitter of scrapes. A long gap ends the search: what happened in it is
/// not known.
fn within(points: &[Point], to: i64, span: Span) -> (&[Point], bool) {
    let edge = to - span.window + span.interval / 2;
    let longest_gap = (5 * span.interval).max(span.window);
    let mut newer = to;
    for (at, point) in points.iter().enumerate() {
        if newer - point.at > longest_gap {
            return (points.get(..at).unwrap_or_default(), false);
        }
        if point.at <= edge {
            return (points.get(..=at).unwrap_or_default(), true);
        }
        newer = point.at;
    }
    (points, false)
}

/// When the series stood at zero, if that is known: the process's start within the window, or else the last good
/// scrape without it.
fn birth(oldest: &Point, lacked: Option<i64>, to: i64, span: Span) -> Option<i64> {
    let started = oldest.started.filter(|started| (to - span.window..oldest.at).contains(started));
    let recent = |lacked: &i64| oldest.at - lacked <= span.interval * 5 / 2;
    started.or_else(|| lacked.filter(recent))
}

/// The sum of what was added from point to point; after a reset the whole new value is.
fn grown(points: &[Point], window_start: i64) -> Result<f64, Unknown> {
    let mut amount = 0.0;
    let mut falls = 0;
    for (newer, older) in pairs(points) {
        let restarted = newer.started.is_some_and(|started| started > older.at);
        let fell = newer.value < older.value;
        if fell && !restarted && newer.at > window_start {
            falls += 1;
        }
        amount += if fell || restarted { newer.value } else { newer.value - older.value };
    }
    if falls > MOST_FALLS { Err(Unknown::NonMonotonic) } else { Ok(amount) }
}

/// Neighbours, newest first.
fn pairs(points: &[Point]) -> impl Iterator<Item = (&Point, &Point)> {
    points.iter().zip(points.iter().skip(1))
}

/// A process that restarts more often than this within a window has other troubles than scaling.
const MOST_FALLS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[expect(clippy::cast_possible_truncation, reason = "recorded seconds are small")]
    fn millis(seconds: &Value) -> i64 {
        (seconds.as_f64().unwrap() * 1000.0) as i64
    }

    /// Points newest first; a start time is the case's, or stands third in a sample.
    fn points(case: &Value) -> Vec<Point> {
        let started = |sample: &Value| sample.get(2).or_else(|| case.get("start")).map(millis);
        let point = |sample: &Value| Point {
            at: millis(&sample[0]),
            value: sample[1].as_f64().unwrap(),
            started: started(sample),
        };
        case["s"].as_array().unwrap().iter().map(point).rev().collect()
    }

    #[test]
    fn the_recorded_cases_give_the_recorded_rates() {
        let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/rates.json")).unwrap();
        let cases = vectors["cases"].as_array().unwrap();
        assert!(cases.len() >= 19);
        for case in cases {
            let lacked = case.get("previous_scrape").map(millis);
            let span = Span { window: millis(&case["W"]), interval: 15_000 };
            let ours = increase(&points(case), lacked, span);
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
    fn what_falls_again_and_again_is_not_a_counter() {
        let values = [5.0, 90.0, 4.0, 80.0, 3.0, 70.0];
        let points: Vec<Point> = (0..)
            .zip(values)
            .map(|(n, value)| Point { at: 60_000 - n * 10_000, value, started: None })
            .collect();
        let span = Span { window: 60_000, interval: 10_000 };
        assert_eq!(increase(&points, None, span), Err(Unknown::NonMonotonic));
    }

    #[test]
    fn a_sample_that_is_no_number_is_stepped_over() {
        let point = |at, value| Point { at, value, started: None };
        let points = [point(30_000, f64::NAN), point(20_000, 30.0), point(10_000, f64::NAN), point(0, 10.0)];
        let increase = increase(&points, None, Span { window: 20_000, interval: 10_000 }).unwrap();
        assert_eq!((increase.amount, increase.from, increase.to), (20.0, 0, 20_000));
    }

    #[test]
    fn a_birth_at_a_sample_that_is_no_number_is_not_counted_from_it() {
        let point = |at, value| Point { at, value, started: None };
        let points = [point(20_000, 30.0), point(10_000, 10.0), point(5_000, f64::NAN)];
        let increase = increase(&points, Some(0), Span { window: 60_000, interval: 10_000 }).unwrap();
        assert_eq!((increase.amount, increase.from), (30.0, 0));
    }
}
