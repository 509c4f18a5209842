//! Elements of sorted sets by chance, and all of them little by little.

use super::super::call::{Call, is};
use super::super::error::CommandError;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::{SORTED_SET, Shape, bulk};
use crate::resp::Reply;
use crate::types::listpack::Element;
use crate::types::zset::{Encoding, Zset};
use crate::util::double::DoubleText;
use crate::util::glob::{self, Case};
use crate::util::number::parse_u64;
use crate::util::random::Random;

/// The commands that draw and scan.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zrandmember",
        since: "6.2.0",
        complexity: "O(N)",
        arity: -2,
        handler: zrandmember,
        summary: "Returns members of a sorted set, drawn by chance.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::block("options", &[Arg::integer("count"), Arg::flag("withscores", "WITHSCORES").optional()])
                .optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zscan",
        since: "2.8.0",
        arity: -3,
        handler: zscan,
        summary: "Goes through the members of a sorted set with their scores, some with every call.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::integer("cursor"),
            Arg::pattern("pattern").token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
            Arg::flag("noscores", "NOSCORES").optional(),
        ],
        ..SORTED_SET
    },
];
/// Elements that a call of ZSCAN looks at when it is not told.
const DEFAULT_COUNT: usize = 10;

/// Elements that ZRANDMEMBER repeats at most: there is no other bound of what a negative count asks for.
const REPEATED_MAX: u64 = 1 << 27;

fn zrandmember(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    if call.argv.len() == 2 {
        let zset = call.db.read_typed::<Zset>(&key)?;
        match zset.and_then(|zset| zset.random(call.random)) {
            Some((member, _)) => bulk(&mut call.reply, member),
            None => call.reply.null(),
        }
        return Ok(());
    }
    let count = call.int(2)?;
    if count == i64::MIN {
        return Err(CommandError::OUT_OF_LONG_RANGE);
    }
    let with_scores = match call.argv.len() {
        3 => false,
        4 if is(call.arg(3), "WITHSCORES") => true,
        _ => return Err(CommandError::SYNTAX),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::OUT_OF_RANGE);
    }
    let shape = Shape::of(with_scores, call.reply.protocol());
    match call.db.read_typed::<Zset>(&key)? {
        Some(zset) if count != 0 => reply_drawn(&mut call.reply, shape, zset, count, call.random),
        _ => {
            call.reply.array(0);
            Ok(())
        }
    }
}

/// Replies with `count` different elements, or, if it is negative, with so many of which some may be the same.
fn reply_drawn(
    reply: &mut Reply<'_>,
    shape: Shape,
    zset: &Zset,
    count: i64,
    random: &mut Random,
) -> CommandResult {
    let wanted = count.unsigned_abs();
    if count > 0 {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(zset.len());
        shape.begin(reply, wanted);
        let drawn = zset.sample(wanted, random);
        drawn.into_iter().for_each(|(member, score)| shape.element(reply, member, score));
        return Ok(());
    }
    if wanted > REPEATED_MAX {
        return Err(CommandError::OUT_OF_RANGE);
    }
    shape.begin(reply, wanted as usize);
    for _ in 0..wanted {
        let (member, score) = zset.random(random).expect("no key has an empty sorted set");
        shape.element(reply, member, score);
    }
    Ok(())
}

/// The options of ZSCAN.
struct ScanOptions<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    fn parse(call: &Call<'a>) -> Result<Self, CommandError> {
        let mut options = ScanOptions { count: DEFAULT_COUNT, pattern: None };
        let mut words = call.words(3);
        while let Some(word) = words.next() {
            match () {
                () if is(word, "COUNT") && words.left() > 0 => {
                    let count = words.int()?;
                    let count = usize::try_from(count).ok().filter(|&count| count > 0);
                    options.count = count.ok_or(CommandError::SYNTAX)?;
                }
                () if is(word, "MATCH") && words.left() > 0 => {
                    options.pattern = Some(words.value()?).filter(|pattern| *pattern != b"*");
                }
                () if is(word, "NOVALUES") => return Err(CommandError::NOVALUES_IN_SCAN),
                () => return Err(CommandError::SYNTAX),
            }
        }
        Ok(options)
    }
}

fn zscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_u64(call.arg(2)).ok_or(CommandError::INVALID_CURSOR)?;
    let (key, options) = (call.key(1), ScanOptions::parse(call));
    let scan = call.reply.begin();
    let Some(zset) = call.db.read_typed::<Zset>(&key)? else {
        call.reply.end_scan(scan, 0, 0);
        return Ok(());
    };
    let ScanOptions { count, pattern } = options?;
    let (reply, is_tree) = (&mut call.reply, zset.encoding() == Encoding::Skiplist);
    let (mut shown, mut buffer) = (0, itoa::Buffer::new());
    let next = zset.scan(cursor, count, |member: Element<'_>, score| {
        let text = member.text(&mut buffer);
        if pattern.is_some_and(|pattern| !glob::matches(pattern, text, Case::Sensitive)) {
            return;
        }
        reply.bulk(text);
        let score = if is_tree { DoubleText::general(score) } else { DoubleText::new(score) };
        reply.bulk(score.as_bytes());
        shown += 2;
    });
    reply.end_scan(scan, next, shown);
    Ok(())
}
