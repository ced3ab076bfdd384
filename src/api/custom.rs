//! Reads of `custom.metrics.k8s.io`: which objects, which values, and if none, why.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    cluster::Unavailable,
    model::{
        GroupResource, Labels, LiveObject, MetricName, MetricSelector, MetricValue, ObjectRef, Presence,
        ResourceType, Scope, Subject,
    },
    owned::Rules,
    store::{Absence, Query, Store},
};

use super::{
    clues::{Clues, PodTarget},
    discovery::AskedFor,
    error::ApiError,
    not_found::{Lack, NotFound, Scraped, Why},
    owned::Allowance,
    query::ReadQuery,
    route::{MetricsPath, Objects},
    view::ClusterView,
};

/// One read, at one moment.
pub(super) struct Read<'a> {
    pub(super) store: &'a Store,
    pub(super) cluster: &'a dyn ClusterView,
    pub(super) clues: &'a Clues,
    pub(super) path: &'a MetricsPath,
    pub(super) query: &'a ReadQuery,
    pub(super) now: Timestamp,
    pub(super) rules: Rules,
    pub(super) asked: &'a AskedFor,
}

/// At least one value, and the resource that all of them are about.
pub(super) struct Found {
    pub(super) resource: Arc<ResourceType>,
    pub(super) values: Vec<MetricValue>,
}

/// An object that `*` stands for.
type Candidate = (ObjectRef, Presence);

