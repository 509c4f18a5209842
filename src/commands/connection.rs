//! Commands about the connection itself.

use super::CommandError;
use super::call::{Call, is};
use super::client::name_from;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};
use super::transactions::abandon;
use crate::client::DEFAULT_USER;
use crate::resp::Protocol;
use crate::util::number::parse_i64;
use crate::util::secret;

const CONNECTION: Command =
    Command { group: "connection", categories: category::CONNECTION, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "ping",
        since: "1.0.0",
        arity: -1,
        handler: ping,
        summary: "Answers PONG, or the message it was given.",
        flags: FAST,
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        args: &[Arg::string("message").optional()],
        ..CONNECTION
    },
    Command {
        name: "echo",
        since: "1.0.0",
        arity: 2,
        handler: echo,
        summary: "Answers the message it was given.",
        flags: LOADING | STALE | FAST,
        args: &[Arg::string("message")],
        ..CONNECTION
    },
    Command {
        name: "select",
        since: "1.0.0",
        arity: 2,
        handler: select,
        summary: "Chooses the logical database that the connection's commands work on.",
        flags: LOADING | STALE | FAST,
        args: &[Arg::integer("index")],
        ..CONNECTION
    },
    Command {
        name: "auth",
        since: "1.0.0",
        complexity: "O(N) where N is the number of passwords defined for the user",
        arity: -2,
        handler: auth,
        summary: "Logs the connection in, as the default user or as another.",
        flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
        args: &[Arg::string("username").optional().since("6.0.0"), Arg::string("password")],
        ..CONNECTION
    },
    Command {
        name: "hello",
        since: "6.0.0",
        arity: -1,
        handler: hello,
        summary: "Chooses the protocol version and tells about the server; can log in and name the connection too.",
        flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
        args: &[Arg::block(
            "arguments",
            &[
                Arg::integer("protover"),
                Arg::block("auth", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH")
                    .optional(),
                Arg::string("clientname").token("SETNAME").optional(),
            ],
        )
        .optional()],
        ..CONNECTION
    },
    Command {
        name: "quit",
        since: "1.0.0",
        arity: -1,
        handler: quit,
        summary: "Closes the connection once everything before has been answered.",
        flags: ALLOW_BUSY | NOSCRIPT | LOADING | STALE | FAST | NO_AUTH,
        deprecated_since: "7.2.0",
        replaced_by: "just closing the connection",
        ..CONNECTION
    },
    Command {
        name: "reset",
        since: "6.2.0",
        arity: 1,
        handler: reset,
        summary: "Makes the connection what a new one is.",
        flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
        ..CONNECTION
    },
];

fn ping(call: &mut Call<'_>) -> CommandResult {
    if call.argv.len() <= 2 && call.client.is_in_subscribed_mode() {
        // Where only messages are expected, the answer looks like one.
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(call.argv.try_get(1).unwrap_or_default());
        return Ok(());
    }
    match call.argv.len() {
        1 => call.reply.simple("PONG"),
        2 => call.reply.bulk(call.arg(1)),
        _ => return Err(CommandError::arity("ping")),
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> CommandResult {
    call.reply.bulk(call.arg(1));
    Ok(())
}

fn select(call: &mut Call<'_>) -> CommandResult {
    call.client.db = call.db_index(1, CommandError::NOT_INTEGER)?;
    call.reply.ok();
    Ok(())
}

fn auth(call: &mut Call<'_>) -> CommandResult {
    let (user, password) = match call.argv.len() {
        2 if password_of_default(call).is_empty() => return Err(CommandError::AUTH_WITHOUT_PASSWORD),
        2 => (DEFAULT_USER.as_bytes(), call.arg(1)),
        3 => (call.arg(1), call.arg(2)),
        _ => return Err(CommandError::SYNTAX),
    };
    log_in(call, user, password)?;
    call.reply.ok();
    Ok(())
}

/// The password of the default user, empty for none: of this moment, since CONFIG SET may stand before AUTH in the same
/// pipeline.
fn password_of_default(call: &Call<'_>) -> String {
    call.state.config.snapshot().requirepass.clone()
}

/// Logs the session in. A user without a password takes any.
fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> CommandResult {
    let secret = password_of_default(call);
    // The comparison is made for any user, so that its time does not tell who exists.
    let right = secret::matches(password, secret.as_bytes()) || secret.is_empty();
    if user != DEFAULT_USER.as_bytes() || !right {
        return Err(CommandError::WRONG_PASS);
    }
    call.client.authenticated = true;
    call.client.info.change_texts(|texts| texts.user = DEFAULT_USER.to_owned());
    Ok(())
}

fn hello(call: &mut Call<'_>) -> CommandResult {
    let mut words = call.words(1);
    let protocol = words.next().map(protocol_version).transpose()?;
    let (mut login, mut name) = (None, None);
    while let Some(option) = words.next() {
        if is(option, "AUTH") && words.left() >= 2 {
            login = Some((words.value()?, words.value()?));
        } else if is(option, "SETNAME") && words.left() >= 1 {
            name = Some(name_from(words.value()?)?);
        } else {
            return Err(CommandError::hello_option(option));
        }
    }
    if let Some((user, password)) = login {
        log_in(call, user, password)?;
    }
    if !call.client.authenticated && !password_of_default(call).is_empty() {
        return Err(CommandError::HELLO_NO_AUTH);
    }
    if let Some(name) = name {
        call.client.info.change_texts(|texts| texts.name = name.to_vec());
    }
    if let Some(protocol) = protocol {
        call.client.set_protocol(protocol);
        call.reply.set_protocol(protocol);
    }
    reply_greeting(call);
    Ok(())
}

fn protocol_version(word: &[u8]) -> Result<Protocol, CommandError> {
    match parse_i64(word).ok_or(CommandError::PROTOCOL_VERSION)? {
        2 => Ok(Protocol::Resp2),
        3 => Ok(Protocol::Resp3),
        _ => Err(CommandError::NO_PROTO),
    }
}

fn reply_greeting(call: &mut Call<'_>) {
    let reply = &mut call.reply;
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(crate::REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(if reply.protocol() == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.integer(call.client.id().0 as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}

fn quit(call: &mut Call<'_>) -> CommandResult {
    call.client.close_after_reply = true;
    call.reply.ok();
    Ok(())
}

fn reset(call: &mut Call<'_>) -> CommandResult {
    let needs_password = !password_of_default(call).is_empty();
    call.client.stop_listening(call.state.keyspace.pubsub());
    abandon(call.state, call.client);
    call.client.reset(!needs_password);
    call.reply.set_protocol(Protocol::Resp2);
    call.reply.simple("RESET");
    Ok(())
}
