//! Commands that look through a database.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, Locks, category};
use crate::store::entry::Value;
use crate::store::scan::Filter;
use crate::util::glob::{self, Case};
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

/// Does the pattern select the key? `*` alone selects every key, even the empty one.
fn selects(pattern: &[u8], key: &[u8]) -> bool {
    pattern == b"*" || glob::matches(pattern, key, Case::Sensitive)
}

fn keys(call: &mut Call<'_>) -> CommandResult {
    let pattern = call.arg(1);
    let (db, reply) = (&call.db, &mut call.reply);
    let array = reply.begin();
    let mut count = 0;
    db.for_each(|entry| {
        if selects(pattern, entry.key()) {
            reply.bulk(entry.key());
            count += 1;
        }
    });
    reply.end_array(array, count);
    Ok(())
}

struct ScanOptions<'a> {
    pattern: &'a [u8],
    count: u64,
    kind: Option<&'a [u8]>,
}

fn scan_options<'a>(call: &Call<'a>) -> Result<ScanOptions<'a>, CommandError> {
    let mut options = ScanOptions { pattern: b"*", count: DEFAULT_COUNT, kind: None };
    let mut words = call.words(2);
    while let Some(word) = words.next() {
        if is(word, "COUNT") {
            let count = words.int()?;
            options.count =
                u64::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::SYNTAX)?;
        } else if is(word, "MATCH") {
            options.pattern = words.value()?;
        } else if is(word, "TYPE") {
            options.kind = Some(words.value()?);
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
    let ScanOptions { pattern, count, kind } = scan_options(call)?;
    let filter = Filter {
        key: |key: &[u8]| selects(pattern, key),
        // A type that does not exist selects nothing, as in Redis 7.
        value: |value: Value<'_>| kind.is_none_or(|kind| is(kind, value.type_name())),
    };
    // The cursor stands before the keys but is known after them.
    let (mut names, mut ends) = (Vec::new(), Vec::new());
    let next = call.db.scan(cursor, count, &filter, |name| {
        names.extend_from_slice(name);
        ends.push(names.len());
    });
    call.reply.array(2);
    call.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    call.reply.array(ends.len());
    let mut start = 0;
    for end in ends {
        call.reply.bulk(&names[start..end]);
        start = end;
    }
    Ok(())
}

fn randomkey(call: &mut Call<'_>) -> CommandResult {
    match call.db.random_key(call.random) {
        Some(key) => call.reply.bulk(&key),
        None => call.reply.null(),
    }
    Ok(())
}

fn dbsize(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(call.db.len() as i64);
    Ok(())
}
