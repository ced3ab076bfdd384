//! What operators see of the adapter itself: metrics, traces, logs.

mod collector;
mod counting;
mod expiry;
mod logs;
mod otlp;
mod page;
mod process;
mod spans;
mod traces;
