//! The series of one subject: an object's, or a namespace's external ones.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{Labels, LiveObject, MetricName, Presence, Sample, Uid};

use super::{
    Absence,
    recent::{Places, Recent},
    scraped::Scraped,
    wishes::Wishes,
};

/// What is known of one subject.
#[derive(Default)]
pub(super) struct Slot {
    /// Written series, sorted by metric and labels.
    written: Vec<Series>,
    /// Whose written past is asked for.
    pub(super) wishes: Wishes,
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
    /// Its values before this one, where they are asked for.
    pub(super) recent: Recent,
    /// Where the journal has it, if replicas share that.
    pub(super) version: Option<u64>,
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

    /// The series of one label set of a metric.
    pub(super) fn get(&self, metric: &MetricName, labels: &Labels) -> Option<&Series> {
        self.written.get(self.position(metric, labels).ok()?)
    }

    /// Puts `series` in its place; gives back the one that stood there, or `series` if that is the older one.
    pub(super) fn put(&mut self, series: Series, places: &Places) -> Option<Series> {
        match self.position(&series.metric, &series.labels) {
            Ok(at) => self.written.get_mut(at).map(|old| old.replaced_by(series, (&self.wishes, places))),
            Err(at) => {
                self.written.insert(at, series);
                None
            }
        }
    }

    /// Puts many in their places at once, as one by one; gives back those that have none. One by one each new series
    /// would move all that sort behind it.
    pub(super) fn put_all(&mut self, series: Vec<Series>, places: &Places) -> Vec<Series> {
        let (held, mut old) = (self.written.len(), Vec::new());
        for series in series {
            match self
                .written
                .get(..held)
                .unwrap_or_default()
                .binary_search_by(|other| other.cmp_place(&series))
            {
                Ok(at) => old.extend(
                    self.written.get_mut(at).map(|old| old.replaced_by(series, (&self.wishes, places))),
                ),
                Err(_) => self.written.push(series),
            }
        }
        self.written.sort_by(Series::cmp_place);
        let wishes = &self.wishes;
        self.written.dedup_by(|later, earlier| {
            let same = later.cmp_place(earlier).is_eq();
            if same {
                old.push(earlier.replaced_by(later.clone(), (wishes, places)));
            }
            same
        });
        old
    }

    /// Removes the values that `series` could not replace because they were measured later; gives them back.
    pub(super) fn yield_to(&mut self, series: &[Series]) -> Vec<Series> {
        let outlives = |held: &Series| {
            series.iter().any(|later| held.cmp_place(later).is_eq() && held.is_newer_than(later))
        };
        let yields = |later: &Series| {
            self.get(&later.metric, &later.labels).is_some_and(|held| held.is_newer_than(later))
        };
        // Nearly never, so that the second search need not be quick.
        if series.iter().any(yields) { self.retain(|held| !outlives(held)) } else { Vec::new() }
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
    /// The order of a slot: two of one place are one series.
    fn cmp_place(&self, other: &Self) -> std::cmp::Ordering {
        (&self.metric, &self.labels).cmp(&(&other.metric, &other.labels))
    }

    /// Takes the place of this one unless it is older; gives back the one that has lost it.
    fn replaced_by(&mut self, mut series: Self, (wishes, places): (&Wishes, &Places)) -> Self {
        if self.is_newer_than(&series) {
            return series;
        }
        if let Some(window) = wishes.window_of(self.metric.as_str(), series.received) {
            series.recent = std::mem::take(&mut self.recent);
            let now = series.received;
            series.recent.push((self.sample.timestamp, self.sample.value), window, (places, now));
        }
        std::mem::replace(self, series)
    }

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
        self.expires.filter(|expires| *expires <= now).map(|at| Absence::Expired { at })
    }

    /// An estimate of its heap bytes: the struct and the label text. Names and UIDs are shared, so not counted.
    pub(super) fn bytes(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        size_of::<Self>() + labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Quantity;

    fn series(metric: &str, value: &str) -> Series {
        let sample = Sample {
            value: Quantity::parse(value).unwrap(),
            timestamp: Timestamp::UNIX_EPOCH,
            window_seconds: None,
        };
        let (metric, received) = (MetricName::new(metric).unwrap(), Timestamp::UNIX_EPOCH);
        Series {
            metric,
            labels: Labels::default(),
            sample,
            received,
            expires: None,
            uid: None,
            recent: Recent::default(),
            version: None,
        }
    }

    fn shown(series: &[Series]) -> Vec<String> {
        series.iter().map(|series| format!("{}={}", series.metric, series.sample.value)).collect()
    }

    #[test]
    fn many_series_in_any_order_find_the_places_that_they_find_one_by_one() {
        let puts =
            [("d", "1"), ("b", "2"), ("d", "3"), ("a", "4"), ("c", "5"), ("b", "6"), ("d", "7"), ("b", "8")];
        let places = Places::default();
        let (early, late) = puts.split_at(2);
        let (mut one_by_one, mut at_once) = (Slot::default(), Slot::default());
        let all = |puts: &[(&str, &str)]| puts.iter().map(|(m, v)| series(m, v)).collect::<Vec<_>>();
        let mut old: Vec<Series> =
            all(&puts).into_iter().filter_map(|one| one_by_one.put(one, &places)).collect();
        assert!(at_once.put_all(all(early), &places).is_empty());
        let mut replaced = at_once.put_all(all(late), &places);
        assert_eq!(shown(&at_once.written), ["a=4", "b=8", "c=5", "d=7"]);
        assert_eq!(shown(&at_once.written), shown(&one_by_one.written));
        for olds in [&mut old, &mut replaced] {
            olds.sort_by_key(|series| series.sample.value.to_string());
        }
        assert_eq!(shown(&old), shown(&replaced));
    }
}
