//! Comparing two transcripts, and the one list of differences that are allowed.

use super::events;
use super::target::{Argv, Transcript, cursor_of_scan, is};
use crate::support::{Value, show};
use std::collections::BTreeMap;
use std::fmt;

mod scripting;
mod sort;
mod streams;

/// A reply, or the lack of one, that is not as expected.
#[derive(Clone, Debug)]
pub struct Difference {
    argv: Argv,
    expected: String,
    actual: String,
    kind: String,
}

/// Replies of one command that may differ.
struct Allowed {
    /// `name`, or `name|subcommand`, in lower case.
    commands: &'static [&'static str],
    /// Why no server is wrong.
    reason: &'static str,
    /// Whether it is one of the commands that are meant, by its arguments.
    only: fn(&Argv) -> bool,
    /// A command with its two replies, somewhere before, without which the difference is not allowed.
    after: Option<fn(&Argv, &Value, &Value) -> bool>,
    /// Whether two unequal replies are the same for our purpose.
    same: fn(&Value, &Value) -> bool,
}

/// Two servers run a command at two moments, so what is left to live differs by what lies between.
const CLOCK_SLACK_MS: i64 = 2_000;

/// The rest of an allowance for any arguments, whatever happened before.
const ANYWHERE: Allowed =
    Allowed { commands: &[], reason: "", only: |_| true, after: None, same: |_, _| false };

