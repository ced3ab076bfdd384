//! Which metrics exist, for discovery and for the nearest name in an error.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::model::{GroupResource, MetricName};

/// The metrics that exist at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalog {
    /// Grows with each change, so that what is derived from a catalog can be cached by it.
    pub generation: u64,
    /// Resource and metric, sorted, each once.
    pub metrics: Vec<(GroupResource, MetricName)>,
}

impl Catalog {
    /// The metric of `resource` whose name is most like `metric`, if one is like it at all.
    #[must_use]
    pub fn nearest(&self, resource: &GroupResource, metric: &MetricName) -> Option<MetricName> {
        self.metrics
            .iter()
            .filter(|(of, name)| of == resource && alike_in_length(name, metric))
            .take(COMPARED)
            .map(|(_, name)| (strsim::jaro_winkler(name.as_str(), metric.as_str()), name))
            .filter(|(likeness, _)| *likeness > LIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name.clone())
    }
}

/// Counts series by name; a name with none is gone.
#[derive(Default)]
pub(super) struct Names(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    series: BTreeMap<(GroupResource, MetricName), usize>,
    generation: u64,
    catalog: Arc<Catalog>,
}

impl Names {
    pub(super) fn add(&self, resource: &GroupResource, metric: &MetricName) {
        let mut counted = self.0.lock();
        let key = (resource.clone(), metric.clone());
        let count = counted.series.entry(key).or_default();
        *count += 1;
        if *count == 1 {
            counted.generation += 1;
        }
    }

    pub(super) fn remove(&self, resource: &GroupResource, metric: &MetricName) {
        let mut counted = self.0.lock();
        let key = (resource.clone(), metric.clone());
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
            let metrics = counted.series.keys().cloned().collect();
            counted.catalog = Arc::new(Catalog { generation: counted.generation, metrics });
        }
        counted.catalog.clone()
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
