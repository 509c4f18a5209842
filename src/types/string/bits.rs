//! Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS and BITOP.
//!
//! Bit 0 is the highest bit of the first byte. Bits beyond the end of a string are zero.

use std::ops::Range;

use crate::util::number::parse_i64;

/// What the indexes of BITCOUNT and BITPOS count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, unless a command says otherwise.
    Byte,
    /// Bits.
    Bit,
}

/// The operations of BITOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// Bits set in all sources.
    And,
    /// Bits set in any source.
    Or,
    /// Bits set in an odd number of sources.
    Xor,
    /// Bits not set in the one source.
    Not,
}

/// Reads a bit offset: an integer from 0 up to the last bit of a string of `bytes_max` bytes.
///
/// `None` is Redis's `ERR bit offset is not an integer or out of range`.
pub fn parse_offset(text: &[u8], bytes_max: u64) -> Option<u64> {
    let offset = u64::try_from(parse_i64(text)?).ok()?;
    (offset / 8 < bytes_max).then_some(offset)
}

/// The bit at `offset`.
pub fn bit(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|index| bytes.get(index));
    byte.is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets or clears the bit at `offset` and returns what it was. The string grows to hold the bit, also to clear it.
///
/// The caller has bounded `offset`, with [`parse_offset`].
pub fn set_bit(value: &mut Vec<u8>, offset: u64, bit: bool) -> bool {
    let index = (offset / 8) as usize;
    if value.len() <= index {
        value.resize(index + 1, 0);
    }
    let mask = mask(offset);
    let before = value[index] & mask != 0;
    if bit {
        value[index] |= mask;
    } else {
        value[index] &= !mask;
    }
    before
}

/// The number of bits that are set.
pub fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let in_words: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    in_words + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The number of bits that are set from index `start` to index `end`, both included, as BITCOUNT counts them.
pub fn count_ones_between(bytes: &[u8], start: i64, end: i64, unit: Unit) -> u64 {
    if start < 0 && end < 0 && start > end {
        return 0;
    }
    let Some(bits) = resolve(bytes.len(), start, end, unit) else { return 0 };
    let (first, last) = byte_span(&bits);
    let outside =
        (bytes[first] & !first_mask(&bits)).count_ones() + (bytes[last] & !last_mask(&bits)).count_ones();
    count_ones(&bytes[first..=last]) - u64::from(outside)
}

/// The position of the first bit that is `bit`, as BITPOS finds it; `None` is its −1.
///
/// Both indexes are included and may be negative; `start` defaults to the beginning. Without an `end`, a string
/// whose bits are all set is followed by zeros, so a search for zero finds the bit after the last; with one, or in
/// an empty range, it finds nothing. `bytes` is an existing value: for a missing key BITPOS replies 0 or −1 itself.
pub fn bit_position(
    bytes: &[u8],
    bit: bool,
    start: Option<i64>,
    end: Option<i64>,
    unit: Unit,
) -> Option<u64> {
    let bits = resolve(bytes.len(), start.unwrap_or(0), end.unwrap_or(-1), unit)?;
    match first_bit(bytes, &bits, bit) {
        None if !bit && end.is_none() => Some(bits.end),
        found => found,
    }
}

/// Combines strings bit by bit. The result is as long as the longest source; the others count as zeros beyond their
/// ends. [`BitOp::Not`] takes the first source only. Without sources the result is empty.
pub fn combine(op: BitOp, sources: &[&[u8]]) -> Vec<u8> {
    let [first, others @ ..] = sources else { return Vec::new() };
    if op == BitOp::Not {
        return first.iter().map(|byte| !byte).collect();
    }
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut result = Vec::with_capacity(len);
    result.extend_from_slice(first);
    result.resize(len, 0);
    // These loops are over bytes because the compiler makes vector instructions of them as they are.
    for source in others {
        let (head, tail) = result.split_at_mut(source.len());
        let pairs = head.iter_mut().zip(*source);
        match op {
            BitOp::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                tail.fill(0);
            }
            BitOp::Or => pairs.for_each(|(byte, other)| *byte |= other),
            BitOp::Xor | BitOp::Not => pairs.for_each(|(byte, other)| *byte ^= other),
        }
    }
    result
}

/// The bit of its byte that `offset` is.
fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// The bits between two indexes, both included, in a string of `len` bytes; not empty.
fn resolve(len: usize, start: i64, end: i64, unit: Unit) -> Option<Range<u64>> {
    let unit_bits = if unit == Unit::Byte { 8 } else { 1 };
    // Strings are far shorter than 2⁶⁰ bytes, so nothing here wraps.
    let len = i64::try_from(len).ok()?.checked_mul(8 / unit_bits)?;
    let from_start = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    (start <= end).then(|| (start * unit_bits) as u64..((end + 1) * unit_bits) as u64)
}

/// The indexes of the first and the last byte that have bits in the range.
fn byte_span(bits: &Range<u64>) -> (usize, usize) {
    ((bits.start / 8) as usize, ((bits.end - 1) / 8) as usize)
}

