//! Pictures of the last 15 minutes, as SVG in the page: nothing is loaded, and no script is needed.

use maud::{Markup, html};

use super::{Trend, numbers::number};
use crate::{hpa::Point, scrape::RecentScrape};

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
                @for line in plot.lines() { polyline.value points=(line) {} }
                @for x in plot.gaps() { rect.gap x=(x) y="154" width="4" height="6" {} }
                text.target x="640" y=(plot.y(target) - 4.0) text-anchor="end" { "target " (number(target)) }
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

/// The last scrapes as cells: high and green is good, low and red has failed.
pub(super) fn strip(recent: &[RecentScrape]) -> Markup {
    let bad = recent.iter().filter(|scrape| !scrape.good).count();
    let label = format!("last {} scrapes, {bad} failed", recent.len());
    html! {
        @if !recent.is_empty() {
            svg.spark viewBox="0 0 120 16" width="120" height="16" role="img" aria-label=(label) data-points=(recent.len()) {
                @for (at, scrape) in recent.iter().enumerate() { (cell(at, scrape.good)) }
            }
        }
    }
}

fn cell(at: usize, good: bool) -> Markup {
    let (y, class) = if good { (2, "hit") } else { (10, "gap") };
    html! { rect.(class) x=(at * 6) y=(y) width="5" height=(14 - y) {} }
}

/// How long the last scrapes took, those that failed marked.
pub(super) fn scrapes(recent: &[RecentScrape]) -> Markup {
    let slowest = recent.iter().map(|scrape| scrape.took_ms).max().unwrap_or_default().max(1);
    let bad = recent.iter().filter(|scrape| !scrape.good).count();
    let label = format!("last {} scrapes, {bad} failed, the slowest took {slowest} ms", recent.len());
    let height = |scrape: &RecentScrape| rounded(f64::from(scrape.took_ms) / f64::from(slowest) * 78.0 + 2.0);
    html! {
        figure.chart {
            svg viewBox="-70 -12 730 114" role="img" aria-label=(label) data-points=(recent.len()) {
                line.axis x1="0" y1="80" x2="640" y2="80" {}
                text x="-6" y="6" text-anchor="end" { (slowest) " ms" }
                @for (at, scrape) in recent.iter().enumerate() {
                    rect.(if scrape.good { "hit" } else { "gap" }) x=(at * 32 + 2) y=(rounded(80.0 - height(scrape))) width="28" height=(height(scrape)) {}
                }
            }
            figcaption.quiet { "How long the last " (recent.len()) " scrapes took; red: failed." }
        }
    }
}

/// One number of the adapter's last 15 minutes, and what is bad of it.
pub(super) fn trend(
    title: &str,
    points: &[Trend],
    good: fn(&Trend) -> f32,
    bad: Option<fn(&Trend) -> f32>,
) -> Markup {
    let frame = Frame { width: 280.0, height: 80.0 };
    let series = |of: fn(&Trend) -> f32| {
        points.iter().map(|point| (point.at as f64, Some(f64::from(of(point))))).collect::<Vec<_>>()
    };
    let highest = bad.map(|bad| points.iter().map(bad).fold(0.0, f32::max)).map(f64::from);
    let plot = Plot::drawn(series(good), highest, frame);
    let last = points.last().map_or(0.0, good);
    let label = format!("{title}: {} now, {} at most", number(f64::from(last)), number(plot.highest));
    let bad = bad.map(|bad| Plot { points: series(bad), ..Plot::drawn(series(good), highest, frame) });
    html! {
        figure.chart {
            figcaption { (title) ": " strong { (number(tenths(last))) } }
            svg viewBox="-2 -14 284 98" role="img" aria-label=(label) data-points=(points.len()) {
                line.axis x1="0" y1="80" x2="280" y2="80" {}
                text x="0" y="-3" { (number(rounded(plot.highest))) }
                @for line in plot.lines() { polyline.value points=(line) {} }
                @for line in bad.iter().flat_map(Plot::lines) { polyline.failed points=(line) {} }
            }
        }
    }
}

/// One of several values beside each other.
pub(super) struct Bar {
    /// `None` is drawn as a mark at the foot.
    pub(super) value: Option<f64>,
}

/// Values beside each other, from nought.
pub(super) fn bars(values: &[Bar]) -> Markup {
    let greatest = values.iter().filter_map(|bar| bar.value).fold(0.0, f64::max);
    let width = (640.0 / (values.len().max(1) as f64)).min(WIDEST);
    let height = |value: f64| if greatest > 0.0 { rounded((value / greatest).max(0.0) * 80.0) } else { 0.0 };
    let lacking = values.iter().filter(|bar| bar.value.is_none()).count();
    let label = format!("{} values, {lacking} missing, the greatest is {}", values.len(), number(greatest));
    html! {
        @if values.len() > 1 {
            figure.chart {
                svg viewBox="-70 -12 730 104" role="img" aria-label=(label) data-points=(values.len()) {
                    line.axis x1="0" y1="80" x2="640" y2="80" {}
                    text x="-6" y="6" text-anchor="end" { (number(greatest)) }
                    @for (at, bar) in values.iter().enumerate() {
                        @let x = rounded(at as f64 * width);
                        @match bar.value {
                            Some(value) => rect.bar x=(x) y=(rounded(80.0 - height(value))) width=(rounded((width - 2.0).max(1.0))) height=(height(value).max(1.0)) {},
                            None => rect.gap x=(x) y="74" width=(rounded((width - 2.0).max(1.0))) height="6" {},
                        }
                    }
                }
            }
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

fn tenths(value: f32) -> f64 {
    rounded(f64::from(value))
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// How wide a bar is at most.
const WIDEST: f64 = 40.0;

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
