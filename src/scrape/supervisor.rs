//! Keeps one loop for each target that the pods have now. A pod that changes costs what its own targets cost: the others
//! are not looked at.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use foldhash::fast::RandomState;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    ScrapeOptions,
    board::{Board, Boarded, Running},
    monitors::{Monitored, View},
    quota::{self, Census, Over, Quota},
    run::{Loop, Orders, Shared},
    state::SharedState,
    targets::{self, PodPlan, Refusal, TargetKey, TargetSpec},
};
use crate::{
    cluster::{Changed, Cluster, Pod, PodChanges},
    model::{Tenant, Uid},
};

/// Where pods come from.
#[derive(Clone)]
pub struct PodSource {
    /// What has changed since a generation; everything since one that was never there, such as 0.
    pub since: Arc<dyn Fn(u64) -> PodChanges + Send + Sync>,
    /// Moves whenever they change.
    pub changes: watch::Receiver<u64>,
    /// The monitors that name targets, if any are asked for.
    pub monitors: Option<MonitorSource>,
}

/// Where monitors come from.
#[derive(Clone)]
pub struct MonitorSource {
    /// All of them now.
    pub all: Arc<dyn Fn() -> Monitored + Send + Sync>,
    /// Moves whenever they change.
    pub changes: watch::Receiver<u64>,
}

impl PodSource {
    /// Pods that are listed whole each time that they change.
    pub fn listing(
        pods: impl Fn() -> Vec<Arc<Pod>> + Send + Sync + 'static,
        changes: watch::Receiver<u64>,
    ) -> Self {
        let since = move |generation| PodChanges { generation, changed: Changed::All(pods()) };
        Self { since: Arc::new(since), changes, monitors: None }
    }
}

impl PodSource {
    /// Returns with the next change; false when there will be none.
    async fn changed(&mut self) -> bool {
        let Some(monitors) = &mut self.monitors else { return self.changes.changed().await.is_ok() };
        tokio::select! {
            changed = self.changes.changed() => changed.is_ok(),
            changed = monitors.changes.changed() => changed.is_ok(),
        }
    }
}

impl From<Cluster> for PodSource {
    fn from(cluster: Cluster) -> Self {
        let changes = cluster.pod_changes();
        let monitors = cluster.monitor_changes().map(|changes| {
            let cluster = cluster.clone();
            MonitorSource { all: Arc::new(move || monitored(&cluster)), changes }
        });
        Self { since: Arc::new(move |generation| cluster.pods_since(generation)), changes, monitors }
    }
}

fn monitored(cluster: &Cluster) -> Monitored {
    let (monitors, services) = cluster.monitors();
    Monitored { monitors, services }
}

/// Follows the pods.
pub(super) struct Supervisor {
    options: ScrapeOptions,
    source: PodSource,
    shared: Arc<Shared>,
    board: Arc<Board>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
    generation: u64,
    /// The generation of the monitors that the plans follow.
    monitors: Option<u64>,
    planned: HashMap<Uid, Planned, RandomState>,
    view: View,
    census: Census,
    over: Over,
}

/// A pod as it was when it was planned.
struct Planned {
    pod: Arc<Pod>,
    plan: Option<PodPlan>,
}

/// What runs beside the supervisor.
pub(super) struct Surroundings {
    pub(super) shared: Arc<Shared>,
    pub(super) board: Arc<Board>,
    pub(super) tasks: TaskTracker,
    pub(super) shutdown: CancellationToken,
}

