//! Which of two values of one series is the newer one.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::model::{Labels, MetricName, Subject, Uid};

use super::{
    Store, Write,
    slot::{Series, Slot},
};

/// A write that says that it was measured before the value that is stored. It changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a newer value of {metric} is stored, of {stored}, and this one is of {written}: the newer one stays; without a \
     timestamp a value counts as new"
)]
pub struct Outdated {
    /// Which metric.
    pub metric: MetricName,
    /// When the newer value was measured.
    pub stored: Timestamp,
    /// When this one was.
    pub written: Timestamp,
}

impl Store {
    /// The writes of `batch`, by position, that are older than what is stored or than an earlier write of the batch.
    /// Appending them changes nothing, and is no error either: this is asked before.
    #[must_use]
    pub fn outdated(&self, batch: &[Write], now: Timestamp) -> Vec<(usize, Outdated)> {
        if batch.iter().all(|write| write.sample.timestamp >= now) {
            return Vec::new();
        }
        let mut earlier = HashMap::new();
        let several = batch.len() > 1;
        let mut outdated = Vec::new();
        for (at, write) in batch.iter().enumerate() {
            let place = (&write.subject, &write.metric, &write.labels);
            let written = Moment::of_write(write, now);
            let stored = earlier.get(&place).cloned().or_else(|| self.moment(place));
            match stored.filter(|stored: &Moment| stored.is_newer_than(&written, now)) {
                Some(stored) => outdated.push((at, written.outdated_by(&stored, &write.metric))),
                None if several => drop(earlier.insert(place, written)),
                None => {}
            }
        }
        outdated
    }

    fn moment(&self, (subject, metric, labels): (&Subject, &MetricName, &Labels)) -> Option<Moment> {
        let look = |slot: &Slot| slot.get(metric, labels).map(Moment::of_series);
        self.0.slots.look(subject, look).flatten()
    }
}

/// When a value was measured, and what decides whether that counts.
#[derive(Clone, PartialEq, Debug)]
struct Moment {
    measured: Timestamp,
    received: Timestamp,
    expires: Option<Timestamp>,
    uid: Option<Uid>,
}

impl Moment {
    fn of_write(write: &Write, now: Timestamp) -> Self {
        let expires = write.ttl.and_then(|ttl| now.checked_add(ttl).ok());
        Self { measured: write.sample.timestamp, received: now, expires, uid: write.uid.clone() }
    }

    fn of_series(series: &Series) -> Self {
        let Series { received, expires, .. } = *series;
        Self { measured: series.sample.timestamp, received, expires, uid: series.uid.clone() }
    }

    /// Whether `written`, received at `now`, must not take this one's place.
    ///
    /// - A write without a timestamp was measured when it was received, and always takes it: a clock that is put back
    ///   must not freeze values.
    /// - A value that is no longer served, because its ttl has passed or its object is another one, keeps nothing out.
    /// - A timestamp ahead of the clock counts as the time of its receipt: it keeps out nothing that is measured later.
    /// - `date +%s` has whole seconds: such a timestamp is compared by the second.
    fn is_newer_than(&self, written: &Self, now: Timestamp) -> bool {
        let is_served = self.expires.is_none_or(|expires| expires > now) && self.uid == written.uid;
        let measured = self.measured.min(self.received);
        let earlier = if written.measured.subsec_nanosecond() == 0 {
            written.measured.as_second() < measured.as_second()
        } else {
            written.measured < measured
        };
        is_served && written.measured < written.received && earlier
    }

    fn outdated_by(&self, stored: &Self, metric: &MetricName) -> Outdated {
        Outdated { metric: metric.clone(), stored: stored.measured, written: self.measured }
    }
}

impl Series {
    /// Whether `written` must not take this one's place.
    pub(super) fn is_newer_than(&self, written: &Self) -> bool {
        Moment::of_series(self).is_newer_than(&Moment::of_series(written), written.received)
    }
}
