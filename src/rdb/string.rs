//! Strings: of keys, of auxiliary fields, of string objects and of the elements of others.
//!
//! Three ways to write one, because they are read differently: [`put`] is for whoever reads a string as its bytes and may
//! write an integer for a text; [`put_plain`] and [`put_int`] keep the difference between "7" and 7.

use std::borrow::Cow;

use super::{Malformed, Sink, Source, length, lzf};
use crate::types::string::encoding::int_encodable;

const INT_8: u8 = 0;
const INT_16: u8 = 1;
const INT_32: u8 = 2;
const LZF: u8 = 3;

/// The longest text of a 32-bit integer, in bytes.
const INT_TEXT_MAX: usize = 11;
/// Strings up to this length are never compressed.
const UNCOMPRESSED_MAX: usize = 20;
/// What compression must save, in bytes.
const SAVED_MIN: usize = 4;

/// A string as it was encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded<'a> {
    /// An integer, standing for its decimal text.
    Int(i32),
    /// The bytes, perhaps compressed.
    Bytes(Cow<'a, [u8]>),
}

/// Puts a string in the shortest way: as an integer if it is the canonical text of a 32-bit one; compressed if
/// `compression` is wanted and saves something; or plain.
pub fn put<S: Sink>(out: &mut S, bytes: &[u8], compression: bool) -> Result<(), S::Error> {
    if bytes.len() <= INT_TEXT_MAX
        && let Some(number) = int_encodable(bytes).and_then(|number| i32::try_from(number).ok())
    {
        put_i32(out, number)
    } else if compression
        && bytes.len() > UNCOMPRESSED_MAX
        && let Some(compressed) = lzf::compress(bytes, bytes.len() - SAVED_MIN)
    {
        out.put(&[length::ENCODED | LZF])?;
        length::put(out, compressed.len() as u64)?;
        length::put(out, bytes.len() as u64)?;
        out.put(&compressed)
    } else {
        put_plain(out, bytes)
    }
}

/// Puts a string as its bytes, whatever they are.
pub fn put_plain<S: Sink>(out: &mut S, bytes: &[u8]) -> Result<(), S::Error> {
    length::put(out, bytes.len() as u64)?;
    out.put(bytes)
}

/// Whether an integer is put as one, and not as its text.
pub fn is_encoded(number: i64) -> bool {
    i32::try_from(number).is_ok()
}

/// Puts an integer: encoded if it has up to 32 bits, as its text otherwise.
pub fn put_int<S: Sink>(out: &mut S, number: i64) -> Result<(), S::Error> {
    match i32::try_from(number) {
        Ok(number) => put_i32(out, number),
        Err(_) => put_plain(out, itoa::Buffer::new().format(number).as_bytes()),
    }
}

fn put_i32<S: Sink>(out: &mut S, number: i32) -> Result<(), S::Error> {
    let (encoding, len) = match number {
        -0x80..0x80 => (INT_8, 1),
        -0x8000..0x8000 => (INT_16, 2),
        _ => (INT_32, 4),
    };
    out.put(&[length::ENCODED | encoding])?;
    out.put(&number.to_le_bytes()[..len])
}

/// Takes a string as it was encoded; one that is plain is borrowed if the source is a slice.
pub fn take_encoded<'a, S: Source<'a>>(source: &mut S) -> Result<Encoded<'a>, S::Error> {
    let number = match length::take_prefix(source)? {
        length::Prefix::Length(len) => return source.bytes(len).map(Encoded::Bytes),
        length::Prefix::Encoding(INT_8) => i8::from_le_bytes(source.array()?).into(),
        length::Prefix::Encoding(INT_16) => i16::from_le_bytes(source.array()?).into(),
        length::Prefix::Encoding(INT_32) => i32::from_le_bytes(source.array()?),
        length::Prefix::Encoding(LZF) => return take_compressed(source),
        length::Prefix::Encoding(number) => return Err(Malformed::StringEncoding(number).into()),
    };
    Ok(Encoded::Int(number))
}

