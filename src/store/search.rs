//! Looking into the store, for people: every series with its value, age and source, and whether it is served.

use jiff::Timestamp;

use crate::model::{Labels, Presence, Subject};

use super::{
    Absence, Presences, Store,
    scraped::Scraped,
    slot::{Series, Slot},
};

/// What to look for; a text that is empty matches everything, others match where they occur.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Search {
    /// In `resource namespace/name`, or `namespace NAME (external)`.
    pub object: String,
    /// In the metric's name.
    pub metric: String,
    /// Each of these is in one of the two, or in the labels, `name=value`.
    pub words: Vec<String>,
    /// How many series to leave out.
    pub offset: usize,
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
    /// Whether it is served.
    pub standing: Standing,
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

/// Whether a series is part of what an HPA may read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is.
    Served,
    /// It is not, and why.
    Refused(Absence),
    /// It is scraped, and a value was written under its name.
    Hidden,
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
    pub fn search(&self, search: &Search, now: Timestamp, presences: Presences<'_>) -> Found {
        let mut subjects: Vec<Subject> = self.0.slots.subjects();
        subjects.retain(|subject| contains(&subject.to_string(), &search.object));
        subjects.sort();
        let mut found = Finding { found: Found::default(), search, now };
        for subject in &subjects {
            let presence = presences(&subject.lives_with());
            let place = (subject, &*subject.to_string(), &presence);
            let targets = self.0.slots.look(subject, |slot| {
                found.look_into(place, slot);
                let names = slot.by_metric().filter_map(|series| Some(series.first()?.metric.to_string()));
                (slot.scraped.clone(), names.collect::<Vec<_>>())
            });
            // The slot is free again: a target has thousands of series.
            let (targets, hiding) = targets.unwrap_or_default();
            targets.iter().for_each(|target| found.look_at(place, target, &hiding));
        }
        found.found
    }
}

/// A search under way.
struct Finding<'s> {
    found: Found,
    search: &'s Search,
    now: Timestamp,
}

/// A subject, how it is written, and what the cluster says of it.
type Place<'a> = (&'a Subject, &'a str, &'a Presence);

impl Finding<'_> {
    fn look_into(&mut self, (subject, text, presence): Place<'_>, slot: &Slot) {
        let (search, now) = (self.search, self.now);
        let series =
            slot.by_metric().flatten().filter(|series| contains(series.metric.as_str(), &search.metric));
        for series in series {
            let labels = || series.labels.to_string();
            if search.has_words(text, series.metric.as_str(), labels) {
                let standing = series.refusal(presence, now).map_or(Standing::Served, Standing::Refused);
                self.add(|| written(subject, series, standing));
            }
        }
    }

    fn look_at(&mut self, (subject, text, presence): Place<'_>, target: &Scraped, hiding: &[String]) {
        let (search, now) = (self.search, self.now);
        let refusal = target.refusal(presence, now);
        let wanted = |name: &str| contains(name, &search.metric);
        target.search(wanted, |metric, labels, value, at| {
            let pairs = || Labels::from_pairs(labels.iter());
            if !search.has_words(text, metric, || pairs().to_string()) {
                return;
            }
            let is_hidden = hiding.iter().any(|name| name == metric);
            let unrefused = || if is_hidden { Standing::Hidden } else { Standing::Served };
            let standing = refusal.clone().map_or_else(unrefused, Standing::Refused);
            self.add(|| scraped(subject, target, (metric, pairs()), ((value, at), standing)));
        });
    }

    fn add(&mut self, stored: impl FnOnce() -> Stored) {
        let place = self.found.total;
        self.found.total += 1;
        if place >= self.search.offset && self.found.series.len() < self.search.limit {
            self.found.series.push(stored());
        }
    }
}

impl Search {
    /// The labels are made only where a word is still missing.
    fn has_words(&self, subject: &str, metric: &str, labels: impl Fn() -> String) -> bool {
        let mut missing =
            self.words.iter().filter(|word| !subject.contains(*word) && !metric.contains(*word));
        missing.all(|word| labels().contains(word))
    }
}

fn written(subject: &Subject, series: &Series, standing: Standing) -> Stored {
    Stored {
        subject: subject.clone(),
        metric: series.metric.to_string(),
        labels: series.labels.clone(),
        value: series.sample.value.to_string(),
        timestamp: series.sample.timestamp,
        source: Source::Written { expires: series.expires },
        standing,
    }
}

fn scraped(
    subject: &Subject,
    target: &Scraped,
    (metric, labels): (&str, Labels),
    ((value, at), standing): ((f64, i64), Standing),
) -> Stored {
    Stored {
        subject: subject.clone(),
        metric: metric.to_owned(),
        labels,
        value: value.to_string(),
        timestamp: Timestamp::from_millisecond(at).unwrap_or_default(),
        source: Source::Scraped { target: target.name().to_owned() },
        standing,
    }
}

fn contains(text: &str, part: &str) -> bool {
    part.is_empty() || text.contains(part)
}
