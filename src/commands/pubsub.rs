//! Publish/subscribe, and MONITOR.

use super::call::Call;
use super::error::CommandError;
use super::help::help_row;
use super::outbox;
use super::spec::flags::*;
use super::spec::key_flags::NOT_KEY;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use crate::pubsub::{Channels, Kind, Parcel, Registry, Subscriptions};

const GROUP: Command = Command { group: "pubsub", ..Command::NONE };
const SUBSCRIPTION: Command = Command { flags: PUBSUB | NOSCRIPT | LOADING | STALE, ..GROUP };
const SHARD_SUBSCRIPTION: Command = Command {
    flags: PUBSUB | NOSCRIPT | LOADING | STALE,
    keys: &[const { KeySpec::range(1, -1, 1, NOT_KEY) }],
    ..GROUP
};
const LOOK: Command = Command { flags: PUBSUB | LOADING | STALE, ..GROUP };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "subscribe",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        arity: -2,
        handler: subscribe,
        summary: "Has messages to channels sent to the connection.",
        args: &[Arg::string("channel").multiple()],
        ..SUBSCRIPTION
    },
    Command {
        name: "unsubscribe",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        arity: -1,
        handler: unsubscribe,
        summary: "Ends what SUBSCRIBE began, for some channels or for all.",
        args: &[Arg::string("channel").optional().multiple()],
        ..SUBSCRIPTION
    },
    Command {
        name: "psubscribe",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        arity: -2,
        handler: psubscribe,
        summary: "Has messages to channels whose names match patterns sent to the connection.",
        args: &[Arg::pattern("pattern").multiple()],
        ..SUBSCRIPTION
    },
    Command {
        name: "punsubscribe",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        arity: -1,
        handler: punsubscribe,
        summary: "Ends what PSUBSCRIBE began, for some patterns or for all.",
        args: &[Arg::pattern("pattern").optional().multiple()],
        ..SUBSCRIPTION
    },
    Command {
        name: "publish",
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
        arity: 3,
        handler: publish,
        summary: "Sends a message to everybody who is subscribed to a channel, and says to how many.",
        flags: PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
        args: &[Arg::string("channel"), Arg::string("message")],
        ..GROUP
    },
    Command {
        name: "ssubscribe",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        arity: -2,
        handler: ssubscribe,
        summary: "Has messages to shard channels sent to the connection.",
        args: &[Arg::string("shardchannel").multiple()],
        ..SHARD_SUBSCRIPTION
    },
    Command {
        name: "sunsubscribe",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        arity: -1,
        handler: sunsubscribe,
        summary: "Ends what SSUBSCRIBE began, for some shard channels or for all.",
        args: &[Arg::string("shardchannel").optional().multiple()],
        ..SHARD_SUBSCRIPTION
    },
    Command {
        name: "spublish",
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        arity: 3,
        handler: spublish,
        summary: "Sends a message to everybody who is subscribed to a shard channel, and says to how many.",
        flags: PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
        keys: &[const { KeySpec::at(1, NOT_KEY) }],
        args: &[Arg::string("shardchannel"), Arg::string("message")],
        ..GROUP
    },
    Command {
        name: "pubsub",
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        arity: -2,
        summary: "Holds the commands that look at subscriptions.",
        subcommands: SUBCOMMANDS,
        ..GROUP
    },
    Command {
        name: "monitor",
        since: "1.0.0",
        complexity: "",
        arity: 1,
        handler: monitor,
        summary: "Shows the connection every command that the server executes.",
        flags: ADMIN | NOSCRIPT | LOADING | STALE,
        group: "server",
        ..GROUP
    },
];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "channels",
        since: "2.8.0",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
        arity: -2,
        handler: pubsub_channels,
        summary: "Returns the channels that somebody is subscribed to.",
        args: &[Arg::pattern("pattern").optional()],
        ..LOOK
    },
    Command { flags: LOADING | STALE, ..help_row("6.2.0", LOOK) },
    Command {
        name: "numpat",
        since: "2.8.0",
        arity: 2,
        handler: pubsub_numpat,
        summary: "Returns how many patterns somebody is subscribed to.",
        ..LOOK
    },
    Command {
        name: "numsub",
        since: "2.8.0",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        arity: -2,
        handler: pubsub_numsub,
        summary: "Returns how many clients are subscribed to each of the channels.",
        args: &[Arg::string("channel").optional().multiple()],
        ..LOOK
    },
    Command {
        name: "shardchannels",
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
        arity: -2,
        handler: pubsub_shardchannels,
        summary: "Returns the shard channels that somebody is subscribed to.",
        args: &[Arg::pattern("pattern").optional()],
        ..LOOK
    },
    Command {
        name: "shardnumsub",
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        arity: -2,
        handler: pubsub_shardnumsub,
        summary: "Returns how many clients are subscribed to each of the shard channels.",
        args: &[Arg::string("shardchannel").optional().multiple()],
        ..LOOK
    },
];

/// One confirmation: a message, not a reply.
fn confirm(call: &mut Call<'_>, what: &str, name: Option<&[u8]>, count: usize) {
    call.reply.push(3);
    call.reply.bulk(what.as_bytes());
    match name {
        Some(name) => call.reply.bulk(name),
        None => call.reply.null(),
    }
    call.reply.integer(count as i64);
    call.client.was_told = call.client.reply_mode.suppresses();
}

