//! `GET /metrics`: what operators' Prometheus scrapes.

use std::sync::Arc;

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

/// Writes the page down, in text format 0.0.4; an error says why it cannot.
pub type Page = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// `/metrics`. The page is made outside the workers of the runtime: with many targets it takes milliseconds, which no
/// answer to the HPA should wait for.
pub fn metrics(page: Page) -> Router {
    Router::new().route("/metrics", get(move || answer(Arc::clone(&page))))
}

async fn answer(page: Page) -> Response {
    let made = tokio::task::spawn_blocking(move || page()).await;
    match made.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(text) => ([(CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
