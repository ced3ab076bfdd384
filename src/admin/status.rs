//! `/`: the adapter at a glance.

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;

use super::{
    Sources,
    making::{Maker, json},
    page::{ago, page},
    wants_json,
};
use crate::store::Held;

/// The adapter at one moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its version.
    pub version: &'static str,
    /// `cluster` or `standalone`.
    pub mode: &'static str,
    /// When it started.
    pub started: Timestamp,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Readiness by name.
    pub checks: Vec<StatusCheck>,
    /// The resources that are watched; none in standalone mode.
    pub watches: Vec<WatchRow>,
    /// Discovery of the cluster; `None` in standalone mode.
    pub discovery: Option<DiscoveryRow>,
}

/// The watch of a resource.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WatchRow {
    /// `deployments.apps`
    pub resource: String,
    /// `listing`, `synced`, `failing`, `refused`
    pub state: &'static str,
    /// Since when it has been so.
    pub since: Timestamp,
    /// Objects in memory.
    pub objects: usize,
    /// Why it fails, while it does.
    pub last_error: Option<String>,
}

/// What is known of the resources of the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveryRow {
    /// `waiting` until it has first succeeded, then `ok` or `failing`.
    pub state: &'static str,
    /// When it last succeeded; while it fails, since when it has failed.
    pub since: Option<Timestamp>,
    /// Resources that are known by name.
    pub resources: usize,
    /// API groups that did not wholly answer.
    pub partial_groups: Vec<String>,
    /// Why it fails, while it does.
    pub last_error: Option<String>,
}

/// A listener.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// What it is for.
    pub purpose: &'static str,
    /// Where.
    pub address: std::net::SocketAddr,
}

/// A check of readiness.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusCheck {
    /// Its name.
    pub name: String,
    /// Why it fails, if it does.
    pub failure: Option<String>,
}

/// How much there is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    objects: usize,
    written_series: usize,
    scraped_series: usize,
    metrics: usize,
    targets: usize,
    targets_up: usize,
    targets_down: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    status: Status,
    counts: Counts,
}

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let as_json = wants_json(&request);
    let make = move || {
        let (status, counts) = ((sources.status)(), Counts::of(&sources));
        if as_json {
            return json(&Answer { status, counts });
        }
        page("Status", &content(&status, &counts, Timestamp::now()))
    };
    maker.answer(make).await
}

impl Counts {
    fn of(sources: &Sources) -> Self {
        let targets = (sources.counts)();
        let stats = sources.store.stats();
        let Held { series: scraped_series, bytes } = stats.scraped;
        Self {
            objects: stats.objects,
            written_series: stats.written.series,
            scraped_series,
            metrics: sources.store.catalog().metrics.len(),
            targets: targets.all(),
            targets_up: targets.up,
            targets_down: targets.down,
            bytes: bytes + stats.written.bytes,
        }
    }

    fn rows(&self) -> [(&'static str, String); 6] {
        [
            ("Objects with values", self.objects.to_string()),
            ("Metrics that discovery knows", self.metrics.to_string()),
            ("Series written", self.written_series.to_string()),
            ("Series scraped", self.scraped_series.to_string()),
            ("Memory that they take", format!("{} KiB", self.bytes / 1024)),
            ("Targets", format!("{}: {} up, {} down", self.targets, self.targets_up, self.targets_down)),
        ]
    }
}

fn content(status: &Status, counts: &Counts, now: Timestamp) -> Markup {
    html! {
        table {
            tbody {
                tr { th { "Version" } td { (status.version) } }
                tr { th { "Mode" } td { (status.mode) } }
                tr { th { "Up for" } td { (ago(status.started, now)) } }
                @for listener in &status.listeners {
                    tr { th { (listener.purpose) } td { code { (listener.address) } } }
                }
            }
        }
        h2 { "Readiness" }
        table { tbody { @for check in &status.checks { (line(check)) } } }
        @if let Some(discovery) = &status.discovery { (cluster(discovery, &status.watches, now)) }
        h2 { "Contents" }
        table { tbody { @for (name, value) in counts.rows() { tr { th { (name) } td { (value) } } } } }
        p { "More: " a href="/targets" { "targets" } ", " a href="/series" { "series" } ", "
            a href="/metrics" { "metrics" } ", " a href="/readyz?verbose" { "readyz" } "." }
    }
}

fn cluster(discovery: &DiscoveryRow, watches: &[WatchRow], now: Timestamp) -> Markup {
    html! {
        h2 { "Cluster" }
        table {
            thead { tr { @for head in ["Watch", "State", "Since", "Objects", "Error"] { th { (head) } } } }
            tbody {
                tr {
                    td data-label="Watch" { "discovery" }
                    td data-label="State" { (state(discovery.state)) }
                    td data-label="Since" { @if let Some(since) = discovery.since { (ago(since, now)) } }
                    td data-label="Objects" { (discovery.resources) " resources" }
                    td data-label="Error" {
                        @if let Some(error) = &discovery.last_error { (error) }
                        @for group in &discovery.partial_groups { br; "did not wholly answer: " code { (group) } }
                    }
                }
                @for watch in watches { (row(watch, now)) }
            }
        }
    }
}

fn row(watch: &WatchRow, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-label="Watch" { code { (watch.resource) } }
            td data-label="State" { (state(watch.state)) }
            td data-label="Since" { (ago(watch.since, now)) }
            td data-label="Objects" { (watch.objects) }
            td data-label="Error" { @if let Some(error) = &watch.last_error { (error) } }
        }
    }
}

fn state(state: &'static str) -> Markup {
    html! {
        @match state {
            "synced" | "ok" => span.good { (state) },
            "failing" | "refused" => span.bad { (state) },
            _ => (state),
        }
    }
}

fn line(check: &StatusCheck) -> Markup {
    html! {
        tr {
            th { (check.name) }
            td {
                @match &check.failure {
                    None => span.good { "ok" },
                    Some(failure) => span.bad { (failure) },
                }
            }
        }
    }
}
