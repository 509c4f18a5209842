//! Natural numbers of any length, with the few operations that reading and writing long doubles take.

use std::cmp::Ordering;

/// The greatest power of ten in a `u64`, and its exponent.
const TEN_POWER: u64 = 10u64.pow(19);
const TEN_EXPONENT: usize = 19;

/// The greatest power of five in a `u64`, and its exponent.
const FIVE_POWER: u64 = 5u64.pow(27);
const FIVE_EXPONENT: u32 = 27;

/// A natural number: 64-bit limbs, the least significant first, the last one not zero. Zero has no limbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Natural {
    limbs: Vec<u64>,
}

impl From<u64> for Natural {
    fn from(number: u64) -> Self {
        Natural { limbs: if number == 0 { Vec::new() } else { vec![number] } }
    }
}

impl Natural {
    pub(super) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The position of the highest bit that is set, plus one.
    pub(super) fn bit_len(&self) -> u64 {
        match self.limbs.last() {
            Some(last) => self.limbs.len() as u64 * 64 - u64::from(last.leading_zeros()),
            None => 0,
        }
    }

    /// `self` · `factor` + `term`. `factor` is not zero.
    pub(super) fn multiply_add(&mut self, factor: u64, term: u64) {
        let mut carry = term;
        for limb in &mut self.limbs {
            let product = u128::from(*limb) * u128::from(factor) + u128::from(carry);
            *limb = product as u64;
            carry = (product >> 64) as u64;
        }
        if carry != 0 {
            self.limbs.push(carry);
        }
    }

    /// `self` · 10ⁿ + the number that the `n` decimal `digits` make.
    pub(super) fn push_digits(&mut self, digits: &[u8]) {
        for chunk in digits.chunks(TEN_EXPONENT) {
            let number = chunk.iter().fold(0u64, |number, byte| number * 10 + u64::from(byte - b'0'));
            self.multiply_add(10u64.pow(chunk.len() as u32), number);
        }
    }

    /// `self` · 5^`exponent`.
    pub(super) fn multiply_power_of_five(&mut self, exponent: u32) {
        for _ in 0..exponent / FIVE_EXPONENT {
            self.multiply_add(FIVE_POWER, 0);
        }
        self.multiply_add(5u64.pow(exponent % FIVE_EXPONENT), 0);
    }

    /// `self` · 2^`bits`.
    pub(super) fn shift_left(&mut self, bits: u64) {
        if self.is_zero() {
            return;
        }
        self.multiply_add(1 << (bits % 64), 0);
        self.limbs.splice(0..0, std::iter::repeat_n(0, (bits / 64) as usize));
    }

    /// `self` − `other`, which is not greater.
    pub(super) fn subtract(&mut self, other: &Natural) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let (difference, first) = limb.overflowing_sub(other.limbs.get(index).copied().unwrap_or(0));
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            *limb = difference;
            borrow = first || second;
        }
        debug_assert!(!borrow, "the subtrahend was greater");
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }

    /// The highest 128 bits, the number of bits below them, and whether any of those is set.
    pub(super) fn top_bits(&self) -> (u128, u64, bool) {
        let below = self.bit_len().saturating_sub(128);
        let (skipped, shift) = ((below / 64) as usize, below % 64);
        let limb = |index: usize| u128::from(self.limbs.get(skipped + index).copied().unwrap_or(0));
        let mut bits = (limb(0) | limb(1) << 64) >> shift;
        if shift > 0 {
            bits |= limb(2) << (128 - shift);
        }
        let rest = self.limbs[..skipped].iter().any(|&limb| limb != 0)
            || self.limbs.get(skipped).is_some_and(|limb| limb & ((1 << shift) - 1) != 0);
        (bits, below, rest)
    }

    /// Appends the decimal text.
    pub(super) fn push_decimal(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::with_capacity(self.limbs.len() + self.limbs.len() / 32 + 1);
        while !self.is_zero() {
            chunks.push(self.divide_by_ten_power());
        }
        let mut buffer = itoa::Buffer::new();
        for (index, &chunk) in chunks.iter().rev().enumerate() {
            let text = buffer.format(chunk).as_bytes();
            if index > 0 {
                out.resize(out.len() + TEN_EXPONENT - text.len(), b'0');
            }
            out.extend_from_slice(text);
        }
        if chunks.is_empty() {
            out.push(b'0');
        }
    }

    /// Divides by [`TEN_POWER`] and returns the remainder.
    fn divide_by_ten_power(&mut self) -> u64 {
        let mut remainder = 0;
        for limb in self.limbs.iter_mut().rev() {
            (*limb, remainder) = divide_by_ten_power(remainder, *limb);
        }
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
        remainder
    }
}

/// The quotient and remainder of (`high`·2⁶⁴ + `low`) / [`TEN_POWER`], where `high` is less than the divisor.
///
/// A multiplication by the reciprocal gives the quotient, or one less or one more than it (Möller and Granlund,
/// "Improved division by invariant integers"). Plain division of 128-bit numbers takes four times as long, and the
/// text of a great number takes thirty thousand of these.
fn divide_by_ten_power(high: u64, low: u64) -> (u64, u64) {
    const RECIPROCAL: u64 = (u128::MAX / TEN_POWER as u128 - (1 << 64)) as u64;
    let estimate = u128::from(RECIPROCAL) * u128::from(high) + (u128::from(high) << 64 | u128::from(low));
    let mut quotient = ((estimate >> 64) as u64).wrapping_add(1);
    let mut remainder = low.wrapping_sub(quotient.wrapping_mul(TEN_POWER));
    if remainder > estimate as u64 {
        quotient = quotient.wrapping_sub(1);
        remainder = remainder.wrapping_add(TEN_POWER);
    }
    if remainder >= TEN_POWER {
        quotient = quotient.wrapping_add(1);
        remainder -= TEN_POWER;
    }
    (quotient, remainder)
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dividing_by_the_reciprocal_is_division() {
        let mut samples =
            vec![0, 1, TEN_POWER - 1, TEN_POWER, TEN_POWER + 1, u64::MAX, u64::MAX - 1, 1 << 63];
        let mut state = 1u64;
        for _ in 0..300 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            samples.extend([state, state >> (state % 64)]);
        }
        for &high in samples.iter().filter(|&&high| high < TEN_POWER) {
            for &low in &samples {
                let dividend = u128::from(high) << 64 | u128::from(low);
                let divisor = u128::from(TEN_POWER);
                let expected = ((dividend / divisor) as u64, (dividend % divisor) as u64);
                assert_eq!(divide_by_ten_power(high, low), expected, "{high} {low}");
            }
        }
    }

    #[test]
    fn decimal_text_keeps_the_zeros_inside() {
        let digits = format!("9{}7{}", "0".repeat(40), "0".repeat(60));
        let mut number = Natural::from(0);
        number.push_digits(digits.as_bytes());
        let mut text = Vec::new();
        number.push_decimal(&mut text);
        assert_eq!(String::from_utf8(text).unwrap(), digits);
    }
}
