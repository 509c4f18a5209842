//! The server as a whole: the clock, flushing, exchanging databases, shutting down.
//!
//! FLUSHDB and FLUSHALL are O(1) in the number of keys, with ASYNC and with SYNC: the tables change hands under the locks
//! and the drop thread frees them. So the memory is free some time after the reply, with either word.

use super::call::{Call, is};
use super::error::CommandError;
use super::snapshot;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, Locks, category};
use super::state::ShutdownOptions;
use crate::store::DbIndex;
use crate::util::number::parse_i64;
use crate::util::time;

const SERVER: Command = Command { group: "server", ..Command::NONE };

/// Base of the commands that change every shard.
const KEYSPACE: Command = Command {
    flags: WRITE,
    categories: category::KEYSPACE | category::DANGEROUS,
    locks: Locks::AllShards,
    ..SERVER
};

const FLUSH_TYPE: &[Arg] = &[Arg::oneof(
    "flush-type",
    &[Arg::flag("async", "ASYNC").since("4.0.0"), Arg::flag("sync", "SYNC").since("6.2.0")],
)
.optional()];

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "time",
        since: "2.6.0",
        arity: 1,
        handler: time,
        summary: "Returns the server's time.",
        flags: LOADING | STALE | FAST,
        tips: &["nondeterministic_output"],
        ..SERVER
    },
    Command {
        name: "swapdb",
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        arity: 3,
        handler: swapdb,
        summary: "Exchanges two databases.",
        flags: WRITE | FAST,
        args: &[Arg::integer("index1"), Arg::integer("index2")],
        ..KEYSPACE
    },
    Command {
        name: "flushdb",
        since: "1.0.0",
        complexity: "O(1)",
        arity: -1,
        handler: flushdb,
        summary: "Removes all keys of the selected database.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: FLUSH_TYPE,
        ..KEYSPACE
    },
    Command {
        name: "flushall",
        since: "1.0.0",
        complexity: "O(1)",
        arity: -1,
        handler: flushall,
        summary: "Removes all keys of all databases.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: FLUSH_TYPE,
        ..KEYSPACE
    },
    Command {
        name: "shutdown",
        since: "1.0.0",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        arity: -1,
        handler: shutdown,
        summary: "Makes the dataset durable and stops the server.",
        flags: ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
        args: &[Arg::oneof(
            "abort-selector",
            &[
                Arg::block(
                    "save-selector-block",
                    &[
                        Arg::oneof(
                            "save-selector",
                            &[Arg::flag("nosave", "NOSAVE"), Arg::flag("save", "SAVE")],
                        )
                        .optional(),
                        Arg::flag("now", "NOW").optional().since("7.0.0"),
                        Arg::flag("force", "FORCE").optional().since("7.0.0"),
                    ],
                ),
                Arg::flag("abort", "ABORT").since("7.0.0"),
            ],
        )
        .optional()],
        ..SERVER
    },
];

fn time(call: &mut Call<'_>) -> CommandResult {
    // The clock itself, not the batch's time: a client that asks wants to know.
    let now = time::now_micros();
    call.reply.array(2);
    call.reply.bulk_integer((now / 1_000_000) as i64);
    call.reply.bulk_integer((now % 1_000_000) as i64);
    Ok(())
}

fn swapdb(call: &mut Call<'_>) -> CommandResult {
    let number = |position, bad| {
        let number = parse_i64(call.arg(position)).and_then(|number| i32::try_from(number).ok());
        number.ok_or(bad)
    };
    let first = number(1, CommandError::INVALID_FIRST_DB)?;
    let second = number(2, CommandError::INVALID_SECOND_DB)?;
    let index = |number: i32| match u32::try_from(number) {
        Ok(index) if (index as usize) < call.db.databases() => Ok(DbIndex(index)),
        _ => Err(CommandError::DB_OUT_OF_RANGE),
    };
    let (first, second) = (index(first)?, index(second)?);
    call.db.swap(first, second);
    call.reply.ok();
    Ok(())
}

/// Checks the one word that FLUSHDB and FLUSHALL take; it makes no difference here.
fn check_flush_type(call: &Call<'_>) -> CommandResult {
    match call.argv.len() {
        1 => Ok(()),
        2 if is(call.arg(1), "async") || is(call.arg(1), "sync") => Ok(()),
        _ => Err(CommandError::SYNTAX),
    }
}

fn flushdb(call: &mut Call<'_>) -> CommandResult {
    check_flush_type(call)?;
    let index = call.db.index();
    call.db.flush(index);
    call.db.note_flushed();
    free_disk(call);
    call.reply.ok();
    Ok(())
}

/// The disk is free again as soon as a round has said that the namespace is gone.
fn free_disk(call: &Call<'_>) {
    if call.state.keyspace.has_image() {
        call.state.checkpointer.ask();
    }
}

fn flushall(call: &mut Call<'_>) -> CommandResult {
    check_flush_type(call)?;
    let selected = call.db.index();
    for index in (0..call.db.databases() as u32).map(DbIndex) {
        call.db.select(index);
        // The selected one also when it is empty: a flush counts as a change and is logged, as in Redis.
        if index == selected || !call.db.is_empty() {
            call.db.flush(index);
        }
    }
    call.db.select(selected);
    call.db.note_flushed();
    free_disk(call);
    call.reply.ok();
    Ok(())
}

/// Stops the server. With SAVE, a first file is written while the server runs, so that a failure can still be told; what is
/// written after that gets into the one that is written at the end. Nothing is waited for otherwise, so there is never a
/// shutdown in progress to abort. Success has no reply: the connection just ends.
fn shutdown(call: &mut Call<'_>) -> CommandResult {
    let (mut options, mut abort) = (ShutdownOptions::default(), false);
    for word in call.argv.iter().skip(1) {
        let flag = match () {
            () if is(word, "nosave") => &mut options.nosave,
            () if is(word, "save") => &mut options.save,
            () if is(word, "now") => &mut options.now,
            () if is(word, "force") => &mut options.force,
            () if is(word, "abort") => &mut abort,
            () => return Err(CommandError::SYNTAX),
        };
        *flag = true;
    }
    if (abort && options != ShutdownOptions::default()) || (options.nosave && options.save) {
        return Err(CommandError::SYNTAX);
    }
    if abort {
        return Err(CommandError::NO_SHUTDOWN);
    }
    // Nobody knows when it ends, and what it has done so far must not be saved.
    if !options.nosave
        && let Some(kind) = call.state.scripting.running.busy_kind()
    {
        return Err(CommandError::busy(kind));
    }
    // While it is loaded the dataset is not one to save.
    options.save &= !call.state.is_loading();
    if options.save && snapshot::saved(call)?.is_err() && !options.force {
        return Err(CommandError::SHUTDOWN_FAILED);
    }
    call.client.close_after_reply = true;
    // The first call counts.
    let _ = call.state.shutdown_options.set(options);
    (call.state.shutdown)();
    Ok(())
}
