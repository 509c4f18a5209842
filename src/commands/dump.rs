//! DUMP and RESTORE: a key's value as bytes, to and from other servers.
//!
//! * Payloads are those of Redis. The version that they state, and with it the form that values have, is `rdb-version`.
//! * RESTORE is logged as it was called, but with the point in time at which the key expires.
//! * A big value is encoded and decoded by another thread, while no shard is held: DUMP freezes it and replies when it
//!   comes back, RESTORE looks at the key again when it does. Only inside transactions, scripts and replay nobody else is
//!   let in.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::{Call, Words, is};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::Config;
use crate::config::values::NotifyFlags;
use crate::rdb::dump::{self, DumpError};
use crate::rdb::{Access, Encodings, Format, Limits, Object, ObjectRef};
use crate::store::entry::Value;
use crate::store::{Expiry, UnixMs};

const KEYSPACE: Command = Command { group: "generic", categories: category::KEYSPACE, ..Command::NONE };

/// What takes more bytes is big: another thread works on it.
const BIG_BYTES: usize = 256 << 10;

/// RESTORE and what a cluster's nodes call it by.
const RESTORE: Command = Command {
    arity: -4,
    complexity: "O(N*M) where N is the number of the value's parts and M their average size, times log(N) for sorted sets",
    handler: restore,
    flags: WRITE | DENYOOM,
    categories: category::KEYSPACE | category::DANGEROUS,
    keys: &[KeySpec::at(1, OW | UPDATE)],
    args: &[
        Arg::key("key"),
        Arg::integer("ttl"),
        Arg::string("serialized-value"),
        Arg::flag("replace", "REPLACE").optional().since("3.0.0"),
        Arg::flag("absttl", "ABSTTL").optional().since("5.0.0"),
        Arg::integer("seconds").token("IDLETIME").optional().since("5.0.0"),
        Arg::integer("frequency").token("FREQ").optional().since("5.0.0"),
    ],
    ..KEYSPACE
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "dump",
        since: "2.6.0",
        complexity: "O(N*M) where N is the number of the value's parts and M their average size",
        arity: 2,
        handler: dump,
        summary: "Returns a key's value as bytes that RESTORE takes.",
        flags: READONLY,
        tips: &["nondeterministic_output"],
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key")],
        ..KEYSPACE
    },
    Command {
        name: "restore",
        since: "2.6.0",
        summary: "Creates a key from what DUMP has returned.",
        ..RESTORE
    },
    Command {
        name: "restore-asking",
        since: "3.0.0",
        group: "server",
        summary: "RESTORE, as a cluster's nodes call it while a slot moves.",
        flags: WRITE | DENYOOM | ASKING,
        is_internal: true,
        ..RESTORE
    },
];

/// How values are written for others, as the configuration has it.
pub(super) fn format(config: &Config) -> Format {
    Format { version: config.rdb_version, compression: config.rdbcompression }
}

fn dump(call: &mut Call<'_>) -> CommandResult {
    if let Some(payload) = call.answer::<Arc<Vec<u8>>>() {
        call.reply.bulk_shared(&payload, 0..payload.len());
        return Ok(());
    }
    let (key, format) = (call.key(1), format(call.config));
    let Some(slot) = call.db.read(&key) else {
        call.reply.null();
        return Ok(());
    };
    match call.db.value(slot) {
        Value::Object(object) if object.memory_bytes() > BIG_BYTES && call.lets_others_in() => {
            let (frozen, keyspace) = (object.clone(), &call.state.keyspace);
            let payload = move || Arc::new(dump::payload(Value::Object(&frozen).into(), format));
            Err(call.ask_for(|promise| promise.work_apart(keyspace, payload)))
        }
        value => {
            call.reply.bulk(&dump::payload(ObjectRef::from(value), format));
            Ok(())
        }
    }
}

/// The options of RESTORE.
#[derive(Clone, Copy, Default)]
struct Options {
    replace: bool,
    absttl: bool,
    access: Access,
}

