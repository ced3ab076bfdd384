//! `/targets`: what is scraped, and how that goes.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Sources,
    page::{ago, page},
    shares::{self, Crowded},
    wants_json,
};
use crate::scrape::{Health, LastScrape, TargetStatus};

pub(super) async fn answer(State(sources): State<Sources>, request: Request) -> Response {
    let mut targets = (sources.targets)();
    targets.sort_by(|a, b| {
        (a.health, &a.namespace, &a.pod, &a.url).cmp(&(b.health, &b.namespace, &b.pod, &b.url))
    });
    if wants_json(&request) {
        return Json(targets).into_response();
    }
    page("Targets", &content(&targets, &shares::crowded(&sources.store), Timestamp::now()))
}

fn content(targets: &[TargetStatus], crowded: &[Crowded], now: Timestamp) -> Markup {
    html! {
        p { (summary(targets)) }
        (shares::table(crowded))
        @if targets.is_empty() {
            p { "No pod asks to be scraped. Annotate one with " code { "prometheus.io/scrape: \"true\"" } "." }
        } @else {
            table {
                thead { tr { @for head in ["Pod", "State", "Last scrape", "Found", "Next"] { th { (head) } } } }
                tbody { @for target in targets.iter().take(SHOWN) { (row(target, now)) } }
            }
        }
        @if targets.len() > SHOWN {
            p.quiet { "The first " (SHOWN) " of " (targets.len()) ", worst first; " code { "/targets?format=json" } " has all." }
        }
    }
}

fn summary(targets: &[TargetStatus]) -> String {
    let count = |health: Health| targets.iter().filter(|target| target.health == health).count();
    format!(
        "{} up, {} down, {} not scraped yet, {} terminating, {} that want to be scraped and cannot be",
        count(Health::Up),
        count(Health::Down),
        count(Health::Unknown),
        count(Health::Terminating),
        count(Health::Refused)
    )
}

fn row(target: &TargetStatus, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Pod" {
                (target.namespace) "/" (target.pod)
                @if let Some(url) = &target.url { br; code.quiet { (url) } }
            }
            td data-label="State" { (state(target)) }
            td data-label="Last scrape" {
                @match &target.last_scrape {
                    Some(last) => { (ago(last.at, now)) " ago, took " (millis(last.duration_seconds)) }
                    None => { "never" }
                }
            }
            td data-label="Found" { @if let Some(last) = &target.last_scrape { (found(last)) } }
            td data-label="Next" {
                @if let Some(next) = target.next_scrape { "in " (ago(now, next)) }
            }
        }
    }
}

fn state(target: &TargetStatus) -> Markup {
    let error = target.last_scrape.as_ref().and_then(|last| last.error.as_ref());
    html! {
        @match target.health {
            Health::Up => span.good { "up" },
            Health::Down => span.bad { "down, " (target.failures) " in a row" },
            Health::Refused => span.bad { "no target" },
            Health::Unknown => "not scraped yet",
            Health::Terminating => "terminating",
        }
        @if let Some(error) = error { br; (error.message) }
        @for problem in &target.problems { br; (problem) }
    }
}

fn found(last: &LastScrape) -> Markup {
    html! {
        (last.samples) " samples, " (last.bytes) " bytes"
        @if last.rejected > 0 { br; span.bad { (last.rejected) " bad lines" } }
        @for line in &last.rejected_lines { br; code { (line) } }
        @if last.content_type_fallback { br; "no known Content-Type: read as text" }
        @if last.skipped_families > 0 { br; (last.skipped_families) " native histograms skipped" }
    }
}

fn millis(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}

/// More rows than anyone reads; JSON has all.
const SHOWN: usize = 1000;
