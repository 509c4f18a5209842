//! XGROUP: the groups of a stream and their consumers.

use super::call::{Call, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::stream_effects::Worker;
use super::streams::{STREAM, id_of};
use crate::config::values::NotifyFlags;
use crate::store::Slot;
use crate::store::object::Object;
use crate::types::stream::{Stream, StreamId};

const XGROUP: Command = Command { keys: &[], ..STREAM };

const ID: Arg = Arg::oneof("id-selector", &[Arg::string("id"), Arg::flag("new-id", "$")]);
const ENTRIES_READ: Arg = Arg::integer("entries-read").token("ENTRIESREAD").optional().since("7.0.0");

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "xgroup",
    complexity: "Depends on subcommand.",
    arity: -2,
    summary: "Holds the commands about the groups that read a stream.",
    categories: 0,
    subcommands: SUBCOMMANDS,
    ..XGROUP
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "create",
        complexity: "O(1)",
        arity: -5,
        handler: create,
        summary: "Creates a group that begins to read after an id.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(2, RW | INSERT)],
        args: &[
            Arg::key("key"),
            Arg::string("group"),
            ID,
            Arg::flag("mkstream", "MKSTREAM").optional(),
            ENTRIES_READ,
        ],
        ..XGROUP
    },
    Command {
        name: "createconsumer",
        since: "6.2.0",
        complexity: "O(1)",
        arity: 5,
        handler: create_consumer,
        summary: "Creates a consumer of a group.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(2, RW | INSERT)],
        args: &[Arg::key("key"), Arg::string("group"), Arg::string("consumer")],
        ..XGROUP
    },
    Command {
        name: "delconsumer",
        complexity: "O(1)",
        arity: 5,
        handler: delete_consumer,
        summary: "Deletes a consumer of a group and tells how many entries were pending for it.",
        flags: WRITE,
        keys: &[KeySpec::at(2, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("group"), Arg::string("consumer")],
        ..XGROUP
    },
    Command {
        name: "destroy",
        complexity: "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        arity: 4,
        handler: destroy,
        summary: "Deletes a group with its consumers.",
        flags: WRITE,
        keys: &[KeySpec::at(2, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("group")],
        ..XGROUP
    },
    help_row("5.0.0", XGROUP),
    Command {
        name: "setid",
        complexity: "O(1)",
        arity: -5,
        handler: set_id,
        summary: "Sets the id after which a group reads on.",
        flags: WRITE,
        keys: &[KeySpec::at(2, RW | UPDATE)],
        args: &[Arg::key("key"), Arg::string("group"), ID, ENTRIES_READ],
        ..XGROUP
    },
];

/// The options of CREATE and SETID, which begin with the sixth word.
#[derive(Default)]
struct Options {
    mkstream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn read(call: &Call<'_>, is_create: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut words = call.words(5);
        while let Some(word) = words.next() {
            if is_create && is(word, "MKSTREAM") {
                options.mkstream = true;
            } else if is(word, "ENTRIESREAD") && words.left() > 0 {
                let read = words.int()?;
                if read < -1 {
                    return Err(CommandError::ENTRIES_READ);
                }
                options.entries_read = u64::try_from(read).ok();
            } else {
                return Err(CommandError::subcommand_syntax("xgroup", call.arg(1)));
            }
        }
        Ok(options)
    }
}

/// The stream in the third word, which must exist.
fn stream_slot(call: &mut Call<'_>) -> Result<Slot, CommandError> {
    let key = call.key(2);
    call.db.find_typed::<Stream>(&key)?.ok_or(CommandError::XGROUP_NO_KEY)
}

/// The stream in the third word, which must have the group in the fourth.
fn group_slot(call: &mut Call<'_>) -> Result<Slot, CommandError> {
    let slot = stream_slot(call)?;
    match call.db.typed::<Stream>(slot)?.groups.get(call.arg(3)) {
        Some(_) => Ok(slot),
        None => Err(CommandError::no_group(call.arg(3), call.arg(2))),
    }
}

fn create(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, true)?;
    let (key, name) = (call.key(2), call.arg(3));
    let slot = call.db.find_typed::<Stream>(&key)?;
    if slot.is_none() && !options.mkstream {
        return Err(CommandError::XGROUP_NO_KEY);
    }
    // As many words as there are options; repeated ones are too many.
    if call.argv.len() > 8 {
        return Err(CommandError::subcommand_syntax("xgroup", call.arg(1)));
    }
    let last_id = match (call.arg(4), slot) {
        (b"$", Some(slot)) => call.db.typed::<Stream>(slot)?.entries.last_id(),
        (b"$", None) => StreamId::MIN,
        (word, _) => id_of(word)?,
    };
    let edit = |stream: &mut Stream| {
        let is_new = stream.groups.create(name, last_id, options.entries_read).is_some();
        (is_new, u64::from(is_new))
    };
    let is_new = match slot {
        Some(slot) => call.db.edit_quietly(&key, slot, edit),
        None => call.db.edit_or_create(&key, None, Stream::default, edit),
    };
    if !is_new {
        return Err(CommandError::GROUP_EXISTS);
    }
    call.db.notify(NotifyFlags::STREAM, "xgroup-create", key.bytes);
    call.reply.ok();
    Ok(())
}