impl Options {
    fn read(mut words: Words<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while let Some(word) = words.next() {
            let (has_value, access) = (words.left() > 0, options.access);
            match () {
                () if is(word, "REPLACE") => options.replace = true,
                () if is(word, "ABSTTL") => options.absttl = true,
                () if is(word, "IDLETIME") && has_value && !matches!(access, Access::Frequency(_)) => {
                    let idle = u64::try_from(words.int()?).map_err(|_| CommandError::BAD_IDLETIME)?;
                    options.access = Access::IdleSeconds(idle);
                }
                () if is(word, "FREQ") && has_value && !matches!(access, Access::IdleSeconds(_)) => {
                    let counter = u8::try_from(words.int()?).map_err(|_| CommandError::BAD_FREQ)?;
                    options.access = Access::Frequency(counter);
                }
                () => return Err(CommandError::SYNTAX),
            }
        }
        Ok(options)
    }
}

fn restore(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call.words(4))?;
    let key = call.key(1);
    let slot = if options.replace { call.db.find(&key) } else { call.db.read(&key) };
    if slot.is_some() && !options.replace {
        return Err(CommandError::BUSY_KEY);
    }
    let ttl = call.int(2)?;
    if ttl < 0 {
        return Err(CommandError::BAD_RESTORE_TTL);
    }
    let object = payload(call)?.map_err(|error| match error {
        DumpError::Footer => CommandError::DUMP_FOOTER,
        DumpError::Object(_) => CommandError::BAD_DATA_FORMAT,
    })?;
    // As in Redis a sum that overflows is a time that has passed.
    let at = if options.absttl { ttl } else { call.now.0.cast_signed().wrapping_add(ttl) };
    let expires = ttl > 0;
    if expires && at <= call.db.now().0.cast_signed() {
        if let Some(slot) = slot {
            call.db.remove(&key, slot);
            call.db.log_as(&[b"DEL", key.bytes]);
            call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
        }
        call.reply.ok();
        return Ok(());
    }
    let expiry = if expires { Expiry::At(UnixMs(at.cast_unsigned())) } else { Expiry::Clear };
    let slot = call.db.set_object(&key, slot, object, expiry);
    call.db.set_access(slot, call.access.restored(options.access));
    if expires && !options.absttl {
        log_absolute(call, at);
    }
    call.db.notify(NotifyFlags::GENERIC, "restore", key.bytes);
    call.reply.ok();
    Ok(())
}

/// The value in a payload.
fn payload<'a>(call: &mut Call<'a>) -> Result<Result<Object<'a>, DumpError>, CommandError> {
    type Taken = Result<Object<'static>, DumpError>;

    if let Some(taken) = call.answer::<Taken>() {
        return Ok(taken);
    }
    let limits = limits::all(call.config, call.db.member_seed());
    let (payload, keyspace) = (call.arg(3), &call.state.keyspace);
    if payload.len() <= BIG_BYTES || !call.lets_others_in() {
        return Ok(dump::take(payload, Encodings::Within(&limits)));
    }
    Err(call.ask_for(|promise| {
        // The locks are released; only now it is copied.
        let payload = payload.to_vec();
        promise.work_apart(keyspace, move || -> Taken { take_apart(&payload, &limits) });
    }))
}

fn take_apart(payload: &[u8], limits: &Limits) -> Result<Object<'static>, DumpError> {
    Ok(match dump::take(payload, Encodings::Within(limits))? {
        Object::Int(number) => Object::Int(number),
        Object::String(bytes) => Object::String(Cow::Owned(bytes.into_owned())),
        Object::Collection(value) => Object::Collection(value),
    })
}

/// Logs RESTORE with the point in time at which the key expires.
fn log_absolute(call: &mut Call<'_>, at: i64) {
    let mut buffer = itoa::Buffer::new();
    let mut words: Vec<&[u8]> = call.argv.iter().collect();
    words[0] = call.command.declared_name();
    words[2] = buffer.format(at).as_bytes();
    words.push(b"ABSTTL");
    call.db.log_as(&words);
}
