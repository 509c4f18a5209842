//! Taking the lowest or the highest elements off sorted sets.
//!
//! Whatever popped them, ZPOPMIN or ZPOPMAX with a count is logged where the command could choose among keys or wait.

use std::ops::Range;

use super::super::blocking::{Nothing, Serving, Wait};
use super::super::call::{Call, is};
use super::super::error::CommandError;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::{SORTED_SET, Shape, note_removal};
use crate::resp::{Protocol, Reply};
use crate::store::{Db, Key, Slot};
use crate::types::zset::Zset;
use crate::util::number::parse_i64;

/// The commands that pop.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zpopmin",
        since: "5.0.0",
        complexity: "O(log(N)*M)",
        arity: -2,
        handler: zpopmin,
        summary: "Removes the members with the lowest scores from a sorted set and returns them.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key"), Arg::integer("count").optional()],
        ..SORTED_SET
    },
    Command {
        name: "zpopmax",
        since: "5.0.0",
        complexity: "O(log(N)*M)",
        arity: -2,
        handler: zpopmax,
        summary: "Removes the members with the highest scores from a sorted set and returns them.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key"), Arg::integer("count").optional()],
        ..SORTED_SET
    },
    Command {
        name: "zmpop",
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N))",
        arity: -4,
        handler: zmpop,
        summary: "Pops members from the first of several sorted sets that has any.",
        flags: WRITE,
        keys: &[KeySpec::counted(1, RW | ACCESS | DELETE)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::oneof("where", &[Arg::flag("min", "MIN"), Arg::flag("max", "MAX")]),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "bzpopmin",
        since: "5.0.0",
        complexity: "O(log(N))",
        arity: -3,
        handler: bzpopmin,
        summary: "Pops the member with the lowest score from the first of several sorted sets that has any, or waits for one.",
        flags: WRITE | FAST | BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key").multiple(), Arg::double("timeout")],
        ..SORTED_SET
    },
    Command {
        name: "bzpopmax",
        since: "5.0.0",
        complexity: "O(log(N))",
        arity: -3,
        handler: bzpopmax,
        summary: "Pops the member with the highest score from the first of several sorted sets that has any, or waits for one.",
        flags: WRITE | FAST | BLOCKING,
        keys: &[KeySpec::range(1, -2, 1, RW | ACCESS | DELETE)],
        args: &[Arg::key("key").multiple(), Arg::double("timeout")],
        ..SORTED_SET
    },
    Command {
        name: "bzmpop",
        since: "7.0.0",
        complexity: "O(K) + O(M*log(N))",
        arity: -5,
        handler: bzmpop,
        summary: "Pops members from the first of several sorted sets that has any, or waits for some.",
        flags: WRITE | BLOCKING,
        keys: &[KeySpec::counted(2, RW | ACCESS | DELETE)],
        args: &[
            Arg::double("timeout"),
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::oneof("where", &[Arg::flag("min", "MIN"), Arg::flag("max", "MAX")]),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..SORTED_SET
    },
];

/// Which end of the set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Min,
    Max,
}

/// What the reply names.
#[derive(Clone, Copy)]
enum Naming {
    /// The elements only.
    Elements(Shape),
    /// The key, a member and its score.
    KeyAndElement,
    /// The key, and an array of elements.
    KeyAndElements,
}

impl Naming {
    fn begin(self, reply: &mut Reply<'_>, key: &[u8], count: usize) -> Shape {
        match self {
            Naming::Elements(shape) => {
                shape.begin(reply, count);
                shape
            }
            Naming::KeyAndElement => {
                reply.array(1 + 2 * count);
                reply.bulk(key);
                Shape::Flat
            }
            Naming::KeyAndElements => {
                reply.array(2);
                reply.bulk(key);
                Shape::Nested.begin(reply, count);
                Shape::Nested
            }
        }
    }
}

/// What is popped, and how it is replied.
#[derive(Clone, Copy)]
struct Pop {
    end: End,
    count: usize,
    naming: Naming,
}

impl Pop {
    /// Pops from the set in `slot` at least one element, and replies with them. How many is the result.
    fn take(self, db: &mut Db<'_>, reply: &mut Reply<'_>, key: &Key<'_>, slot: Slot) -> usize {
        let edited = db.edit(key, slot, |zset: &mut Zset| {
            let len = zset.len();
            let count = self.count.min(len);
            let shape = self.naming.begin(reply, key.bytes, count);
            let ranks = match self.end {
                End::Min => 0..count,
                End::Max => len - count..len,
            };
            let elements = zset.iter(ranks.clone());
            match self.end {
                End::Min => elements.for_each(|(member, score)| shape.element(reply, member, score)),
                End::Max => elements.rev().for_each(|(member, score)| shape.element(reply, member, score)),
            }
            zset.remove_ranks(ranks);
            (count, count as u64)
        });
        if !edited.is_gone {
            db.clear_later(key, slot);
        }
        let event = if self.end == End::Min { "zpopmin" } else { "zpopmax" };
        note_removal(db, key, edited.result as u64, edited.is_gone, event);
        edited.result
    }

