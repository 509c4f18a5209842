//! PFSELFTEST: registers hold what is put into them, both encodings agree, and the error is within bounds.
//!
//! It does a hundredth of what Redis does: the client's worker waits for it.

use super::{Encoding, REGISTERS, add, count, dense, encoding, new, to_dense};
use crate::util::random::Random;

const FILLS: usize = 10;
const ELEMENTS: u64 = 100_000;
/// `hll-sparse-max-bytes` while it runs: Redis's default.
const SPARSE_MAX_BYTES: usize = 3_000;

/// What [`self_test`] found. PFSELFTEST replies `TESTFAILED` and a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `Register %d should be %d but is %d`
    Register {
        /// Which.
        index: usize,
        /// What was put into it.
        expected: u8,
        /// What it had.
        found: u8,
    },
    /// `sparse encoding not used`
    NotSparse,
    /// `dense/sparse disagree`
    Disagree,
    /// `Too big error. card:%llu abserr:%llu`
    Error {
        /// Elements added.
        cardinality: u64,
        /// How far the estimate is off.
        error: u64,
    },
}

/// Tests registers and estimates; takes some tens of milliseconds.
///
/// # Errors
/// The first thing found wrong.
pub fn self_test(random: &mut Random) -> Result<(), Failure> {
    for _ in 0..FILLS {
        registers_hold_values(random)?;
    }
    let (mut sparse, mut dense) = (new(), new());
    to_dense(&mut dense).map_err(|_| Failure::Disagree)?;
    let seed = random.next();
    let mut checkpoint = 1;
    for added in 1..=ELEMENTS {
        let element = (seed ^ added).to_ne_bytes();
        for hll in [&mut sparse, &mut dense] {
            add(hll, &element, SPARSE_MAX_BYTES).map_err(|_| Failure::Disagree)?;
        }
        if added == checkpoint {
            check(&sparse, &dense, added)?;
            checkpoint *= 10;
        }
    }
    Ok(())
}

fn registers_hold_values(random: &mut Random) -> Result<(), Failure> {
    let mut registers = vec![0; REGISTERS * 6 / 8];
    let values: Vec<u8> = (0..REGISTERS).map(|_| random.below(64) as u8).collect();
    values.iter().enumerate().for_each(|(index, &value)| dense::set(&mut registers, index, value));
    let mut failure = None;
    dense::each(&registers, |index, found| {
        if found != values[index] {
            failure = failure.or(Some(Failure::Register { index, expected: values[index], found }));
        }
    });
    failure.map_or(Ok(()), Err)
}

fn check(sparse: &[u8], dense: &[u8], cardinality: u64) -> Result<(), Failure> {
    if (cardinality as usize) < SPARSE_MAX_BYTES / 2 && encoding(sparse) != Some(Encoding::Sparse) {
        return Err(Failure::NotSparse);
    }
    let estimate = count(dense).map_err(|_| Failure::Disagree)?;
    if count(sparse) != Ok(estimate) {
        return Err(Failure::Disagree);
    }
    // Six standard errors; of ten elements two may collide.
    let bound = (6.0 * 1.04 / (REGISTERS as f64).sqrt() * cardinality as f64).ceil() as u64;
    let error = estimate.abs_diff(cardinality);
    if error > bound { Err(Failure::Error { cardinality, error }) } else { Ok(()) }
}
