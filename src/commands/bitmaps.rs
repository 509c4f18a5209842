//! Bitmaps: strings seen as arrays of bits, and as arrays of small integers (BITFIELD).
//!
//! * What is written here is `raw` whatever its length.
//! * A command that leaves every bit and the encoding as they were is not a change: nothing is logged.

use std::sync::Arc;

use super::call::{Call, Room, is};
use super::error::CommandError;
use super::ranges::{grow, string_len_max};
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::entry::{INLINE_MAX, NewValue};
use crate::store::{Expiry, Slot, StringRef};
use crate::types::string::bitfield::{self, Operation};
use crate::types::string::bits::{self, BitOp, Unit};

const BITMAP: Command = Command { group: "bitmap", categories: category::BITMAP, ..Command::NONE };

const UNIT_ARG: Arg =
    Arg::oneof("unit", &[Arg::flag("byte", "BYTE"), Arg::flag("bit", "BIT")]).optional().since("7.0.0");

const OVERFLOW_ARG: Arg = Arg::oneof(
    "overflow-block",
    &[Arg::flag("wrap", "WRAP"), Arg::flag("sat", "SAT"), Arg::flag("fail", "FAIL")],
)
.token("OVERFLOW")
.optional();

const WRITE_OPERATION_ARG: Arg = Arg::oneof(
    "write-operation",
    &[
        Arg::block("set-block", &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("value")])
            .token("SET"),
        Arg::block(
            "incrby-block",
            &[Arg::string("encoding"), Arg::integer("offset"), Arg::integer("increment")],
        )
        .token("INCRBY"),
    ],
);

const GET_ARG: Arg = Arg::block("get-block", &[Arg::string("encoding"), Arg::integer("offset")]).token("GET");

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "setbit",
        since: "2.2.0",
        arity: 4,
        handler: setbit,
        summary: "Sets or clears the bit at an offset of a string, which grows to hold it, and returns the old bit.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("offset"), Arg::integer("value")],
        ..BITMAP
    },
    Command {
        name: "getbit",
        since: "2.2.0",
        arity: 3,
        handler: getbit,
        summary: "Returns the bit at an offset of a string.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::integer("offset")],
        ..BITMAP
    },
    Command {
        name: "bitcount",
        since: "2.6.0",
        complexity: "O(N)",
        arity: -2,
        handler: bitcount,
        summary: "Counts the bits that are set in a string or in a range of it.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[
            Arg::key("key"),
            Arg::block("range", &[Arg::integer("start"), Arg::integer("end"), UNIT_ARG]).optional(),
        ],
        ..BITMAP
    },
    Command {
        name: "bitpos",
        since: "2.8.7",
        complexity: "O(N)",
        arity: -3,
        handler: bitpos,
        summary: "Finds the first set or clear bit in a string or in a range of it.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[
            Arg::key("key"),
            Arg::integer("bit"),
            Arg::block(
                "range",
                &[
                    Arg::integer("start"),
                    Arg::block("end-unit-block", &[Arg::integer("end"), UNIT_ARG]).optional(),
                ],
            )
            .optional(),
        ],
        ..BITMAP
    },
    Command {
        name: "bitop",
        since: "2.6.0",
        complexity: "O(N)",
        arity: -4,
        handler: bitop,
        summary: "Combines strings bit by bit and stores the result in a key.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(2, OW | UPDATE), KeySpec::range(3, -1, 1, RO | ACCESS)],
        args: &[
            Arg::oneof(
                "operation",
                &[
                    Arg::flag("and", "AND"),
                    Arg::flag("or", "OR"),
                    Arg::flag("xor", "XOR"),
                    Arg::flag("not", "NOT"),
                ],
            ),
            Arg::key("destkey"),
            Arg::key_of("key", 1).multiple(),
        ],
        ..BITMAP
    },
    Command {
        name: "bitfield",
        since: "3.2.0",
        complexity: "O(1) for each subcommand specified",
        arity: -2,
        handler: bitfield,
        summary: "Reads, writes and increments integers of any width at any bit offsets of a string.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)
            .notes("This command allows both access and modification of the key")],
        args: &[
            Arg::key("key"),
            Arg::oneof("operation", &[GET_ARG, Arg::block("write", &[OVERFLOW_ARG, WRITE_OPERATION_ARG])])
                .optional()
                .multiple(),
        ],
        ..BITMAP
    },
    Command {
        name: "bitfield_ro",
        since: "6.0.0",
        complexity: "O(1) for each subcommand specified",
        arity: -2,
        handler: bitfield_ro,
        summary: "Reads integers of any width at any bit offsets of a string.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), GET_ARG.optional().multiple_token()],
        ..BITMAP
    },
];

