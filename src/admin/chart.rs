//! Pictures of the last 15 minutes, as SVG in the page: nothing is loaded, and no script is needed.

use maud::{Markup, html};

use crate::hpa::{Point, numbers::milli};

/// A line of the values, for a row of a table.
pub(super) fn spark(points: &[Point]) -> Markup {
    let plot = Plot::of(points, None, Frame { width: 120.0, height: 24.0 });
    html! {
        svg.spark viewBox="0 0 120 24" width="120" height="24" role="img" aria-label=(spoken(points)) data-points=(points.len()) {
            @for line in plot.lines() { polyline.value points=(line) {} }
            @for x in plot.gaps() { rect.gap x=(x) y="21" width="2" height="3" {} }
        }
    }
}

/// Value and target over time, replicas below; gaps are marked at the foot.
pub(super) fn chart(points: &[Point], target: f64) -> Markup {
    let plot = Plot::of(points, Some(target), Frame { width: 640.0, height: 160.0 });
    let replicas = Plot::of_replicas(points, Frame { width: 640.0, height: 48.0 });
    html! {
        figure.chart {
            svg viewBox="-70 -12 730 194" role="img" aria-label=(spoken(points)) data-points=(points.len()) {
                line.axis x1="0" y1="160" x2="640" y2="160" {}
                text x="-6" y="6" text-anchor="end" { (number(plot.highest)) }
                text x="-6" y="160" text-anchor="end" { (number(plot.lowest)) }
                line.target x1="0" x2="640" y1=(plot.y(target)) y2=(plot.y(target)) {}
                text.target x="640" y=(plot.y(target) - 4.0) text-anchor="end" { "target " (number(target)) }
                @for line in plot.lines() { polyline.value points=(line) {} }
                @for x in plot.gaps() { rect.gap x=(x) y="154" width="4" height="6" {} }
                text x="0" y="174" { "15 min ago" }
                text x="640" y="174" text-anchor="end" { "now" }
            }
            svg viewBox="-70 -8 730 76" role="img" aria-label="replicas" {
                line.axis x1="0" y1="48" x2="640" y2="48" {}
                text x="-6" y="6" text-anchor="end" { (number(replicas.highest)) }
                text x="-6" y="48" text-anchor="end" { "0" }
                @for line in replicas.lines() { polyline.replicas points=(line) {} }
                text x="640" y="62" text-anchor="end" { "replicas" }
            }
            figcaption.quiet { "Red marks: no value." }
        }
    }
}

/// What a picture says to somebody who does not see it.
fn spoken(points: &[Point]) -> String {
    let values = points.iter().filter_map(|point| point.value);
    let last = values.clone().next_back().map_or_else(|| "none".to_owned(), |value| number(f64::from(value)));
    let gaps = points.iter().filter(|point| point.value.is_none()).count();
    format!("last 15 minutes: {} points, {gaps} without a value, last value {last}", points.len())
}

fn number(value: f64) -> String {
    if value.abs() < 1e15 { milli(thousandths(value)) } else { format!("{value:e}") }
}

#[expect(clippy::cast_possible_truncation, reason = "below 1e18")]
fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}

/// How large a picture is.
#[derive(Clone, Copy)]
struct Frame {
    width: f64,
    height: f64,
}

/// Points and the room that they are drawn in.
struct Plot {
    /// Seconds and values, in order.
    points: Vec<(f64, Option<f64>)>,
    begin: f64,
    lowest: f64,
    highest: f64,
    frame: Frame,
}

impl Plot {
    fn of(points: &[Point], target: Option<f64>, frame: Frame) -> Self {
        let values = points.iter().map(|point| (point.at as f64, point.value.map(f64::from)));
        Self::drawn(values.collect(), target, frame)
    }

    fn of_replicas(points: &[Point], frame: Frame) -> Self {
        let replicas = points.iter().map(|point| (point.at as f64, Some(f64::from(point.replicas))));
        Self::drawn(replicas.collect(), None, frame)
    }

    fn drawn(points: Vec<(f64, Option<f64>)>, target: Option<f64>, frame: Frame) -> Self {
        let shown = || points.iter().filter_map(|(_, value)| *value).chain(target);
        let lowest = shown().fold(0.0, f64::min);
        let highest = shown().fold(lowest, f64::max);
        let highest = if highest > lowest { highest } else { lowest + 1.0 };
        let begin = points.last().map_or(0.0, |(at, _)| at - WINDOW);
        Self { points, begin, lowest, highest, frame }
    }

    fn x(&self, at: f64) -> f64 {
        rounded((at - self.begin) / WINDOW * self.frame.width)
    }

    fn y(&self, value: f64) -> f64 {
        rounded(self.frame.height * (1.0 - (value - self.lowest) / (self.highest - self.lowest)))
    }

    /// Lines between gaps, as `points` of a polyline.
    fn lines(&self) -> Vec<String> {
        let runs = self.points.split(|(_, value)| value.is_none());
        let place = |(at, value): &(f64, Option<f64>)| Some(format!("{},{}", self.x(*at), self.y((*value)?)));
        let line = |run: &[(f64, Option<f64>)]| run.iter().filter_map(place).collect::<Vec<_>>().join(" ");
        runs.filter(|run| !run.is_empty()).map(line).collect()
    }

    fn gaps(&self) -> Vec<f64> {
        self.points.iter().filter(|(_, value)| value.is_none()).map(|(at, _)| self.x(*at)).collect()
    }
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Seconds that a picture shows.
const WINDOW: f64 = 900.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: i64, value: Option<f32>) -> Point {
        Point { at, value, replicas: 3, with_value: 0, pods: 0 }
    }

    #[test]
    fn a_line_has_every_point_and_breaks_where_there_was_no_value() {
        let points =
            [point(100, Some(0.0)), point(550, Some(10.0)), point(775, None), point(1000, Some(5.0))];
        let plot = Plot::of(&points, None, Frame { width: 90.0, height: 20.0 });
        assert_eq!(plot.lines(), ["0,20 45,0", "90,10"]);
        assert_eq!(plot.gaps(), [67.5]);
        assert!(chart(&points, 7.0).into_string().contains(r#"data-points="4""#));
    }

    #[test]
    fn nothing_and_one_value_only_are_drawn_too() {
        assert!(spark(&[]).into_string().contains("0 points"));
        let plot = Plot::of(&[point(0, Some(0.0))], None, Frame { width: 90.0, height: 20.0 });
        assert_eq!(plot.lines(), ["90,20"]);
    }
}
