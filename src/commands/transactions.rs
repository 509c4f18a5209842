//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! * Between MULTI and EXEC [`dispatch`](super::dispatch) queues commands instead of executing them. EXEC locks what all of them
//!   and the watched keys need, once, and executes them inside itself ([`nested`](super::nested)): one moment, one log record.
//! * WATCH is exact: whoever changes a watched key sets the session's flag while the key's shard is held, and EXEC reads the flag
//!   while it holds the shards of all watched keys. So there is no moment for a change between the look and the execution.
//! * A flag that nobody looks at any more does no harm, so whoever gives up watching need not wait for the shards' locks
//!   ([`abandon`]).

use super::call::Call;
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::RO;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use super::state::ServerState;
use super::table::table;
use crate::client::{Client, ReplyMode};
use crate::store::interest::NamedKey;

const TRANSACTION: Command = Command {
    group: "transactions",
    categories: category::TRANSACTION,
    flags: NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY,
    ..Command::NONE
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "multi",
        since: "1.2.0",
        arity: 1,
        handler: multi,
        summary: "Begins to queue commands for EXEC.",
        ..TRANSACTION
    },
    Command {
        name: "exec",
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        arity: 1,
        handler: exec,
        summary: "Executes the queued commands, all at one moment.",
        flags: NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG,
        ..TRANSACTION
    },
    Command {
        name: "discard",
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        arity: 1,
        handler: discard,
        summary: "Forgets the queued commands and the watched keys.",
        ..TRANSACTION
    },
    Command {
        name: "watch",
        since: "2.2.0",
        complexity: "O(1) for every key.",
        arity: -2,
        handler: watch,
        summary: "Makes the next EXEC depend on keys not being changed until then.",
        keys: &[KeySpec::range(1, -1, 1, RO)],
        args: &[Arg::key("key").multiple()],
        ..TRANSACTION
    },
    Command {
        name: "unwatch",
        since: "2.2.0",
        complexity: "O(1)",
        arity: 1,
        handler: unwatch,
        summary: "Forgets the watched keys.",
        ..TRANSACTION
    },
];

fn multi(call: &mut Call<'_>) -> CommandResult {
    if call.client.multi.is_some() {
        return Err(CommandError::NESTED_MULTI);
    }
    call.client.multi = Some(Box::default());
    call.reply.ok();
    Ok(())
}

fn exec(call: &mut Call<'_>) -> CommandResult {
    let transaction = call.client.multi.take().ok_or(CommandError::EXEC_WITHOUT_MULTI)?;
    let watches = std::mem::take(&mut call.client.watches);
    let is_void = watches.is_void(call.now);
    let (keys, flag) = watches.into_parts();
    keys.iter().for_each(|key| call.db.unwatch(key, &flag));
    if transaction.is_broken {
        return Err(CommandError::EXEC_ABORT);
    }
    if is_void {
        call.reply.null_array();
        return Ok(());
    }
    // What CLIENT REPLY suppresses is decided here, command by command: one of them may switch replies on or off.
    let before = call.client.reply_mode;
    if !before.suppresses() {
        call.reply.array(transaction.commands().len());
    }
    call.client.executing = Some(transaction.commands().len());
    for queued in transaction.commands() {
        let row = table().row(queued.row).expect("it was queued with its row");
        let mark = call.reply.output().mark();
        if let Err(error) = call.nested(row, queued.argv()) {
            call.reply.set_protocol(call.client.protocol);
            call.reply.error(error.bytes());
        }
        if call.client.reply_mode.suppresses() && !std::mem::take(&mut call.client.was_told) {
            call.reply.output().rollback(mark);
        }
    }
    call.client.was_told = [before, call.client.reply_mode] != [ReplyMode::On; 2];
    call.client.executing = None;
    Ok(())
}

fn discard(call: &mut Call<'_>) -> CommandResult {
    if call.client.multi.is_none() {
        return Err(CommandError::DISCARD_WITHOUT_MULTI);
    }
    abandon(call.state, call.client);
    call.reply.ok();
    Ok(())
}

fn watch(call: &mut Call<'_>) -> CommandResult {
    if call.client.multi.is_some() {
        return Err(CommandError::WATCH_IN_MULTI);
    }
    for position in 1..call.argv.len() {
        let key = call.key(position);
        let name = NamedKey::of(call.db.index(), &key);
        // One change is enough: nothing can make EXEC succeed any more.
        if !call.client.watches.has_changed() && !call.client.watches.has(&name) {
            let expire_at = call.db.watch(&key, call.client.watches.flag());
            call.client.watches.add(name, expire_at);
        }
    }
    call.reply.ok();
    Ok(())
}

fn unwatch(call: &mut Call<'_>) -> CommandResult {
    unwatch_all(call.state, call.client);
    call.reply.ok();
    Ok(())
}

/// Forgets the queued commands and the watched keys, if there are any: DISCARD, RESET, the end of the connection.
pub fn abandon(state: &ServerState, client: &mut Client) {
    client.multi = None;
    unwatch_all(state, client);
}

fn unwatch_all(state: &ServerState, client: &mut Client) {
    if !client.watches.is_empty() {
        let (keys, flag) = std::mem::take(&mut client.watches).into_parts();
        state.keyspace.unwatch(keys, &flag);
    }
}
