//! Looking into the store, for people: every series with its value, age and source.

use jiff::Timestamp;

use crate::model::{Labels, ObjectRef};

use super::{Store, scraped::Scraped, slot::Series};

/// What to look for; a text that is empty matches everything, others match where they occur.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Search {
    /// In `resource namespace/name`.
    pub object: String,
    /// In the metric's name.
    pub metric: String,
    /// How many series to give back.
    pub limit: usize,
}

/// One stored series.
#[derive(Clone, PartialEq, Debug)]
pub struct Stored {
    /// What it is about.
    pub object: ObjectRef,
    /// Its name, for scraped ones as the target exposes it.
    pub metric: String,
    /// Its labels.
    pub labels: Labels,
    /// Its newest value, as text; of scraped ones it may be NaN or infinite.
    pub value: String,
    /// When that was true.
    pub timestamp: Timestamp,
    /// Where it came from.
    pub source: Source,
}

/// Where a series came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// `/write-metrics`.
    Written {
        /// When it stops being served, if its ttl says so.
        expires: Option<Timestamp>,
    },
    /// A scrape.
    Scraped {
        /// The target's name within its object.
        target: String,
    },
}

/// The first series that were found, by object and name, and how many there are.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Found {
    /// The first of them.
    pub series: Vec<Stored>,
    /// All of them.
    pub total: usize,
}

impl Store {
    /// Looks for series. It visits every object: for a page that a person opens, not for a program that polls.
    #[must_use]
    pub fn search(&self, search: &Search) -> Found {
        let mut objects: Vec<ObjectRef> = self.0.objects.iter().map(|slot| slot.key().clone()).collect();
        objects.retain(|object| contains(&object.to_string(), &search.object));
        objects.sort();
        let mut found = Found::default();
        for object in &objects {
            self.search_object(object, search, &mut found);
        }
        found
    }

    fn search_object(&self, object: &ObjectRef, search: &Search, found: &mut Found) {
        let Some(slot) = self.0.objects.get(object) else { return };
        let matching =
            slot.by_metric().flatten().filter(|series| contains(series.metric.as_str(), &search.metric));
        for series in matching {
            found.add(search.limit, || written(object, series));
        }
        let targets = slot.scraped.clone();
        drop(slot);
        for target in &targets {
            target.search(&search.metric, |metric, labels, value, at| {
                found.add(search.limit, || scraped(object, target, (metric, labels), (value, at)));
            });
        }
    }
}

impl Found {
    fn add(&mut self, limit: usize, stored: impl FnOnce() -> Stored) {
        self.total += 1;
        if self.series.len() < limit {
            self.series.push(stored());
        }
    }
}

fn written(object: &ObjectRef, series: &Series) -> Stored {
    Stored {
        object: object.clone(),
        metric: series.metric.to_string(),
        labels: series.labels.clone(),
        value: series.sample.value.to_string(),
        timestamp: series.sample.timestamp,
        source: Source::Written { expires: series.expires },
    }
}

fn scraped(
    object: &ObjectRef,
    target: &Scraped,
    (metric, labels): (&str, super::PackedLabels<'_>),
    (value, at): (f64, i64),
) -> Stored {
    Stored {
        object: object.clone(),
        metric: metric.to_owned(),
        labels: Labels::from_pairs(labels.iter()),
        value: value.to_string(),
        timestamp: Timestamp::from_millisecond(at).unwrap_or_default(),
        source: Source::Scraped { target: target.name().to_owned() },
    }
}

fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.contains(part)
}
