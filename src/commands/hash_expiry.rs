//! Fields of hashes that expire: setting, telling and taking away when; and the commands that read or set fields and
//! say in the same breath when they expire.
//!
//! * What is logged is the point in time (HPEXPIREAT), or a deletion (HDEL) when that has passed.
//! * HEXPIRE and its like are Redis 7.4's; HGETDEL, HGETEX and HSETEX are those of Redis 8.0, which came with them.

use super::call::{Call, is};
use super::error::CommandError;
use super::hashes::{HASH, notify_removed, reply_value};
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use crate::config::values::NotifyFlags;
use crate::resp::Argv;
use crate::store::Key;
use crate::types::hash::{Condition, EXPIRE_MAX, Expired, Expiry, Hash};
use crate::util::number::parse_i64;

const CONDITION: Arg = Arg::oneof(
    "condition",
    &[Arg::flag("nx", "NX"), Arg::flag("xx", "XX"), Arg::flag("gt", "GT"), Arg::flag("lt", "LT")],
)
.optional();

/// The fields that a command is about.
const FIELDS: Arg =
    Arg::block("fields", &[Arg::integer("numfields"), Arg::string("field").multiple()]).token("FIELDS");

const TIMES: [Arg; 4] = [
    Arg::integer("seconds").token("EX"),
    Arg::integer("milliseconds").token("PX"),
    Arg::unix_time("unix-time-seconds").token("EXAT"),
    Arg::unix_time("unix-time-milliseconds").token("PXAT"),
];

const OF_FIELDS: &str = "O(N) with N being the number of fields named";

/// The four commands that set a time.
const SETS: Command = Command {
    since: "7.4.0",
    complexity: OF_FIELDS,
    arity: -6,
    flags: WRITE | DENYOOM | FAST,
    keys: &[KeySpec::at(1, RW | UPDATE)],
    ..HASH
};

/// The four that tell it.
const TELLS: Command = Command {
    since: "7.4.0",
    complexity: OF_FIELDS,
    arity: -5,
    flags: READONLY | FAST,
    keys: &[KeySpec::at(1, RO | ACCESS)],
    args: &[Arg::key("key"), FIELDS],
    ..HASH
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "hexpire",
        handler: hexpire,
        summary: "Lets fields of a hash expire after so many seconds.",
        args: &[Arg::key("key"), Arg::integer("seconds"), CONDITION, FIELDS],
        ..SETS
    },
    Command {
        name: "hpexpire",
        handler: hpexpire,
        summary: "Lets fields of a hash expire after so many milliseconds.",
        args: &[Arg::key("key"), Arg::integer("milliseconds"), CONDITION, FIELDS],
        ..SETS
    },
    Command {
        name: "hexpireat",
        handler: hexpireat,
        summary: "Lets fields of a hash expire at a Unix time in seconds.",
        args: &[Arg::key("key"), Arg::unix_time("unix-time-seconds"), CONDITION, FIELDS],
        ..SETS
    },
    Command {
        name: "hpexpireat",
        handler: hpexpireat,
        summary: "Lets fields of a hash expire at a Unix time in milliseconds.",
        args: &[Arg::key("key"), Arg::unix_time("unix-time-milliseconds"), CONDITION, FIELDS],
        ..SETS
    },
    Command {
        name: "httl",
        handler: httl,
        summary: "Tells how many seconds fields of a hash have left.",
        tips: &["nondeterministic_output"],
        ..TELLS
    },
    Command {
        name: "hpttl",
        handler: hpttl,
        summary: "Tells how many milliseconds fields of a hash have left.",
        tips: &["nondeterministic_output"],
        ..TELLS
    },
    Command {
        name: "hexpiretime",
        handler: hexpiretime,
        summary: "Tells at which Unix time in seconds fields of a hash expire.",
        ..TELLS
    },
    Command {
        name: "hpexpiretime",
        handler: hpexpiretime,
        summary: "Tells at which Unix time in milliseconds fields of a hash expire.",
        ..TELLS
    },
    Command {
        name: "hpersist",
        since: "7.4.0",
        complexity: OF_FIELDS,
        arity: -5,
        handler: hpersist,
        summary: "Takes the time to live from fields of a hash.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[Arg::key("key"), FIELDS],
        ..HASH
    },
    Command {
        name: "hgetdel",
        since: "8.0.0",
        complexity: OF_FIELDS,
        arity: -5,
        handler: hgetdel,
        summary: "Reads fields of a hash and removes them.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key"), FIELDS],
        ..HASH
    },
    Command {
        name: "hgetex",
        since: "8.0.0",
        complexity: OF_FIELDS,
        arity: -5,
        handler: hgetex,
        summary: "Reads fields of a hash and sets or takes away when they expire.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[
            Arg::key("key"),
            Arg::oneof(
                "expiration",
                &[TIMES[0], TIMES[1], TIMES[2], TIMES[3], Arg::flag("persist", "PERSIST")],
            )
            .optional(),
            FIELDS,
        ],
        ..HASH
    },
    Command {
        name: "hsetex",
        since: "8.0.0",
        complexity: OF_FIELDS,
        arity: -6,
        handler: hsetex,
        summary: "Sets fields of a hash and when they expire.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[
            Arg::key("key"),
            Arg::oneof("condition", &[Arg::flag("fnx", "FNX"), Arg::flag("fxx", "FXX")]).optional(),
            Arg::oneof(
                "expiration",
                &[TIMES[0], TIMES[1], TIMES[2], TIMES[3], Arg::flag("keepttl", "KEEPTTL")],
            )
            .optional(),
            Arg::block(
                "fields",
                &[
                    Arg::integer("numfields"),
                    Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
                ],
            )
            .token("FIELDS"),
        ],
        ..HASH
    },
];

