//! Checking the bytes of a listpack that came from outside: RESTORE, RDB files, a replica's full sync.

use super::element::{backlen_width, decode, encode_backlen};
use super::{COUNT_UNKNOWN, END, HEADER_LEN};
use crate::types::Malformed;

/// Checks all bytes: both lengths of the header, and of every element its head, its bounds and its backlen.
///
/// Elements in a longer form than necessary are accepted, as Redis accepts them.
pub(super) fn validate(bytes: &[u8]) -> Result<(), Malformed> {
    if is_valid(bytes) { Ok(()) } else { Err(Malformed) }
}

fn is_valid(bytes: &[u8]) -> bool {
    let &[a, b, c, d, low, high, ref elements @ .., END] = bytes else { return false };
    if u32::from_le_bytes([a, b, c, d]) as usize != bytes.len() {
        return false;
    }
    let Some(count) = count_elements(elements) else { return false };
    let stated = u16::from_le_bytes([low, high]);
    stated == COUNT_UNKNOWN || count == usize::from(stated)
}

/// How many elements `bytes` are; `None` if they are something else.
fn count_elements(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut count) = (0, 0);
    while at < bytes.len() {
        let len = decode(bytes, at)?.len;
        let mut backlen = [0; 5];
        encode_backlen(&mut backlen, 0, len);
        let end = at + len + backlen_width(len);
        if *bytes.get(at + len..end)? != backlen[..backlen_width(len)] {
            return None;
        }
        (at, count) = (end, count + 1);
    }
    Some(count)
}

const _: () = assert!(HEADER_LEN == 6, "the pattern above takes the header apart");
