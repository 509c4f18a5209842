//! RDB files, backups and the log's length, on demand.
//!
//! BACKUP is our own: a directory that a server can be started on, made of hard links to the runs of a checkpoint, so it
//! takes next to no time and room, whatever the dataset's size.
//!
//! BGREWRITEAOF is a checkpoint round: the log before its cut is not needed any more. Nothing forks, so a save and a rewrite
//! would not be in each other's way; that one waits for the other, and says so, is Redis's interface.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};
use crate::store::residence::Errand;
use crate::store::snapshot::{Asked, Job};

const SNAPSHOT: Command =
    Command { group: "server", flags: ADMIN | NOSCRIPT | NO_ASYNC_LOADING, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "save",
        since: "1.0.0",
        complexity: "O(N) where N is the total number of keys in all databases",
        arity: 1,
        handler: save,
        summary: "Writes the dataset to an RDB file, and replies when it is there.",
        flags: SNAPSHOT.flags | NO_MULTI,
        ..SNAPSHOT
    },
    Command {
        name: "bgsave",
        since: "1.0.0",
        complexity: "O(1)",
        arity: -1,
        handler: bgsave,
        summary: "Begins to write the dataset to an RDB file in the background.",
        args: &[Arg::flag("schedule", "SCHEDULE").optional().since("3.2.2")],
        ..SNAPSHOT
    },
    Command {
        name: "bgrewriteaof",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 1,
        handler: bgrewriteaof,
        summary: "Begins a checkpoint in the background, which shortens the log.",
        ..SNAPSHOT
    },
    Command {
        name: "lastsave",
        since: "1.0.0",
        arity: 1,
        handler: lastsave,
        summary: "Returns when the last snapshot was finished, as a Unix time in seconds.",
        flags: LOADING | STALE | FAST,
        categories: category::ADMIN | category::DANGEROUS,
        tips: &["nondeterministic_output"],
        group: "server",
        ..Command::NONE
    },
    Command {
        name: "backup",
        since: "7.4.0",
        complexity: "O(N) where N is the number of runs on disk",
        arity: 2,
        handler: backup,
        summary: "Makes a checkpoint and copies it to a directory that a server can be started on.",
        flags: SNAPSHOT.flags | NO_MULTI,
        args: &[Arg::string("directory")],
        ..SNAPSHOT
    },
];

fn save(call: &mut Call<'_>) -> CommandResult {
    if call.answered.is_none() && call.state.snapshots.is_under_way(Job::Save) {
        return Err(CommandError::SAVE_UNDER_WAY);
    }
    saved(call)?.map_err(CommandError::err)?;
    call.reply.ok();
    Ok(())
}

/// Has the dataset saved: what became of it when it is done, until then the error that makes the command wait.
pub(super) fn saved(call: &mut Call<'_>) -> Result<Result<(), String>, CommandError> {
    if let Some(result) = call.answer() {
        return Ok(result);
    }
    let snapshots = &call.state.snapshots;
    Err(call.ask_for(|promise| {
        let then = move |keyspace: &_, result: Result<(), String>| promise.keep(keyspace, Ok(result));
        snapshots.ask_then(Job::Save, Box::new(then));
    }))
}

fn bgsave(call: &mut Call<'_>) -> CommandResult {
    let is_option = |word| is(word, "schedule");
    if call.argv.len() > 2 || !call.argv.iter().skip(1).all(is_option) {
        return Err(CommandError::SYNTAX);
    }
    match call.state.snapshots.ask(Job::Save) {
        Asked::Started => call.reply.simple("Background saving started"),
        Asked::Scheduled => call.reply.simple("Background saving scheduled"),
        Asked::UnderWay => return Err(CommandError::SAVE_UNDER_WAY),
    }
    Ok(())
}

fn bgrewriteaof(call: &mut Call<'_>) -> CommandResult {
    match call.state.snapshots.ask(Job::Rewrite) {
        Asked::Started => call.reply.simple("Background append only file rewriting started"),
        Asked::Scheduled => call.reply.simple("Background append only file rewriting scheduled"),
        Asked::UnderWay => return Err(CommandError::REWRITE_UNDER_WAY),
    }
    Ok(())
}

fn lastsave(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(call.state.snapshots.history().last_save_s as i64);
    Ok(())
}

/// A name is made in the server's directory. A path may lead anywhere, so it takes the right to change protected directives.
fn backup(call: &mut Call<'_>) -> CommandResult {
    if let Some(keys) = call.answer::<Result<u64, String>>() {
        keys.map_err(CommandError::err)?;
        call.reply.ok();
        return Ok(());
    }
    let given = str::from_utf8(call.arg(1)).map_err(|_| CommandError::BACKUP_NAME)?;
    let is_name = !given.is_empty() && !given.starts_with('.') && !given.contains(['/', '\0']);
    let may_leave = call.config.enable_protected_configs.allows(call.client.info.endpoint.is_local);
    if !(is_name || may_leave && given.starts_with('/')) {
        return Err(CommandError::BACKUP_NAME);
    }
    let (path, rounds) = (call.config.path(given), &call.state.checkpointer);
    Err(call.ask_for(|promise| {
        rounds.ask_then(Box::new(move |keyspace, round| {
            // Not on the thread that makes checkpoints: to another disk, files are copied.
            keyspace.send(Errand::Run(Box::new(move |keyspace| {
                let made = round.and_then(|_captured| keyspace.back_up(&path));
                promise.keep(keyspace, Ok(made));
            })));
        }));
    }))
}
