//! Lists: pushing, reading and changing elements. `list_pops` takes them out, `list_moves` moves them from list to list.

use super::call::{Call, is};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::store::object::Object;
use crate::types::list::{End, List, Search};
use crate::util::number::parse_i64;

/// What all commands on lists have in common.
pub const LIST: Command = Command { group: "list", categories: category::LIST, ..Command::NONE };

/// The four that push.
const PUSH: Command = Command {
    complexity: "O(N) with N being the number of elements pushed",
    arity: -3,
    flags: WRITE | DENYOOM | FAST,
    keys: &[KeySpec::at(1, RW | INSERT)],
    args: &[Arg::key("key"), Arg::string("element").multiple()],
    ..LIST
};

/// Those that read a list.
const READ: Command =
    Command { flags: READONLY, keys: &[KeySpec::at(1, RO | ACCESS)], complexity: "O(N)", ..LIST };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lpush",
        handler: lpush,
        summary: "Puts elements in front of a list, which is created if there is none.",
        ..PUSH
    },
    Command {
        name: "rpush",
        handler: rpush,
        summary: "Puts elements behind a list, which is created if there is none.",
        ..PUSH
    },
    Command {
        name: "lpushx",
        since: "2.2.0",
        handler: lpushx,
        summary: "Puts elements in front of a list that exists.",
        ..PUSH
    },
    Command {
        name: "rpushx",
        since: "2.2.0",
        handler: rpushx,
        summary: "Puts elements behind a list that exists.",
        ..PUSH
    },
    Command {
        name: "llen",
        arity: 2,
        handler: llen,
        summary: "Tells how many elements a list has.",
        complexity: "O(1)",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..READ
    },
    Command {
        name: "lrange",
        arity: 4,
        handler: lrange,
        summary: "Returns the elements between two indexes.",
        complexity: "O(S+N) with S being the elements passed over and N those returned",
        args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
        ..READ
    },
    Command {
        name: "lindex",
        arity: 3,
        handler: lindex,
        summary: "Returns the element at an index.",
        args: &[Arg::key("key"), Arg::integer("index")],
        ..READ
    },
    Command {
        name: "lset",
        arity: 4,
        handler: lset,
        summary: "Replaces the element at an index.",
        complexity: "O(N)",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[Arg::key("key"), Arg::integer("index"), Arg::string("element")],
        ..LIST
    },
    Command {
        name: "linsert",
        since: "2.2.0",
        arity: 5,
        handler: linsert,
        summary: "Puts an element before or behind the first one with a given value.",
        complexity: "O(N) with N being the elements before the one that is found",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | INSERT)],
        args: &[
            Arg::key("key"),
            Arg::oneof("where", &[Arg::flag("before", "BEFORE"), Arg::flag("after", "AFTER")]),
            Arg::string("pivot"),
            Arg::string("element"),
        ],
        ..LIST
    },
    Command {
        name: "lrem",
        arity: 4,
        handler: lrem,
        summary: "Removes elements with a given value.",
        complexity: "O(N)",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::integer("count"), Arg::string("element")],
        ..LIST
    },
    Command {
        name: "ltrim",
        arity: 4,
        handler: ltrim,
        summary: "Removes all elements but those between two indexes.",
        complexity: "O(N) with N being the number of elements removed",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::integer("start"), Arg::integer("stop")],
        ..LIST
    },
    Command {
        name: "lpos",
        since: "6.0.6",
        arity: -3,
        handler: lpos,
        summary: "Tells the indexes of elements with a given value.",
        args: &[
            Arg::key("key"),
            Arg::string("element"),
            Arg::integer("rank").token("RANK").optional(),
            Arg::integer("num-matches").token("COUNT").optional(),
            Arg::integer("len").token("MAXLEN").optional(),
        ],
        ..READ
    },
];

fn lpush(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Left, false)
}

fn rpush(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Right, false)
}

fn lpushx(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Left, true)
}

fn rpushx(call: &mut Call<'_>) -> CommandResult {
    push(call, End::Right, true)
}

fn push(call: &mut Call<'_>, end: End, must_exist: bool) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find_typed::<List>(&key)?;
    if slot.is_none() && must_exist {
        call.reply.integer(0);
        return Ok(());
    }
    let (values, limits) = (call.argv.iter().skip(2), limits::list(call.config));
    let pushed = values.len() as u64;
    let len = call.db.edit_or_create(&key, slot, List::new, |list| {
        list.push(end, values, limits);
        (list.len(), pushed)
    });
    call.db.notify(NotifyFlags::LIST, push_event(end), key.bytes);
    call.reply.integer(len as i64);
    Ok(())
}

/// What subscribers are told of a push.
pub(super) fn push_event(end: End) -> &'static str {
    if end == End::Left { "lpush" } else { "rpush" }
}

fn llen(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let len = call.db.read_typed::<List>(&key)?.map_or(0, List::len);
    call.reply.integer(len as i64);
    Ok(())
}

fn lrange(call: &mut Call<'_>) -> CommandResult {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let key = call.key(1);
    let Some(list) = call.db.read_typed::<List>(&key)? else {
        call.reply.array(0);
        return Ok(());
    };
    let range = list.range(start, stop);
    call.reply.array(range.len());
    for element in list.iter(range) {
        call.reply.bulk(element.text(&mut itoa::Buffer::new()));
    }
    Ok(())
}