// ----- single bits -----

fn setbit(call: &mut Call<'_>) -> CommandResult {
    let offset = bit_offset(call, 2)?;
    let bit = match call.arg(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::BIT_VALUE),
    };
    let key = call.key(1);
    let slot = call.db.find(&key);
    let (old_len, len) = (string_len(call, slot)?, (offset / 8) as usize + 1);
    call.prepare_string(&key, slot, Room::up_to(len))?;
    let (before, is_changed) = call.db.edit_string(&key, slot, |value| {
        grow(value, len);
        let before = bits::set_bit(value, offset, bit);
        let is_changed = before != bit || value.len() != old_len;
        ((before, is_changed), u64::from(is_changed))
    })?;
    if is_changed {
        call.db.notify(NotifyFlags::STRING, "setbit", key.bytes);
    }
    call.reply.integer(i64::from(before));
    Ok(())
}

/// How long the string in a slot is.
fn string_len(call: &Call<'_>, slot: Option<Slot>) -> Result<usize, CommandError> {
    Ok(slot.map(|slot| call.db.string(slot)).transpose()?.map_or(0, StringRef::len))
}

fn getbit(call: &mut Call<'_>) -> CommandResult {
    let offset = bit_offset(call, 2)?;
    let key = call.key(1);
    let value = call.db.read_string(&key)?.unwrap_or(StringRef::Bytes(b""));
    let bit = bits::bit(value.bytes(&mut itoa::Buffer::new()), offset);
    call.reply.integer(i64::from(bit));
    Ok(())
}

fn bit_offset(call: &Call<'_>, position: usize) -> Result<u64, CommandError> {
    bits::parse_offset(call.arg(position), string_len_max(call) as u64).ok_or(CommandError::BIT_OFFSET)
}

// ----- ranges of bits -----

fn bitcount(call: &mut Call<'_>) -> CommandResult {
    let range = match call.argv.len() {
        2 => None,
        4 | 5 => Some((call.int(2)?, call.int(3)?, unit(call.argv.try_get(4))?)),
        _ => return Err(CommandError::SYNTAX),
    };
    let key = call.key(1);
    let value = call.db.read_string(&key)?.unwrap_or(StringRef::Bytes(b""));
    let mut scratch = itoa::Buffer::new();
    let bytes = value.bytes(&mut scratch);
    let count = match range {
        None => bits::count_ones(bytes),
        Some((start, end, unit)) => bits::count_ones_between(bytes, start, end, unit),
    };
    call.reply.integer(count as i64);
    Ok(())
}

