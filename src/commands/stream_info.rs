//! XINFO: what there is to know about a stream, its groups and their consumers.

use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::streams::{STREAM, reply_entries, reply_entry, reply_id};
use crate::resp::Reply;
use crate::store::UnixMs;
use crate::types::stream::{Consumer, ConsumerId, Entries, Group, Stream, StreamId};

const XINFO: Command = Command { keys: &[], ..STREAM };
const ABOUT_KEY: Command = Command { flags: READONLY, keys: &[KeySpec::at(2, RO | ACCESS)], ..XINFO };

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "xinfo",
    complexity: "Depends on subcommand.",
    arity: -2,
    summary: "Holds the commands that tell about a stream.",
    categories: 0,
    subcommands: SUBCOMMANDS,
    ..XINFO
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "consumers",
        complexity: "O(1)",
        arity: 4,
        handler: consumers,
        summary: "Tells about the consumers of a group.",
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key"), Arg::string("group")],
        ..ABOUT_KEY
    },
    Command {
        name: "groups",
        complexity: "O(1)",
        arity: 3,
        handler: groups,
        summary: "Tells about the groups of a stream.",
        args: &[Arg::key("key")],
        ..ABOUT_KEY
    },
    help_row("5.0.0", XINFO),
    Command {
        name: "stream",
        complexity: "O(1)",
        arity: -3,
        handler: stream,
        summary: "Tells about a stream; with FULL also about its groups, their consumers and what is pending.",
        args: &[
            Arg::key("key"),
            Arg::block(
                "full-block",
                &[Arg::flag("full", "FULL"), Arg::integer("count").token("COUNT").optional()],
            )
            .optional(),
        ],
        ..ABOUT_KEY
    },
];

/// `COUNT` of XINFO STREAM FULL without the option.
const COUNT_DEFAULT: usize = 10;

fn consumers(call: &mut Call<'_>) -> CommandResult {
    let (key, name, now) = (call.key(2), call.arg(3), call.db.now());
    let stream = call.db.read_typed::<Stream>(&key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let group = stream.groups.get(name).ok_or_else(|| CommandError::no_group(name, key.bytes))?;
    let reply = &mut call.reply;
    reply.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        reply.map(4);
        name_and_pending(reply, consumer);
        reply.bulk(b"idle");
        reply.integer(now.0.saturating_sub(consumer.seen.0) as i64);
        reply.bulk(b"inactive");
        reply.integer(consumer.active().map_or(-1, |active| now.0.wrapping_sub(active.0) as i64));
    }
    Ok(())
}

fn name_and_pending(reply: &mut Reply<'_>, consumer: &Consumer) {
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"pending");
    reply.integer(consumer.pending_len() as i64);
}

fn groups(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(2);
    let stream = call.db.read_typed::<Stream>(&key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let reply = &mut call.reply;
    reply.array(stream.groups.len());
    for (name, group) in stream.groups.iter() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.integer(group.consumers_len() as i64);
        reply.bulk(b"pending");
        reply.integer(group.pending_len() as i64);
        reply_progress(reply, &stream.entries, group);
    }
    Ok(())
}

/// How far a group has read.
fn reply_progress(reply: &mut Reply<'_>, entries: &Entries, group: &Group) {
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    for (name, number) in
        [(&b"entries-read"[..], group.entries_read.map(|read| read as i64)), (b"lag", entries.lag(group))]
    {
        reply.bulk(name);
        match number {
            Some(number) => reply.integer(number),
            None => reply.null(),
        }
    }
}

