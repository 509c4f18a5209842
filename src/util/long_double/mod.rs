//! The arithmetic of INCRBYFLOAT and HINCRBYFLOAT: numbers with a 64-bit mantissa, as C's `long double` has them on
//! x86-64, in software.
//!
//! * [`LongDouble::parse`] and `+` round to the nearest number, ties to the even mantissa, exactly as the x87 unit
//!   and `strtold` do, denormals included.
//! * The text of a number is C's `%.17Lf` without the zeros that end the fraction: the exact decimal expansion
//!   rounded at the seventeenth digit after the point.
//! * Every input is bounded: a text of [`TEXT_MAX`] bytes or more is refused, an exponent saturates, and no
//!   intermediate number is longer than about 40,000 bits. The worst text costs a fraction of a millisecond.
//!
//! It has no multiplication and no comparison, because no command needs them.

mod natural;
mod parse;
#[cfg(test)]
mod tests;

use std::ops::Add;

use natural::Natural;

/// Texts of this many bytes or more are never numbers, and no number has so long a text. Redis's buffer for both.
pub const TEXT_MAX: usize = 5 * 1024;

/// The exponent of zero and of the smallest numbers: 2⁻¹⁶⁴⁴⁵ is the least number above zero.
const EXPONENT_MIN: i64 = -16445;

/// The exponent of the greatest numbers: (2⁶⁴ − 1) · 2¹⁶³²⁰ is the greatest.
const EXPONENT_MAX: i64 = 16320;

/// The number of digits that are shown after the point.
const FRACTION_DIGITS: usize = 17;

/// An x87 extended-precision number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    magnitude: Magnitude,
}

/// A number without its sign.
///
/// Finite numbers are normalised: the mantissa's top bit is set, or the exponent is [`EXPONENT_MIN`]. So each number
/// has one representation, and of two numbers with different exponents the one with the greater exponent is not the
/// smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    /// `mantissa` · 2^`exponent`.
    Finite {
        mantissa: u64,
        exponent: i64,
    },
    Infinite,
    NotANumber,
}

impl LongDouble {
    /// Whether this is neither an infinity nor a NaN. An increment whose result is not finite must be refused.
    pub fn is_finite(self) -> bool {
        matches!(self.magnitude, Magnitude::Finite { .. })
    }

