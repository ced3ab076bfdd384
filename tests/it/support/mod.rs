//! What the tests act with: certificate authorities, a scripted Kubernetes API, clients.

pub(crate) mod client;
pub(crate) mod fake_kube;
pub(crate) mod pki;

use std::time::Duration;

/// Waits until `condition` holds; fails the test when it does not within ten seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within ten seconds");
}

/// What `future` gives; fails the test when it takes longer than ten seconds.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(Duration::from_secs(10), future);
    limited.await.unwrap_or_else(|_| panic!("{what}: not within ten seconds"))
}
