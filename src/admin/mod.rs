//! The operators' port: probes, metrics, and pages that say how things are.
//!
//! Pages are plain HTML that needs no script and nothing from elsewhere; each has the same facts as JSON
//! (`Accept: application/json`, or `?format=json`).

mod metrics;
mod page;
mod series;
mod status;
mod targets;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};

pub use metrics::{Page, metrics};
pub use status::{DiscoveryRow, Listener, Status, StatusCheck, WatchRow};

use crate::{scrape::TargetStatus, store::Store};

/// What the pages show.
#[derive(Clone)]
pub struct Sources {
    /// What is stored.
    pub store: Store,
    /// Every target as it is now.
    pub targets: Arc<dyn Fn() -> Vec<TargetStatus> + Send + Sync>,
    /// The adapter as it is now.
    pub status: Arc<dyn Fn() -> Status + Send + Sync>,
}

/// The routes of the admin port.
pub fn router(sources: Sources) -> Router {
    Router::new()
        .route("/", get(status::answer))
        .route("/targets", get(targets::answer))
        .route("/series", get(series::answer))
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such page; see /\n") })
        .with_state(sources)
}

/// Whether the asker is a program.
fn wants_json(request: &Request) -> bool {
    let asked = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "format=json"));
    asked || accepts_json(request.headers())
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("application/json") && !accept.contains("text/html")
}