fn stream(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(2);
    let stream = call.db.read_typed::<Stream>(&key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let syntax = || CommandError::subcommand_syntax("xinfo", call.argv.get(1));
    let options = call.argv.skip(3);
    let full = match options.len() {
        0 => None,
        1 | 3 if !is(options.get(0), "FULL") => return Err(syntax()),
        1 => Some(COUNT_DEFAULT),
        3 if is(options.get(1), "COUNT") => {
            let count = crate::util::number::parse_i64(options.get(2)).ok_or(CommandError::NOT_INTEGER)?;
            Some(usize::try_from(count).unwrap_or(COUNT_DEFAULT))
        }
        _ => return Err(syntax()),
    };
    let reply = &mut call.reply;
    reply.map(if full.is_some() { 9 } else { 10 });
    reply_counters(reply, &stream.entries);
    match full {
        None => reply_ends(reply, stream),
        // No entries at all can't be asked for: 0 stands for all.
        Some(0) => reply_full(reply, stream, usize::MAX),
        Some(count) => reply_full(reply, stream, count),
    }
    Ok(())
}

fn reply_counters(reply: &mut Reply<'_>, entries: &Entries) {
    for (name, number) in [
        (&b"length"[..], entries.len()),
        (b"radix-tree-keys", entries.radix_tree_keys()),
        (b"radix-tree-nodes", entries.radix_tree_nodes()),
    ] {
        reply.bulk(name);
        reply.integer(number as i64);
    }
    reply.bulk(b"last-generated-id");
    reply_id(reply, entries.last_id());
    reply.bulk(b"max-deleted-entry-id");
    reply_id(reply, entries.max_deleted_id());
    reply.bulk(b"entries-added");
    reply.integer(entries.added() as i64);
    reply.bulk(b"recorded-first-entry-id");
    reply_id(reply, entries.first_id());
}

fn reply_ends(reply: &mut Reply<'_>, stream: &Stream) {
    reply.bulk(b"groups");
    reply.integer(stream.groups.len() as i64);
    let first = stream.entries.range(StreamId::MIN, StreamId::MAX).next();
    let last = stream.entries.range_rev(StreamId::MAX, StreamId::MIN).next();
    for (name, entry) in [(&b"first-entry"[..], first), (b"last-entry", last)] {
        reply.bulk(name);
        match entry {
            Some(entry) => reply_entry(reply, &entry),
            None => reply.null(),
        }
    }
}

fn reply_full(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    reply.bulk(b"entries");
    reply_entries(reply, stream.entries.range(StreamId::MIN, StreamId::MAX).take(count));
    reply.bulk(b"groups");
    reply.array(stream.groups.len());
    for (name, group) in stream.groups.iter() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply_progress(reply, &stream.entries, group);
        reply.bulk(b"pel-count");
        reply.integer(group.pending_len() as i64);
        reply.bulk(b"pending");
        reply_pending(reply, group, None, count);
        reply.bulk(b"consumers");
        reply.array(group.consumers_len());
        for (id, consumer) in group.consumers() {
            reply.map(5);
            reply.bulk(b"name");
            reply.bulk(consumer.name());
            reply.bulk(b"seen-time");
            reply.integer(consumer.seen.0 as i64);
            reply.bulk(b"active-time");
            reply.integer(consumer.active().map_or(-1, |UnixMs(active)| active as i64));
            reply.bulk(b"pel-count");
            reply.integer(consumer.pending_len() as i64);
            reply.bulk(b"pending");
            reply_pending(reply, group, Some(id), count);
        }
    }
}

/// What is pending in a group, with the consumer's name, or for one consumer.
fn reply_pending(reply: &mut Reply<'_>, group: &Group, consumer: Option<ConsumerId>, count: usize) {
    let array = reply.begin();
    let mut len = 0;
    for (id, pending) in group.pending_between(StreamId::MIN, StreamId::MAX, consumer).take(count) {
        reply.array(if consumer.is_none() { 4 } else { 3 });
        reply_id(reply, id);
        if consumer.is_none() {
            reply.bulk(group.consumer(pending.consumer()).name());
        }
        reply.integer(pending.delivered.0 as i64);
        reply.integer(pending.deliveries as i64);
        len += 1;
    }
    reply.end_array(array, len);
}
