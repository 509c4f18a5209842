//! Strings as numbers: INCR and its kin, and INCRBYFLOAT.

use super::call::Call;
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::strings::STRING;
use crate::config::values::NotifyFlags;
use crate::store::entry::NewValue;
use crate::store::{Expiry, StringRef};
use crate::util::long_double::LongDouble;
use crate::util::number::parse_i64;

const COUNTER: Command = Command {
    since: "1.0.0",
    flags: WRITE | DENYOOM | FAST,
    keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
    ..STRING
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "incr",
        arity: 2,
        handler: incr,
        summary: "Adds one to the integer in a key; a missing key counts as 0.",
        args: &[Arg::key("key")],
        ..COUNTER
    },
    Command {
        name: "decr",
        arity: 2,
        handler: decr,
        summary: "Takes one from the integer in a key; a missing key counts as 0.",
        args: &[Arg::key("key")],
        ..COUNTER
    },
    Command {
        name: "incrby",
        arity: 3,
        handler: incrby,
        summary: "Adds a number to the integer in a key; a missing key counts as 0.",
        args: &[Arg::key("key"), Arg::integer("increment")],
        ..COUNTER
    },
    Command {
        name: "decrby",
        arity: 3,
        handler: decrby,
        summary: "Takes a number from the integer in a key; a missing key counts as 0.",
        args: &[Arg::key("key"), Arg::integer("decrement")],
        ..COUNTER
    },
    Command {
        name: "incrbyfloat",
        since: "2.6.0",
        arity: 3,
        handler: incrbyfloat,
        summary: "Adds to the floating-point number in a key; a missing key counts as 0.",
        args: &[Arg::key("key"), Arg::double("increment")],
        ..COUNTER
    },
];

fn incr(call: &mut Call<'_>) -> CommandResult {
    add(call, 1)
}

fn decr(call: &mut Call<'_>) -> CommandResult {
    add(call, -1)
}

fn incrby(call: &mut Call<'_>) -> CommandResult {
    let amount = call.int(2)?;
    add(call, amount)
}

fn decrby(call: &mut Call<'_>) -> CommandResult {
    let amount = call.int(2)?.checked_neg().ok_or(CommandError::DECREMENT_OVERFLOW)?;
    add(call, amount)
}

fn add(call: &mut Call<'_>, amount: i64) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find(&key);
    let old = match slot.map(|slot| call.db.string(slot)).transpose()? {
        None => 0,
        Some(StringRef::Int(number)) => number,
        Some(StringRef::Bytes(bytes)) => parse_i64(bytes).ok_or(CommandError::NOT_INTEGER)?,
        Some(StringRef::Shared(bytes)) => parse_i64(bytes).ok_or(CommandError::NOT_INTEGER)?,
    };
    let number = old.checked_add(amount).ok_or(CommandError::OVERFLOW)?;
    call.db.set_int(&key, slot, number);
    // Whichever of the four it was.
    call.db.notify(NotifyFlags::STRING, "incrby", key.bytes);
    call.reply.integer(number);
    Ok(())
}

fn incrbyfloat(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find(&key);
    let old = match slot.map(|slot| call.db.string(slot)).transpose()? {
        None => LongDouble::from(0),
        Some(StringRef::Int(number)) => LongDouble::from(number),
        Some(StringRef::Bytes(bytes)) => parse_float(bytes)?,
        Some(StringRef::Shared(bytes)) => parse_float(bytes)?,
    };
    let sum = old + parse_float(call.arg(2))?;
    if !sum.is_finite() {
        return Err(CommandError::NAN_OR_INFINITY);
    }
    let mut text = Vec::with_capacity(32);
    sum.push_text(&mut text);
    // Never as an integer, even when it looks like one: that is how Redis keeps it until it is written anew.
    call.db.set(&key, slot, NewValue::Bytes(&text, false), Expiry::Keep);
    call.db.notify(NotifyFlags::STRING, "incrbyfloat", key.bytes);
    call.db.log_as(&[b"SET", key.bytes, &text, b"KEEPTTL"]);
    call.reply.bulk(&text);
    Ok(())
}

fn parse_float(text: &[u8]) -> Result<LongDouble, CommandError> {
    LongDouble::parse(text).ok_or(CommandError::NOT_FLOAT)
}
