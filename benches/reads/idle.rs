//! The pages of an adapter that has nothing but values.

use std::{future, sync::Arc};

use custom_metrics_adapter::{
    admin::{Hpas, ReadsRow, Sources, Status},
    hpa::Listing,
    model::Presence,
    scrape::TargetCounts,
    store::Store,
};
use jiff::Timestamp;

pub(crate) fn sources(store: Store) -> Sources {
    let listing = || Listing { at: Timestamp::now(), hpas: Vec::new(), notice: None };
    Sources {
        monitors: Arc::new(Vec::new),
        store,
        targets: Arc::new(Vec::new),
        counts: Arc::new(TargetCounts::default),
        presence: Arc::new(|_| Presence::Unknown),
        hpas: Hpas { list: Arc::new(listing), one: Arc::new(|_, _| Box::pin(future::ready(None))) },
        reads: Arc::new(Vec::new),
        status: Arc::new(status),
    }
}

fn status() -> Status {
    Status {
        version: "",
        mode: "cluster",
        started: Timestamp::now(),
        listeners: Vec::new(),
        checks: Vec::new(),
        watches: Vec::new(),
        discovery: None,
        reads: ReadsRow::default(),
        limits: Vec::new(),
        certificate_ends: Timestamp::now(),
        trends: Vec::new(),
        journal: None,
    }
}
