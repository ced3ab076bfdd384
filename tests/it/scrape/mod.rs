//! Pods are scraped: from annotations to what an HPA reads, and what a target can do wrong on the way.

mod credentials;
mod derived;
mod fairness;
mod faults;
mod life;
mod lines;
mod monitors;
mod requests;
mod target;
pub(crate) mod world;
