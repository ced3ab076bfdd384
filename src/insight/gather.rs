//! Facts of an HPA from memory: what a read would answer now, and why.

use std::sync::Arc;

use jiff::Timestamp;

use super::{owned::lack as owned_lack, pods::Targets, surroundings::Around};
use crate::{
    cluster::{Cluster, PodPhase},
    hpa::{
        Answer, Counting, Described, Facts, Hpa, Identifier, Lack, LackKind, Measured, MetricFact,
        MetricSource, MetricSpec, PodFact, ScaleTarget, TargetFact, TargetState,
    },
    model::{
        GroupResource, LiveObject, MetricName, MetricSelector, ObjectRef, Presence, ResourceType, Sample,
        Scope, Selector,
    },
    owned::{self, Rules},
    scrape::TargetStatus,
    store::{Absence, Query, Store, nearest},
};

/// Where facts are remembered.
pub(super) struct Memory {
    pub(super) cluster: Cluster,
    pub(super) store: Store,
    pub(super) targets: Arc<dyn Fn() -> Vec<TargetStatus> + Send + Sync>,
    pub(super) rules: Rules,
}

/// One look at one HPA.
struct Look<'a> {
    memory: &'a Memory,
    namespace: &'a str,
    now: Timestamp,
    /// The pods of the scale target; the error says why they are not known.
    pods: Result<Vec<Arc<LiveObject>>, String>,
    targets: &'a Targets,
}

/// A metric with its selector, ready to be asked for.
struct Asked {
    name: MetricName,
    selector: MetricSelector,
}

impl Memory {
    pub(super) fn targets(&self) -> Targets {
        Targets::of((self.targets)())
    }

    pub(super) fn facts(
        &self,
        hpa: &Arc<Hpa>,
        around: &Around,
        (targets, now): (&Targets, Timestamp),
    ) -> Facts {
        let pods = self.pods(&hpa.namespace, &around.target);
        let look = Look { memory: self, namespace: &hpa.namespace, now, pods, targets };
        let specs = hpa.spec.as_ref().map(|spec| spec.metrics.as_slice()).unwrap_or_default();
        Facts {
            now,
            hpa: hpa.clone(),
            target: around.target.clone(),
            apis: around.apis.clone(),
            metrics: specs.iter().map(|spec| look.metric(spec)).collect(),
            ready: look.ready(),
        }
    }

    fn pods(&self, namespace: &str, target: &ScaleTarget) -> Result<Vec<Arc<LiveObject>>, String> {
        let ScaleTarget::Found { selector, .. } = target else {
            return Err("the selector of the scale target is not known".to_owned());
        };
        let selector = Selector::parse(selector).map_err(|error| error.to_string())?;
        let pods = self.cluster.resolve("pods").map_err(|error| error.to_string())?;
        self.cluster.list(&pods, Some(namespace), &selector).map_err(|error| error.to_string())
    }
}

