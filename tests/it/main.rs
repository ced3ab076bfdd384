//! Behaviour seen through public doors: real sockets, real handshakes, a scripted Kubernetes API.
//! One binary, a module per behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and its servers are its own"
)]

mod support;
mod world;

mod api_answers;
mod api_hostile;
mod auth;
mod browser;
mod ca;
mod cluster;
mod explain;
mod external;
mod hpas;
mod journal;
mod notices;
mod objects;
mod odd_writes;
mod owners;
mod pages;
mod replay;
mod scrape;
mod selector_options;
mod serve;
mod start;
mod telemetry;
mod write;
mod writers;
