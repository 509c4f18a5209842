//! Commands about the time to live of keys.
//!
//! Redis's texts, times and conditions; what is logged is the point in time, or a deletion when that has passed.

use super::call::{Call, Words, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::store::UnixMs;

const KEYSPACE: Command = Command { group: "generic", categories: category::KEYSPACE, ..Command::NONE };

const CONDITION: Arg = Arg::oneof(
    "condition",
    &[Arg::flag("nx", "NX"), Arg::flag("xx", "XX"), Arg::flag("gt", "GT"), Arg::flag("lt", "LT")],
)
.optional()
.since("7.0.0");

/// The four commands that set a time.
const SETS: Command =
    Command { arity: -3, flags: WRITE | FAST, keys: &[KeySpec::at(1, RW | UPDATE)], ..KEYSPACE };

/// The four that tell it.
const TELLS: Command = Command {
    arity: 2,
    flags: READONLY | FAST,
    keys: &[KeySpec::at(1, RO | ACCESS)],
    args: &[Arg::key("key")],
    ..KEYSPACE
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "expire",
        since: "1.0.0",
        handler: expire,
        summary: "Lets a key expire after so many seconds.",
        args: &[Arg::key("key"), Arg::integer("seconds"), CONDITION],
        ..SETS
    },
    Command {
        name: "pexpire",
        since: "2.6.0",
        handler: pexpire,
        summary: "Lets a key expire after so many milliseconds.",
        args: &[Arg::key("key"), Arg::integer("milliseconds"), CONDITION],
        ..SETS
    },
    Command {
        name: "expireat",
        since: "1.2.0",
        handler: expireat,
        summary: "Lets a key expire at a Unix time in seconds.",
        args: &[Arg::key("key"), Arg::unix_time("unix-time-seconds"), CONDITION],
        ..SETS
    },
    Command {
        name: "pexpireat",
        since: "2.6.0",
        handler: pexpireat,
        summary: "Lets a key expire at a Unix time in milliseconds.",
        args: &[Arg::key("key"), Arg::unix_time("unix-time-milliseconds"), CONDITION],
        ..SETS
    },
    Command {
        name: "ttl",
        since: "1.0.0",
        handler: ttl,
        summary: "Tells how many seconds a key has left.",
        tips: &["nondeterministic_output"],
        ..TELLS
    },
    Command {
        name: "pttl",
        since: "2.6.0",
        handler: pttl,
        summary: "Tells how many milliseconds a key has left.",
        tips: &["nondeterministic_output"],
        ..TELLS
    },
    Command {
        name: "expiretime",
        since: "7.0.0",
        handler: expiretime,
        summary: "Tells at which Unix time in seconds a key expires.",
        ..TELLS
    },
    Command {
        name: "pexpiretime",
        since: "7.0.0",
        handler: pexpiretime,
        summary: "Tells at which Unix time in milliseconds a key expires.",
        ..TELLS
    },
    Command {
        name: "persist",
        since: "2.2.0",
        arity: 2,
        handler: persist,
        summary: "Takes the time to live from a key.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[Arg::key("key")],
        ..KEYSPACE
    },
];

/// The unit of a time argument, and of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// When EXPIRE and its like do nothing.
#[derive(Clone, Copy, Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    fn read(mut words: Words<'_>) -> Result<Self, CommandError> {
        let mut given = Conditions::default();
        while let Some(word) = words.next() {
            match () {
                () if is(word, "NX") => given.nx = true,
                () if is(word, "XX") => given.xx = true,
                () if is(word, "GT") => given.gt = true,
                () if is(word, "LT") => given.lt = true,
                () => return Err(CommandError::unsupported_option(word)),
            }
        }
        if given.nx && (given.xx || given.gt || given.lt) {
            return Err(CommandError::EXPIRE_NX_AND_OTHERS);
        }
        if given.gt && given.lt {
            return Err(CommandError::EXPIRE_GT_AND_LT);
        }
        Ok(given)
    }

    /// May a key that expires at `current` get the time `when_ms`? A key without a time lasts longer than any other.
    fn allow(self, current: Option<UnixMs>, when_ms: i64) -> bool {
        match current.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX)) {
            None => !self.xx && !self.gt,
            Some(at_ms) => !(self.nx || self.gt && when_ms <= at_ms || self.lt && when_ms >= at_ms),
        }
    }
}

fn expire(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0 as i64;
    expire_generic(call, Unit::Seconds, base_ms)
}

fn pexpire(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0 as i64;
    expire_generic(call, Unit::Milliseconds, base_ms)
}

fn expireat(call: &mut Call<'_>) -> CommandResult {
    expire_generic(call, Unit::Seconds, 0)
}

fn pexpireat(call: &mut Call<'_>) -> CommandResult {
    expire_generic(call, Unit::Milliseconds, 0)
}

fn expire_generic(call: &mut Call<'_>, unit: Unit, base_ms: i64) -> CommandResult {
    let conditions = Conditions::read(call.words(3))?;
    let amount = call.int(2)?;
    let milliseconds = if unit == Unit::Seconds { amount.checked_mul(1000) } else { Some(amount) };
    let when_ms = milliseconds
        .and_then(|milliseconds| milliseconds.checked_add(base_ms))
        .ok_or_else(|| CommandError::invalid_expire(call.command.name()))?;
    let key = call.key(1);
    let Some(slot) = call.db.find(&key) else {
        call.reply.integer(0);
        return Ok(());
    };
    if !conditions.allow(call.db.expire_at(slot), when_ms) {
        call.reply.integer(0);
        return Ok(());
    }
    match u64::try_from(when_ms) {
        // While the log is replayed `now` is 0, and a time that has passed since then is set like any other.
        Ok(at_ms) if at_ms > call.db.now().0 => {
            call.db.set_expire(&key, slot, Some(UnixMs(at_ms)));
            call.db.notify(NotifyFlags::GENERIC, "expire", key.bytes);
            call.db.log_as(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(at_ms).as_bytes()]);
        }
        _ => {
            call.db.remove(&key, slot);
            call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
            call.db.log_as(&[b"DEL", key.bytes]);
        }
    }
    call.reply.integer(1);
    Ok(())
}

fn ttl(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Seconds, true)
}

fn pttl(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Milliseconds, true)
}

fn expiretime(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Seconds, false)
}

fn pexpiretime(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Milliseconds, false)
}

/// Answers −2 for a missing key and −1 for one that does not expire; seconds are rounded to the nearest.
fn tell(call: &mut Call<'_>, unit: Unit, is_relative: bool) -> CommandResult {
    let key = call.key(1);
    let answer = match call.db.peek(&key) {
        None => -2,
        Some(slot) => match call.db.expire_at(slot) {
            None => -1,
            Some(at) => {
                let time_ms = if is_relative { at.0.saturating_sub(call.db.now().0) } else { at.0 };
                (if unit == Unit::Seconds { time_ms.saturating_add(500) / 1000 } else { time_ms }) as i64
            }
        },
    };
    call.reply.integer(answer);
    Ok(())
}

fn persist(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find(&key);
    let expiring = slot.filter(|&slot| call.db.expire_at(slot).is_some());
    if let Some(slot) = expiring {
        call.db.set_expire(&key, slot, None);
        call.db.notify(NotifyFlags::GENERIC, "persist", key.bytes);
    }
    call.reply.integer(i64::from(expiring.is_some()));
    Ok(())
}
