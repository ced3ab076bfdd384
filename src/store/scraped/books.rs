//! What targets take of the limits, and what they give back.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Failure, Scraped, history::History, listed, shape::Shape};
use crate::{
    model::Tenant,
    store::{
        AppendError, Inner, LimitKind, Store, TargetOptions,
        catalog::Listed,
        room::{Kept, Wish},
    },
};

impl Store {
    /// Accounts for a target's new shape: there has to be room for two scrapes of what is new, for its rates.
    pub(super) fn reshape(
        &self,
        target: &Arc<Scraped>,
        old: Option<&Shape>,
        new: &Shape,
    ) -> Result<(), AppendError> {
        let Inner { bytes, scraped, holders, .. } = &*self.0;
        let old_len = old.map_or(0, Shape::len);
        let more = new.len().saturating_sub(old_len);
        let more_bytes = more.saturating_mul(2 * size_of::<f64>());
        let wish = |budget, more| Wish { budget, target, more };
        self.fit(wish(bytes, more_bytes), || bytes.check(&target.tenant, more_bytes))?;
        self.fit(wish(scraped, more), || scraped.take(&target.tenant, more))?;
        scraped.give_back(&target.tenant, old_len.saturating_sub(new.len()));
        if old.is_none() {
            holders.insert(target);
        }
        self.name(&target.options, old, new);
        Ok(())
    }

    /// Puts what a history grew by on the books, cut to what is left, but never to less than two scrapes: an HPA
    /// would be told for ever to wait for the next one. So targets that came when there was room can pass the limit
    /// by one scrape each, nine bytes a series.
    pub(super) fn account(&self, tenant: &Tenant, before: usize, history: &mut History) {
        let grew = |history: &History| history.bytes().saturating_sub(before);
        while self.0.bytes.check(tenant, grew(history)).is_err() && history.forget_oldest() {}
        let after = history.bytes();
        self.0.scraped_bytes.recount(before, after);
        self.0.bytes.recount(tenant, before, after);
    }

    fn name(&self, options: &TargetOptions, old: Option<&Shape>, new: &Shape) {
        let under = Listed::Under(options.object.resource.clone());
        let (old, new) = (old.map(|old| listed(old, options)).unwrap_or_default(), listed(new, options));
        new.difference(&old).for_each(|metric| self.0.names.add(&under, metric));
        old.difference(&new).for_each(|metric| self.0.names.remove(&under, metric));
    }

    /// Puts a target in the place of another one of the same name, with its history and all that goes with it.
    pub(super) fn replace(&self, old: &Arc<Scraped>, options: TargetOptions) -> Arc<Scraped> {
        let mut new = Scraped::new(options);
        new.history = old.history.clone();
        new.wishes = old.wishes.clone();
        new.kept = Mutex::new(old.kept.lock().take());
        new.failure = Mutex::new(old.failure.lock().clone());
        new.lost = Mutex::new(old.lost.lock().clone());
        let new = Arc::new(new);
        let mut history = new.history.write();
        self.0.holders.remove(old);
        if let Some(history) = history.as_mut() {
            history.set_span(new.options.span());
            self.0.holders.insert(&new);
            if old.options.raw_counters != new.options.raw_counters
                || old.options.derived != new.options.derived
            {
                self.name(&old.options, Some(history.shape()), &Shape::default());
                self.name(&new.options, None, history.shape());
            }
        }
        drop(history);
        self.0.slots.change(&new.options.object.clone().into(), |slot| {
            let place = slot.scraped.iter_mut().find(|other| Arc::ptr_eq(other, old));
            place.into_iter().for_each(|place| *place = new.clone());
        });
        new
    }

    /// Takes a target out of its object and off the books; nothing if that was done already.
    pub(in crate::store) fn detach(&self, scraped: &Arc<Scraped>) {
        let subject = scraped.options.object.clone().into();
        self.0.slots.change(&subject, |slot| slot.scraped.retain(|other| !Arc::ptr_eq(other, scraped)));
        if let Some(history) = scraped.history.write().take() {
            self.release(scraped, &history);
        }
    }

    /// Takes what a target holds from it, because `refusal` says that others need the room. A target that is being
    /// scraped or read keeps it: waiting for it here could wait for ever.
    pub(in crate::store) fn displace(&self, target: &Scraped, refusal: &AppendError) {
        let Some(mut history) = target.history.try_write() else { return };
        let Some(history) = history.take() else { return };
        target.lose(history.shape());
        self.release(target, &history);
        let error =
            format!("its series gave way to those of an older pod or a smaller namespace: {refusal}").into();
        *target.failure.lock() = Some(Failure { error, timed_out: false });
    }

    /// Takes a target off the books that has just lost its history.
    fn release(&self, target: &Scraped, history: &History) {
        self.0.holders.remove(target);
        target.kept.lock().take();
        self.0.scraped.give_back(&target.tenant, history.shape().len());
        self.0.scraped_bytes.refund(history.bytes());
        self.0.bytes.give_back(&target.tenant, history.bytes());
        self.name(&target.options, Some(history.shape()), &Shape::default());
    }
}

impl Scraped {
    /// What is free of a limit when this target gives way; nothing while it is being read or scraped.
    pub(in crate::store) fn holds(&self, kind: LimitKind) -> usize {
        let Some(history) = self.history.try_read() else { return 0 };
        let Some(history) = history.as_ref() else { return 0 };
        match kind {
            LimitKind::WrittenSeries => 0,
            LimitKind::ScrapedSeries => history.shape().len(),
            LimitKind::ScrapedBytes => history.bytes() + self.kept.lock().as_ref().map_or(0, Kept::own_bytes),
        }
    }
}
