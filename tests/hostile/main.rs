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
use clients::{half_sent_heads, invented_paths, readers_of_targets, readers_that_never_read};

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_make_the_adapter_take_more_than_its_container_has() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let adapter = Adapter::with_targets(TARGETS).await;
    let [quiet, _] = adapter.memory();
    let held = half_sent_heads(adapter.secure, CONNECTIONS).await;
    let [besieged, _] = adapter.memory();
    let paths = tokio::spawn(invented_paths(adapter.secure, PATHS));
    let readers = tokio::spawn(readers_of_targets(adapter.admin, READERS));
    let (answered, read) = tokio::join!(paths, readers);
    let (answered, read) = (answered.unwrap(), read.unwrap());
    let unread = readers_that_never_read(adapter.admin, UNREAD).await;
    assert_eq!(adapter.livez().await, 200, "others are answered meanwhile");
    let [_, peak] = adapter.memory();
    println!(
        "{TARGETS} targets: {quiet} MiB; and {} of {CONNECTIONS} connections taken, with half a head: {besieged} MiB; and \
         {answered} invented paths, {read} pages and {} that nobody reads: {peak} MiB at most; the limit is {} MiB",
        held.len(),
        unread.len(),
        adapter.limit
    );
    assert!(
        held.len() > CONNECTIONS / 4 && answered == PATHS && read > 0 && unread.len() > UNREAD / 4,
        "the attack was one"
    );
    assert!(peak < adapter.limit, "{peak} MiB of {} MiB", adapter.limit);
    assert_eq!(adapter.livez().await, 200, "and it lives");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement for docs/configuration.md, by: cargo test --test hostile -- --ignored --nocapture"]
async fn the_pods_of_a_large_cluster_fit_beside_everything_else_that_there_is() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    for (pods, scrape) in [(0, true), (PODS, false), (PODS, true)] {
        let adapter = Adapter::with_pods(pods, scrape).await;
        let [ready, _] = adapter.memory();
        adapter.list_again().await;
        let [again, peak] = adapter.memory();
        println!(
            "{pods} pods, scraping {scrape}: {ready} MiB, {again} MiB after another list, {peak} MiB at most"
        );
        assert!(peak < adapter.limit / 2, "{peak} MiB of {} MiB", adapter.limit);
    }
}

const PODS: usize = 50_000;
const TARGETS: usize = 20_000;
const CONNECTIONS: usize = 1_024;
const PATHS: usize = 4_096;
const READERS: usize = 100;
const UNREAD: usize = 1_000;
/// For anything that ends.
const PATIENCE: Duration = Duration::from_secs(300);