/// The unit of a time argument, and of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// Reads a time that is counted in `unit`s from `base_ms` on, as Unix time in milliseconds.
fn time_of(call: &Call<'_>, text: &[u8], unit: Unit, base_ms: u64) -> Result<u64, CommandError> {
    let amount = parse_i64(text).ok_or(CommandError::NOT_INTEGER)?;
    let amount = u64::try_from(amount).map_err(|_| CommandError::EXPIRE_NEGATIVE)?;
    let milliseconds = if unit == Unit::Seconds { amount.checked_mul(1000) } else { Some(amount) };
    milliseconds
        .and_then(|milliseconds| milliseconds.checked_add(base_ms))
        .filter(|&at| at <= EXPIRE_MAX)
        .ok_or_else(|| CommandError::invalid_expire(call.command.name()))
}

/// EX and its like: the unit of the time that follows, and from when it is counted.
fn time_option(call: &Call<'_>, word: &[u8]) -> Option<(Unit, u64)> {
    let now = call.now.0;
    let options = [
        ("EX", Unit::Seconds, now),
        ("PX", Unit::Milliseconds, now),
        ("EXAT", Unit::Seconds, 0),
        ("PXAT", Unit::Milliseconds, 0),
    ];
    options.into_iter().find(|(name, ..)| is(word, name)).map(|(_, unit, base_ms)| (unit, base_ms))
}

/// The fields after `FIELDS numfields` at `position`, which must be all that is left. `too_few` is the error of a count that is
/// none.
fn fields_at<'a>(call: &Call<'a>, position: usize, too_few: CommandError) -> Result<Argv<'a>, CommandError> {
    let words = call.argv.skip(position);
    if !words.try_get(0).is_some_and(|word| is(word, "FIELDS")) {
        return Err(CommandError::FIELDS_MISSING);
    }
    let count = words.try_get(1).and_then(parse_i64).filter(|&count| count > 0).ok_or(too_few)?;
    let fields = words.skip(2);
    if u64::try_from(count).ok() != Some(fields.len() as u64) {
        return Err(CommandError::NUMFIELDS_MISMATCH);
    }
    Ok(fields)
}

/// Logs that fields expire at a time.
fn log_expire(call: &mut Call<'_>, key: &Key<'_>, at: u64, fields: &[&[u8]]) {
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (time, count) = (time.format(at).as_bytes(), count.format(fields.len()).as_bytes());
    let words = [&b"HPEXPIREAT"[..], key.bytes, time, b"FIELDS", count];
    let effect: Vec<&[u8]> = words.into_iter().chain(fields.iter().copied()).collect();
    call.db.log_as(&effect);
}

