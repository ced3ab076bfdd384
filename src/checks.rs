//! What readiness is made of, by name.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use crate::{
    api::{Check, CheckScope, Checks},
    cluster::Cluster,
};

/// The named checks of the whole adapter.
///
/// While the adapter starts there is one check, `startup`, which fails with the reason for the wait.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Why the start goes on, while it does.
    waiting: watch::Sender<Option<String>>,
    cluster: OnceLock<Cluster>,
    /// Why the scrapes so far are not enough, while that is so.
    warming: watch::Sender<Option<String>>,
    /// Why another replica has written values that this one lacks, while that is so.
    behind: watch::Sender<Option<String>>,
    shutting_down: AtomicBool,
}

impl Readiness {
    /// Where the start says why it has to wait.
    #[must_use]
    pub fn waiting(&self) -> watch::Sender<Option<String>> {
        self.0.waiting.clone()
    }

    /// The start is over: from now on the checks are those of the cluster. The certificate has none: where
    /// kube-apiserver does not verify it, one that has expired harms nobody, and where it does, kube-apiserver says
    /// so itself; the write port works either way.
    pub fn built(&self, cluster: Cluster) {
        // Built once: a second set would be ignored.
        let _ = self.0.cluster.set(cluster);
    }

    /// Where it is said why the scrapes so far are not enough to be ready.
    #[must_use]
    pub fn warming(&self) -> watch::Sender<Option<String>> {
        self.0.warming.clone()
    }

    /// Where it is said why another replica has written values that this one lacks.
    #[must_use]
    pub fn behind(&self) -> watch::Sender<Option<String>> {
        self.0.behind.clone()
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
        let cluster = |cluster: &Cluster| cluster.checks().into_iter().map(Check::from).collect();
        let mut checks = self.cluster.get().map_or_else(|| vec![self.starting()], cluster);
        if let Some(reason) = self.warming.borrow().clone() {
            checks.push(ready("scraped", Some(reason)));
        }
        if let Some(reason) = self.behind.borrow().clone() {
            checks.push(ready("journal-current", Some(reason)));
        }
        let shutting_down = self.shutting_down.load(Ordering::Relaxed);
        checks.push(ready("shutdown", shutting_down.then(|| "the adapter is shutting down".to_owned())));
        checks
    }

    fn starting(&self) -> Check {
        let reason = self.waiting.borrow().clone();
        ready("startup", Some(reason.unwrap_or_else(|| "the adapter is starting".to_owned())))
    }
}

fn ready(name: &'static str, failure: Option<String>) -> Check {
    Check { name: name.into(), scope: CheckScope::Ready, failure }
}
