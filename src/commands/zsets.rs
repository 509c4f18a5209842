//! Sorted sets: members with scores.
//!
//! * Here are the commands about single members. [`ranges`] reads ranges of ranks, scores or members, [`removing`] removes them,
//!   [`popping`] takes the ends off, [`combining`] makes one set of several, [`sampling`] draws and scans.
//! * ZADD with one element and the reading of a range allocate nothing of their own; keep it so.

use super::call::{Call, is};
use super::elements::bulk;
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::resp::{Protocol, Reply};
use crate::store::{Db, Key};
use crate::types::listpack::Element;
use crate::types::zset::{Added, Flags, Zset};
use crate::util::double;

pub mod combining;
pub mod popping;
pub mod ranges;
pub mod removing;
pub mod sampling;

/// What every command of the group shares.
const SORTED_SET: Command = Command { group: "sorted-set", categories: category::SORTEDSET, ..Command::NONE };

/// The commands about single members.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zadd",
        since: "1.2.0",
        complexity: "O(log(N))",
        arity: -4,
        handler: zadd,
        summary: "Adds members to a sorted set, or changes their scores, on conditions.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[
            Arg::key("key"),
            Arg::oneof("condition", &[Arg::flag("nx", "NX"), Arg::flag("xx", "XX")])
                .optional()
                .since("3.0.2"),
            Arg::oneof("comparison", &[Arg::flag("gt", "GT"), Arg::flag("lt", "LT")])
                .optional()
                .since("6.2.0"),
            Arg::flag("change", "CH").optional().since("3.0.2"),
            Arg::flag("increment", "INCR").optional().since("3.0.2"),
            Arg::block("data", &[Arg::double("score"), Arg::string("member")]).multiple(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zincrby",
        since: "1.2.0",
        complexity: "O(log(N))",
        arity: 4,
        handler: zincrby,
        summary: "Adds to the score of a member of a sorted set; a missing one counts as 0.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("increment"), Arg::string("member")],
        ..SORTED_SET
    },
    Command {
        name: "zrem",
        since: "1.2.0",
        complexity: "O(M*log(N))",
        arity: -3,
        handler: zrem,
        summary: "Removes members from a sorted set.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("member").multiple()],
        ..SORTED_SET
    },
    Command {
        name: "zscore",
        since: "1.2.0",
        arity: 3,
        handler: zscore,
        summary: "Tells the score of a member of a sorted set.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member")],
        ..SORTED_SET
    },
    Command {
        name: "zmscore",
        since: "6.2.0",
        complexity: "O(N)",
        arity: -3,
        handler: zmscore,
        summary: "Tells the scores of several members of a sorted set.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member").multiple()],
        ..SORTED_SET
    },
    Command {
        name: "zcard",
        since: "1.2.0",
        arity: 2,
        handler: zcard,
        summary: "Counts the members of a sorted set.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..SORTED_SET
    },
    Command {
        name: "zrank",
        since: "2.0.0",
        complexity: "O(log(N))",
        arity: -3,
        handler: zrank,
        summary: "Tells the rank of a member of a sorted set, from the lowest score.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member"), Arg::flag("withscore", "WITHSCORE").optional()],
        ..SORTED_SET
    },
    Command {
        name: "zrevrank",
        since: "2.0.0",
        complexity: "O(log(N))",
        arity: -3,
        handler: zrevrank,
        summary: "Tells the rank of a member of a sorted set, from the highest score.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member"), Arg::flag("withscore", "WITHSCORE").optional()],
        ..SORTED_SET
    },
];

/// How elements stand in a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Without scores.
    Members,
    /// Members and scores in turn.
    Flat,
    /// An array of two for each.
    Nested,
}

impl Shape {
    /// That of WITHSCORES, which depends on the protocol, and that without it.
    fn of(with_scores: bool, protocol: Protocol) -> Self {
        match (with_scores, protocol) {
            (false, _) => Shape::Members,
            (true, Protocol::Resp2) => Shape::Flat,
            (true, Protocol::Resp3) => Shape::Nested,
        }
    }