impl Look<'_> {
    fn ready(&self) -> Option<u32> {
        let pods = self.pods.as_ref().ok().filter(|pods| !pods.is_empty())?;
        let ready = |live: &&Arc<LiveObject>| {
            let pod = self.memory.cluster.pod(&live.uid);
            pod.is_some_and(|pod| pod.ready && pod.phase == PodPhase::Running)
        };
        pods.iter().filter(ready).count().try_into().ok()
    }

    fn metric(&self, spec: &MetricSpec) -> MetricFact {
        let answer = match &spec.source {
            MetricSource::Resource { .. } => Answer::NotAsked,
            MetricSource::Pods(metric) => self.asked(metric, |asked| self.of_pods(asked)),
            MetricSource::Object(metric, object) => self.asked(metric, |asked| self.of_object(asked, object)),
            MetricSource::External(metric) => self.asked(metric, |asked| self.external(asked)),
        };
        let (nearest, others) = self.instead(spec, &answer);
        MetricFact { spec: spec.clone(), answer, nearest, others }
    }

    fn asked(&self, metric: &Identifier, read: impl FnOnce(&Asked) -> Answer) -> Answer {
        let name = MetricName::new(&metric.name).map_err(|error| error.to_string());
        let selector = MetricSelector::parse(&metric.selector).map_err(|error| error.to_string());
        match name.and_then(|name| Ok(Asked { name, selector: selector? })) {
            Ok(asked) => read(&asked),
            Err(text) => Answer::Nothing(Lack { kind: LackKind::NoMetric, text }),
        }
    }

    fn of_pods(&self, asked: &Asked) -> Answer {
        match &self.pods {
            Ok(pods) => Answer::Pods(pods.iter().map(|live| self.pod(live, asked)).collect()),
            Err(text) => Answer::Nothing(Lack { kind: LackKind::Unseen, text: text.clone() }),
        }
    }

    fn pod(&self, live: &Arc<LiveObject>, asked: &Asked) -> PodFact {
        let target = self.targets.get(self.namespace, &live.object.name).cloned();
        let presence = Presence::Live(live.clone());
        let value =
            self.read(&live.object, asked, &presence).map_err(|absence| lack(&absence, target.as_ref()));
        PodFact { name: live.object.name.clone(), counting: self.counting(live), value, target }
    }

    fn counting(&self, live: &LiveObject) -> Counting {
        match self.memory.cluster.pod(&live.uid).as_deref() {
            Some(pod) if pod.deletion.is_some() || pod.phase == PodPhase::Failed => Counting::Ignored,
            Some(pod) if pod.phase == PodPhase::Pending => Counting::Pending,
            _ => Counting::Counted,
        }
    }

    fn read(&self, object: &ObjectRef, asked: &Asked, presence: &Presence) -> Result<Measured, Absence> {
        let query = Query { presence, selector: &asked.selector, now: self.now };
        self.memory.store.read(object, &asked.name, query).map(|value| measured(&value.sample))
    }

    fn of_object(&self, asked: &Asked, described: &Described) -> Answer {
        let nothing = |kind, text| Answer::Nothing(Lack { kind, text });
        let Ok(resource) = self.memory.cluster.resolve(&described.kind_group()) else {
            return nothing(
                LackKind::NoObject,
                format!("the cluster has no kind {}", described.kind_group()),
            );
        };
        let object = self.object(&resource, &described.name);
        let presence = self.memory.cluster.presence(&object);
        let read = self.read(&object, asked, &presence);
        let unwritten = matches!(&read, Err(absence) if *absence.root() == Absence::UnknownMetric);
        let of_pods = (unwritten && presence != Presence::Absent).then(|| self.of_its_pods(asked, &object));
        match (read, of_pods.flatten()) {
            (_, Some(answer)) => answer,
            (Ok(value), None) => Answer::Values(vec![value]),
            (Err(Absence::UnknownMetric), None) if presence == Presence::Absent => {
                nothing(LackKind::NoObject, format!("the cluster has no {object}"))
            }
            (Err(absence), None) => {
                let target = self.targets.get(self.namespace, &described.name);
                let target = target.filter(|_| resource.resource == GroupResource::pods());
                let lack = lack(&absence, target);
                nothing(lack.kind, format!("{object}: {}", lack.text))
            }
        }
    }

    /// The answer from the pods of an object for which nothing is written; `None` where they say nothing.
    fn of_its_pods(&self, asked: &Asked, object: &ObjectRef) -> Option<Answer> {
        let (memory, asked_for) = (self.memory, (&asked.selector, self.now, self.memory.rules));
        let members = memory.cluster.members(object);
        match owned::read(&memory.store, members, &asked.name, asked_for) {
            Ok(sample) => Some(Answer::Values(vec![measured(&sample)])),
            Err(why) => {
                let lack = owned_lack(&why)?;
                Some(Answer::Nothing(Lack { text: format!("{object}: {}", lack.text), ..lack }))
            }
        }
    }

    fn object(&self, resource: &ResourceType, name: &str) -> ObjectRef {
        let namespace = (resource.scope == Scope::Namespaced).then(|| self.namespace.into());
        ObjectRef { resource: resource.resource.clone(), namespace, name: name.into() }
    }

    fn external(&self, asked: &Asked) -> Answer {
        let presence = self.memory.cluster.presence(&ObjectRef::namespace(self.namespace));
        let query = Query { presence: &presence, selector: &asked.selector, now: self.now };
        match self.memory.store.read_external(self.namespace, &asked.name, query) {
            Ok(values) => Answer::Values(values.iter().map(|value| measured(&value.sample)).collect()),
            Err(Absence::UnknownMetric) => {
                let of_pods = self.of_its_pods(asked, &ObjectRef::namespace(self.namespace));
                let no_pods = |answer: &Answer| matches!(answer, Answer::Nothing(lack) if lack.kind == LackKind::NoPods);
                let of_pods = of_pods.filter(|answer| !no_pods(answer));
                of_pods.unwrap_or_else(|| Answer::Nothing(lack(&Absence::UnknownMetric, None)))
            }
            Err(absence) => Answer::Nothing(lack(&absence, None)),
        }
    }

    /// A metric with a similar name, and other metrics, of the same pods, object or namespace.
    fn instead(&self, spec: &MetricSpec, answer: &Answer) -> (Option<String>, Vec<String>) {
        let others = match (&spec.source, answer) {
            (MetricSource::External(_), Answer::Nothing(_)) => self.external_metrics(),
            (MetricSource::Object(_, object), Answer::Nothing(_)) => self.object_metrics(object),
            (MetricSource::Pods(_), Answer::Pods(pods)) if pods.iter().all(|pod| pod.value.is_err()) => {
                self.pod_metrics()
            }
            _ => Vec::new(),
        };
        let Ok(name) = MetricName::new(spec.name()) else { return (None, Vec::new()) };
        let nearest = nearest(others.iter(), &name).filter(|nearest| *nearest != name);
        let shown = others.iter().filter(|other| **other != name).take(SHOWN).map(ToString::to_string);
        (nearest.map(|name| name.to_string()), shown.collect())
    }

    fn external_metrics(&self) -> Vec<MetricName> {
        let presence = self.memory.cluster.presence(&ObjectRef::namespace(self.namespace));
        let any = MetricSelector::default();
        let query = Query { presence: &presence, selector: &any, now: self.now };
        self.memory.store.external_metrics(self.namespace, query)
    }

    /// Of the object itself, else of its pods.
    fn object_metrics(&self, object: &Described) -> Vec<MetricName> {
        let (cluster, store) = (&self.memory.cluster, &self.memory.store);
        let Ok(resource) = cluster.resolve(&object.kind_group()) else { return Vec::new() };
        let object = self.object(&resource, &object.name);
        let own = store.metrics_of(&object);
        if !own.is_empty() {
            return own;
        }
        let pods = cluster.members(&object).map(|members| members.pods).unwrap_or_default();
        let metrics = pods.iter().take(LOOKED_AT).map(|pod| store.metrics_of(&pod.live.object));
        metrics.max_by_key(Vec::len).unwrap_or_default()
    }

    /// Of the first pod that has any: the pods of one target expose the same.
    fn pod_metrics(&self) -> Vec<MetricName> {
        let pods = self.pods.as_deref().unwrap_or_default().iter().take(LOOKED_AT);
        let metrics = pods.map(|live| self.memory.store.metrics_of(&live.object));
        metrics.max_by_key(Vec::len).unwrap_or_default()
    }
}

