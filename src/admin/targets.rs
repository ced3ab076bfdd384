//! `/targets`: what is scraped, and how that goes; what needs somebody first.

mod groups;
mod monitors;
mod one;
mod query;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    Sources,
    chart::strip,
    making::{Made, Maker, json, text},
    numbers::grouped as grouped_count,
    page::{ago, as_of, refreshing},
    shares::{self, Crowded},
    wants_json, wants_text,
};
use crate::scrape::{RecentScrape, TargetStatus};
use groups::{Group, grouped};
use query::{Asked, Sort, State as Standing};

pub use monitors::MonitorRow;
pub(super) use one::answer as one;

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let asked = Asked::of(request.uri().query().unwrap_or_default());
    let forms = (wants_json(&request), wants_text(&request));
    maker.answer(move || made(&sources, &asked, forms)).await
}

fn made(sources: &Sources, asked: &Asked, (as_json, as_text): (bool, bool)) -> Made {
    let mut all = (sources.targets)();
    asked.sort.sort(&mut all);
    if as_json {
        all.retain(|target| asked.wants(target));
        return asked.json(&all);
    }
    let now = Timestamp::now();
    let groups = grouped(all.iter().filter(|target| asked.wants(target)));
    let odd = monitors::odd((sources.monitors)());
    if as_text {
        return text(table(asked.part(&groups), now) + &monitors::text(&odd));
    }
    let crowded = &shares::crowded(&sources.store);
    let list = List { all: &all, groups: &groups, asked, crowded, odd: &odd, now };
    refreshing("Targets", &list.page(), Some(REFRESH))
}

impl Asked {
    /// An array, with the number of all and the way to the next part in the headers.
    fn json(&self, targets: &[TargetStatus]) -> Made {
        let mut made = json(&self.part(targets));
        made.headers_mut().insert("x-total-count", HeaderValue::from(targets.len()));
        let next = self.next(targets.len());
        let link = next.and_then(|next| {
            HeaderValue::from_str(&format!("</targets?format=json&{}>; rel=\"next\"", next.query())).ok()
        });
        link.and_then(|link| made.headers_mut().insert(header::LINK, link));
        made
    }
}

/// What the page is made of.
struct List<'t> {
    all: &'t [TargetStatus],
    groups: &'t [Group<'t>],
    asked: &'t Asked,
    crowded: &'t [Crowded],
    odd: &'t [MonitorRow],
    now: Timestamp,
}

impl List<'_> {
    fn page(&self) -> Markup {
        let (asked, groups) = (self.asked, self.groups);
        html! {
            (self.chips())
            (self.filters())
            (shares::table(self.crowded))
            (monitors::table(self.odd))
            @if self.all.is_empty() {
                p { "No pod asks to be scraped. Annotate one with " code { "prometheus.io/scrape: \"true\"" } "." }
            } @else if groups.is_empty() {
                p { "No target is like that. " a href="/targets" { "Show all" } }
            } @else {
                table.targets {
                    thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                    tbody { @for group in asked.part(groups) { (row(group, self.now)) } }
                }
            }
            p.quiet {
                (asked.part(groups).len()) " of " (groups.len()) " rows, " (as_of(self.now))
                @if let Some(before) = asked.previous() { " " a href={ "/targets?" (before.query()) } { "previous" } }
                @if let Some(next) = asked.next(groups.len()) { " " a href={ "/targets?" (next.query()) } { "next" } }
            }
        }
    }

    /// States with how many targets are in them, as links that filter.
    fn chips(&self) -> Markup {
        let count = |state| self.all.iter().filter(|target| Standing::of(target) == state).count();
        let present =
            Standing::ALL.into_iter().map(|state| (state, count(state))).filter(|(_, count)| *count > 0);
        let current = |state| (self.asked.state == state).then_some("true");
        html! {
            p.chips {
                a.chip href={ "/targets?" (self.asked.with_state(None).query()) } aria-current=[current(None)] {
                    "all " (self.all.len())
                }
                @for (state, count) in present {
                    a.chip.(state.tone()) href={ "/targets?" (self.asked.with_state(Some(state)).query()) }
                        aria-current=[current(Some(state))] { (state.name()) " " (count) }
                }
            }
        }
    }

    fn filters(&self) -> Markup {
        let mut namespaces: Vec<&str> = self.all.iter().map(|target| &*target.namespace).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        html! {
            form {
                select name="namespace" aria-label="namespace" {
                    option value="" { "all namespaces" }
                    @for namespace in namespaces {
                        option value=(namespace) selected[self.asked.namespace == namespace] { (namespace) }
                    }
                }
                @if let Some(state) = self.asked.state { input type="hidden" name="state" value=(state.name()); }
                select name="sort" aria-label="order" {
                    @for sort in Sort::ALL {
                        option value=(sort.name()) selected[self.asked.sort == sort] { "by " (sort.name()) }
                    }
                }
                input name="q" type="search" placeholder="pod, URL or error" aria-label="pod, URL or error" value=(self.asked.text);
                input type="submit" value="Show";
            }
        }
    }
}

