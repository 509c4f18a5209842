//! Hashes. When fields expire is the business of `hash_expiry`; no command here meets one that has, because looking a hash
//! up removes them first.

use super::call::{Call, is};
use super::elements::{self, DRAWN_MAX, ScanOptions, bulk};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::resp::{Protocol, Reply};
use crate::store::Key;
use crate::types::hash::{Entry, Expiry, Hash, IncrementError};
use crate::util::long_double::LongDouble;

/// What all commands of hashes have in common.
pub(super) const HASH: Command = Command { group: "hash", categories: category::HASH, ..Command::NONE };

const DATA: Arg = Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple();

/// A command that lists a whole hash.
const LISTS: Command = Command {
    since: "2.0.0",
    complexity: "O(N) with N being the number of fields",
    arity: 2,
    flags: READONLY,
    keys: &[KeySpec::at(1, RO | ACCESS)],
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key")],
    ..HASH
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hset",
        since: "2.0.0",
        complexity: "O(1) for each field, O(N) for N of them",
        arity: -4,
        handler: hset,
        summary: "Sets fields of a hash, which is created if there is none.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[Arg::key("key"), DATA],
        ..HASH
    },
    Command {
        name: "hmset",
        since: "2.0.0",
        complexity: "O(N) with N being the number of fields to set",
        arity: -4,
        handler: hmset,
        summary: "Sets fields of a hash, and does not say how many are new.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        deprecated_since: "4.0.0",
        replaced_by: "`HSET` with multiple field-value pairs",
        args: &[Arg::key("key"), DATA],
        ..HASH
    },
    Command {
        name: "hsetnx",
        since: "2.0.0",
        arity: 4,
        handler: hsetnx,
        summary: "Sets a field of a hash if it is not there yet.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | INSERT)],
        args: &[Arg::key("key"), Arg::string("field"), Arg::string("value")],
        ..HASH
    },
    Command {
        name: "hget",
        since: "2.0.0",
        arity: 3,
        handler: hget,
        summary: "Reads one field of a hash.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("field")],
        ..HASH
    },
    Command {
        name: "hmget",
        since: "2.0.0",
        complexity: "O(N) with N being the number of fields to read",
        arity: -3,
        handler: hmget,
        summary: "Reads several fields of a hash.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("field").multiple()],
        ..HASH
    },
    Command {
        name: "hexists",
        since: "2.0.0",
        arity: 3,
        handler: hexists,
        summary: "Tells whether a hash has a field.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key"), Arg::string("field")],
        ..HASH
    },
    Command {
        name: "hstrlen",
        since: "3.2.0",
        arity: 3,
        handler: hstrlen,
        summary: "Tells how long the value of a field is.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key"), Arg::string("field")],
        ..HASH
    },
    Command {
        name: "hlen",
        since: "2.0.0",
        arity: 2,
        handler: hlen,
        summary: "Counts the fields of a hash.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..HASH
    },
    Command {
        name: "hgetall",
        handler: hgetall,
        summary: "Lists the fields of a hash and their values.",
        ..LISTS
    },
    Command { name: "hkeys", handler: hkeys, summary: "Lists the fields of a hash.", ..LISTS },
    Command { name: "hvals", handler: hvals, summary: "Lists the values in a hash.", ..LISTS },
    Command {
        name: "hdel",
        since: "2.0.0",
        complexity: "O(N) with N being the number of fields to remove",
        arity: -3,
        handler: hdel,
        summary: "Removes fields from a hash. An empty hash is deleted.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("field").multiple()],
        ..HASH
    },
    Command {
        name: "hincrby",
        since: "2.0.0",
        arity: 4,
        handler: hincrby,
        summary: "Adds a number to the integer in a field; a missing one counts as 0.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key"), Arg::string("field"), Arg::integer("increment")],
        ..HASH
    },
    Command {
        name: "hincrbyfloat",
        since: "2.6.0",
        arity: 4,
        handler: hincrbyfloat,
        summary: "Adds to the floating-point number in a field; a missing one counts as 0.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key"), Arg::string("field"), Arg::double("increment")],
        ..HASH
    },
    Command {
        name: "hrandfield",
        since: "6.2.0",
        complexity: "O(N) with N being the number of fields to list",
        arity: -2,
        handler: hrandfield,
        summary: "Lists fields drawn by chance; a negative count may draw one several times.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::block("options", &[Arg::integer("count"), Arg::flag("withvalues", "WITHVALUES").optional()])
                .optional(),
        ],
        ..HASH
    },
    Command {
        name: "hscan",
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for a whole iteration, N being the number of fields",
        arity: -3,
        handler: hscan,
        summary: "Lists some fields of a hash and a cursor to go on from.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::integer("cursor"),
            Arg::pattern("pattern").token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
            Arg::flag("novalues", "NOVALUES").optional(),
        ],
        ..HASH
    },
];

