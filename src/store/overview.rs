//! The metrics that an HPA could ask for, for people: by namespace and resource, with what their objects have.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use crate::model::{GroupResource, MetricName, MetricSelector, ObjectRef, Presence, Sample, Subject};

use super::{Absence, Query, Store};

/// What the cluster says of an object.
pub type Presences<'a> = &'a dyn Fn(&ObjectRef) -> Presence;

/// Which metrics are looked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Each of these words is in the object or the metric's name.
    pub words: Vec<String>,
    /// Only of this resource; `Some(None)` is external metrics.
    pub resource: Option<Option<GroupResource>>,
    /// Only this metric.
    pub metric: Option<MetricName>,
    /// Only of this namespace.
    pub namespace: Option<String>,
}

/// One metric of one object, or of a namespace's external metrics.
#[derive(Clone, PartialEq, Debug)]
pub struct Reading {
    /// What it is about.
    pub subject: Subject,
    /// Which metric.
    pub metric: MetricName,
    /// Where it comes from, and what is done with it.
    pub kind: Kind,
    /// What an HPA reads now, or why it reads nothing.
    pub value: Result<Sample, Absence>,
}

/// Where a value comes from, and what is done with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Written.
    Written,
    /// Scraped, and read as it is exposed.
    Gauge,
    /// A counter, or the observations of a histogram or summary, each second.
    Rate,
    /// The mean of what a histogram or summary observed.
    Average,
    /// A quantile of a histogram or summary.
    Quantile,
    /// A counter as it is exposed.
    RawCounter,
}

impl Kind {
    /// As pages have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Gauge => "gauge",
            Self::Rate => "rate",
            Self::Average => "average",
            Self::Quantile => "quantile",
            Self::RawCounter => "raw counter",
        }
    }
}

/// The same metric of all objects of one resource in one namespace.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricOverview {
    /// The resource of the objects; `None` for an external metric.
    pub resource: Option<GroupResource>,
    /// Their namespace; `None` for cluster-scoped ones.
    pub namespace: Option<Arc<str>>,
    /// Which metric.
    pub metric: MetricName,
    /// Where its values come from; of several the first.
    pub kind: Kind,
    /// Objects that have the metric.
    pub objects: usize,
    /// Those of them that an HPA gets a value of.
    pub with_value: usize,
    /// Least, mean and greatest value.
    pub range: Option<(f64, f64, f64)>,
    /// The moment of the oldest value.
    pub oldest: Option<Timestamp>,
    /// Why one of them has no value.
    pub lack: Option<Absence>,
}

/// What was found.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Overview {
    /// By namespace, resource and name.
    pub metrics: Vec<MetricOverview>,
    /// Whether everything was looked at.
    pub is_whole: bool,
}

/// Namespace, resource and metric.
type Key = (Option<Arc<str>>, Option<GroupResource>, MetricName);

impl MetricOverview {
    /// Objects that an HPA gets no value of.
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.objects.saturating_sub(self.with_value)
    }
}

impl Store {
    /// What HPAs could ask for. It reads up to `READS` values: for a page that a person opens.
    #[must_use]
    pub fn overview(&self, wanted: &Wanted, now: Timestamp, presences: Presences<'_>) -> Overview {
        let mut metrics: BTreeMap<Key, MetricOverview> = BTreeMap::new();
        let is_whole = self.each_reading(wanted, now, presences, |reading| {
            let (resource, namespace) = place(&reading.subject);
            let key = (namespace, resource, reading.metric.clone());
            metrics.entry(key).or_insert_with_key(|key| MetricOverview::of(key, reading.kind)).add(&reading);
        });
        Overview { metrics: metrics.into_values().collect(), is_whole }
    }

    /// One metric of each object that has it, by name; whether that is all.
    #[must_use]
    pub fn readings(
        &self,
        wanted: &Wanted,
        now: Timestamp,
        presences: Presences<'_>,
    ) -> (Vec<Reading>, bool) {
        let mut readings = Vec::new();
        let is_whole = self.each_reading(wanted, now, presences, |reading| readings.push(reading));
        (readings, is_whole)
    }