fn take_compressed<'a, S: Source<'a>>(source: &mut S) -> Result<Encoded<'a>, S::Error> {
    let compressed_len = length::take(source)?;
    let len = length::take(source)?;
    let compressed = source.bytes(compressed_len)?;
    let bytes = usize::try_from(len).ok().and_then(|len| lzf::decompress(&compressed, len));
    Ok(Encoded::Bytes(Cow::Owned(bytes.ok_or(Malformed::Compression)?)))
}

/// Takes a string as its bytes: an integer as its text.
pub fn take<'a, S: Source<'a>>(source: &mut S) -> Result<Cow<'a, [u8]>, S::Error> {
    Ok(match take_encoded(source)? {
        Encoded::Bytes(bytes) => bytes,
        Encoded::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(bytes: &[u8], compression: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(()) = put(&mut out, bytes, compression);
        out
    }

    #[test]
    fn strings_have_the_bytes_that_redis_gives_them() {
        let cases: [(&str, &[u8]); 12] = [
            ("", &[0]),
            ("ab", b"\x02ab"),
            ("0", &[0xC0, 0]),
            ("-128", &[0xC0, 0x80]),
            ("128", &[0xC1, 0x80, 0]),
            ("-32768", &[0xC1, 0, 0x80]),
            ("32768", &[0xC2, 0, 0x80, 0, 0]),
            ("2147483647", &[0xC2, 0xFF, 0xFF, 0xFF, 0x7F]),
            ("-2147483648", &[0xC2, 0, 0, 0, 0x80]),
            ("2147483648", b"\x0a2147483648"),
            ("007", b"\x03007"),
            ("+1", b"\x02+1"),
        ];
        for (text, bytes) in cases {
            assert_eq!(encoded(text.as_bytes(), true), bytes, "{text}");
            assert_eq!(take(&mut &bytes[..]).unwrap(), text.as_bytes());
            for cut in 0..bytes.len() {
                assert_eq!(take(&mut &bytes[..cut]), Err(Malformed::CutOff), "{text} cut to {cut} bytes");
            }
        }
    }

    #[test]
    fn integers_stay_integers_and_texts_stay_texts() {
        let mut out = Vec::new();
        let (Ok(()), Ok(())) = (put_int(&mut out, 7), put_int(&mut out, 1 << 31));
        assert!(is_encoded(7) && !is_encoded(1 << 31));
        let Ok(()) = put_plain(&mut out, b"7");
        let mut rest = &out[..];
        assert_eq!(take_encoded(&mut rest), Ok(Encoded::Int(7)));
        assert_eq!(take_encoded(&mut rest), Ok(Encoded::Bytes(b"2147483648"[..].into())));
        assert_eq!(take_encoded(&mut rest), Ok(Encoded::Bytes(b"7"[..].into())));
        assert!(rest.is_empty());
    }

    #[test]
    fn long_strings_are_compressed_if_wanted_and_useful() {
        let text = [b'a'; 1000];
        let short = encoded(&text, true);
        assert!(short[0] == 0xC3 && short.len() < 30, "{short:?}");
        assert_eq!(take(&mut &short[..]).unwrap(), &text[..]);
        assert_eq!(encoded(&text, false).len(), 1002);
        assert_eq!(encoded(&text[..20], true).len(), 21);
        let noise: Vec<u8> = (0..=255).collect();
        assert_eq!(encoded(&noise, true).len(), 258);
    }

    #[test]
    fn hostile_strings_are_refused_without_memory_for_them() {
        let huge = [0x81, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, b'x'];
        assert_eq!(take(&mut &huge[..]), Err(Malformed::CutOff));
        let mut compressed = vec![0xC3, 1];
        compressed.extend_from_slice(&huge);
        assert_eq!(take(&mut &compressed[..]), Err(Malformed::Compression));
        assert_eq!(take(&mut &[0xC3, 0xC0, 1, 1, 1][..]), Err(Malformed::Length(0xC0)));
        assert_eq!(take(&mut &[0xC4, 0][..]), Err(Malformed::StringEncoding(4)));
    }
}
