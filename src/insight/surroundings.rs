//! What is around an HPA and no watch brings: the scale of its target, the APIServices, the rights of the HPA controller.
//! Asked for now and then for all HPAs, and at once for the one that somebody looks at.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use parking_lot::Mutex;

use crate::{
    cluster::{Cluster, Lookups, Reading},
    hpa::{Access, ApiFact, ApiService, Described, Hpa, MetricSource, MetricsGroup, ScaleTarget, Spec},
};

/// What is around one HPA.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) target: ScaleTarget,
    pub(super) apis: Vec<ApiFact>,
}

/// A scale as it was when it was asked for.
struct Looked {
    target: ScaleTarget,
    at: Instant,
    /// The HPA's own status at that time: when it is another, the replicas are others too.
    replicas: Replicas,
}

/// Namespace and scale target.
type Key = (String, Described);

/// Current and desired, as the HPA's status has them.
type Replicas = (i32, i32);

pub(super) struct Surroundings {
    cluster: Cluster,
    lookups: Option<Lookups>,
    service: String,
    scales: Mutex<HashMap<Key, Looked>>,
    apis: Mutex<HashMap<MetricsGroup, ApiService>>,
}

impl Surroundings {
    pub(super) fn new(cluster: Cluster, lookups: Option<Lookups>, service: String) -> Self {
        Self { cluster, lookups, service, scales: Mutex::default(), apis: Mutex::default() }
    }

    /// From memory.
    pub(super) fn around(&self, hpa: &Hpa) -> Around {
        let Ok(spec) = &hpa.spec else { return Around { target: not_asked(), apis: Vec::new() } };
        let target =
            self.scales.lock().get(&key(hpa, spec)).map_or_else(not_asked, |looked| looked.known(hpa));
        let known = self.apis.lock();
        let service = |group| known.get(&group).cloned().unwrap_or(ApiService::Unknown(NOT_ASKED.to_owned()));
        let access = || Access::Unknown("the page of the HPA asks".to_owned());
        let apis = groups(spec).map(|group| ApiFact { group, service: service(group), access: access() });
        Around { target, apis: apis.collect() }
    }

    /// Asked for now.
    pub(super) async fn now(&self, hpa: &Hpa) -> Around {
        let (Ok(spec), Some(lookups)) = (&hpa.spec, &self.lookups) else { return self.around(hpa) };
        let apis = join_all(groups(spec).map(|group| self.api(lookups, hpa, (spec, group))));
        let (target, apis) = tokio::join!(self.scale(lookups, hpa, spec), apis);
        Around { target, apis }
    }

    /// Asks for what is not known of these HPAs, or not for long.
    pub(super) async fn refresh(&self, hpas: &[Arc<Hpa>]) {
        let Some(lookups) = &self.lookups else { return };
        let specs: Vec<(&Hpa, &Spec)> =
            hpas.iter().filter_map(|hpa| Some((&**hpa, hpa.spec.as_ref().ok()?))).collect();
        let live: std::collections::HashSet<_> = specs.iter().map(|(hpa, spec)| key(hpa, spec)).collect();
        self.scales.lock().retain(|key, _| live.contains(key));
        let groups: std::collections::HashSet<MetricsGroup> =
            specs.iter().flat_map(|(_, spec)| groups(spec)).collect();
        for group in groups {
            self.service(lookups, group).await;
        }
        for (hpa, spec) in specs {
            if self.is_due(hpa, spec) {
                self.scale(lookups, hpa, spec).await;
            }
        }
    }

    fn is_due(&self, hpa: &Hpa, spec: &Spec) -> bool {
        self.scales.lock().get(&key(hpa, spec)).is_none_or(|looked| looked.is_due(hpa))
    }