fn create_consumer(call: &mut Call<'_>) -> CommandResult {
    let (slot, key, now) = (group_slot(call)?, call.key(2), call.db.now());
    let (group, consumer) = (call.arg(3), call.arg(4));
    let is_new = call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let group = stream.groups.get_mut(group);
        let is_new = group.is_some_and(|mut group| group.create(consumer, now).is_some());
        (is_new, u64::from(is_new))
    });
    if is_new {
        call.db.notify(NotifyFlags::STREAM, "xgroup-createconsumer", key.bytes);
        Worker { key: key.bytes, group, consumer }.log_visit(&mut call.db, now, None);
    }
    call.reply.integer(i64::from(is_new));
    Ok(())
}

fn delete_consumer(call: &mut Call<'_>) -> CommandResult {
    let (slot, key) = (group_slot(call)?, call.key(2));
    let (group, consumer) = (call.arg(3), call.arg(4));
    let removed = call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let removed = stream.groups.get_mut(group).and_then(|mut group| group.remove(consumer));
        let changes = u64::from(removed.is_some());
        (removed, changes)
    });
    let pending = removed.map_or(0, |(pending, groups)| {
        call.db.discard(Object::Stream(Box::new(Stream { groups, ..Stream::default() })));
        call.db.clear_later(&key, slot);
        call.db.notify(NotifyFlags::STREAM, "xgroup-delconsumer", key.bytes);
        pending
    });
    call.reply.integer(pending as i64);
    Ok(())
}

fn destroy(call: &mut Call<'_>) -> CommandResult {
    let (slot, key, name) = (stream_slot(call)?, call.key(2), call.arg(3));
    // Whoever waits to read by the group is told that it is gone.
    let edited = call.db.edit(&key, slot, |stream: &mut Stream| {
        let gone = stream.groups.remove(name);
        let changes = u64::from(gone.is_some());
        (gone, changes)
    });
    let is_gone = edited.result.is_some();
    if let Some(groups) = edited.result {
        call.db.discard(Object::Stream(Box::new(Stream { groups, ..Stream::default() })));
        call.db.notify(NotifyFlags::STREAM, "xgroup-destroy", key.bytes);
    }
    call.reply.integer(i64::from(is_gone));
    Ok(())
}

fn set_id(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, false)?;
    let (slot, key, name) = (group_slot(call)?, call.key(2), call.arg(3));
    if call.argv.len() > 7 {
        return Err(CommandError::subcommand_syntax("xgroup", call.arg(1)));
    }
    let last_id = match call.arg(4) {
        b"$" => call.db.typed::<Stream>(slot)?.entries.last_id(),
        word => StreamId::parse_special(word, 0).ok_or(CommandError::STREAM_ID)?,
    };
    call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let group = stream.groups.get_mut(name);
        let changes = u64::from(group.is_some());
        if let Some(mut group) = group {
            (group.last_id, group.entries_read) = (last_id, options.entries_read);
        }
        ((), changes)
    });
    call.db.notify(NotifyFlags::STREAM, "xgroup-setid", key.bytes);
    call.reply.ok();
    Ok(())
}
