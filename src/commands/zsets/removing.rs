//! Removing ranges of sorted sets.

use super::super::call::Call;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::ranges::{Bounds, By};
use super::{SORTED_SET, note_removal};
use crate::types::zset::Zset;

/// The commands that remove ranges.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zremrangebyrank",
        since: "2.0.0",
        complexity: "O(log(N)+M)",
        arity: 4,
        handler: zremrangebyrank,
        summary: "Removes a range of ranks from a sorted set.",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
        ..SORTED_SET
    },
    Command {
        name: "zremrangebyscore",
        since: "1.2.0",
        complexity: "O(log(N)+M)",
        arity: 4,
        handler: zremrangebyscore,
        summary: "Removes the members of a sorted set whose scores are in a range.",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::double("min"), Arg::double("max")],
        ..SORTED_SET
    },
    Command {
        name: "zremrangebylex",
        since: "2.8.9",
        complexity: "O(log(N)+M)",
        arity: 4,
        handler: zremrangebylex,
        summary: "Removes the members of a sorted set between two members in their order.",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("min"), Arg::string("max")],
        ..SORTED_SET
    },
];

fn zremrangebyrank(call: &mut Call<'_>) -> CommandResult {
    remove(call, By::Rank, "zremrangebyrank")
}

fn zremrangebyscore(call: &mut Call<'_>) -> CommandResult {
    remove(call, By::Score, "zremrangebyscore")
}

fn zremrangebylex(call: &mut Call<'_>) -> CommandResult {
    remove(call, By::Lex, "zremrangebylex")
}

fn remove(call: &mut Call<'_>, by: By, event: &'static str) -> CommandResult {
    let bounds = Bounds::parse(by, call.arg(2), call.arg(3))?;
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<Zset>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let edited = call.db.edit(&key, slot, |zset: &mut Zset| {
        let ranks = bounds.ranks(zset, false);
        let removed = ranks.len() as u64;
        zset.remove_ranks(ranks);
        (removed, removed)
    });
    if !edited.is_gone {
        call.db.clear_later(&key, slot);
    }
    note_removal(&mut call.db, &key, edited.result, edited.is_gone, event);
    call.reply.integer(edited.result as i64);
    Ok(())
}
