//! Rates, quantiles, sums and absences beside the truth.
//!
//! Counters with known events are simulated, scraped into a store through its public door, and read at odd moments. The
//! truth of an answer is what was counted within the window that it states, by integration over the simulated events;
//! no rule on samples has a part in it. An answer is within a tenth of that, or there is none; and there is one where
//! nothing happened that could take it away.
//!
//! `cargo test --test truth` runs thousands of histories, the same ones each time; `make soak` runs new ones for minutes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    reason = "a test that cannot go on says so by panicking"
)]

mod counter;
mod judge;
mod pod;
mod run;

mod errors;
mod histograms;
mod one_counter;
mod several_series;
mod two_targets;
mod vectors;
mod workers;
