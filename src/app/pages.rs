//! What the operators' pages show, gathered from the parts.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Addresses,
    parts::{Parts, mode},
};
use crate::{
    admin::{Listener, Sources, Status, StatusCheck},
    config::Config,
    scrape::Scraper,
};

pub(super) fn sources(config: &Config, parts: &Parts, addresses: Addresses) -> Sources {
    let (mode, started) = (mode(config), Timestamp::now());
    let (readiness, scraper) = (parts.readiness.clone(), parts.scraper.clone());
    let check = |(name, failure)| StatusCheck { name, failure };
    let status = move || Status {
        version: env!("CARGO_PKG_VERSION"),
        mode,
        started,
        listeners: listeners(addresses),
        checks: readiness.failures().into_iter().map(check).collect(),
    };
    let counted = parts.scraper.clone();
    Sources {
        store: parts.store.clone(),
        counts: Arc::new(move || counted.as_ref().map(Scraper::counts).unwrap_or_default()),
        targets: Arc::new(move || scraper.as_ref().map(Scraper::targets).unwrap_or_default()),
        status: Arc::new(status),
    }
}

fn listeners(addresses: Addresses) -> Vec<Listener> {
    vec![
        Listener { purpose: "Metrics API (TLS)", address: addresses.secure },
        Listener { purpose: "Writes", address: addresses.write },
        Listener { purpose: "This page", address: addresses.admin },
    ]
}
