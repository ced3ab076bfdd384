//! Exact Kubernetes quantities, within what the HPA can calculate with.
//!
//! The rules are those of `k8s.io/apimachinery/pkg/api/resource`, which every Kubernetes client parses the answers of
//! this adapter with. Where we differ on purpose:
//! - the range is bounded ([`Quantity::MAX`]), because a larger number makes an HPA scale to the *minimum*;
//! - a quantity always prints in canonical form, while apimachinery repeats some texts as they were written
//!   (`+5`, `1.001`, `1E3`): the value is the same;
//! - an exponent keeps its meaning, while apimachinery cuts it to 32 bits (`1e4294967296` would be 1);
//! - a negative number keeps 18 digits at most, rounded away from zero: apimachinery's `MilliValue`, which the HPA calls,
//!   wraps longer ones, up to the wrong sign (0.37.2: `-5015795702799.2275` gives 1718685249771).

mod arithmetic;
mod parse;
#[cfg(test)]
mod tests;

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// How a quantity is printed, taken from how it was written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Format {
    /// `1500m`, `2k`
    DecimalSi,
    /// `1536Ki`
    BinarySi,
    /// `1e3`
    DecimalExponent,
}

/// An exact quantity within what the HPA can calculate with: at most ±9223372036854775, to the nano (of negative ones,
/// to 18 digits).
///
/// Equality, order and hash are those of the value: `1k`, `1e3` and `1000` are equal.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// Why a text or number is no quantity. Texts start with apimachinery's own words, where it has some.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuantityError {
    /// Not the grammar.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$', not {0:?}"
    )]
    Syntax(String),
    /// The grammar, but a suffix that means nothing, such as `K` or `ki`.
    #[error(
        "unable to parse quantity's suffix in {0:?}: it is one of n u m k M G T P E, Ki Mi Gi Ti Pi Ei, \
         or an exponent as in 1e3"
    )]
    Suffix(String),
    /// The grammar, but no digit before the suffix, such as `m` or `-`.
    #[error("unable to parse numeric part of quantity in {0:?}: it has no digit")]
    Numeric(String),
    /// Beyond ±[`Quantity::MAX`].
    #[error(
        "{value} is out of range: an HPA calculates with thousandths in 64 bits and scales to the minimum when they \
         overflow, so a value is at most ±9223372036854775; use a larger unit for this metric"
    )]
    OutOfRange {
        /// What was given.
        value: String,
    },
    /// A JSON `null`, which apimachinery reads as 0.
    #[error("null is no number, and storing it as 0 would scale to the minimum")]
    Null,
    /// A float that is NaN.
    #[error("not a number (NaN)")]
    NotANumber,
    /// A float that is infinite.
    #[error("the number is infinite")]
    Infinite,
    /// Longer than [`Quantity::MAX_BYTES`].
    #[error("the quantity has {0} bytes, more than {max}", max = Quantity::MAX_BYTES)]
    TooLong(usize),
}

impl Quantity {
    /// The largest whole number that the HPA can calculate with: it multiplies by 1000 in an `i64` without a check.
    pub const MAX: i64 = i64::MAX / 1000;

    /// The longest text that is parsed; every float fits, even when written with all of its digits.
    pub const MAX_BYTES: usize = 2048;

