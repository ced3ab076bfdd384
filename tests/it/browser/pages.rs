//! What the pages have to show: every state there is, and names and errors as long as they get.

use std::sync::Arc;

use custom_metrics_adapter::{
    admin::{DiscoveryRow, Listener, Sources, Status, StatusCheck, WatchRow},
    scrape::{ErrorClass, Health, LastError, LastScrape, TargetStatus},
    store::Store,
};
use jiff::{SignedDuration, Timestamp};

use crate::world::{cluster_scoped, namespaced, pod, store, value};

pub(super) fn sources() -> Sources {
    Sources { store: values(), targets: Arc::new(targets), status: Arc::new(status) }
}

fn values() -> Store {
    let written = "2026-11-24T09:00:00Z";
    let unbroken = "x".repeat(253);
    let labels = format!("method=GET,path={},code=200,zone={}", "p".repeat(63), "z".repeat(63));
    store(vec![
        value(&pod("web-7c9d5f6b8-x2x4q"), "requests_per_second", "41500m", "", written),
        value(&pod(&unbroken), &"m".repeat(256), "9223372036854775", &labels, written),
        value(&pod("web-0"), "http_request_duration_seconds_p99", "250m", &labels, written),
        value(&namespaced("services", "checkout"), "queue_depth", "-3", "queue=orders", written),
        value(&cluster_scoped("nodes", "node-1"), "load", "1500m", "", written),
    ])
}

fn status() -> Status {
    let check = |name: &str, failure: Option<&str>| StatusCheck {
        name: name.into(),
        failure: failure.map(Into::into),
    };
    let listener = |purpose, address: &str| Listener { purpose, address: address.parse().unwrap() };
    Status {
        version: "0.1.0",
        mode: "cluster",
        started: Timestamp::now() - SignedDuration::from_hours(70),
        listeners: vec![
            listener("Metrics API (TLS)", "[::]:6443"),
            listener("Writes", "[2001:db8:1111:2222:3333:4444:5555:6666]:8080"),
            listener("This page", "[::]:9090"),
        ],
        checks: vec![
            check("discovery-loaded", None),
            check("pods-synced", Some(&format!("the watch failed: {}: connection refused", url('q')))),
            check("shutdown", None),
        ],
        watches: ["synced", "listing", "failing", "refused"].into_iter().map(watch).collect(),
        discovery: Some(DiscoveryRow {
            state: "failing",
            since: Some(Timestamp::now() - SignedDuration::from_hours(3)),
            resources: 123,
            partial_groups: vec!["g".repeat(60), format!("{}.example.com", "p".repeat(60))],
            last_error: Some(format!("no answer from {}", url('d'))),
        }),
    }
}

fn watch(state: &'static str) -> WatchRow {
    WatchRow {
        resource: format!("{}.{}", "r".repeat(63), "g".repeat(100)),
        state,
        since: Timestamp::now() - SignedDuration::from_secs(90),
        objects: 50_000,
        last_error: (state != "synced").then(|| format!("cannot list: {}", url('w'))),
    }
}

fn targets() -> Vec<TargetStatus> {
    let all = [Health::Up, Health::Down, Health::Refused, Health::Unknown, Health::Terminating];
    all.into_iter().map(target).collect()
}

fn target(health: Health) -> TargetStatus {
    let scraped = !matches!(health, Health::Refused | Health::Unknown);
    let problem =
        format!("annotation prometheus.io/port: \"{}\" is neither a port nor its name", "9".repeat(120));
    let now = Timestamp::now();
    TargetStatus {
        namespace: "n".repeat(63),
        pod: format!("{}-{}", "web".repeat(80), "x2x4q"),
        url: scraped.then(|| url('u')),
        health,
        problems: if health == Health::Refused { vec![problem] } else { Vec::new() },
        interval_seconds: 15.0,
        next_scrape: scraped.then(|| now + SignedDuration::from_secs(9)),
        last_scrape: scraped.then(|| last_scrape(health, now)),
        last_good: None,
        failures: u32::from(health == Health::Down) * 1234,
    }
}

fn last_scrape(health: Health, now: Timestamp) -> LastScrape {
    let message = format!("connecting to {}: tcp connect error: no route to host (os error 113)", url('e'));
    let error = (health == Health::Down).then_some(LastError { class: ErrorClass::Connect, message });
    LastScrape {
        at: now - SignedDuration::from_secs(6),
        duration_seconds: 0.0123,
        samples: 1_234_567,
        series: 1_234_567,
        bytes: 123_456_789,
        wire_bytes: 12_345_678,
        rejected: 3,
        rejected_lines: vec![format!("line 17: {}: no value", "r".repeat(300))],
        content_type_fallback: true,
        skipped_families: 2,
        error,
    }
}

/// An address that nothing breaks.
fn url(letter: char) -> String {
    format!("http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/{}", letter.to_string().repeat(200))
}