fn bitpos(call: &mut Call<'_>) -> CommandResult {
    let bit = match call.int(2)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::BIT_ARGUMENT),
    };
    let words = call.argv.len();
    if words > 6 {
        return Err(CommandError::SYNTAX);
    }
    let start = (words > 3).then(|| call.int(3)).transpose()?;
    // The unit stands after the end, but Redis looks at it first.
    let unit = unit(call.argv.try_get(5))?;
    let end = (words > 4).then(|| call.int(4)).transpose()?;
    let key = call.key(1);
    let position = match call.db.read_string(&key)? {
        Some(value) => bits::bit_position(value.bytes(&mut itoa::Buffer::new()), bit, start, end, unit),
        // A missing key is zeros without an end, whatever the range.
        None => (!bit).then_some(0),
    };
    call.reply.integer(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// The unit that a word names; bytes without one.
fn unit(word: Option<&[u8]>) -> Result<Unit, CommandError> {
    match word {
        None => Ok(Unit::Byte),
        Some(word) if is(word, "BYTE") => Ok(Unit::Byte),
        Some(word) if is(word, "BIT") => Ok(Unit::Bit),
        Some(_) => Err(CommandError::SYNTAX),
    }
}

fn bitop(call: &mut Call<'_>) -> CommandResult {
    let operations = [("AND", BitOp::And), ("OR", BitOp::Or), ("XOR", BitOp::Xor), ("NOT", BitOp::Not)];
    let named = operations.into_iter().find(|(name, _)| is(call.arg(1), name));
    let (_, operation) = named.ok_or(CommandError::SYNTAX)?;
    if operation == BitOp::Not && call.argv.len() != 4 {
        return Err(CommandError::BITOP_NOT);
    }
    let result = combine_keys(call, operation)?;
    let (key, len) = (call.key(2), result.len());
    let slot = call.db.find(&key);
    if len > INLINE_MAX {
        call.db.set(&key, slot, NewValue::Shared(Arc::new(result)), Expiry::Clear);
    } else if len > 0 {
        call.db.set(&key, slot, NewValue::Bytes(&result, true), Expiry::Clear);
    } else if let Some(slot) = slot {
        call.db.remove(&key, slot);
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
    if len > 0 {
        call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    }
    call.reply.integer(len as i64);
    Ok(())
}

/// The strings from word 3 on, combined; missing keys are empty strings.
fn combine_keys(call: &mut Call<'_>, operation: BitOp) -> Result<Vec<u8>, CommandError> {
    // All lookups first: one that finds an expired key changes the keyspace, which no borrowed value would survive.
    let mut slots = Vec::with_capacity(call.argv.len() - 3);
    for position in 3..call.argv.len() {
        let key = call.key(position);
        slots.extend(call.db.read(&key));
    }
    let mut scratch = vec![itoa::Buffer::new(); slots.len()];
    let mut sources: Vec<&[u8]> = Vec::with_capacity(slots.len());
    for (&slot, scratch) in slots.iter().zip(&mut scratch) {
        sources.push(call.db.string(slot)?.bytes(scratch));
    }
    // An empty string takes part in AND and is nothing to the others.
    if slots.len() < call.argv.len() - 3 {
        sources.push(b"");
    }
    Ok(bits::combine(operation, &sources))
}

// ----- integers -----

fn bitfield(call: &mut Call<'_>) -> CommandResult {
    let words: Vec<&[u8]> = call.argv.skip(2).iter().collect();
    let operations = bitfield::parse(&words, string_len_max(call) as u64)?;
    if bitfield::is_read_only(&operations) {
        return read_fields(call, &operations);
    }
    let key = call.key(1);
    let slot = call.db.find(&key);
    let (old_len, len) = (string_len(call, slot)?, bitfield::required_len(&operations));
    call.prepare_string(&key, slot, Room::up_to(len))?;
    let (replies, is_event) = call.db.edit_string(&key, slot, |value| {
        grow(value, len);
        let outcome = bitfield::execute(value, &operations);
        // Growth is a change even when every write then failed: the string is longer, and that must be logged. It is no event.
        let has_grown = value.len() != old_len;
        let changes = outcome.changes.max(u64::from(has_grown));
        let is_event =
            outcome.changes > 0 || has_grown && bitfield::has_written(&operations, &outcome.replies);
        ((outcome.replies, is_event), changes)
    })?;
    if is_event {
        call.db.notify(NotifyFlags::STRING, "setbit", key.bytes);
    }
    reply_fields(&mut call.reply, &replies);
    Ok(())
}

fn bitfield_ro(call: &mut Call<'_>) -> CommandResult {
    let words: Vec<&[u8]> = call.argv.skip(2).iter().collect();
    let operations = bitfield::parse_read_only(&words, string_len_max(call) as u64)?;
    read_fields(call, &operations)
}

fn read_fields(call: &mut Call<'_>, operations: &[Operation]) -> CommandResult {
    let key = call.key(1);
    let value = call.db.read_string(&key)?.unwrap_or(StringRef::Bytes(b""));
    let replies = bitfield::read(value.bytes(&mut itoa::Buffer::new()), operations);
    reply_fields(&mut call.reply, &replies);
    Ok(())
}

fn reply_fields(reply: &mut Reply<'_>, values: &[Option<i64>]) {
    reply.array(values.len());
    for value in values {
        match value {
            Some(value) => reply.integer(*value),
            None => reply.null(),
        }
    }
}
