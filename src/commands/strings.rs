//! Strings.

use super::call::Call;
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::store::entry::NewValue;
use crate::store::{Expiry, StringRef};
use crate::types::string::encoding::int_encodable;

const STRING: Command = Command { group: "string", categories: category::STRING, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "get",
        since: "1.0.0",
        arity: 2,
        handler: get,
        summary: "Returns the string value of a key.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key")],
        ..STRING
    },
    Command {
        name: "set",
        since: "1.0.0",
        arity: -3,
        handler: set,
        summary: "Sets the string value of a key, whatever it held before.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS)],
        args: &[Arg::key("key"), Arg::string("value")],
        ..STRING
    },
    Command {
        name: "incr",
        since: "1.0.0",
        arity: 2,
        handler: incr,
        summary: "Adds one to the integer in a key; a missing key counts as 0.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key")],
        ..STRING
    },
];

fn get(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    match call.db.read_string(&key)? {
        Some(value) => reply_string(&mut call.reply, value),
        None => call.reply.null(),
    }
    Ok(())
}

/// Replies a string value; a big one is shared with the reply instead of copied.
pub fn reply_string(reply: &mut crate::resp::Reply<'_>, value: StringRef<'_>) {
    match value {
        StringRef::Int(number) => reply.bulk_integer(number),
        StringRef::Bytes(bytes) => reply.bulk(bytes),
        StringRef::Shared(bytes) => reply.bulk_shared(bytes, 0..bytes.len()),
    }
}

/// How SET and its like store a value: as an integer if it is the canonical text of one.
#[inline]
pub fn encode(bytes: &[u8]) -> NewValue<'_> {
    match int_encodable(bytes) {
        Some(number) => NewValue::Int(number),
        None => NewValue::Bytes(bytes, false),
    }
}

fn set(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find(&key);
    call.db.set(&key, slot, encode(call.arg(2)), Expiry::Clear);
    call.reply.ok();
    Ok(())
}

fn incr(call: &mut Call<'_>) -> CommandResult {
    add(call, 1)
}

fn add(call: &mut Call<'_>, amount: i64) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find(&key);
    let old = match slot.map(|slot| call.db.string(slot)).transpose()? {
        None => 0,
        Some(StringRef::Int(number)) => number,
        Some(value) => crate::util::number::parse_i64(value.bytes(&mut itoa::Buffer::new()))
            .ok_or(CommandError::NOT_INTEGER)?,
    };
    let number = old.checked_add(amount).ok_or(CommandError::OVERFLOW)?;
    call.db.set_int(&key, slot, number);
    call.reply.integer(number);
    Ok(())
}
