//! Places for large bodies. Most bodies are small, and as many of those as there may be scrapes fit into memory; of the
//! largest they do not.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::error::ScrapeError;

/// What a body has to exceed to need a place.
pub(super) const FROM_BYTES: usize = 256 << 10;

/// The places of one scraper.
pub(super) struct Places(Arc<Semaphore>);

/// A place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place. A body that holds one never waits for another, so this ends with somebody's timeout.
    pub(super) async fn take(&self) -> Result<Place, ScrapeError> {
        Arc::clone(&self.0).acquire_owned().await.map(Place).map_err(|_| ScrapeError::Lost)
    }
}