fn lindex(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let Some(slot) = call.db.read(&key) else {
        call.reply.null();
        return Ok(());
    };
    let list = call.db.typed::<List>(slot)?;
    let index = parse_i64(call.argv.get(2)).ok_or(CommandError::NOT_INTEGER)?;
    match list.get(index) {
        Some(element) => call.reply.bulk(element.text(&mut itoa::Buffer::new())),
        None => call.reply.null(),
    }
    Ok(())
}

fn lset(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find_typed::<List>(&key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let (index, limits) = (call.int(2)?, limits::list(call.config));
    let value = call.arg(3);
    let is_set = call.db.edit::<List, _>(&key, slot, |list| {
        let is_set = list.set(index, value, limits);
        (is_set, u64::from(is_set))
    });
    if !is_set.result {
        return Err(CommandError::INDEX_OUT_OF_RANGE);
    }
    call.db.notify(NotifyFlags::LIST, "lset", key.bytes);
    call.reply.ok();
    Ok(())
}

fn linsert(call: &mut Call<'_>) -> CommandResult {
    let after = match call.arg(2) {
        word if is(word, "AFTER") => true,
        word if is(word, "BEFORE") => false,
        _ => return Err(CommandError::SYNTAX),
    };
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<List>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let (pivot, value, limits) = (call.arg(3), call.arg(4), limits::list(call.config));
    let inserted = call.db.edit::<List, _>(&key, slot, |list| {
        let is_inserted = list.insert(pivot, after, value, limits);
        (is_inserted.then_some(list.len()), u64::from(is_inserted))
    });
    if inserted.result.is_some() {
        call.db.notify(NotifyFlags::LIST, "linsert", key.bytes);
    }
    call.reply.integer(inserted.result.map_or(-1, |len| len as i64));
    Ok(())
}

fn lrem(call: &mut Call<'_>) -> CommandResult {
    let count = not_least(call.arg(2))?;
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<List>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let (value, limits) = (call.arg(3), limits::list(call.config));
    let removed = call.db.edit::<List, _>(&key, slot, |list| {
        let removed = list.remove(count, value, limits);
        (removed, removed as u64)
    });
    if removed.result > 0 {
        call.db.notify(NotifyFlags::LIST, "lrem", key.bytes);
    }
    if removed.is_gone {
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
    call.reply.integer(removed.result as i64);
    Ok(())
}

fn ltrim(call: &mut Call<'_>) -> CommandResult {
    let (start, stop) = (call.int(2)?, call.int(3)?);
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<List>(&key)? else {
        call.reply.ok();
        return Ok(());
    };
    let kept = call.db.typed::<List>(slot)?.range(start, stop);
    call.db.notify(NotifyFlags::LIST, "ltrim", key.bytes);
    if kept.is_empty() {
        // Not by taking out its elements: freeing all of a big list is work for another thread.
        call.db.remove(&key, slot);
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    } else {
        let limits = limits::list(call.config);
        let edited = call.db.edit::<List, _>(&key, slot, |list| {
            let removed = list.len() - kept.len();
            ((list.trim(kept, limits), removed), removed as u64)
        });
        let (gone, removed) = edited.result;
        if removed == 0 {
            call.db.tell_unchanged(&key, slot);
        }
        gone.into_iter().flatten().for_each(|gone| call.db.discard(Object::List(gone)));
    }
    call.reply.ok();
    Ok(())
}

fn lpos(call: &mut Call<'_>) -> CommandResult {
    let (mut rank, mut count, mut max_len) = (1, None, 0);
    let mut words = call.words(3);
    while let Some(word) = words.next() {
        match () {
            () if words.left() == 0 => return Err(CommandError::SYNTAX),
            () if is(word, "RANK") => rank = not_least(words.value()?)?,
            () if is(word, "COUNT") => {
                count = Some(at_least(0, words.value()?, CommandError::LPOS_COUNT_NEGATIVE)?);
            }
            () if is(word, "MAXLEN") => {
                max_len = at_least(0, words.value()?, CommandError::LPOS_MAXLEN_NEGATIVE)?;
            }
            () => return Err(CommandError::SYNTAX),
        }
        if rank == 0 {
            return Err(CommandError::LPOS_RANK_ZERO);
        }
    }
    let all_if_zero = |limit| if limit == 0 { usize::MAX } else { limit };
    let search = Search { rank, count: count.map_or(1, all_if_zero), max_len: all_if_zero(max_len) };
    let key = call.key(1);
    let list = call.db.read_typed::<List>(&key)?;
    let found = list.map(|list| list.positions(call.argv.get(2), search)).unwrap_or_default();
    match (count, found.first()) {
        (Some(_), _) => {
            call.reply.array(found.len());
            found.iter().for_each(|&index| call.reply.integer(index as i64));
        }
        (None, Some(&index)) => call.reply.integer(index as i64),
        (None, None) => call.reply.null(),
    }
    Ok(())
}

/// An integer that has an opposite.
fn not_least(word: &[u8]) -> Result<i64, CommandError> {
    match parse_i64(word) {
        Some(i64::MIN) => Err(CommandError::OUT_OF_SYMMETRIC_RANGE),
        number => number.ok_or(CommandError::NOT_INTEGER),
    }
}

/// A number that is not below `least`; whatever else the word is gives `error`.
pub(super) fn at_least(least: usize, word: &[u8], error: CommandError) -> Result<usize, CommandError> {
    parse_i64(word)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|&number| number >= least)
        .ok_or(error)
}
