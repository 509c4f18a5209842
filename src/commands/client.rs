//! CLIENT: what the server knows of its clients, and what they may have done to each other.

use super::blocking;
use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};
use super::table::table;
use super::tracking;
use crate::client::{ClientId, ClientInfo, ClientKind, Filter, PauseMode, ReplyMode};
use crate::store::UnixMs;
use crate::util::number::parse_i64;

const CONTAINER: Command = Command { group: "connection", ..Command::NONE };
const CLIENT: Command =
    Command { categories: category::CONNECTION, flags: NOSCRIPT | LOADING | STALE, ..CONTAINER };

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "client",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    arity: -2,
    summary: "Holds the commands about client connections.",
    subcommands: SUBCOMMANDS,
    ..CONTAINER
}];

const ON_OFF: &[Arg] = &[Arg::oneof("enabled", &[Arg::flag("on", "ON"), Arg::flag("off", "OFF")])];

const TRACKING: [Command; 3] = tracking::rows(CLIENT);

const SUBCOMMANDS: &[Command] = &[
    TRACKING[0],
    Command {
        name: "getname",
        since: "2.6.9",
        arity: 2,
        handler: client_getname,
        summary: "Returns the name of the connection.",
        ..CLIENT
    },
    Command {
        name: "getredir",
        since: "6.0.0",
        arity: 2,
        handler: client_getredir,
        summary: "Returns the client that invalidation messages of this connection are redirected to.",
        ..CLIENT
    },
    Command { flags: LOADING | STALE, ..help_row("5.0.0", CLIENT) },
    Command {
        name: "id",
        since: "5.0.0",
        arity: 2,
        handler: client_id,
        summary: "Returns the number of the connection.",
        ..CLIENT
    },
    Command {
        name: "info",
        since: "6.2.0",
        arity: 2,
        handler: client_info,
        summary: "Tells about the connection, in one line of fields.",
        tips: &["nondeterministic_output"],
        ..CLIENT
    },
    Command {
        name: "kill",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        arity: -3,
        handler: client_kill,
        summary: "Closes the connections that meet all conditions.",
        flags: CLIENT.flags | ADMIN,
        args: KILL_ARGS,
        ..CLIENT
    },
    Command {
        name: "list",
        since: "2.4.0",
        complexity: "O(N) where N is the number of client connections",
        arity: -2,
        handler: client_list,
        summary: "Tells about connections, in one line of fields each.",
        flags: CLIENT.flags | ADMIN,
        tips: &["nondeterministic_output"],
        args: &[
            Arg::oneof(
                "client-type",
                &[
                    Arg::flag("normal", "NORMAL"),
                    Arg::flag("master", "MASTER"),
                    Arg::flag("replica", "REPLICA"),
                    Arg::flag("pubsub", "PUBSUB"),
                ],
            )
            .token("TYPE")
            .optional()
            .since("5.0.0"),
            Arg::integer("client-id").token("ID").optional().multiple().since("6.2.0"),
        ],
        ..CLIENT
    },
    Command {
        name: "no-evict",
        since: "7.0.0",
        arity: 3,
        handler: client_no_evict,
        summary: "Says whether the connection is spared when clients take too much memory.",
        flags: CLIENT.flags | ADMIN,
        args: ON_OFF,
        ..CLIENT
    },
    Command {
        name: "no-touch",
        since: "7.2.0",
        arity: 3,
        handler: client_no_touch,
        summary: "Says whether the connection's commands leave the last access of keys as it was.",
        flags: NOSCRIPT | LOADING | STALE,
        args: ON_OFF,
        ..CLIENT
    },
    Command {
        name: "pause",
        since: "3.0.0",
        arity: -3,
        handler: client_pause,
        summary: "Holds back the commands of all clients, or those that may write, for a time.",
        flags: CLIENT.flags | ADMIN,
        args: &[
            Arg::integer("timeout"),
            Arg::oneof("mode", &[Arg::flag("write", "WRITE"), Arg::flag("all", "ALL")])
                .optional()
                .since("6.2.0"),
        ],
        ..CLIENT
    },
    Command {
        name: "reply",
        since: "3.2.0",
        arity: 3,
        handler: client_reply,
        summary: "Says whether the connection's commands are answered.",
        args: &[Arg::oneof(
            "action",
            &[Arg::flag("on", "ON"), Arg::flag("off", "OFF"), Arg::flag("skip", "SKIP")],
        )],
        ..CLIENT
    },
    Command {
        name: "setinfo",
        since: "7.2.0",
        arity: 4,
        handler: client_setinfo,
        summary: "Notes which client library the connection belongs to.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::oneof(
            "attr",
            &[Arg::string("libname").token("LIB-NAME"), Arg::string("libver").token("LIB-VER")],
        )],
        ..CLIENT
    },
    Command {
        name: "setname",
        since: "2.6.9",
        arity: 3,
        handler: client_setname,
        summary: "Gives the connection a name.",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        args: &[Arg::string("connection-name")],
        ..CLIENT
    },
    TRACKING[1],
    TRACKING[2],
    Command {
        name: "unblock",
        since: "5.0.0",
        complexity: "O(log N) where N is the number of client connections",
        arity: -3,
        handler: client_unblock,
        summary: "Ends the wait of a client that a blocking command holds.",
        flags: CLIENT.flags | ADMIN,
        args: &[
            Arg::integer("client-id"),
            Arg::oneof("unblock-type", &[Arg::flag("timeout", "TIMEOUT"), Arg::flag("error", "ERROR")])
                .optional(),
        ],
        ..CLIENT
    },
    Command {
        name: "unpause",
        since: "6.2.0",
        complexity: "O(N) where N is the number of paused clients",
        arity: 2,
        handler: client_unpause,
        summary: "Lets clients go on that CLIENT PAUSE holds back.",
        flags: CLIENT.flags | ADMIN,
        ..CLIENT
    },
];

