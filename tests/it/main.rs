//! Behaviour seen through public doors: real sockets, real handshakes, a scripted Kubernetes API.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;

mod auth;
mod serve;