const ALLOWED: &[Allowed] = &[
    Allowed {
        commands: &["ttl", "expiretime", "object|idletime"],
        reason: "the two servers execute the command at different moments (seconds)",
        same: |a, b| near(a, b, 1 + CLOCK_SLACK_MS / 1000),
        ..ANYWHERE
    },
    Allowed {
        commands: &["pttl", "pexpiretime"],
        reason: "the two servers execute the command at different moments (milliseconds)",
        same: |a, b| near(a, b, CLOCK_SLACK_MS),
        ..ANYWHERE
    },
    Allowed {
        commands: &[
            "keys",
            "scan",
            "smembers",
            "sunion",
            "sinter",
            "sdiff",
            "spop",
            "sscan",
            "hkeys",
            "hvals",
            "command|list",
        ],
        reason: "the order of keys, members and commands is the order of the server's own hash table",
        same: |a, b| sorted(a) == sorted(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["scan", "sscan", "hscan", "zscan"],
        reason: "7.4 reads cursors stricter (the empty one, -1) and laxer (spaces in front) than the oracle's 7.0",
        only: |argv| {
            let cursor = cursor_of_scan(argv).and_then(|at| argv.get(at));
            !cursor.and_then(|cursor| cursor.first()).is_some_and(u8::is_ascii_digit)
        },
        same: |a, b| [a, b].iter().any(|reply| is_text(reply, "ERR invalid cursor")),
        ..ANYWHERE
    },
    Allowed {
        commands: &[
            "object|help",
            "xgroup|help",
            "xinfo|help",
            "script|help",
            "function|help",
            "client|help",
            "command|help",
            "config|help",
            "memory|help",
            "pubsub|help",
        ],
        reason: "help is made from the rows, in words of our own, between Redis's first and last lines",
        same: |a, b| help_frame(a).is_some() && help_frame(a) == help_frame(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["hgetall", "config|get"],
        reason: "hashes and maps have no order of their own",
        same: |a, b| unordered(a).is_some() && unordered(a) == unordered(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["command"],
        reason: "7.4 has other commands than the oracle's 7.0",
        same: |a, b| a.items().is_some() && b.items().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["srandmember", "hrandfield"],
        reason: "drawn by chance; as many on both sides",
        same: |a, b| shape(a) == shape(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "since 7.2 small sets of other members than integers are listpacks, and one that is made of more integers than \
                 an intset takes is none from the beginning",
        same: |a, b| {
            ["hashtable", "intset"].iter().any(|name| *a == Value::bulk(name))
                && *b == Value::bulk("listpack")
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "since 7.2 more arguments than a small set or hash takes make it a table, whether or not they are there already",
        after: Some(|argv, _, _| is(argv, 0, "CONFIG")),
        same: |a, b| {
            ["listpack", "intset"].iter().any(|name| *a == Value::bulk(name))
                && *b == Value::bulk("hashtable")
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["scan", "sscan", "zscan"],
        reason: "NOVALUES is an option since 7.4, of HSCAN",
        only: |argv| count(argv, b"NOVALUES") > 0,
        same: |a, b| {
            is_text(a, "ERR syntax error") && is_text(b, "ERR NOVALUES option can only be used in HSCAN")
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["randomkey"],
        reason: "random; it only has to be null on both sides or on neither",
        same: |a, b| a.as_bytes().is_some() && b.as_bytes().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["wait"],
        reason: "since 7.2 the time when waiting ends must be one",
        same: |a, b| a.as_int().is_some() && is_text(b, "ERR timeout is out of range"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["dump", "memory|doctor", "memory|malloc-stats"],
        reason: "a payload has its server's version, and memory is the server's own",
        same: |a, b| shape(a) == shape(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["time", "client|id", "lastsave"],
        reason: "clocks and counters of the server's own",
        same: |a, b| shape(a) == shape(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|idletime"],
        reason: "Redis keeps the last access of a small integer in the object that all keys share, and after a change of \
                 policy reads what it kept for LFU as a time; here each key has its own",
        same: |a, b| a.as_int().is_some() && near(b, &Value::Int(0), 1 + CLOCK_SLACK_MS / 1000),
        ..ANYWHERE
    },
    Allowed {
        commands: &["memory|usage"],
        reason: "Redis measures a key that has expired until it is deleted",
        same: |a, b| a.as_int().is_some() && b.is_null(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|refcount"],
        reason: "in Redis a copy of a small integer is not shared as other small integers are; nothing is counted here",
        same: |a, b| [a, b].iter().all(|reply| matches!(reply.as_int(), Some(1 | 0x7fff_ffff))),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|freq", "memory|usage"],
        reason: "the LFU counter is incremented at random, and memory is the server's own",
        same: |a, b| a.as_int().is_some() && b.as_int().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "since 7.2 a ZADD of more elements than a listpack may have makes a skiplist at once, be they new or not",
        same: |a, b| *a == Value::bulk("listpack") && *b == Value::bulk("skiplist"),
        ..ANYWHERE
    },
    Allowed {
        commands: SCORED,
        reason: "before 7.2 scores are printed with 17 digits, however few say the same",
        same: same_numbers,
        ..ANYWHERE
    },
    Allowed {
        commands: &["zrank", "zrevrank"],
        reason: "WITHSCORE is an option since 7.2",
        only: |argv| argv.len() != 3,
        same: |a, _| is_arity(a, "zr"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["zrange", "zrangestore", "zrangebylex", "zrevrangebylex", "zlexcount", "zremrangebylex"],
        reason: "what a range of members is among different scores depends on chance in Redis",
        after: Some(adds_another_score_to_a_lex_key),
        same: |_, _| true,
        ..ANYWHERE
    },
    Allowed {
        commands: &["zrandmember"],
        reason: "drawn by chance; as many on both sides",
        same: |a, b| shape(a) == shape(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["zscan"],
        reason: "the order of members is that of the server's own hash table; cursors are positions in it",
        same: same_scan,
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "before 7.2 every list is a quicklist",
        same: |a, b| a.as_bytes() == Some(b"quicklist") && b.as_bytes() == Some(b"listpack"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["lpos", "lrem"],
        reason: "since 7.2 the integer that has no opposite is out of range",
        only: |argv| count(argv, b"-9223372036854775808") > 0,
        same: |_, b| b.as_error().is_some_and(|text| text.contains("must between -9223372036854775807")),
        ..ANYWHERE
    },
    Allowed {
        commands: &["command|count"],
        reason: "7.4 has other commands than the oracle's 7.0",
        same: |a, b| a.as_int().is_some() && b.as_int().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["command|info"],
        reason: "7.4 has other tips and subcommands than the oracle's 7.0",
        same: |a, b| command_rows(a).is_some() && command_rows(a) == command_rows(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["bitcount", "bitpos"],
        reason: "in 7.4 bad arguments are errors even when the key is missing or of another type",
        same: |a, b| (is_missing_key(a) || is_error(a, "WRONGTYPE")) && is_error(b, "ERR"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["hello"],
        reason: "version and connection id are the server's own",
        same: |a, b| shape(a) == shape(b) && without(a, &["version", "id"]) == without(b, &["version", "id"]),
        ..ANYWHERE
    },
    Allowed {
        commands: &["command|getkeys", "command|getkeysandflags"],
        reason: "since 7.2 the command to look at needs no arguments",
        same: |a, b| is_arity(a, "command|getkeys") && b.as_error().is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|setinfo", "client|no-touch"],
        reason: "commands since 7.2",
        same: |a, _| a.as_error().is_some_and(|text| text.starts_with("ERR unknown subcommand")),
        ..ANYWHERE
    },
    Allowed {
        commands: &["scan"],
        reason: "7.0 reports a key that the SCAN finds expired as one of the type `none`",
        only: |argv| count(argv, b"TYPE") > 0 && count(argv, b"none") > 0,
        same: |a, b| {
            a.items().is_some() && *b == Value::Array(vec![Value::bulk("0"), Value::Array(Vec::new())])
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|list", "client|info"],
        reason: "addresses, ages and sizes are the server's own; 7.2 and 7.4 added fields",
        same: |a, b| client_fields(a).is_some() && client_fields(a) == client_fields(b),
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|list"],
        reason: "which number a connection has is the server's own",
        only: |argv| is(argv, 2, "ID"),
        same: |a, b| client_fields(a).is_some() && client_fields(b).is_some(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|kill"],
        reason: "MAXAGE is an option since 7.4",
        only: |argv| count(argv, b"MAXAGE") > 0,
        same: |a, _| is_text(a, "ERR syntax error"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["config|set"],
        reason: "since 7.2 there is the log level `nothing`",
        same: |a, b| {
            b.as_error().and_then(|text| Some(text.strip_suffix(", nothing")?.to_owned())) == a.as_error()
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["config|get"],
        reason: "beside `A` Redis hides that `n` is set, and CONFIG REWRITE forgets it; here what is shown is what holds",
        same: |a, b| unordered(a).is_some() && unordered(a) == unordered(b).map(without_new_key_events),
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|getname"],
        reason: "since 7.2 HELLO names the connection last, so that one that fails changes nothing",
        after: Some(hello_that_names_and_fails),
        same: |a, b| a.as_bytes().is_some() && b.as_error().is_none(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["client|list", "client|info"],
        reason: "the name that a HELLO that failed gave the connection before 7.2",
        after: Some(hello_that_names_and_fails),
        same: |a, b| {
            client_fields(a).is_some_and(|a| client_fields(b).is_some_and(|b| a.get(1..) == b.get(1..)))
        },
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|idletime"],
        reason: "Redis keeps the last access of a small integer in the object that all keys share, and after a change of \
                 policy reads what it kept for LFU as a time; here each key has its own",
        same: |a, b| a.as_int().is_some() && near(b, &Value::Int(0), 1 + CLOCK_SLACK_MS / 1000),
        ..ANYWHERE
    },
    Allowed {
        commands: &["memory|usage"],
        reason: "Redis measures a key that has expired until it is deleted",
        same: |a, b| a.as_int().is_some() && b.is_null(),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|refcount"],
        reason: "a small integer counts as shared wherever it came from; Redis copies it",
        same: |a, b| *a == Value::Int(1) && *b == Value::Int(i64::from(i32::MAX)),
        ..ANYWHERE
    },
    Allowed {
        commands: &["object|encoding"],
        reason: "Redis makes a string raw when PFADD, PFCOUNT or PFDEBUG only looks at it",
        after: Some(|argv, _, _| ["PFADD", "PFCOUNT", "PFDEBUG"].iter().any(|name| is(argv, 0, name))),
        same: |a, b| a.as_bytes() == Some(b"raw") && b.as_bytes() == Some(b"embstr"),
        ..ANYWHERE
    },
    Allowed {
        commands: &["config|get"],
        reason: "7.4 has other parameters than the oracle's 7.0",
        only: |argv| argv.iter().any(|arg| arg.iter().any(|byte| b"*?[".contains(byte))),
        same: common_parameters_are_equal,
        ..ANYWHERE
    },
];

/// Commands that reply with scores.
const SCORED: &[&str] = &[
    "zadd",
    "zincrby",
    "zscore",
    "zmscore",
    "zrange",
    "zrevrange",
    "zrangebyscore",
    "zrevrangebyscore",
    "zpopmin",
    "zpopmax",
    "zmpop",
    "bzpopmin",
    "bzpopmax",
    "bzmpop",
    "zunion",
    "zinter",
    "zdiff",
];

/// Whether a ZADD gives other scores than 0 to the keys that are for ranges of members.
fn adds_another_score_to_a_lex_key(argv: &Argv, _: &Value, _: &Value) -> bool {
    let is_lex_key = |arg: &Vec<u8>| arg.starts_with(b"lex");
    argv.iter().any(is_lex_key)
        && (!is(argv, 0, "ZADD") || argv.iter().skip(2).step_by(2).any(|score| score != b"0"))
}

/// Whether two replies are equal when numbers that have a fraction or an exponent are compared as numbers.
fn same_numbers(a: &Value, b: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Bulk(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::Double(text) => Some(text.clone()),
        _ => None,
    };
    let equal = || {
        let (a, b) = (text(a)?, text(b)?);
        let is_number = [&a, &b].iter().any(|text| text.contains(['.', 'e']));
        Some(is_number && a.parse::<f64>().ok()? == b.parse::<f64>().ok()?)
    };
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_numbers(a, b))
        }
        (Value::Bulk(_), Value::Bulk(_)) | (Value::Double(_), Value::Double(_)) => {
            a == b || equal() == Some(true)
        }
        _ => a == b,
    }
}

/// Whether both pages of a ZSCAN have the same elements; nothing is known of pages that are not all.
fn same_scan(a: &Value, b: &Value) -> bool {
    let page = |value: &Value| {
        let [cursor, elements] = value.items()? else { return None };
        let mut pairs = elements.pairs()?;
        pairs.sort();
        Some((cursor.as_bytes()? == b"0", pairs))
    };
    match (page(a), page(b)) {
        (Some((true, a)), Some((true, b))) => {
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && same_numbers(&a.1, &b.1))
        }
        (Some(_), Some(_)) => true,
        _ => false,
    }
}

/// What BITCOUNT and BITPOS answer for a missing key.
fn is_missing_key(value: &Value) -> bool {
    matches!(value.as_int(), Some(0 | -1))
}

/// Whether it is the complaint about the number of arguments of a command whose name begins so.
fn is_arity(value: &Value, name: &str) -> bool {
    let start = format!("ERR wrong number of arguments for '{name}");
    value.as_error().is_some_and(|text| text.starts_with(&start))
}

/// How many of the arguments are this word, in any case.
fn count(argv: &Argv, word: &[u8]) -> usize {
    argv.iter().filter(|arg| arg.eq_ignore_ascii_case(word)).count()
}

fn is_text(value: &Value, text: &str) -> bool {
    value.as_error().as_deref() == Some(text)
}

fn is_error(value: &Value, code: &str) -> bool {
    value.as_error().is_some_and(|text| text.split(' ').next() == Some(code))
}

fn near(a: &Value, b: &Value, slack: i64) -> bool {
    match (a.as_int(), b.as_int()) {
        // Below zero are codes, not times.
        (Some(a), Some(b)) => a >= 0 && b >= 0 && (a - b).abs() <= slack,
        _ => false,
    }
}

/// The value with the members of every array in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort();
            Value::Array(items)
        }
        Value::Set(items) => {
            let mut items = items.clone();
            items.sort();
            Value::Set(items)
        }
        other => other.clone(),
    }
}

/// The pairs of a map, or of the flat array that stands for it, in order.
fn unordered(value: &Value) -> Option<Vec<(Value, Value)>> {
    let mut pairs = value.pairs()?;
    pairs.sort();
    Some(pairs)
}

/// The kinds of a value and its members, without their contents.
fn shape(value: &Value) -> String {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            format!("{:?}({})", std::mem::discriminant(value), items.iter().map(shape).collect::<String>())
        }
        Value::Map(pairs) => {
            let pair = |(key, value): &(Value, Value)| shape(key) + &shape(value);
            format!("map({})", pairs.iter().map(pair).collect::<String>())
        }
        other => format!("{:?};", std::mem::discriminant(other)),
    }
}

/// The pairs of a map whose key is not in `keys`.
fn without(value: &Value, keys: &[&str]) -> Option<Vec<(Value, Value)>> {
    let ignored = |key: &Value| keys.iter().any(|name| key.as_bytes() == Some(name.as_bytes()));
    Some(value.pairs()?.into_iter().filter(|(key, _)| !ignored(key)).collect())
}

/// The first line and the last two of a HELP.
fn help_frame(value: &Value) -> Option<(&Value, &[Value])> {
    let lines = value.items()?;
    Some((lines.first()?, lines.get(lines.len().checked_sub(2)?..)?))
}

/// The parameters, with classes of events as Redis shows them beside `A`.
fn without_new_key_events(mut pairs: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let is_classes = |name: &Value| {
        name.as_bytes().is_some_and(|name| name.eq_ignore_ascii_case(b"notify-keyspace-events"))
    };
    for (_, value) in pairs.iter_mut().filter(|(name, _)| is_classes(name)) {
        let classes = value.as_bytes().unwrap_or_default();
        if classes.contains(&b'A') {
            *value = Value::bulk(String::from_utf8_lossy(classes).replace('n', ""));
        }
    }
    pairs
}

/// Whether what two CONFIG GET both show is equal, but for what is the server's own.
fn common_parameters_are_equal(a: &Value, b: &Value) -> bool {
    let own = |name: &Value| name.as_bytes().is_some_and(|name| OWN_PARAMETERS.contains(&name));
    let (Some(a), Some(b)) = (a.pairs(), b.pairs()) else { return false };
    let b: BTreeMap<&Value, &Value> = b.iter().map(|(name, value)| (name, value)).collect();
    a.iter().all(|(name, value)| own(name) || b.get(name).is_none_or(|other| *other == value))
}

/// The address and the directory; and what follows from the design: there is always a log, saving costs nothing, and
/// `io-threads` 0 is one worker for each core.
const OWN_PARAMETERS: [&[u8]; 5] = [b"port", b"dir", b"appendonly", b"save", b"io-threads"];

/// A HELLO with a name, refused for something else.
fn hello_that_names_and_fails(argv: &Argv, a: &Value, b: &Value) -> bool {
    is(argv, 0, "HELLO")
        && count(argv, b"SETNAME") > 0
        && [a, b].iter().all(|reply| reply.as_error().is_some())
}

/// What a line of CLIENT LIST says that is not the server's own, the name first.
fn client_fields(value: &Value) -> Option<Vec<String>> {
    const COMPARED: [&str; 10] =
        ["name", "db", "sub", "psub", "ssub", "multi", "cmd", "user", "redir", "resp"];
    let text = String::from_utf8_lossy(value.as_bytes()?).into_owned();
    let is_compared = |field: &&str| COMPARED.contains(&field.split('=').next().unwrap_or_default());
    Some(text.split([' ', '\n']).filter(is_compared).map(str::to_owned).collect())
}

/// Each row of COMMAND INFO: name, arity, flags, first key, last key, step, ACL categories and key specifications, but
/// neither tips nor subcommands.
fn command_rows(value: &Value) -> Option<Vec<Vec<Value>>> {
    let row = |row: &Value| match row.items() {
        Some(cells) if cells.len() == 10 => {
            Some([0, 1, 2, 3, 4, 5, 6, 8].map(|cell| sorted(&cells[cell])).to_vec())
        }
        Some(_) => None,
        None => Some(vec![row.clone()]),
    };
    value.items()?.iter().map(row).collect()
}

/// Whether the replies at `index` may differ.
fn is_allowed(expected: &Transcript, actual: &Transcript, index: usize) -> bool {
    let (argv, a) = &expected.steps[index];
    let b = &actual.steps[index].1;
    let lower = |index: usize| argv.get(index).map(|arg| String::from_utf8_lossy(arg).to_lowercase());
    let name = lower(0);
    let with_sub = lower(1).map(|sub| format!("{}|{sub}", name.as_deref().unwrap_or_default()));
    let is_name = |command: &&str| [name.as_deref(), with_sub.as_deref()].contains(&Some(*command));
    let earlier = expected.steps[..index].iter().zip(&actual.steps[..index]);
    let follows = |cause: fn(&Argv, &Value, &Value) -> bool| {
        earlier.clone().any(|((argv, a), (_, b))| argv.is_empty() || cause(argv, a, b))
    };
    if argv.first().is_some_and(|name| name.starts_with(events::OF)) {
        return events::is_allowed(expected, actual, index);
    }
    // Where CLIENT REPLY made it unknown which command a reply belongs to, it may be any.
    let applies = |allowed: &&Allowed| argv.is_empty() || allowed.commands.iter().any(is_name);
    ALLOWED
        .iter()
        .chain(scripting::ALLOWED)
        .chain(sort::ALLOWED)
        .chain(streams::ALLOWED)
        .filter(applies)
        .filter(|allowed| argv.is_empty() || (allowed.only)(argv))
        .filter(|allowed| (allowed.same)(a, b))
        .any(|allowed| allowed.after.is_none_or(follows))
}

/// The first difference that is not allowed.
pub fn first(expected: &Transcript, actual: &Transcript) -> Option<Difference> {
    let count = expected.steps.len().max(actual.steps.len());
    for index in 0..count {
        let difference = match (expected.steps.get(index), actual.steps.get(index)) {
            (Some((argv, a)), Some((other, b))) if argv == other => {
                if a == b || is_allowed(expected, actual, index) {
                    continue;
                }
                let kind = format!("{} / {}", summary(a), summary(b));
                Difference { argv: argv.clone(), expected: brief(a), actual: brief(b), kind }
            }
            (a, b) => missing(a, b, expected, actual),
        };
        return Some(difference);
    }
    (expected.broken != actual.broken).then(|| missing(None, None, expected, actual))
}

/// One side has a step that the other has not.
fn missing(
    a: Option<&(Argv, Value)>,
    b: Option<&(Argv, Value)>,
    expected: &Transcript,
    actual: &Transcript,
) -> Difference {
    let show_side = |step: Option<&(Argv, Value)>, transcript: &Transcript| match (step, &transcript.broken) {
        (Some((argv, reply)), _) => format!("{} -> {}", show(argv), brief(reply)),
        (None, Some(error)) => format!("no reply: {error}"),
        (None, None) => "no reply".to_owned(),
    };
    Difference {
        argv: a.or(b).map(|(argv, _)| argv.clone()).unwrap_or_default(),
        expected: show_side(a, expected),
        actual: show_side(b, actual),
        kind: format!("missing / {:?} {:?}", expected.broken, actual.broken),
    }
}

/// A reply for people: the middle of a long one is left out.
fn brief(value: &Value) -> String {
    let text = format!("{value:?}");
    let count = text.chars().count();
    if count <= 600 {
        return text;
    }
    let (head, tail): (String, String) =
        (text.chars().take(400).collect(), text.chars().skip(count - 150).collect());
    format!("{head} ...{} characters... {tail}", count - 550)
}

/// What a reply is, coarse enough that one fault does not look like many.
fn summary(value: &Value) -> String {
    match value {
        Value::Error(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{:?}", std::mem::discriminant(other)),
    }
}

impl Difference {
    /// Equal for two differences that probably have one cause.
    pub fn signature(&self) -> String {
        let name = self.argv.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        format!("{} {}", name.escape_ascii(), self.kind)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silent = "a reply; CLIENT REPLY hides to which command".to_owned();
        writeln!(f, "  differs at {}", if self.argv.is_empty() { silent } else { show(&self.argv) })?;
        writeln!(f, "    redis:   {}\n    subject: {}", self.expected, self.actual)
    }
}

#[test]
fn every_allowed_difference_has_a_reason() {
    assert!(
        ALLOWED
            .iter()
            .chain(scripting::ALLOWED)
            .chain(sort::ALLOWED)
            .chain(streams::ALLOWED)
            .all(|allowed| allowed.reason.len() > 10 && !allowed.commands.is_empty())
    );
}

#[test]
fn what_is_allowed_for_one_command_is_not_for_another() {
    let differs = |command: &str, a: Value, b: Value| {
        let argv: Argv = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let transcript = |reply| Transcript { steps: vec![(argv.clone(), reply)], broken: None };
        first(&transcript(a), &transcript(b)).is_some()
    };
    assert!(!differs("TTL k", Value::Int(100), Value::Int(99)));
    assert!(differs("TTL k", Value::Int(100), Value::Int(90)));
    assert!(differs("TTL k", Value::Int(-1), Value::Int(-2)));
    assert!(differs("STRLEN k", Value::Int(100), Value::Int(99)));
    let keys = |names: &[&str]| Value::Array(names.iter().map(Value::bulk).collect());
    assert!(!differs("keys *", keys(&["a", "b"]), keys(&["b", "a"])));
    assert!(differs("mget a b", keys(&["a", "b"]), keys(&["b", "a"])));
    assert!(differs("keys *", keys(&["a"]), keys(&["a", "a"])));
    assert!(!differs("object idletime k", Value::Int(0), Value::Int(1)));
    assert!(differs("object refcount k", Value::Int(0), Value::Int(1)));
    assert!(differs("get k", Value::NullBulk, Value::Null));
}