/// Logs a command that is its name, the key, and fields.
fn log_fields<'f>(
    call: &mut Call<'_>,
    name: &'f [u8],
    key: &Key<'f>,
    fields: impl IntoIterator<Item = &'f [u8]>,
) {
    let mut effect = vec![name, key.bytes];
    effect.extend(fields);
    call.db.log_as(&effect);
}

// ----- HEXPIRE and its like -----

fn hexpire(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0;
    expire_generic(call, Unit::Seconds, base_ms)
}

fn hpexpire(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0;
    expire_generic(call, Unit::Milliseconds, base_ms)
}

fn hexpireat(call: &mut Call<'_>) -> CommandResult {
    expire_generic(call, Unit::Seconds, 0)
}

fn hpexpireat(call: &mut Call<'_>) -> CommandResult {
    expire_generic(call, Unit::Milliseconds, 0)
}

fn expire_generic(call: &mut Call<'_>, unit: Unit, base_ms: u64) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find_hash(&key)?;
    let at = time_of(call, call.arg(2), unit, base_ms)?;
    let conditions =
        [("NX", Condition::Nx), ("XX", Condition::Xx), ("GT", Condition::Gt), ("LT", Condition::Lt)];
    let given = conditions.into_iter().find(|(name, _)| is(call.arg(3), name));
    let (condition, position) = given.map_or((Condition::Always, 3), |(_, condition)| (condition, 4));
    let fields = fields_at(call, position, CommandError::NUMFIELDS_POSITIVE)?;
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.iter().for_each(|_| call.reply.integer(-2));
        return Ok(());
    };
    let (now, reply) = (call.db.now().0, &mut call.reply);
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    let edited = call.db.edit(&key, slot, |hash: &mut Hash| {
        for field in fields.iter() {
            let answer = match hash.expire(field, at, condition, now) {
                Expired::NoField => -2,
                Expired::NotMet => 0,
                Expired::Set => {
                    set.push(field);
                    1
                }
                Expired::Removed => {
                    removed.push(field);
                    2
                }
            };
            reply.integer(answer);
        }
        ((), (set.len() + removed.len()) as u64)
    });
    if !set.is_empty() {
        log_expire(call, &key, at, &set);
        call.db.notify(NotifyFlags::HASH, "hexpire", key.bytes);
    }
    if !removed.is_empty() {
        log_fields(call, b"HDEL", &key, removed);
        notify_removed(call, &key, edited.is_gone);
    }
    Ok(())
}

// ----- telling -----

fn httl(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0;
    tell(call, Unit::Seconds, base_ms)
}

fn hpttl(call: &mut Call<'_>) -> CommandResult {
    let base_ms = call.now.0;
    tell(call, Unit::Milliseconds, base_ms)
}

fn hexpiretime(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Seconds, 0)
}

fn hpexpiretime(call: &mut Call<'_>) -> CommandResult {
    tell(call, Unit::Milliseconds, 0)
}

/// Answers −2 for a missing field and −1 for one that does not expire; seconds are rounded up.
fn tell(call: &mut Call<'_>, unit: Unit, base_ms: u64) -> CommandResult {
    let (key, now) = (call.key(1), call.db.now().0);
    call.db.read_hash(&key)?;
    let fields = fields_at(call, 2, CommandError::FIELD_COUNT)?;
    let hash = call.db.find_hash(&key)?.map(|slot| call.db.typed::<Hash>(slot)).transpose()?;
    call.reply.array(fields.len());
    for field in fields.iter() {
        let answer = match hash.and_then(|hash| hash.get(field, now)) {
            None => -2,
            Some(entry) => entry.expire.map_or(-1, |at| {
                let left_ms = at.saturating_sub(base_ms);
                (if unit == Unit::Seconds { left_ms.div_ceil(1000) } else { left_ms }) as i64
            }),
        };
        call.reply.integer(answer);
    }
    Ok(())
}

