//! Exact Kubernetes quantities (stub: see the model task).

use std::fmt;

/// How a quantity is printed, taken from how it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `1500m`, `2k`
    DecimalSi,
    /// `1536Ki`
    BinarySi,
    /// `1e3`
    DecimalExponent,
}

/// An exact quantity within what the HPA can calculate with: at most ±9223372036854775, to the nano.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text or number is no quantity.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    /// Not the grammar.
    #[error("quantities must match the regular expression")]
    Syntax(String),
}

impl Quantity {
    /// Parses.
    ///
    /// # Errors
    /// Not a quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        text.parse::<i64>()
            .map(|v| Self { nanos: i128::from(v) * 1_000_000_000, format: Format::DecimalSi })
            .map_err(|_| QuantityError::Syntax(text.to_owned()))
    }
}

impl Quantity {
    /// The sum, if it is in range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self { nanos: self.nanos.checked_add(other.nanos)?, format: self.format })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = self.format;
        write!(f, "{}", self.nanos / 1_000_000_000)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
