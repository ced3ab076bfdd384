//! `/targets/NAMESPACE/POD`: the targets of one pod.

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::query::State as Standing;
use crate::{
    admin::{
        Sources,
        chart::scrapes,
        columns::columns,
        making::{Made, Maker, json, text},
        page::{ago, as_of, refreshing},
        wants_json, wants_text,
    },
    scrape::{LastScrape, TargetStatus},
};

/// What to look at where no scrape was ever good.
pub(super) const ADVICE: &str = "look at prometheus.io/port, path and scheme of the pod";

pub(in crate::admin) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    Path((namespace, pod)): Path<(String, String)>,
    request: Request,
) -> Response {
    let forms = (wants_json(&request), wants_text(&request));
    maker.answer(move || made(&sources, (&namespace, &pod), forms)).await.into_response()
}

fn made(sources: &Sources, (namespace, pod): (&str, &str), (as_json, as_text): (bool, bool)) -> Made {
    let mut targets = (sources.targets)();
    targets.retain(|target| target.namespace == namespace && target.pod == pod);
    let mut made = if as_json {
        json(&targets)
    } else if as_text {
        text(lines(&targets, Timestamp::now()))
    } else {
        refreshing(&format!("Pod {namespace}/{pod}"), &content(&targets, (namespace, pod)), Some(10))
    };
    if targets.is_empty() {
        *made.status_mut() = StatusCode::NOT_FOUND;
    }
    made
}

fn content(targets: &[TargetStatus], (namespace, pod): (&str, &str)) -> Markup {
    let now = Timestamp::now();
    html! {
        @if targets.is_empty() {
            p { "This pod is no target: it is not annotated with " code { "prometheus.io/scrape: \"true\"" }
                ", or not there. " a href="/targets" { "All targets" } }
        }
        @for target in targets { (part(target, now)) }
        p { a href={ "/series?q=" (namespace) "%2F" (pod) } { "Its series" } ", "
            a href={ "/series?tab=raw&q=" (namespace) "%2F" (pod) } { "as exposed" } }
        p.quiet { (as_of(now)) ". As JSON: " code { "?format=json" } }
    }
}

/// The same for a terminal.
fn lines(targets: &[TargetStatus], now: Timestamp) -> String {
    if targets.is_empty() {
        return "this pod is no target: it is not annotated with prometheus.io/scrape: \"true\", or not there\n".to_owned();
    }
    let row = |target: &TargetStatus| {
        let last = target.last_scrape.as_ref();
        let error = last.and_then(|last| last.error.as_ref()).map(|error| error.message.clone());
        let reasons: Vec<String> = error.into_iter().chain(target.problems.iter().cloned()).collect();
        vec![
            Standing::of(target).name().to_owned(),
            target.url.clone().unwrap_or_else(|| "-".to_owned()),
            target.last_good.map_or_else(|| "never".to_owned(), |good| ago(good, now)),
            last.map_or_else(|| "-".to_owned(), |last| last.samples.to_string()),
            last.map_or_else(|| "-".to_owned(), |last| millis(last.duration_seconds)),
            reasons.join("; "),
        ]
    };
    columns(&["STATE", "URL", "LAST GOOD", "SAMPLES", "TOOK", "REASON"], targets.iter().map(row))
}

fn part(target: &TargetStatus, now: Timestamp) -> Markup {
    let state = Standing::of(target);
    let error = target.last_scrape.as_ref().and_then(|last| last.error.as_ref());
    html! {
        h2 { @if let Some(url) = &target.url { code { (url) } } @else { "no target" } }
        p {
            span.badge.(state.tone()) { (state.name()) }
            @if target.failures > 0 { " " (target.failures) " scrapes in a row have failed" }
            @if let Some(good) = target.last_good { ", the last good one was " (ago(good, now)) " ago" }
            @else if target.failures > 0 { ", none was ever good: " (ADVICE) }
        }
        @if let Some(error) = error { div.verdict.bad { strong { (error.message) } } }
        @for problem in &target.problems { div.verdict.warn { strong { (problem) } } }
        @if !target.recent.is_empty() { (scrapes(&target.recent)) }
        @if let Some(last) = &target.last_scrape { (facts(target, last, now)) }
    }
}

fn facts(target: &TargetStatus, last: &LastScrape, now: Timestamp) -> Markup {
    html! {
        table {
            tbody {
                tr { th scope="row" { "Last scrape" } td { (ago(last.at, now)) " ago, took " (millis(last.duration_seconds)) } }
                @if let Some(source) = &target.source { tr { th scope="row" { "Asked for by" } td { (source) } } }
                tr { th scope="row" { "Interval" } td { (target.interval_seconds) " s" } }
                tr { th scope="row" { "Body" } td { (last.bytes) " bytes, " (last.wire_bytes) " on the wire" } }
                tr { th scope="row" { "Found" } td { (last.samples) " samples, " (last.series) " series are kept" (found(last)) } }
            }
        }
    }
}

fn found(last: &LastScrape) -> Markup {
    html! {
        @if last.rejected > 0 { br; span.bad { (last.rejected) " bad lines" } }
        @for line in &last.rejected_lines { br; code { (line) } }
        @if last.unreadable > 0 { br; span.bad { (last.unreadable) " families without a value" } }
        @for family in &last.unreadable_families { br; code { (family) } }
        @if last.left_out > 0 { br; (last.left_out) " series left out by custom-metrics-adapter/metrics or the monitor's rules" }
        @for note in last.notes.iter() { br; (note) }
        @if last.content_type_fallback { br; "no known Content-Type: read as text" }
        @if last.skipped_families > 0 { br; (last.skipped_families) " native histograms skipped" }
    }
}

pub(super) fn millis(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}
