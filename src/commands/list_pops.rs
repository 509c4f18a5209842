//! Taking elements out of lists: LPOP and RPOP, LMPOP, and the same for clients that wait (BLPOP, BRPOP, BLMPOP).

use std::ops::Range;

use super::blocking::{Nothing, Serving, Wait};
use super::call::{Call, is};
use super::error::CommandError;
use super::limits;
use super::lists::{LIST, at_least};
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::object::Object;
use crate::store::{Db, Edited, Key, Slot};
use crate::types::list::{End, Limits, List};
use crate::types::listpack::Element;

/// LPOP and RPOP.
const POP: Command = Command {
    complexity: "O(N) with N being the number of elements returned",
    arity: -2,
    flags: WRITE | FAST,
    keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
    args: &[Arg::key("key"), Arg::integer("count").optional().since("6.2.0")],
    ..LIST
};

/// BLPOP and BRPOP.
const BLOCKING_POP: Command = Command {
    since: "2.0.0",
    complexity: "O(N) with N being the number of keys",
    arity: -3,
    flags: WRITE | BLOCKING,
    keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
    args: &[Arg::key("key").multiple(), Arg::double("timeout")],
    ..LIST
};

/// LMPOP and BLMPOP.
const MULTI_POP: Command = Command {
    since: "7.0.0",
    complexity: "O(N+M) with N being the number of keys and M that of elements returned",
    ..LIST
};

/// The word that names an end.
pub(super) const ENDS: &[Arg] = &[Arg::flag("left", "LEFT"), Arg::flag("right", "RIGHT")];

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpop",
        handler: lpop,
        summary: "Takes the first elements out of a list and returns them.",
        ..POP
    },
    Command {
        name: "rpop",
        handler: rpop,
        summary: "Takes the last elements out of a list and returns them.",
        ..POP
    },
    Command {
        name: "lmpop",
        arity: -4,
        handler: lmpop,
        summary: "Takes elements out of the first of several lists that has any.",
        flags: WRITE,
        keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::oneof("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..MULTI_POP
    },
    Command {
        name: "blpop",
        handler: blpop,
        summary: "Takes the first element out of one of several lists, and waits for it if need be.",
        ..BLOCKING_POP
    },
    Command {
        name: "brpop",
        handler: brpop,
        summary: "Takes the last element out of one of several lists, and waits for it if need be.",
        ..BLOCKING_POP
    },
    Command {
        name: "blmpop",
        arity: -5,
        handler: blmpop,
        summary: "Takes elements out of the first of several lists that has any, and waits for them if need be.",
        flags: WRITE | BLOCKING,
        keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
        args: &[
            Arg::double("timeout"),
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::oneof("where", ENDS),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..MULTI_POP
    },
];

fn lpop(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Left)
}

fn rpop(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Right)
}

fn pop(call: &mut Call<'_>, end: End) -> CommandResult {
    let count = match call.argv.len() {
        2 => None,
        3 => Some(at_least(0, call.arg(2), CommandError::NOT_POSITIVE)?),
        _ => return Err(CommandError::arity(call.command.name())),
    };
    let key = call.key(1);
    let limits = limits::list(call.config);
    match (call.db.find_typed::<List>(&key)?, count) {
        (None, None) => call.reply.null(),
        (None, Some(_)) => call.reply.null_array(),
        (Some(_), Some(0)) => call.reply.array(0),
        (Some(slot), None) => take_one(&mut call.db, &key, slot, (end, limits), &mut call.reply),
        (Some(slot), Some(count)) => {
            take(&mut call.db, &key, slot, (end, count, limits), &mut call.reply);
        }
    }
    Ok(())
}

