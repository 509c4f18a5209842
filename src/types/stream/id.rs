//! The ids of entries, and the texts that clients write them as.

use std::fmt;

use crate::types::spine;
use crate::util::number::{INTEGER_TEXT_MAX, parse_u64};

/// Longer texts are not read.
const TEXT_MAX: usize = 127;

/// An id: a time in milliseconds and a number within it. Ids are in the order of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    /// Unix milliseconds, unless the client chose another number.
    pub ms: u64,
    /// The number among the ids of a millisecond.
    pub seq: u64,
}

impl spine::Bound for StreamId {}

impl StreamId {
    /// 0-0, which no entry has.
    pub const MIN: Self = Self { ms: 0, seq: 0 };
    /// The last id there is.
    pub const MAX: Self = Self { ms: u64::MAX, seq: u64::MAX };

    /// The id after this one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one.
    pub fn prev(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Self { seq, ..self }),
            None => Some(Self { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `<ms>` or `<ms>-<seq>`; without a number within the millisecond it is `missing_seq`. `None`:
    /// `ERR Invalid stream ID specified as stream command argument`.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        let (ms, seq) = split(text)?;
        Some(Self { ms: parse_u64(ms)?, seq: seq.map_or(Some(missing_seq), parse_u64)? })
    }

    /// As [`StreamId::parse`], and `-` and `+` are the first and the last id.
    pub fn parse_special(text: &[u8], missing_seq: u64) -> Option<Self> {
        match until_nul(text) {
            b"-" => Some(Self::MIN),
            b"+" => Some(Self::MAX),
            text => Self::parse(text, missing_seq),
        }
    }

    /// Reads the start of an interval: an id, `-`, `+`, or `(` and an id that is itself excluded.
    ///
    /// # Errors
    /// See [`BoundError`].
    pub fn parse_start(text: &[u8]) -> Result<Self, BoundError> {
        Self::parse_bound(text, 0, Self::next)
    }

    /// Reads the end of an interval, as [`StreamId::parse_start`] reads the start. `<ms>` is the last id of a millisecond.
    ///
    /// # Errors
    /// See [`BoundError`].
    pub fn parse_end(text: &[u8]) -> Result<Self, BoundError> {
        Self::parse_bound(text, u64::MAX, Self::prev)
    }

    fn parse_bound(
        text: &[u8],
        missing_seq: u64,
        exclude: impl Fn(Self) -> Option<Self>,
    ) -> Result<Self, BoundError> {
        match text {
            [b'(', id @ ..] if !id.is_empty() => {
                exclude(Self::parse(id, missing_seq).ok_or(BoundError::Invalid)?).ok_or(BoundError::Empty)
            }
            _ => Self::parse_special(text, missing_seq).ok_or(BoundError::Invalid),
        }
    }

    /// Its text, `<ms>-<seq>`.
    pub fn text(self) -> IdText {
        let mut text = IdText { bytes: [0; IdText::MAX], len: 0 };
        text.push(itoa::Buffer::new().format(self.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(self.seq).as_bytes());
        text
    }

    /// The id at these distances, which are stored as signed numbers.
    pub(super) fn plus(self, ms: i64, seq: i64) -> Self {
        Self { ms: self.ms.wrapping_add_signed(ms), seq: self.seq.wrapping_add_signed(seq) }
    }

    /// The distances from `base`, for [`StreamId::plus`].
    pub(super) fn minus(self, base: Self) -> (i64, i64) {
        (self.ms.wrapping_sub(base.ms) as i64, self.seq.wrapping_sub(base.seq) as i64)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Why the bound of an interval is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundError {
    /// `ERR Invalid stream ID specified as stream command argument`
    Invalid,
    /// It excludes the last, or the first, id there is: `ERR invalid start ID for the interval`, `ERR invalid end ID for the interval`.
    Empty,
}

/// The id that XADD is asked to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// `*`: of now, and after the last.
    Auto,
    /// `<ms>-*`: in this millisecond, and after the last.
    Ms(u64),
    /// This one. (0-0 must be refused: `ERR The ID specified in XADD must be greater than 0-0`.)
    Exact(StreamId),
}

impl NewId {
    /// Reads the id of XADD. `None`: `ERR Invalid stream ID specified as stream command argument`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text == b"*" {
            return Some(Self::Auto);
        }
        match split(text)? {
            (ms, Some(b"*")) => parse_u64(ms).map(Self::Ms),
            _ => StreamId::parse(text, 0).map(Self::Exact),
        }
    }
}

/// The text of an id.
#[derive(Clone, Copy, Debug)]
pub struct IdText {
    bytes: [u8; Self::MAX],
    len: usize,
}

impl IdText {
    const MAX: usize = 2 * INTEGER_TEXT_MAX + 1;

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }
}