/// The bits of the range's first byte that are not before the range.
fn first_mask(bits: &Range<u64>) -> u8 {
    0xff >> (bits.start % 8)
}

/// The bits of the range's last byte that are not after the range.
fn last_mask(bits: &Range<u64>) -> u8 {
    0xff << (7 - (bits.end - 1) % 8)
}

/// The first bit of the range that is `bit`.
fn first_bit(bytes: &[u8], bits: &Range<u64>, bit: bool) -> Option<u64> {
    let (first, last) = byte_span(bits);
    // The search is for a one in the bytes exclusive-or this one.
    let flip = if bit { 0 } else { 0xff };
    let edge = if first == last { first_mask(bits) & last_mask(bits) } else { first_mask(bits) };
    let found = |index: usize, byte: u8| Some(index as u64 * 8 + u64::from(byte.leading_zeros()));
    let byte = (bytes[first] ^ flip) & edge;
    if byte != 0 {
        return found(first, byte);
    }
    if first == last {
        return None;
    }
    let middle = &bytes[first + 1..last];
    if let Some(index) = position_of_other(middle, flip) {
        return found(first + 1 + index, middle[index] ^ flip);
    }
    let byte = (bytes[last] ^ flip) & last_mask(bits);
    if byte != 0 { found(last, byte) } else { None }
}

