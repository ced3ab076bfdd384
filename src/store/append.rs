//! Values in.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::model::{Labels, MetricName, Sample, Subject, Tenant, Uid};

use super::{
    AppendError, Store,
    catalog::Listed,
    recent::Recent,
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

/// A value that was admitted elsewhere.
#[derive(Clone, PartialEq, Debug)]
pub struct Applied {
    /// The value.
    pub write: Write,
    /// When it was received.
    pub received: Timestamp,
    /// Where the journal has it: later values of a series have higher ones.
    pub version: u64,
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

/// A batch whose new series have their room. Dropped, it gives the room back.
pub struct Admitted {
    store: Store,
    batch: Vec<Write>,
    reserved: SeriesCount,
    now: Timestamp,
}

impl Admitted {
    /// The batch.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.batch
    }

    /// When it was received.
    #[must_use]
    pub fn received(&self) -> Timestamp {
        self.now
    }

    /// Stores the batch.
    pub fn put(self) {
        self.put_in(true);
    }

    fn put_in(mut self, may_grow: bool) {
        let (store, batch) = (&self.store, std::mem::take(&mut self.batch));
        let added = if may_grow && batch.len() > 1 {
            store.put_by_subject(batch, self.now)
        } else {
            counted(batch.into_iter().filter_map(|write| store.put(write, self.now)))
        };
        // A concurrent writer may have added or removed one of the series since they were counted.
        added.iter().for_each(|(tenant, series)| store.0.written.recount(tenant, 0, *series));
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.reserved.iter().for_each(|(tenant, series)| self.store.0.written.give_back(tenant, *series));
    }
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
        self.admit(batch, now)?.put_in(turn.is_some());
        Ok(())
    }

    /// Takes room for the new series of `batch`, all of them or none. What is admitted always fits; until it is put, no
    /// read sees it. Batches that are admitted beside each other count a series that is new in both twice.
    ///
    /// # Errors
    /// When the new series do not fit a limit.
    pub fn admit(&self, batch: Vec<Write>, now: Timestamp) -> Result<Admitted, AppendError> {
        let reserved = self.reserve(&batch, now)?;
        Ok(Admitted { store: self.clone(), batch, reserved, now })
    }

    /// Stores what was admitted elsewhere: no limit refuses it, and each takes the place of the value before it, whatever
    /// it says of its moment. So stores to which the same is applied in the same order are equal. All values of one
    /// subject are stored in one step; of two of one series the last has to be the only one.
    pub fn apply(&self, values: Vec<Applied>) {
        let mut subjects: HashMap<Subject, Vec<Series>> = HashMap::new();
        for Applied { write, received, version } in values {
            let (subject, series) = write.into_series(received);
            subjects.entry(subject).or_default().push(Series { version: Some(version), ..series });
        }
        for (subject, series) in subjects {
            let tenant = Tenant::from(&subject);
            let added = self.put_all_by(subject, series, Slot::yield_to);
            self.0.written.recount(&tenant, 0, added);
        }
    }

    /// Where the journal has the value of a series, if it was applied.
    #[must_use]
    pub fn version(&self, subject: &Subject, metric: &MetricName, labels: &Labels) -> Option<u64> {
        self.0.slots.look(subject, |slot| slot.get(metric, labels)?.version).flatten()
    }

    /// The label sets of a written metric.
    #[must_use]
    pub fn written_labels(&self, subject: &Subject, metric: &MetricName) -> Vec<Labels> {
        let labels = |slot: &Slot| slot.of(metric).iter().map(|series| series.labels.clone()).collect();
        self.0.slots.look(subject, labels).unwrap_or_default()
    }

    /// Drops each written value that `keep` does not name.
    pub fn retain_written(&self, keep: impl Fn(&Subject, &MetricName, &Labels) -> bool) {
        for subject in self.0.slots.subjects() {
            self.prune(&subject, |slot| slot.retain(|series| keep(&subject, &series.metric, &series.labels)));
        }
    }

    /// Whether the series of `write` is held, with whatever value.
    #[must_use]
    pub fn holds(&self, write: &Write) -> bool {
        self.has(write)
    }

    /// Removes written values; how many series that were.
    pub fn remove(&self, removal: &Removal) -> usize {
        let matches = |series: &Series| {
            series.metric == removal.metric
                && removal.labels.as_ref().is_none_or(|labels| series.labels == *labels)
        };
        self.prune(&removal.subject, |slot| slot.retain(|series| !matches(series)))
    }

    /// Takes the new series of `batch` off the allowance of their tenants: all, or none.
    fn reserve(&self, batch: &[Write], now: Timestamp) -> Result<SeriesCount, AppendError> {
        let new = self.count_new(batch)?;
        let written = &self.0.written;
        let mut reserved = SeriesCount::new();
        for (tenant, series) in new {
            if let Err(refusal) = written.take(&tenant, series) {
                written.count_refusal(&refusal);
                self.log_share(&tenant, &refusal, now);
                reserved.iter().for_each(|(tenant, series)| written.give_back(tenant, *series));
                return Err(refusal);
            }
            reserved.insert(tenant, series);
        }
        Ok(reserved)
    }

    /// All writers of a namespace reach its share together: it is logged once in a while for all of them.
    fn log_share(&self, tenant: &Tenant, refusal: &AppendError, now: Timestamp) {
        if refusal.is_share() && self.0.quiet.may_say(tenant, "writes", now) {
            tracing::warn!(%tenant, error = %refusal, "a namespace has its share: writes of new series are refused");
        }
    }

    fn count_new(&self, batch: &[Write]) -> Result<SeriesCount, AppendError> {
        let mut new: HashMap<&Subject, std::collections::HashSet<(&MetricName, &Labels)>> = HashMap::new();
        for write in batch.iter().filter(|write| !self.has(write)) {
            new.entry(&write.subject).or_default().insert((&write.metric, &write.labels));
        }
        for (subject, series) in &new {
            self.check_subject(subject, series.len())?;
        }
        Ok(counted(new.iter().map(|(subject, series)| (Tenant::from(*subject), series.len()))))
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

    /// Whose new series the write made, if it made one.
    fn put(&self, write: Write, now: Timestamp) -> Option<(Tenant, usize)> {
        let (subject, series) = write.into_series(now);
        let metric = series.metric.clone();
        self.0.written_bytes.charge(series.bytes());
        let listed = Listed::of(&subject);
        let tenant = Tenant::from(&subject);
        self.0.slots.fill(subject, |slot| {
            let old = slot.put(series, &self.0.places);
            match &old {
                Some(old) => self.0.written_bytes.refund(old.bytes()),
                // While the slot is held: whoever removes the series next finds its name counted.
                None => self.0.names.add(&listed, &metric),
            }
            old.is_none().then_some((tenant, 1))
        })
    }

    /// Puts a batch with new series; how many were new.
    fn put_by_subject(&self, batch: Vec<Write>, now: Timestamp) -> SeriesCount {
        let mut subjects: HashMap<Subject, Vec<Series>> = HashMap::new();
        for write in batch {
            let (subject, series) = write.into_series(now);
            subjects.entry(subject).or_default().push(series);
        }
        counted(subjects.into_iter().map(|(subject, series)| {
            let tenant = Tenant::from(&subject);
            (tenant, self.put_all(subject, series))
        }))
    }

    fn put_all(&self, subject: Subject, series: Vec<Series>) -> usize {
        self.put_all_by(subject, series, |_, _| Vec::new())
    }

    fn put_all_by(
        &self,
        subject: Subject,
        series: Vec<Series>,
        before: impl FnOnce(&mut Slot, &[Series]) -> Vec<Series>,
    ) -> usize {
        let listed = Listed::of(&subject);
        self.0.slots.fill(subject, |slot| {
            let held = slot.len();
            for series in &series {
                self.0.written_bytes.charge(series.bytes());
                self.0.names.add(&listed, &series.metric);
            }
            let mut gone = before(slot, &series);
            gone.extend(slot.put_all(series, &self.0.places));
            for old in gone {
                self.0.written_bytes.refund(old.bytes());
                self.0.names.remove(&listed, &old.metric);
            }
            slot.len() - held
        })
    }
}

/// Numbers of series by tenant, in the order of their names: of two refusals the same one is told each time.
type SeriesCount = BTreeMap<Tenant, usize>;

fn counted(series: impl Iterator<Item = (Tenant, usize)>) -> SeriesCount {
    let mut counted = SeriesCount::new();
    for (tenant, series) in series {
        *counted.entry(tenant).or_default() += series;
    }
    counted
}

impl Write {
    fn into_series(self, now: Timestamp) -> (Subject, Series) {
        let Self { subject, uid, metric, labels, sample, ttl } = self;
        let expires = ttl.and_then(|ttl| now.checked_add(ttl).ok());
        let recent = Recent::default();
        (subject, Series { metric, labels, sample, received: now, expires, uid, recent, version: None })
    }
}
