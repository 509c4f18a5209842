//! Strings as whole values: GET, SET and their kin.
//!
//! * A value that is the canonical text of an integer is kept as one ([`encode`]), whichever command writes it whole.
//! * Relative expiry is logged as absolute: every command here that sets one is logged as `SET … PXAT` or `PEXPIREAT`.
//! * GET, SET without options and MSET allocate nothing of their own; keep it so.
//!
//! Integers and floats as counters are in `counters`, parts of strings in `ranges`, bits in `bitmaps`.

use super::call::{Call, Words, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::entry::NewValue;
use crate::store::{Expiry, Key, Slot, StringRef, UnixMs};
use crate::types::string::encoding::int_encodable;
use crate::util::number::parse_i64;

/// What every command of the group shares.
pub const STRING: Command = Command { group: "string", categories: category::STRING, ..Command::NONE };

const EXPIRE_ARGS: [Arg; 4] = [
    Arg::integer("seconds").token("EX"),
    Arg::integer("milliseconds").token("PX"),
    Arg::unix_time("unix-time-seconds").token("EXAT"),
    Arg::unix_time("unix-time-milliseconds").token("PXAT"),
];

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
        summary: "Sets a key to a string value, whatever it held before, if a condition holds; can set its expiry.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS).notes(SET_NOTES)],
        args: &[
            Arg::key("key"),
            Arg::string("value"),
            Arg::oneof("condition", &[Arg::flag("nx", "NX"), Arg::flag("xx", "XX")])
                .optional()
                .since("2.6.12"),
            Arg::flag("get", "GET").optional().since("6.2.0"),
            Arg::oneof(
                "expiration",
                &[
                    EXPIRE_ARGS[0].since("2.6.12"),
                    EXPIRE_ARGS[1].since("2.6.12"),
                    EXPIRE_ARGS[2].since("6.2.0"),
                    EXPIRE_ARGS[3].since("6.2.0"),
                    Arg::flag("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .optional(),
        ],
        ..STRING
    },
    Command {
        name: "getset",
        since: "1.0.0",
        arity: 3,
        handler: getset,
        summary: "Sets a key to a string value and returns the string it held before.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key"), Arg::string("value")],
        deprecated_since: "6.2.0",
        replaced_by: "`SET` with the `!GET` argument",
        ..STRING
    },
    Command {
        name: "getdel",
        since: "6.2.0",
        arity: 2,
        handler: getdel,
        summary: "Returns the string value of a key and deletes the key.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key")],
        ..STRING
    },
    Command {
        name: "getex",
        since: "6.2.0",
        arity: -2,
        handler: getex,
        summary: "Returns the string value of a key and sets or removes the key's expiry.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE).notes("RW and UPDATE because it changes the TTL")],
        args: &[
            Arg::key("key"),
            Arg::oneof(
                "expiration",
                &[
                    EXPIRE_ARGS[0],
                    EXPIRE_ARGS[1],
                    EXPIRE_ARGS[2],
                    EXPIRE_ARGS[3],
                    Arg::flag("persist", "PERSIST"),
                ],
            )
            .optional(),
        ],
        ..STRING
    },
    Command {
        name: "setnx",
        since: "1.0.0",
        arity: 3,
        handler: setnx,
        summary: "Sets a key to a string value only if the key does not exist.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, OW | INSERT)],
        args: &[Arg::key("key"), Arg::string("value")],
        deprecated_since: "2.6.12",
        replaced_by: "`SET` with the `NX` argument",
        ..STRING
    },
    Command {
        name: "setex",
        since: "2.0.0",
        arity: 4,
        handler: setex,
        summary: "Sets a key to a string value that expires after some seconds.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("seconds"), Arg::string("value")],
        deprecated_since: "2.6.12",
        replaced_by: "`SET` with the `EX` argument",
        ..STRING
    },
    Command {
        name: "psetex",
        since: "2.6.0",
        arity: 4,
        handler: psetex,
        summary: "Sets a key to a string value that expires after some milliseconds.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("milliseconds"), Arg::string("value")],
        deprecated_since: "2.6.12",
        replaced_by: "`SET` with the `PX` argument",
        ..STRING
    },
    Command {
        name: "mget",
        since: "1.0.0",
        complexity: "O(N) where N is the number of keys to retrieve.",
        arity: -2,
        handler: mget,
        summary: "Returns the string values of several keys at one moment.",
        flags: READONLY | FAST,
        keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
        tips: &["request_policy:multi_shard"],
        args: &[Arg::key("key").multiple()],
        ..STRING
    },
    Command {
        name: "mset",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        arity: -3,
        handler: mset,
        summary: "Sets several keys to string values at one moment.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::range(1, -1, 2, OW | UPDATE)],
        tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
        args: &[Arg::block("data", &[Arg::key("key"), Arg::string("value")]).multiple()],
        ..STRING
    },
    Command {
        name: "msetnx",
        since: "1.0.1",
        complexity: "O(N) where N is the number of keys to set.",
        arity: -3,
        handler: msetnx,
        summary: "Sets several keys to string values at one moment, only if none of them exists.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::range(1, -1, 2, OW | INSERT)],
        args: &[Arg::block("data", &[Arg::key("key"), Arg::string("value")]).multiple()],
        ..STRING
    },
];

