//! Ranges of sorted sets: ZRANGE, what came before it, counting, and ZQUERY.
//!
//! ZRANGE has all of it as options; the older commands are ZRANGE with some of them fixed.

use std::ops::Range;

use super::super::call::{Call, is};
use super::super::error::CommandError;
use super::super::limits;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::{SORTED_SET, Shape, store};
use crate::resp::Reply;
use crate::types::zset::Zset;
use crate::types::zset::range::{LexRange, ScoreRange, index_ranks, limit_ranks};
use crate::util::double;
use crate::util::number::parse_i64;

/// The commands about ranges.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zrange",
        since: "1.2.0",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrange,
        summary: "Returns a range of a sorted set by ranks, scores or members.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[
            Arg::key("key"),
            Arg::string("start"),
            Arg::string("stop"),
            Arg::oneof("sortby", &[Arg::flag("byscore", "BYSCORE"), Arg::flag("bylex", "BYLEX")])
                .optional()
                .since("6.2.0"),
            Arg::flag("rev", "REV").optional().since("6.2.0"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")])
                .token("LIMIT")
                .optional()
                .since("6.2.0"),
            Arg::flag("withscores", "WITHSCORES").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrangestore",
        since: "6.2.0",
        complexity: "O(log(N)+M)",
        arity: -5,
        handler: zrangestore,
        summary: "Stores a range of a sorted set as a sorted set.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::at(2, RO | ACCESS)],
        args: &[
            Arg::key("dst"),
            Arg::key_of("src", 1),
            Arg::string("min"),
            Arg::string("max"),
            Arg::oneof("sortby", &[Arg::flag("byscore", "BYSCORE"), Arg::flag("bylex", "BYLEX")]).optional(),
            Arg::flag("rev", "REV").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrevrange",
        since: "1.2.0",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrevrange,
        summary: "Returns a range of ranks of a sorted set, from the highest score.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`ZRANGE` with the `REV` argument",
        args: &[
            Arg::key("key"),
            Arg::integer("start"),
            Arg::integer("stop"),
            Arg::flag("withscores", "WITHSCORES").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrangebyscore",
        since: "1.0.5",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrangebyscore,
        summary: "Returns the members of a sorted set whose scores are in a range.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`ZRANGE` with the `BYSCORE` argument",
        args: &[
            Arg::key("key"),
            Arg::double("min"),
            Arg::double("max"),
            Arg::flag("withscores", "WITHSCORES").optional().since("2.0.0"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebyscore",
        since: "2.2.0",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrevrangebyscore,
        summary: "Returns the members of a sorted set whose scores are in a range, from the highest.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments",
        args: &[
            Arg::key("key"),
            Arg::double("max"),
            Arg::double("min"),
            Arg::flag("withscores", "WITHSCORES").optional(),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrangebylex",
        since: "2.8.9",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrangebylex,
        summary: "Returns the members of a sorted set between two members in their order.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`ZRANGE` with the `BYLEX` argument",
        args: &[
            Arg::key("key"),
            Arg::string("min"),
            Arg::string("max"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zrevrangebylex",
        since: "2.8.9",
        complexity: "O(log(N)+M)",
        arity: -4,
        handler: zrevrangebylex,
        summary: "Returns the members of a sorted set between two members in their order, from the last.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`ZRANGE` with the `REV` and `BYLEX` arguments",
        args: &[
            Arg::key("key"),
            Arg::string("max"),
            Arg::string("min"),
            Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zcount",
        since: "2.0.0",
        complexity: "O(log(N))",
        arity: 4,
        handler: zcount,
        summary: "Counts the members of a sorted set whose scores are in a range.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::double("min"), Arg::double("max")],
        ..SORTED_SET
    },
    Command {
        name: "zlexcount",
        since: "2.8.9",
        complexity: "O(log(N))",
        arity: 4,
        handler: zlexcount,
        summary: "Counts the members of a sorted set between two members in their order.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("min"), Arg::string("max")],
        ..SORTED_SET
    },
    Command {
        name: "zquery",
        since: "7.4.0",
        complexity: "O(log(N)+M)",
        arity: 6,
        handler: zquery,
        summary: "Returns the elements of a sorted set from a score and member on, or from a number of elements after them.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[
            Arg::key("key"),
            Arg::double("score"),
            Arg::string("member"),
            Arg::integer("offset"),
            Arg::integer("limit"),
        ],
        ..SORTED_SET
    },
];

/// What a range is given by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rank,
    Score,
    Lex,
}

/// A range of elements, from the lower end to the higher one.
#[derive(Clone, Copy)]
pub(super) enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(LexRange<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads both ends.
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        match by {
            By::Rank => match (parse_i64(min), parse_i64(max)) {
                (Some(start), Some(stop)) => Ok(Bounds::Ranks(start, stop)),
                _ => Err(CommandError::NOT_INTEGER),
            },
            By::Score => ScoreRange::parse(min, max).map(Bounds::Scores).ok_or(CommandError::SCORE_RANGE),
            By::Lex => LexRange::parse(min, max).map(Bounds::Members).ok_or(CommandError::LEX_RANGE),
        }
    }

    /// The ranks of its elements. If `reverse`, rank 0 of a range of ranks is the highest element.
    pub(super) fn ranks(&self, zset: &Zset, reverse: bool) -> Range<usize> {
        match self {
            Bounds::Ranks(start, stop) => index_ranks(*start, *stop, reverse, zset.len()),
            Bounds::Scores(range) => zset.score_ranks(range),
            Bounds::Members(range) => zset.lex_ranks(range),
        }
    }
}

/// A command that reads a range.
#[derive(Clone, Copy)]
struct Form {
    /// The argument that is the key; the ends come after it.
    key: usize,
    /// What the range is given by; `None`: the options say.
    by: Option<By>,
    /// Is the highest element the first? `None`: the options say.
    reverse: Option<bool>,
    /// Is the result stored in argument 1?
    is_stored: bool,
}

/// A range that was asked for.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

impl Query<'_> {
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let ranks = self.bounds.ranks(zset, self.reverse);
        match (self.limit, self.bounds) {
            (Some((offset, count)), Bounds::Scores(_) | Bounds::Members(_)) => {
                limit_ranks(ranks, offset, count, self.reverse)
            }
            _ => ranks,
        }
    }
}

impl Form {
    fn parse<'a>(self, call: &Call<'a>) -> Result<Query<'a>, CommandError> {
        let (mut by, mut reverse, mut limit, mut with_scores) = (self.by, self.reverse, None, false);
        let mut words = call.words(self.key + 3);
        while let Some(word) = words.next() {
            match () {
                () if !self.is_stored && is(word, "WITHSCORES") => with_scores = true,
                () if is(word, "LIMIT") && words.left() >= 2 => limit = Some((words.int()?, words.int()?)),
                () if reverse.is_none() && is(word, "REV") => reverse = Some(true),
                () if by.is_none() && is(word, "BYLEX") => by = Some(By::Lex),
                () if by.is_none() && is(word, "BYSCORE") => by = Some(By::Score),
                () => return Err(CommandError::SYNTAX),
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if by == By::Rank && limit.is_some_and(|(_, count)| count != -1) {
            return Err(CommandError::LIMIT_BY_RANK);
        }
        if by == By::Lex && with_scores {
            return Err(CommandError::WITHSCORES_BY_LEX);
        }
        let (first, second) = (call.arg(self.key + 1), call.arg(self.key + 2));
        let (min, max) = if reverse && by != By::Rank { (second, first) } else { (first, second) };
        Ok(Query { bounds: Bounds::parse(by, min, max)?, reverse, limit, with_scores })
    }
}

fn zrange(call: &mut Call<'_>) -> CommandResult {
    read(call, None, None)
}

fn zrevrange(call: &mut Call<'_>) -> CommandResult {
    read(call, Some(By::Rank), Some(true))
}

fn zrangebyscore(call: &mut Call<'_>) -> CommandResult {
    read(call, Some(By::Score), Some(false))
}

fn zrevrangebyscore(call: &mut Call<'_>) -> CommandResult {
    read(call, Some(By::Score), Some(true))
}

fn zrangebylex(call: &mut Call<'_>) -> CommandResult {
    read(call, Some(By::Lex), Some(false))
}

fn zrevrangebylex(call: &mut Call<'_>) -> CommandResult {
    read(call, Some(By::Lex), Some(true))
}

fn read(call: &mut Call<'_>, by: Option<By>, reverse: Option<bool>) -> CommandResult {
    let query = Form { key: 1, by, reverse, is_stored: false }.parse(call)?;
    let key = call.key(1);
    let Some(zset) = call.db.read_typed::<Zset>(&key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let shape = Shape::of(query.with_scores, call.reply.protocol());
    reply_elements(&mut call.reply, shape, zset, query.ranks(zset), query.reverse);
    Ok(())
}

fn reply_elements(reply: &mut Reply<'_>, shape: Shape, zset: &Zset, ranks: Range<usize>, reverse: bool) {
    shape.begin(reply, ranks.len());
    let elements = zset.iter(ranks);
    if reverse {
        elements.rev().for_each(|(member, score)| shape.element(reply, member, score));
    } else {
        elements.for_each(|(member, score)| shape.element(reply, member, score));
    }
}

fn zrangestore(call: &mut Call<'_>) -> CommandResult {
    let query = Form { key: 2, by: None, reverse: None, is_stored: true }.parse(call)?;
    let (destination, source) = (call.key(1), call.key(2));
    let limits = limits::zset(call.config, &call.db);
    let zset = call.db.read_typed::<Zset>(&source)?;
    let part = zset.map_or_else(Zset::new, |zset| zset.part(query.ranks(zset), &limits));
    store(call, &destination, part, "zrangestore");
    Ok(())
}

fn zcount(call: &mut Call<'_>) -> CommandResult {
    count(call, By::Score)
}

fn zlexcount(call: &mut Call<'_>) -> CommandResult {
    count(call, By::Lex)
}

fn count(call: &mut Call<'_>, by: By) -> CommandResult {
    let bounds = Bounds::parse(by, call.arg(2), call.arg(3))?;
    let key = call.key(1);
    let zset = call.db.read_typed::<Zset>(&key)?;
    call.reply.integer(zset.map_or(0, |zset| bounds.ranks(zset, false).len()) as i64);
    Ok(())
}

fn zquery(call: &mut Call<'_>) -> CommandResult {
    let score = double::parse(call.arg(2)).ok_or(CommandError::NOT_FLOAT)?;
    let (key, member, offset, limit) = (call.key(1), call.arg(3), call.int(4)?, call.int(5)?);
    let Some(zset) = call.db.read_typed::<Zset>(&key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let ranks = limit_ranks(zset.seek(score, member)..zset.len(), offset, limit, false);
    reply_elements(&mut call.reply, Shape::Flat, zset, ranks, false);
    Ok(())
}