// ----- setting -----

fn hset(call: &mut Call<'_>) -> CommandResult {
    let created = set_pairs(call)?;
    call.reply.integer(created as i64);
    Ok(())
}

fn hmset(call: &mut Call<'_>) -> CommandResult {
    set_pairs(call)?;
    call.reply.ok();
    Ok(())
}

/// Sets pairs of fields and values from argument 2 on; tells how many fields are new.
fn set_pairs(call: &mut Call<'_>) -> Result<usize, CommandError> {
    if !call.argv.len().is_multiple_of(2) {
        return Err(CommandError::arity(call.command.name()));
    }
    let (key, pairs) = (call.key(1), call.argv.skip(2));
    let slot = call.db.find_hash(&key)?;
    let limits = limits::hash(call.config, &call.db);
    let created = call.db.edit_or_create(&key, slot, Hash::new, |hash| {
        hash.prepare(pairs.iter(), &limits);
        let mut created = 0;
        for at in (0..pairs.len()).step_by(2) {
            created += usize::from(hash.set(pairs.get(at), pairs.get(at + 1), Expiry::Clear, &limits));
        }
        (created, pairs.len() as u64 / 2)
    });
    call.db.notify(NotifyFlags::HASH, "hset", key.bytes);
    Ok(created)
}

fn hsetnx(call: &mut Call<'_>) -> CommandResult {
    let (key, pair) = (call.key(1), call.argv.skip(2));
    let slot = call.db.find_hash(&key)?;
    let (limits, now) = (limits::hash(call.config, &call.db), call.db.now().0);
    let is_set = call.db.edit_or_create(&key, slot, Hash::new, |hash| {
        if hash.get(pair.get(0), now).is_some() {
            return (false, 0);
        }
        hash.prepare(pair.iter(), &limits);
        hash.set(pair.get(0), pair.get(1), Expiry::Clear, &limits);
        (true, 1)
    });
    if is_set {
        call.db.notify(NotifyFlags::HASH, "hset", key.bytes);
    }
    call.reply.integer(i64::from(is_set));
    Ok(())
}

// ----- reading -----

fn hget(call: &mut Call<'_>) -> CommandResult {
    let (key, field, now) = (call.key(1), call.arg(2), call.db.now().0);
    let entry = call.db.read_hash(&key)?.and_then(|hash| hash.get(field, now));
    reply_value(&mut call.reply, entry);
    Ok(())
}

fn hmget(call: &mut Call<'_>) -> CommandResult {
    let (key, fields, now) = (call.key(1), call.argv.skip(2), call.db.now().0);
    let hash = call.db.read_hash(&key)?;
    call.reply.array(fields.len());
    for field in fields.iter() {
        reply_value(&mut call.reply, hash.and_then(|hash| hash.get(field, now)));
    }
    Ok(())
}

/// Replies with the value of a field, or null if there is no such field.
#[inline]
pub(super) fn reply_value(reply: &mut Reply<'_>, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => bulk(reply, entry.value),
        None => reply.null(),
    }
}