const SET_NOTES: &str = "RW and ACCESS due to the optional `GET` argument";

// ----- reading -----

fn get(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    if call.db.with_string(&key, |value| reply_string(&mut call.reply, value))?.is_none() {
        call.reply.null();
    }
    Ok(())
}

fn mget(call: &mut Call<'_>) -> CommandResult {
    call.reply.array(call.argv.len() - 1);
    for position in 1..call.argv.len() {
        let key = call.key(position);
        let replied = call.db.with_string(&key, |value| reply_string(&mut call.reply, value));
        // Another type is as good as no key here.
        if !matches!(replied, Ok(Some(()))) {
            call.reply.null();
        }
    }
    Ok(())
}

/// Replies a string value; a big one is shared with the reply instead of copied.
#[inline]
pub fn reply_string(reply: &mut Reply<'_>, value: StringRef<'_>) {
    match value {
        StringRef::Int(number) => reply.bulk_integer(number),
        StringRef::Bytes(bytes) => reply.bulk(bytes),
        StringRef::Shared(bytes) => reply.bulk_shared(bytes, 0..bytes.len()),
    }
}

/// Looks a string up for a command that replies it and then changes it: the reply is written, and the slot is good
/// for the change. A missing key is replied as null.
fn read_and_reply(call: &mut Call<'_>, key: &Key<'_>) -> Result<Option<Slot>, CommandError> {
    let slot = call.db.read(key);
    match slot {
        Some(slot) => reply_string(&mut call.reply, call.db.string(slot)?),
        None => call.reply.null(),
    }
    Ok(slot)
}

// ----- writing -----

/// How SET and its like store a value: as an integer if it is the canonical text of one.
#[inline]
pub fn encode(bytes: &[u8]) -> NewValue<'_> {
    match int_encodable(bytes) {
        Some(number) => NewValue::Int(number),
        None => NewValue::Bytes(bytes, false),
    }
}

fn set(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() > 3 {
        return set_with_options(call);
    }
    let key = call.key(1);
    let slot = call.db.find(&key);
    call.db.set(&key, slot, encode(call.arg(2)), Expiry::Clear);
    call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    call.reply.ok();
    Ok(())
}

fn set_with_options(call: &mut Call<'_>) -> CommandResult {
    let options = SetOptions::parse(call.words(3))?;
    let expire = options.expire.map(|expire| expire.resolve("set", call.now)).transpose()?;
    let (key, value) = (call.key(1), call.arg(2));
    let slot = if options.get { read_and_reply(call, &key)? } else { call.db.find(&key) };
    let refused = match options.condition {
        None => false,
        Some(Condition::Nx) => slot.is_some(),
        Some(Condition::Xx) => slot.is_none(),
    };
    if refused {
        if !options.get {
            call.reply.null();
        }
        return Ok(());
    }
    let expiry = match expire {
        Some(at) => Expiry::At(at),
        None if options.keep_ttl => Expiry::Keep,
        None => Expiry::Clear,
    };
    call.db.set(&key, slot, encode(value), expiry);
    call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    if expire.is_some() {
        call.db.notify(NotifyFlags::GENERIC, "expire", key.bytes);
    }
    // What was called is deterministic unless the expiry is relative; GET would build a reply at every replay.
    match expiry {
        Expiry::At(at) if options.get || options.is_relative() => log_set_at(call, &key, value, at),
        Expiry::Keep if options.get => call.db.log_as(&[b"SET", key.bytes, value, b"KEEPTTL"]),
        Expiry::Clear if options.get => call.db.log_as(&[b"SET", key.bytes, value]),
        _ => {}
    }
    if !options.get {
        call.reply.ok();
    }
    Ok(())
}

fn log_set_at(call: &mut Call<'_>, key: &Key<'_>, value: &[u8], at: UnixMs) {
    call.db.log_as(&[b"SET", key.bytes, value, b"PXAT", itoa::Buffer::new().format(at.0).as_bytes()]);
}

fn getset(call: &mut Call<'_>) -> CommandResult {
    let (key, value) = (call.key(1), call.arg(2));
    let slot = read_and_reply(call, &key)?;
    call.db.set(&key, slot, encode(value), Expiry::Clear);
    call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    call.db.log_as(&[b"SET", key.bytes, value]);
    Ok(())
}

