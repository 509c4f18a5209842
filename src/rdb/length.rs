//! Lengths, and what strings have in the place of one.

use super::{Malformed, Sink, Source};

const BITS_32: u8 = 0x80;
const BITS_64: u8 = 0x81;
/// The two high bits of the first byte of a string that is not plain.
pub(super) const ENCODED: u8 = 0xC0;

/// What a string begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// The length of a plain string.
    Length(u64),
    /// The number of a special encoding, 0 to 63.
    Encoding(u8),
}

/// Puts a length in the fewest bytes.
pub(super) fn put<S: Sink>(out: &mut S, len: u64) -> Result<(), S::Error> {
    match len {
        0..0x40 => out.put(&[len as u8]),
        0x40..0x4000 => out.put(&(0x4000 | len as u16).to_be_bytes()),
        0x4000..=0xFFFF_FFFF => {
            out.put(&[BITS_32])?;
            out.put(&(len as u32).to_be_bytes())
        }
        _ => {
            out.put(&[BITS_64])?;
            out.put(&len.to_be_bytes())
        }
    }
}

/// Takes a length.
pub(super) fn take<'a, S: Source<'a>>(source: &mut S) -> Result<u64, S::Error> {
    match take_prefix(source)? {
        Prefix::Length(len) => Ok(len),
        Prefix::Encoding(number) => Err(Malformed::Length(ENCODED | number).into()),
    }
}

/// Takes what a string begins with.
pub(super) fn take_prefix<'a, S: Source<'a>>(source: &mut S) -> Result<Prefix, S::Error> {
    let [first] = source.array()?;
    let low = first & 0x3F;
    Ok(match first {
        0..0x40 => Prefix::Length(u64::from(low)),
        0x40..0x80 => {
            let [second] = source.array()?;
            Prefix::Length(u64::from(low) << 8 | u64::from(second))
        }
        BITS_32 => Prefix::Length(u64::from(u32::from_be_bytes(source.array()?))),
        BITS_64 => Prefix::Length(u64::from_be_bytes(source.array()?)),
        ENCODED.. => Prefix::Encoding(low),
        _ => return Err(Malformed::Length(first).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_bytes_that_redis_gives_them() {
        let cases: [(u64, &[u8]); 9] = [
            (0, &[0]),
            (63, &[63]),
            (64, &[0x40, 64]),
            (16_383, &[0x7F, 0xFF]),
            (16_384, &[0x80, 0, 0, 0x40, 0]),
            (0xFFFF_FFFF, &[0x80, 0xFF, 0xFF, 0xFF, 0xFF]),
            (0x1_0000_0000, &[0x81, 0, 0, 0, 1, 0, 0, 0, 0]),
            (u64::MAX, &[0x81, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            (0x1234, &[0x52, 0x34]),
        ];
        for (len, bytes) in cases {
            let mut out = Vec::new();
            let Ok(()) = put(&mut out, len);
            assert_eq!(out, bytes, "{len}");
            for cut in 0..out.len() {
                assert_eq!(take(&mut &out[..cut]), Err(Malformed::CutOff), "{len} cut to {cut} bytes");
            }
            out.push(9);
            let mut rest = &out[..];
            assert_eq!(take(&mut rest), Ok(len));
            assert_eq!(rest, [9]);
        }
    }

    #[test]
    fn other_first_bytes_are_refused() {
        for first in 0x82..=0xBF {
            assert_eq!(take(&mut &[first, 0, 0, 0, 0, 0, 0, 0, 0][..]), Err(Malformed::Length(first)));
        }
        assert_eq!(take(&mut &[0xC0, 0][..]), Err(Malformed::Length(0xC0)));
        assert_eq!(take_prefix(&mut &[0xC3][..]), Ok(Prefix::Encoding(3)));
    }
}