fn hexists(call: &mut Call<'_>) -> CommandResult {
    let (key, field, now) = (call.key(1), call.arg(2), call.db.now().0);
    let is_there = call.db.read_hash(&key)?.is_some_and(|hash| hash.get(field, now).is_some());
    call.reply.integer(i64::from(is_there));
    Ok(())
}

fn hstrlen(call: &mut Call<'_>) -> CommandResult {
    let (key, field, now) = (call.key(1), call.arg(2), call.db.now().0);
    let entry = call.db.read_hash(&key)?.and_then(|hash| hash.get(field, now));
    call.reply.integer(entry.map_or(0, |entry| entry.value.text_len()) as i64);
    Ok(())
}

fn hlen(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let count = call.db.read_hash(&key)?.map_or(0, Hash::len);
    call.reply.integer(count as i64);
    Ok(())
}

fn hgetall(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let hash = call.db.read_hash(&key)?;
    call.reply.map(hash.map_or(0, Hash::len));
    for entry in hash.into_iter().flat_map(Hash::iter) {
        bulk(&mut call.reply, entry.field);
        bulk(&mut call.reply, entry.value);
    }
    Ok(())
}

fn hkeys(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let hash = call.db.read_hash(&key)?;
    call.reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|entry| bulk(&mut call.reply, entry.field));
    Ok(())
}

fn hvals(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let hash = call.db.read_hash(&key)?;
    call.reply.array(hash.map_or(0, Hash::len));
    hash.into_iter().flat_map(Hash::iter).for_each(|entry| bulk(&mut call.reply, entry.value));
    Ok(())
}

// ----- removing and counting -----

