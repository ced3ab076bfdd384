//! How pages are made: one at a time, beside the workers that answer the HPA, and within a budget of bytes.
//!
//! A page of a large cluster takes milliseconds and megabytes, and a reader that does not read keeps it for as long as
//! its connection lives.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

/// A page with all its bytes.
pub(super) type Made = Response<Vec<u8>>;

/// Makes the pages of one kind. Cheap to clone.
#[derive(Clone)]
pub(super) struct Maker {
    turn: Arc<Semaphore>,
    /// In KiB.
    budget: Arc<Semaphore>,
    most: u32,
}

/// The bytes of a page, and their share of the budget.
struct Held {
    bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Maker {
    /// Pages that are being sent may take so many KiB together.
    pub(super) fn new(most: u16) -> Self {
        let budget = Arc::new(Semaphore::new(usize::from(most)));
        Self { turn: Arc::new(Semaphore::new(1)), budget, most: u32::from(most) }
    }

    /// The page, or 429 when others have taken the turn or the budget for too long.
    pub(super) async fn answer(&self, make: impl FnOnce() -> Made + Send + 'static) -> Response<Body> {
        match timeout(PATIENCE, self.made(make)).await {
            Ok(Some(page)) => page,
            Ok(None) => (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n").into_response(),
            Err(_) => busy(),
        }
    }

    async fn made(&self, make: impl FnOnce() -> Made + Send + 'static) -> Option<Response<Body>> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        // The turn goes along: the work goes on when its reader has gone.
        let (page, _turn) = spawn_blocking(move || (make(), turn)).await.ok()?;
        let (parts, bytes) = page.into_parts();
        let size = u32::try_from(bytes.len().div_ceil(1024)).map_or(self.most, |size| size.min(self.most));
        let share = Arc::clone(&self.budget).acquire_many_owned(size).await.ok()?;
        // The share is given back when the last of the bytes has been sent.
        let body = Body::from(Bytes::from_owner(Held { bytes, _share: share }));
        Some(Response::from_parts(parts, body))
    }
}

/// A page of this type.
pub(super) fn of_type(content_type: &'static str, bytes: Vec<u8>) -> Made {
    let mut made = Response::new(bytes);
    made.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    made
}

/// A page for a terminal.
pub(super) fn text(lines: String) -> Made {
    of_type("text/plain; charset=utf-8", lines.into_bytes())
}

/// `facts` as JSON.
pub(super) fn json<T: serde::Serialize>(facts: &T) -> Made {
    match serde_json::to_vec(facts) {
        Ok(bytes) => of_type("application/json", bytes),
        Err(error) => failed(&error.to_string()),
    }
}

/// The page cannot be made.
pub(super) fn failed(reason: &str) -> Made {
    let mut made = of_type("text/plain; charset=utf-8", format!("{reason}\n").into_bytes());
    *made.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    made
}

fn busy() -> Response<Body> {
    let text = "too many pages are being read at once: ask again in a second\n";
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], text).into_response()
}

/// How long a page waits for its turn and its share.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt as _;

    use super::*;

    fn page(kibibytes: usize) -> Made {
        of_type("text/plain", vec![b'x'; kibibytes * 1024])
    }

    /// A page that takes a moment, while no other one may be made.
    fn alone(under_way: &AtomicUsize) -> Made {
        assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0);
        std::thread::sleep(Duration::from_millis(2));
        under_way.fetch_sub(1, Ordering::SeqCst);
        page(1)
    }

    #[tokio::test]
    async fn pages_are_made_one_at_a_time() {
        let (maker, under_way) = (Maker::new(1024), Arc::new(AtomicUsize::new(0)));
        let each = std::iter::repeat_n(under_way, 8);
        let pages = each.map(|under_way| maker.answer(move || alone(&under_way)));
        let pages = futures::future::join_all(pages).await;
        assert!(pages.iter().all(|page| page.status() == StatusCode::OK));
    }

    #[tokio::test(start_paused = true)]
    async fn pages_that_nobody_reads_hold_the_budget_until_they_are_dropped_or_read() {
        let maker = Maker::new(10);
        let unread = maker.answer(|| page(6)).await;
        assert_eq!(maker.answer(|| page(6)).await.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(maker.answer(|| page(4)).await.status(), StatusCode::OK, "it fits beside");
        drop(unread);
        let read = maker.answer(|| page(6)).await.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(maker.budget.available_permits(), 4);
        drop(read);
        assert_eq!(maker.budget.available_permits(), 10);
    }

    #[tokio::test]
    async fn a_page_that_is_larger_than_the_budget_takes_all_of_it() {
        let maker = Maker::new(2);
        let large = maker.answer(|| page(5)).await;
        assert_eq!((large.status(), maker.budget.available_permits()), (StatusCode::OK, 0));
    }
}