    /// As [`Pop::take`] for a command that could have popped from another key, or not at all: it is logged as what it did.
    /// False: the key has no sorted set.
    fn serve(self, db: &mut Db<'_>, reply: &mut Reply<'_>, key: &Key<'_>) -> Result<bool, CommandError> {
        let Some(slot) = db.find_typed::<Zset>(key)? else { return Ok(false) };
        let count = self.take(db, reply, key, slot);
        let name: &[u8] = if self.end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" };
        db.log_as(&[name, key.bytes, itoa::Buffer::new().format(count).as_bytes()]);
        Ok(true)
    }
}

fn zpopmin(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Min)
}

fn zpopmax(call: &mut Call<'_>) -> CommandResult {
    pop(call, End::Max)
}

fn pop(call: &mut Call<'_>, end: End) -> CommandResult {
    let count = match call.argv.len() {
        2 => None,
        3 => {
            let count = parse_i64(call.arg(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::NOT_POSITIVE)?)
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let is_nested = count.is_some() && call.reply.protocol() == Protocol::Resp3;
    let shape = if is_nested { Shape::Nested } else { Shape::Flat };
    let key = call.key(1);
    let slot = call.db.find_typed::<Zset>(&key)?;
    match (slot, count.unwrap_or(1)) {
        (Some(slot), count @ 1..) => {
            let pop = Pop { end, count, naming: Naming::Elements(shape) };
            pop.take(&mut call.db, &mut call.reply, &key, slot);
        }
        _ => call.reply.array(0),
    }
    Ok(())
}

/// `numkeys key … MIN|MAX [COUNT count]` from argument `numkeys` on: which arguments are keys, and what is popped.
fn several(call: &Call<'_>, numkeys: usize) -> Result<(Range<usize>, Pop), CommandError> {
    let positive = |word| parse_i64(word).filter(|&number| number > 0);
    let count = positive(call.arg(numkeys)).ok_or(CommandError::NUMKEYS_POSITIVE)?;
    let keys = usize::try_from(count).ok().filter(|&count| count < call.argv.len() - numkeys - 1);
    let first = numkeys + 1;
    let keys = first..first + keys.ok_or(CommandError::SYNTAX)?;
    let end = match call.arg(keys.end) {
        word if is(word, "MIN") => End::Min,
        word if is(word, "MAX") => End::Max,
        _ => return Err(CommandError::SYNTAX),
    };
    let mut count = None;
    let mut words = call.words(keys.end + 1);
    while let Some(word) = words.next() {
        if count.is_some() || !is(word, "COUNT") {
            return Err(CommandError::SYNTAX);
        }
        count = Some(positive(words.value()?).ok_or(CommandError::COUNT_POSITIVE)?);
    }
    let count = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
    Ok((keys, Pop { end, count, naming: Naming::KeyAndElements }))
}

fn zmpop(call: &mut Call<'_>) -> CommandResult {
    let (keys, pop) = several(call, 1)?;
    for position in keys {
        let key = call.key(position);
        if pop.serve(&mut call.db, &mut call.reply, &key)? {
            return Ok(());
        }
    }
    call.reply.null_array();
    Ok(())
}

fn bzpopmin(call: &mut Call<'_>) -> CommandResult {
    let keys = 1..call.argv.len() - 1;
    await_pop(call, keys.clone(), keys.end, Pop { end: End::Min, count: 1, naming: Naming::KeyAndElement })
}

fn bzpopmax(call: &mut Call<'_>) -> CommandResult {
    let keys = 1..call.argv.len() - 1;
    await_pop(call, keys.clone(), keys.end, Pop { end: End::Max, count: 1, naming: Naming::KeyAndElement })
}

fn bzmpop(call: &mut Call<'_>) -> CommandResult {
    let (keys, pop) = several(call, 2)?;
    await_pop(call, keys, 1, pop)
}

fn await_pop(call: &mut Call<'_>, keys: Range<usize>, timeout: usize, pop: Pop) -> CommandResult {
    let timeout_ms = call.timeout_ms(timeout)?;
    let serve = move |serving: &mut Serving<'_, '_, '_>| pop.serve(serving.db, serving.reply, &serving.key);
    let (nothing, also) = (Nothing::NullArray, None);
    call.block_on(Wait { keys, timeout_ms, nothing, also, serve: Box::new(serve) })
}