    fn each_reading(
        &self,
        wanted: &Wanted,
        now: Timestamp,
        presences: Presences<'_>,
        mut each: impl FnMut(Reading),
    ) -> bool {
        let mut subjects = self.0.slots.subjects();
        subjects.retain(|subject| wanted.wants_subject(subject));
        subjects.sort();
        let mut room = READS;
        for subject in subjects {
            let text = subject.to_string();
            let presence = presences(&subject.lives_with());
            let mut metrics = self.names_of(&subject);
            metrics.retain(|metric| wanted.wants(&text, metric));
            let fits = metrics.len().min(room);
            let is_whole = fits == metrics.len();
            let reading = |metric| self.reading(subject.clone(), metric, (&presence, now));
            metrics.into_iter().take(fits).map(reading).for_each(&mut each);
            room -= fits;
            if !is_whole {
                return false;
            }
        }
        true
    }

    fn names_of(&self, subject: &Subject) -> Vec<MetricName> {
        match subject {
            Subject::Object(object) => self.metrics_of(object),
            Subject::External { namespace } => {
                let Some(slot) = self.0.slots.external(namespace) else { return Vec::new() };
                slot.by_metric().filter_map(|series| Some(series.first()?.metric.clone())).collect()
            }
        }
    }

    fn reading(
        &self,
        subject: Subject,
        metric: MetricName,
        (presence, now): (&Presence, Timestamp),
    ) -> Reading {
        let any = MetricSelector::default();
        let query = Query { presence, selector: &any, now };
        let (value, kind) = match &subject {
            Subject::Object(object) => {
                (self.read(object, &metric, query).map(|value| value.sample), self.kind(object, &metric))
            }
            Subject::External { namespace } => (self.external_sum(namespace, &metric, query), Kind::Written),
        };
        Reading { subject, metric, kind, value }
    }

    fn external_sum(
        &self,
        namespace: &str,
        metric: &MetricName,
        query: Query<'_>,
    ) -> Result<Sample, Absence> {
        let slot = self.0.slots.external(namespace).ok_or(Absence::UnknownMetric)?;
        super::read::written(&slot, metric, query)
    }

    fn kind(&self, object: &ObjectRef, metric: &MetricName) -> Kind {
        let Some(slot) = self.0.slots.object(object) else { return Kind::Written };
        if !slot.of(metric).is_empty() {
            return Kind::Written;
        }
        slot.scraped.iter().find_map(|target| target.kind(metric.as_str())).unwrap_or(Kind::Gauge)
    }
}

impl Wanted {
    fn wants_subject(&self, subject: &Subject) -> bool {
        let (resource, namespace) = place(subject);
        self.resource.as_ref().is_none_or(|wanted| *wanted == resource)
            && self
                .namespace
                .as_deref()
                .is_none_or(|wanted| namespace.as_deref().unwrap_or_default() == wanted)
    }

    fn wants(&self, subject: &str, metric: &MetricName) -> bool {
        self.metric.as_ref().is_none_or(|wanted| wanted == metric)
            && self.words.iter().all(|word| subject.contains(word) || metric.as_str().contains(word))
    }
}

fn place(subject: &Subject) -> (Option<GroupResource>, Option<Arc<str>>) {
    match subject {
        Subject::Object(object) => (Some(object.resource.clone()), object.namespace.clone()),
        Subject::External { namespace } => (None, Some(namespace.clone())),
    }
}

impl MetricOverview {
    fn of((namespace, resource, metric): &Key, kind: Kind) -> Self {
        Self {
            resource: resource.clone(),
            namespace: namespace.clone(),
            metric: metric.clone(),
            kind,
            objects: 0,
            with_value: 0,
            range: None,
            oldest: None,
            lack: None,
        }
    }

    fn add(&mut self, reading: &Reading) {
        self.objects += 1;
        match &reading.value {
            Ok(sample) => {
                let (value, before) = (sample.value.to_f64(), self.with_value as f64);
                self.with_value += 1;
                let (least, mean, greatest) = self.range.unwrap_or((value, value, value));
                let mean = (mean * before + value) / (before + 1.0);
                self.range = Some((least.min(value), mean, greatest.max(value)));
                self.oldest =
                    Some(self.oldest.map_or(sample.timestamp, |oldest| oldest.min(sample.timestamp)));
            }
            Err(absence) => self.lack = self.lack.take().or_else(|| Some(absence.clone())),
        }
    }
}

/// A read of a rate takes some microseconds.
const READS: usize = 100_000;
