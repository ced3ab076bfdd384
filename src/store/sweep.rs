//! What is dropped although nobody asked for it.

use jiff::{SignedDuration, Timestamp};

use crate::model::{ObjectRef, Presence, Subject, Tenant};

use super::{
    Absence, Store,
    slot::{Series, Slot},
};

impl Store {
    /// Drops values that no read will serve again because of their ttl or of what `presence` says of their object.
    /// Cheap enough for every few seconds; but for the last rule correctness does not depend on it, memory does.
    ///
    /// - A value past its ttl stays for another `REMEMBERED`, refused: a reader that comes less often than the
    ///   sweep learns that the writer is late, not that nobody ever wrote. It is listed and counts until then; where
    ///   series come near a limit it goes at once, so that no write is refused for the sake of an explanation.
    /// - A value whose object the cluster does not have `UNCLAIMED` after its last write goes too, an external one
    ///   without its namespace sooner: its writer has a wrong name, or outlived the object, and without a ttl nothing
    ///   else would end it.
    pub fn sweep(&self, now: Timestamp, presence: impl Fn(&ObjectRef) -> Presence) {
        for subject in self.0.slots.subjects() {
            let presence = presence(&subject.lives_with());
            let patience = match &subject {
                Subject::Object(_) => UNCLAIMED,
                Subject::External { .. } => UNCLAIMED_EXTERNAL,
            };
            let is_absent = presence == Presence::Absent;
            let unclaimed = |series: &Series| is_absent && now.duration_since(series.received) >= patience;
            self.prune(&subject, |slot| {
                let remembered = self.remembered(slot, &Tenant::from(&subject));
                slot.retain(|series| !unclaimed(series) && !is_over(series, &presence, now, remembered))
            });
        }
    }

    /// How long expired values of `slot` stay.
    fn remembered(&self, slot: &Slot, tenant: &Tenant) -> SignedDuration {
        let crowded = slot.len() > self.0.limits.series_per_object / 2 || self.0.written.is_crowded(tenant);
        if crowded { SignedDuration::ZERO } else { REMEMBERED }
    }
}

fn is_over(series: &Series, presence: &Presence, now: Timestamp, remembered: SignedDuration) -> bool {
    match series.refusal(presence, now) {
        Some(Absence::Expired { at }) => now.duration_since(at) >= remembered,
        refusal => refusal.is_some(),
    }
}

/// Twenty syncs of the HPA, and the time in which somebody looks at `kubectl describe hpa`.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

/// Enough for an object that is created soon: a rollout that waits for an image, a CRD that is installed after its writer.
const UNCLAIMED: SignedDuration = SignedDuration::from_mins(10);

/// Enough for a script that makes a namespace and writes for it in the next line, before the watch has told of it.
const UNCLAIMED_EXTERNAL: SignedDuration = SignedDuration::from_mins(1);
