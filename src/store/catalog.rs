//! Which metrics exist, for discovery and for the nearest name in an error.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::model::{GroupResource, MetricName, Subject};

/// The metrics that exist at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalog {
    /// Grows with each change, so that what is derived from a catalog can be cached by it.
    pub generation: u64,
    /// Resource and metric, sorted, each once.
    pub metrics: Vec<(GroupResource, MetricName)>,
    /// External metrics of whatever namespace, sorted, each once.
    pub external: Vec<MetricName>,
}

/// Where discovery lists a metric.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Listed {
    /// Under a resource.
    Under(GroupResource),
    /// Among the external ones.
    External,
}

impl Catalog {
    /// The metric of `resource` whose name is most like `metric`, if one is like it at all.
    #[must_use]
    pub fn nearest(&self, resource: &GroupResource, metric: &MetricName) -> Option<MetricName> {
        nearest(self.metrics.iter().filter(|(of, _)| of == resource).map(|(_, name)| name), metric)
    }
}

impl Listed {
    pub(super) fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Object(object) => Self::Under(object.resource.clone()),
            Subject::External { .. } => Self::External,
        }
    }
}

/// The one of `names` that is most like `metric`, if one is like it at all.
#[must_use]
pub fn nearest<'a>(names: impl Iterator<Item = &'a MetricName>, metric: &MetricName) -> Option<MetricName> {
    names
        .filter(|name| alike_in_length(name, metric))
        .take(COMPARED)
        .map(|name| (strsim::jaro_winkler(name.as_str(), metric.as_str()), name))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.clone())
}

/// Counts series by name; a name with none is gone.
#[derive(Default)]
pub(super) struct Names(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    series: BTreeMap<(Listed, MetricName), usize>,
    generation: u64,
    catalog: Arc<Catalog>,
}

impl Names {
    pub(super) fn add(&self, listed: &Listed, metric: &MetricName) {
        let mut counted = self.0.lock();
        let key = (listed.clone(), metric.clone());
        let count = counted.series.entry(key).or_default();
        *count += 1;
        if *count == 1 {
            counted.generation += 1;
        }
    }

    pub(super) fn remove(&self, listed: &Listed, metric: &MetricName) {
        let mut counted = self.0.lock();
        let key = (listed.clone(), metric.clone());
        let Some(count) = counted.series.get_mut(&key) else { return };
        *count -= 1;
        if *count == 0 {
            counted.series.remove(&key);
            counted.generation += 1;
        }
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        let mut counted = self.0.lock();
        if counted.catalog.generation != counted.generation {
            counted.catalog = Arc::new(counted.list());
        }
        counted.catalog.clone()
    }
}

impl Counted {
    fn list(&self) -> Catalog {
        let mut catalog = Catalog { generation: self.generation, ..Catalog::default() };
        for (listed, metric) in self.series.keys() {
            match listed {
                Listed::Under(resource) => catalog.metrics.push((resource.clone(), metric.clone())),
                Listed::External => catalog.external.push(metric.clone()),
            }
        }
        catalog
    }
}

fn alike_in_length(a: &MetricName, b: &MetricName) -> bool {
    a.as_str().len().abs_diff(b.as_str().len()) <= 16
}

/// Names that an error is worth comparing with: whoever writes a hundred thousand of them gets no suggestion, and
/// nobody else waits for one.
const COMPARED: usize = 1_000;

/// Below this Jaro-Winkler likeness a suggestion confuses more than it helps.
const LIKE: f64 = 0.75;
