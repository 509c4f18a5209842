//! Registers of six bits, four in three bytes.

/// The register `index`.
pub(super) fn get(registers: &[u8], index: usize) -> u8 {
    let at = index / 4 * 3;
    (four_at(&registers[at..at + 3]) >> (index % 4 * 6)) as u8 & 63
}

/// Sets the register `index` to `value`, at most 63.
pub(super) fn set(registers: &mut [u8], index: usize, value: u8) {
    let (at, shift) = (index / 4 * 3, index % 4 * 6);
    let four = four_at(&registers[at..at + 3]) & !(63 << shift) | u32::from(value) << shift;
    registers[at..at + 3].copy_from_slice(&four.to_le_bytes()[..3]);
}

/// Raises the register `index` to `value` and says whether it was lower.
pub(super) fn raise(registers: &mut [u8], index: usize, value: u8) -> bool {
    let lower = get(registers, index) < value;
    if lower {
        set(registers, index, value);
    }
    lower
}

/// Calls `visit` with the index and the value of every register.
pub(super) fn each(registers: &[u8], mut visit: impl FnMut(usize, u8)) {
    for (index, bytes) in registers.as_chunks::<3>().0.iter().enumerate() {
        let four = four_at(bytes);
        (0..4).for_each(|offset| visit(index * 4 + offset, (four >> (offset * 6)) as u8 & 63));
    }
}

fn four_at(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}
