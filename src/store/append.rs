//! Values in.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Labels, MetricName, Sample, Subject, Uid};

use super::{
    AppendError, Store,
    catalog::Listed,
    slot::{Series, Slot},
};

/// One value to store.
#[derive(Clone, PartialEq, Debug)]
pub struct Write {
    /// What it is about.
    pub subject: Subject,
    /// The UID of the object that it lives with, if the cluster has it.
    pub uid: Option<Uid>,
    /// Which metric.
    pub metric: MetricName,
    /// The metric's own labels.
    pub labels: Labels,
    /// The number and its moment.
    pub sample: Sample,
    /// How long it may be served, counted from the write; `None` is until something replaces or removes it.
    pub ttl: Option<SignedDuration>,
}

/// Which values to remove.
#[derive(Clone, PartialEq, Debug)]
pub struct Removal {
    /// Of what.
    pub subject: Subject,
    /// Of which metric.
    pub metric: MetricName,
    /// Only this label set; `None` is every one.
    pub labels: Option<Labels>,
}

impl Store {
    /// Stores all of `batch`, or nothing. A series that exists is overwritten, unless the write says that it was measured
    /// before the stored value ([`Store::outdated`]). Within a batch the last of two writes to one series wins, by the
    /// same rule.
    ///
    /// Batches with new series take turns, so that two cannot both take the last place of an object. One that only
    /// overwrites, the usual case, takes none: if what it overwrites is removed at that very moment it adds it again,
    /// and an object may have so many series more than its limit.
    ///
    /// # Errors
    /// When the new series do not fit a limit; overwriting always fits.
    pub fn append(&self, batch: Vec<Write>, now: Timestamp) -> Result<(), AppendError> {
        let turn = batch.iter().any(|write| !self.has(write)).then(|| self.0.growth.lock());
        let new = self.count_new(&batch)?;
        self.0.written.reserve(new, self.0.limits.series)?;
        let added = match turn {
            Some(_) if batch.len() > 1 => self.put_by_subject(batch, now),
            _ => batch.into_iter().map(|write| self.put(write, now)).filter(|added| *added).count(),
        };
        self.0.written.settle(new, added);
        Ok(())
    }

    /// Removes written values; how many series that were.
    pub fn remove(&self, removal: &Removal) -> usize {
        let matches = |series: &Series| {
            series.metric == removal.metric
                && removal.labels.as_ref().is_none_or(|labels| series.labels == *labels)
        };
        self.prune(&removal.subject, |slot| slot.retain(|series| !matches(series)))
    }

    fn count_new(&self, batch: &[Write]) -> Result<usize, AppendError> {
        let mut new: HashMap<&Subject, std::collections::HashSet<(&MetricName, &Labels)>> = HashMap::new();
        for write in batch.iter().filter(|write| !self.has(write)) {
            new.entry(&write.subject).or_default().insert((&write.metric, &write.labels));
        }
        for (subject, series) in &new {
            self.check_subject(subject, series.len())?;
        }
        Ok(new.values().map(std::collections::HashSet::len).sum())
    }

    fn has(&self, write: &Write) -> bool {
        self.0.slots.look(&write.subject, |slot| slot.has(&write.metric, &write.labels)).unwrap_or_default()
    }

    fn check_subject(&self, subject: &Subject, new: usize) -> Result<(), AppendError> {
        let held = self.0.slots.look(subject, Slot::len).unwrap_or_default();
        let limit = self.0.limits.series_per_object;
        if held + new <= limit {
            return Ok(());
        }
        Err(AppendError::ObjectFull { object: subject.to_string(), held, limit })
    }

    /// Whether the write made a new series.
    fn put(&self, write: Write, now: Timestamp) -> bool {
        let (subject, series) = write.into_series(now);
        let metric = series.metric.clone();
        self.0.written.charge(series.bytes());
        let listed = Listed::of(&subject);
        self.0.slots.fill(subject, |slot| {
            let old = slot.put(series);
            match &old {
                Some(old) => self.0.written.refund(old.bytes()),
                // While the slot is held: whoever removes the series next finds its name counted.
                None => self.0.names.add(&listed, &metric),
            }
            old.is_none()
        })
    }

    /// Puts a batch with new series; how many were new.
    fn put_by_subject(&self, batch: Vec<Write>, now: Timestamp) -> usize {
        let mut subjects: HashMap<Subject, Vec<Series>> = HashMap::new();
        for write in batch {
            let (subject, series) = write.into_series(now);
            subjects.entry(subject).or_default().push(series);
        }
        subjects.into_iter().map(|(subject, series)| self.put_all(subject, series)).sum()
    }

    fn put_all(&self, subject: Subject, series: Vec<Series>) -> usize {
        let listed = Listed::of(&subject);
        self.0.slots.fill(subject, |slot| {
            let held = slot.len();
            for series in &series {
                self.0.written.charge(series.bytes());
                self.0.names.add(&listed, &series.metric);
            }
            for old in slot.put_all(series) {
                self.0.written.refund(old.bytes());
                self.0.names.remove(&listed, &old.metric);
            }
            slot.len() - held
        })
    }
}

impl Write {
    fn into_series(self, now: Timestamp) -> (Subject, Series) {
        let Self { subject, uid, metric, labels, sample, ttl } = self;
        let expires = ttl.and_then(|ttl| now.checked_add(ttl).ok());
        (subject, Series { metric, labels, sample, received: now, expires, uid })
    }
}