    /// Nothing, as a number.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// Parses `text` exactly as apimachinery's `ParseQuantity` does, but for the range: `42`, `-1.5`, `300m`, `2.5Gi`,
    /// `1e3`. No blanks. What is finer than a nano is rounded away from zero, so that a small value never becomes 0.
    ///
    /// As there, a text without any digit before its suffix (`m`, `-`, `.`) is 0, unless the suffix is `Pi`, `Ei` or an
    /// exponent below -9. What people write goes through [`Quantity::from_json_token`], which refuses all of those.
    ///
    /// # Errors
    /// When `text` is no quantity, or one beyond the range; see [`QuantityError`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::quantity(text)
    }

    /// Parses one raw JSON token, a string or a number, as apimachinery's `UnmarshalJSON` does: `"300m"`, `7.25`, also
    /// without the quotes (`300m`). Blanks around the token and just inside its quotes are dropped.
    ///
    /// Differences, each on purpose: `null` and a text without digits (`"m"`, `"-"`) are errors, not 0; escapes in a
    /// string are decoded, so that `"\u0031"` is 1 and not an error.
    ///
    /// # Errors
    /// When the token is no quantity (`null`, `true`, `[]`, `{}`, `"null"`, …), or one beyond the range.
    pub fn from_json_token(token: &str) -> Result<Self, QuantityError> {
        parse::json_token(token)
    }

    /// The quantity of a whole number.
    ///
    /// # Errors
    /// [`QuantityError::OutOfRange`] beyond ±[`Quantity::MAX`].
    pub fn from_i64(value: i64) -> Result<Self, QuantityError> {
        Self::within_range(i128::from(value) * NANOS_PER_UNIT, Format::DecimalSi)
            .ok_or_else(|| QuantityError::OutOfRange { value: value.to_string() })
    }

    /// The quantity nearest to a float, in thousandths, which is the unit that an HPA reads: a tie is rounded away from
    /// zero, judged on the float's exact binary value. Below a tenth it is in millionths, below half a thousandth in
    /// billionths: quantiles in seconds are that small, and thousandths of them would be off by more than a hundredth.
    ///
    /// # Errors
    /// When the float is NaN, infinite, or beyond ±[`Quantity::MAX`]; never 0 instead.
    pub fn from_f64(value: f64) -> Result<Self, QuantityError> {
        if value.is_nan() {
            return Err(QuantityError::NotANumber);
        }
        if value.is_infinite() {
            return Err(QuantityError::Infinite);
        }
        nearest_nanos(value)
            .and_then(|nanos| Self::within_range(nanos, Format::DecimalSi))
            .ok_or_else(|| QuantityError::OutOfRange { value: format!("{value:e}") })
    }

    /// Thousandths, rounded away from zero: apimachinery's `MilliValue`, the only number that an HPA reads.
    #[must_use]
    pub fn milli(self) -> i64 {
        let magnitude = i64::try_from(self.nanos.unsigned_abs().div_ceil(NANOS_PER_MILLI.unsigned_abs()));
        // Cannot saturate: the range was chosen so that thousandths fit.
        let magnitude = magnitude.unwrap_or(i64::MAX);
        if self.nanos < 0 { -magnitude } else { magnitude }
    }

    /// The float nearest to it, or a neighbour of that one when it has both many digits and a fraction.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        // The coarser the unit, the more of these integers a float holds exactly.
        if self.nanos % NANOS_PER_UNIT == 0 {
            (self.nanos / NANOS_PER_UNIT) as f64
        } else if self.nanos % NANOS_PER_MILLI == 0 {
            (self.nanos / NANOS_PER_MILLI) as f64 / 1e3
        } else {
            self.nanos as f64 / 1e9
        }
    }

    /// Billionths, all of it.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// The quantity of so many billionths; `None` beyond ±[`Quantity::MAX`].
    #[must_use]
    pub fn from_nanos(nanos: i128) -> Option<Self> {
        Self::within_range(nanos, Format::DecimalSi)
    }

    /// How it is printed.
    #[must_use]
    pub fn format(self) -> Format {
        self.format
    }

    /// The sum, in the format of `self`; `None` when it is out of range.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::within_range(self.nanos.checked_add(other.nanos)?, self.format)
    }

    /// The sum of all, in the format of the first, whatever their order; `Ok(None)` when there is none, because the sum
    /// of nothing is not a value to scale on.
    ///
    /// # Errors
    /// [`QuantityError::OutOfRange`] when the sum is; what passes the range only on the way to it is no matter.
    pub fn checked_sum(quantities: impl IntoIterator<Item = Self>) -> Result<Option<Self>, QuantityError> {
        let mut quantities = quantities.into_iter();
        let Some(first) = quantities.next() else { return Ok(None) };
        // An i128 holds 2^44 summands of the largest size; saturating is out of range as well.
        let nanos = quantities.fold(first.nanos, |sum, next| sum.saturating_add(next.nanos));
        Self::within_range(nanos, first.format)
            .map(Some)
            .ok_or_else(|| QuantityError::OutOfRange { value: format!("a sum of {:e}", nanos as f64 / 1e9) })
    }

    /// The only door to a value that came from outside.
    fn within_range(nanos: i128, format: Format) -> Option<Self> {
        let nanos = if nanos < 0 { shortened(nanos) } else { nanos };
        (nanos.unsigned_abs() <= MAX_NANOS).then_some(Self { nanos, format })
    }

    /// Mantissa and suffix of a quantity that a binary suffix can print: at least 1024 and without a fraction.
    fn with_binary_suffix(self) -> Option<(i128, &'static str)> {
        let whole = self.nanos / NANOS_PER_UNIT;
        if self.format != Format::BinarySi || whole.abs() < 1024 || self.nanos % NANOS_PER_UNIT != 0 {
            return None;
        }
        let (mantissa, power) = without_factor(whole, 1024);
        let (suffix, lowest) = BINARY_SUFFIXES.get(power).copied()?;
        (mantissa > lowest).then_some((mantissa, suffix))
    }
}