fn getdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    if let Some(slot) = read_and_reply(call, &key)? {
        call.db.remove(&key, slot);
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
        call.db.log_as(&[b"DEL", key.bytes]);
    }
    Ok(())
}

fn getex(call: &mut Call<'_>) -> CommandResult {
    let options = GetexOptions::parse(call.words(2))?;
    let key = call.key(1);
    let Some(slot) = call.db.read(&key) else {
        call.reply.null();
        return Ok(());
    };
    // The order of the errors is Redis's: a wrong type before a bad time, and neither for a missing key.
    let value = call.db.string(slot)?;
    let expire = options.expire.map(|expire| expire.resolve("getex", call.now)).transpose()?;
    reply_string(&mut call.reply, value);
    match expire {
        Some(at) if at <= call.db.now() => {
            call.db.remove(&key, slot);
            call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
            call.db.log_as(&[b"DEL", key.bytes]);
        }
        Some(at) => {
            call.db.set_expire(&key, slot, Some(at));
            call.db.notify(NotifyFlags::GENERIC, "expire", key.bytes);
            call.db.log_as(&[b"PEXPIREAT", key.bytes, itoa::Buffer::new().format(at.0).as_bytes()]);
        }
        None if options.persist && call.db.expire_at(slot).is_some() => {
            call.db.set_expire(&key, slot, None);
            call.db.notify(NotifyFlags::GENERIC, "persist", key.bytes);
            call.db.log_as(&[b"PERSIST", key.bytes]);
        }
        None => {}
    }
    Ok(())
}

fn setnx(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let is_new = call.db.find(&key).is_none();
    if is_new {
        call.db.set(&key, None, encode(call.arg(2)), Expiry::Clear);
        call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    }
    call.reply.integer(i64::from(is_new));
    Ok(())
}

fn setex(call: &mut Call<'_>) -> CommandResult {
    set_expiring(call, "setex", ExpireKind::Ex)
}

fn psetex(call: &mut Call<'_>) -> CommandResult {
    set_expiring(call, "psetex", ExpireKind::Px)
}

fn set_expiring(call: &mut Call<'_>, command: &str, kind: ExpireKind) -> CommandResult {
    let at = ExpireOption { kind, time: call.arg(2) }.resolve(command, call.now)?;
    let (key, value) = (call.key(1), call.arg(3));
    let slot = call.db.find(&key);
    call.db.set(&key, slot, encode(value), Expiry::At(at));
    call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    call.db.notify(NotifyFlags::GENERIC, "expire", key.bytes);
    log_set_at(call, &key, value, at);
    call.reply.ok();
    Ok(())
}

fn mset(call: &mut Call<'_>) -> CommandResult {
    check_pairs(call)?;
    for position in (1..call.argv.len()).step_by(2) {
        let key = call.key(position);
        let slot = call.db.find(&key);
        call.db.set(&key, slot, encode(call.arg(position + 1)), Expiry::Clear);
        call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    }
    call.reply.ok();
    Ok(())
}

fn msetnx(call: &mut Call<'_>) -> CommandResult {
    check_pairs(call)?;
    for position in (1..call.argv.len()).step_by(2) {
        let key = call.key(position);
        if call.db.find(&key).is_some() {
            call.reply.integer(0);
            return Ok(());
        }
    }
    for position in (1..call.argv.len()).step_by(2) {
        let key = call.key(position);
        // Not `None`: the same key may come twice, and then the last value counts.
        let slot = call.db.find(&key);
        call.db.set(&key, slot, encode(call.arg(position + 1)), Expiry::Clear);
        call.db.notify(NotifyFlags::STRING, "set", key.bytes);
    }
    call.reply.integer(1);
    Ok(())
}

/// MSET and MSETNX take pairs; an odd word out is an arity error although the row's arity allows it.
fn check_pairs(call: &Call<'_>) -> CommandResult {
    if call.argv.len().is_multiple_of(2) { Err(CommandError::arity(call.command.name())) } else { Ok(()) }
}

// ----- options -----

/// NX or XX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// Only if the key does not exist.
    Nx,
    /// Only if it does.
    Xx,
}

/// What follows the value of SET, in any order. An option may come twice, and the last one counts; one that excludes
/// another is a syntax error.
#[derive(Clone, Copy, Debug, Default)]
struct SetOptions<'a> {
    condition: Option<Condition>,
    get: bool,
    keep_ttl: bool,
    expire: Option<ExpireOption<'a>>,
}

