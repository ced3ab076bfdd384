//! Keeps one loop for each target that the pods have now.

use std::{collections::HashMap, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ScrapeOptions,
    run::{Loop, Orders, Shared},
    state::{SharedState, TargetCounts, TargetStatus},
    targets::{self, PodPlan, TargetKey, TargetSpec},
};
use crate::{
    cluster::{Cluster, Pod},
    model::{ObjectRef, Uid},
};

/// Where pods come from.
#[derive(Clone)]
pub struct PodSource {
    /// All pods, now.
    pub pods: Arc<dyn Fn() -> Vec<Arc<Pod>> + Send + Sync>,
    /// Moves whenever they change.
    pub changes: watch::Receiver<u64>,
}

impl From<Cluster> for PodSource {
    fn from(cluster: Cluster) -> Self {
        let changes = cluster.pod_changes();
        Self { pods: Arc::new(move || cluster.pods()), changes }
    }
}

/// The loops that run, and the pods that have none.
#[derive(Default)]
pub(super) struct Board(RwLock<Boarded>);

#[derive(Default)]
struct Boarded {
    running: HashMap<TargetKey, Running, RandomState>,
    refused: Vec<TargetStatus>,
    problems: HashMap<Uid, Vec<String>, RandomState>,
}

impl Boarded {
    /// Each target as it is now.
    fn running(&self) -> impl Iterator<Item = TargetStatus> {
        self.running.values().map(|running| {
            let orders = running.orders.borrow();
            let spec: &TargetSpec = &orders.spec;
            let problems = self.problems.get(&Uid(spec.key.uid.clone())).cloned().unwrap_or_default();
            running.state.status(spec, orders.is_terminating, problems)
        })
    }
}

struct Running {
    orders: watch::Sender<Orders>,
    state: SharedState,
    end: CancellationToken,
}

/// Follows the pods.
pub(super) struct Supervisor {
    pub(super) options: ScrapeOptions,
    pub(super) source: PodSource,
    pub(super) shared: Arc<Shared>,
    pub(super) board: Arc<Board>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
    pub(super) planned: HashMap<Uid, Planned, RandomState>,
}

/// A pod as it was when it was planned.
pub(super) struct Planned {
    pod: Arc<Pod>,
    plan: Option<PodPlan>,
}

impl Supervisor {
    /// Puts itself on the task tracker.
    pub(super) fn start(self) {
        let tasks = self.tasks.clone();
        tasks.spawn(self.run());
    }

    /// Plans, starts and ends loops until the shutdown. The loops end with their tokens, which are children of the
    /// shutdown's.
    async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        loop {
            self.source.changes.mark_unchanged();
            self.follow();
            let next_change = async {
                // many changes come together; the first of them is not kept waiting
                tokio::time::sleep(PAUSE).await;
                self.source.changes.changed().await
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = next_change => if changed.is_err() { return },
            }
        }
    }

    fn follow(&mut self) {
        let pods = (self.source.pods)();
        let mut planned = HashMap::with_capacity_and_hasher(pods.len(), RandomState::default());
        for pod in pods {
            let uid = pod.live.uid.clone();
            let known = self.planned.remove(&uid).filter(|known| Arc::ptr_eq(&known.pod, &pod));
            let new = || Planned { plan: targets::plan(&pod, &self.options), pod: pod.clone() };
            planned.insert(uid, known.unwrap_or_else(new));
        }
        self.planned = planned;
        let wishes =
            self.planned.iter().filter_map(|(uid, planned)| Some((uid.clone(), planned.plan.clone()?)));
        let mut plans: HashMap<Uid, PodPlan, RandomState> = wishes.collect();
        targets::enforce_limit(&mut plans, self.options.targets);
        self.apply(&plans);
    }

    fn apply(&self, plans: &HashMap<Uid, PodPlan, RandomState>) {
        let mut board = self.board.0.write();
        let planned = plans.values().flat_map(|plan| plan.targets.iter().map(move |target| (plan, target)));
        let mut running = HashMap::with_hasher(RandomState::default());
        for (plan, target) in planned {
            let orders = Orders { spec: target.clone(), is_terminating: plan.is_terminating };
            let known = board.running.remove(&target.key);
            if let Some(kept) = self.order(known, orders) {
                running.insert(target.key.clone(), kept);
            }
        }
        for (_, ended) in board.running.drain() {
            ended.end.cancel();
        }
        board.running = running;
        board.refused = refused(plans, |uid| self.planned.get(uid).map(|planned| &planned.pod.live.object));
        board.problems = plans
            .iter()
            .filter(|(_, plan)| !plan.refusals.is_empty())
            .map(|(uid, plan)| (uid.clone(), plan.refusals.iter().map(ToString::to_string).collect()))
            .collect();
    }

    /// Passes orders on to a loop, or starts one for them. A terminating pod gets no new loop.
    fn order(&self, known: Option<Running>, orders: Orders) -> Option<Running> {
        match known {
            Some(running) => {
                running.orders.send_if_modified(|current| {
                    let differs = *current != orders;
                    *current = orders;
                    differs
                });
                Some(running)
            }
            None if orders.is_terminating => None,
            None => Some(self.begin(orders)),
        }
    }

    fn begin(&self, orders: Orders) -> Running {
        let (orders, receiver) = watch::channel(orders);
        let state = SharedState::default();
        let end = self.shutdown.child_token();
        let scraping = Loop::new(self.shared.clone(), receiver, state.clone(), end.clone());
        self.tasks.spawn(scraping.run());
        Running { orders, state, end }
    }
}

fn refused<'a>(
    plans: &HashMap<Uid, PodPlan, RandomState>,
    object: impl Fn(&Uid) -> Option<&'a ObjectRef>,
) -> Vec<TargetStatus> {
    let without = plans.iter().filter(|(_, plan)| plan.targets.is_empty());
    without.filter_map(|(uid, plan)| Some(TargetStatus::refused(object(uid)?, &plan.refusals))).collect()
}

impl Board {
    /// All targets and all pods that should have one, sorted by namespace, pod and URL.
    pub(super) fn statuses(&self) -> Vec<TargetStatus> {
        let board = self.0.read();
        let mut statuses: Vec<TargetStatus> = board.running().chain(board.refused.iter().cloned()).collect();
        statuses.sort_by(|a, b| (&a.namespace, &a.pod, &a.url).cmp(&(&b.namespace, &b.pod, &b.url)));
        statuses
    }

    /// How many there are of each health; none is kept for it.
    pub(super) fn counts(&self) -> TargetCounts {
        let board = self.0.read();
        let mut counts = TargetCounts::default();
        board.running().for_each(|status| counts.add(&status));
        board.refused.iter().for_each(|status| counts.add(status));
        counts
    }

    /// How many loops there are.
    pub(super) fn len(&self) -> usize {
        self.0.read().running.len()
    }
}

/// How long changes of pods are gathered at most. Well below the second within which a new pod is scraped.
const PAUSE: Duration = Duration::from_millis(100);
