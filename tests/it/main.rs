//! Behaviour seen through public doors: real sockets, real handshakes, a scripted Kubernetes API.
//! One binary, a module per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support;
mod world;

mod api_answers;
mod api_hostile;
mod auth;
mod configuration;
mod replay;
mod serve;
mod write;