/// The index of the first byte that is not `skipped`.
fn position_of_other(bytes: &[u8], skipped: u8) -> Option<usize> {
    const CHUNK: usize = 32;
    let (chunks, _) = bytes.as_chunks::<CHUNK>();
    let whole = chunks.iter().take_while(|chunk| **chunk == [skipped; CHUNK]).count() * CHUNK;
    bytes[whole..].iter().position(|&byte| byte != skipped).map(|index| whole + index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A xorshift generator, and the seed is the test's.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % bound
        }

        /// Up to `longest` bytes, often runs of 0x00 and 0xff.
        fn bytes(&mut self, longest: u64) -> Vec<u8> {
            let run = [0x00, 0xff][self.below(2) as usize];
            let noise = self.below(4);
            let len = self.below(longest + 1);
            (0..len).map(|_| if self.below(4) < noise { self.below(256) as u8 } else { run }).collect()
        }

        fn index(&mut self, len: u64) -> i64 {
            self.below(3 * len + 7) as i64 - (3 * len as i64 + 7) / 2
        }
    }

    #[test]
    fn offsets_end_with_the_longest_string() {
        assert_eq!(parse_offset(b"0", 1), Some(0));
        assert_eq!(parse_offset(b"7", 1), Some(7));
        assert_eq!(parse_offset(b"8", 1), None);
        assert_eq!(parse_offset(b"4294967295", 512 << 20), Some(u64::from(u32::MAX)));
        assert_eq!(parse_offset(b"4294967296", 512 << 20), None);
        assert_eq!(parse_offset(b"-1", u64::MAX), None);
        assert_eq!(parse_offset(b"01", u64::MAX), None);
        assert_eq!(parse_offset(b"", u64::MAX), None);
    }

    #[test]
    fn setting_a_bit_grows_the_string_and_returns_the_old_bit() {
        let mut value = Vec::new();
        assert!(!set_bit(&mut value, 7, true));
        assert_eq!(value, [1]);
        assert!(set_bit(&mut value, 7, false));
        assert!(!set_bit(&mut value, 16, false));
        assert_eq!(value, [0, 0, 0]);
        assert!(!set_bit(&mut value, 8, true));
        assert_eq!(value, [0, 0x80, 0]);
        assert!(bit(&value, 8) && !bit(&value, 9) && !bit(&value, 1_000) && !bit(&value, u64::MAX));
    }

    #[test]
    fn bitcount_counts_as_documented() {
        let value = b"foobar";
        assert_eq!(count_ones(value), 26);
        assert_eq!(count_ones_between(value, 0, 0, Unit::Byte), 4);
        assert_eq!(count_ones_between(value, 1, 1, Unit::Byte), 6);
        assert_eq!(count_ones_between(value, 5, 30, Unit::Bit), 17);
        assert_eq!(count_ones_between(value, -2, -1, Unit::Byte), 7);
        assert_eq!(count_ones_between(value, -100, -200, Unit::Byte), 0);
        assert_eq!(count_ones_between(value, 0, -100, Unit::Bit), 0);
        assert_eq!(count_ones_between(value, i64::MIN, i64::MAX, Unit::Bit), 26);
        assert_eq!(count_ones_between(b"", 0, -1, Unit::Byte), 0);
    }

    #[test]
    fn bitpos_finds_as_documented() {
        let position = |bytes: &[u8], bit, start, end, unit| bit_position(bytes, bit, start, end, unit);
        assert_eq!(position(b"\xff\xf0\x00", false, None, None, Unit::Byte), Some(12));
        assert_eq!(position(b"\x00\xff\xf0", true, Some(0), None, Unit::Byte), Some(8));
        assert_eq!(position(b"\x00\xff\xf0", true, Some(2), Some(-1), Unit::Byte), Some(16));
        assert_eq!(position(b"\x00\xff\xf0", true, Some(7), Some(15), Unit::Bit), Some(8));
        assert_eq!(position(b"\x00\xff\xf0", true, Some(7), Some(-3), Unit::Bit), Some(8));
        assert_eq!(position(b"\x00\x00\x00", true, None, None, Unit::Byte), None);
    }

    #[test]
    fn bitpos_of_zero_finds_the_bit_after_the_end_only_without_an_end() {
        let ones = [0xff; 3];
        assert_eq!(bit_position(&ones, false, None, None, Unit::Byte), Some(24));
        assert_eq!(bit_position(&ones, false, Some(1), None, Unit::Byte), Some(24));
        assert_eq!(bit_position(&ones, false, Some(0), Some(-1), Unit::Byte), None);
        assert_eq!(bit_position(&ones, false, Some(0), Some(-1), Unit::Bit), None);
        assert_eq!(bit_position(&ones, false, Some(3), None, Unit::Byte), None);
        assert_eq!(bit_position(b"", false, None, None, Unit::Byte), None);
        assert_eq!(bit_position(b"", true, Some(0), Some(0), Unit::Bit), None);
        assert_eq!(bit_position(&ones, true, Some(-100), Some(-200), Unit::Byte), Some(0));
    }

    #[test]
    fn counts_and_positions_agree_with_looking_at_every_bit() {
        let seed = 0x2545_f491_4f6c_dd1d;
        println!("seed {seed:#x}");
        let mut random = Random(seed);
        for _ in 0..20_000 {
            let bytes = random.bytes(90);
            let unit = if random.below(2) == 0 { Unit::Byte } else { Unit::Bit };
            let len = bytes.len() as i64 * if unit == Unit::Bit { 8 } else { 1 };
            let (start, end) = (random.index(len as u64), random.index(len as u64));
            let clamp = |index: i64| if index < 0 { (len + index).max(0) } else { index };
            let unit_of = |offset: u64| (if unit == Unit::Bit { offset } else { offset / 8 }) as i64;
            let in_range = |offset: &u64| (clamp(start)..=clamp(end)).contains(&unit_of(*offset));
            let offsets = || (0..bytes.len() as u64 * 8).filter(in_range);

            let disordered = start < 0 && end < 0 && start > end;
            let ones = if disordered { 0 } else { offsets().filter(|&offset| bit(&bytes, offset)).count() };
            assert_eq!(
                count_ones_between(&bytes, start, end, unit),
                ones as u64,
                "{bytes:x?} {start} {end} {unit:?}"
            );
            for wanted in [false, true] {
                let first = offsets().find(|&offset| bit(&bytes, offset) == wanted);
                let found = bit_position(&bytes, wanted, Some(start), Some(end), unit);
                assert_eq!(found, first, "{bytes:x?} {wanted} {start} {end} {unit:?}");
            }
        }
    }

    #[test]
    fn bitop_pads_short_sources_with_zeros() {
        assert_eq!(combine(BitOp::And, &[b"\xff\x0f\xff", b"\xf0\xff"]), b"\xf0\x0f\x00");
        assert_eq!(combine(BitOp::Or, &[b"\x01", b"\x10\x20", b""]), b"\x11\x20");
        assert_eq!(combine(BitOp::Xor, &[b"\xff", b"\x0f", b"\x01\x01"]), b"\xf1\x01");
        assert_eq!(combine(BitOp::Not, &[b"\x00\xff\xa5"]), b"\xff\x00\x5a");
        assert_eq!(combine(BitOp::And, &[b"abc", b""]), b"\0\0\0");
        assert_eq!(combine(BitOp::And, &[b"abc"]), b"abc");
        assert!(combine(BitOp::Or, &[b"", b""]).is_empty());
        assert!(combine(BitOp::Xor, &[]).is_empty());
    }

    #[test]
    fn bitop_agrees_with_combining_every_bit() {
        let seed = 0x1234_5678_9abc_def1;
        println!("seed {seed:#x}");
        let mut random = Random(seed);
        for _ in 0..2_000 {
            let sources: Vec<Vec<u8>> = (0..random.below(4) + 1).map(|_| random.bytes(70)).collect();
            let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = sources.iter().map(|source| source.len()).max().unwrap();
            for op in [BitOp::And, BitOp::Or, BitOp::Xor] {
                let result = combine(op, &sources);
                assert_eq!(result.len(), len);
                for offset in 0..len as u64 * 8 {
                    let set = sources.iter().filter(|source| bit(source, offset)).count();
                    let expected = match op {
                        BitOp::And => set == sources.len(),
                        BitOp::Or => set > 0,
                        BitOp::Xor | BitOp::Not => set % 2 == 1,
                    };
                    assert_eq!(bit(&result, offset), expected, "{op:?} {sources:x?} {offset}");
                }
            }
        }
    }
}
