//! How many histories are tried.

use std::fmt::Debug;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// Tries `cases` histories, the same ones each time. `TRUTH_HISTORIES` multiplies them, and then they are new ones.
pub(crate) fn histories<S: Strategy>(
    cases: u32,
    stories: &S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) where
    S::Value: Debug,
{
    let times = std::env::var("TRUTH_HISTORIES").ok().map(|times| times.parse::<u32>().unwrap());
    let config = Config {
        cases: cases * times.unwrap_or(1),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = match times {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    if let Err(failure) = runner.run(stories, check) {
        panic!("{failure}");
    }
}
