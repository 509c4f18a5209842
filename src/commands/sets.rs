//! Sets: one key's members. The operations on several sets are in `set_algebra`.

use super::call::Call;
use super::elements::{self, DRAWN_MAX, ScanOptions, bulk};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::store::Key;
use crate::store::object::Object;
use crate::types::set::{Popped, Set};
use crate::util::number::parse_i64;

/// What all commands of sets have in common.
pub(super) const SET: Command = Command { group: "set", categories: category::SET, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sadd",
        since: "1.0.0",
        complexity: "O(1) for each member, O(N) for N of them",
        arity: -3,
        handler: sadd,
        summary: "Adds members to a set, which is created if there is none.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | INSERT)],
        args: &[Arg::key("key"), Arg::string("member").multiple()],
        ..SET
    },
    Command {
        name: "srem",
        since: "1.0.0",
        complexity: "O(N) with N being the number of members to remove",
        arity: -3,
        handler: srem,
        summary: "Removes members from a set. An empty set is deleted.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("member").multiple()],
        ..SET
    },
    Command {
        name: "smove",
        since: "1.0.0",
        arity: 4,
        handler: smove,
        summary: "Moves a member from one set to another.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, RW | INSERT)],
        args: &[Arg::key("source"), Arg::key_of("destination", 1), Arg::string("member")],
        ..SET
    },
    Command {
        name: "sismember",
        since: "1.0.0",
        arity: 3,
        handler: sismember,
        summary: "Tells whether a set has a member.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key"), Arg::string("member")],
        ..SET
    },
    Command {
        name: "smismember",
        since: "6.2.0",
        complexity: "O(N) with N being the number of members asked about",
        arity: -3,
        handler: smismember,
        summary: "Tells of several members whether a set has them.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member").multiple()],
        ..SET
    },
    Command {
        name: "scard",
        since: "1.0.0",
        arity: 2,
        handler: scard,
        summary: "Counts the members of a set.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..SET
    },
    Command {
        name: "smembers",
        since: "1.0.0",
        complexity: "O(N) with N being the number of members",
        arity: 2,
        handler: smembers,
        summary: "Lists the members of a set.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output_order"],
        args: &[Arg::key("key")],
        ..SET
    },
    Command {
        name: "spop",
        since: "1.0.0",
        complexity: "O(1) without a count, O(N) with N being the count",
        arity: -2,
        handler: spop,
        summary: "Removes members drawn by chance and lists them. An empty set is deleted.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | ACCESS | DELETE)],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key"), Arg::integer("count").optional().since("3.2.0")],
        ..SET
    },
    Command {
        name: "srandmember",
        since: "1.0.0",
        complexity: "O(1) without a count, O(N) with N being the count",
        arity: -2,
        handler: srandmember,
        summary: "Lists members drawn by chance; a negative count may draw one several times.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key"), Arg::integer("count").optional().since("2.6.0")],
        ..SET
    },
    Command {
        name: "sscan",
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for a whole iteration, N being the number of members",
        arity: -3,
        handler: sscan,
        summary: "Lists some members of a set and a cursor to go on from.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::integer("cursor"),
            Arg::pattern("pattern").token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
        ],
        ..SET
    },
];

/// Notes that a set has lost its last member.
fn notify_gone(call: &mut Call<'_>, key: &Key<'_>) {
    call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
}

fn sadd(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find_typed::<Set>(&key)?;
    let limits = limits::set(call.config, &call.db);
    let members = call.argv.skip(2);
    let added = call.db.edit_or_create(
        &key,
        slot,
        || Set::for_members(members.get(0), members.len(), &limits),
        |set| {
            set.prepare(members.len(), &limits);
            let added = members.iter().filter(|member| set.add(member, &limits)).count() as u64;
            (added, added)
        },
    );
    if added > 0 {
        call.db.notify(NotifyFlags::SET, "sadd", key.bytes);
    }
    call.reply.integer(added as i64);
    Ok(())
}

fn srem(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<Set>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let members = call.argv.skip(2);
    let edited = call.db.edit(&key, slot, |set: &mut Set| {
        let removed = members.iter().filter(|member| set.remove(member)).count() as u64;
        (removed, removed)
    });
    if edited.result > 0 {
        call.db.notify(NotifyFlags::SET, "srem", key.bytes);
    }
    if edited.is_gone {
        notify_gone(call, &key);
    }
    call.reply.integer(edited.result as i64);
    Ok(())
}

fn smove(call: &mut Call<'_>) -> CommandResult {
    let (source, destination, member) = (call.key(1), call.key(2), call.arg(3));
    let found = (call.db.find(&source), call.db.find(&destination));
    let (Some(from), to) = found else {
        call.reply.integer(0);
        return Ok(());
    };
    let has_it = call.db.typed::<Set>(from)?.contains(member);
    if let Some(to) = to {
        call.db.typed::<Set>(to)?;
    }
    if has_it && to != Some(from) {
        let is_gone = call.db.edit(&source, from, |set: &mut Set| (set.remove(member), 1)).is_gone;
        call.db.notify(NotifyFlags::SET, "srem", source.bytes);
        if is_gone {
            notify_gone(call, &source);
        }
        let limits = limits::set(call.config, &call.db);
        let added = call.db.edit_or_create(
            &destination,
            to,
            || Set::for_members(member, 1, &limits),
            |set| {
                let added = set.add(member, &limits);
                (added, u64::from(added))
            },
        );
        if added {
            call.db.notify(NotifyFlags::SET, "sadd", destination.bytes);
        }
    }
    call.reply.integer(i64::from(has_it));
    Ok(())
}