/// Notes that fields are gone, and perhaps the hash with the last of them.
pub(super) fn notify_removed(call: &mut Call<'_>, key: &Key<'_>, is_gone: bool) {
    call.db.notify(NotifyFlags::HASH, "hdel", key.bytes);
    if is_gone {
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
}

fn hdel(call: &mut Call<'_>) -> CommandResult {
    let (key, fields) = (call.key(1), call.argv.skip(2));
    let Some(slot) = call.db.find_hash(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let edited = call.db.edit(&key, slot, |hash: &mut Hash| {
        let removed = fields.iter().filter(|field| hash.remove(field)).count() as u64;
        (removed, removed)
    });
    if edited.result > 0 {
        notify_removed(call, &key, edited.is_gone);
    }
    call.reply.integer(edited.result as i64);
    Ok(())
}

fn hincrby(call: &mut Call<'_>) -> CommandResult {
    let amount = call.int(3)?;
    let (key, field) = (call.key(1), call.arg(2));
    let slot = call.db.find_hash(&key)?;
    let (limits, now) = (limits::hash(call.config, &call.db), call.db.now().0);
    let sum = call.db.edit_or_create(&key, slot, Hash::new, |hash| {
        let sum = hash.increment(field, amount, now, &limits);
        (sum, u64::from(sum.is_ok()))
    });
    let sum = sum.map_err(|error| match error {
        IncrementError::NotNumber => CommandError::HASH_NOT_INTEGER,
        IncrementError::Overflow => CommandError::OVERFLOW,
    })?;
    call.db.notify(NotifyFlags::HASH, "hincrby", key.bytes);
    call.reply.integer(sum);
    Ok(())
}

fn hincrbyfloat(call: &mut Call<'_>) -> CommandResult {
    let amount = LongDouble::parse(call.arg(3)).ok_or(CommandError::NOT_FLOAT)?;
    if !amount.is_finite() {
        return Err(CommandError::INFINITE);
    }
    let (key, field) = (call.key(1), call.arg(2));
    let slot = call.db.find_hash(&key)?;
    let (limits, now) = (limits::hash(call.config, &call.db), call.db.now().0);
    let sum = call.db.edit_or_create(&key, slot, Hash::new, |hash| {
        let sum = hash.increment_float(field, amount, now, &limits);
        let expire = hash.get(field, now).and_then(|entry| entry.expire);
        let changes = u64::from(sum.is_ok());
        (sum.map(|sum| (sum, expire)), changes)
    });
    let (sum, expire) = sum.map_err(|error| match error {
        IncrementError::NotNumber => CommandError::HASH_NOT_FLOAT,
        IncrementError::Overflow => CommandError::NAN_OR_INFINITY,
    })?;
    call.db.notify(NotifyFlags::HASH, "hincrbyfloat", key.bytes);
    // The text of the sum, and not how it came about: other machines may round otherwise.
    call.db.log_as(&[b"HSET", key.bytes, field, &sum]);
    if let Some(at) = expire {
        let at = itoa::Buffer::new().format(at).to_owned();
        call.db.log_as(&[b"HPEXPIREAT", key.bytes, at.as_bytes(), b"FIELDS", b"1", field]);
    }
    call.reply.bulk(&sum);
    Ok(())
}

// ----- by chance, and step by step -----

fn hrandfield(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    if call.argv.len() == 2 {
        let now = call.db.now().0;
        let entry = call.db.read_hash(&key)?.and_then(|hash| hash.random(now, call.random));
        match entry {
            Some(entry) => bulk(&mut call.reply, entry.field),
            None => call.reply.null(),
        }
        return Ok(());
    }
    let count = elements::draw_count(call, 2)?;
    let has_values = call.argv.try_get(3).is_some_and(|word| is(word, "WITHVALUES"));
    if call.argv.len() > 3 + usize::from(has_values) {
        return Err(CommandError::SYNTAX);
    }
    if has_values && count.unsigned_abs() > i64::MAX.unsigned_abs() / 2 {
        return Err(CommandError::OUT_OF_RANGE);
    }
    let now = call.db.now().0;
    let (Some(hash), reply) = (call.db.read_hash(&key)?, &mut call.reply) else {
        call.reply.array(0);
        return Ok(());
    };
    if count >= 0 {
        let sample = hash.sample(usize::try_from(count).unwrap_or(usize::MAX), now, call.random);
        reply_fields(reply, sample.len(), has_values, sample.into_iter());
        return Ok(());
    }
    let times = count.unsigned_abs();
    if times > DRAWN_MAX {
        return Err(CommandError::OUT_OF_RANGE);
    }
    let drawn = (0..times).filter_map(|_| hash.random(now, call.random));
    reply_fields(reply, times as usize, has_values, drawn);
    Ok(())
}

/// Replies with `count` fields; their values stand beside them, in RESP3 as pairs.
fn reply_fields<'h>(
    reply: &mut Reply<'_>,
    count: usize,
    has_values: bool,
    entries: impl Iterator<Item = Entry<'h>>,
) {
    let in_pairs = has_values && reply.protocol() == Protocol::Resp3;
    reply.array(if has_values && !in_pairs { count * 2 } else { count });
    for entry in entries {
        if in_pairs {
            reply.array(2);
        }
        bulk(reply, entry.field);
        if has_values {
            bulk(reply, entry.value);
        }
    }
}

fn hscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = elements::cursor(call)?;
    let (key, now) = (call.key(1), call.db.now().0);
    if call.db.read_hash(&key)?.is_none() {
        elements::reply_empty_scan(&mut call.reply);
        return Ok(());
    }
    let options = ScanOptions::read(call, true)?;
    let Some(slot) = call.db.find_hash(&key)? else { unreachable!("it was there a moment ago") };
    let (hash, reply) = (call.db.typed::<Hash>(slot)?, &mut call.reply);
    let (begun, mut count) = (reply.begin(), 0);
    let next = hash.scan(cursor, options.count, now, |entry| {
        if options.selects(entry.field) {
            bulk(reply, entry.field);
            count += 1;
            if options.has_values {
                bulk(reply, entry.value);
                count += 1;
            }
        }
    });
    reply.end_scan(begun, next, count);
    Ok(())
}
