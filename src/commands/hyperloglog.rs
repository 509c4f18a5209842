//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, and PFDEBUG and PFSELFTEST for those who look into one.
//!
//! * A HyperLogLog is a string, byte for byte Redis's; these commands refuse any other string.
//! * PFCOUNT of one key keeps the result in the value. That is logged as the eight bytes which it changes.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::store::keyspace::LogHealth;
use crate::store::{Db, Key, Slot, StringRef};
use crate::types::hyperloglog::{self as hll, Corrupt, Encoding, Failure, Union};

const HYPERLOGLOG: Command =
    Command { since: "2.8.9", group: "hyperloglog", categories: category::HYPERLOGLOG, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "pfadd",
        complexity: "O(1) to add every element.",
        arity: -2,
        handler: pfadd,
        summary: "Adds elements to a HyperLogLog and tells whether its estimate may have changed.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | INSERT)],
        args: &[Arg::key("key"), Arg::string("element").optional().multiple()],
        ..HYPERLOGLOG
    },
    Command {
        name: "pfcount",
        complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
        arity: -2,
        handler: pfcount,
        summary: "Estimates how many distinct elements HyperLogLogs have had together.",
        flags: READONLY | MAY_REPLICATE,
        keys: &[KeySpec::range(1, -1, 1, RW | ACCESS).notes(
            "RW because it may change the internal representation of the key, and propagate to replicas",
        )],
        args: &[Arg::key("key").multiple()],
        ..HYPERLOGLOG
    },
    Command {
        name: "pfdebug",
        complexity: "N/A",
        arity: 3,
        handler: pfdebug,
        summary: "Shows what is in a HyperLogLog.",
        flags: WRITE | DENYOOM | ADMIN,
        keys: &[KeySpec::at(2, RW | ACCESS)],
        is_internal: true,
        args: &[Arg::string("subcommand"), Arg::key("key")],
        ..HYPERLOGLOG
    },
    Command {
        name: "pfmerge",
        complexity: "O(N) to merge N HyperLogLogs, but with high constant times.",
        arity: -2,
        handler: pfmerge,
        summary: "Makes one HyperLogLog of several.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | ACCESS | INSERT), KeySpec::range(2, -1, 1, RO | ACCESS)],
        args: &[Arg::key("destkey"), Arg::key_of("sourcekey", 1).optional().multiple()],
        ..HYPERLOGLOG
    },
    Command {
        name: "pfselftest",
        complexity: "N/A",
        arity: 1,
        handler: pfselftest,
        summary: "Tests the estimates of HyperLogLogs.",
        flags: ADMIN,
        is_internal: true,
        ..HYPERLOGLOG
    },
];

/// The bytes of a string that must be a HyperLogLog, and how it is encoded.
fn checked(string: StringRef<'_>) -> Result<(&[u8], Encoding), CommandError> {
    let bytes = match string {
        // No digits begin like one.
        StringRef::Int(_) => b"",
        StringRef::Bytes(bytes) => bytes,
        StringRef::Shared(bytes) => bytes.as_slice(),
    };
    hll::encoding(bytes).map(|encoding| (bytes, encoding)).ok_or(CommandError::NOT_AN_HLL)
}

/// Looks up a key for a command that writes it as a HyperLogLog.
fn find(db: &mut Db<'_>, key: &Key<'_>) -> Result<Option<Slot>, CommandError> {
    let slot = db.find(key);
    if let Some(slot) = slot {
        checked(db.string(slot)?)?;
    }
    Ok(slot)
}

fn pfadd(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = find(&mut call.db, &key)?;
    let (elements, sparse_max_bytes) = (call.argv.skip(2), call.config.limits.hll_sparse_max_bytes);
    if let Some(slot) = slot {
        // A value that only is looked at need not be written to disk again.
        let (value, _) = checked(call.db.string(slot)?)?;
        if elements.iter().all(|element| hll::has(value, element)) {
            call.reply.integer(0);
            return Ok(());
        }
    }
    let mut updated = u64::from(slot.is_none());
    let result = call.db.edit_string(&key, slot, |value| {
        if slot.is_none() {
            *value = hll::new();
        }
        let mut add_all = || {
            for element in elements.iter() {
                updated += u64::from(hll::add(value, element, sparse_max_bytes)?);
            }
            Ok(())
        };
        let result: Result<(), Corrupt> = add_all();
        if updated > 0 {
            hll::invalidate(value);
        }
        (result, updated)
    })?;
    if let Err(corrupt) = result {
        log_value(&mut call.db, &key)?;
        return Err(corrupt.into());
    }
    if updated > 0 {
        call.db.notify(NotifyFlags::STRING, "pfadd", key.bytes);
    }
    call.reply.integer(i64::from(updated > 0));
    Ok(())
}

