//! What readiness is made of, by name.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    api::{Check, CheckScope, Checks},
    cluster::Cluster,
};

/// The named checks of the whole adapter.
#[derive(Clone)]
pub struct Readiness(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    shutting_down: AtomicBool,
}

impl Readiness {
    /// Checks of these parts. The certificate is none of them: where kube-apiserver does not verify it, one that has
    /// expired harms nobody, and where it does, kube-apiserver says so itself; the write port works either way.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self(Arc::new(Inner { cluster, shutting_down: AtomicBool::new(false) }))
    }

    /// From now on not ready: endpoints are taken away while requests are still served.
    pub fn shut_down(&self) {
        self.0.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Every check by name, with the reason why it fails if it does.
    #[must_use]
    pub fn failures(&self) -> Vec<(String, Option<String>)> {
        self.0.list().into_iter().map(|check| (check.name.into_owned(), check.failure)).collect()
    }

    /// Whether all of them hold.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.list().iter().all(|check| check.failure.is_none())
    }

    /// As probes ask for them.
    #[must_use]
    pub fn checks(&self) -> Checks {
        let inner = self.0.clone();
        Checks::new(move || inner.list())
    }
}

impl Inner {
    fn list(&self) -> Vec<Check> {
        let mut checks: Vec<Check> = self.cluster.checks().into_iter().map(Check::from).collect();
        let shutting_down = self.shutting_down.load(Ordering::Relaxed);
        checks.push(ready("shutdown", shutting_down.then(|| "the adapter is shutting down".to_owned())));
        checks
    }
}

fn ready(name: &'static str, failure: Option<String>) -> Check {
    Check { name: name.into(), scope: CheckScope::Ready, failure }
}