fn row(group: &Group<'_>, now: Timestamp) -> Markup {
    let several = group.targets.len() > 1;
    html! {
        tr {
            td data-label="State" { span.badge.(group.state.tone()) { (group.state.name()) } }
            td data-label="Workload" {
                @if several {
                    (group.namespace) "/" (group.workload)
                    details { summary { (group.targets.len()) " targets" } ul { @for target in group.targets.iter().take(FOLDED) { li { (pod(target)) } } } }
                    @if group.targets.len() > FOLDED { p.quiet { "The first " (FOLDED) "." } }
                } @else if let Some(target) = group.targets.first() {
                    (group.namespace) "/" (pod(target))
                }
            }
            td data-label="Reason" { (reason(group)) }
            td data-label="Last good" { (last_good(group, now)) }
            td data-label="Found" { (found(group)) }
            td data-label="Last scrapes" { (strip(&worst(group))) }
        }
    }
}

fn pod(target: &TargetStatus) -> Markup {
    html! {
        a href={ "/targets/" (target.namespace) "/" (target.pod) } { (target.pod) }
        @if let Some(url) = &target.url { " " code.quiet { (url) } }
    }
}

fn reason(group: &Group<'_>) -> Markup {
    let Some(first) = group.targets.first() else { return html! {} };
    html! {
        (group.reason)
        @if !group.reason.is_empty() && first.failures > 0 { br; span.quiet { (first.failures) " in a row" } }
        @if group.reason.is_empty() && group.state == Standing::Problems { "something of it is not read; see the pod" }
        @if first.failures > 0 && first.last_good.is_none() { br; span.quiet { "never good: " (one::ADVICE) } }
    }
}

fn last_good(group: &Group<'_>, now: Timestamp) -> Markup {
    let oldest = group.targets.iter().filter_map(|target| target.last_good).min();
    html! { @if let Some(oldest) = oldest { (ago(oldest, now)) " ago" } @else { "never" } }
}

fn found(group: &Group<'_>) -> Markup {
    let scrapes = || group.targets.iter().filter_map(|target| target.last_scrape.as_ref());
    let good = || scrapes().filter(|last| last.error.is_none());
    let samples: usize = good().map(|last| last.samples).sum();
    let slowest = good().map(|last| last.duration_seconds).fold(0.0, f64::max);
    html! {
        @if good().next().is_some() {
            (grouped_count(samples as u64)) " samples" br; span.quiet { "in " (one::millis(slowest)) @if group.targets.len() > 1 { " at most" } }
        }
    }
}

/// The scrapes of the target that has failed most of late.
fn worst(group: &Group<'_>) -> Vec<RecentScrape> {
    let failed = |target: &&&TargetStatus| target.recent.iter().filter(|scrape| !scrape.good).count();
    group.targets.iter().max_by_key(failed).map(|target| target.recent.clone()).unwrap_or_default()
}

/// The same for a terminal.
fn table(groups: &[Group<'_>], now: Timestamp) -> String {
    let rows = groups.iter().map(|group| {
        let oldest = group.targets.iter().filter_map(|target| target.last_good).min();
        vec![
            group.state.name().to_owned(),
            format!("{}/{}", group.namespace, group.workload),
            group.targets.len().to_string(),
            oldest.map_or_else(|| "never".to_owned(), |oldest| ago(oldest, now)),
            group.reason.clone(),
        ]
    });
    super::columns::columns(&["STATE", "WORKLOAD", "TARGETS", "LAST GOOD", "REASON"], rows)
}

const HEADS: [&str; 6] = ["State", "Workload", "Reason", "Last good", "Found", "Last scrapes"];

/// Pods that are listed of one group.
const FOLDED: usize = 50;

/// Seconds until the page is loaded again.
const REFRESH: u32 = 10;
