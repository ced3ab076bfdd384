//! `GET /metrics`: what operators' Prometheus scrapes.

use std::sync::Arc;

use axum::{Router, routing::get};

use super::making::{Maker, failed, of_type};

/// Writes the page down, in text format 0.0.4; an error says why it cannot.
pub type Page = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// `/metrics`, with a turn and a budget of its own: readers of other pages do not keep Prometheus waiting.
pub fn metrics(page: Page) -> Router {
    let maker = Maker::new(PAGES);
    let make = move || {
        let page = Arc::clone(&page);
        move || page().map_or_else(|error| failed(&error), |text| of_type(TEXT, text.into_bytes()))
    };
    Router::new().route(
        "/metrics",
        get(move || {
            let (maker, make) = (maker.clone(), make());
            async move { maker.answer(make).await }
        }),
    )
}

/// KiB of pages that are being sent.
const PAGES: u16 = 8 << 10;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
