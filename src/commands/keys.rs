//! Commands on keys of any type.

use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, Elsewhere, KeySpec, category};
use crate::config::Config;
use crate::config::values::MaxmemoryPolicy;
use crate::config::values::NotifyFlags;
use crate::store::entry::Value;
use crate::store::evict;
use crate::store::{DbIndex, Key, Slot};

const KEYSPACE: Command = Command { group: "generic", categories: category::KEYSPACE, ..Command::NONE };

/// The subcommands of OBJECT that ask about one key.
const OBJECT: Command = Command {
    arity: 3,
    flags: READONLY,
    keys: &[KeySpec::at(2, RO)],
    tips: &["nondeterministic_output"],
    args: &[Arg::key("key")],
    ..KEYSPACE
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "del",
        since: "1.0.0",
        complexity: "O(N) with N being the number of keys",
        arity: -2,
        handler: del,
        summary: "Deletes keys.",
        flags: WRITE,
        keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key").multiple()],
        ..KEYSPACE
    },
    Command {
        name: "unlink",
        since: "4.0.0",
        complexity: "O(N) with N being the number of keys",
        arity: -2,
        handler: del,
        summary: "Deletes keys; like DEL, which frees big values on another thread too.",
        flags: WRITE | FAST,
        keys: &[KeySpec::range(1, -1, 1, RM | DELETE)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key").multiple()],
        ..KEYSPACE
    },
    Command {
        name: "exists",
        since: "1.0.0",
        complexity: "O(N) with N being the number of keys",
        arity: -2,
        handler: exists,
        summary: "Counts how many of the named keys exist.",
        flags: READONLY | FAST,
        keys: &[KeySpec::range(1, -1, 1, RO)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key").multiple()],
        ..KEYSPACE
    },
    Command {
        name: "touch",
        since: "3.2.1",
        complexity: "O(N) with N being the number of keys",
        arity: -2,
        handler: touch,
        summary: "Marks keys as used now and counts those that exist.",
        flags: READONLY | FAST,
        keys: &[KeySpec::range(1, -1, 1, RO)],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        args: &[Arg::key("key").multiple()],
        ..KEYSPACE
    },
    Command {
        name: "type",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 2,
        handler: type_,
        summary: "Names the type of a key's value.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..KEYSPACE
    },
    Command {
        name: "rename",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 3,
        handler: rename,
        summary: "Gives a key another name, in the place of whatever had it.",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, OW | UPDATE)],
        args: &[Arg::key("key"), Arg::key_of("newkey", 1)],
        ..KEYSPACE
    },
    Command {
        name: "renamenx",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 3,
        handler: renamenx,
        summary: "Gives a key another name unless a key has it.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, OW | INSERT)],
        args: &[Arg::key("key"), Arg::key_of("newkey", 1)],
        ..KEYSPACE
    },
    Command {
        name: "copy",
        since: "6.2.0",
        complexity: "O(1)",
        arity: -3,
        handler: copy,
        summary: "Copies a key's value and time to live to another key.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RO | ACCESS), KeySpec::at(2, OW | UPDATE)],
        elsewhere: Some(Elsewhere {
            key: 2,
            database: |argv| (3..argv.len()).find(|&at| is(argv.get(at), "DB")).map(|at| at + 1),
        }),
        args: &[
            Arg::key("source"),
            Arg::key_of("destination", 1),
            Arg::integer("destination-db").token("DB").optional(),
            Arg::flag("replace", "REPLACE").optional(),
        ],
        ..KEYSPACE
    },
    Command {
        name: "move",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 3,
        handler: move_,
        summary: "Moves a key to another database unless it has one of that name.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        elsewhere: Some(Elsewhere { key: 1, database: |_| Some(2) }),
        args: &[Arg::key("key"), Arg::integer("db")],
        ..KEYSPACE
    },
    Command {
        name: "object",
        since: "2.2.3",
        complexity: "Depends on the subcommand",
        arity: -2,
        summary: "A container for commands about how a value is kept.",
        categories: 0,
        subcommands: OBJECT_COMMANDS,
        ..KEYSPACE
    },
];

const OBJECT_COMMANDS: &[Command] = &[
    Command {
        name: "encoding",
        since: "2.2.3",
        handler: object_encoding,
        summary: "Names the encoding in which the key's value is kept.",
        ..OBJECT
    },
    Command {
        name: "freq",
        since: "4.0.0",
        handler: object_freq,
        summary: "Tells how often the key was used, on the logarithmic scale of the LFU policies.",
        ..OBJECT
    },
    help_row("6.2.0", KEYSPACE),
    Command {
        name: "idletime",
        since: "2.2.3",
        handler: object_idletime,
        summary: "Tells how many seconds ago the key was used.",
        ..OBJECT
    },
    Command {
        name: "refcount",
        since: "2.2.3",
        handler: object_refcount,
        summary: "Tells how many references there are to the key's value.",
        ..OBJECT
    },
];

fn del(call: &mut Call<'_>) -> CommandResult {
    let mut deleted = 0;
    for position in 1..call.argv.len() {
        let key = call.key(position);
        if let Some(slot) = call.db.find(&key) {
            call.db.remove(&key, slot);
            call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
            deleted += 1;
        }
    }
    call.reply.integer(deleted);
    Ok(())
}

fn exists(call: &mut Call<'_>) -> CommandResult {
    let count = (1..call.argv.len()).filter(|&position| call.db.peek(&call.key(position)).is_some()).count();
    call.reply.integer(count as i64);
    Ok(())
}

fn touch(call: &mut Call<'_>) -> CommandResult {
    let count = (1..call.argv.len()).filter(|&position| call.db.touch(&call.key(position)).is_some()).count();
    call.reply.integer(count as i64);
    Ok(())
}