    /// Whether it is below zero, or minus zero.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// Appends the text that INCRBYFLOAT stores: plain decimal, at most seventeen digits after the point, no zeros
    /// at the end of the fraction, no `-0`. At most 4,934 bytes. Infinities are `inf` and `-inf`, a NaN is `nan`.
    pub fn push_text(self, out: &mut Vec<u8>) {
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        match self.magnitude {
            Magnitude::NotANumber => out.extend_from_slice(b"nan"),
            Magnitude::Infinite => out.extend_from_slice(b"inf"),
            Magnitude::Finite { mantissa, exponent } if exponent < 0 => {
                push_fractional(mantissa, exponent.unsigned_abs(), out);
            }
            Magnitude::Finite { mantissa, exponent } => push_whole(mantissa, exponent.unsigned_abs(), out),
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }
}

impl From<i64> for LongDouble {
    /// Every `i64` is a `LongDouble`, without rounding.
    fn from(number: i64) -> Self {
        let magnitude = round(u128::from(number.unsigned_abs()), 0, false);
        LongDouble { negative: number < 0, magnitude }
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    /// The sum, rounded to nearest. It is infinite when it is out of range, and a NaN for opposite infinities.
    fn add(self, other: LongDouble) -> LongDouble {
        match (self.magnitude, other.magnitude) {
            (Magnitude::NotANumber, _) => self,
            (_, Magnitude::NotANumber) => other,
            (Magnitude::Infinite, Magnitude::Infinite) if self.negative != other.negative => {
                LongDouble { negative: false, magnitude: Magnitude::NotANumber }
            }
            (Magnitude::Infinite, _) => self,
            (_, Magnitude::Infinite) => other,
            (
                Magnitude::Finite { mantissa: left, exponent: left_exponent },
                Magnitude::Finite { mantissa: right, exponent: right_exponent },
            ) => {
                let left_is_greater = (left_exponent, left) >= (right_exponent, right);
                let (negative, high, exponent, low, distance) = if left_is_greater {
                    (self.negative, left, left_exponent, right, left_exponent - right_exponent)
                } else {
                    (other.negative, right, right_exponent, left, right_exponent - left_exponent)
                };
                let magnitude = add_aligned(
                    high,
                    exponent,
                    low,
                    distance.unsigned_abs(),
                    self.negative != other.negative,
                );
                let is_zero = magnitude == Magnitude::Finite { mantissa: 0, exponent: EXPONENT_MIN };
                // Numbers that cancel give +0; only the sum of two negative zeros is −0.
                let negative = if is_zero { self.negative && other.negative } else { negative };
                LongDouble { negative, magnitude }
            }
        }
    }
}

/// `high`·2^`exponent` plus or minus `low`·2^(`exponent` − `distance`), the former being no less than the latter.
///
/// Both are aligned with 63 bits below the mantissa. If more than that is cut off `low`, then `high` is normalised,
/// at most one bit cancels, and more than 64 bits remain above the cut, so one sticky bit is enough to round right.
fn add_aligned(high: u64, exponent: i64, low: u64, distance: u64, subtract: bool) -> Magnitude {
    let high = u128::from(high) << 63;
    let low = u128::from(low) << 63;
    let shifted = if distance < 128 { low >> distance } else { 0 };
    let sticky = if distance < 128 { shifted << distance != low } else { low != 0 };
    let bits = if subtract { high - shifted - u128::from(sticky) } else { high + shifted };
    round(bits, exponent - 63, sticky)
}

/// The number nearest to (`bits` + f)·2^`exponent`, where f is zero, or if `sticky` something between zero and one.
///
/// With `sticky`, `bits` must have more than 65 bits, or be far below the least number.
fn round(bits: u128, exponent: i64, sticky: bool) -> Magnitude {
    let length = i64::from(128 - bits.leading_zeros());
    let dropped = (length - 64).max(EXPONENT_MIN - exponent);
    if bits == 0 || dropped > 128 {
        return Magnitude::Finite { mantissa: 0, exponent: EXPONENT_MIN };
    }
    let exponent = exponent + dropped;
    let mantissa = if dropped <= 0 {
        bits << dropped.unsigned_abs()
    } else {
        let kept = bits.checked_shr(dropped as u32).unwrap_or(0);
        let rest = bits - kept.checked_shl(dropped as u32).unwrap_or(0);
        kept + u128::from(rounds_up(kept, rest, dropped.unsigned_abs(), sticky))
    };
    let (mantissa, exponent) = match u64::try_from(mantissa) {
        Ok(mantissa) => (mantissa, exponent),
        Err(_) => (1 << 63, exponent + 1),
    };
    if exponent > EXPONENT_MAX { Magnitude::Infinite } else { Magnitude::Finite { mantissa, exponent } }
}

/// Whether `kept` + (`rest` + f)/2^`width` is nearer to `kept` + 1 than to `kept`, or as near and `kept` is odd.
/// `rest` is below 2^`width`, and `width` is from 1 to 128; f is as in [`round`].
fn rounds_up(kept: u128, rest: u128, width: u64, sticky: bool) -> bool {
    let half = 1u128 << (width - 1);
    rest > half || (rest == half && (sticky || kept % 2 == 1))
}

/// Writes `mantissa`·2^`exponent`.
fn push_whole(mantissa: u64, exponent: u64, out: &mut Vec<u8>) {
    if exponent <= 64 {
        push_u128(u128::from(mantissa) << exponent, out);
    } else {
        let mut number = Natural::from(mantissa);
        number.shift_left(exponent);
        number.push_decimal(out);
    }
}

/// Writes `mantissa`·2^−`scale` with [`FRACTION_DIGITS`] digits after the point, less the zeros at the end.
fn push_fractional(mantissa: u64, scale: u64, out: &mut Vec<u8>) {
    const ONE: u128 = 10u128.pow(FRACTION_DIGITS as u32);
    let whole = if scale < 64 { mantissa >> scale } else { 0 };
    let rest = if scale < 64 { mantissa - (whole << scale) } else { mantissa };
    // Below 2⁶⁴·10¹⁷, hence below 2¹²¹; beyond a scale of 127 it is less than half a unit of the last digit.
    let scaled = u128::from(rest) * ONE;
    let digits = if scale < 128 { scaled >> scale } else { 0 };
    let digits =
        digits + u128::from(scale < 128 && rounds_up(digits, scaled - (digits << scale), scale, false));
    let (whole, digits) = (u128::from(whole) + digits / ONE, digits % ONE);
    push_u128(whole, out);
    if digits != 0 {
        let mut text = [b'.'; FRACTION_DIGITS + 1];
        let mut left = digits;
        for byte in text[1..].iter_mut().rev() {
            *byte = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let length = text.iter().rposition(|&byte| byte != b'0').map_or(0, |last| last + 1);
        out.extend_from_slice(&text[..length]);
    }
}

fn push_u128(number: u128, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
