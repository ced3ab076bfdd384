//! Wires the adapter.
fn main() {}
