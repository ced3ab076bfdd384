//! An hour of faults around one adapter on a real control plane, by `make soak`. It is no part of `make test`.
//!
//! `SOAK_MINUTES` (60) is how long faults are made for, a round of all of them at least; `SOAK_PODS` (5000) is the size of
//! the cluster, of which a tenth comes and goes all the time.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it prints a report, and its servers are its own"
)]

#[path = "../../hostile/clients.rs"]
mod clients;
mod crowd;
mod faults;
mod judge;
mod log;
mod proxy;
mod watchers;

use std::time::{Duration, Instant};

use crate::harness::{Adapter, ControlPlane, Hpa, Namespace, Prometheus, Subject};
use crowd::Crowd;
use faults::{FAULTS, Fault};
use judge::{Judge, Row};
use proxy::Proxy;
use watchers::{Readers, Resident};

/// All that a fault acts on, and is seen by.
pub(crate) struct Surroundings<'a> {
    pub(crate) plane: &'a ControlPlane,
    pub(crate) adapter: &'a Adapter,
    pub(crate) namespace: &'a Namespace<'a>,
    pub(crate) proxy: &'a Proxy,
    pub(crate) readers: &'a Readers,
    pub(crate) resident: &'a Resident,
}

#[test]
#[ignore = "an hour: make soak"]
fn faults_end_with_their_causes() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let started = Instant::now();
    let plane = ControlPlane::shared();
    let proxy = Proxy::before(plane);
    let apiserver = ("APISERVER", format!("http://{}", proxy.address));
    let environment = [(apiserver.0, apiserver.1.as_str())];
    let adapter = Adapter::start_in(&environment, plane, "soaked", &["--scrape-allow-loopback"]);
    plane.adapter_script(&["register", "soaked"]);
    let prometheus = Prometheus::beside("soaked", plane);
    let namespace = Namespace::create(plane, "soak");
    namespace.deployment("web", 3);
    let _hpa = Hpa::of("web", &namespace).between(3, 3).on_pods("load", "20");
    namespace.allow_reading("load", &Subject::ServiceAccount("reader"));
    namespace.eventually_runs("web", 3);
    let crowd = Crowd::of(number("SOAK_PODS", 5_000), plane);
    let readers = Readers::begin(plane, &adapter, &namespace);
    let resident = Resident::of(&adapter);
    let quiet = resident.settled();
    let around = Surroundings {
        plane,
        adapter: &adapter,
        namespace: &namespace,
        proxy: &proxy,
        readers: &readers,
        resident: &resident,
    };
    let mut judge = Judge::new(quiet);
    crowd.churn_while(|| {
        let end = started + Duration::from_secs(60 * number("SOAK_MINUTES", 60));
        loop {
            FAULTS.iter().for_each(|fault| judge.add(suffered(fault, &around)));
            if Instant::now() >= end {
                break;
            }
        }
    });
    judge.calm(&prometheus, &around);
    let verdict = judge.report();
    assert!(verdict.is_empty(), "{verdict:#?}");
}

/// One fault from its beginning until nothing is left of it.
fn suffered(fault: &Fault, around: &Surroundings<'_>) -> Row {
    let (lines, reads) = (around.adapter.log_length(), around.readers.mark());
    let began = Instant::now();
    (fault.act)(around);
    let held = began.elapsed();
    let recovered = judge::recovered(around);
    let (log, reads) = (around.adapter.log_from(lines), around.readers.since(reads));
    let row = Row::new(fault, (held, recovered), log::read(&log), reads, around.resident.now());
    println!("{row}");
    row
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// For a hostile client.
const PATIENCE: Duration = Duration::from_secs(300);
