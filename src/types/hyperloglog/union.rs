//! Several HyperLogLogs as one: PFCOUNT of many keys, and PFMERGE.

use super::{Corrupt, HEADER_LEN, REGISTERS, dense, estimate, is_dense, set, sparse, to_dense};

/// The registers of a union, a byte each: 16 KiB.
pub struct Union {
    registers: Box<[u8]>,
    has_dense: bool,
}

impl Union {
    /// The union of nothing.
    pub fn new() -> Self {
        Self { registers: vec![0; REGISTERS].into_boxed_slice(), has_dense: false }
    }

    /// Adds a HyperLogLog.
    ///
    /// # Errors
    /// [`Corrupt`] if the runs of a sparse one are not all registers; then the union is of no use.
    pub fn add(&mut self, hll: &[u8]) -> Result<(), Corrupt> {
        let registers = &mut self.registers;
        if is_dense(hll) {
            self.has_dense = true;
            dense::each(&hll[HEADER_LEN..], |index, value| registers[index] = registers[index].max(value));
            return Ok(());
        }
        sparse::each_run(hll, |first, run| {
            if run.value > 0 {
                let registers = registers[first..first + run.len].iter_mut();
                registers.for_each(|register| *register = run.value.max(*register));
            }
        })
    }

    /// The estimated number of distinct elements, to be replied as an `i64`.
    pub fn count(&self) -> u64 {
        let mut histogram = [0; estimate::VALUES];
        self.registers.iter().for_each(|&value| histogram[usize::from(value)] += 1);
        estimate::cardinality(&histogram)
    }

    /// Raises the registers of `target` to those of the union, as PFMERGE does; it must be one of those added, or new. It turns dense
    /// if any of those added is. Its cache is stale afterwards: the caller calls [`invalidate`](super::invalidate).
    ///
    /// # Errors
    /// [`Corrupt`] if the target's runs are not all registers, which adding it finds first.
    pub fn store(&self, target: &mut Vec<u8>, sparse_max_bytes: usize) -> Result<(), Corrupt> {
        if self.has_dense {
            to_dense(target)?;
        }
        let mut cursor = sparse::Cursor::default();
        for (index, &value) in self.registers.iter().enumerate().filter(|(_, value)| **value > 0) {
            set(target, &mut cursor, index, value, sparse_max_bytes)?;
        }
        Ok(())
    }

    pub(super) fn into_registers(self) -> Box<[u8]> {
        self.registers
    }
}

impl Default for Union {
    fn default() -> Self {
        Self::new()
    }
}
