//! Sets with one another: union, intersection, difference, and what is stored of them.
//!
//! All keys are looked up before anything else is done, so that one of another type is an error whatever the result would be.

use super::call::{Call, is};
use super::elements::bulk;
use super::error::CommandError;
use super::limits;
use super::sets::SET;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::{Db, Slot};
use crate::types::listpack::Element;
use crate::types::set::{Limits, Set, algebra};
use crate::util::number::parse_i64;

/// A command that lists the result.
const LISTS: Command = Command {
    since: "1.0.0",
    arity: -2,
    flags: READONLY,
    keys: &[KeySpec::range(1, -1, 1, RO | ACCESS)],
    tips: &["nondeterministic_output_order"],
    args: &[Arg::key("key").multiple()],
    ..SET
};

/// A command that stores it.
const STORES: Command = Command {
    since: "1.0.0",
    arity: -3,
    flags: WRITE | DENYOOM,
    keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::range(2, -1, 1, RO | ACCESS)],
    args: &[Arg::key("destination"), Arg::key_of("key", 1).multiple()],
    ..SET
};

const OF_ALL: &str = "O(N) with N being the number of members of all sets";
const OF_SMALLEST: &str =
    "O(N*M) with N being the number of members of the smallest set and M the number of sets";

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sunion",
        complexity: OF_ALL,
        handler: sunion,
        summary: "Lists the members that any of the sets has.",
        ..LISTS
    },
    Command {
        name: "sinter",
        complexity: OF_SMALLEST,
        handler: sinter,
        summary: "Lists the members that all of the sets have.",
        ..LISTS
    },
    Command {
        name: "sdiff",
        complexity: OF_ALL,
        handler: sdiff,
        summary: "Lists the members of the first set that none of the others has.",
        ..LISTS
    },
    Command {
        name: "sunionstore",
        complexity: OF_ALL,
        handler: sunionstore,
        summary: "Stores the members that any of the sets has.",
        ..STORES
    },
    Command {
        name: "sinterstore",
        complexity: OF_SMALLEST,
        handler: sinterstore,
        summary: "Stores the members that all of the sets have.",
        ..STORES
    },
    Command {
        name: "sdiffstore",
        complexity: OF_ALL,
        handler: sdiffstore,
        summary: "Stores the members of the first set that none of the others has.",
        ..STORES
    },
    Command {
        name: "sintercard",
        since: "7.0.0",
        complexity: OF_SMALLEST,
        arity: -3,
        handler: sintercard,
        summary: "Counts the members that all of the sets have, up to a limit.",
        flags: READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::integer("limit").token("LIMIT").optional(),
        ],
        ..SET
    },
];

/// The sets under the keys from argument `first` up to `end`: a slot for each key, or `None` where there is no key.
fn find_sets(call: &mut Call<'_>, first: usize, end: usize) -> Result<Vec<Option<Slot>>, CommandError> {
    let mut slots = Vec::with_capacity(end - first);
    for position in first..end {
        let key = call.key(position);
        let slot = call.db.read(&key);
        if let Some(slot) = slot {
            call.db.typed::<Set>(slot)?;
        }
        slots.push(slot);
    }
    Ok(slots)
}

/// The sets that there are.
fn sets_of<'d>(db: &'d Db<'_>, slots: &[Option<Slot>]) -> Vec<&'d Set> {
    slots.iter().flatten().filter_map(|&slot| db.typed(slot).ok()).collect()
}

/// Replies with a set whose size is known when it has been written.
fn reply_members<'m>(reply: &mut Reply<'_>, members: impl Iterator<Item = Element<'m>>) {
    let (begun, mut count) = (reply.begin(), 0);
    for member in members {
        bulk(reply, member);
        count += 1;
    }
    reply.end_set(begun, count);
}

fn sunion(call: &mut Call<'_>) -> CommandResult {
    let slots = find_sets(call, 1, call.argv.len())?;
    let members = algebra::union(&sets_of(&call.db, &slots));
    reply_members(&mut call.reply, members);
    Ok(())
}

fn sinter(call: &mut Call<'_>) -> CommandResult {
    let slots = find_sets(call, 1, call.argv.len())?;
    if slots.contains(&None) {
        call.reply.set(0);
        return Ok(());
    }
    let members = algebra::intersection(&sets_of(&call.db, &slots));
    reply_members(&mut call.reply, members);
    Ok(())
}

fn sdiff(call: &mut Call<'_>) -> CommandResult {
    let slots = find_sets(call, 1, call.argv.len())?;
    let Some(first) = slots[0] else {
        call.reply.set(0);
        return Ok(());
    };
    let members = algebra::difference(call.db.typed(first)?, &sets_of(&call.db, &slots[1..]));
    reply_members(&mut call.reply, members);
    Ok(())
}

fn sunionstore(call: &mut Call<'_>) -> CommandResult {
    store(call, "sunionstore", |db, slots, limits| Some(algebra::stored_union(&sets_of(db, slots), limits)))
}

fn sinterstore(call: &mut Call<'_>) -> CommandResult {
    store(call, "sinterstore", |db, slots, limits| {
        (!slots.contains(&None)).then(|| algebra::stored_intersection(&sets_of(db, slots), limits))
    })
}

fn sdiffstore(call: &mut Call<'_>) -> CommandResult {
    store(call, "sdiffstore", |db, slots, limits| {
        let first = db.typed(slots[0]?).ok()?;
        Some(algebra::stored_difference(first, &sets_of(db, &slots[1..]), limits))
    })
}

/// Puts what `combine` makes of the sources under argument 1, whatever was there; nothing deletes it.
fn store(
    call: &mut Call<'_>,
    event: &'static str,
    combine: impl FnOnce(&Db<'_>, &[Option<Slot>], &Limits) -> Option<Set>,
) -> CommandResult {
    let slots = find_sets(call, 2, call.argv.len())?;
    let limits = limits::set(call.config, &call.db);
    let result = combine(&call.db, &slots, &limits).filter(|set| !set.is_empty());
    let destination = call.key(1);
    let count = result.as_ref().map_or(0, Set::len);
    if let Some(set) = result {
        call.db.replace(&destination, set);
        call.db.notify(NotifyFlags::SET, event, destination.bytes);
    } else if let Some(old) = call.db.find(&destination) {
        call.db.remove(&destination, old);
        call.db.notify(NotifyFlags::GENERIC, "del", destination.bytes);
    }
    call.reply.integer(count as i64);
    Ok(())
}

fn sintercard(call: &mut Call<'_>) -> CommandResult {
    let count = parse_i64(call.arg(1)).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|&count| count > 0).ok_or(CommandError::NUMKEYS_POSITIVE)?;
    if count > call.argv.len() - 2 {
        return Err(CommandError::TOO_MANY_KEYS);
    }
    let mut limit = usize::MAX;
    let mut words = call.words(2 + count);
    while let Some(word) = words.next() {
        if !is(word, "LIMIT") {
            return Err(CommandError::SYNTAX);
        }
        let number = parse_i64(words.value()?).and_then(|limit| usize::try_from(limit).ok());
        let number = number.ok_or(CommandError::LIMIT_NEGATIVE)?;
        limit = if number == 0 { usize::MAX } else { number };
    }
    let slots = find_sets(call, 2, 2 + count)?;
    let members = match slots.contains(&None) {
        true => 0,
        false => algebra::intersection(&sets_of(&call.db, &slots)).take(limit).count(),
    };
    call.reply.integer(members as i64);
    Ok(())
}
