//! Elements of sorted sets by chance, and all of them little by little.

use super::super::call::{Call, is};
use super::super::elements::{DRAWN_MAX, ScanOptions, bulk, cursor, draw_count, reply_empty_scan};
use super::super::error::CommandError;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::{SORTED_SET, Shape};
use crate::resp::Reply;
use crate::types::zset::{Encoding, Zset};
use crate::util::double::DoubleText;
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
    let count = draw_count(call, 2)?;
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
    if wanted > DRAWN_MAX {
        return Err(CommandError::OUT_OF_RANGE);
    }
    shape.begin(reply, wanted as usize);
    for _ in 0..wanted {
        let (member, score) = zset.random(random).expect("no key has an empty sorted set");
        shape.element(reply, member, score);
    }
    Ok(())
}

fn zscan(call: &mut Call<'_>) -> CommandResult {
    let (cursor, key) = (cursor(call)?, call.key(1));
    let Some(slot) = call.db.read(&key) else {
        reply_empty_scan(&mut call.reply);
        return Ok(());
    };
    let zset = call.db.typed::<Zset>(slot)?;
    let options = ScanOptions::read(call, false)?;
    let is_tree = zset.encoding() == Encoding::Skiplist;
    let reply = &mut call.reply;
    let (scan, mut shown) = (reply.begin(), 0);
    let next = zset.scan(cursor, options.count, |member, score| {
        if options.selects(member) {
            bulk(reply, member);
            let score = if is_tree { DoubleText::general(score) } else { DoubleText::new(score) };
            reply.bulk(score.as_bytes());
            shown += 2;
        }
    });
    reply.end_scan(scan, next, shown);
    Ok(())
}