const KILL_ARGS: &[Arg] = &[Arg::oneof(
    "filter",
    &[
        Arg::string("old-format"),
        Arg::oneof(
            "new-format",
            &[
                Arg::integer("client-id").token("ID").optional().since("2.8.12"),
                Arg::oneof(
                    "client-type",
                    &[
                        Arg::flag("normal", "NORMAL"),
                        Arg::flag("master", "MASTER").since("3.2.0"),
                        Arg::flag("slave", "SLAVE"),
                        Arg::flag("replica", "REPLICA").since("5.0.0"),
                        Arg::flag("pubsub", "PUBSUB"),
                    ],
                )
                .token("TYPE")
                .optional()
                .since("2.8.12"),
                Arg::string("username").token("USER").optional(),
                Arg::string("addr").token("ADDR").optional(),
                Arg::string("laddr").token("LADDR").optional().since("6.2.0"),
                Arg::oneof("skipme", &[Arg::flag("yes", "YES"), Arg::flag("no", "NO")])
                    .token("SKIPME")
                    .optional(),
                Arg::integer("maxage").token("MAXAGE").optional().since("7.4.0"),
            ],
        )
        .multiple(),
    ],
)];

fn client_getname(call: &mut Call<'_>) -> CommandResult {
    match call.client.info.texts().name.as_slice() {
        [] => call.reply.null(),
        name => call.reply.bulk(name),
    }
    Ok(())
}

fn client_getredir(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(tracking::redirection(call));
    Ok(())
}

fn client_id(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(call.client.id().0 as i64);
    Ok(())
}

fn client_info(call: &mut Call<'_>) -> CommandResult {
    call.client.publish();
    let mut text = Vec::new();
    describe(call, &call.client.info, &mut text);
    call.reply.verbatim("txt", &text);
    Ok(())
}

/// Appends one client's line.
fn describe(call: &Call<'_>, info: &ClientInfo, text: &mut Vec<u8>) {
    let last = info.last_command.load(std::sync::atomic::Ordering::Relaxed);
    let command = table().row(last as usize).map_or("NULL", |row| row.name());
    let argv_bytes = if info.id == call.client.id() { call.argv.iter().map(<[u8]>::len).sum() } else { 0 };
    info.describe(call.now, command, argv_bytes, text);
}