fn subscribe_to(call: &mut Call<'_>, kind: Kind, what: &str) -> CommandResult {
    outbox::publish_noted(call);
    let pubsub = call.state.keyspace.pubsub();
    for position in 1..call.argv.len() {
        let name = call.arg(position);
        let count = call.client.subscribe(pubsub, kind, name);
        confirm(call, what, Some(name), count);
    }
    Ok(())
}

fn unsubscribe_from(call: &mut Call<'_>, kind: Kind, what: &str) -> CommandResult {
    outbox::publish_noted(call);
    let pubsub = call.state.keyspace.pubsub();
    let all = match call.argv.len() {
        1 => call.client.listening.subscriptions().map(|own| own.names(kind)).unwrap_or_default(),
        _ => Vec::new(),
    };
    let names: Vec<&[u8]> = call.argv.iter().skip(1).chain(all.iter().map(|name| &**name)).collect();
    for name in &names {
        let count = call.client.unsubscribe(pubsub, kind, name);
        confirm(call, what, Some(name), count);
    }
    if names.is_empty() {
        let count = call.client.subscription_count(kind);
        confirm(call, what, None, count);
    }
    Ok(())
}

fn subscribe(call: &mut Call<'_>) -> CommandResult {
    subscribe_to(call, Kind::Channel, "subscribe")
}

fn unsubscribe(call: &mut Call<'_>) -> CommandResult {
    unsubscribe_from(call, Kind::Channel, "unsubscribe")
}

fn psubscribe(call: &mut Call<'_>) -> CommandResult {
    subscribe_to(call, Kind::Pattern, "psubscribe")
}

fn punsubscribe(call: &mut Call<'_>) -> CommandResult {
    unsubscribe_from(call, Kind::Pattern, "punsubscribe")
}

/// How a registry takes a message to a channel.
type Publish = fn(&Registry, &[u8], &[u8], Option<&Subscriptions>, &mut Vec<Parcel>) -> usize;

fn publish_by(call: &mut Call<'_>, publish: Publish) -> CommandResult {
    let (channel, text, mut parcels) = (call.arg(1), call.arg(2), Vec::new());
    let own = call.client.listening.subscriptions();
    let receivers = publish(&call.state.keyspace.pubsub().registry, channel, text, own, &mut parcels);
    call.db.announce(parcels);
    call.reply.integer(receivers as i64);
    Ok(())
}

fn publish(call: &mut Call<'_>) -> CommandResult {
    publish_by(call, Registry::publish)
}

fn ssubscribe(call: &mut Call<'_>) -> CommandResult {
    // As in Redis; SUBSCRIBE and PSUBSCRIBE are allowed there for clients that were written before it.
    if call.is_nested {
        return Err(CommandError::SSUBSCRIBE_IN_TRANSACTION);
    }
    subscribe_to(call, Kind::ShardChannel, "ssubscribe")
}

fn sunsubscribe(call: &mut Call<'_>) -> CommandResult {
    unsubscribe_from(call, Kind::ShardChannel, "sunsubscribe")
}

fn spublish(call: &mut Call<'_>) -> CommandResult {
    publish_by(call, Registry::publish_to_shard)
}

fn monitor(call: &mut Call<'_>) -> CommandResult {
    if call.is_nested {
        return Err(CommandError::MONITOR_IN_TRANSACTION);
    }
    // As in Redis, a client that sees all commands already gets no second answer.
    if call.client.monitor(call.state.keyspace.pubsub()) {
        call.reply.ok();
    }
    Ok(())
}

fn pubsub_channels(call: &mut Call<'_>) -> CommandResult {
    let state = call.state;
    reply_names(call, &state.keyspace.pubsub().registry.channels)
}

fn pubsub_shardchannels(call: &mut Call<'_>) -> CommandResult {
    let state = call.state;
    reply_names(call, &state.keyspace.pubsub().registry.shard_channels)
}

fn reply_names(call: &mut Call<'_>, channels: &Channels) -> CommandResult {
    if call.argv.len() > 3 {
        return Err(CommandError::subcommand_syntax("pubsub", call.arg(1)));
    }
    let names = channels.names(call.argv.try_get(2));
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

fn pubsub_numsub(call: &mut Call<'_>) -> CommandResult {
    let state = call.state;
    reply_counts(call, &state.keyspace.pubsub().registry.channels)
}

fn pubsub_shardnumsub(call: &mut Call<'_>) -> CommandResult {
    let state = call.state;
    reply_counts(call, &state.keyspace.pubsub().registry.shard_channels)
}

fn reply_counts(call: &mut Call<'_>, channels: &Channels) -> CommandResult {
    call.reply.array((call.argv.len() - 2) * 2);
    for name in call.argv.iter().skip(2) {
        call.reply.bulk(name);
        call.reply.integer(channels.audience(name).map_or(0, |audience| audience.len()) as i64);
    }
    Ok(())
}

fn pubsub_numpat(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(call.state.keyspace.pubsub().registry.patterns.len() as i64);
    Ok(())
}