impl Supervisor {
    pub(super) fn new(options: ScrapeOptions, source: PodSource, around: Surroundings) -> Self {
        let Surroundings { shared, board, tasks, shutdown } = around;
        Self {
            options,
            source,
            shared,
            board,
            tasks,
            shutdown,
            generation: 0,
            monitors: None,
            planned: HashMap::default(),
            view: View::default(),
            census: Census::default(),
            over: Over::default(),
        }
    }

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
            self.follow();
            let next_change = async {
                // many changes come together; the first of them is not kept waiting
                tokio::time::sleep(PAUSE).await;
                self.source.changed().await
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                is_alive = next_change => if !is_alive { return },
            }
        }
    }

    fn follow(&mut self) {
        let mut touched = self.take_up_monitors();
        self.source.changes.mark_unchanged();
        let PodChanges { generation, changed } = (self.source.since)(self.generation);
        self.generation = generation;
        match changed {
            Changed::Some(pods) => {
                touched.extend(pods.into_iter().filter_map(|(uid, pod)| self.take_up(uid, pod)));
            }
            Changed::All(pods) => touched.extend(self.take_up_all(pods)),
        }
        touched.extend(self.enforce_quota());
        let mut board = self.board.0.write();
        for uid in &touched {
            let before = board.remove(uid);
            if let Some(boarded) = self.boarded(uid, before) {
                board.insert(uid.clone(), boarded);
            }
        }
    }

    /// Plans the pods again that meet other monitors than before; gives back those whose plans have changed.
    fn take_up_monitors(&mut self) -> HashSet<Uid, RandomState> {
        let Some(monitors) = &mut self.source.monitors else { return HashSet::default() };
        let generation = *monitors.changes.borrow_and_update();
        if self.monitors.replace(generation) == Some(generation) {
            return HashSet::default();
        }
        let view = View::new(&(monitors.all)(), &self.options.across);
        let before = std::mem::replace(&mut self.view, view);
        for monitor in self.view.newly_barred(&before) {
            let remedy =
                "name its namespace in --scrape-monitors-across, or let it select pods of its own namespace";
            tracing::warn!(monitor, remedy, "a monitor of one namespace may not name pods of others");
        }
        let differs = |planned: &&Planned| {
            self.view.differs(&before, planned.pod.live.object.namespace.as_deref().unwrap_or_default())
        };
        let pods: Vec<Arc<Pod>> =
            self.planned.values().filter(differs).map(|planned| planned.pod.clone()).collect();
        pods.into_iter().filter_map(|pod| self.plan(pod)).collect()
    }

    /// Plans a pod that may have changed, or is gone; gives back its UID if so.
    fn take_up(&mut self, uid: Uid, pod: Option<Arc<Pod>>) -> Option<Uid> {
        let Some(pod) = pod else {
            let gone = self.planned.remove(&uid)?;
            self.census.remove(targets_of(gone.plan.as_ref()));
            return Some(uid);
        };
        let known = self.planned.get(&uid);
        if known.is_some_and(|known| Arc::ptr_eq(&known.pod, &pod)) {
            return None;
        }
        self.plan(pod);
        Some(uid)
    }

    /// Plans a pod; gives back its UID if the plan is another one than before.
    fn plan(&mut self, pod: Arc<Pod>) -> Option<Uid> {
        let (plan, uid) = (targets::plan_all(&pod, &self.view, &self.options), pod.live.uid.clone());
        self.census.add(targets_of(plan.as_ref()));
        let before = self.planned.insert(uid.clone(), Planned { pod, plan });
        let before = before.and_then(|before| before.plan);
        self.census.remove(targets_of(before.as_ref()));
        (self.planned.get(&uid)?.plan != before).then_some(uid)
    }

    /// Plans all of `pods`; those that are not among them are gone.
    fn take_up_all(&mut self, pods: Vec<Arc<Pod>>) -> HashSet<Uid, RandomState> {
        let mut gone: HashSet<Uid, RandomState> = self.planned.keys().cloned().collect();
        let mut touched = HashSet::default();
        for pod in pods {
            let uid = pod.live.uid.clone();
            gone.remove(&uid);
            touched.extend(self.take_up(uid, Some(pod)));
        }
        touched.extend(gone.into_iter().filter_map(|uid| self.take_up(uid, None)));
        touched
    }

    /// Finds the targets that are over a limit; gives back the pods for which that has changed. Only where a limit is
    /// passed are all targets looked at.
    fn enforce_quota(&mut self) -> Vec<Uid> {
        let quota = Quota::new(self.options.targets, self.options.share);
        let over = if self.census.fits(quota) {
            Over::default()
        } else {
            quota::over(self.planned.values().flat_map(|planned| targets_of(planned.plan.as_ref())), quota)
        };
        let before = std::mem::replace(&mut self.over, over);
        self.tell_new(&before);
        let differs =
            |(key, refusal): &(&TargetKey, &Refusal), other: &Over| other.get(*key) != Some(*refusal);
        let came = self.over.iter().filter(|entry| differs(entry, &before));
        let went = before.iter().filter(|entry| differs(entry, &self.over));
        came.chain(went).map(|(key, _)| Uid(key.uid.clone())).collect()
    }

    /// Counts the targets that are refused from now on, and logs their namespaces, each once in a while.
    fn tell_new(&self, before: &Over) {
        let mut tenants: HashMap<&Tenant, usize> = HashMap::new();
        for (_, refusal) in self.over.iter().filter(|(key, _)| !before.contains_key(*key)) {
            self.shared.stats.refuse_target(refusal);
            if let Refusal::TargetShare { tenant, .. } = refusal {
                *tenants.entry(tenant).or_default() += 1;
            }
        }
        for (tenant, targets) in tenants {
            if self.shared.quiet.may_say(tenant, "targets", Timestamp::now()) {
                let limit = self.options.share.of(self.options.targets);
                tracing::warn!(%tenant, targets, limit, "a namespace has its share of targets: its newest pods are not scraped");
            }
        }
    }

    /// What a pod has now: loops are started, told of the change, and ended.
    fn boarded(&self, uid: &Uid, before: Option<Boarded>) -> Option<Boarded> {
        let mut before = before.map(|before| before.running).unwrap_or_default();
        let boarded = self.planned.get(uid).and_then(|planned| {
            let plan = planned.plan.as_ref()?;
            let object = planned.pod.live.object.clone();
            let (taken, problems) = self.within_quota(plan);
            let order = |spec: &Arc<TargetSpec>| {
                let known = before.iter().position(|running| running.key == spec.key);
                let known = known.map(|at| before.swap_remove(at));
                self.order(known, Orders { spec: spec.clone(), is_terminating: plan.is_terminating })
            };
            Some(Boarded { object, running: taken.filter_map(order).collect(), problems })
        });
        before.into_iter().for_each(|ended| ended.end.cancel());
        boarded.filter(|pod| !pod.running.is_empty() || !pod.problems.is_empty())
    }

    /// The targets of a plan that are not over a limit, and all that is wrong with it, each thing once.
    fn within_quota<'a>(
        &'a self,
        plan: &'a PodPlan,
    ) -> (impl Iterator<Item = &'a Arc<TargetSpec>>, Vec<String>) {
        let over = plan.targets.iter().filter_map(|target| self.over.get(&target.key));
        let mut problems: Vec<String> = plan.refusals.iter().chain(over).map(ToString::to_string).collect();
        problems.dedup();
        (plan.targets.iter().filter(|target| !self.over.contains_key(&target.key)), problems)
    }

    /// Passes orders on to a loop, or starts one for them. A terminating pod gets no new loop.
    fn order(&self, known: Option<Running>, orders: Orders) -> Option<Running> {
        match known {
            Some(running) => {
                running.orders.send_replace(orders);
                Some(running)
            }
            None if orders.is_terminating => None,
            None => Some(self.begin(orders)),
        }
    }

    fn begin(&self, orders: Orders) -> Running {
        let key = orders.spec.key.clone();
        let (orders, receiver) = watch::channel(orders);
        let state = SharedState::default();
        let end = self.shutdown.child_token();
        let scraping = Loop::new(self.shared.clone(), receiver, state.clone(), end.clone());
        self.tasks.spawn(scraping.run());
        Running { key, orders, state, end }
    }
}

fn targets_of(plan: Option<&PodPlan>) -> &[Arc<TargetSpec>] {
    plan.map_or(&[], |plan| &plan.targets)
}

/// How long changes of pods are gathered at most. Well below the second within which a new pod is scraped.
const PAUSE: Duration = Duration::from_millis(100);