fn sismember(call: &mut Call<'_>) -> CommandResult {
    let (key, member) = (call.key(1), call.arg(2));
    let is_member = call.db.read_typed::<Set>(&key)?.is_some_and(|set| set.contains(member));
    call.reply.integer(i64::from(is_member));
    Ok(())
}

fn smismember(call: &mut Call<'_>) -> CommandResult {
    let (key, members) = (call.key(1), call.argv.skip(2));
    let set = call.db.read_typed::<Set>(&key)?;
    call.reply.array(members.len());
    for member in members.iter() {
        call.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let count = call.db.read_typed::<Set>(&key)?.map_or(0, Set::len);
    call.reply.integer(count as i64);
    Ok(())
}

fn smembers(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let set = call.db.read_typed::<Set>(&key)?;
    call.reply.set(set.map_or(0, Set::len));
    set.into_iter().flat_map(Set::iter).for_each(|member| bulk(&mut call.reply, member));
    Ok(())
}

// ----- by chance -----

fn spop(call: &mut Call<'_>) -> CommandResult {
    let wanted = match call.argv.len() {
        2 => None,
        3 => {
            let count = parse_i64(call.arg(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::NOT_POSITIVE)?)
        }
        _ => return Err(CommandError::SYNTAX),
    };
    let key = call.key(1);
    let slot = call.db.find_typed::<Set>(&key)?;
    let (popped, is_gone) = match slot {
        Some(slot) if wanted != Some(0) => {
            let limits = limits::set(call.config, &call.db);
            let random = &mut *call.random;
            let edited = call.db.edit(&key, slot, |set: &mut Set| {
                let popped = set.pop(wanted.unwrap_or(1), &limits, random);
                let changes = popped.len() as u64;
                (popped, changes)
            });
            (edited.result, edited.is_gone)
        }
        _ => (Popped::nothing(), false),
    };
    let members = popped.members();
    if !members.is_empty() {
        tell_of_pop(call, &key, &members, is_gone);
    }
    if wanted.is_some() {
        call.reply.set(members.len());
    } else if members.is_empty() {
        call.reply.null();
    }
    members.iter().for_each(|member| call.reply.bulk(member));
    popped.into_garbage().into_iter().for_each(|set| call.db.discard(Object::Set(set)));
    Ok(())
}

/// Logs and notes what SPOP took: nobody can draw the same members again.
fn tell_of_pop(call: &mut Call<'_>, key: &Key<'_>, popped: &[&[u8]], is_gone: bool) {
    call.db.notify(NotifyFlags::SET, "spop", key.bytes);
    if is_gone {
        call.db.log_as(&[b"DEL", key.bytes]);
        notify_gone(call, key);
        return;
    }
    let words = [&b"SREM"[..], key.bytes];
    let effect: Vec<&[u8]> = words.into_iter().chain(popped.iter().copied()).collect();
    call.db.log_as(&effect);
}

fn srandmember(call: &mut Call<'_>) -> CommandResult {
    let count = match call.argv.len() {
        2 => None,
        3 => Some(elements::draw_count(call, 2)?),
        _ => return Err(CommandError::SYNTAX),
    };
    let key = call.key(1);
    let set = call.db.read_typed::<Set>(&key)?;
    let reply = &mut call.reply;
    match (set, count) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some(set), None) => match set.random(call.random) {
            Some(member) => bulk(reply, member),
            None => reply.null(),
        },
        (Some(set), Some(count)) if count >= 0 => {
            let sample = set.sample(usize::try_from(count).unwrap_or(usize::MAX), call.random);
            reply.array(sample.len());
            sample.into_iter().for_each(|member| bulk(reply, member));
        }
        (Some(set), Some(count)) => {
            let times = count.unsigned_abs();
            if times > DRAWN_MAX {
                return Err(CommandError::OUT_OF_RANGE);
            }
            reply.array(times as usize);
            (0..times).filter_map(|_| set.random(call.random)).for_each(|member| bulk(reply, member));
        }
    }
    Ok(())
}

fn sscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = elements::cursor(call)?;
    let key = call.key(1);
    let Some(slot) = call.db.read(&key) else {
        elements::reply_empty_scan(&mut call.reply);
        return Ok(());
    };
    call.db.typed::<Set>(slot)?;
    let options = ScanOptions::read(call, false)?;
    let (set, reply) = (call.db.typed::<Set>(slot)?, &mut call.reply);
    let (begun, mut count) = (reply.begin(), 0);
    let next = set.scan(cursor, options.count, |member| {
        if options.selects(member) {
            bulk(reply, member);
            count += 1;
        }
    });
    reply.end_scan(begun, next, count);
    Ok(())
}
