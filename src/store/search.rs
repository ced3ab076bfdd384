//! Looking into the store, for people: every series with its value, age and source.

use jiff::Timestamp;

use crate::model::{Labels, Subject};

use super::{Store, scraped::Scraped, slot::Series};

/// What to look for; a text that is empty matches everything, others match where they occur.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Search {
    /// In `resource namespace/name`, or `namespace NAME (external)`.
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
    pub subject: Subject,
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

/// The first series that were found, by what they are about and name, and how many there are.
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
        let mut subjects: Vec<Subject> = self.0.slots.subjects();
        subjects.retain(|subject| contains(&subject.to_string(), &search.object));
        subjects.sort();
        let mut found = Found::default();
        for subject in &subjects {
            self.search_subject(subject, search, &mut found);
        }
        found
    }

    fn search_subject(&self, subject: &Subject, search: &Search, found: &mut Found) {
        let targets = self.0.slots.look(subject, |slot| {
            let series = slot.by_metric().flatten();
            for series in series.filter(|series| contains(series.metric.as_str(), &search.metric)) {
                found.add(search.limit, || written(subject, series));
            }
            slot.scraped.clone()
        });
        for target in &targets.unwrap_or_default() {
            target.search(&search.metric, |metric, labels, value, at| {
                found.add(search.limit, || scraped(subject, target, (metric, labels), (value, at)));
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

fn written(subject: &Subject, series: &Series) -> Stored {
    Stored {
        subject: subject.clone(),
        metric: series.metric.to_string(),
        labels: series.labels.clone(),
        value: series.sample.value.to_string(),
        timestamp: series.sample.timestamp,
        source: Source::Written { expires: series.expires },
    }
}

fn scraped(
    subject: &Subject,
    target: &Scraped,
    (metric, labels): (&str, super::PackedLabels<'_>),
    (value, at): (f64, i64),
) -> Stored {
    Stored {
        subject: subject.clone(),
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