impl Read<'_> {
    /// The values.
    ///
    /// # Errors
    /// When there is none, with the reason. An empty list would reach the HPA's user as `no metrics returned from
    /// custom metrics API`; a reason reaches them verbatim.
    pub(super) fn run(&self) -> Result<Found, ApiError> {
        let resource = self.cluster.resolve(&self.path.resource).map_err(ApiError::UnknownResource)?;
        let namespace = self.namespace(&resource).map_err(|why| self.nothing(&resource, why))?;
        let values = match (&self.path.objects, &self.path.metric) {
            (Objects::Named(name), Some(metric)) => {
                let object = object(&resource, namespace, name);
                self.metric(metric)
                    .and_then(|metric| self.one(&object, &metric))
                    .map_err(|why| self.nothing(&resource, why))?
            }
            (Objects::Named(name), None) => {
                let object = object(&resource, namespace, name);
                self.every_metric(&object).map_err(|why| self.nothing(&resource, why))?
            }
            (Objects::All, metric) => {
                let metric = self.metric(metric.as_deref().unwrap_or_default());
                let metric = metric.map_err(|why| self.nothing(&resource, why))?;
                self.all(&resource, namespace, &metric)?
            }
        };
        Ok(Found { resource, values })
    }

    /// The namespace to look in: none for a cluster-scoped resource, which the HPA asks for under its own namespace.
    /// A namespace under the path of another is refused: a role in one must not open the metrics of the other.
    fn namespace(&self, resource: &ResourceType) -> Result<Option<&str>, Why> {
        let namespace = self.path.namespace.as_deref();
        match (resource.scope, namespace) {
            (Scope::Namespaced, None) => Err(Why::NeedsNamespace),
            (Scope::Namespaced, Some(namespace)) => Ok(Some(namespace)),
            (Scope::Cluster, Some(other))
                if resource.resource.is_namespaces()
                    && self.path.objects != Objects::Named(other.to_owned()) =>
            {
                Err(Why::OtherNamespace(other.to_owned()))
            }
            (Scope::Cluster, _) => Ok(None),
        }
    }

    fn metric(&self, name: &str) -> Result<MetricName, Why> {
        MetricName::new(name).map_err(Why::BadName)
    }

    fn one(&self, object: &ObjectRef, metric: &MetricName) -> Result<Vec<MetricValue>, Why> {
        let presence = self.cluster.presence(object);
        let absence = match self.store.read(object, metric, self.query(&presence)) {
            Ok(value) => return Ok(vec![value]),
            Err(absence) => absence,
        };
        if *absence.root() == Absence::UnknownMetric {
            match self.of_pods(object, metric, &Allowance::new()) {
                Ok(value) => return Ok(vec![value]),
                Err(Some(why)) => return Err(Why::NotOwned(why)),
                Err(None) => {}
            }
        }
        match absence {
            Absence::UnknownMetric => Err(self.unwritten(object, &presence, Some(metric))),
            absence => Err(Why::Absent(Box::new(self.lack(object, &presence, (metric, absence))))),
        }
    }

    fn every_metric(&self, object: &ObjectRef) -> Result<Vec<MetricValue>, Why> {
        let presence = self.cluster.presence(object);
        let values = self.store.read_all(object, self.query(&presence));
        if values.is_empty() { Err(self.unwritten(object, &presence, None)) } else { Ok(values) }
    }

    fn all(
        &self,
        resource: &ResourceType,
        namespace: Option<&str>,
        metric: &MetricName,
    ) -> Result<Vec<MetricValue>, ApiError> {
        let (candidates, standalone) = match self.cluster.list(resource, namespace, &self.query.objects) {
            Ok(live) => (live.into_iter().map(candidate).collect(), false),
            Err(Unavailable::Standalone) => (self.written(resource, namespace), true),
            Err(unavailable) => return Err(ApiError::Unavailable(unavailable)),
        };
        let allowance = Allowance::new();
        let read =
            |(object, presence): &Candidate| match self.store.read(object, metric, self.query(presence)) {
                Err(absence) if *absence.root() == Absence::UnknownMetric => {
                    self.of_pods(object, metric, &allowance).ok()
                }
                read => read.ok(),
            };
        let values: Vec<MetricValue> = candidates.iter().filter_map(read).collect();
        if !values.is_empty() {
            return Ok(values);
        }
        let why = match candidates.len() {
            0 => Why::NoObjects {
                namespace: namespace.map(str::to_owned),
                selector: self.query.objects.to_string(),
                standalone,
                is_namespace_absent: namespace.is_some_and(|namespace| self.is_absent(namespace)),
            },
            objects => self.none_has_it(resource, metric, &candidates, objects),
        };
        Err(self.nothing(resource, why))
    }

    /// What `*` stands for without a cluster: whatever something was written for. Such objects have no labels.
    fn written(&self, resource: &ResourceType, namespace: Option<&str>) -> Vec<Candidate> {
        if !self.query.objects.matches(&Labels::default()) {
            return Vec::new();
        }
        let written = self.store.written(&resource.resource, namespace);
        written.into_iter().map(|object| (object, Presence::Unknown)).collect()
    }

    fn none_has_it(
        &self,
        resource: &ResourceType,
        metric: &MetricName,
        candidates: &[Candidate],
        objects: usize,
    ) -> Why {
        let example = candidates.iter().find_map(|(object, presence)| {
            match self.store.read(object, metric, self.query(presence)) {
                Ok(_) | Err(Absence::UnknownMetric) => None,
                Err(absence) => {
                    let lack = self.lack(object, presence, (metric, absence));
                    Some(Box::new((object.clone(), lack)))
                }
            }
        });
        if let Some(example) = example {
            return Why::NoneUsable { objects, example };
        }
        let nearest = self.store.nearest_metric(&resource.resource, metric);
        let names = candidates.iter().map(|(object, _)| self.store.metrics_of(object));
        let others = names.take(LOOKED_AT).find(|names| !names.is_empty()).unwrap_or_default();
        let others = others.into_iter().take(MENTIONED).collect();
        Why::NoneHasIt { objects, scraped: self.scraped(candidates), others, nearest }
    }

    /// How many of these pods are scraped or ask to be, and why one cannot be.
    fn scraped(&self, candidates: &[Candidate]) -> Scraped {
        let mut scraped = Scraped::default();
        for (object, presence) in candidates {
            match self.target(object, presence) {
                Some(PodTarget::Refused(problem)) => {
                    scraped.refused += 1;
                    scraped.problem.get_or_insert(problem);
                }
                Some(PodTarget::At { .. }) => scraped.targets += 1,
                None => {}
            }
        }
        scraped
    }

    fn target(&self, object: &ObjectRef, presence: &Presence) -> Option<PodTarget> {
        match presence {
            Presence::Live(live) if object.resource == GroupResource::pods() => {
                (self.clues.target)(&live.uid)
            }
            _ => None,
        }
    }

    fn lack(
        &self,
        object: &ObjectRef,
        presence: &Presence,
        (metric, absence): (&MetricName, Absence),
    ) -> Lack {
        let label_sets = match absence {
            Absence::NoSeries => self.store.label_sets(&Subject::Object(object.clone()), metric, LABEL_SETS),
            _ => Vec::new(),
        };
        let selector = self.query.metrics.to_string();
        Lack { absence, target: self.target(object, presence), label_sets, selector }
    }

    fn is_absent(&self, namespace: &str) -> bool {
        self.cluster.presence(&ObjectRef::namespace(namespace)) == Presence::Absent
    }

    fn unwritten(&self, object: &ObjectRef, presence: &Presence, metric: Option<&MetricName>) -> Why {
        let exists = match presence {
            Presence::Live(_) => Some(true),
            Presence::Absent => Some(false),
            Presence::Unknown => None,
        };
        let any = MetricSelector::default();
        let query = Query { selector: &any, ..self.query(presence) };
        let others = self.store.read_all(object, query).into_iter().map(|value| value.metric).take(MENTIONED);
        let others = others.collect();
        let nearest = metric.and_then(|metric| self.store.nearest_metric(&object.resource, metric));
        let (target, started) = (self.target(object, presence), self.clues.started);
        Why::Unwritten { object: Box::new(object.clone()), exists, target, started, others, nearest }
    }

    fn query<'q>(&'q self, presence: &'q Presence) -> Query<'q> {
        Query { presence, selector: &self.query.metrics, now: self.now }
    }

    fn nothing(&self, resource: &ResourceType, why: Why) -> ApiError {
        let name = match &self.path.objects {
            Objects::Named(name) => Some(name.clone()),
            Objects::All => None,
        };
        ApiError::NotFound(Box::new(NotFound {
            metric: self.path.metric.clone(),
            resource: resource.resource.clone(),
            name,
            metric_selector: self.query.metrics.to_string(),
            why,
        }))
    }
}

/// Names that an error may go on to mention; it shows fewer, and says that there are more.
const MENTIONED: usize = 32;

/// Label sets that an error mentions.
pub(super) const LABEL_SETS: usize = 4;

/// Objects that are asked what they have instead.
const LOOKED_AT: usize = 100;

fn object(resource: &ResourceType, namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef { resource: resource.resource.clone(), namespace: namespace.map(Arc::from), name: name.into() }
}

fn candidate(live: Arc<LiveObject>) -> Candidate {
    (live.object.clone(), Presence::Live(live))
}
