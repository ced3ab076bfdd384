//! What the log says of a namespace, once in a while: it may have thousands of targets that fail in the same way.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use crate::model::Tenant;

/// When each thing was said, within the last `QUIET`.
#[derive(Default)]
pub struct Quiet(Mutex<HashMap<(Tenant, &'static str), Timestamp, RandomState>>);

impl Quiet {
    /// Whether to say `what` of a namespace at `now`; if so it counts as said.
    pub fn may_say(&self, tenant: &Tenant, what: &'static str, now: Timestamp) -> bool {
        let mut said = self.0.lock();
        let key = (tenant.clone(), what);
        if said.get(&key).is_some_and(|at| now.duration_since(*at) < QUIET) {
            return false;
        }
        said.retain(|_, at| now.duration_since(*at) < QUIET);
        said.insert(key, now);
        true
    }
}

const QUIET: SignedDuration = SignedDuration::from_mins(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_of_one_namespace_is_said_once_in_a_while() {
        let (quiet, start) = (Quiet::default(), Timestamp::UNIX_EPOCH);
        let tenant = |name: &str| Tenant::Namespace(name.into());
        let says =
            |name, what, after| quiet.may_say(&tenant(name), what, start + SignedDuration::from_secs(after));
        assert!(says("shop", "targets", 0) && !says("shop", "targets", 299));
        assert!(says("blog", "targets", 1) && says("shop", "bytes", 1));
        assert!(says("shop", "targets", 300) && !says("shop", "bytes", 300));
        assert_eq!(quiet.0.lock().len(), 3);
    }
}
