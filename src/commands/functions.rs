//! Function libraries: FUNCTION, FCALL and FCALL_RO.
//!
//! * Libraries are part of the dataset: what changes them is logged like any write, and every checkpoint has those of its cut
//!   ([`Db::attach`](crate::store::Db::attach)). Their effects are absolute (LOAD REPLACE, DELETE of what may be gone), so replaying one
//!   again changes nothing.

use std::sync::Arc;

use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::scripting::{self, RUN, RUN_RO, SCRIPTING};
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, Locks};
use super::state::ServerState;
use crate::config::Config;
use crate::rdb::{dump, functions as payload};
use crate::script::function::is_name;
use crate::script::{Catalog, Interpreter, Library, RunKind, Shared, flags, shebang};
use crate::util::glob;

const CALL_ARGS: &[Arg] = &[
    Arg::string("function"),
    Arg::integer("numkeys"),
    Arg::key("key").optional().multiple(),
    Arg::string("arg").optional().multiple(),
];

const ALL_SUCCEEDED: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

/// Base of what changes libraries: it is in one order with everything else.
const CHANGE: Command = Command {
    since: "7.0.0",
    flags: NOSCRIPT | WRITE,
    locks: Locks::AllShards,
    tips: ALL_SUCCEEDED,
    ..SCRIPTING
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "fcall",
        since: "7.0.0",
        handler: fcall,
        summary: "Runs a function of a library.",
        args: CALL_ARGS,
        ..RUN
    },
    Command {
        name: "fcall_ro",
        handler: fcall_ro,
        summary: "Runs a function of a library that only reads.",
        args: CALL_ARGS,
        ..RUN_RO
    },
    Command {
        name: "function",
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        arity: -2,
        summary: "A container for the commands about function libraries.",
        group: "scripting",
        subcommands: FUNCTION_COMMANDS,
        ..Command::NONE
    },
];

const FUNCTION_COMMANDS: &[Command] = &[
    Command {
        name: "delete",
        arity: 3,
        handler: delete,
        summary: "Deletes a library and its functions.",
        args: &[Arg::string("library-name")],
        ..CHANGE
    },
    Command {
        name: "dump",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        arity: 2,
        handler: dump_libraries,
        summary: "Returns all libraries as one payload for FUNCTION RESTORE.",
        ..SCRIPTING
    },
    Command {
        name: "flush",
        complexity: "O(N) where N is the number of functions deleted",
        arity: -2,
        handler: flush,
        summary: "Deletes all libraries.",
        args: &[
            Arg::oneof("flush-type", &[Arg::flag("async", "ASYNC"), Arg::flag("sync", "SYNC")]).optional()
        ],
        ..CHANGE
    },
    help_row("7.0.0", Command { flags: 0, ..SCRIPTING }),
    Command {
        name: "kill",
        since: "7.0.0",
        arity: 2,
        handler: kill,
        summary: "Ends the function that is running, if it has changed nothing.",
        flags: NOSCRIPT | ALLOW_BUSY,
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        ..SCRIPTING
    },
    Command {
        name: "list",
        since: "7.0.0",
        complexity: "O(N) where N is the number of functions",
        arity: -2,
        handler: list,
        summary: "Describes the libraries and their functions.",
        args: &[
            Arg::string("library-name-pattern").token("LIBRARYNAME").optional(),
            Arg::flag("withcode", "WITHCODE").optional(),
        ],
        tips: &["nondeterministic_output_order"],
        ..SCRIPTING
    },
    Command {
        name: "load",
        complexity: "O(1) (considering compilation time is redundant)",
        arity: -3,
        handler: load,
        summary: "Loads a library.",
        flags: CHANGE.flags | DENYOOM,
        args: &[Arg::flag("replace", "REPLACE").optional(), Arg::string("function-code")],
        ..CHANGE
    },
    Command {
        name: "restore",
        complexity: "O(N) where N is the number of functions on the payload",
        arity: -3,
        handler: restore,
        summary: "Loads the libraries of a payload that FUNCTION DUMP made.",
        flags: CHANGE.flags | DENYOOM,
        args: &[
            Arg::string("serialized-value"),
            Arg::oneof(
                "policy",
                &[
                    Arg::flag("flush", "FLUSH"),
                    Arg::flag("append", "APPEND"),
                    Arg::flag("replace", "REPLACE"),
                ],
            )
            .optional(),
        ],
        ..CHANGE
    },
    Command {
        name: "stats",
        since: "7.0.0",
        arity: 2,
        handler: stats,
        summary: "Describes the function that is running, and counts libraries and functions.",
        flags: NOSCRIPT | ALLOW_BUSY,
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        ..SCRIPTING
    },
];

fn call_function(call: &mut Call<'_>, is_ro: bool) -> CommandResult {
    let mut interpreter = scripting::take_interpreter(call);
    let result = call_with(call, &mut interpreter, is_ro);
    *call.interpreter = Some(interpreter);
    result
}

