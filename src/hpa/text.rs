//! Reports as text, for terminals and for `curl`.

use std::fmt::Write as _;

use super::{
    MetricReport, Notice, Outcome, Report, State, Step,
    numbers::{milli, ratio},
};

/// Whether a terminal shows the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ink {
    /// Letters only.
    Plain,
    /// With colours of a terminal.
    Coloured,
}

impl Ink {
    fn paint(self, outcome: Outcome, text: &str) -> String {
        let code = match outcome {
            Outcome::Ok => 32,
            Outcome::Wrong => 31,
            Outcome::Warning => 33,
            Outcome::Unknown => 2,
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// One HPA: the verdict, the checklist, and the metrics.
#[must_use]
pub fn report(report: &Report, ink: Ink) -> String {
    let replicas = &report.replicas;
    let mut text = format!(
        "HPA {}/{}: {}\n",
        report.namespace,
        report.name,
        ink.paint(severity(report.state), report.state.words())
    );
    let _ = writeln!(text, "{}", report.reason);
    if let Some(fix) = &report.fix {
        let _ = writeln!(text, "to do: {fix}");
    }
    text.push('\n');
    report.steps.iter().for_each(|step| line(&mut text, step, ink));
    text.push('\n');
    report.metrics.iter().for_each(|one| metric(&mut text, one));
    let computed = replicas.computed.map_or_else(|| "nothing".to_owned(), |computed| computed.to_string());
    let _ = writeln!(
        text,
        "replicas: {} now, {computed} computed, {} to {} allowed ({})",
        replicas.current, replicas.min, replicas.max, report.target
    );
    text
}

fn severity(state: State) -> Outcome {
    match state {
        State::Unknown | State::NotOurs => Outcome::Wrong,
        State::CannotTell => Outcome::Unknown,
        other if other.is_problem() => Outcome::Warning,
        _ => Outcome::Ok,
    }
}

fn line(text: &mut String, step: &Step, ink: Ink) {
    let mark = match step.outcome {
        Outcome::Ok => "ok  ",
        Outcome::Wrong => "FAIL",
        Outcome::Warning => "WARN",
        Outcome::Unknown => "?   ",
    };
    let about = step.metric.as_ref().map(|metric| format!(" {metric}")).unwrap_or_default();
    let _ = writeln!(text, "{} {}{about}: {}", ink.paint(step.outcome, mark), step.step.words(), step.text);
    if let Some(fix) = &step.fix {
        let _ = writeln!(text, "     to do: {fix}");
    }
}

fn metric(text: &mut String, metric: &MetricReport) {
    let value = metric.value.map_or_else(|| "no value".to_owned(), number);
    let by = metric.ratio.map(|by| format!(", ratio {}", ratio(by))).unwrap_or_default();
    let _ = writeln!(
        text,
        "{} {}{}: {value} against {} ({}){by}",
        metric.r#type,
        metric.name,
        selected(metric),
        metric.target,
        metric.target_type
    );
    let mut rows = vec![["  POD", "VALUE", "TARGET", "TREATED"].map(str::to_owned)];
    for pod in &metric.each {
        let value = pod.value.map(number).or_else(|| pod.lack.clone()).unwrap_or_default();
        let target = pod.target.clone().unwrap_or_else(|| "not scraped".to_owned());
        rows.push([format!("  {}", pod.name), value, target, pod.treated.clone()]);
    }
    if rows.len() > 1 {
        text.push_str(&aligned(&rows));
    }
}

fn selected(metric: &MetricReport) -> String {
    let object = metric.object.as_ref().map(|object| format!(" of {object}")).unwrap_or_default();
    if metric.selector.is_empty() { object } else { format!("{{{}}}{object}", metric.selector) }
}

#[expect(clippy::cast_possible_truncation, reason = "thousandths of an i64")]
fn number(value: f64) -> String {
    milli((value * 1000.0).round() as i64)
}

/// Many HPAs, a line for each metric.
#[must_use]
pub fn table<'a>(reports: impl Iterator<Item = &'a Report>, notice: Option<&Notice>) -> String {
    let mut text = String::new();
    if let Some(notice) = notice {
        let fix = notice.fix.as_ref().map(|fix| format!(" ({fix})")).unwrap_or_default();
        let _ = writeln!(text, "{}{fix}", notice.text);
    }
    let mut rows =
        vec![["STATE", "HPA", "METRIC", "VALUE/TARGET", "REPLICAS", "PODS", "REASON"].map(str::to_owned)];
    for report in reports {
        rows.extend(report.metrics.iter().map(|metric| table_row(report, metric)));
    }
    text.push_str(&aligned(&rows));
    text
}

fn table_row(report: &Report, metric: &MetricReport) -> [String; 7] {
    let replicas = &report.replicas;
    let to = replicas.computed.filter(|computed| *computed != replicas.current);
    let value = metric.value.map_or_else(|| "-".to_owned(), number);
    [
        report.state.words().to_owned(),
        format!("{}/{}", report.namespace, report.name),
        format!("{}{}", metric.name, selected(metric)),
        format!("{value}/{}", metric.target),
        format!("{}{}", replicas.current, to.map(|to| format!(" -> {to}")).unwrap_or_default()),
        if metric.pods > 0 { format!("{}/{}", metric.pods_with_value, metric.pods) } else { String::new() },
        report.reason.clone(),
    ]
}

/// Rows with columns of one width.
#[must_use]
pub fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or_default().min(WIDEST)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// A cell that is longer pushes the rest of its row aside.
const WIDEST: usize = 60;