/// The canonical form: a whole mantissa and the largest suffix that keeps it whole.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if let Some((mantissa, suffix)) = self.with_binary_suffix() {
            return write!(f, "{mantissa}{suffix}");
        }
        let (mantissa, power) = without_factor(self.nanos, 1000);
        let (exponent, suffix) = DECIMAL_SUFFIXES.get(power).copied().unwrap_or_default();
        match self.format {
            Format::DecimalExponent if exponent != 0 => write!(f, "{mantissa}e{exponent}"),
            Format::DecimalExponent | Format::DecimalSi | Format::BinarySi => write!(f, "{mantissa}{suffix}"),
        }
    }
}

/// A string, as Kubernetes writes it in specs.
impl<'de> serde::Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A string, as Kubernetes writes it: JSON numbers lose digits in many clients.
impl serde::Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

/// A negative number of nanos, rounded away from zero to what apimachinery reads back right: 18 digits.
fn shortened(nanos: i128) -> i128 {
    let readable = [1, 1_000, NANOS_PER_MILLI, NANOS_PER_UNIT].into_iter().find_map(|unit| {
        let mantissa = nanos.div_euclid(unit);
        (mantissa > -LONGEST_NEGATIVE).then(|| mantissa * unit)
    });
    // What has more digits than that even in units is out of range anyway.
    readable.unwrap_or(nanos)
}

/// Divides `factor` out of a number that is not 0, and counts how often it went.
fn without_factor(mut number: i128, factor: i128) -> (i128, usize) {
    let mut times = 0;
    while number % factor == 0 {
        number /= factor;
        times += 1;
    }
    (number, times)
}

/// A finite float in the unit that fits its size; `None` when far out of range.
fn nearest_nanos(value: f64) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "below a tenth, so below 10^8 nanos")]
    let in_units = |per_unit: f64| (value * per_unit).round() as i128;
    match value.abs() {
        size if size < 0.000_5 => Some(in_units(1e9)),
        size if size < 0.1 => Some(in_units(1e6) * 1_000),
        _ => nearest_milli(value).map(|milli| milli * NANOS_PER_MILLI),
    }
}

/// Thousandths of a finite float, half away from zero; `None` when far out of range.
///
/// In integers, because `value * 1000.0` rounds once already and so moves ties.
fn nearest_milli(value: f64) -> Option<i128> {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    /// `value = mantissa * 2^(biased - UNIT_EXPONENT)`
    const UNIT_EXPONENT: u64 = 1075;
    if value.abs() >= 1e16 {
        return None;
    }
    let bits = value.abs().to_bits();
    let (biased, fraction) = (bits >> FRACTION_BITS, bits & ((1 << FRACTION_BITS) - 1));
    let (exponent, mantissa) =
        if biased == 0 { (1, fraction) } else { (biased, fraction | (1 << FRACTION_BITS)) };
    let thousandths = i128::from(mantissa) * 1000;
    let magnitude = match UNIT_EXPONENT.saturating_sub(exponent) {
        // Below 1e16 a float's last bit is worth two at most.
        0 => thousandths << (exponent - UNIT_EXPONENT),
        // Below 2^63 / 2^65, less than a half of a thousandth.
        65.. => 0,
        shift => (thousandths + (1 << (shift - 1))) >> shift,
    };
    Some(if value.is_sign_negative() { -magnitude } else { magnitude })
}

const NANOS_PER_UNIT: i128 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;
const MAX_NANOS: u128 = (Quantity::MAX.unsigned_abs() as u128) * NANOS_PER_UNIT.unsigned_abs();

/// By the power of 1000 over a nano; the range ends in `P`.
const DECIMAL_SUFFIXES: [(i32, &str); 9] =
    [(-9, "n"), (-6, "u"), (-3, "m"), (0, ""), (3, "k"), (6, "M"), (9, "G"), (12, "T"), (15, "P")];

/// By the power of 1024, with the mantissa above which apimachinery reads it back right: of a text with a binary suffix
/// it estimates 15 digits, three for each power. The range ends in `Pi`.
const BINARY_SUFFIXES: [(&str, i128); 6] = [
    ("", -LONGEST_NEGATIVE),
    ("Ki", -100_000_000_000),
    ("Mi", -100_000_000),
    ("Gi", -100_000),
    ("Ti", -100),
    ("Pi", 0),
];

/// The first negative mantissa, without its sign, that apimachinery does not read back right.
const LONGEST_NEGATIVE: i128 = 1_000_000_000_000_000_000;
