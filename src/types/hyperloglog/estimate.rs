//! From registers to a cardinality: the estimator of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches", arXiv:1702.01284, algorithm 6.
//!
//! The order of the floating-point operations is Redis's, because the result must be the same to the last element.

use super::{PATTERN_BITS, REGISTERS};

/// The values that six bits can have. Those above [`PATTERN_BITS`] + 1 occur in forged registers only.
pub(super) const VALUES: usize = 64;
/// 1 / (2 ln 2).
const ALPHA: f64 = std::f64::consts::LOG2_E / 2.0;

/// The cardinality that a histogram of the registers' values suggests.
pub(super) fn cardinality(histogram: &[u32; VALUES]) -> u64 {
    let m = REGISTERS as f64;
    let at = |value: usize| f64::from(histogram[value]);
    let highest = PATTERN_BITS as usize + 1;
    let mut z = m * tau((m - at(highest)) / m);
    for value in (1..highest).rev() {
        z = (z + at(value)) * 0.5;
    }
    z += m * sigma(at(0) / m);
    let estimate = (ALPHA * m * m / z).round();
    // What does not fit an i64 becomes the least one, as the conversion is done on x86.
    if estimate < i64::MAX as f64 { estimate as u64 } else { 1 << 63 }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
