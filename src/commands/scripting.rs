//! Lua scripts: EVAL and its kin, and SCRIPT.
//!
//! * A script is one operation: strictly serialisable, whatever keys it touches. It begins with the locks of the keys that it declares
//!   and runs beside others. When it touches another key, what it has done is [taken back](crate::store::Db::take_back), and it
//!   runs again with all shards. That is remembered: the next time it takes all shards at once.
//! * What its commands change is one log record. An error does not undo what was done before it, as in Redis.
//! * `host` executes its commands, `functions` are those of libraries.
//! * Redis's debugger for scripts is not here: SCRIPT DEBUG refuses, `redis.breakpoint` answers false.

use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category, key_flags};
use super::state::ServerState;
use super::table::Row;
use crate::client::Client;
use crate::resp::Argv;
use crate::script::interpreter::Run;
use crate::script::running::Killed;
use crate::script::{Interpreter, Ran, RunKind, Script, flags, sha};
use crate::store::ShardSet;
use crate::util::number::parse_i64;

mod host;

use host::CommandHost;

pub(super) const SCRIPTING: Command =
    Command { group: "scripting", categories: category::SCRIPTING, flags: NOSCRIPT, ..Command::NONE };

/// Base of everything that runs a script or function.
pub(super) const RUN: Command = Command {
    complexity: "Depends on what is executed.",
    arity: -3,
    flags: NOSCRIPT
        | SKIP_MONITOR
        | MAY_REPLICATE
        | NO_MANDATORY_KEYS
        | STALE
        | RUNS_SCRIPT
        | TOUCHES_ARBITRARY_KEYS,
    keys: &[KeySpec::counted(2, key_flags::RW | key_flags::ACCESS | key_flags::UPDATE)
        .notes("We cannot tell how the keys will be used so we assume the worst, RW and UPDATE")],
    ..SCRIPTING
};

/// The same for those that only read.
pub(super) const RUN_RO: Command = Command {
    flags: NOSCRIPT
        | SKIP_MONITOR
        | NO_MANDATORY_KEYS
        | STALE
        | READONLY
        | RUNS_SCRIPT
        | TOUCHES_ARBITRARY_KEYS,
    keys: &[KeySpec::counted(2, key_flags::RO | key_flags::ACCESS)
        .notes("We cannot tell how the keys will be used so we assume the worst, RO and ACCESS")],
    since: "7.0.0",
    ..RUN
};

const SCRIPT_ARGS: &[Arg] = &[
    Arg::string("script"),
    Arg::integer("numkeys"),
    Arg::key("key").optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

const SHA_ARGS: &[Arg] = &[
    Arg::string("sha1"),
    Arg::integer("numkeys"),
    Arg::key("key").optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "eval",
        since: "2.6.0",
        handler: eval,
        summary: "Runs a Lua script.",
        args: SCRIPT_ARGS,
        ..RUN
    },
    Command {
        name: "eval_ro",
        handler: eval_ro,
        summary: "Runs a Lua script that only reads.",
        args: SCRIPT_ARGS,
        ..RUN_RO
    },
    Command {
        name: "evalsha",
        since: "2.6.0",
        handler: evalsha,
        summary: "Runs a Lua script that the server knows, by its SHA-1.",
        args: SHA_ARGS,
        keys: &[KeySpec::counted(2, key_flags::RW | key_flags::ACCESS | key_flags::UPDATE)],
        ..RUN
    },
    Command {
        name: "evalsha_ro",
        handler: evalsha_ro,
        summary: "Runs a Lua script that the server knows and that only reads, by its SHA-1.",
        args: SHA_ARGS,
        keys: &[KeySpec::counted(2, key_flags::RO | key_flags::ACCESS)],
        ..RUN_RO
    },
    Command {
        name: "script",
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        arity: -2,
        summary: "A container for the commands about scripts.",
        group: "scripting",
        subcommands: SCRIPT_COMMANDS,
        ..Command::NONE
    },
];

