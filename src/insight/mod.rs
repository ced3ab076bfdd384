//! What the adapter knows of each HPA: facts from memory and, for people who look, from kube-apiserver; and the last
//! minutes of each metric that an HPA asks for. Nothing here is on the way of a read.

mod board;
mod gather;
mod owned;
mod pods;
mod surroundings;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{Cluster, KnownHpas, Lookups},
    hpa::{Detail, Hpa, Listing, Notice, Report, explain},
    owned::Rules,
    scrape::TargetStatus,
    store::Store,
};
use board::Board;
use gather::Memory;
use pods::Targets;
use surroundings::Surroundings;

/// How to look at HPAs. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Insight(Arc<Inner>);

struct Inner {
    memory: Memory,
    surroundings: Surroundings,
    board: Board,
}

/// What [`Insight::new`] needs.
pub struct Sources {
    /// The HPAs and the pods.
    pub cluster: Cluster,
    /// The values.
    pub store: Store,
    /// Every target as it is now.
    pub targets: Arc<dyn Fn() -> Vec<TargetStatus> + Send + Sync>,
    /// The Service of this adapter, `NAMESPACE/NAME`.
    pub service: String,
    /// When the pods of an object make up a value.
    pub rules: Rules,
}

impl Insight {
    /// Nothing is looked at before [`Insight::run`].
    #[must_use]
    pub fn new(sources: Sources) -> Self {
        let lookups = sources.cluster.client().map(Lookups::new);
        let surroundings = Surroundings::new(sources.cluster.clone(), lookups, sources.service);
        let memory = Memory {
            cluster: sources.cluster,
            store: sources.store,
            targets: sources.targets,
            rules: sources.rules,
        };
        Self(Arc::new(Inner { memory, surroundings, board: Board::default() }))
    }

    /// Looks at every HPA each few seconds, until `end`.
    pub async fn run(self, end: CancellationToken) {
        end.run_until_cancelled(async { tokio::join!(self.sample(), self.look_around()) }).await;
    }

    async fn sample(&self) {
        let mut ticks = tokio::time::interval(SAMPLE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let insight = self.clone();
            // With many HPAs it takes a while, which no answer to one of them should wait for.
            let _ = tokio::task::spawn_blocking(move || insight.sample_once(Timestamp::now())).await;
        }
    }

    async fn look_around(&self) {
        let mut ticks = tokio::time::interval(SURROUNDINGS);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.0.surroundings.refresh(&self.hpas()).await;
        }
    }

    /// Looks at every HPA once.
    pub fn sample_once(&self, now: Timestamp) {
        let inner = &self.0;
        let hpas = self.hpas();
        // With many targets it takes a while to look at them, and without HPAs nobody asks.
        let targets = if hpas.is_empty() { Targets::none() } else { inner.memory.targets() };
        let look = |hpa: &Arc<Hpa>| {
            explain(&inner.memory.facts(hpa, &inner.surroundings.around(hpa), (&targets, now)))
        };
        inner.board.replace(hpas.iter().map(look), now);
    }

    /// The HPAs as they were when they were last looked at.
    #[must_use]
    pub fn listing(&self) -> Listing {
        let (at, hpas) = self.0.board.listed();
        Listing { at, hpas, notice: notice(&self.0.memory.cluster.hpas()) }
    }

    /// What was last seen of each HPA, in short, by namespace and name.
    #[must_use]
    pub fn reports(&self) -> Vec<Arc<Report>> {
        self.0.board.reports()
    }

    /// One HPA as it is now; `None` if there is none that reads a custom or external metric. Asks kube-apiserver.
    pub async fn detail(&self, namespace: String, name: String) -> Option<Detail> {
        let hpa = self.0.memory.cluster.hpa(&namespace, &name)?;
        let around = self.0.surroundings.now(&hpa).await;
        let inner = self.0.clone();
        let looked = move || {
            let targets = inner.memory.targets();
            let report = explain(&inner.memory.facts(&hpa, &around, (&targets, Timestamp::now())));
            Detail { report, points: inner.board.points(&namespace, &name) }
        };
        tokio::task::spawn_blocking(looked).await.ok()
    }

    fn hpas(&self) -> Vec<Arc<Hpa>> {
        match self.0.memory.cluster.hpas() {
            KnownHpas::Listed(hpas) => hpas,
            _ => Vec::new(),
        }
    }
}

fn notice(known: &KnownHpas) -> Option<Notice> {
    let notice = |text: String, fix: Option<&str>| Some(Notice { text, fix: fix.map(str::to_owned) });
    match known {
        KnownHpas::Listed(_) => None,
        KnownHpas::Standalone => {
            notice("there is no cluster (--standalone), so there are no HPAs".to_owned(), None)
        }
        KnownHpas::Forbidden(message) => notice(
            format!("the adapter may not list HPAs: {message}"),
            Some("kubectl apply -f deploy/k8s/deployment.yaml: ClusterRole custom-metrics-adapter:hpas"),
        ),
        KnownHpas::NotYet(None) => notice("the HPAs are not listed yet".to_owned(), None),
        KnownHpas::NotYet(Some(error)) => notice(format!("the HPAs are not listed yet: {error}"), None),
    }
}

/// Time between two points of a metric's history.
const SAMPLE: Duration = Duration::from_secs(5);

/// How often kube-apiserver is asked for what no watch brings.
const SURROUNDINGS: Duration = Duration::from_secs(15);