fn hpersist(call: &mut Call<'_>) -> CommandResult {
    let (key, now) = (call.key(1), call.db.now().0);
    let slot = call.db.find_hash(&key)?;
    let fields = fields_at(call, 2, CommandError::FIELD_COUNT)?;
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.iter().for_each(|_| call.reply.integer(-2));
        return Ok(());
    };
    let reply = &mut call.reply;
    let edited = call.db.edit(&key, slot, |hash: &mut Hash| {
        let mut changes = 0;
        for field in fields.iter() {
            let persisted = hash.persist(field, now);
            changes += u64::from(persisted == Some(true));
            reply.integer(persisted.map_or(-2, |expired| if expired { 1 } else { -1 }));
        }
        (changes, changes)
    });
    if edited.result > 0 {
        call.db.notify(NotifyFlags::HASH, "hpersist", key.bytes);
    }
    Ok(())
}

// ----- reading and more -----

fn hgetdel(call: &mut Call<'_>) -> CommandResult {
    let fields = fields_at(call, 2, CommandError::FIELD_COUNT)?;
    let (key, now) = (call.key(1), call.db.now().0);
    let slot = call.db.find_hash(&key)?;
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.iter().for_each(|_| call.reply.null());
        return Ok(());
    };
    let (mut removed, reply) = (Vec::new(), &mut call.reply);
    let edited = call.db.edit(&key, slot, |hash: &mut Hash| {
        for field in fields.iter() {
            reply_value(reply, hash.get(field, now));
            if hash.remove(field) {
                removed.push(field);
            }
        }
        ((), removed.len() as u64)
    });
    if !removed.is_empty() {
        log_fields(call, b"HDEL", &key, removed);
        notify_removed(call, &key, edited.is_gone);
    }
    Ok(())
}

fn hgetex(call: &mut Call<'_>) -> CommandResult {
    let word = call.arg(2);
    let (mut at, mut persists, mut position) = (None, false, 2);
    if let Some((unit, base_ms)) = time_option(call, word) {
        at = Some(time_of(call, call.arg(3), unit, base_ms)?);
        position = 4;
    } else if is(word, "PERSIST") {
        persists = true;
        position = 3;
    }
    let fields = fields_at(call, position, CommandError::FIELD_COUNT)?;
    let (key, now) = (call.key(1), call.db.now().0);
    let slot = call.db.find_hash(&key)?;
    call.reply.array(fields.len());
    let Some(slot) = slot else {
        fields.iter().for_each(|_| call.reply.null());
        return Ok(());
    };
    if at.is_none() && !persists {
        let (hash, reply) = (call.db.typed::<Hash>(slot)?, &mut call.reply);
        fields.iter().for_each(|field| reply_value(reply, hash.get(field, now)));
        return Ok(());
    }
    let (mut changed, mut removed, reply) = (Vec::new(), Vec::new(), &mut call.reply);
    let edited = call.db.edit(&key, slot, |hash: &mut Hash| {
        for field in fields.iter() {
            reply_value(reply, hash.get(field, now));
            match at.map(|at| hash.expire(field, at, Condition::Always, now)) {
                Some(Expired::Set) => changed.push(field),
                Some(Expired::Removed) => removed.push(field),
                Some(Expired::NoField | Expired::NotMet) => {}
                None if hash.persist(field, now) == Some(true) => changed.push(field),
                None => {}
            }
        }
        ((), (changed.len() + removed.len()) as u64)
    });
    match at {
        Some(at) if !changed.is_empty() => {
            log_expire(call, &key, at, &changed);
            call.db.notify(NotifyFlags::HASH, "hexpire", key.bytes);
        }
        None if !changed.is_empty() => {
            let mut count = itoa::Buffer::new();
            let count = count.format(changed.len()).as_bytes();
            log_fields(call, b"HPERSIST", &key, [&b"FIELDS"[..], count].into_iter().chain(changed));
            call.db.notify(NotifyFlags::HASH, "hpersist", key.bytes);
        }
        _ => {}
    }
    if !removed.is_empty() {
        log_fields(call, b"HDEL", &key, removed);
        notify_removed(call, &key, edited.is_gone);
    }
    Ok(())
}

// ----- HSETEX -----

