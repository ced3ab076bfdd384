//! Pods without a cluster, and a scraper that follows them.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use custom_metrics_adapter::{
    cluster::{Container, Pod, PodPhase},
    model::{GroupResource, Labels, LiveObject, MetricName, MetricSelector, ObjectRef, Presence, Uid},
    monitor::Monitor,
    scrape::{Health, MonitorSource, Monitored, PodSource, ScrapeOptions, Scraper, TargetStatus},
    store::{Absence, Limits, Query, Store},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::seen;

/// Pods, a scraper, a store.
pub(crate) struct World {
    pub(crate) scraper: Scraper,
    pub(crate) store: Store,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pods: Arc<Mutex<BTreeMap<String, Arc<Pod>>>>,
    moved: watch::Sender<u64>,
    monitored: Arc<Mutex<Monitored>>,
    monitors_moved: watch::Sender<u64>,
}

/// Quick, and on loopback.
pub(crate) fn options() -> ScrapeOptions {
    ScrapeOptions {
        interval: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        allow_loopback: true,
        ..ScrapeOptions::default()
    }
}

/// The same, and impatient.
pub(crate) fn impatient() -> ScrapeOptions {
    ScrapeOptions { interval: Duration::from_millis(200), timeout: Duration::from_millis(200), ..options() }
}

/// A running pod at this address.
pub(crate) fn pod(name: &str, address: SocketAddr, annotations: &[(&str, &str)]) -> Pod {
    let port = address.port().to_string();
    let usual = [("prometheus.io/scrape", "true"), ("prometheus.io/port", port.as_str())];
    let annotations = usual.iter().chain(annotations);
    let container = Container { name: "main".into(), is_sidecar: false, ports: Vec::new(), started: None };
    Pod {
        live: Arc::new(LiveObject {
            object: object(name),
            uid: Uid(format!("uid-of-{name}").into()),
            created: Timestamp::UNIX_EPOCH,
            labels: Labels::default(),
        }),
        annotations: annotations.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        phase: PodPhase::Running,
        ready: true,
        deletion: None,
        ips: vec![address.ip()],
        host_network: false,
        node: None,
        containers: vec![container],
    }
}

pub(crate) fn object(pod: &str) -> ObjectRef {
    ObjectRef { resource: GroupResource::pods(), namespace: Some("default".into()), name: pod.into() }
}

impl World {
    pub(crate) fn start(options: ScrapeOptions) -> Self {
        Self::with_limits(options, Limits::default())
    }

    pub(crate) fn with_limits(options: ScrapeOptions, limits: Limits) -> Self {
        let pods: Arc<Mutex<BTreeMap<String, Arc<Pod>>>> = Arc::default();
        let moved = watch::Sender::new(0);
        let known = pods.clone();
        let (monitored, monitors_moved) = (Arc::<Mutex<Monitored>>::default(), watch::Sender::new(0));
        let all = monitored.clone();
        let all = Arc::new(move || all.lock().clone());
        let monitors = Some(MonitorSource { all, changes: monitors_moved.subscribe() });
        let source = PodSource::listing(move || known.lock().values().cloned().collect(), moved.subscribe());
        let source = PodSource { monitors, ..source };
        let (store, tasks) = (Store::new(limits), TaskTracker::new());
        let shutdown = CancellationToken::new();
        let scraper = Scraper::start(options, source, store.clone(), tasks.clone(), shutdown.clone());
        Self { scraper, store, tasks, shutdown, pods, moved, monitored, monitors_moved }
    }

    /// The cluster has this pod now.
    pub(crate) fn add(&self, pod: Pod) {
        self.pods.lock().insert(pod.live.object.name.to_string(), Arc::new(pod));
        self.moved.send_modify(|generation| *generation += 1);
    }

    /// The cluster has these monitors now.
    pub(crate) fn monitored(&self, monitors: Vec<Monitor>) {
        let monitors = monitors.into_iter().map(Arc::new).collect();
        *self.monitored.lock() = Monitored { monitors, services: Vec::new() };
        self.monitors_moved.send_modify(|generation| *generation += 1);
    }

    /// The cluster does not have it any more.
    pub(crate) fn remove(&self, name: &str) {
        self.pods.lock().remove(name);
        self.moved.send_modify(|generation| *generation += 1);
    }

    /// What an HPA would read, in thousandths.
    pub(crate) fn read(&self, pod: &str, metric: &str) -> Result<i64, Absence> {
        let query = Query {
            presence: &Presence::Unknown,
            selector: &MetricSelector::default(),
            now: Timestamp::now(),
        };
        let value = self.store.read(&object(pod), &MetricName::new(metric).unwrap(), query)?;
        Ok(value.sample.value.milli())
    }

    /// The status of the only target of a pod.
    pub(crate) fn status(&self, pod: &str) -> Option<TargetStatus> {
        let mut of_pod = self.scraper.targets().into_iter().filter(|status| status.pod == pod);
        let only = of_pod.next()?;
        assert_eq!(of_pod.next(), None, "one target was expected");
        Some(only)
    }

    /// Waits until a pod's target fails in this way; gives back the message.
    pub(crate) async fn fails(&self, pod: &str, class: &str) -> String {
        let what = format!("{pod} fails by {class}");
        let failed = seen(&what, || {
            let error = self.status(pod)?.last_scrape?.error?;
            (error.class.as_str() == class).then_some(error.message)
        });
        failed.await
    }

    /// Waits until a pod is this well.
    pub(crate) async fn is(&self, pod: &str, health: Health) -> TargetStatus {
        let what = format!("{pod} is {health:?}");
        seen(&what, || self.status(pod).filter(|status| status.health == health)).await
    }

    /// Waits until a metric of a pod reads so.
    pub(crate) async fn reads(&self, pod: &str, metric: &str, value: i64) {
        seen(&format!("{pod} {metric} is {value}"), || (self.read(pod, metric).ok()? == value).then_some(()))
            .await;
    }

    /// Waits until it can be read no more; says why.
    pub(crate) async fn lacks(&self, pod: &str, metric: &str) -> Absence {
        seen(&format!("{pod} {metric} is gone"), || self.read(pod, metric).err()).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
