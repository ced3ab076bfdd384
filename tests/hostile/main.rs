//! What clients without credentials can make a real adapter process hold, measured as its resident memory.
//!
//! The process runs with the flags of the shipped manifest; what it may take is the limit of that manifest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and its servers are its own"
)]

#[path = "../it/support/kube_api.rs"]
mod kube_api;

mod adapter;
mod clients;

use std::time::Duration;

use adapter::Adapter;
use clients::{half_sent_heads, invented_paths, readers_of_targets};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_make_the_adapter_take_more_than_its_container_has() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let adapter = Adapter::start(TARGETS).await;
    let [quiet, _] = adapter.memory();
    let held = half_sent_heads(adapter.secure, CONNECTIONS).await;
    let [besieged, _] = adapter.memory();
    let paths = tokio::spawn(invented_paths(adapter.secure, PATHS));
    let readers = tokio::spawn(readers_of_targets(adapter.admin, READERS));
    let (answered, read) = tokio::join!(paths, readers);
    let (answered, read) = (answered.unwrap(), read.unwrap());
    let [_, peak] = adapter.memory();
    println!(
        "{TARGETS} targets: {quiet} MiB; and {} of {CONNECTIONS} connections taken, with half a head: {besieged} MiB; and \
         {answered} invented paths and {read} pages: {peak} MiB at most; the limit is {} MiB",
        held.len(),
        adapter.limit
    );
    assert!(held.len() > CONNECTIONS / 4 && answered == PATHS && read > 0, "the attack was one");
    assert!(peak < adapter.limit, "{peak} MiB of {} MiB", adapter.limit);
    assert_eq!(adapter.livez().await, 200, "and it lives");
}

const TARGETS: usize = 20_000;
const CONNECTIONS: usize = 1_024;
const PATHS: usize = 4_096;
const READERS: usize = 100;
/// For anything that ends.
const PATIENCE: Duration = Duration::from_secs(300);