/// What stands between the key of HSETEX and its fields.
#[derive(Default)]
struct SetOptions {
    /// FNX (false): only if none of the fields is there; FXX (true): only if all are.
    wants_fields: Option<bool>,
    at: Option<u64>,
    keeps: bool,
}

impl SetOptions {
    /// Reads the options, and the pairs of fields and values behind them.
    fn read<'a>(call: &Call<'a>) -> Result<(Self, Argv<'a>), CommandError> {
        let mut options = SetOptions::default();
        let mut words = call.words(2);
        while let Some(word) = words.next() {
            let has_expiry = options.at.is_some() || options.keeps;
            if is(word, "FIELDS") {
                return Ok((options, Self::pairs(call, words.position())?));
            } else if let Some((unit, base_ms)) = time_option(call, word) {
                if has_expiry {
                    return Err(CommandError::HSETEX_EXPIRATIONS);
                }
                let time = words.next().ok_or(CommandError::EXPIRE_MISSING)?;
                options.at = Some(time_of(call, time, unit, base_ms)?);
            } else if is(word, "KEEPTTL") {
                if has_expiry {
                    return Err(CommandError::HSETEX_EXPIRATIONS);
                }
                options.keeps = true;
            } else if is(word, "FNX") || is(word, "FXX") {
                if options.wants_fields.is_some() {
                    return Err(CommandError::HSETEX_CONDITIONS);
                }
                options.wants_fields = Some(is(word, "FXX"));
            } else {
                return Err(CommandError::unknown_argument(word));
            }
        }
        // The arity leaves room for FIELDS; options took it.
        Err(CommandError::arity(call.command.name()))
    }

    fn pairs<'a>(call: &Call<'a>, position: usize) -> Result<Argv<'a>, CommandError> {
        let words = call.argv.skip(position);
        if words.len() < 3 {
            return Err(CommandError::arity(call.command.name()));
        }
        let count = parse_i64(words.get(0)).and_then(|count| i32::try_from(count).ok());
        let count = count.filter(|&count| count > 0).ok_or(CommandError::FIELD_COUNT_INVALID)?;
        let pairs = words.skip(1);
        if pairs.len() as u64 != u64::from(count.unsigned_abs()) * 2 {
            return Err(CommandError::arity(call.command.name()));
        }
        Ok(pairs)
    }
}

fn hsetex(call: &mut Call<'_>) -> CommandResult {
    let (options, pairs) = SetOptions::read(call)?;
    let (key, now) = (call.key(1), call.db.now().0);
    let slot = call.db.find_hash(&key)?;
    let limits = limits::hash(call.config, &call.db);
    let fields = || pairs.iter().step_by(2);
    if let Some(wanted) = options.wants_fields {
        let hash = slot.map(|slot| call.db.typed::<Hash>(slot)).transpose()?;
        let has = |field| hash.is_some_and(|hash| hash.get(field, now).is_some());
        if !fields().all(|field| has(field) == wanted) {
            call.reply.integer(0);
            return Ok(());
        }
    }
    let has_passed = options.at.is_some_and(|at| at <= now);
    let expiry = match options.at {
        Some(at) => Expiry::At(at),
        None if options.keeps => Expiry::Keep,
        None => Expiry::Clear,
    };
    call.db.edit_or_create(&key, slot, Hash::new, |hash| {
        hash.prepare(pairs.iter(), &limits);
        for at in (0..pairs.len()).step_by(2) {
            match has_passed {
                true => drop(hash.remove(pairs.get(at))),
                false => drop(hash.set(pairs.get(at), pairs.get(at + 1), expiry, &limits)),
            }
        }
        ((), pairs.len() as u64 / 2)
    });
    call.db.notify(NotifyFlags::HASH, "hset", key.bytes);
    if has_passed {
        let is_gone = call.db.find(&key).is_none();
        if call.db.dirty() > 0 {
            log_fields(call, b"HDEL", &key, fields());
        }
        notify_removed(call, &key, is_gone);
    } else if let Some(at) = options.at {
        log_fields(call, b"HSET", &key, pairs.iter());
        log_expire(call, &key, at, &fields().collect::<Vec<_>>());
        call.db.notify(NotifyFlags::HASH, "hexpire", key.bytes);
    }
    call.reply.integer(1);
    Ok(())
}