fn measured(sample: &Sample) -> Measured {
    Measured { milli: sample.value.milli(), text: sample.value.to_string(), at: sample.timestamp }
}

fn lack(absence: &Absence, target: Option<&TargetFact>) -> Lack {
    let state = target.map(|target| target.state);
    let kind = match (absence.root(), state) {
        (Absence::UnknownMetric, Some(TargetState::Refused)) => LackKind::TargetRefused,
        (
            Absence::UnknownMetric | Absence::NotScraped { .. } | Absence::Stale { .. },
            Some(TargetState::Down),
        ) => LackKind::TargetDown,
        (Absence::UnknownMetric | Absence::NotScraped { .. }, Some(TargetState::Waiting)) => {
            LackKind::TooEarly
        }
        (Absence::UnknownMetric, _) => LackKind::NoMetric,
        (Absence::NoSeries, _) => LackKind::NoSeries,
        (Absence::Expired { .. }, _) => LackKind::Expired,
        (Absence::ObjectGone, _) => LackKind::ObjectGone,
        (Absence::Stale { .. }, _) => LackKind::TargetDown,
        (Absence::NotScraped { .. } | Absence::Early | Absence::ShortWindow { .. }, _) => LackKind::TooEarly,
        _ => LackKind::Unusable,
    };
    let problem = target.and_then(|target| target.problem.clone());
    let text = match (kind, problem) {
        (LackKind::TargetRefused | LackKind::TargetDown, Some(problem)) => problem,
        (LackKind::NoMetric, _) => "it has no such metric".to_owned(),
        _ => absence.to_string(),
    };
    Lack { kind, text }
}

/// Names that are offered instead.
const SHOWN: usize = 8;

/// Pods that are asked what they have instead.
const LOOKED_AT: usize = 8;
