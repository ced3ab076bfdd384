//! Metrics that are computed from pods, which discovery lists for as long as somebody asks for them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::{
    model::{GroupResource, MetricName},
    store::Catalog,
};

/// A metric of a resource; of none if it is an external one.
type Key = (Option<GroupResource>, MetricName);

/// What was asked for lately and had a value.
#[derive(Default)]
pub(in crate::api) struct AskedFor {
    /// With the moment of the last question.
    known: Mutex<BTreeMap<Key, Timestamp>>,
    generation: AtomicU64,
}

impl AskedFor {
    /// A read of `metric` had a value.
    pub(in crate::api) fn note(&self, resource: Option<&GroupResource>, metric: &MetricName, now: Timestamp) {
        let mut known = self.known.lock();
        let key = (resource.cloned(), metric.clone());
        if let Some(asked) = known.get_mut(&key) {
            *asked = now;
        } else if known.len() < MOST {
            known.insert(key, now);
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A number that moves when something comes or goes; what nobody asks for any more goes.
    pub(super) fn generation(&self, now: Timestamp) -> u64 {
        let mut known = self.known.lock();
        let before = known.len();
        known.retain(|_, asked| now.duration_since(*asked) <= REMEMBERED);
        if known.len() != before {
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
        self.generation.load(Ordering::Relaxed)
    }

    /// A catalog with these among its metrics.
    pub(super) fn added_to(&self, catalog: &Catalog) -> Catalog {
        let mut all = catalog.clone();
        for (resource, metric) in self.known.lock().keys() {
            match resource {
                Some(resource) => insert(&mut all.metrics, (resource.clone(), metric.clone())),
                None => insert(&mut all.external, metric.clone()),
            }
        }
        all
    }
}

fn insert<T: Ord>(sorted: &mut Vec<T>, new: T) {
    if let Err(at) = sorted.binary_search(&new) {
        sorted.insert(at, new);
    }
}

/// Metrics that are remembered.
const MOST: usize = 1_000;

/// An HPA asks each 15 s.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(10);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn listed(asked: &AskedFor) -> (Vec<String>, Vec<String>) {
        let all = asked.added_to(&Catalog::default());
        let custom = all.metrics.iter().map(|(resource, metric)| format!("{resource}/{metric}"));
        (custom.collect(), all.external.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_asked_for_is_listed_until_nobody_has_asked_for_ten_minutes() {
        let (asked, metric) = (AskedFor::default(), MetricName::new("qps").unwrap());
        let services = GroupResource::new("", "services");
        asked.note(Some(&services), &metric, NOW);
        asked.note(None, &metric, NOW + SignedDuration::from_mins(5));
        let first = asked.generation(NOW + SignedDuration::from_mins(5));
        assert_eq!(listed(&asked), (vec!["services/qps".to_owned()], vec!["qps".to_owned()]));
        asked.note(None, &metric, NOW + SignedDuration::from_mins(6));
        assert_eq!(asked.generation(NOW + SignedDuration::from_mins(6)), first, "nothing is new");
        assert_ne!(asked.generation(NOW + SignedDuration::from_mins(11)), first);
        assert_eq!(listed(&asked), (vec![], vec!["qps".to_owned()]));
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let asked = AskedFor::default();
        for n in 0..=MOST {
            asked.note(None, &MetricName::new(&format!("m{n}")).unwrap(), NOW);
        }
        assert_eq!(listed(&asked).1.len(), MOST);
    }
}
