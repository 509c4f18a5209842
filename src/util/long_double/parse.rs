//! Texts to numbers, as C's `strtold` reads them.
//!
//! A decimal text is digits·10^exponent. Up to nineteen digits with a small exponent, which is every number that
//! people write, are scaled in 128 bits; all others are scaled as natural numbers, exactly, and rounded once.

use super::natural::Natural;
use super::{LongDouble, Magnitude, TEXT_MAX, round};

/// Where exponents in texts saturate: far outside the range of numbers, even after [`TEXT_MAX`] digits.
const EXPONENT_LIMIT: i64 = 1_000_000_000;

/// The number of decimal digits that always fit a `u64`.
const HEAD_DIGITS: u32 = 19;

/// Numbers of 10⁴⁹⁴⁰ and above are out of range, and those below 10⁻⁴⁹⁶⁰ are nearest to zero.
const DECIMAL_EXPONENTS: std::ops::RangeInclusive<i64> = -4960..=4940;

/// The bits that a quotient is computed to, beyond its first.
const QUOTIENT_BITS: i64 = 66;

impl LongDouble {
    /// Reads a number as Redis's `getLongDoubleFromObject` does: decimal or hexadecimal (`0x1.8p3`) with an optional
    /// exponent, or `inf` or `infinity` in any case; with an optional sign.
    ///
    /// Spaces, trailing bytes, NaNs, texts of [`TEXT_MAX`] bytes or more, numbers out of range, and numbers so small
    /// that they would become zero are `None`.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', text @ ..] => (true, text),
            [b'+', text @ ..] => (false, text),
            text => (false, text),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, magnitude: Magnitude::Infinite });
        }
        let magnitude = match text {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits),
            digits => parse_decimal(digits),
        }?;
        Some(LongDouble { negative, magnitude })
    }
}

/// Splits a text after its mantissa: digits that `digit` accepts with at most one point among them, at least one
/// digit. Calls `push` for each digit's value, and with true for those after the point. Returns what is left.
fn scan_mantissa(text: &[u8], radix: u32, mut push: impl FnMut(u8, bool)) -> Option<&[u8]> {
    let mut after_point = false;
    let mut any = false;
    for (index, &byte) in text.iter().enumerate() {
        match char::from(byte).to_digit(radix) {
            Some(digit) => {
                any = true;
                push(digit as u8, after_point);
            }
            None if byte == b'.' && !after_point => after_point = true,
            None => return any.then_some(&text[index..]),
        }
    }
    any.then_some(&[])
}

/// Reads the exponent that ends a text: nothing, or `marker`, an optional sign and digits. It saturates.
fn scan_exponent(text: &[u8], marker: u8) -> Option<i64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [first, b'-', digits @ ..] if first.eq_ignore_ascii_case(&marker) => (true, digits),
        [first, b'+', digits @ ..] if first.eq_ignore_ascii_case(&marker) => (false, digits),
        [first, digits @ ..] if first.eq_ignore_ascii_case(&marker) => (false, digits),
        _ => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().fold(0, |number, byte| (number * 10 + i64::from(byte - b'0')).min(EXPONENT_LIMIT));
    Some(if negative { -magnitude } else { magnitude })
}

/// What a number that is not zero may not become by rounding: zero or infinity.
fn in_range(magnitude: Magnitude) -> Option<Magnitude> {
    match magnitude {
        Magnitude::Finite { mantissa: 1.., .. } => Some(magnitude),
        _ => None,
    }
}

fn parse_hexadecimal(text: &[u8]) -> Option<Magnitude> {
    let mut bits = 0u128;
    let mut exponent = 0;
    let mut sticky = false;
    let rest = scan_mantissa(text, 16, |digit, after_point| {
        if bits >> 124 == 0 {
            bits = bits << 4 | u128::from(digit);
            exponent -= if after_point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if after_point { 0 } else { 4 };
        }
    })?;
    let exponent = exponent + scan_exponent(rest, b'p')?;
    if bits == 0 {
        return Some(round(0, 0, false));
    }
    in_range(round(bits, exponent, sticky))
}

fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let mut head = 0u64;
    let mut head_digits = 0;
    // The digits that did not fit into `head`.
    let mut tail = Vec::new();
    let mut exponent = 0i64;
    let rest = scan_mantissa(text, 10, |digit, after_point| {
        if head_digits < HEAD_DIGITS {
            head = head * 10 + u64::from(digit);
            head_digits += u32::from(head != 0);
        } else {
            tail.push(b'0' + digit);
        }
        exponent -= i64::from(after_point);
    })?;
    let zeros = tail.iter().rev().take_while(|&&byte| byte == b'0').count();
    tail.truncate(tail.len() - zeros);
    let exponent = exponent + zeros as i64 + scan_exponent(rest, b'e')?;
    if head == 0 {
        return Some(round(0, 0, false));
    }
    let first_digit = i64::from(head_digits) + tail.len() as i64 + exponent;
    if !DECIMAL_EXPONENTS.contains(&first_digit) {
        return None;
    }
    in_range(match exponent {
        0..=19 if tail.is_empty() => round(u128::from(head) * 10u128.pow(exponent as u32), 0, false),
        -19..0 if tail.is_empty() => divide_small(head, 10u64.pow(exponent.unsigned_abs() as u32)),
        _ => scale_by_power_of_ten(head, &tail, exponent),
    })
}

/// `number` / `divisor`, neither of them zero.
fn divide_small(number: u64, divisor: u64) -> Magnitude {
    let leading = number.leading_zeros();
    let divisor = u128::from(divisor);
    let dividend = u128::from(number << leading) << 64;
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    // The quotient has 64 bits or more. Two more make enough for one rounding.
    let (more, remainder, exponent) = if quotient >> 66 == 0 {
        ((remainder << 2) / divisor, (remainder << 2) % divisor, -2)
    } else {
        (0, remainder, 0)
    };
    let quotient = if exponent == 0 { quotient } else { quotient << 2 | more };
    round(quotient, exponent - 64 - i64::from(leading), remainder != 0)
}

/// The number of `head` followed by the digits of `tail`, not zero, times 10^`exponent`.
fn scale_by_power_of_ten(head: u64, tail: &[u8], exponent: i64) -> Magnitude {
    let mut number = Natural::from(head);
    number.push_digits(tail);
    let power = exponent.unsigned_abs() as u32;
    if exponent >= 0 {
        number.multiply_power_of_five(power);
        let (bits, below, sticky) = number.top_bits();
        return round(bits, below as i64 + exponent, sticky);
    }
    let mut divisor = Natural::from(1);
    divisor.multiply_power_of_five(power);
    // Both get the same length, so that the first step of the division below yields the quotient's whole part.
    let shift = divisor.bit_len() as i64 - number.bit_len() as i64;
    if shift >= 0 {
        number.shift_left(shift.unsigned_abs());
    } else {
        divisor.shift_left(shift.unsigned_abs());
    }
    let mut quotient = 0u128;
    for step in 0..=QUOTIENT_BITS {
        if step > 0 {
            number.shift_left(1);
        }
        quotient <<= 1;
        if number >= divisor {
            number.subtract(&divisor);
            quotient |= 1;
        }
    }
    round(quotient, exponent - shift - QUOTIENT_BITS, !number.is_zero())
}