/// Logs a value whose change stopped half way: executing the command again would fail.
#[cold]
fn log_value(db: &mut Db<'_>, key: &Key<'_>) -> CommandResult {
    if let Some(slot) = db.find(key).filter(|_| db.dirty() > 0) {
        let value = checked(db.string(slot)?)?.0.to_vec();
        db.log_as(&[b"SET", key.bytes, &value, b"KEEPTTL"]);
    }
    Ok(())
}

fn pfcount(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() > 2 {
        return count_union(call);
    }
    let key = call.key(1);
    let Some(slot) = call.db.read(&key) else {
        call.reply.integer(0);
        return Ok(());
    };
    let (value, _) = checked(call.db.string(slot)?)?;
    if let Some(count) = hll::cached_count(value) {
        call.reply.integer(count as i64);
        return Ok(());
    }
    let count = hll::count(value)?;
    // What is not logged must not change either.
    if call.state.keyspace.log_health() == LogHealth::Good {
        call.db.edit_string(&key, Some(slot), |value| {
            hll::set_cached_count(value, count);
            ((), 1)
        })?;
        let at = itoa::Buffer::new().format(hll::CACHE_AT).to_owned();
        call.db.log_as(&[b"SETRANGE", key.bytes, at.as_bytes(), &count.to_le_bytes()]);
    }
    call.reply.integer(count as i64);
    Ok(())
}

/// The union of the HyperLogLogs under the keys from the second word on.
fn union(call: &mut Call<'_>) -> Result<Union, CommandError> {
    let mut union = Union::new();
    for position in 1..call.argv.len() {
        let key = call.key(position);
        if let Some(string) = call.db.read_string(&key)? {
            union.add(checked(string)?.0)?;
        }
    }
    Ok(union)
}

fn count_union(call: &mut Call<'_>) -> CommandResult {
    let count = union(call)?.count();
    call.reply.integer(count as i64);
    Ok(())
}

fn pfdebug(call: &mut Call<'_>) -> CommandResult {
    let (name, key) = (call.arg(1), call.key(2));
    let slot = call.db.find(&key).ok_or(CommandError::HLL_NO_KEY)?;
    let (value, encoding) = checked(call.db.string(slot)?)?;
    match () {
        () if is(name, "GETREG") => {
            let registers = hll::registers(value)?;
            to_dense(call, &key, slot)?;
            call.reply.array(registers.len());
            registers.iter().for_each(|value| call.reply.integer(i64::from(*value)));
        }
        () if is(name, "DECODE") => {
            let text = hll::decode(value).ok_or(CommandError::HLL_NOT_SPARSE)?;
            call.reply.bulk(text.as_bytes());
        }
        () if is(name, "ENCODING") => call.reply.simple(encoding.name()),
        () if is(name, "TODENSE") => {
            hll::registers(value)?;
            let was_sparse = to_dense(call, &key, slot)?;
            call.reply.integer(i64::from(was_sparse));
        }
        () => return Err(CommandError::pfdebug_subcommand(name)),
    }
    Ok(())
}

/// Turns one whose registers are known to add up dense.
fn to_dense(call: &mut Call<'_>, key: &Key<'_>, slot: Slot) -> Result<bool, CommandError> {
    let result = call.db.edit_string(key, Some(slot), |value| {
        let was_sparse = hll::to_dense(value);
        (was_sparse, u64::from(was_sparse == Ok(true)))
    })?;
    Ok(result?)
}

fn pfmerge(call: &mut Call<'_>) -> CommandResult {
    let union = union(call)?;
    let key = call.key(1);
    let slot = find(&mut call.db, &key)?;
    let sparse_max_bytes = call.config.limits.hll_sparse_max_bytes;
    let result = call.db.edit_string(&key, slot, |value| {
        if slot.is_none() {
            *value = hll::new();
        }
        let result = union.store(value, sparse_max_bytes);
        hll::invalidate(value);
        (result, 1)
    })?;
    result?;
    call.db.notify(NotifyFlags::STRING, "pfadd", key.bytes);
    call.reply.ok();
    Ok(())
}

fn pfselftest(call: &mut Call<'_>) -> CommandResult {
    match hll::self_test(call.random) {
        Ok(()) => call.reply.ok(),
        Err(Failure::Register { index, expected, found }) => {
            return Err(CommandError::test_failed(format_args!(
                "Register {index} should be {expected} but is {found}"
            )));
        }
        Err(Failure::NotSparse) => return Err(CommandError::test_failed("sparse encoding not used")),
        Err(Failure::Disagree) => return Err(CommandError::test_failed("dense/sparse disagree")),
        Err(Failure::Error { cardinality, error }) => {
            return Err(CommandError::test_failed(format_args!(
                "Too big error. card:{cardinality} abserr:{error}"
            )));
        }
    }
    Ok(())
}
