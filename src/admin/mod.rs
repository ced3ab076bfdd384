//! The operators' port: probes, metrics, and pages that say how things are.
//!
//! Pages are plain HTML that needs no script and nothing from elsewhere; each has the same facts as JSON
//! (`Accept: application/json`, or `?format=json`).

mod chart;
mod columns;
mod hpas;
mod log_level;
mod making;
mod metrics;
mod numbers;
mod page;
mod reads;
mod series;
mod shares;
mod status;
mod targets;
mod trends;
mod version;

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRef, Request},
    http::{HeaderMap, StatusCode, header},
    routing::get,
};

pub use log_level::{Change, LogLevel, log_level};
pub use metrics::{Page, metrics};
pub use reads::ReadRow;
pub use status::{DiscoveryRow, JournalRow, LimitRow, Listener, ReadsRow, Status, StatusCheck, WatchRow};
pub use targets::MonitorRow;
pub use trends::{Totals, Trend, Trends};

use futures::future::BoxFuture;

use crate::{
    hpa::{Detail, Listing},
    model::{ObjectRef, Presence},
    scrape::{TargetCounts, TargetStatus},
    store::Store,
};
use making::Maker;

/// What the pages show.
#[derive(Clone)]
pub struct Sources {
    /// What is stored.
    pub store: Store,
    /// Every target as it is now.
    pub targets: Arc<dyn Fn() -> Vec<TargetStatus> + Send + Sync>,
    /// Every PodMonitor and ServiceMonitor, with the targets that it names.
    pub monitors: Arc<dyn Fn() -> Vec<MonitorRow> + Send + Sync>,
    /// How many targets there are of each health.
    pub counts: Arc<dyn Fn() -> TargetCounts + Send + Sync>,
    /// What the cluster says of an object that something is stored of.
    pub presence: Arc<dyn Fn(&ObjectRef) -> Presence + Send + Sync>,
    /// The HPAs that read custom or external metrics.
    pub hpas: Hpas,
    /// The last different reads of the metrics APIs, the newest first.
    pub reads: Arc<dyn Fn() -> Vec<ReadRow> + Send + Sync>,
    /// The adapter as it is now.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
}

/// What answers the pages.
#[derive(Clone)]
struct Pages {
    sources: Sources,
    maker: Maker,
}

impl FromRef<Pages> for Sources {
    fn from_ref(pages: &Pages) -> Self {
        pages.sources.clone()
    }
}

impl FromRef<Pages> for Maker {
    fn from_ref(pages: &Pages) -> Self {
        pages.maker.clone()
    }
}

/// How the pages look at HPAs.
#[derive(Clone)]
pub struct Hpas {
    /// All of them, as they were a moment ago.
    pub list: Arc<dyn Fn() -> Listing + Send + Sync>,
    /// The one of a namespace and name, as it is now.
    pub one: Arc<dyn Fn(String, String) -> BoxFuture<'static, Option<Detail>> + Send + Sync>,
}

/// The routes of the admin port.
pub fn router(sources: Sources) -> Router {
    Router::new()
        .route("/", get(status::answer))
        .route("/hpas", get(hpas::answer))
        .route("/hpas/{namespace}/{name}", get(hpas::one))
        .route("/targets", get(targets::answer))
        .route("/targets/{namespace}/{pod}", get(targets::one))
        .route("/reads", get(reads::answer))
        .route("/series", get(series::answer))
        .route("/version", get(version::answer))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page; see /\n") })
        .with_state(Pages { sources, maker: Maker::new(PAGES) })
}

/// KiB of pages that are being sent.
const PAGES: u16 = 32 << 10;

/// Whether the asker is a program.
fn wants_json(request: &Request) -> bool {
    let asked = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"));
    asked || accepts_json(request.headers())
}

/// The number that the query has under `name`.
fn number(query: &str, name: &str) -> Option<usize> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name)?.1.parse().ok()
}

/// Whether the asker shows text: `curl`, which takes anything.
fn wants_text(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    !accept.contains("text/html")
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}
