//! What the operators' pages show, gathered from the parts.

use std::sync::Arc;

use jiff::Timestamp;

use super::Addresses;
use crate::{
    admin::{Listener, Sources, Status, StatusCheck},
    checks::Readiness,
    scrape::Scraper,
    store::Store,
};

/// The parts that pages look at.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) scraper: Option<Scraper>,
    pub(super) readiness: Readiness,
    pub(super) mode: &'static str,
    pub(super) addresses: Addresses,
}

pub(super) fn sources(parts: Parts) -> Sources {
    let Parts { store, scraper, readiness, mode, addresses } = parts;
    let started = Timestamp::now();
    let listeners = vec![
        Listener { purpose: "Metrics API (TLS)", address: addresses.secure },
        Listener { purpose: "Writes", address: addresses.write },
        Listener { purpose: "This page", address: addresses.admin },
    ];
    let status = move || Status {
        version: env!("CARGO_PKG_VERSION"),
        mode,
        started,
        listeners: listeners.clone(),
        checks: readiness
            .failures()
            .into_iter()
            .map(|(name, failure)| StatusCheck { name, failure })
            .collect(),
    };
    Sources {
        store,
        targets: Arc::new(move || scraper.as_ref().map(Scraper::targets).unwrap_or_default()),
        status: Arc::new(status),
        metrics: Arc::new(String::new),
    }
}