fn call_with(call: &mut Call<'_>, interpreter: &mut Interpreter, is_ro: bool) -> CommandResult {
    let (library, at) = interpreter.prepare_function(call.arg(1)).ok_or(CommandError::NO_FUNCTION)?;
    let own = library.functions[at].flags;
    let keys = scripting::key_count(call, CommandError::BAD_KEY_COUNT)?;
    let rules = scripting::rules(call, own, is_ro)?;
    if scripting::run(call, rules, keys, interpreter, Interpreter::run_function)? {
        return Ok(());
    }
    interpreter.prepared_function().inspect(|(library, at)| library.set_takes_all(*at));
    Err(CommandError::TakesAllShards)
}

fn fcall(call: &mut Call<'_>) -> CommandResult {
    call_function(call, false)
}

fn fcall_ro(call: &mut Call<'_>) -> CommandResult {
    call_function(call, true)
}

/// Is the log being replayed? Then what was right once is right.
fn is_replay(call: &Call<'_>) -> bool {
    call.db.now().0 == 0
}

/// Puts a catalog in the place of the current one, for this server and for the next checkpoint.
fn change(call: &mut Call<'_>, catalog: Catalog) {
    call.db.attach(body(&catalog).into());
    call.state.scripting.libraries.replace(catalog);
    call.db.note_changes(1);
}

/// The libraries as a checkpoint and FUNCTION DUMP have them.
fn body(catalog: &Catalog) -> Vec<u8> {
    payload::body(catalog.libraries.values().map(|library| &library.code[..]))
}

/// Makes a library of its text.
fn make(interpreter: &mut Interpreter, shared: &Shared, code: &[u8]) -> Result<Arc<Library>, CommandError> {
    let (name, start) = shebang::of_library(code).map_err(|text| CommandError::err_bytes(&text))?;
    if !is_name(&name) {
        return Err(CommandError::LIBRARY_NAME);
    }
    let functions = interpreter.try_library(&code[start..]).map_err(|text| CommandError::err_bytes(&text))?;
    Ok(shared.libraries.make(name, code.to_vec(), functions))
}

/// The catalog of the libraries in a checkpoint's attachment or an RDB file.
fn catalog_of<'c>(shared: &Arc<Shared>, codes: impl Iterator<Item = &'c [u8]>) -> Result<Catalog, String> {
    let mut interpreter = None;
    let mut catalog = Catalog::default();
    for code in codes {
        let interpreter = interpreter.get_or_insert_with(|| Interpreter::new(shared.clone()));
        let library = make(interpreter, shared, code).map_err(|error| error.to_string())?;
        catalog.add(library, true).map_err(|text| String::from_utf8_lossy(&text).into_owned())?;
    }
    Ok(catalog)
}

/// Whether libraries of an RDB file, by their codes, are good ones.
pub fn check(state: &ServerState, codes: &[Vec<u8>]) -> Result<(), String> {
    let catalog = catalog_of(&state.scripting, codes.iter().map(Vec::as_slice));
    catalog.map(|_| ()).map_err(|what| format!("the function libraries: {what}"))
}

/// Makes the libraries those of the image that recovery starts from.
pub fn recover(state: &ServerState) -> Result<(), String> {
    let attachment = state.keyspace.attachment(u64::MAX);
    let codes =
        payload::codes(&attachment).map_err(|what| format!("The function libraries on disk: {what}"))?;
    let catalog = catalog_of(&state.scripting, codes.iter().map(|code| &code[..]))?;
    state.scripting.libraries.replace(catalog);
    Ok(())
}

fn load(call: &mut Call<'_>) -> CommandResult {
    let mut words = call.words(2);
    let mut replaces = is_replay(call);
    while words.left() > 1 {
        match words.next() {
            Some(word) if is(word, "replace") => replaces = true,
            word => return Err(CommandError::unknown_load_option(word.unwrap_or_default())),
        }
    }
    let code = words.value()?;
    let mut catalog = (*call.state.scripting.libraries.catalog()).clone();
    let (name, _) = shebang::of_library(code).map_err(|text| CommandError::err_bytes(&text))?;
    if !replaces && catalog.libraries.contains_key(&name) {
        return Err(CommandError::err_bytes(&[b"Library '", &name[..], b"' already exists"].concat()));
    }
    let mut interpreter = scripting::take_interpreter(call);
    let made = make(&mut interpreter, &call.state.scripting, code);
    *call.interpreter = Some(interpreter);
    let library = made?;
    let name = library.name.clone();
    catalog.add(library, replaces).map_err(|text| CommandError::err_bytes(&text))?;
    change(call, catalog);
    call.db.log_as(&[b"FUNCTION", b"LOAD", b"REPLACE", code]);
    call.reply.bulk(&name);
    Ok(())
}

