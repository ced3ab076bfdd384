//! Exact fractions for as long as they fit 128 bits, which those of a few metrics do.
//!
//! Where a result does not fit, that one operation is computed with floats: it is off by less than 2^-50 of its larger
//! operand. So is nothing else.

use crate::model::Quantity;

/// A fraction in lowest terms; the denominator is above zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rational {
    numerator: i128,
    denominator: i128,
}

/// Why there is no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoResult {
    DivisionByZero,
    OutOfRange,
}

impl Rational {
    pub(super) fn of(quantity: Quantity) -> Self {
        Self::reduced(quantity.nanos(), NANOS).unwrap_or(Self { numerator: 0, denominator: 1 })
    }

    /// To the nano, rounded away from zero as all quantities are.
    pub(super) fn quantity(self) -> Result<Quantity, NoResult> {
        let (whole, mut rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        let mut denominator = self.denominator;
        // Both lose the same bits, and keep more than a nano needs.
        while rest.checked_mul(NANOS).is_none() {
            (rest, denominator) = (rest / 2, denominator / 2);
        }
        let fraction = rest * NANOS;
        let fraction = fraction / denominator + (fraction % denominator).signum();
        let nanos = whole.checked_mul(NANOS).and_then(|whole| whole.checked_add(fraction));
        nanos.and_then(Quantity::from_nanos).ok_or(NoResult::OutOfRange)
    }

    pub(super) fn negated(self) -> Self {
        Self { numerator: self.numerator.saturating_neg(), ..self }
    }

    pub(super) fn plus(self, other: Self) -> Result<Self, NoResult> {
        let exact = || {
            let left = self.numerator.checked_mul(other.denominator)?;
            let right = other.numerator.checked_mul(self.denominator)?;
            let denominator = self.denominator.checked_mul(other.denominator)?;
            Self::reduced(left.checked_add(right)?, denominator)
        };
        exact().map_or_else(|| Self::near(self.float() + other.float()), Ok)
    }

    pub(super) fn times(self, other: Self) -> Result<Self, NoResult> {
        // Crosswise, so that what cancels out does not overflow.
        let exact = || {
            let one = Self::reduced(self.numerator, other.denominator)?;
            let two = Self::reduced(other.numerator, self.denominator)?;
            let numerator = one.numerator.checked_mul(two.numerator)?;
            Self::reduced(numerator, one.denominator.checked_mul(two.denominator)?)
        };
        exact().map_or_else(|| Self::near(self.float() * other.float()), Ok)
    }

    pub(super) fn over(self, other: Self) -> Result<Self, NoResult> {
        if other.numerator == 0 {
            return Err(NoResult::DivisionByZero);
        }
        let inverse = Self::reduced(other.denominator, other.numerator).ok_or(NoResult::OutOfRange)?;
        self.times(inverse)
    }

    fn reduced(numerator: i128, denominator: i128) -> Option<Self> {
        let common = i128::try_from(gcd(numerator.unsigned_abs(), denominator.unsigned_abs())).ok()?;
        let sign = denominator.signum();
        let numerator = (numerator / common.max(1)).checked_mul(sign)?;
        let denominator = (denominator / common.max(1)).checked_mul(sign)?;
        Some(Self { numerator, denominator })
    }

    fn float(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// A float as a fraction of a power of two. One so small that nothing is left of it is no zero to divide by.
    fn near(value: f64) -> Result<Self, NoResult> {
        #[expect(clippy::cast_possible_truncation, reason = "clamped just before")]
        let bits = (120.0 - value.abs().log2().ceil()).clamp(0.0, 120.0) as i32;
        let scaled = value * 2_f64.powi(bits);
        if !value.is_finite() || scaled.abs() >= 2_f64.powi(125) {
            return Err(NoResult::OutOfRange);
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
        let numerator = scaled as i128;
        let is_lost = numerator == 0 && value != 0.0;
        Self::reduced(numerator, 1 << bits).filter(|_| !is_lost).ok_or(NoResult::OutOfRange)
    }
}

fn gcd(mut one: u128, mut other: u128) -> u128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

const NANOS: i128 = 1_000_000_000;
