//! Commands that look through a database.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, Locks, category};
use crate::store::cold::{KeysWalk, ScanWalk, Scanned};
use crate::store::scan::{Drawn, Filter, Names, OnDisk};
use crate::util::number::parse_u64;

const KEYSPACE: Command = Command { group: "generic", categories: category::KEYSPACE, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "keys",
        since: "1.0.0",
        complexity: "O(N) with N being the number of keys in the database",
        arity: 2,
        handler: keys,
        summary: "Lists the keys whose name matches a pattern, all at once.",
        flags: READONLY,
        categories: category::KEYSPACE | category::DANGEROUS,
        locks: Locks::AllShards,
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        args: &[Arg::pattern("pattern")],
        ..KEYSPACE
    },
    Command {
        name: "scan",
        since: "2.8.0",
        complexity: "O(1) for every call, O(N) for a whole iteration, N being the number of keys in the database",
        arity: -2,
        handler: scan,
        summary: "Lists some keys and a cursor to go on from.",
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
        args: &[
            Arg::integer("cursor"),
            Arg::pattern("pattern").token("MATCH").optional(),
            Arg::integer("count").token("COUNT").optional(),
            Arg::string("type").token("TYPE").optional().since("6.0.0"),
        ],
        ..KEYSPACE
    },
    Command {
        name: "randomkey",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 1,
        handler: randomkey,
        summary: "Names one key, drawn by chance.",
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        locks: Locks::AllShards,
        tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
        ..KEYSPACE
    },
    Command {
        name: "dbsize",
        since: "1.0.0",
        complexity: "O(1)",
        arity: 1,
        handler: dbsize,
        summary: "Counts the keys of the database.",
        flags: READONLY | FAST,
        locks: Locks::AllShards,
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        ..KEYSPACE
    },
];

/// Keys that a call of SCAN looks at when it is not told.
const DEFAULT_COUNT: u64 = 10;

fn keys(call: &mut Call<'_>) -> CommandResult {
    let filter = Filter::of(call.arg(1));
    if let Some(names) = call.answer::<Names>() {
        reply_names(call, &names);
        return Ok(());
    }
    if call.db.has_cold() {
        let mut walk = KeysWalk::begin(&call.db, filter);
        return Err(call.ask(move |keyspace| walk.go_on(keyspace)));
    }
    let (db, reply) = (&call.db, &mut call.reply);
    let array = reply.begin();
    let mut count = 0;
    db.for_each(|entry| {
        if filter.selects(entry.key()) {
            reply.bulk(entry.key());
            count += 1;
        }
    });
    reply.end_array(array, count);
    Ok(())
}

fn reply_names(call: &mut Call<'_>, names: &Names) {
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
}

struct ScanOptions {
    count: u64,
    filter: Filter,
}

fn scan_options(call: &Call<'_>) -> Result<ScanOptions, CommandError> {
    let mut options = ScanOptions { count: DEFAULT_COUNT, filter: Filter::all() };
    let mut words = call.words(2);
    while let Some(word) = words.next() {
        if is(word, "COUNT") {
            let count = words.int()?;
            options.count =
                u64::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
        } else if is(word, "MATCH") {
            options.filter.pattern = words.value()?.to_vec();
        } else if is(word, "TYPE") {
            options.filter.kind = Some(words.value()?.to_vec());
        } else if is(word, "NOVALUES") {
            return Err(CommandError::NOVALUES_IN_SCAN);
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(options)
}

fn scan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_u64(call.arg(1)).ok_or(CommandError::INVALID_CURSOR)?;
    let ScanOptions { count, filter } = scan_options(call)?;
    if let Some(Scanned { cursor, names, depends_on, expired }) = call.answer() {
        call.db.include(depends_on, expired);
        reply_scanned(call, cursor, &names);
        return Ok(());
    }
    // The cursor stands before the keys but is known after them.
    let mut names = Names::default();
    match call.db.scan(cursor, count, &filter, |name| names.push(name)) {
        Ok(next) => {
            reply_scanned(call, next, &names);
            Ok(())
        }
        Err(OnDisk) => {
            let mut walk = ScanWalk::new(call.db.index(), call.db.now(), cursor, count, filter);
            if !call.is_nested {
                return Err(call.ask(move |keyspace| walk.go_on(keyspace)));
            }
            let found = walk.finish(&mut call.db).map_err(|sentence| CommandError::disk(&sentence))?;
            reply_scanned(call, found.cursor, &found.names);
            Ok(())
        }
    }
}

fn reply_scanned(call: &mut Call<'_>, cursor: u64, names: &Names) {
    call.reply.array(2);
    call.reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply_names(call, names);
}

fn randomkey(call: &mut Call<'_>) -> CommandResult {
    let key = match call.answer::<Option<Vec<u8>>>() {
        Some(key) => key,
        None => match call.db.draw(call.random) {
            Drawn::Nothing => None,
            Drawn::Key(key) => Some(key),
            Drawn::OnDisk(mut draw) if call.is_nested => {
                draw.finish(&mut call.db).map_err(|sentence| CommandError::disk(&sentence))?
            }
            Drawn::OnDisk(mut draw) => return Err(call.ask(move |keyspace| draw.go_on(keyspace))),
        },
    };
    match key {
        Some(key) => call.reply.bulk(&key),
        None => call.reply.null(),
    }
    Ok(())
}

fn dbsize(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(call.db.len() as i64);
    Ok(())
}
