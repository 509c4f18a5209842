//! Byte ranges of strings: the indexes of GETRANGE and the writes of SETRANGE.

use std::ops::Range;

/// The bytes from index `start` to index `end` of a string of `len` bytes, both included, or `None` if there are
/// none.
///
/// Negative indexes count from the end. Indexes before the beginning become the first byte, also as `end`: the
/// range 0 to −100 of a short string is its first byte, unless both indexes are negative and in the wrong order.
pub fn resolve(start: i64, end: i64, len: usize) -> Option<Range<usize>> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    // No string is as long as i64::MAX bytes, so neither of these wraps.
    let len = i64::try_from(len).ok()?;
    let from_start = |index: i64| if index < 0 { (len + index).max(0) } else { index };
    let (start, end) = (from_start(start), from_start(end).min(len - 1));
    (start <= end).then(|| start as usize..end as usize + 1)
}

/// The length of a string of `len` bytes after `patch_len` bytes have been written at `offset`, or `None` if that is
/// more than `len_max`. Nothing is written, and nothing grows, if `patch_len` is zero.
pub fn patched_len(len: usize, offset: usize, patch_len: usize, len_max: usize) -> Option<usize> {
    if patch_len == 0 {
        return Some(len);
    }
    let end = offset.checked_add(patch_len).filter(|&end| end <= len_max)?;
    Some(end.max(len))
}

/// Overwrites the bytes of `value` at `offset` with `patch`, filling a gap before it with zeros.
///
/// The caller has bounded the result with [`patched_len`].
pub fn patch(value: &mut Vec<u8>, offset: usize, patch: &[u8]) {
    if patch.is_empty() {
        return;
    }
    let end = offset + patch.len();
    if value.len() < end {
        value.resize(end, 0);
    }
    value[offset..end].copy_from_slice(patch);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clamped_as_getrange_clamps_them() {
        let cases = [
            (0, 3, 16, Some(0..4)),
            (-3, -1, 16, Some(13..16)),
            (0, -1, 16, Some(0..16)),
            (10, 100, 16, Some(10..16)),
            (16, 20, 16, None),
            (5, 3, 16, None),
            (0, -100, 16, Some(0..1)),
            (1, -100, 16, None),
            (-100, -200, 16, None),
            (-200, -100, 16, Some(0..1)),
            (-1, -2, 16, None),
            (0, 0, 0, None),
            (0, -1, 0, None),
            (i64::MIN, i64::MAX, 16, Some(0..16)),
            (i64::MAX, i64::MIN, 16, None),
            (i64::MIN, i64::MIN, 16, Some(0..1)),
        ];
        for (start, end, len, expected) in cases {
            assert_eq!(resolve(start, end, len), expected, "{start} {end} {len}");
        }
    }

    #[test]
    fn a_patch_overwrites_appends_or_fills_with_zeros() {
        let mut value = b"Hello World".to_vec();
        patch(&mut value, 6, b"Redis");
        assert_eq!(value, b"Hello Redis");
        patch(&mut value, 9, b"XYZ");
        assert_eq!(value, b"Hello RedXYZ");
        patch(&mut value, 14, b"!");
        assert_eq!(value, b"Hello RedXYZ\0\0!");
        patch(&mut value, 100, b"");
        assert_eq!(value.len(), 15);
        let mut empty = Vec::new();
        patch(&mut empty, 2, b"a");
        assert_eq!(empty, b"\0\0a");
    }

    #[test]
    fn the_length_of_a_patched_string_is_bounded() {
        assert_eq!(patched_len(10, 4, 3, 100), Some(10));
        assert_eq!(patched_len(10, 8, 3, 100), Some(11));
        assert_eq!(patched_len(0, 99, 1, 100), Some(100));
        assert_eq!(patched_len(0, 100, 1, 100), None);
        assert_eq!(patched_len(0, usize::MAX, 2, usize::MAX), None);
        assert_eq!(patched_len(3, usize::MAX, 0, 100), Some(3));
    }
}
