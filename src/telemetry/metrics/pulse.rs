//! How reads go, for the status page: few numbers, without labels.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::StatusCode;
use jiff::Timestamp;

use crate::api::observe::{Ended, Place};

/// Counts of reads, and when each API was last asked.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    discovery: AtomicI64,
    custom: AtomicI64,
    external: AtomicI64,
    answered: AtomicU64,
    without_value: AtomicU64,
    failed: AtomicU64,
}

/// The same at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reads {
    /// When kube-apiserver last asked for discovery.
    pub discovery: Option<Timestamp>,
    /// When a custom metric was last read.
    pub custom: Option<Timestamp>,
    /// When an external metric was last read.
    pub external: Option<Timestamp>,
    /// Reads that served a value.
    pub answered: u64,
    /// Reads for which there was none.
    pub without_value: u64,
    /// Reads that failed.
    pub failed: u64,
}

impl Pulse {
    pub(super) fn ended(&self, ended: &Ended) {
        let asked = match ended.place {
            Place::Resources | Place::Group | Place::Groups => &self.discovery,
            Place::Object | Place::Value | Place::Values => &self.custom,
            Place::External => &self.external,
            _ => return,
        };
        asked.store(Timestamp::now().as_second(), Ordering::Relaxed);
        if !std::ptr::eq(asked, &self.discovery) {
            self.outcome(ended).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn outcome(&self, ended: &Ended) -> &AtomicU64 {
        match (ended.status, ended.miss) {
            (Some(StatusCode::OK), None) => &self.answered,
            (Some(StatusCode::OK | StatusCode::NOT_FOUND), _) => &self.without_value,
            _ => &self.failed,
        }
    }

    pub(super) fn now(&self) -> Reads {
        let moment = |at: &AtomicI64| Some(at.load(Ordering::Relaxed)).filter(|at| *at > 0);
        let moment = |at| moment(at).and_then(|at| Timestamp::from_second(at).ok());
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reads {
            discovery: moment(&self.discovery),
            custom: moment(&self.custom),
            external: moment(&self.external),
            answered: count(&self.answered),
            without_value: count(&self.without_value),
            failed: count(&self.failed),
        }
    }
}
