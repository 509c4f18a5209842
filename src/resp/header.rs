//! The leaves of the request grammar as streaming nom parsers: lines, the two length headers, a bulk's bytes.
//!
//! What Redis does not check is not checked here either: the byte behind a header's CR, and the two bytes behind a
//! bulk, are skipped whatever they are. Redis finds line ends with C string functions, so a NUL byte hides every line
//! end behind it; such a line runs into the 64 KiB limit here as it does there.

use memchr::{memchr, memchr2};
use nom::bytes::streaming::take;
use nom::combinator::{map, map_res};
use nom::sequence::terminated;
use nom::{IResult, Needed, Parser};

use super::ProtocolError;

/// A line must end within this many bytes: Redis's `PROTO_INLINE_MAX_SIZE`. A line end later than that is not looked
/// for, so that the verdict does not depend on how many bytes happened to arrive together.
pub(super) const LINE_MAX: usize = 64 * 1024;

/// The longest text of an `i64`: a sign and 19 digits.
const INTEGER_TEXT_MAX: usize = 20;

/// `*N` and its line end: the announced number of arguments, any `i64`. The line is known to start with `*`.
/// `searched` bytes of it were already searched for the end, here and below.
pub(super) fn multibulk_header(input: &[u8], searched: usize) -> IResult<&[u8], i64, ProtocolError> {
    let line = line(b'\r', searched, ProtocolError::TooBigMultibulkCount);
    map_res(terminated(line, take(2usize)), |line: &[u8]| {
        integer(line.get(1..).unwrap_or_default()).ok_or(ProtocolError::InvalidMultibulkLength)
    })
    .parse(input)
}

/// `$L` and its line end: the announced number of bytes, any `i64`. What the line starts with is looked at only once
/// it is complete, as in Redis.
pub(super) fn bulk_header(input: &[u8], searched: usize) -> IResult<&[u8], i64, ProtocolError> {
    let line = line(b'\r', searched, ProtocolError::TooBigBulkCount);
    map_res(terminated(line, take(2usize)), |line: &[u8]| match line.split_first() {
        Some((b'$', digits)) => integer(digits).ok_or(ProtocolError::InvalidBulkLength),
        Some((&other, _)) => Err(ProtocolError::ExpectedDollar(other)),
        None => Err(ProtocolError::ExpectedDollar(b'\r')),
    })
    .parse(input)
}

/// The bytes of a bulk and the two behind it. Incomplete says exactly how many are missing.
pub(super) fn bulk(input: &[u8], len: usize) -> IResult<&[u8], &[u8], ProtocolError> {
    map(take(len + 2), |bytes: &[u8]| &bytes[..len]).parse(input)
}

/// An inline command's line without its LF or CRLF.
pub(super) fn inline_line(input: &[u8], searched: usize) -> IResult<&[u8], &[u8], ProtocolError> {
    let line = line(b'\n', searched, ProtocolError::TooBigInlineRequest);
    map(terminated(line, take(1usize)), |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line)).parse(input)
}

/// Everything before the first `end`, which stays in the rest.
fn line<'a>(
    end: u8,
    searched: usize,
    too_long: ProtocolError,
) -> impl Parser<&'a [u8], Output = &'a [u8], Error = ProtocolError> {
    move |input: &'a [u8]| {
        let window = &input[..input.len().min(LINE_MAX + 1)];
        let found = memchr2(end, 0, window.get(searched..).unwrap_or_default()).map(|at| at + searched);
        match found {
            Some(at) if input[at] == end => Ok((&input[at..], &input[..at])),
            _ if input.len() > LINE_MAX => Err(nom::Err::Failure(too_long)),
            _ => Err(nom::Err::Incomplete(Needed::new(1))),
        }
    }
}

/// How much of an unfinished line need not be searched again: all but its last byte (a CR that waits for its LF), and
/// nothing from the first NUL on, which must be met again.
pub(super) fn searched(line: &[u8], searched: usize) -> usize {
    let unsearched = line.get(searched..).unwrap_or_default();
    memchr(0, unsearched).map_or(line.len().saturating_sub(1), |at| searched + at)
}

/// A decimal integer as Redis reads it: an optional `-`, no `+`, no leading zeros, no `-0`, within an `i64`.
pub fn integer(text: &[u8]) -> Option<i64> {
    if text.len() > INTEGER_TEXT_MAX {
        return None;
    }
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        _ => (false, text),
    };
    match digits.first()? {
        b'0' => return (text.len() == 1).then_some(0),
        b'1'..=b'9' => {}
        _ => return None,
    }
    // Downwards, because the negative range is the larger one.
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_strictly_as_redis_reads_them() {
        let good = [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("1234567890", 1_234_567_890),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, value) in good {
            assert_eq!(integer(text.as_bytes()), Some(value), "{text}");
        }
        let bad = [
            "",
            "-",
            "-0",
            "00",
            "01",
            "-01",
            "+1",
            " 1",
            "1 ",
            "1a",
            "a",
            "0x1",
            "--1",
            "1.0",
            "\u{661}",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "100000000000000000000000",
        ];
        for text in bad {
            assert_eq!(integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_header_needs_the_byte_behind_its_cr_but_not_that_it_is_lf() {
        assert!(matches!(bulk_header(b"$12\r", 0), Err(nom::Err::Incomplete(_))));
        assert_eq!(bulk_header(b"$12\rX!", 0), Ok((&b"!"[..], 12)));
        assert_eq!(multibulk_header(b"*-1\r\n", 0), Ok((&b""[..], -1)));
    }

    #[test]
    fn a_nul_byte_hides_the_line_end_until_the_limit() {
        let mut line = b"$1\0\r\n".to_vec();
        assert!(matches!(bulk_header(&line, 0), Err(nom::Err::Incomplete(_))));
        assert_eq!(searched(&line, 0), 2);
        line.resize(LINE_MAX + 1, b'\n');
        assert_eq!(bulk_header(&line, 2), Err(nom::Err::Failure(ProtocolError::TooBigBulkCount)));
    }
}
