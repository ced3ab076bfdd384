//! The exposition parser against what others make of the same bytes, and against itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test that cannot go on says so by panicking"
)]

mod agreement;
mod bodies;
mod corpus;
mod peer;
mod protobuf;
mod text;
mod vectors;
mod view;