fn lmpop(call: &mut Call<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::read(call, 1)?;
    let limits = limits::list(call.config);
    for position in keys {
        let key = call.key(position);
        if take_from(&mut call.db, &key, (end, count, limits), &mut call.reply)? {
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

fn blpop(call: &mut Call<'_>) -> CommandResult {
    blocking_pop(call, End::Left)
}

fn brpop(call: &mut Call<'_>) -> CommandResult {
    blocking_pop(call, End::Right)
}

fn blocking_pop(call: &mut Call<'_>, end: End) -> CommandResult {
    let timeout_at = call.argv.len() - 1;
    let timeout_ms = call.timeout_ms(timeout_at)?;
    let serve = move |serving: &mut Serving<'_, '_, '_>| {
        let key = serving.key;
        let Some(slot) = serving.db.find_typed::<List>(&key)? else { return Ok(false) };
        serving.reply.array(2);
        serving.reply.bulk(key.bytes);
        take_one(serving.db, &key, slot, (end, limits::list(serving.config)), serving.reply);
        serving.db.log_as(&[pop_name(end).as_bytes(), key.bytes]);
        Ok(true)
    };
    call.block_on(Wait {
        keys: 1..timeout_at,
        timeout_ms,
        nothing: Nothing::NullArray,
        also: None,
        serve: Box::new(serve),
    })
}

fn blmpop(call: &mut Call<'_>) -> CommandResult {
    let MultiPop { keys, end, count } = MultiPop::read(call, 2)?;
    let timeout_ms = call.timeout_ms(1)?;
    let serve = move |serving: &mut Serving<'_, '_, '_>| {
        let what = (end, count, limits::list(serving.config));
        take_from(serving.db, &serving.key, what, serving.reply)
    };
    call.block_on(Wait { keys, timeout_ms, nothing: Nothing::NullArray, also: None, serve: Box::new(serve) })
}

/// What LMPOP and BLMPOP are to take.
struct MultiPop {
    keys: Range<usize>,
    end: End,
    count: usize,
}

impl MultiPop {
    /// Reads the arguments from the number of keys on.
    fn read(call: &Call<'_>, at: usize) -> Result<Self, CommandError> {
        let keys = at_least(1, call.arg(at), CommandError::NUMKEYS_POSITIVE)?;
        // A number of keys that there are not has no end behind it.
        let end_at = (at + 1).saturating_add(keys);
        let end = read_end(call.argv.try_get(end_at).ok_or(CommandError::SYNTAX)?)?;
        let mut count = None;
        let mut words = call.words(end_at + 1);
        while let Some(word) = words.next() {
            if count.is_some() || !is(word, "COUNT") {
                return Err(CommandError::SYNTAX);
            }
            count = Some(at_least(1, words.value()?, CommandError::COUNT_POSITIVE)?);
        }
        Ok(MultiPop { keys: at + 1..end_at, end, count: count.unwrap_or(1) })
    }
}

/// LEFT or RIGHT.
pub(super) fn read_end(word: &[u8]) -> Result<End, CommandError> {
    match word {
        word if is(word, "LEFT") => Ok(End::Left),
        word if is(word, "RIGHT") => Ok(End::Right),
        _ => Err(CommandError::SYNTAX),
    }
}

/// What subscribers are told of a pop, and the command that does one.
pub(super) fn pop_name(end: End) -> &'static str {
    if end == End::Left { "lpop" } else { "rpop" }
}

/// Takes an element out of a list and replies with it.
fn take_one(db: &mut Db<'_>, key: &Key<'_>, slot: Slot, (end, limits): (End, Limits), reply: &mut Reply<'_>) {
    let edited = db.edit::<List, _>(key, slot, |list| {
        let range = list.end_range(end, 1);
        if let Some(element) = list.get(range.start as i64) {
            reply.bulk(element.text(&mut itoa::Buffer::new()));
        }
        _ = list.remove_range(range, limits);
        ((), 1)
    });
    popped(db, key, end, &edited);
}

/// Takes up to `count` elements out of a list, replies with them, the outermost first, and gives how many there were.
fn take(
    db: &mut Db<'_>,
    key: &Key<'_>,
    slot: Slot,
    (end, count, limits): (End, usize, Limits),
    reply: &mut Reply<'_>,
) -> usize {
    let edited = db.edit::<List, _>(key, slot, |list| {
        let range = list.end_range(end, count);
        let taken = range.len();
        reply.array(taken);
        let elements = list.iter(range.clone());
        let mut write = |element: Element<'_>| reply.bulk(element.text(&mut itoa::Buffer::new()));
        match end {
            End::Left => elements.for_each(&mut write),
            End::Right => elements.rev().for_each(&mut write),
        }
        ((taken, list.remove_range(range, limits)), taken as u64)
    });
    popped(db, key, end, &edited);
    let (taken, gone) = edited.result;
    gone.into_iter().for_each(|gone| db.discard(Object::List(gone)));
    taken
}

/// [`take`]s from a key if it has a list, and replies with the key, too. It is logged as a pop of so many.
fn take_from(
    db: &mut Db<'_>,
    key: &Key<'_>,
    what: (End, usize, Limits),
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let Some(slot) = db.find_typed::<List>(key)? else { return Ok(false) };
    reply.array(2);
    reply.bulk(key.bytes);
    let taken = take(db, key, slot, what, reply);
    db.log_as(&[pop_name(what.0).as_bytes(), key.bytes, itoa::Buffer::new().format(taken).as_bytes()]);
    Ok(true)
}

/// Tells subscribers that elements were taken out of a list.
pub(super) fn popped<R>(db: &mut Db<'_>, key: &Key<'_>, end: End, edited: &Edited<R>) {
    db.notify(NotifyFlags::LIST, pop_name(end), key.bytes);
    if edited.is_gone {
        db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
}
