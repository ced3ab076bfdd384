//! The operators' port: probes, metrics, pages.

mod metrics;

use axum::Router;

pub use metrics::{Page, metrics};

/// The routes of the admin port.
pub fn router() -> Router {
    Router::new()
}
