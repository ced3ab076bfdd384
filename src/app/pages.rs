//! What the operators' pages show, gathered from the parts.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Addresses,
    parts::{Parts, mode},
};
use crate::{
    admin::{Hpas, Listener, Sources, Status, StatusCheck},
    config::Config,
    insight::Insight,
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
        hpas: hpas(&parts.insight),
        status: Arc::new(status),
    }
}

fn hpas(insight: &Insight) -> Hpas {
    let (list, one) = (insight.clone(), insight.clone());
    Hpas {
        list: Arc::new(move || list.listing()),
        one: Arc::new(move |namespace, name| {
            let insight = one.clone();
            Box::pin(async move { insight.detail(namespace, name).await })
        }),
    }
}

fn listeners(addresses: Addresses) -> Vec<Listener> {
    vec![
        Listener { purpose: "Metrics API (TLS)", address: addresses.secure },
        Listener { purpose: "Writes", address: addresses.write },
        Listener { purpose: "This page", address: addresses.admin },
    ]
}
