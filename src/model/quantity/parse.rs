//! The grammar of quantities: sign, digits with an optional point, suffix.

use super::{Format, NANOS_PER_UNIT, Quantity, QuantityError};

/// See [`Quantity::parse`].
pub(super) fn quantity(text: &str) -> Result<Quantity, QuantityError> {
    Parts::split(text)?.quantity()
}

/// See [`Quantity::from_json_token`].
pub(super) fn json_token(token: &str) -> Result<Quantity, QuantityError> {
    let token = token.trim_matches([' ', '\t', '\r', '\n']);
    match token.strip_prefix('"') {
        Some(quoted) => match quoted.strip_suffix('"') {
            Some(plain) if !plain.contains(['"', '\\']) => written(plain.trim()),
            _ => written(unescaped(token)?.trim()),
        },
        None if token == "null" => Err(QuantityError::Null),
        None => written(token),
    }
}

/// A quantity that somebody wrote, which has a digit then.
fn written(text: &str) -> Result<Quantity, QuantityError> {
    let parts = Parts::split(text)?;
    let quantity = parts.quantity()?;
    if parts.has_digits() { Ok(quantity) } else { Err(QuantityError::Numeric(excerpt(text))) }
}

fn unescaped(token: &str) -> Result<String, QuantityError> {
    check_length(token)?;
    serde_json::from_str(token).map_err(|_| QuantityError::Syntax(excerpt(token)))
}

/// A text that has the shape of a quantity; what the suffix means is not checked yet.
struct Parts<'a> {
    text: &'a str,
    /// Digits before the point.
    whole: &'a str,
    /// Digits after it.
    fraction: &'a str,
    suffix: &'a str,
}

/// What a suffix multiplies with: `2^binary * 10^decimal`, of which one is 0.
struct Scale {
    binary: u32,
    decimal: i64,
    format: Format,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, QuantityError> {
        check_length(text)?;
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, rest) = leading_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), leading_digits);
        if text.is_empty() || !may_be_suffix(suffix) {
            return Err(QuantityError::Syntax(excerpt(text)));
        }
        Ok(Self { text, whole, fraction, suffix })
    }

    fn quantity(&self) -> Result<Quantity, QuantityError> {
        let scale = Scale::of(self.suffix).ok_or_else(|| QuantityError::Suffix(excerpt(self.text)))?;
        if !self.has_digits() && (scale.binary > 40 || scale.decimal < -9) {
            // Where apimachinery's fast path ends, it notices.
            return Err(QuantityError::Numeric(excerpt(self.text)));
        }
        self.magnitude(&scale)
            .map(|nanos| if self.text.starts_with('-') { -nanos } else { nanos })
            .and_then(|nanos| Quantity::within_range(nanos, scale.format))
            .ok_or_else(|| QuantityError::OutOfRange { value: excerpt(self.text) })
    }

    fn has_digits(&self) -> bool {
        !(self.whole.is_empty() && self.fraction.is_empty())
    }

    /// Nanos without the sign, rounded up; `None` when out of range.
    ///
    /// All digits stand in one row, and only where its point is depends on the exponent. So nothing here grows with
    /// the exponent, and the work is one pass over the digits.
    fn magnitude(&self, scale: &Scale) -> Option<i128> {
        let digits = || self.whole.bytes().chain(self.fraction.bytes());
        let count = self.whole.len() + self.fraction.len();
        let zeros = digits().take_while(|digit| *digit == b'0').count();
        if zeros == count {
            return Some(0);
        }
        let nano_point =
            i64::try_from(self.whole.len()).ok()?.saturating_add(scale.decimal).saturating_add(9);
        if nano_point.saturating_sub(i64::try_from(zeros).ok()?) > MAX_NANO_DIGITS {
            return None;
        }
        // Before the first digit there are only zeros, which matter to a power of two only, and those have decimal 0.
        let head_digits = usize::try_from(nano_point).unwrap_or(0);
        let padded = digits().chain(std::iter::repeat(b'0'));
        let head = padded.take(head_digits).fold(0, |head, digit| head * 10 + number(digit));
        let tail = digits().rev().take(count.saturating_sub(head_digits));
        let multiplier = 1_u128 << scale.binary;
        i128::try_from(head.checked_mul(multiplier)?.checked_add(fraction_times(tail, multiplier))?).ok()
    }
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        let decimal = |decimal| Self { binary: 0, decimal, format: Format::DecimalSi };
        let binary = |binary| Self { binary, decimal: 0, format: Format::BinarySi };
        Some(match suffix {
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "" => decimal(0),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(10),
            "Mi" => binary(20),
            "Gi" => binary(30),
            "Ti" => binary(40),
            "Pi" => binary(50),
            "Ei" => binary(60),
            _ => {
                let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                Self { binary: 0, decimal: exponent, format: Format::DecimalExponent }
            }
        })
    }
}

/// `0.<digits> * multiplier`, rounded up; the digits come last one first, as in multiplication on paper.
fn fraction_times(last_first: impl Iterator<Item = u8>, multiplier: u128) -> u128 {
    let (carry, inexact) = last_first.fold((0, false), |(carry, inexact), digit| {
        let product = number(digit) * multiplier + carry;
        (product / 10, inexact || !product.is_multiple_of(10))
    });
    carry + u128::from(inexact)
}

fn number(digit: u8) -> u128 {
    u128::from(digit.saturating_sub(b'0'))
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Whether apimachinery would call it an unknown suffix (`true`) or a syntax error.
fn may_be_suffix(text: &str) -> bool {
    let rest = text.trim_start_matches(['e', 'E', 'i', 'n', 'u', 'm', 'k', 'K', 'M', 'G', 'T', 'P']);
    rest.strip_prefix(['+', '-']).unwrap_or(rest).bytes().all(|byte| byte.is_ascii_digit())
}

fn check_length(text: &str) -> Result<(), QuantityError> {
    if text.len() > Quantity::MAX_BYTES { Err(QuantityError::TooLong(text.len())) } else { Ok(()) }
}

/// As much of a text as an error message repeats.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
}

/// How many digits [`Quantity::MAX`] has in nanos.
const MAX_NANO_DIGITS: i64 = 25;
const _: () = assert!((Quantity::MAX as i128 * NANOS_PER_UNIT).ilog10() + 1 == 25);

const EXCERPT_CHARS: usize = 64;
