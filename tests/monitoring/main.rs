//! Dashboards, rules and alerts against what they speak of: the documented metrics, the runbook, Prometheus' own tools.
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on says so by panicking"
)]

mod dashboards;
mod documented;
mod expressions;
mod promql;
mod rules;
mod usage;

use std::{fs, path::Path};

/// The text of a file of the repository.
fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
