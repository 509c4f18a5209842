//! Parts of strings: APPEND, STRLEN, GETRANGE, SETRANGE and LCS.
//!
//! * No command here or in `bitmaps` makes a string longer than `proto-max-bulk-len`, except while the log is replayed:
//!   what was once accepted must be accepted again, whatever the limit is now ([`string_len_max`]).
//! * A part of a big value is shared with the reply instead of copied.

use super::call::{Call, Room, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::strings::{STRING, encode};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::{Expiry, StringRef, UnixMs};
use crate::types::string::lcs::{self, Match};
use crate::types::string::range;

const RANGE_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.";

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "append",
        since: "2.0.0",
        arity: 3,
        handler: append,
        summary: "Appends to the string in a key; a missing key counts as empty.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | INSERT)],
        args: &[Arg::key("key"), Arg::string("value")],
        ..STRING
    },
    Command {
        name: "strlen",
        since: "2.2.0",
        arity: 2,
        handler: strlen,
        summary: "Returns the length of the string in a key, in bytes.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..STRING
    },
    Command {
        name: "getrange",
        since: "2.4.0",
        complexity: RANGE_COMPLEXITY,
        arity: 4,
        handler: getrange,
        summary: "Returns the bytes of a string from one index to another.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("end")],
        ..STRING
    },
    Command {
        name: "substr",
        since: "1.0.0",
        complexity: RANGE_COMPLEXITY,
        arity: 4,
        handler: getrange,
        summary: "Returns the bytes of a string from one index to another; GETRANGE replaces it.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("end")],
        deprecated_since: "2.0.0",
        replaced_by: "`GETRANGE`",
        ..STRING
    },
    Command {
        name: "setrange",
        since: "2.2.0",
        complexity: "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        arity: 4,
        handler: setrange,
        summary: "Overwrites part of the string in a key from an offset on, filling a gap before it with zeros.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("offset"), Arg::string("value")],
        ..STRING
    },
    Command {
        name: "lcs",
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        arity: -3,
        handler: lcs,
        summary: "Finds the longest common subsequence of two strings.",
        flags: READONLY,
        keys: &[KeySpec::range(1, 1, 1, RO | ACCESS)],
        args: &[
            Arg::key("key1"),
            Arg::key("key2"),
            Arg::flag("len", "LEN").optional(),
            Arg::flag("idx", "IDX").optional(),
            Arg::integer("min-match-len").token("MINMATCHLEN").optional(),
            Arg::flag("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        ..STRING
    },
];

/// The longest string that the call may make, in bytes.
pub fn string_len_max(call: &Call<'_>) -> usize {
    // A time of 0 means replay.
    if call.db.now() == UnixMs(0) { isize::MAX as usize } else { call.config.proto_max_bulk_len }
}

/// Lengthens a string with zeros. A long run of them is memory that the kernel has not touched yet, so that an offset
/// of half a gigabyte does not hold the shard for as long as writing all that memory takes.
pub fn grow(value: &mut Vec<u8>, len: usize) {
    /// From here on the allocator gets whole pages from the kernel.
    const FRESH_PAGES_MIN: usize = 128 * 1024;
    if len <= value.capacity() || len - value.len() < FRESH_PAGES_MIN {
        if len > value.len() {
            value.resize(len, 0);
        }
        return;
    }
    let mut longer = vec![0; len];
    longer[..value.len()].copy_from_slice(value);
    *value = longer;
}

fn append(call: &mut Call<'_>) -> CommandResult {
    let (key, tail) = (call.key(1), call.arg(2));
    let Some(slot) = call.db.find(&key) else {
        call.db.set(&key, None, encode(tail), Expiry::Clear);
        call.db.notify(NotifyFlags::STRING, "append", key.bytes);
        call.reply.integer(tail.len() as i64);
        return Ok(());
    };
    let len = call.db.string(slot)?.len() + tail.len();
    if len > string_len_max(call) {
        return Err(CommandError::STRING_TOO_LONG);
    }
    call.prepare_string(&key, Some(slot), Room { len: 0, capacity: len, spare: SPARE_MAX })?;
    call.db.edit_string(&key, Some(slot), |value| {
        extend(value, tail);
        ((), 1)
    })?;
    call.db.notify(NotifyFlags::STRING, "append", key.bytes);
    call.reply.integer(len as i64);
    Ok(())
}

/// The most room that an append leaves behind it.
const SPARE_MAX: usize = 1024 * 1024;

/// Appends with room for more of the same: as much again, but no more than a mebibyte.
fn extend(value: &mut Vec<u8>, tail: &[u8]) {
    let len = value.len() + tail.len();
    if len > value.capacity() {
        value.reserve_exact(tail.len() + len.min(SPARE_MAX));
    }
    value.extend_from_slice(tail);
}

fn strlen(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let len = call.db.read_string(&key)?.map_or(0, StringRef::len);
    call.reply.integer(len as i64);
    Ok(())
}

fn getrange(call: &mut Call<'_>) -> CommandResult {
    let (start, end) = (call.int(2)?, call.int(3)?);
    let key = call.key(1);
    let value = call.db.read_string(&key)?.unwrap_or(StringRef::Bytes(b""));
    match (range::resolve(start, end, value.len()), value) {
        (None, _) => call.reply.bulk(b""),
        (Some(range), StringRef::Shared(bytes)) => call.reply.bulk_shared(bytes, range),
        (Some(range), value) => call.reply.bulk(&value.bytes(&mut itoa::Buffer::new())[range]),
    }
    Ok(())
}

fn setrange(call: &mut Call<'_>) -> CommandResult {
    let offset = usize::try_from(call.int(2)?).map_err(|_| CommandError::OFFSET_OUT_OF_RANGE)?;
    let (key, patch) = (call.key(1), call.arg(3));
    let slot = call.db.find(&key);
    let old_len = slot.map(|slot| call.db.string(slot)).transpose()?.map_or(0, StringRef::len);
    let len = range::patched_len(old_len, offset, patch.len(), string_len_max(call))
        .ok_or(CommandError::STRING_TOO_LONG)?;
    if !patch.is_empty() {
        call.prepare_string(&key, slot, Room::up_to(len))?;
        call.db.edit_string(&key, slot, |value| {
            grow(value, len);
            range::patch(value, offset, patch);
            ((), 1)
        })?;
        call.db.notify(NotifyFlags::STRING, "setrange", key.bytes);
    }
    call.reply.integer(len as i64);
    Ok(())
}

/// The options of LCS.
#[derive(Default)]
struct LcsOptions {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: usize,
}

fn lcs(call: &mut Call<'_>) -> CommandResult {
    let (a_key, b_key) = (call.key(1), call.key(2));
    let (a, b) = (call.db.read(&a_key), call.db.read(&b_key));
    let string = |slot| match slot {
        Some(slot) => call.db.string(slot).map_err(|_| CommandError::LCS_WRONG_TYPE),
        None => Ok(StringRef::Bytes(b"")),
    };
    let (mut a_scratch, mut b_scratch) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (a, b) = (string(a)?.bytes(&mut a_scratch), string(b)?.bytes(&mut b_scratch));
    let options = lcs_options(call)?;
    let table_bytes_max = call.config.proto_max_bulk_len as u64;
    if options.idx {
        let found = lcs::matches(a, b, options.match_len_min, table_bytes_max)?;
        call.reply.map(2);
        call.reply.bulk(b"matches");
        call.reply.array(found.matches.len());
        for one in &found.matches {
            reply_match(&mut call.reply, one, options.with_match_len);
        }
        call.reply.bulk(b"len");
        call.reply.integer(found.len as i64);
    } else if options.len {
        call.reply.integer(lcs::length(a, b, table_bytes_max)? as i64);
    } else {
        call.reply.bulk(&lcs::subsequence(a, b, table_bytes_max)?);
    }
    Ok(())
}

fn lcs_options(call: &Call<'_>) -> Result<LcsOptions, CommandError> {
    let mut options = LcsOptions::default();
    let mut words = call.words(3);
    while let Some(word) = words.next() {
        if is(word, "IDX") {
            options.idx = true;
        } else if is(word, "LEN") {
            options.len = true;
        } else if is(word, "WITHMATCHLEN") {
            options.with_match_len = true;
        } else if is(word, "MINMATCHLEN") {
            options.match_len_min = usize::try_from(words.int()?).unwrap_or(0);
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    if options.idx && options.len { Err(CommandError::LCS_LEN_AND_IDX) } else { Ok(options) }
}

/// One match: where it is in the first string, where in the second, and how long it is if that was asked for.
fn reply_match(reply: &mut Reply<'_>, found: &Match, with_len: bool) {
    reply.array(2 + usize::from(with_len));
    for start in [found.a_start, found.b_start] {
        reply.array(2);
        reply.integer(start as i64);
        reply.integer((start + found.len - 1) as i64);
    }
    if with_len {
        reply.integer(found.len as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_the_bytes_and_adds_zeros() {
        for len in [0, 3, 4, 100, 128 * 1024 + 3, 200_000] {
            let mut value = b"abc".to_vec();
            grow(&mut value, len);
            assert_eq!(value.len(), len.max(3));
            assert_eq!(value[..3], *b"abc");
            assert!(value[3..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn appending_leaves_at_most_a_mebibyte_spare() {
        let mut value = vec![b'x'; 8 << 20];
        extend(&mut value, b"y");
        assert!(value.capacity() <= value.len() + (1 << 20) && value.ends_with(b"xy"));
        let mut short = b"ab".to_vec();
        extend(&mut short, b"cd");
        assert_eq!((short.as_slice(), short.capacity() >= 8), (&b"abcd"[..], true));
    }
}
