//! What tests share.

pub(crate) mod kube_api;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Looks until there is something to see; fails after ten seconds, saying `what` was waited for.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(2)).await;
    }
}