const SCRIPT_COMMANDS: &[Command] = &[
    Command {
        name: "debug",
        since: "3.2.0",
        arity: 3,
        handler: script_debug,
        summary: "Sets how scripts are debugged, which this server cannot.",
        args: &[Arg::oneof(
            "mode",
            &[Arg::flag("yes", "YES"), Arg::flag("sync", "SYNC"), Arg::flag("no", "NO")],
        )],
        ..SCRIPTING
    },
    Command {
        name: "exists",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check.",
        arity: -3,
        handler: script_exists,
        summary: "Says of each SHA-1 whether the server knows the script.",
        args: &[Arg::string("sha1").multiple()],
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        ..SCRIPTING
    },
    Command {
        name: "flush",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache.",
        arity: -2,
        handler: script_flush,
        summary: "Forgets all scripts.",
        args: &[Arg::oneof("flush-type", &[Arg::flag("async", "ASYNC"), Arg::flag("sync", "SYNC")])
            .optional()
            .since("6.2.0")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..SCRIPTING
    },
    help_row("5.0.0", Command { flags: 0, ..SCRIPTING }),
    Command {
        name: "kill",
        since: "2.6.0",
        arity: 2,
        handler: script_kill,
        summary: "Ends the script that is running, if it has changed nothing.",
        flags: NOSCRIPT | ALLOW_BUSY,
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..SCRIPTING
    },
    Command {
        name: "load",
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        arity: 3,
        handler: script_load,
        summary: "Makes a script known to the server, and returns its SHA-1.",
        flags: NOSCRIPT | STALE,
        args: &[Arg::string("script")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        ..SCRIPTING
    },
    Command {
        name: "show",
        since: "8.0.0",
        arity: 3,
        handler: script_show,
        summary: "Returns the text of a script that the server knows.",
        args: &[Arg::string("sha1")],
        ..SCRIPTING
    },
];

/// The interpreter of this thread, out of its place for the time of a run.
pub(super) fn take_interpreter(call: &mut Call<'_>) -> Box<Interpreter> {
    call.interpreter.take().unwrap_or_else(|| Box::new(Interpreter::new(call.state.scripting.clone())))
}

/// The shards that a command takes, of which those of its keys are `declared`: all of them for a script that is known to touch
/// others.
#[inline]
pub fn widen(
    declared: ShardSet,
    interpreter: &mut Option<Box<Interpreter>>,
    state: &ServerState,
    client: &Client,
    row: &Row,
    argv: Argv<'_>,
) -> ShardSet {
    if !row.command.has(RUNS_SCRIPT) {
        return declared;
    }
    if client.takes_all_shards || takes_all(interpreter, state, row, argv) { ShardSet::ALL } else { declared }
}

fn takes_all(
    interpreter: &mut Option<Box<Interpreter>>,
    state: &ServerState,
    row: &Row,
    argv: Argv<'_>,
) -> bool {
    let interpreter = interpreter.get_or_insert_with(|| Box::new(Interpreter::new(state.scripting.clone())));
    match row.command.name {
        "fcall" | "fcall_ro" => {
            interpreter.prepare_function(argv.get(1)).is_some_and(|(library, at)| library.takes_all(at))
        }
        "evalsha" | "evalsha_ro" => interpreter.prepare(argv.get(1)).is_some_and(Script::takes_all),
        _ => interpreter.prepare_text(argv.get(1)).is_some_and(Script::takes_all),
    }
}

/// How many of the words from 3 on are keys.
pub(super) fn key_count(call: &Call<'_>, not_integer: CommandError) -> Result<usize, CommandError> {
    let count = parse_i64(call.arg(2)).ok_or(not_integer)?;
    let words = call.argv.len() - 3;
    if count > words as i64 {
        return Err(CommandError::TOO_MANY_KEYS);
    }
    usize::try_from(count).map_err(|_| CommandError::NEGATIVE_KEYS)
}

/// What a script may do, by its flags.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    is_read_only: bool,
    allows_oom: bool,
}

/// Checks whether a script with these flags may run now.
pub(super) fn rules(call: &Call<'_>, own: u32, is_ro: bool) -> Result<Rules, CommandError> {
    let no_writes = own & flags::NO_WRITES != 0;
    if own & flags::COMPATIBLE == 0 {
        if !no_writes {
            if is_ro {
                return Err(CommandError::SCRIPT_WRITES_IN_RO);
            }
            call.state.admit_logging()?;
        }
        if own & (flags::ALLOW_OOM | flags::NO_WRITES) == 0 && is_out_of_memory(call) {
            return Err(CommandError::SCRIPT_OUT_OF_MEMORY);
        }
    }
    Ok(Rules { is_read_only: is_ro || no_writes, allows_oom: own & flags::ALLOW_OOM != 0 })
}

fn is_out_of_memory(call: &Call<'_>) -> bool {
    let limit = call.config.maxmemory;
    limit > 0 && call.state.keyspace.memory_used() > limit
}

/// Runs something that `start` starts, with a host. False: it needs all shards, and nothing has happened.
pub(super) fn run(
    call: &mut Call<'_>,
    rules: Rules,
    keys: usize,
    interpreter: &mut Interpreter,
    start: impl FnOnce(&mut Interpreter, Run<'_, '_>) -> Ran,
) -> Result<bool, CommandError> {
    let holds_all = call.db.locked_set() == ShardSet::ALL;
    if !holds_all {
        call.db.allow_taking_back();
    }
    let (database, protocol) = (call.client.db, call.client.protocol);
    let (words, shards, now) = (call.argv.skip(3), call.db.locked_set().0, call.now);
    let (mut out, slot) = (std::mem::take(&mut interpreter.output), interpreter.slot().clone());
    let is_oom = !rules.allows_oom && is_out_of_memory(call);
    let mut host = CommandHost::new(call, rules.is_read_only, is_oom, holds_all, slot);
    let run = Run {
        keys: words.first(keys),
        args: words.skip(keys),
        host: &mut host,
        reply: (&mut out, protocol),
        now,
        shards,
    };
    let ran = start(interpreter, run);
    call.client.db = database;
    let result = match ran {
        Ran::Stopped => {
            call.db.take_back();
            Ok(false)
        }
        Ran::Done => {
            let mut whole = Vec::new();
            out.gather(&mut whole);
            call.reply.raw(out.contiguous(&whole));
            Ok(true)
        }
        Ran::Failed(error) => Err(CommandError::script(error)),
    };
    if result != Ok(false) {
        call.db.keep_changes();
    }
    out.consume(out.len());
    interpreter.output = out;
    result
}

/// Runs the script that the interpreter has looked up.
fn run_script(call: &mut Call<'_>, interpreter: &mut Interpreter, is_ro: bool, keys: usize) -> CommandResult {
    let own = interpreter.prepared().ok_or(CommandError::NO_SCRIPT)?.flags;
    let rules = rules(call, own, is_ro)?;
    if run(call, rules, keys, interpreter, Interpreter::run_script)? {
        return Ok(());
    }
    interpreter.prepared().inspect(|script| script.set_takes_all());
    Err(CommandError::TakesAllShards)
}

fn evaluate(call: &mut Call<'_>, is_ro: bool) -> CommandResult {
    let keys = key_count(call, CommandError::NOT_INTEGER)?;
    let mut interpreter = take_interpreter(call);
    let text = call.arg(1);
    let script = match interpreter.prepare_text(text) {
        Some(_) => Ok(()),
        None => interpreter.compile(text, true).map(drop).map_err(CommandError::script),
    };
    let result = script.and_then(|()| run_script(call, &mut interpreter, is_ro, keys));
    *call.interpreter = Some(interpreter);
    result
}

fn evaluate_sha(call: &mut Call<'_>, is_ro: bool) -> CommandResult {
    let name = call.arg(1);
    if name.len() != sha::LENGTH {
        return Err(CommandError::NO_SCRIPT);
    }
    let keys = key_count(call, CommandError::NOT_INTEGER)?;
    let mut interpreter = take_interpreter(call);
    let result = match interpreter.prepare(name) {
        Some(_) => run_script(call, &mut interpreter, is_ro, keys),
        None => Err(CommandError::NO_SCRIPT),
    };
    *call.interpreter = Some(interpreter);
    result
}

fn eval(call: &mut Call<'_>) -> CommandResult {
    evaluate(call, false)
}

fn eval_ro(call: &mut Call<'_>) -> CommandResult {
    evaluate(call, true)
}

fn evalsha(call: &mut Call<'_>) -> CommandResult {
    evaluate_sha(call, false)
}

fn evalsha_ro(call: &mut Call<'_>) -> CommandResult {
    evaluate_sha(call, true)
}

fn script_debug(call: &mut Call<'_>) -> CommandResult {
    match call.arg(2) {
        word if is(word, "no") => call.reply.ok(),
        word if is(word, "yes") || is(word, "sync") => return Err(CommandError::NO_SCRIPT_DEBUG),
        _ => return Err(CommandError::SCRIPT_DEBUG_MODE),
    }
    Ok(())
}

fn script_exists(call: &mut Call<'_>) -> CommandResult {
    let names = call.argv.skip(2);
    call.reply.array(names.len());
    for name in names.iter() {
        let known = sha::parse(name).is_some_and(|sha| call.state.scripting.scripts.get(&sha).is_some());
        call.reply.integer(known.into());
    }
    Ok(())
}

fn script_flush(call: &mut Call<'_>) -> CommandResult {
    let is_known =
        call.argv.len() == 2 || call.argv.len() == 3 && (is(call.arg(2), "sync") || is(call.arg(2), "async"));
    if !is_known {
        return Err(CommandError::SCRIPT_FLUSH_MODE);
    }
    call.state.scripting.scripts.flush();
    call.reply.ok();
    Ok(())
}

fn script_kill(call: &mut Call<'_>) -> CommandResult {
    kill(call, RunKind::Script)
}

/// Ends the busy runs of a kind.
pub(super) fn kill(call: &mut Call<'_>, kind: RunKind) -> CommandResult {
    match call.state.scripting.running.kill(kind) {
        Killed::Yes => call.reply.ok(),
        Killed::NotBusy => return Err(CommandError::NOT_BUSY),
        Killed::Unkillable => return Err(CommandError::UNKILLABLE),
        Killed::OtherKind(other) => return Err(CommandError::busy(other)),
    }
    Ok(())
}

fn script_load(call: &mut Call<'_>) -> CommandResult {
    let text = call.arg(2);
    let mut interpreter = take_interpreter(call);
    let loaded = interpreter.compile(text, false).map(|script| script.sha);
    *call.interpreter = Some(interpreter);
    call.reply.bulk(&loaded.map_err(CommandError::script)?);
    Ok(())
}

fn script_show(call: &mut Call<'_>) -> CommandResult {
    let script = sha::parse(call.arg(2)).and_then(|sha| call.state.scripting.scripts.get(&sha));
    let script = script.ok_or(CommandError::NO_SCRIPT)?;
    call.reply.bulk(&script.text);
    Ok(())
}
