//! Elements of collections in requests and replies: what HSCAN, SSCAN and ZSCAN share, and how members are written.

use super::call::{Call, is};
use super::error::CommandError;
use crate::resp::Reply;
use crate::types::listpack::Element;
use crate::util::glob::{self, Case};
use crate::util::number::parse_u64;

/// Elements that a scan hands out when it is not told how many.
const DEFAULT_COUNT: usize = 10;

/// Elements that are drawn with repetitions for one reply, at most: Redis would fill its memory with what is asked for.
pub const DRAWN_MAX: u64 = 1 << 24;

/// Writes an element as a bulk string.
#[inline]
pub fn bulk(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Int(number) => reply.bulk_integer(number),
        Element::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The count of SRANDMEMBER and its like. The one number whose negative is none is out of range.
pub fn draw_count(call: &Call<'_>, position: usize) -> Result<i64, CommandError> {
    let count = call.int(position)?;
    if count == i64::MIN { Err(CommandError::OUT_OF_SYMMETRIC_RANGE) } else { Ok(count) }
}

/// The cursor of a scan, which is checked before the key is looked up.
pub fn cursor(call: &Call<'_>) -> Result<u64, CommandError> {
    parse_u64(call.arg(2)).ok_or(CommandError::INVALID_CURSOR)
}

/// The reply of a scan of a missing key. Its options are not looked at.
pub fn reply_empty_scan(reply: &mut Reply<'_>) {
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
}

/// What follows the cursor of a scan.
pub struct ScanOptions<'a> {
    /// COUNT.
    pub count: usize,
    /// NOVALUES.
    pub has_values: bool,
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options; only a hash's may say that the values are not wanted.
    pub fn read(call: &Call<'a>, is_hash: bool) -> Result<Self, CommandError> {
        let mut options = ScanOptions { count: DEFAULT_COUNT, has_values: true, pattern: None };
        let mut words = call.words(3);
        while let Some(word) = words.next() {
            if is(word, "COUNT") && words.left() > 0 {
                let count = words.int()?;
                let count = usize::try_from(count).ok().filter(|&count| count > 0);
                options.count = count.ok_or(CommandError::SYNTAX)?;
            } else if is(word, "MATCH") && words.left() > 0 {
                // What matches everything needs no look.
                options.pattern = Some(words.value()?).filter(|&pattern| pattern != b"*");
            } else if is(word, "NOVALUES") {
                if !is_hash {
                    return Err(CommandError::NOVALUES_IN_SCAN);
                }
                options.has_values = false;
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Is this element wanted?
    pub fn selects(&self, element: Element<'_>) -> bool {
        self.pattern.is_none_or(|pattern| {
            glob::matches(pattern, element.text(&mut itoa::Buffer::new()), Case::Sensitive)
        })
    }
}
