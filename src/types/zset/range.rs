//! Ranges of sorted sets: by rank, by score, by the order of members; and windows on them.
//!
//! Every range is resolved to ranks, from the lowest element on, so that counting, reading, removing and storing one are the
//! same whatever it was given by.

use std::ops::Range;

use crate::util::double;

/// Scores from one to another: `(1.5`, `-inf`, `10`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    min: f64,
    min_excluded: bool,
    max: f64,
    max_excluded: bool,
}

impl ScoreRange {
    /// From and to a score, both included.
    pub fn between(min: f64, max: f64) -> Self {
        ScoreRange { min, min_excluded: false, max, max_excluded: false }
    }

    /// From a score up to but not including another.
    pub fn up_to(min: f64, max: f64) -> Self {
        ScoreRange { min, min_excluded: false, max, max_excluded: true }
    }

    /// Reads both ends. `None` is `ERR min or max is not a float`.
    pub fn parse(min: &[u8], max: &[u8]) -> Option<Self> {
        let end = |text: &[u8]| {
            let excluded = text.first() == Some(&b'(');
            Some((double::parse_lenient(&text[usize::from(excluded)..])?, excluded))
        };
        let ((min, min_excluded), (max, max_excluded)) = (end(min)?, end(max)?);
        Some(ScoreRange { min, min_excluded, max, max_excluded })
    }

    /// Whether a score is before all of the range.
    pub(super) fn is_after(&self, score: f64) -> bool {
        if self.min_excluded { score <= self.min } else { score < self.min }
    }

    /// Whether a score is after all of the range.
    pub(super) fn is_before(&self, score: f64) -> bool {
        if self.max_excluded { score >= self.max } else { score > self.max }
    }
}

/// One end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LexEnd<'a> {
    Lowest,
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

/// Members from one to another: `-`, `+`, `[a`, `(b`.
///
/// It has a meaning only where all scores are equal. Elsewhere something is found, but which elements is not specified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    min: LexEnd<'a>,
    max: LexEnd<'a>,
}

impl<'a> LexRange<'a> {
    /// Reads both ends. `None` is `ERR min or max not valid string range item`.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Option<Self> {
        let end = |text: &'a [u8]| match text {
            b"-" => Some(LexEnd::Lowest),
            b"+" => Some(LexEnd::Highest),
            [b'[', member @ ..] => Some(LexEnd::Included(member)),
            [b'(', member @ ..] => Some(LexEnd::Excluded(member)),
            _ => None,
        };
        Some(LexRange { min: end(min)?, max: end(max)? })
    }

    /// Whether a member is before all of the range.
    pub(super) fn is_after(&self, member: &[u8]) -> bool {
        match self.min {
            LexEnd::Lowest => false,
            LexEnd::Highest => true,
            LexEnd::Included(min) => member < min,
            LexEnd::Excluded(min) => member <= min,
        }
    }

    /// Whether a member is after all of the range.
    pub(super) fn is_before(&self, member: &[u8]) -> bool {
        match self.max {
            LexEnd::Lowest => true,
            LexEnd::Highest => false,
            LexEnd::Included(max) => member > max,
            LexEnd::Excluded(max) => member >= max,
        }
    }
}

/// The ranks that the indexes `start` to `end` mean, both included and negative ones counted from the end; if `reverse`, index
/// 0 is the highest element.
pub fn index_ranks(start: i64, end: i64, reverse: bool, len: usize) -> Range<usize> {
    let signed_len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_end = |index: i64| if index < 0 { index.saturating_add(signed_len) } else { index };
    let (start, end) = (from_end(start).max(0), from_end(end).min(signed_len - 1));
    if start > end {
        return 0..0;
    }
    let (start, end) = (start as usize, end as usize + 1);
    if reverse { len - end..len - start } else { start..end }
}

/// What LIMIT leaves of a range: `offset` elements are passed over and `count` taken, all if it is negative; if `reverse`,
/// counted from the highest. A negative offset leaves nothing.
pub fn limit_ranks(ranks: Range<usize>, offset: i64, count: i64, reverse: bool) -> Range<usize> {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(ranks.len());
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(ranks.len() - offset);
    if reverse {
        let end = ranks.end - offset;
        end - count..end
    } else {
        let start = ranks.start + offset;
        start..start + count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_score_ranges_are_read_as_redis_reads_them() {
        let range = ScoreRange::parse(b"(1", b"2").unwrap();
        assert_eq!([0.0, 1.0, 1.1].map(|score| range.is_after(score)), [true, true, false]);
        assert_eq!([1.9, 2.0, 2.1].map(|score| range.is_before(score)), [false, false, true]);
        assert_eq!(
            ScoreRange::parse(b"-inf", b"+inf"),
            Some(ScoreRange::between(f64::NEG_INFINITY, f64::INFINITY))
        );
        assert_eq!(ScoreRange::parse(b"", b" 1"), Some(ScoreRange::between(0.0, 1.0)));
        for wrong in [&b"a"[..], b"nan", b"((1", b"[1", b"1 "] {
            assert_eq!(ScoreRange::parse(wrong, b"1"), None);
            assert_eq!(ScoreRange::parse(b"1", wrong), None);
        }
    }

    #[test]
    fn ends_of_lex_ranges_need_their_sign() {
        let range = LexRange::parse(b"[b", b"(d").unwrap();
        assert_eq!([&b"a"[..], b"b", b"ba"].map(|member| range.is_after(member)), [true, false, false]);
        assert_eq!([&b"c"[..], b"d", b"da"].map(|member| range.is_before(member)), [false, true, true]);
        let all = LexRange::parse(b"-", b"+").unwrap();
        assert!(!all.is_after(b"") && !all.is_before(b"\xff\xff"));
        let none = LexRange::parse(b"+", b"-").unwrap();
        assert!(none.is_after(b"\xff") && none.is_before(b""));
        for wrong in [&b""[..], b"a", b"--", b"+x"] {
            assert_eq!(LexRange::parse(wrong, b"+"), None);
            assert_eq!(LexRange::parse(b"-", wrong), None);
        }
    }

    #[test]
    fn indexes_are_clamped_and_turned_round() {
        for (start, end, forward, backward) in [
            (0, -1, 0..5, 0..5),
            (1, 2, 1..3, 2..4),
            (-2, -1, 3..5, 0..2),
            (-100, 1, 0..2, 3..5),
            (3, 100, 3..5, 0..2),
            (3, 2, 0..0, 0..0),
            (5, 9, 0..0, 0..0),
            (0, -6, 0..0, 0..0),
            (i64::MIN, i64::MAX, 0..5, 0..5),
        ] {
            assert_eq!(index_ranks(start, end, false, 5), forward, "{start} {end}");
            assert_eq!(index_ranks(start, end, true, 5), backward, "{start} {end}");
        }
        assert!(index_ranks(0, -1, true, 0).is_empty());
    }

    #[test]
    fn a_limit_counts_from_the_end_that_comes_first() {
        for (offset, count, forward, backward) in [
            (0, -1, 10..20, 10..20),
            (2, 3, 12..15, 15..18),
            (8, 5, 18..20, 10..12),
            (0, 0, 10..10, 20..20),
            (i64::MAX, 1, 20..20, 10..10),
            (-1, 5, 20..20, 10..10),
        ] {
            assert_eq!(limit_ranks(10..20, offset, count, false), forward, "{offset} {count}");
            assert_eq!(limit_ranks(10..20, offset, count, true), backward, "{offset} {count}");
        }
    }
}
