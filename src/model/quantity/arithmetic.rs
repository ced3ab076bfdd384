//! Means and products, exact to the nano.

use super::{Format, NANOS_PER_UNIT, Quantity, QuantityError};

impl Quantity {
    /// The mean of all, in the format of the first, to the nano and rounded away from zero; `Ok(None)` when there is none.
    ///
    /// # Errors
    /// [`QuantityError::OutOfRange`], which a mean of quantities never is; see [`Quantity::checked_sum`].
    pub fn mean(quantities: impl IntoIterator<Item = Self>) -> Result<Option<Self>, QuantityError> {
        let mut count = 0_i128;
        let mut sum = 0_i128;
        let mut format = Format::DecimalSi;
        for quantity in quantities {
            format = if count == 0 { quantity.format } else { format };
            count += 1;
            sum = sum.saturating_add(quantity.nanos);
        }
        if count == 0 {
            return Ok(None);
        }
        let mean = Self::within_range(divided(sum, count), format);
        mean.map(Some).ok_or_else(|| QuantityError::OutOfRange { value: format!("a mean of {count} values") })
    }

    /// The mean of `count` values whose mean it is, and `others` values whose mean is `other`; in its own format, to the
    /// nano and rounded away from zero.
    #[must_use]
    pub fn mean_with(self, count: i64, other: Self, others: i64) -> Self {
        let (count, others) = (i128::from(count.max(1)), i128::from(others.max(1)));
        // The difference times a count of 2^44 fits; a mean lies between the two and so in the range.
        let apart = (other.nanos - self.nanos).saturating_mul(others);
        let nanos = self.nanos + divided(apart, count + others);
        Self::within_range(nanos, self.format).unwrap_or(self)
    }

    /// It times `factor`, in its own format, to the nano and rounded away from zero; `None` when it is out of range.
    #[must_use]
    pub fn scaled(self, factor: Self) -> Option<Self> {
        let (whole, rest) = (self.nanos / NANOS_PER_UNIT, self.nanos % NANOS_PER_UNIT);
        let whole = whole.checked_mul(factor.nanos)?;
        let nanos = whole.checked_add(divided(rest.checked_mul(factor.nanos)?, NANOS_PER_UNIT))?;
        Self::within_range(nanos, self.format)
    }
}

/// A quotient, rounded away from zero; the divisor is above zero.
fn divided(nanos: i128, by: i128) -> i128 {
    nanos / by + (nanos % by).signum()
}
