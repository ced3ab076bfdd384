//! What the tests act with: certificate authorities, scripted Kubernetes APIs, clients, conditions.

pub(crate) mod client;
pub(crate) mod fake_kube;
pub(crate) mod kube_api;
pub(crate) mod log;
pub(crate) mod pki;
pub(crate) mod process;

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Waits until `condition` holds; fails the test when it does not within a minute.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not in time");
}

/// Looks until there is something to see; fails after a minute, saying `what` was waited for.
pub(crate) async fn seen<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// What `future` gives; fails the test when it takes longer than a minute.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(PATIENCE, future);
    limited.await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

const PATIENCE: Duration = Duration::from_secs(60);