fn client_kill(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() == 3 {
        let old = Filter { peer: Some(call.arg(2)), ..Filter::default() };
        if kill(call, &old) == 0 {
            return Err(CommandError::NO_SUCH_CLIENT);
        }
        call.reply.ok();
        return Ok(());
    }
    let filter = kill_filter(call)?;
    let killed = kill(call, &filter);
    call.reply.integer(killed);
    Ok(())
}

fn kill_filter<'a>(call: &Call<'a>) -> Result<Filter<'a>, CommandError> {
    let mut filter = Filter { except: Some(call.client.id()), ..Filter::default() };
    let mut words = call.words(2);
    while let Some(option) = words.next() {
        let value = words.value()?;
        if is(option, "ID") {
            filter.id = Some(positive(value).ok_or(CommandError::CLIENT_ID_POSITIVE)?);
        } else if is(option, "MAXAGE") {
            parse_i64(value).ok_or(CommandError::MAXAGE_NOT_INTEGER)?;
            filter.age_min = Some(positive(value).ok_or(CommandError::MAXAGE_POSITIVE)?);
        } else if is(option, "TYPE") {
            filter.kind = Some(kind(value)?);
        } else if is(option, "ADDR") {
            filter.peer = Some(value);
        } else if is(option, "LADDR") {
            filter.local = Some(value);
        } else if is(option, "USER") {
            if value != crate::client::DEFAULT_USER.as_bytes() {
                return Err(CommandError::no_such_user(value));
            }
            filter.user = Some(value);
        } else if is(option, "SKIPME") {
            filter.except = if switch(value, "YES", "NO")? { Some(call.client.id()) } else { None };
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(filter)
}

/// Closes the clients that meet the filter, the calling one after it has been answered, and says how many.
fn kill(call: &mut Call<'_>, filter: &Filter<'_>) -> i64 {
    let mut killed = 0;
    for info in call.state.clients.all().iter().filter(|info| filter.accepts(info, call.now)) {
        killed += 1;
        if info.id == call.client.id() {
            call.client.close_after_reply = true;
        } else {
            call.state.clients.kill(info);
        }
    }
    killed
}

fn kind(name: &[u8]) -> Result<ClientKind, CommandError> {
    ClientKind::named(name).ok_or_else(|| CommandError::unknown_client_type(name))
}

fn positive(word: &[u8]) -> Option<u64> {
    parse_i64(word).filter(|&number| number > 0).map(|number| number as u64)
}

/// One of two words.
fn switch(word: &[u8], on: &str, off: &str) -> Result<bool, CommandError> {
    if is(word, on) {
        Ok(true)
    } else if is(word, off) {
        Ok(false)
    } else {
        Err(CommandError::SYNTAX)
    }
}

fn client_list(call: &mut Call<'_>) -> CommandResult {
    call.client.publish();
    let clients = match call.argv.len() {
        2 => call.state.clients.all(),
        4 if is(call.arg(2), "TYPE") => {
            let kind = kind(call.arg(3))?;
            let mut clients = call.state.clients.all();
            clients.retain(|info| info.kind() == kind);
            clients
        }
        4.. if is(call.arg(2), "ID") => {
            let (mut words, mut clients) = (call.words(3), Vec::new());
            while let Some(word) = words.next() {
                let id = parse_i64(word).ok_or(CommandError::INVALID_CLIENT_ID)?;
                clients.extend(call.state.clients.get(ClientId(id as u64)));
            }
            clients
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let mut text = Vec::new();
    for info in clients.iter().filter(|info| !info.is_killed()) {
        describe(call, info, &mut text);
    }
    call.reply.verbatim("txt", &text);
    Ok(())
}

fn client_no_evict(call: &mut Call<'_>) -> CommandResult {
    call.client.no_evict = switch(call.arg(2), "ON", "OFF")?;
    call.reply.ok();
    Ok(())
}

fn client_no_touch(call: &mut Call<'_>) -> CommandResult {
    call.client.no_touch = switch(call.arg(2), "ON", "OFF")?;
    call.reply.ok();
    Ok(())
}

fn client_pause(call: &mut Call<'_>) -> CommandResult {
    let mode = match call.argv.len() {
        3 => PauseMode::All,
        4 if is(call.arg(3), "WRITE") => PauseMode::Write,
        4 if is(call.arg(3), "ALL") => PauseMode::All,
        4 => return Err(CommandError::PAUSE_MODE),
        _ => return Err(CommandError::subcommand_syntax("client", call.arg(1))),
    };
    let timeout = parse_i64(call.arg(2)).ok_or(CommandError::TIMEOUT_NOT_INTEGER)?;
    let timeout = u64::try_from(timeout).map_err(|_| CommandError::TIMEOUT_NEGATIVE)?;
    let end = timeout.checked_add(call.now.0).filter(|&end| end <= i64::MAX as u64);
    let end = end.ok_or(CommandError::TIMEOUT_OUT_OF_RANGE)?;
    call.state.pause.set(mode, UnixMs(end), call.now);
    call.state.clients.pause_changed();
    call.reply.ok();
    Ok(())
}

fn client_reply(call: &mut Call<'_>) -> CommandResult {
    let word = call.arg(2);
    if is(word, "ON") {
        call.client.reply_mode = ReplyMode::On;
        call.reply.ok();
    } else if is(word, "OFF") {
        call.client.reply_mode = ReplyMode::Off;
    } else if !is(word, "SKIP") {
        return Err(CommandError::SYNTAX);
    } else if call.client.reply_mode != ReplyMode::Off {
        call.client.reply_mode = ReplyMode::SkipNext;
    }
    Ok(())
}

fn client_setinfo(call: &mut Call<'_>) -> CommandResult {
    let (attribute, value) = (call.arg(2), call.arg(3));
    let is_name = is(attribute, "LIB-NAME");
    if !is_name && !is(attribute, "LIB-VER") {
        return Err(CommandError::unrecognized_option(attribute));
    }
    if !is_plain(value) {
        return Err(CommandError::client_attribute(attribute));
    }
    call.client.info.change_texts(|texts| {
        let text = if is_name { &mut texts.lib_name } else { &mut texts.lib_version };
        *text = value.to_vec();
    });
    call.reply.ok();
    Ok(())
}

fn client_setname(call: &mut Call<'_>) -> CommandResult {
    let name = name_from(call.arg(2))?;
    call.client.info.change_texts(|texts| texts.name = name.to_vec());
    call.reply.ok();
    Ok(())
}

/// A client's name, as SETNAME and HELLO take it; empty for none.
pub fn name_from(word: &[u8]) -> Result<&[u8], CommandError> {
    if is_plain(word) { Ok(word) } else { Err(CommandError::CLIENT_NAME) }
}

/// Only what keeps a line of CLIENT LIST a line of fields.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_graphic())
}

fn client_unblock(call: &mut Call<'_>) -> CommandResult {
    match call.argv.len() {
        3 => {}
        4 if is(call.arg(3), "TIMEOUT") || is(call.arg(3), "ERROR") => {}
        4 => return Err(CommandError::UNBLOCK_REASON),
        _ => return Err(CommandError::subcommand_syntax("client", call.arg(1))),
    }
    let id = call.int(2)?;
    let with_error = call.argv.len() == 4 && is(call.arg(3), "ERROR");
    let info = u64::try_from(id).ok().and_then(|id| call.state.clients.get(ClientId(id)));
    let is_unblocked = info.is_some_and(|info| blocking::unblock(call.state, &info, with_error));
    call.reply.integer(i64::from(is_unblocked));
    Ok(())
}

fn client_unpause(call: &mut Call<'_>) -> CommandResult {
    call.state.pause.lift();
    call.state.clients.pause_changed();
    call.reply.ok();
    Ok(())
}
