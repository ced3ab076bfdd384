//! `/hpas`: every HPA that reads a custom or external metric, those that need somebody first.

mod one;
mod query;

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    Sources,
    chart::spark,
    making::{Made, Maker, json, of_type},
    page::{ago, refreshing},
    wants_json, wants_text,
};
use crate::hpa::{
    Listed, Listing, MetricReport, Notice, Point, Report, State as Condition,
    numbers::{milli, ratio},
    text,
};

pub(super) use one::answer as one;
use query::{Asked, Sort};

#[derive(Serialize)]
struct Answer<'a> {
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: &'a Option<Notice>,
    total: usize,
    hpas: Vec<&'a Report>,
}

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let asked = Asked::of(request.uri().query().unwrap_or_default());
    let forms = (wants_json(&request), wants_text(&request));
    maker.answer(move || made(&(sources.hpas.list)(), &asked, forms)).await
}

fn made(listing: &Listing, asked: &Asked, (as_json, as_text): (bool, bool)) -> Made {
    let shown = asked.pick(&listing.hpas);
    if as_json {
        let hpas = shown.iter().map(|listed| &*listed.report).collect();
        return json(&Answer { at: listing.at, notice: &listing.notice, total: listing.hpas.len(), hpas });
    }
    if as_text {
        let reports = shown.iter().map(|listed| &*listed.report);
        return of_type(TEXT, text::table(reports, listing.notice.as_ref()).into_bytes());
    }
    refreshing("HPAs", &content(listing, asked, &shown), asked.refresh)
}

fn content(listing: &Listing, asked: &Asked, shown: &[&Listed]) -> Markup {
    let (from, to) = asked.page_of(shown.len());
    let page = shown.get(from..to).unwrap_or_default();
    html! {
        @if let Some(notice) = &listing.notice { (noticed(notice)) }
        (chips(listing, asked))
        (filters(listing, asked))
        p.quiet { (shown.len()) " of " (listing.hpas.len()) " HPAs, as of " (second(listing.at)) }
        @if listing.hpas.is_empty() && listing.notice.is_none() {
            p { "No HPA of this cluster reads a custom or external metric." }
        }
        table.hpas {
            thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
            tbody { @for listed in page { (rows(listed, listing.at)) } }
        }
        (pages(asked, shown.len()))
    }
}

fn noticed(notice: &Notice) -> Markup {
    html! { p.notice { (notice.text) @if let Some(fix) = &notice.fix { br; code { (fix) } } } }
}

/// States with how many HPAs are in them, as links that filter.
fn chips(listing: &Listing, asked: &Asked) -> Markup {
    let count = |state: Condition| listing.hpas.iter().filter(|listed| listed.report.state == state).count();
    let present =
        Condition::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
    html! {
        p.chips {
            a.chip href=(asked.with_state(None)) aria-current=[asked.state.is_none().then_some("true")] { "all " (listing.hpas.len()) }
            @for (state, count) in present {
                a.chip.(tone(state)) href=(asked.with_state(Some(state))) aria-current=[(asked.state == Some(state)).then_some("true")] {
                    (state.words()) " " (count)
                }
            }
        }
    }
}

fn filters(listing: &Listing, asked: &Asked) -> Markup {
    let mut namespaces: Vec<&str> = listing.hpas.iter().map(|listed| &*listed.report.namespace).collect();
    namespaces.dedup();
    namespaces.sort_unstable();
    namespaces.dedup();
    html! {
        form {
            select name="namespace" aria-label="namespace" {
                option value="" { "all namespaces" }
                @for namespace in namespaces {
                    option value=(namespace) selected[asked.namespace.as_deref() == Some(namespace)] { (namespace) }
                }
            }
            select name="state" aria-label="state" {
                option value="" { "all states" }
                @for state in Condition::ALL {
                    option value=(state.name()) selected[asked.state == Some(state)] { (state.words()) }
                }
            }
            select name="sort" aria-label="order" {
                @for sort in Sort::ALL { option value=(sort.name()) selected[asked.sort == sort] { "by " (sort.name()) } }
            }
            input type="submit" value="Show";
        }
    }
}

