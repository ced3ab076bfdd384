//! Tests through public doors: real sockets, a scripted Kubernetes API, a module for each behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and its servers are its own"
)]

mod cluster;
mod support;
