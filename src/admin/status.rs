//! `/`: the adapter at a glance, to keep open.

mod page;

use axum::{
    extract::{Request, State},
    response::Response,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Sources, Trend,
    making::{Maker, json, text},
    page::refreshing,
    wants_json, wants_text,
};
use crate::{hpa::Listing, scrape::TargetCounts, store::Held};

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
    /// Who asked last for what.
    pub reads: ReadsRow,
    /// What is taken of each limit.
    pub limits: Vec<LimitRow>,
    /// When the serving certificate ends.
    pub certificate_ends: Timestamp,
    /// The last 15 minutes.
    pub trends: Vec<Trend>,
    /// Where written values outlive the process; `None` where they do not.
    pub journal: Option<JournalRow>,
}

/// The journal of written values.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalRow {
    /// Why it cannot be written, if so.
    pub failure: Option<String>,
    /// When it was last written since the start.
    pub last_commit: Option<Timestamp>,
    /// The size of its file, or of its stream.
    pub bytes: u64,
    /// Up to when all that other replicas acknowledged is known to be here; `None` where there are none.
    pub current: Option<Timestamp>,
    /// Values that came back at the start.
    pub restored: usize,
    /// Values that stayed out then.
    pub dropped: usize,
}

/// When each API was last asked; `None` is never since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadsRow {
    /// Discovery, which kube-apiserver asks for about twice a minute.
    pub discovery: Option<Timestamp>,
    /// Custom metrics.
    pub custom: Option<Timestamp>,
    /// External metrics.
    pub external: Option<Timestamp>,
}

/// A limit and what is taken of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitRow {
    /// Of what.
    pub name: &'static str,
    /// How much is taken.
    pub used: u64,
    /// How much may be.
    pub limit: u64,
    /// The flag that sets it, or whatever else does.
    pub set_by: &'static str,
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
    targets_refused: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct Answer<'a> {
    at: Timestamp,
    summary: String,
    #[serde(flatten)]
    status: &'a Status,
    counts: &'a Counts,
}

/// All that the page shows.
struct Glance {
    status: Status,
    counts: Counts,
    hpas: Listing,
    now: Timestamp,
}

pub(super) async fn answer(
    State(sources): State<Sources>,
    State(maker): State<Maker>,
    request: Request,
) -> Response {
    let (as_json, as_text) = (wants_json(&request), wants_text(&request));
    let make = move || {
        let glance = Glance::of(&sources);
        if as_json {
            let Glance { status, counts, now, .. } = &glance;
            return json(&Answer { at: *now, summary: glance.summary(), status, counts });
        }
        if as_text {
            return text(glance.lines());
        }
        refreshing("Status", &glance.page(), Some(REFRESH))
    };
    maker.answer(make).await
}

impl Glance {
    fn of(sources: &Sources) -> Self {
        Self {
            status: (sources.status)(),
            counts: Counts::of(sources),
            hpas: (sources.hpas.list)(),
            now: Timestamp::now(),
        }
    }

    fn failures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.status.checks.iter().filter_map(|check| Some((&*check.name, check.failure.as_deref()?)))
    }

    /// Reads of the last minute: those that served a value, and the others.
    fn last_minute(&self) -> (f32, f32) {
        let recent = self.status.trends.iter().rev().take(MINUTE);
        let count = |rate: f32| rate * super::Trends::EVERY_SECONDS as f32;
        recent.fold((0.0, 0.0), |(answered, not), trend| {
            (answered + count(trend.answered), not + count(trend.unanswered))
        })
    }
}

impl Counts {
    fn of(sources: &Sources) -> Self {
        let targets: TargetCounts = (sources.counts)();
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
            targets_refused: targets.refused,
            bytes: bytes + stats.written.bytes,
        }
    }
}

/// Points of a minute.
const MINUTE: usize = 6;

/// Seconds until the page is loaded again.
const REFRESH: u32 = 10;