impl<'a> SetOptions<'a> {
    fn parse(mut words: Words<'a>) -> Result<Self, CommandError> {
        let mut options = SetOptions::default();
        while let Some(word) = words.next() {
            if is(word, "NX") && options.condition != Some(Condition::Xx) {
                options.condition = Some(Condition::Nx);
            } else if is(word, "XX") && options.condition != Some(Condition::Nx) {
                options.condition = Some(Condition::Xx);
            } else if is(word, "GET") {
                options.get = true;
            } else if is(word, "KEEPTTL") && options.expire.is_none() {
                options.keep_ttl = true;
            } else if let Some(kind) = ExpireKind::parse(word)
                && !options.keep_ttl
            {
                options.expire = Some(ExpireOption::parse(kind, options.expire, &mut words)?);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Is the expiry anything but absolute milliseconds?
    fn is_relative(&self) -> bool {
        self.expire.is_some_and(|expire| expire.kind != ExpireKind::Pxat)
    }
}

/// What follows the key of GETEX.
#[derive(Clone, Copy, Debug, Default)]
struct GetexOptions<'a> {
    persist: bool,
    expire: Option<ExpireOption<'a>>,
}

impl<'a> GetexOptions<'a> {
    fn parse(mut words: Words<'a>) -> Result<Self, CommandError> {
        let mut options = GetexOptions::default();
        while let Some(word) = words.next() {
            if is(word, "PERSIST") && options.expire.is_none() {
                options.persist = true;
            } else if let Some(kind) = ExpireKind::parse(word)
                && !options.persist
            {
                options.expire = Some(ExpireOption::parse(kind, options.expire, &mut words)?);
            } else {
                return Err(CommandError::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// What the time after EX and its like means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpireKind {
    /// Seconds from now.
    Ex,
    /// Milliseconds from now.
    Px,
    /// Unix time in seconds.
    Exat,
    /// Unix time in milliseconds.
    Pxat,
}

impl ExpireKind {
    fn parse(word: &[u8]) -> Option<Self> {
        let kinds = [(Self::Ex, "EX"), (Self::Px, "PX"), (Self::Exat, "EXAT"), (Self::Pxat, "PXAT")];
        kinds.into_iter().find(|(_, name)| is(word, name)).map(|(kind, _)| kind)
    }
}

/// A kind and its time, which is read only when the whole command is known to be well formed.
#[derive(Clone, Copy, Debug)]
struct ExpireOption<'a> {
    kind: ExpireKind,
    time: &'a [u8],
}

impl<'a> ExpireOption<'a> {
    /// The option whose name has just been read, `earlier` being one that came before it.
    fn parse(kind: ExpireKind, earlier: Option<Self>, words: &mut Words<'a>) -> Result<Self, CommandError> {
        if earlier.is_some_and(|earlier| earlier.kind != kind) {
            return Err(CommandError::SYNTAX);
        }
        Ok(ExpireOption { kind, time: words.value()? })
    }

    /// The time at which the key expires; it must be above zero, and fit 63 bits of milliseconds, before and after
    /// `now` is added.
    fn resolve(self, command: &str, now: UnixMs) -> Result<UnixMs, CommandError> {
        let time = parse_i64(self.time).ok_or(CommandError::NOT_INTEGER)?;
        let scale = if matches!(self.kind, ExpireKind::Ex | ExpireKind::Exat) { 1000 } else { 1 };
        let base = if matches!(self.kind, ExpireKind::Ex | ExpireKind::Px) { now.0 } else { 0 };
        let at =
            time.checked_mul(scale).filter(|_| time > 0).and_then(|time| time.checked_add_unsigned(base));
        at.map(|at| UnixMs(at as u64)).ok_or_else(|| CommandError::invalid_expire(command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(kind: ExpireKind, time: &str) -> Result<u64, String> {
        let option = ExpireOption { kind, time: time.as_bytes() };
        option.resolve("set", UnixMs(5_000)).map(|at| at.0).map_err(|error| error.to_string())
    }

    #[test]
    fn relative_times_count_from_now_and_absolute_ones_do_not() {
        assert_eq!(resolve(ExpireKind::Ex, "2"), Ok(7_000));
        assert_eq!(resolve(ExpireKind::Px, "2"), Ok(5_002));
        assert_eq!(resolve(ExpireKind::Exat, "2"), Ok(2_000));
        assert_eq!(resolve(ExpireKind::Pxat, "9223372036854775807"), Ok(i64::MAX as u64));
    }

    #[test]
    fn times_that_are_not_positive_or_overflow_are_invalid() {
        let invalid = Err("ERR invalid expire time in 'set' command".to_owned());
        for (kind, time) in [
            (ExpireKind::Ex, "0"),
            (ExpireKind::Pxat, "-1"),
            (ExpireKind::Ex, "9223372036854775807"),
            (ExpireKind::Exat, "9223372036854776"),
            (ExpireKind::Ex, "9223372036854775"),
            (ExpireKind::Px, "9223372036854775807"),
        ] {
            assert_eq!(resolve(kind, time), invalid, "{kind:?} {time}");
        }
        assert_eq!(
            resolve(ExpireKind::Px, "ten"),
            Err("ERR value is not an integer or out of range".to_owned())
        );
    }
}
