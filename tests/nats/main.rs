//! Replicas that share a journal, on real NATS servers (`tests/tools/modules/nats-server`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on says so by panicking, and its servers are its own"
)]

mod batches;
mod failures;
mod link;
mod login;
mod process;
mod registers;
mod replica;
mod servers;
mod soak;
mod writes;