fn type_(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let name = call.db.peek(&key).map_or("none", |slot| call.db.value(slot).type_name());
    call.reply.simple(name);
    Ok(())
}

fn rename(call: &mut Call<'_>) -> CommandResult {
    rename_generic(call, false)?;
    call.reply.ok();
    Ok(())
}

fn renamenx(call: &mut Call<'_>) -> CommandResult {
    let renamed = rename_generic(call, true)?;
    call.reply.integer(i64::from(renamed));
    Ok(())
}

fn rename_generic(call: &mut Call<'_>, only_if_free: bool) -> Result<bool, CommandError> {
    let (old, new) = (call.key(1), call.key(2));
    let source = call.db.find(&old).ok_or(CommandError::NO_SUCH_KEY)?;
    if old.bytes == new.bytes {
        return Ok(false);
    }
    let target = call.db.find(&new);
    if only_if_free && target.is_some() {
        return Ok(false);
    }
    call.db.rename(&old, source, &new, target);
    if target.is_some() {
        // Redis deletes it first, and says nothing of that.
        call.db.notify(NotifyFlags::NEW, "new", new.bytes);
    }
    call.db.notify(NotifyFlags::GENERIC, "rename_from", old.bytes);
    call.db.notify(NotifyFlags::GENERIC, "rename_to", new.bytes);
    Ok(true)
}

fn copy(call: &mut Call<'_>) -> CommandResult {
    let here = call.db.index();
    let (mut there, mut replaces) = (here, false);
    let mut words = call.words(3);
    while let Some(word) = words.next() {
        if is(word, "REPLACE") {
            replaces = true;
        } else if is(word, "DB") && words.left() > 0 {
            there = call.db_index(words.position(), CommandError::NOT_INTEGER)?;
            words.value()?;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let (from, to) = (call.key(1), call.key(2));
    if here == there && from.bytes == to.bytes {
        return Err(CommandError::SAME_OBJECT);
    }
    let source = call.db.read(&from);
    call.db.select(there);
    let copied = match source {
        Some(source) => {
            let target = call.db.find(&to);
            let is_free = target.is_none() || replaces;
            if is_free {
                call.db.copy(source, &to, target);
                if target.is_some() {
                    // Redis deletes it first, and says nothing of that.
                    call.db.notify(NotifyFlags::NEW, "new", to.bytes);
                }
                call.db.notify(NotifyFlags::GENERIC, "copy_to", to.bytes);
            }
            is_free
        }
        None => false,
    };
    call.reply.integer(i64::from(copied));
    Ok(())
}

fn move_(call: &mut Call<'_>) -> CommandResult {
    let there = call.db_index(2, CommandError::NOT_INTEGER)?;
    if there == call.db.index() {
        return Err(CommandError::SAME_OBJECT);
    }
    let key = call.key(1);
    let moved = match call.db.find(&key) {
        Some(source) => move_to(call, there, &key, source),
        None => false,
    };
    call.reply.integer(i64::from(moved));
    Ok(())
}

fn move_to(call: &mut Call<'_>, there: DbIndex, key: &Key<'_>, source: Slot) -> bool {
    let here = call.db.index();
    call.db.select(there);
    let is_free = call.db.find(key).is_none();
    if is_free {
        call.db.rename(key, source, key, None);
        call.db.select(here);
        call.db.notify(NotifyFlags::GENERIC, "move_from", key.bytes);
        call.db.select(there);
        call.db.notify(NotifyFlags::GENERIC, "move_to", key.bytes);
    }
    is_free
}

/// What a subcommand of OBJECT asks about; null was answered when the key is missing.
fn object(call: &mut Call<'_>) -> Option<Slot> {
    let key = call.key(2);
    let slot = call.db.inspect(&key);
    if slot.is_none() {
        call.reply.null();
    }
    slot
}

fn object_encoding(call: &mut Call<'_>) -> CommandResult {
    if let Some(slot) = object(call) {
        call.reply.bulk(call.db.value(slot).encoding().as_bytes());
    }
    Ok(())
}

fn object_freq(call: &mut Call<'_>) -> CommandResult {
    if let Some(slot) = object(call) {
        if !evict::is_lfu(call.config.maxmemory_policy) {
            return Err(CommandError::LFU_OFF);
        }
        let frequency = call.access.frequency(call.db.entry(slot).access());
        call.reply.integer(i64::from(frequency));
    }
    Ok(())
}

fn object_idletime(call: &mut Call<'_>) -> CommandResult {
    if let Some(slot) = object(call) {
        if evict::is_lfu(call.config.maxmemory_policy) {
            return Err(CommandError::LFU_ON);
        }
        let idle = call.access.idle_seconds(call.db.entry(slot).access());
        call.reply.integer(i64::from(idle));
    }
    Ok(())
}

/// What Redis tells of integers below 10,000, which all keys share there.
const SHARED: i64 = i32::MAX as i64;

fn object_refcount(call: &mut Call<'_>) -> CommandResult {
    if let Some(slot) = object(call) {
        let is_shared = matches!(call.db.value(slot), Value::Int(0..10_000)) && shares_integers(call.config);
        call.reply.integer(if is_shared { SHARED } else { 1 });
    }
    Ok(())
}

/// Redis gives every key an integer of its own when eviction needs to know when or how often each was used.
fn shares_integers(config: &Config) -> bool {
    use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru};
    let tracks_access =
        matches!(config.maxmemory_policy, AllkeysLru | AllkeysLfu | VolatileLru | VolatileLfu);
    config.maxmemory == 0 || !tracks_access
}
