//! The series of one subject: an object's, or a namespace's external ones.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Labels, LiveObject, MetricName, Presence, Sample, Uid};

use super::{read::Absence, scraped::Scraped};

/// What is known of one subject.
#[derive(Default)]
pub(super) struct Slot {
    /// Written series, sorted by metric and labels.
    written: Vec<Series>,
    /// Scraped targets.
    pub(super) scraped: Vec<Arc<Scraped>>,
}

/// The newest sample of one label set of one metric.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) metric: MetricName,
    pub(super) labels: Labels,
    pub(super) sample: Sample,
    /// When it was received, which may be later than the sample's own time.
    pub(super) received: Timestamp,
    pub(super) expires: Option<Timestamp>,
    /// The object that it was written for; `None` if that was not known then.
    pub(super) uid: Option<Uid>,
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.scraped.is_empty()
    }

    /// How many series were written.
    pub(super) fn len(&self) -> usize {
        self.written.len()
    }

    pub(super) fn has(&self, metric: &MetricName, labels: &Labels) -> bool {
        self.position(metric, labels).is_ok()
    }

    /// Puts `series` in its place; gives back the one that stood there.
    pub(super) fn put(&mut self, series: Series) -> Option<Series> {
        match self.position(&series.metric, &series.labels) {
            Ok(at) => self.written.get_mut(at).map(|old| std::mem::replace(old, series)),
            Err(at) => {
                self.written.insert(at, series);
                None
            }
        }
    }

    /// Keeps what `keep` says; gives back the rest.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Series) -> bool) -> Vec<Series> {
        self.written.extract_if(.., |series| !keep(series)).collect()
    }

    pub(super) fn adopt(&mut self, live: &LiveObject) -> Vec<Series> {
        let removed = self.retain(|series| series.belongs_to(live));
        for series in &mut self.written {
            series.uid = Some(live.uid.clone());
        }
        removed
    }

    /// Every series of one metric, by label set.
    pub(super) fn of(&self, metric: &MetricName) -> &[Series] {
        let from = self.written.partition_point(|series| series.metric < *metric);
        let rest = self.written.get(from..).unwrap_or_default();
        let count = rest.partition_point(|series| series.metric == *metric);
        rest.get(..count).unwrap_or_default()
    }

    /// The series in groups of one metric each, by name.
    pub(super) fn by_metric(&self) -> impl Iterator<Item = &[Series]> {
        self.written.chunk_by(|a, b| a.metric == b.metric)
    }

    fn position(&self, metric: &MetricName, labels: &Labels) -> Result<usize, usize> {
        self.written.binary_search_by(|series| (&series.metric, &series.labels).cmp(&(metric, labels)))
    }
}

impl Series {
    /// Whether this value is `live`'s: bound to its UID, or unbound and not older than the object. The API server
    /// truncates `creationTimestamp` to a second, so what is written within that second counts.
    fn belongs_to(&self, live: &LiveObject) -> bool {
        self.uid.as_ref().map_or(self.received >= live.created, |uid| *uid == live.uid)
    }

    /// Why this value may not be served now, if so.
    pub(super) fn refusal(&self, presence: &Presence, now: Timestamp) -> Option<Absence> {
        let gone = match presence {
            Presence::Live(live) => !self.belongs_to(live),
            Presence::Absent => self.uid.is_some(),
            Presence::Unknown => false,
        };
        if gone {
            return Some(Absence::ObjectGone);
        }
        self.expires
            .filter(|expires| *expires <= now)
            .map(|expires| Absence::Expired { ago: now.duration_since(expires) })
    }

    /// An estimate of its heap bytes: the struct and the label text. Names and UIDs are shared, so not counted.
    pub(super) fn bytes(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + labels
    }
}