fn rows(listed: &Listed, now: Timestamp) -> Markup {
    let report = &*listed.report;
    html! {
        @for (at, metric) in report.metrics.iter().enumerate() {
            (row(report, (metric, at == 0), listed.points.get(at).map(Vec::as_slice).unwrap_or_default(), now))
        }
        @if report.metrics.is_empty() { tr { (head(report)) td colspan="6" {} } }
    }
}

fn row(report: &Report, (metric, first): (&MetricReport, bool), points: &[Point], now: Timestamp) -> Markup {
    let replicas = &report.replicas;
    html! {
        tr.first[first] {
            @if first { (head(report)) } @else { td.same {} td.same {} }
            td data-label="Metric" { (metric_name(metric)) }
            td data-label="Value" { (value(metric)) " / " (metric.target) @if let Some(by) = metric.ratio { br; span.quiet { "× " (ratio(by)) } } }
            td data-label="Replicas" {
                (replicas.current) @if let Some(computed) = replicas.computed.filter(|computed| *computed != replicas.current) { " → " (computed) }
                br; span.quiet { (replicas.min) "–" (replicas.max) }
            }
            td data-label="Pods" { @if metric.pods > 0 { (metric.pods_with_value) " of " (metric.pods) } }
            td data-label="Oldest" { @if let Some(oldest) = metric.oldest { (ago(oldest, now)) } }
            td data-label="15 min" { (spark(points)) }
        }
    }
}

fn head(report: &Report) -> Markup {
    html! {
        td data-label="State" { span.badge.(tone(report.state)) { (report.state.words()) } }
        td data-label="HPA" {
            a href=(link(report)) { (report.namespace) "/" (report.name) }
            br; span.quiet { (report.target) }
            br; (report.reason)
        }
    }
}

fn link(report: &Report) -> String {
    format!("/hpas/{}/{}", report.namespace, report.name)
}

fn metric_name(metric: &MetricReport) -> Markup {
    html! {
        code { (metric.name) @if !metric.selector.is_empty() { "{" (metric.selector) "}" } }
        br; span.quiet { (metric.r#type) @if let Some(object) = &metric.object { " " (object) } }
    }
}

/// The value as people read it; a dash where there is none.
fn value(metric: &MetricReport) -> String {
    metric.value.map_or_else(|| "—".to_owned(), number)
}

#[expect(clippy::cast_possible_truncation, reason = "thousandths of an i64")]
fn number(value: f64) -> String {
    milli((value * 1000.0).round() as i64)
}

/// A moment to the second.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The colour of a state; the words say the same.
pub(super) fn tone(state: Condition) -> &'static str {
    match state {
        Condition::Unknown | Condition::NotOurs => "bad",
        Condition::PartlyBlind | Condition::AtMax | Condition::Odd | Condition::Disabled => "warn",
        Condition::CannotTell => "quiet",
        Condition::Scaling | Condition::AtMin | Condition::AtTarget => "good",
    }
}

fn pages(asked: &Asked, shown: usize) -> Markup {
    let last = shown.saturating_sub(1) / query::PAGE;
    html! {
        @if last > 0 {
            p {
                @if asked.page > 0 { a href=(asked.with_page(asked.page - 1)) { "previous" } " " }
                "page " (asked.page + 1) " of " (last + 1)
                @if asked.page < last { " " a href=(asked.with_page(asked.page + 1)) { "next" } }
            }
        }
    }
}

const HEADS: [&str; 8] =
    ["State", "HPA", "Metric", "Value / target", "Replicas", "Pods with value", "Oldest", "15 min"];

const TEXT: &str = "text/plain; charset=utf-8";
