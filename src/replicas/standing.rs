//! Where a replica stands beside the one that is furthest.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::LeaseSpec;

/// What the Lease says.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Furthest {
    holder: String,
    /// Up to when the holder has everything.
    current: Timestamp,
}

/// What follows from it.
#[derive(PartialEq, Debug)]
pub(super) enum Standing {
    /// Another has what this one lacks.
    Behind(String),
    /// Neither is ahead by much.
    Among,
    /// This one is ahead, and says so.
    Furthest(Timestamp),
}

impl Furthest {
    /// `None` before any replica has said something.
    pub(super) fn of(spec: LeaseSpec) -> Option<Self> {
        Some(Self { holder: spec.holder_identity.unwrap_or_default(), current: spec.renew_time?.0 })
    }
}

impl Standing {
    /// Of a replica that has everything up to `current`.
    pub(super) fn of(current: Option<Timestamp>, furthest: Option<&Furthest>, now: Timestamp) -> Self {
        match (current, furthest) {
            (None, None) => Self::Among,
            (Some(current), None) => Self::Furthest(current),
            (current, Some(furthest)) => furthest.beside(current, now),
        }
    }
}

impl Furthest {
    fn beside(&self, current: Option<Timestamp>, now: Timestamp) -> Standing {
        let Self { holder, current: theirs } = self;
        // The Lease outlives its holder: what it said long ago proves nothing of today.
        let is_alive = now.duration_since(*theirs) < ALIVE;
        match current {
            Some(own) if own.duration_since(*theirs) >= AHEAD => Standing::Furthest(own),
            Some(own) if theirs.duration_since(own) > LAG && is_alive => Standing::Behind(format!(
                "another replica ({holder}) has the written values up to {theirs:.0}, and this one up to {own:.0}: it does not \
                 reach the servers of --journal"
            )),
            None if is_alive => Standing::Behind(format!(
                "another replica ({holder}) has the written values, and this one has none: it does not reach the servers of \
                 --journal"
            )),
            _ => Standing::Among,
        }
    }
}

/// One sync of the HPA: so long a replica may be behind.
const LAG: SignedDuration = SignedDuration::from_secs(15);

/// How much newer a moment has to be to be worth a write to kube-apiserver.
const AHEAD: SignedDuration = SignedDuration::from_secs(4);

/// Six periods of the comparison.
const ALIVE: SignedDuration = SignedDuration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_000_000, 0);

    fn ago(seconds: i64) -> Timestamp {
        NOW - SignedDuration::from_secs(seconds)
    }

    /// A replica that was current so long ago, beside a Lease that says so of another.
    fn standing(own: Option<i64>, theirs: Option<i64>) -> &'static str {
        let furthest = theirs.map(|theirs| Furthest { holder: "b".to_owned(), current: ago(theirs) });
        match Standing::of(own.map(ago), furthest.as_ref(), NOW) {
            Standing::Behind(_) => "behind",
            Standing::Among => "among",
            Standing::Furthest(_) => "furthest",
        }
    }

    #[test]
    fn a_replica_is_behind_only_if_another_that_is_alive_is_ahead_by_a_sync() {
        assert_eq!(standing(Some(1), Some(2)), "among");
        assert_eq!(standing(Some(16), Some(2)), "among");
        assert_eq!(standing(Some(18), Some(2)), "behind");
        assert_eq!(standing(Some(3_600), Some(29)), "behind");
        assert_eq!(standing(Some(3_600), Some(31)), "among", "the servers are away for all");
        assert_eq!(standing(None, Some(2)), "behind", "a start that went on without the journal");
        assert_eq!(standing(None, Some(31)), "among");
        assert_eq!(standing(None, None), "among");
    }

    #[test]
    fn the_replica_that_is_ahead_says_so_now_and_then() {
        assert_eq!(standing(Some(1), None), "furthest");
        assert_eq!(standing(Some(1), Some(5)), "furthest");
        assert_eq!(standing(Some(1), Some(4)), "among");
        assert_eq!(standing(Some(40), Some(90)), "furthest", "also when it is old news");
    }

    #[test]
    fn the_reason_names_the_other_and_both_moments() {
        let furthest = Furthest { holder: "adapter-b".to_owned(), current: ago(2) };
        let Standing::Behind(reason) = Standing::of(Some(ago(60)), Some(&furthest), NOW) else { panic!() };
        assert!(
            reason.starts_with("another replica (adapter-b) has the written values up to 2026-11-18T"),
            "{reason}"
        );
        assert!(reason.ends_with("it does not reach the servers of --journal"), "{reason}");
    }
}
