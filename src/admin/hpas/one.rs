//! `/hpas/NAMESPACE/NAME`: one HPA from its spec to its replicas, what is wrong first.

use axum::{
    extract::{Path, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use tokio::sync::Semaphore;

use super::{TEXT, metric_name, number, ratio, second, tone, value};
use crate::{
    admin::{
        Sources,
        chart::chart,
        making::{Maker, json, of_type},
        page::{ago, refreshing},
        wants_json, wants_text,
    },
    hpa::{Condition, Detail, MetricReport, Outcome, PodReport, Point, Report, Step, text},
};

pub(in crate::admin) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    Path((namespace, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let Ok(_turn) = LOOKS.try_acquire() else {
        let busy = "other HPAs are being looked at\n";
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], busy).into_response();
    };
    let Some(detail) = (sources.hpas.one)(namespace.clone(), name.clone()).await else {
        let none = format!("no HPA {namespace}/{name} that reads a custom or external metric; see /hpas\n");
        return (StatusCode::NOT_FOUND, none).into_response();
    };
    let (as_json, as_text) = (wants_json(&request), wants_text(&request));
    let make = move || {
        if as_json {
            return json(&detail.report);
        }
        if as_text {
            return of_type(TEXT, text::report(&detail.report, text::Ink::Plain).into_bytes());
        }
        refreshing(&format!("HPA {namespace}/{name}"), &content(&detail), Some(REFRESH))
    };
    maker.answer(make).await
}

fn content(detail: &Detail) -> Markup {
    let report = &detail.report;
    html! {
        (verdict(report))
        h2 { "Checklist" }
        ol.steps { @for step in &report.steps { (line(step)) } }
        @for (at, metric) in report.metrics.iter().enumerate() {
            (metric_part(metric, detail.points.get(at).map(Vec::as_slice).unwrap_or_default(), report.at))
        }
        h2 { "What the HPA controller says" }
        (conditions(&report.conditions))
        p.quiet { "As of " (second(report.at)) ". As JSON: " code { "?format=json" } }
    }
}

/// The first thing that is wrong, and what mends it.
fn verdict(report: &Report) -> Markup {
    let replicas = &report.replicas;
    html! {
        p {
            span.badge.(tone(report.state)) { (report.state.words()) } " "
            (report.target) ", " (replicas.current) " replicas"
            @if let Some(computed) = replicas.computed.filter(|computed| *computed != replicas.current) { " → " (computed) }
            " (" (replicas.min) " to " (replicas.max) ")"
        }
        div.verdict.(tone(report.state)) {
            strong { (report.reason) }
            @if let Some(fix) = &report.fix { br; "To do: " code { (fix) } }
        }
    }
}

fn line(step: &Step) -> Markup {
    let (class, mark, word) = match step.outcome {
        Outcome::Ok => ("good", "✓", "ok"),
        Outcome::Wrong => ("bad", "✗", "wrong"),
        Outcome::Warning => ("warn", "!", "warning"),
        Outcome::Unknown => ("quiet", "?", "not known"),
    };
    html! {
        li {
            span.(class) role="img" aria-label=(word) { (mark) } " "
            strong { (step.step.words()) @if let Some(metric) = &step.metric { " " code { (metric) } } }
            ": " (step.text)
            @if let Some(fix) = &step.fix { br; code { (fix) } }
        }
    }
}

fn metric_part(metric: &MetricReport, points: &[Point], now: Timestamp) -> Markup {
    html! {
        h2 { (metric_name(metric)) }
        p {
            (value(metric)) " against " (metric.target) " (" (metric.target_type) ")"
            @if let Some(by) = metric.ratio { ", ratio " (ratio(by)) }
            @if let Some(replicas) = metric.replicas { ": " (replicas) " replicas" }
            @if let Some(oldest) = metric.oldest { "; the oldest sample is of " (second(oldest)) }
        }
        @if let Some(lack) = &metric.lack { p.bad { (lack) } }
        @if metric.r#type != "Resource" { (chart(points, metric.target_number)) }
        @if !metric.each.is_empty() { (pods(metric, now)) }
    }
}

fn pods(metric: &MetricReport, now: Timestamp) -> Markup {
    html! {
        table {
            thead { tr { @for head in ["Pod", "Value", "Age", "Target", "How the HPA treats it"] { th scope="col" { (head) } } } }
            tbody { @for pod in metric.each.iter().take(SHOWN) { (pod_row(pod, now)) } }
        }
        @if metric.each.len() > SHOWN { p.quiet { "The first " (SHOWN) " of " (metric.each.len()) " pods." } }
    }
}

fn pod_row(pod: &PodReport, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Pod" { (pod.name) }
            td data-label="Has" {
                @match (&pod.value, &pod.lack) {
                    (Some(value), _) => (number(*value)),
                    (None, Some(lack)) => span.bad { (lack) },
                    (None, None) => "—",
                }
            }
            td data-label="Age" { @if let Some(at) = pod.at { (ago(at, now)) } }
            td data-label="Target" { (pod.target.as_deref().unwrap_or("not scraped")) }
            td data-label="Treated" { (pod.treated) }
        }
    }
}

fn conditions(conditions: &[Condition]) -> Markup {
    html! {
        @if conditions.is_empty() { p { "Nothing yet." } }
        table {
            tbody {
                @for condition in conditions {
                    tr {
                        th scope="row" { (condition.r#type) " " (condition.status) }
                        td { strong { (condition.reason) } " " (condition.message)
                            @if let Some(since) = condition.last_transition_time { br; span.quiet { "since " (since) } } }
                    }
                }
            }
        }
    }
}

/// A look asks kube-apiserver: a few at once.
static LOOKS: Semaphore = Semaphore::const_new(8);

/// Pods of a table.
const SHOWN: usize = 500;

/// Seconds until the page is loaded again.
const REFRESH: u32 = 10;
