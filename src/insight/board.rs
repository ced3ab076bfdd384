//! The last look at each HPA, and the last minutes of its metrics.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use parking_lot::RwLock;

use crate::hpa::{Listed, MetricReport, Point, Report};

/// Namespace and name.
type Key = (String, String);

#[derive(Default)]
pub(super) struct Board(RwLock<Looked>);

#[derive(Default)]
struct Looked {
    at: Timestamp,
    hpas: Vec<Arc<Report>>,
    histories: HashMap<Key, Vec<History>>,
}

/// The points of one metric; another metric in its place starts anew.
struct History {
    metric: String,
    points: VecDeque<Point>,
}

impl Board {
    /// Takes the reports of one look; an HPA that has none is gone.
    pub(super) fn replace(&self, reports: impl Iterator<Item = Report>, now: Timestamp) {
        let reports: Vec<Arc<Report>> = reports.map(|report| Arc::new(report.brief())).collect();
        let mut looked = self.0.write();
        let mut before = std::mem::take(&mut looked.histories);
        let mut room = MOST_METRICS;
        for report in &reports {
            let key = (report.namespace.clone(), report.name.clone());
            let known = before.remove(&key).unwrap_or_default();
            let histories = extended(known, report, &mut room, now);
            looked.histories.insert(key, histories);
        }
        looked.hpas = reports;
        looked.at = now;
    }

    pub(super) fn listed(&self) -> (Timestamp, Vec<Listed>) {
        let looked = self.0.read();
        let points = |report: &Report| {
            let histories = looked.histories.get(&(report.namespace.clone(), report.name.clone()));
            histories.map(|histories| all(histories)).unwrap_or_default()
        };
        let listed = looked.hpas.iter();
        (looked.at, listed.map(|report| Listed { report: report.clone(), points: points(report) }).collect())
    }

    pub(super) fn reports(&self) -> Vec<Arc<Report>> {
        self.0.read().hpas.clone()
    }

    pub(super) fn points(&self, namespace: &str, name: &str) -> Vec<Vec<Point>> {
        let looked = self.0.read();
        let histories = looked.histories.get(&(namespace.to_owned(), name.to_owned()));
        histories.map(|histories| all(histories)).unwrap_or_default()
    }
}

fn all(histories: &[History]) -> Vec<Vec<Point>> {
    histories.iter().map(|history| history.points.iter().copied().collect()).collect()
}

fn extended(known: Vec<History>, report: &Report, room: &mut usize, now: Timestamp) -> Vec<History> {
    let mut known = known.into_iter();
    let mut extend = |metric: &MetricReport| {
        let name = format!("{} {} {}", metric.r#type, metric.name, metric.selector);
        let fresh = || History { metric: name.clone(), points: VecDeque::new() };
        let mut history = known.next().filter(|history| history.metric == name).unwrap_or_else(fresh);
        if *room > 0 {
            *room -= 1;
            history.push(point(metric, report, now));
        }
        history
    };
    report.metrics.iter().map(&mut extend).collect()
}

impl History {
    fn push(&mut self, point: Point) {
        self.points.reserve_exact(POINTS.saturating_sub(self.points.len()));
        if self.points.len() >= POINTS {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a picture needs no more")]
fn point(metric: &MetricReport, report: &Report, now: Timestamp) -> Point {
    let short = |number: usize| number.try_into().unwrap_or(u16::MAX);
    Point {
        at: now.as_second(),
        value: metric.value.map(|value| value as f32),
        replicas: report.replicas.current.try_into().unwrap_or_default(),
        with_value: short(metric.pods_with_value),
        pods: short(metric.pods),
    }
}

/// 15 minutes of one point each 5 s.
const POINTS: usize = 180;

/// So many metrics have a history: with 24 bytes a point, 8.6 MB.
const MOST_METRICS: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpa::{Replicas, State};

    fn report(metric: &str, value: Option<f64>) -> Report {
        let metric = MetricReport {
            r#type: "External".to_owned(),
            name: metric.to_owned(),
            selector: String::new(),
            object: None,
            target_type: "Value".to_owned(),
            target: "1".to_owned(),
            target_number: 1.0,
            value,
            ratio: None,
            replicas: None,
            oldest: None,
            pods: 0,
            pods_with_value: 0,
            lack: None,
            each: Vec::new(),
        };
        Report {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            target: String::new(),
            at: Timestamp::UNIX_EPOCH,
            state: State::AtTarget,
            reason: String::new(),
            cause: None,
            fix: None,
            replicas: Replicas::default(),
            steps: Vec::new(),
            metrics: vec![metric],
            conditions: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_last_quarter_of_an_hour_stays_and_gaps_are_points_without_a_value() {
        let board = Board::default();
        for second in 0..200 {
            let value = (second != 198).then_some(second as f64);
            board.replace([report("depth", value)].into_iter(), at(second * 5));
        }
        let points = board.points("shop", "web").remove(0);
        assert_eq!((points.len(), points[0].at, points[0].value), (180, 100, Some(20.0)));
        assert_eq!((points[178].value, points[179].value), (None, Some(199.0)));
    }

    #[test]
    fn another_metric_in_its_place_starts_anew_and_an_hpa_that_is_gone_leaves_nothing() {
        let board = Board::default();
        board.replace([report("depth", Some(1.0))].into_iter(), at(0));
        board.replace([report("length", Some(2.0))].into_iter(), at(5));
        let points = board.points("shop", "web").remove(0);
        assert_eq!(points.iter().map(|point| point.value).collect::<Vec<_>>(), [Some(2.0)]);
        board.replace(std::iter::empty(), at(10));
        assert!(board.points("shop", "web").is_empty() && board.listed().1.is_empty());
    }
}
