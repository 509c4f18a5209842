//! CONFIG: the parameters of the running server.

use super::call::Call;
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult};
use super::state::ServerState;
use crate::config::{Asker, Config, SetError};
use crate::store::cache::Room;
use crate::sys;
use crate::util::log;

const SERVER: Command = Command { group: "server", ..Command::NONE };
const CONFIG: Command = Command { flags: ADMIN | NOSCRIPT | LOADING | STALE, ..SERVER };
const EVERY_NODE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "config",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    arity: -2,
    summary: "Holds the commands about the server's parameters.",
    subcommands: SUBCOMMANDS,
    ..SERVER
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "get",
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        arity: -3,
        handler: config_get,
        summary: "Returns the parameters that match any of the patterns, and their values.",
        args: &[Arg::string("parameter").multiple()],
        ..CONFIG
    },
    help_row("5.0.0", SERVER),
    Command {
        name: "resetstat",
        since: "2.0.0",
        arity: 2,
        handler: config_resetstat,
        summary: "Starts the counters that INFO shows from zero again.",
        tips: EVERY_NODE,
        ..CONFIG
    },
    Command {
        name: "rewrite",
        since: "2.8.0",
        arity: 2,
        handler: config_rewrite,
        summary: "Brings the configuration file up to date with the parameters in use.",
        tips: EVERY_NODE,
        ..CONFIG
    },
    Command {
        name: "set",
        since: "2.0.0",
        complexity: "O(N) when N is the number of configuration parameters provided",
        arity: -4,
        handler: config_set,
        summary: "Changes all of the parameters given, or none.",
        tips: EVERY_NODE,
        args: &[Arg::block("data", &[Arg::string("parameter"), Arg::string("value")]).multiple()],
        ..CONFIG
    },
];

fn config_get(call: &mut Call<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = call.argv.iter().skip(2).collect();
    // Not the configuration of the turn: CONFIG SET may stand before this in the same pipeline.
    let found = call.state.config.snapshot().get(&patterns);
    call.reply.map(found.len());
    for (name, value) in found {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn config_resetstat(call: &mut Call<'_>) -> CommandResult {
    call.state.stats.reset();
    call.reply.ok();
    Ok(())
}

fn config_rewrite(call: &mut Call<'_>) -> CommandResult {
    call.state.config.snapshot().rewrite(None).map_err(|error| {
        log::warning(&format!("CONFIG REWRITE failed: {error}"));
        CommandError::err(error)
    })?;
    log::notice("CONFIG REWRITE executed with success.");
    call.reply.ok();
    Ok(())
}

fn config_set(call: &mut Call<'_>) -> CommandResult {
    let words: Vec<&[u8]> = call.argv.iter().skip(2).collect();
    let (pairs, []) = words.as_chunks::<2>() else { return Err(CommandError::SYNTAX) };
    // What says how the dataset is kept must not change while it is read back.
    if call.state.is_loading() && pairs.iter().any(|[name, _]| name.eq_ignore_ascii_case(b"appendonly")) {
        return Err(CommandError::LOADING);
    }
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    let asker = Asker { local: call.client.info.endpoint.is_local };
    let set = call.state.config.set_many(&pairs, asker, |old, new| apply(call.state, old, new));
    set.map_err(|error| CommandError::err_bytes(&error.text()))?;
    // Not while the change is being made: that lock is a leaf, and this looks at every shard.
    let limits_memory = call.state.config.snapshot().maxmemory > 0;
    if limits_memory != call.state.keyspace.limits_memory() {
        call.state.keyspace.set_limits_memory(limits_memory, call.db.held());
    }
    call.reply.ok();
    Ok(())
}

/// Makes changed parameters take effect that nobody reads from the configuration when they need them. Refuses before it
/// does anything.
fn apply(state: &ServerState, old: &Config, new: &Config) -> Result<(), SetError> {
    if new.bind != old.bind {
        return Err(SetError::refused("bind", "the addresses can't change while the server runs"));
    }
    if new.port != old.port {
        return Err(SetError::refused("port", "the port can't change while the server runs"));
    }
    if new.maxclients > old.maxclients {
        let possible = sys::clients_possible(new.maxclients);
        if possible < new.maxclients {
            let text = "The operating system is not able to handle the specified number of clients, try with";
            return Err(SetError::refused("maxclients", format!("{text} {possible}")));
        }
    }
    if new.wal_sync_mode != old.wal_sync_mode {
        state.keyspace.set_sync_mode(new.wal_sync_mode);
    }
    if new.memtable_size_mb != old.memtable_size_mb {
        state.keyspace.set_budget(Room::find().budget_bytes(new.memtable_size_mb));
    }
    state.keyspace.set_notifies(new.notify_keyspace_events);
    log::set_level(new.loglevel);
    Ok(())
}
