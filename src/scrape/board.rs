//! The loops that run and the pods that have none: what the supervisor writes and the pages read.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    counts::TargetCounts,
    run::Orders,
    state::{SharedState, TargetStatus},
    targets::TargetKey,
};
use crate::model::{ObjectRef, Uid};

/// By pod.
#[derive(Default)]
pub(super) struct Board(pub(super) RwLock<HashMap<Uid, Boarded, RandomState>>);

/// What one pod has.
pub(super) struct Boarded {
    pub(super) object: ObjectRef,
    pub(super) running: Vec<Running>,
    /// What is wrong with its annotations, or why it has no target.
    pub(super) problems: Vec<String>,
}

/// A loop.
pub(super) struct Running {
    pub(super) key: TargetKey,
    pub(super) orders: watch::Sender<Orders>,
    pub(super) state: SharedState,
    pub(super) end: CancellationToken,
}

impl Board {
    /// All targets and all pods that should have one, sorted by namespace, pod and URL.
    pub(super) fn statuses(&self) -> Vec<TargetStatus> {
        let mut statuses: Vec<TargetStatus> = self.0.read().values().flat_map(Boarded::statuses).collect();
        statuses.sort_by(|a, b| (&a.namespace, &a.pod, &a.url).cmp(&(&b.namespace, &b.pod, &b.url)));
        statuses
    }

    /// The first target of a pod, or why it has none; `None` if it does not ask to be scraped.
    pub(super) fn status(&self, pod: &Uid) -> Option<TargetStatus> {
        self.0.read().get(pod).and_then(|boarded| boarded.statuses().into_iter().next())
    }

    /// The pods that ask to be scraped and have no target.
    pub(super) fn refused(&self) -> Vec<(Uid, TargetStatus)> {
        let board = self.0.read();
        let refused = board.iter().filter(|(_, pod)| pod.running.is_empty());
        refused
            .flat_map(|(uid, pod)| pod.statuses().into_iter().map(|status| (uid.clone(), status)))
            .collect()
    }

    /// How many targets there are of each health; no status is kept for it.
    pub(super) fn counts(&self) -> TargetCounts {
        let mut counts = TargetCounts::default();
        for pod in self.0.read().values() {
            pod.statuses().iter().for_each(|status| counts.add(status));
        }
        counts
    }

    /// How many targets have been scraped too seldom for a rate, and do not fail.
    pub(super) fn cold(&self) -> usize {
        let is_cold = |running: &&Running| running.state.is_cold() && !running.orders.borrow().is_terminating;
        self.0.read().values().map(|pod| pod.running.iter().filter(is_cold).count()).sum()
    }

    /// How many loops there are.
    pub(super) fn len(&self) -> usize {
        self.0.read().values().map(|pod| pod.running.len()).sum()
    }
}

impl Boarded {
    fn statuses(&self) -> Vec<TargetStatus> {
        if self.running.is_empty() {
            return vec![TargetStatus::refused(&self.object, self.problems.clone())];
        }
        let status = |running: &Running| {
            let orders = running.orders.borrow();
            running.state.status(&orders.spec, orders.is_terminating, self.problems.clone())
        };
        self.running.iter().map(status).collect()
    }
}