/// The parts before and after the first `-`.
fn split(text: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if text.len() > TEXT_MAX {
        return None;
    }
    let mut parts = until_nul(text).splitn(2, |&byte| byte == b'-');
    Some((parts.next()?, parts.next()))
}

/// What C sees of a text.
fn until_nul(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|&byte| byte == 0).unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        let cases: [(&[u8], Option<StreamId>); 16] = [
            (b"1-2", Some(id(1, 2))),
            (b"7", Some(id(7, 9))),
            (b"18446744073709551615-18446744073709551615", Some(StreamId::MAX)),
            (b"18446744073709551616-0", None),
            (b"007-+1", Some(id(7, 1))),
            (b"5\0-3", Some(id(5, 9))),
            (b"", None),
            (b"-", None),
            (b"+", None),
            (b"1-", None),
            (b"-1", None),
            (b"1--1", None),
            (b"1-1-1", None),
            (b"1-*", None),
            (b"a-1", None),
            (&[b'0'; 128], None),
        ];
        for (text, expected) in cases {
            assert_eq!(StreamId::parse(text, 9), expected, "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(StreamId::parse(&[b'0'; 127], 9), Some(id(0, 9)));
        assert_eq!(StreamId::parse_special(b"-", 9), Some(StreamId::MIN));
        assert_eq!(StreamId::parse_special(b"+\0", 9), Some(StreamId::MAX));
    }

    #[test]
    fn bounds_may_be_excluded() {
        assert_eq!(StreamId::parse_start(b"5"), Ok(id(5, 0)));
        assert_eq!(StreamId::parse_end(b"5"), Ok(id(5, u64::MAX)));
        assert_eq!(StreamId::parse_start(b"(5-3"), Ok(id(5, 4)));
        assert_eq!(StreamId::parse_end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert_eq!(StreamId::parse_start(b"(5-18446744073709551615"), Ok(id(6, 0)));
        assert_eq!(StreamId::parse_end(b"(0-0"), Err(BoundError::Empty));
        let last = StreamId::MAX.to_string();
        assert_eq!(StreamId::parse_start(format!("({last}").as_bytes()), Err(BoundError::Empty));
        for text in [&b"("[..], b"(-", b"(+", b"x"] {
            assert_eq!(StreamId::parse_start(text), Err(BoundError::Invalid));
        }
        assert_eq!(StreamId::parse_start(b"-"), Ok(StreamId::MIN));
        assert_eq!(StreamId::parse_end(b"+"), Ok(StreamId::MAX));
    }

    #[test]
    fn new_ids_may_be_partial() {
        assert_eq!(NewId::parse(b"*"), Some(NewId::Auto));
        assert_eq!(NewId::parse(b"7-*"), Some(NewId::Ms(7)));
        assert_eq!(NewId::parse(b"7-5"), Some(NewId::Exact(id(7, 5))));
        assert_eq!(NewId::parse(b"7"), Some(NewId::Exact(id(7, 0))));
        for text in [&b"**"[..], b"*-1", b"7-**", b"-", b"+", b"x-*", b"-*"] {
            assert_eq!(NewId::parse(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn neighbours_and_distances_invert_each_other() {
        assert_eq!(StreamId::MAX.next(), None);
        assert_eq!(StreamId::MIN.prev(), None);
        for one in [id(0, 0), id(3, u64::MAX), id(9, 4), id(u64::MAX, 0)] {
            assert_eq!(one.next().unwrap().prev(), Some(one));
            for other in [StreamId::MIN, StreamId::MAX, id(7, 7)] {
                let (ms, seq) = one.minus(other);
                assert_eq!(other.plus(ms, seq), one);
            }
        }
        assert_eq!(StreamId::MAX.text().as_bytes(), StreamId::MAX.to_string().as_bytes());
    }
}
