//! End to end: the adapter's binary beside a real kube-apiserver, HPA controller and scheduler, with simulated kubelets.
//!
//! `tests/e2e.sh` starts the control plane, runs this binary and stops everything; `cargo test` alone leaves it out.
//! The tests share one control plane and one registered adapter and run in parallel, each in namespaces of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and says what it saw"
)]

mod harness;

#[path = "../nats/process.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod nats;

mod access;
mod ca;
mod chart;
mod components;
mod custom_resources;
mod deploy;
mod discovery;
mod events;
mod external;
mod faults;
mod hpas;
mod ipv6;
mod monitoring;
mod monitors;
mod options;
mod outage;
mod owners;
mod pods;
mod readme;
mod release;
mod rollout;
mod scaling;
mod scraping;
mod shared_journal;
mod shutdown;
mod soak;
mod steadiness;
mod tracing;
mod writers;
