//! The operators' port: probes, metrics, pages.

use axum::Router;

/// The routes of the admin port.
pub fn router() -> Router {
    Router::new()
}
