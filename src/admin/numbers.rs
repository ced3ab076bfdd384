//! Numbers as people read them.

use crate::hpa::numbers::milli;

/// Three digits behind the point at most.
pub(super) fn number(value: f64) -> String {
    if value.abs() < 1e15 { milli(thousandths(value)) } else { format!("{value:e}") }
}

#[expect(clippy::cast_possible_truncation, reason = "below 1e18")]
fn thousandths(value: f64) -> i64 {
    (value * 1000.0).round() as i64
}
