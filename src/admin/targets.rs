//! `/targets`: what is scraped, and how that goes.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Sources,
    making::{Made, Maker, json},
    number,
    page::{ago, page},
    shares::{self, Crowded},
    wants_json,
};
use crate::scrape::{Health, LastScrape, TargetStatus};

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let part = Part::asked(request.uri().query().unwrap_or_default());
    let as_json = wants_json(&request);
    let make = move || {
        let mut targets = (sources.targets)();
        targets.sort_by(|a, b| {
            (a.health, &a.namespace, &a.pod, &a.url).cmp(&(b.health, &b.namespace, &b.pod, &b.url))
        });
        if as_json {
            return part.json(&targets);
        }
        page("Targets", &content(&targets, (&part, &shares::crowded(&sources.store)), Timestamp::now()))
    };
    maker.answer(make).await
}

/// Which of the targets a page has.
struct Part {
    offset: usize,
    limit: usize,
}

impl Part {
    fn asked(query: &str) -> Self {
        let limit = number(query, "limit").unwrap_or(SHOWN).clamp(1, MOST);
        Self { offset: number(query, "offset").unwrap_or_default(), limit }
    }

    fn of<'t>(&self, targets: &'t [TargetStatus]) -> &'t [TargetStatus] {
        let rest = targets.get(self.offset..).unwrap_or_default();
        rest.get(..self.limit).unwrap_or(rest)
    }

    /// The query of the part after this one, if there is one.
    fn next(&self, all: usize) -> Option<String> {
        let offset = self.offset.saturating_add(self.limit);
        (offset < all).then(|| format!("offset={offset}&limit={}", self.limit))
    }

    /// An array, with the number of all and the way to the next part in the headers.
    fn json(&self, targets: &[TargetStatus]) -> Made {
        let mut made = json(&self.of(targets));
        made.headers_mut().insert("x-total-count", HeaderValue::from(targets.len()));
        let next = self.next(targets.len());
        let link = next.and_then(|next| {
            HeaderValue::from_str(&format!("</targets?format=json&{next}>; rel=\"next\"")).ok()
        });
        link.and_then(|link| made.headers_mut().insert(header::LINK, link));
        made
    }
}

fn content(targets: &[TargetStatus], (part, crowded): (&Part, &[Crowded]), now: Timestamp) -> Markup {
    html! {
        p { (summary(targets)) }
        (shares::table(crowded))
        @if targets.is_empty() {
            p { "No pod asks to be scraped. Annotate one with " code { "prometheus.io/scrape: \"true\"" } "." }
        } @else {
            table {
                thead { tr { @for head in ["Pod", "State", "Last scrape", "Found", "Next"] { th { (head) } } } }
                tbody { @for target in part.of(targets) { (row(target, now)) } }
            }
        }
        @if let Some(next) = part.next(targets.len()) {
            p.quiet {
                (part.of(targets).len()) " of " (targets.len()) ", worst first; "
                a href={ "/targets?" (next) } { "more" }
            }
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
        @if last.unreadable > 0 { br; span.bad { (last.unreadable) " families without a value" } }
        @for family in &last.unreadable_families { br; code { (family) } }
        @if last.left_out > 0 { br; (last.left_out) " series left out by custom-metrics-adapter/metrics" }
        @for note in last.notes.iter() { br; (note) }
        @if last.content_type_fallback { br; "no known Content-Type: read as text" }
        @if last.skipped_families > 0 { br; (last.skipped_families) " native histograms skipped" }
    }
}

fn millis(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1000.0)
}

/// More rows than anyone reads.
const SHOWN: usize = 1000;

/// Rows that a program may ask for at once.
const MOST: usize = 10_000;