    /// The head of an array of `count` elements.
    fn begin(self, reply: &mut Reply<'_>, count: usize) {
        reply.array(if self == Shape::Flat { 2 * count } else { count });
    }

    fn element(self, reply: &mut Reply<'_>, member: Element<'_>, score: f64) {
        if self == Shape::Nested {
            reply.array(2);
        }
        bulk(reply, member);
        if self != Shape::Members {
            reply.double(score);
        }
    }
}

/// Replies with a score, or a null for a member that is not there.
fn reply_score(reply: &mut Reply<'_>, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

/// Puts a result under `key`, whatever was there, notes the event, and replies with the number of its elements.
pub(super) fn store(call: &mut Call<'_>, key: &Key<'_>, result: Zset, event: &'static str) {
    let count = result.len();
    if count == 0 && call.db.find(key).is_none() {
        return call.reply.integer(0);
    }
    if call.db.replace(key, result) {
        call.db.notify(NotifyFlags::ZSET, event, key.bytes);
    } else {
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
    call.reply.integer(count as i64);
}

/// Notes that elements were removed, and that the key is gone if none is left.
fn note_removal(db: &mut Db<'_>, key: &Key<'_>, removed: u64, is_gone: bool, event: &'static str) {
    if removed > 0 {
        db.notify(NotifyFlags::ZSET, event, key.bytes);
    }
    if is_gone {
        db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
}

/// Scores of one call that are kept without an allocation.
const FEW: usize = 16;

fn zadd(call: &mut Call<'_>) -> CommandResult {
    add(call, Flags::default())
}

/// ZADD INCR, whose options Redis takes here too.
fn zincrby(call: &mut Call<'_>) -> CommandResult {
    add(call, Flags { incr: true, ..Flags::default() })
}

fn add(call: &mut Call<'_>, mut flags: Flags) -> CommandResult {
    let (mut first, mut counts_changes) = (2, false);
    while let Some(word) = call.argv.try_get(first) {
        match () {
            () if is(word, "NX") => flags.nx = true,
            () if is(word, "XX") => flags.xx = true,
            () if is(word, "GT") => flags.gt = true,
            () if is(word, "LT") => flags.lt = true,
            () if is(word, "CH") => counts_changes = true,
            () if is(word, "INCR") => flags.incr = true,
            () => break,
        }
        first += 1;
    }
    let words = call.argv.len() - first;
    if words == 0 || !words.is_multiple_of(2) {
        return Err(CommandError::SYNTAX);
    }
    let count = words / 2;
    check(flags, count)?;
    let mut few = [0.0; FEW];
    let mut many = Vec::new();
    let scores = if count <= FEW {
        &mut few[..count]
    } else {
        many.resize(count, 0.0);
        &mut many[..]
    };
    for (index, score) in scores.iter_mut().enumerate() {
        *score = double::parse(call.arg(first + 2 * index)).ok_or(CommandError::NOT_FLOAT)?;
    }
    let argv = call.argv;
    let elements = scores.iter().enumerate().map(|(index, &score)| (score, argv.get(first + 2 * index + 1)));
    let done = add_elements(call, elements, flags)?;
    match (flags.incr, done) {
        (true, done) => reply_score(&mut call.reply, done.score),
        (false, Done { added, changed, .. }) => {
            call.reply.integer((if counts_changes { added + changed } else { added }) as i64);
        }
    }
    Ok(())
}

/// The options that exclude one another.
fn check(flags: Flags, count: usize) -> Result<(), CommandError> {
    if flags.nx && flags.xx {
        return Err(CommandError::ZADD_NX_AND_XX);
    }
    if flags.gt && flags.lt || flags.nx && (flags.gt || flags.lt) {
        return Err(CommandError::ZADD_GT_LT_NX);
    }
    if flags.incr && count > 1 {
        return Err(CommandError::ZADD_INCR_PAIR);
    }
    Ok(())
}

/// What adding elements did.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    /// Members that are new.
    pub added: u64,
    /// Members that have another score.
    pub changed: u64,
    /// The score of the last member, unless a condition did not hold.
    score: Option<f64>,
}

/// Adds elements to the sorted set in argument 1. With INCR there is one.
pub(super) fn add_elements<'e>(
    call: &mut Call<'_>,
    elements: impl ExactSizeIterator<Item = (f64, &'e [u8])> + Clone,
    flags: Flags,
) -> Result<Done, CommandError> {
    let key = call.key(1);
    let slot = call.db.find_typed::<Zset>(&key)?;
    if slot.is_none() && flags.xx {
        return Ok(Done::default());
    }
    let limits = limits::zset(call.config, &call.db);
    let count = elements.len();
    let first = elements.clone().next().map_or(&b""[..], |(_, member)| member);
    let new = || Zset::for_members(first, count, &limits);
    let result = call.db.edit_or_create(&key, slot, new, |zset| {
        zset.prepare(count, &limits);
        let mut done = Done::default();
        for (score, member) in elements {
            match zset.add(member, score, flags, &limits) {
                Ok(result) => {
                    done.added += u64::from(matches!(result, Added::New(_)));
                    done.changed += u64::from(matches!(result, Added::Changed(_)));
                    done.score = result.score();
                }
                Err(error) => return (Err(error), done.added + done.changed),
            }
        }
        (Ok(done), done.added + done.changed)
    });
    let done = result?;
    if done.added + done.changed > 0 {
        call.db.notify(NotifyFlags::ZSET, if flags.incr { "zincr" } else { "zadd" }, key.bytes);
    }
    Ok(done)
}

fn zrem(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<Zset>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let members = call.argv.iter().skip(2);
    let edited = call.db.edit(&key, slot, |zset: &mut Zset| {
        let removed = members.filter(|member| zset.remove(member).is_some()).count() as u64;
        (removed, removed)
    });
    note_removal(&mut call.db, &key, edited.result, edited.is_gone, "zrem");
    call.reply.integer(edited.result as i64);
    Ok(())
}

fn zscore(call: &mut Call<'_>) -> CommandResult {
    let (key, member) = (call.key(1), call.arg(2));
    let zset = call.db.read_typed::<Zset>(&key)?;
    reply_score(&mut call.reply, zset.and_then(|zset| zset.score(member)));
    Ok(())
}

fn zmscore(call: &mut Call<'_>) -> CommandResult {
    let (key, argv) = (call.key(1), call.argv);
    let zset = call.db.read_typed::<Zset>(&key)?;
    call.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        reply_score(&mut call.reply, zset.and_then(|zset| zset.score(member)));
    }
    Ok(())
}

fn zcard(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let count = call.db.read_typed::<Zset>(&key)?.map_or(0, Zset::len);
    call.reply.integer(count as i64);
    Ok(())
}

fn zrank(call: &mut Call<'_>) -> CommandResult {
    rank(call, false)
}

fn zrevrank(call: &mut Call<'_>) -> CommandResult {
    rank(call, true)
}

fn rank(call: &mut Call<'_>, reverse: bool) -> CommandResult {
    let with_score = match call.argv.len() {
        3 => false,
        4 if is(call.arg(3), "WITHSCORE") => true,
        4 => return Err(CommandError::SYNTAX),
        _ => return Err(CommandError::arity(call.command.name())),
    };
    let (key, member) = (call.key(1), call.arg(2));
    let zset = call.db.read_typed::<Zset>(&key)?;
    match (zset.and_then(|zset| zset.rank(member, reverse)), with_score) {
        (Some((rank, score)), true) => {
            call.reply.array(2);
            call.reply.integer(rank as i64);
            call.reply.double(score);
        }
        (Some((rank, _)), false) => call.reply.integer(rank as i64),
        (None, true) => call.reply.null_array(),
        (None, false) => call.reply.null(),
    }
    Ok(())
}