    async fn scale(&self, lookups: &Lookups, hpa: &Hpa, spec: &Spec) -> ScaleTarget {
        let (namespace, reference) = (&hpa.namespace, &spec.scale_target_ref);
        let Ok(resource) = self.cluster.resolve_fresh(&reference.kind_group()).await else {
            return ScaleTarget::Missing(format!("the cluster has no kind {}", reference.kind_group()));
        };
        let path = resource.object_path(namespace, &reference.name);
        let target = lookups.scale(&path).await;
        let looked = Looked { target: target.clone(), at: Instant::now(), replicas: replicas(hpa) };
        self.scales.lock().insert(key(hpa, spec), looked);
        target
    }

    async fn service(&self, lookups: &Lookups, group: MetricsGroup) -> ApiService {
        let service = lookups.api_service(group, Some(&self.service)).await;
        self.apis.lock().insert(group, service.clone());
        service
    }

    async fn api(&self, lookups: &Lookups, hpa: &Hpa, (spec, group): (&Spec, MetricsGroup)) -> ApiFact {
        let access = async {
            match self.asked(spec, group) {
                Some((resource, metric)) => {
                    let namespace = &hpa.namespace;
                    lookups.access(Reading { group, namespace, resource: &resource, metric: &metric }).await
                }
                None => Access::Unknown("the described object's kind is not known".to_owned()),
            }
        };
        let (service, access) = tokio::join!(self.service(lookups, group), access);
        ApiFact { group, service, access }
    }

    /// What the controller asks for first of a group: the resource and the metric.
    fn asked(&self, spec: &Spec, group: MetricsGroup) -> Option<(String, String)> {
        let of_group = spec.metrics.iter().find(|metric| group_of(&metric.source) == Some(group))?;
        let resource = match &of_group.source {
            MetricSource::Object(_, object) => {
                self.cluster.resolve(&object.kind_group()).ok()?.resource.to_string()
            }
            _ => "pods".to_owned(),
        };
        Some((resource, of_group.name().to_owned()))
    }
}

impl Looked {
    /// A selector almost never changes; what is missing may come.
    fn is_due(&self, hpa: &Hpa) -> bool {
        let good_for = if matches!(self.target, ScaleTarget::Found { .. }) { FOUND_FOR } else { MISSING_FOR };
        self.replicas != replicas(hpa) || self.at.elapsed() > good_for
    }

    /// The target, with the replicas that the HPA has seen or set since then.
    fn known(&self, hpa: &Hpa) -> ScaleTarget {
        match &self.target {
            ScaleTarget::Found { selector, .. } if self.replicas != replicas(hpa) => {
                let (status, spec) = replicas(hpa);
                ScaleTarget::Found { spec, status, selector: selector.clone() }
            }
            target => target.clone(),
        }
    }
}

fn key(hpa: &Hpa, spec: &Spec) -> Key {
    (hpa.namespace.clone(), spec.scale_target_ref.clone())
}

fn replicas(hpa: &Hpa) -> Replicas {
    (hpa.status.current_replicas, hpa.status.desired_replicas)
}

fn not_asked() -> ScaleTarget {
    ScaleTarget::Unknown(NOT_ASKED.to_owned())
}

/// The API groups that an HPA reads.
fn groups(spec: &Spec) -> impl Iterator<Item = MetricsGroup> {
    let reads = |group| spec.metrics.iter().any(|metric| group_of(&metric.source) == Some(group));
    [MetricsGroup::Custom, MetricsGroup::External].into_iter().filter(move |group| reads(*group))
}

fn group_of(source: &MetricSource) -> Option<MetricsGroup> {
    match source {
        MetricSource::Pods(_) | MetricSource::Object(..) => Some(MetricsGroup::Custom),
        MetricSource::External(_) => Some(MetricsGroup::External),
        MetricSource::Resource { .. } => None,
    }
}

const NOT_ASKED: &str = "kube-apiserver was not asked yet";

const FOUND_FOR: Duration = Duration::from_secs(600);
const MISSING_FOR: Duration = Duration::from_secs(30);
