//! Commands about the connection itself.

use super::call::Call;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};

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
        flags: FAST | SENTINEL,
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
        flags: FAST | LOADING | STALE,
        args: &[Arg::string("message")],
        ..CONNECTION
    },
];

fn ping(call: &mut Call<'_>) -> CommandResult {
    match call.argv.len() {
        1 => call.reply.simple("PONG"),
        2 => call.reply.bulk(call.argv.get(1)),
        _ => return Err(super::CommandError::arity("ping")),
    }
    Ok(())
}

fn echo(call: &mut Call<'_>) -> CommandResult {
    call.reply.bulk(call.arg(1));
    Ok(())
}