fn delete(call: &mut Call<'_>) -> CommandResult {
    let mut catalog = (*call.state.scripting.libraries.catalog()).clone();
    if !catalog.remove(call.arg(2)) && !is_replay(call) {
        return Err(CommandError::NO_LIBRARY);
    }
    change(call, catalog);
    call.reply.ok();
    Ok(())
}

fn flush(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() > 3 {
        return Err(CommandError::subcommand_syntax("function", call.arg(1)));
    }
    let is_known =
        call.argv.len() == 2 || call.argv.len() == 3 && (is(call.arg(2), "sync") || is(call.arg(2), "async"));
    if !is_known {
        return Err(CommandError::FUNCTION_FLUSH_MODE);
    }
    change(call, Catalog::default());
    call.reply.ok();
    Ok(())
}

fn dump_libraries(call: &mut Call<'_>) -> CommandResult {
    let mut bytes = body(&call.state.scripting.libraries.catalog());
    dump::seal(&mut bytes, rdb_version(call.config));
    call.reply.bulk(&bytes);
    Ok(())
}

fn rdb_version(config: &Config) -> u16 {
    config.rdb_version
}

/// What becomes of libraries that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Flush,
    Append,
    Replace,
}

fn restore(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() > 4 {
        return Err(CommandError::subcommand_syntax("function", call.arg(1)));
    }
    let policy = match call.argv.try_get(3) {
        None => Policy::Append,
        Some(word) if is(word, "append") => Policy::Append,
        Some(word) if is(word, "replace") => Policy::Replace,
        Some(word) if is(word, "flush") => Policy::Flush,
        Some(_) => return Err(CommandError::RESTORE_POLICY),
    };
    let bytes = dump::verified(call.arg(2)).map_err(|_| CommandError::DUMP_FOOTER)?;
    let codes = payload::codes(bytes).map_err(CommandError::err)?;
    let current = call.state.scripting.libraries.catalog();
    let mut catalog = if policy == Policy::Flush { Catalog::default() } else { (*current).clone() };
    let replaces = policy == Policy::Replace || is_replay(call);
    let mut interpreter = scripting::take_interpreter(call);
    let joined = codes.iter().try_for_each(|code| {
        let library = make(&mut interpreter, &call.state.scripting, code)?;
        if !replaces && catalog.libraries.contains_key(&library.name) {
            return Err(CommandError::err_bytes(
                &[b"Library ", &library.name[..], b" already exists"].concat(),
            ));
        }
        catalog.add(library, replaces).map_err(|text| CommandError::err_bytes(&text))
    });
    *call.interpreter = Some(interpreter);
    joined?;
    change(call, catalog);
    call.reply.ok();
    Ok(())
}

fn kill(call: &mut Call<'_>) -> CommandResult {
    scripting::kill(call, RunKind::Function)
}

fn list(call: &mut Call<'_>) -> CommandResult {
    let (mut words, mut pattern, mut with_code) = (call.words(2), None, false);
    while let Some(word) = words.next() {
        if !with_code && is(word, "withcode") {
            with_code = true;
        } else if pattern.is_none() && is(word, "libraryname") {
            pattern = Some(words.next().ok_or(CommandError::NO_LIBRARY_NAME)?);
        } else {
            return Err(CommandError::unknown_list_argument(word));
        }
    }
    let catalog = call.state.scripting.libraries.catalog();
    let is_wanted = |library: &&Arc<Library>| {
        pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, glob::Case::Insensitive))
    };
    let wanted: Vec<&Arc<Library>> = catalog.libraries.values().filter(is_wanted).collect();
    call.reply.array(wanted.len());
    for library in wanted {
        describe(call, library, with_code);
    }
    Ok(())
}

fn describe(call: &mut Call<'_>, library: &Library, with_code: bool) {
    let reply = &mut call.reply;
    reply.map(if with_code { 4 } else { 3 });
    reply.bulk(b"library_name");
    reply.bulk(&library.name);
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply.map(3);
        reply.bulk(b"name");
        reply.bulk(&function.name);
        reply.bulk(b"description");
        match &function.description {
            Some(text) => reply.bulk(text),
            None => reply.null(),
        }
        reply.bulk(b"flags");
        let names = flags::NAMES.iter().filter(|(flag, _)| function.flags & flag != 0);
        reply.set(names.clone().count());
        names.for_each(|(_, name)| reply.simple(name));
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.code);
    }
}

fn stats(call: &mut Call<'_>) -> CommandResult {
    let running = call.state.scripting.running.busy_function();
    let catalog = call.state.scripting.libraries.catalog();
    let now = call.now;
    let reply = &mut call.reply;
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        None => reply.null(),
        Some((run, since)) => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(&run.name);
            reply.bulk(b"command");
            reply.array(run.words.len());
            run.words.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.integer(now.0.saturating_sub(since.0) as i64);
        }
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.integer(catalog.libraries.len() as i64);
    reply.bulk(b"functions_count");
    reply.integer(catalog.functions() as i64);
    Ok(())
}
