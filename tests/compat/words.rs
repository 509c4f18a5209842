//! The sorts of argument that a synopsis can name, each with its edges.
//!
//! * Few keys, so that commands meet each other's results.
//! * No valid argument makes a server allocate more than about 100 KiB, or 1 MiB for the words of `limits`.
//! * Times are far in the future, in the past, or invalid: nothing expires while a sequence runs. Absolute times are
//!   constants, so a seed repeats the same bytes on any day.

use super::scripts;
use super::target::PASSWORD;
use crate::support::Rng;

/// Makes one argument.
pub type Word = fn(&mut Rng) -> Vec<u8>;

/// Databases that sequences use.
pub const DATABASES: [u32; 3] = [0, 1, 15];

const WORDS: &[(&str, Word)] = &[
    ("key", key),
    ("value", |rng| if rng.one_in(16) { any_integer(rng) } else { value(rng) }),
    ("element", |rng| mostly(rng, &["a", "b", "c", "1", "2", "10", "-5"], value)),
    ("long", |rng| vec![b'x'; *rng.pick(&[100, 1000, 4000, 5000, 9000])]),
    ("int", |rng| match rng.below(6) {
        0 => any_integer(rng),
        _ => mostly(rng, &["1", "0", "-1", "2", "5", "100", "-100"], integer_edge),
    }),
    ("member", |rng| if rng.one_in(12) { value(rng) } else { one(rng, MEMBERS) }),
    ("field", |rng| if rng.one_in(12) { value(rng) } else { one(rng, FIELDS) }),
    ("popcount", |rng| mostly(rng, &["0", "1000", "2147483648"], integer_edge)),
    ("draws", |rng| {
        mostly(rng, &["0", "1", "2", "5", "-1", "-5", "100"], |rng| {
            one(
                rng,
                &[
                    "9223372036854775807",
                    "-9223372036854775808",
                    "abc",
                    "",
                    "1.5",
                    "4611686018427387904",
                    "+1",
                ],
            )
        })
    }),
    ("numkeys", |rng| mostly(rng, &["1", "2", "2", "3"], integer_edge)),
    ("float", |rng| mostly(rng, &["1.5", "-1.5", "0", "3", "0.1", "1e3", "10.50", "-0"], float_edge)),
    ("index", |rng| {
        if rng.one_in(4) {
            return (rng.below(300) as i64 - 150).to_string().into_bytes();
        }
        mostly(rng, &["0", "1", "-1", "2", "-2", "3", "5", "7", "-7", "100", "-100"], integer_edge)
    }),
    ("offset", |rng| mostly(rng, &["0", "1", "3", "7", "8", "15", "20", "100", "800"], offset_edge)),
    ("bit", |rng| mostly(rng, &["0", "1", "1"], integer_edge)),
    ("seconds", |rng| if rng.one_in(6) { expiry_edge(rng) } else { span(rng).to_string().into_bytes() }),
    ("ms", |rng| if rng.one_in(6) { expiry_edge(rng) } else { format!("{}500", span(rng)).into_bytes() }),
    ("unix", |rng| mostly(rng, &["4000000000", "4100000000", "4200000000"], past_or_edge)),
    ("unixms", |rng| mostly(rng, &["4000000000000", "4100000000000", "4200000000000"], past_or_edge)),
    ("db", |rng| mostly(rng, &["0", "0", "1", "1", "15"], database_edge)),
    ("pattern", |rng| one(rng, PATTERNS)),
    // Neither the empty one nor spaces in front: Redis 7.0 begins a scan at the first, 7.4 at the second.
    ("cursor", |rng| mostly(rng, &["0"], |rng| one(rng, &["abc", "18446744073709551616", "0x", "1.0"]))),
    ("count", |rng| mostly(rng, &["1", "2", "10", "1000"], |rng| one(rng, &["0", "-1", "abc", "", "1.5"]))),
    // Not `none`: under that name Redis 7.0 finds keys that have expired.
    ("type", |rng| one(rng, &["string", "STRING", "list", "set", "zset", "hash", "stream", "", "x"])),
    ("name", |rng| {
        mostly(rng, &["a", "b", "name"], |rng| one(rng, &["", "two words", "new\nline", "\u{e9}"]))
    }),
    ("width", |rng| if rng.one_in(2) { any_width(rng) } else { usual_width(rng) }),
    ("place", |rng| mostly(rng, &["0", "1", "7", "8", "20", "#0", "#1", "#3"], place_edge)),
    ("far", |rng| {
        mostly(rng, &["1048575", "1048576", "1048577", "8388607", "8388608", "8388616"], offset_edge)
    }),
    ("huge", |rng| vec![b'h'; *rng.pick(&[300_000, 600_000])]),
    ("size", |rng| mostly(rng, &["0", "100", "1k", "1kb", "10MB", "1gb", "3b"], size_edge)),
    ("small", |rng| mostly(rng, &["0", "1", "5", "10", "100", "128"], integer_edge)),
    ("parameter", |rng| {
        let names = *rng.pick(&[NUMBERS, MEMORIES, SWITCHES, OTHERS]);
        one(rng, names)
    }),
    ("number", |rng| one(rng, NUMBERS)),
    ("memory", |rng| one(rng, MEMORIES)),
    ("switch", |rng| one(rng, SWITCHES)),
    ("glob", |rng| {
        one(
            rng,
            &["maxmemory*", "slowlog-*", "?z", "hash-max-*", "*lazyfree*", "MAX*-policy", "timeou[t]", "x*"],
        )
    }),
    ("limits", |rng| one(rng, LIMITS)),
    ("percentiles", |rng| one(rng, &["50 99 99.9", "", "0 100", "101", "-1", "abc", "50  99", "12.3456789"])),
    ("scores", |rng| {
        one(rng, &["0 200 800", "1 2", "1 2 3 4", "3000 1 1", "a b c", "", "-2000 0 2000", "5 4 3"])
    }),
    ("command", |rng| one(rng, COMMANDS)),
    ("user", |rng| one(rng, &["default", "default", "DEFAULT", "nosuch"])),
    ("secret", |_| PASSWORD.as_bytes().to_vec()),
    ("yes", |rng| mostly(rng, &["yes", "no", "YES", "No"], |rng| one(rng, &["", "1", "true", "maybe"]))),
    ("classes", |rng| one(rng, CLASSES)),
    ("score", |rng| {
        mostly(rng, &["0", "1", "2", "-1", "1.5", "0.1", "3.14", "100", "-0.25", "1e20", "7"], score_edge)
    }),
    ("scored", |rng| match rng.below(12) {
        0 => one(rng, &["", "10", "-5", "9223372036854775807", "007", "\u{e9}"]),
        1 => vec![b'm'; *rng.pick(&[63, 64, 65, 300])],
        _ => one(rng, &["a", "b", "c", "d", "e", "f", "1", "2"]),
    }),
    // Keys whose members all have the score 0.
    ("lexkey", |rng| one(rng, &["lex1", "lex1", "lex2"])),
    ("lex", |rng| one(rng, &["a", "b", "c", "d", "aa", "ab", "bb", "", "1", "10", "2"])),
    ("bound", |rng| {
        mostly(
            rng,
            &["0", "(0", "1", "(1", "2", "(2", "-inf", "+inf", "(1.5", "3.14", "-1", "100"],
            bound_edge,
        )
    }),
    ("lexbound", |rng| {
        mostly(rng, &["-", "+", "[a", "(a", "[b", "(c", "[c", "[ab", "(1", "[2", "[", "("], |rng| {
            one(rng, &["a", "", "--", "+a", "(-", "[+", "1"])
        })
    }),
    ("weight", |rng| mostly(rng, &["1", "2", "0", "-1", "1.5", "inf", "-inf", "0.1"], score_edge)),
    ("twokeys", |rng| {
        mostly(rng, &["2"], |rng| one(rng, &["0", "1", "3", "-1", "abc", "100", "", "9223372036854775807"]))
    }),
    ("timeout", |rng| mostly(rng, &["0.001", "0.002"], |rng| one(rng, &["-1", "abc", "", "-0.1", "nan"]))),
    ("smallcount", |rng| {
        mostly(rng, &["1", "2", "-1", "-3", "100", "0"], |rng| {
            one(rng, &["abc", "", "-9223372036854775808", "9223372036854775807", "1.5"])
        })
    }),
    ("longitude", |rng| {
        mostly(
            rng,
            &["13.361389", "15.087269", "13.5", "0", "-122.4", "179.9", "-179.9", "2.35"],
            degrees_edge,
        )
    }),
    ("latitude", |rng| {
        mostly(rng, &["38.115556", "37.502669", "38", "0", "37.7", "-33.8", "80", "48.85"], degrees_edge)
    }),
    ("radius", |rng| {
        mostly(rng, &["100", "200", "0", "1", "500.5", "3000", "10000", "1e6"], |rng| {
            one(rng, &["-1", "abc", "", "1e300", "inf", "0.001", "nan"])
        })
    }),
    ("unit", |rng| mostly(rng, &["m", "km", "ft", "mi", "km", "km"], |rng| one(rng, &["M", "Km", "", "x"]))),
    ("junk", junk),
    // Ids are explicit: those of now differ between servers.
    ("newid", |rng| mostly(rng, &["1-*", "2-*", "3-*", "3-*", "7-*", "7-*", "5", "2-3", "9-1"], id_edge)),
    ("sid", |rng| mostly(rng, SOME_IDS, id_edge)),
    ("idbound", |rng| {
        if rng.one_in(3) {
            one(rng, &["-", "+", "(2", "(3-1", "(7-0"])
        } else {
            mostly(rng, SOME_IDS, id_bound_edge)
        }
    }),
    ("readid", |rng| if rng.one_in(4) { one(rng, &["$", ">"]) } else { mostly(rng, SOME_IDS, id_edge) }),
    ("few", |rng| mostly(rng, &["0", "1", "2", "3", "4", "10"], integer_edge)),
    ("item", |rng| mostly(rng, &["f", "g", "h", "1"], value)),
    ("group", |rng| mostly(rng, &["g1", "g1", "g2"], |rng| one(rng, &["", "streams", "g\x00x"]))),
    ("consumer", |rng| mostly(rng, &["alice", "bob", "carol"], |rng| one(rng, &["", "streams", "c\r\n"]))),
    ("idle", |rng| mostly(rng, &["0", "0", "0", "100000", "500000"], integer_edge)),
    ("distinct", |rng| rng.below(3000).to_string().into_bytes()),
    ("hll", hll),
    ("script", scripts::script),
    ("sha", scripts::sha),
    ("library", scripts::library),
    ("function", scripts::function),
    ("libname", scripts::library_name),
    ("luaarg", scripts::argument_of_script),
    ("sortable", |rng| match rng.below(12) {
        0 => one(rng, &["inf", "-inf", "nan", "1e308", "0x10", " 1", "1 ", "5.", ".5", "+2.5", "1e-7"]),
        1 => one(rng, &["", "a", "b", "ab", "Z", "~", "\u{e9}", "10a"]),
        _ => one(rng, &["1", "2", "3", "10", "-5", "1.5", "2.0", "1e1", "9"]),
    }),
    ("weightkey", |rng| one(rng, &["w_1", "w_2", "w_3", "w_10", "w_-5", "w_a", "w_", "w_1.5"])),
    ("hashkey", |rng| one(rng, &["h_1", "h_2", "h_3", "h_10", "h_a", "w_9"])),
    ("bypattern", |rng| mostly(rng, &["w_*", "w_*", "h_*->f1", "h_*->f2"], pattern_edge)),
    ("getpattern", |rng| mostly(rng, &["#", "w_*", "h_*->f1", "h_*->f3"], pattern_edge)),
];

/// Parameters that are a number.
const NUMBERS: &[&str] = &[
    "timeout",
    "hz",
    "tcp-keepalive",
    "slowlog-max-len",
    "slowlog-log-slower-than",
    "lfu-log-factor",
    "lfu-decay-time",
    "maxmemory-samples",
    "active-expire-effort",
    "latency-monitor-threshold",
    "tracking-table-max-keys",
    "acllog-max-len",
    "busy-reply-threshold",
    "lua-time-limit",
    "hash-max-listpack-entries",
    "hash-max-ziplist-entries",
    "set-max-intset-entries",
    "zset-max-listpack-entries",
    "zset-max-ziplist-value",
    "list-compress-depth",
    "list-max-listpack-size",
    "stream-node-max-entries",
];

/// Parameters that are a size in bytes. `maxmemory` stands in a row of its own.
const MEMORIES: &[&str] = &[
    "hll-sparse-max-bytes",
    "stream-node-max-bytes",
    "client-query-buffer-limit",
    "hash-max-listpack-value",
    "zset-max-listpack-value",
];

/// Parameters that are yes or no.
const SWITCHES: &[&str] = &[
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "latency-tracking",
    "activerehashing",
];

const OTHERS: &[&str] = &[
    "maxmemory-policy",
    "notify-keyspace-events",
    "client-output-buffer-limit",
    "oom-score-adj-values",
    "loglevel",
    "proto-max-bulk-len",
    "maxmemory",
    "databases",
    "latency-tracking-info-percentiles",
    "nosuch",
];

const LIMITS: &[&str] = &[
    "normal 0 0 0",
    "pubsub 32mb 8mb 60",
    "slave 256mb 64mb 60",
    "replica 1gb 0 0",
    "normal 1gb 1gb 10 pubsub 0 0 0",
    "",
    "nosuch 0 0 0",
    "normal 0 0",
    "normal a 0 0",
    "normal 0 0 -1",
    "NORMAL 0 0 0",
    "master 0 0 0",
];

/// Commands that COMMAND INFO is asked about: all that a Redis 7.0 has too.
const COMMANDS: &[&str] = &[
    "append",
    "auth",
    "bitcount",
    "bitfield",
    "bitfield_ro",
    "bitop",
    "bitpos",
    "client",
    "client|id",
    "client|kill",
    "client|list",
    "client|pause",
    "client|reply",
    "command",
    "command|docs",
    "command|info",
    "config",
    "config|get",
    "config|set",
    "copy",
    "dbsize",
    "debug",
    "decr",
    "decrby",
    "del",
    "echo",
    "exists",
    "expire",
    "expireat",
    "expiretime",
    "flushall",
    "flushdb",
    "get",
    "getbit",
    "getdel",
    "getex",
    "getrange",
    "getset",
    "hello",
    "incr",
    "incrby",
    "incrbyfloat",
    "info",
    "keys",
    "lastsave",
    "lcs",
    "lolwut",
    "memory",
    "memory|usage",
    "mget",
    "move",
    "mset",
    "msetnx",
    "object",
    "object|encoding",
    "persist",
    "pexpire",
    "pexpireat",
    "pexpiretime",
    "ping",
    "psetex",
    "pttl",
    "quit",
    "randomkey",
    "rename",
    "renamenx",
    "reset",
    "scan",
    "select",
    "set",
    "setbit",
    "setex",
    "setnx",
    "setrange",
    "shutdown",
    "strlen",
    "substr",
    "swapdb",
    "time",
    "touch",
    "ttl",
    "type",
    "unlink",
    "nosuch",
    "get|set",
    "",
];

/// Letters for `notify-keyspace-events`.
const CLASSES: &[&str] =
    &["", "KEA", "Ex", "AKE", "g$lshzxetd", "Kg$", "KEn", "mKE", "KEAnm", "q", "K E", "ke", "E$l"];

const PATTERNS: &[&str] = &[
    "*", "k*", "?1", "k[1-3]", "[^k]*", "", "k\\1", "[", "k[", "*\\", "**", "k?", "[a-", "[z-a]1", "\\*",
    "k[\\1]", "k[^1]",
];

/// Members of sets: integers of all widths, and texts short and long.
const MEMBERS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "1",
    "2",
    "3",
    "-7",
    "40000",
    "3000000000",
    "",
    "01",
    "one",
    "a-member-of-more-than-sixty-four-bytes-that-no-listpack-of-a-set-may-have",
];

const FIELDS: &[&str] = &["f1", "f2", "f3", "f4", "1", "2", "", "field"];

/// The sort of this name.
pub fn find(name: &str) -> Option<Word> {
    WORDS.iter().find(|(word, _)| *word == name).map(|(_, word)| *word)
}

fn one(rng: &mut Rng, texts: &[&str]) -> Vec<u8> {
    rng.pick(texts).as_bytes().to_vec()
}

fn mostly(rng: &mut Rng, usual: &[&str], edge: Word) -> Vec<u8> {
    if rng.one_in(6) { edge(rng) } else { one(rng, usual) }
}

fn key(rng: &mut Rng) -> Vec<u8> {
    match rng.below(16) {
        0 => Vec::new(),
        1 => b"\x00bin\xff\r\n".to_vec(),
        2 => b"{tag}k".to_vec(),
        _ => one(rng, &["k1", "k2", "k3", "k4"]),
    }
}

/// A value of any sort.
pub fn value(rng: &mut Rng) -> Vec<u8> {
    match rng.below(12) {
        0..4 => one(rng, &["0", "1", "10", "-5", "9999", "10000", "123456789"]),
        4 => integer_edge(rng),
        5 => float_edge(rng),
        6 => one(rng, &["", "a", "foobar", "ohmytext", "mynewtext", "hello world"]),
        7 => {
            let len = *rng.pick(&[1, 2, 8, 31]);
            rng.bytes(len)
        }
        // Around the border between the embstr and raw encodings.
        8 => vec![b'x'; *rng.pick(&[20, 43, 44, 45, 64])],
        9 => rng.pick(&[b"\xff\xff".as_slice(), b"\x00", b"\xff\xf0\x00", b"\x00\x00\x01"]).to_vec(),
        10 => {
            let len = *rng.pick(&[200, 1500]);
            rng.bytes(len)
        }
        _ => one(rng, &["foo", "bar", "foobar", "1", "2"]),
    }
}

fn pattern_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &["", "*", "#", "##", "k*", "h_*", "w_*->f1", "h_*->", "->*", "w_**", "nosort", "h_*->*", "*->f1"],
    )
}

const SOME_IDS: &[&str] = &[
    "0", "1", "1-0", "1-1", "2", "2-0", "2-3", "3", "3-0", "3-1", "3-2", "5", "7", "7-0", "7-1", "7-2", "9-1",
];

fn id_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "0-0",
            "0-*",
            "0-1",
            "18446744073709551615",
            "18446744073709551615-*",
            "18446744073709551615-18446744073709551614",
            "18446744073709551615-18446744073709551615",
            "18446744073709551616-0",
            "7-18446744073709551615",
            "-1",
            "1-",
            "1-1-1",
            "1--1",
            "",
            "abc",
            "-",
            "01-01",
            "(1",
            "**",
        ],
    )
}

fn id_bound_edge(rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(2) {
        return id_edge(rng);
    }
    one(
        rng,
        &["(", "(-", "(+", "(0", "(0-0", "((1", "(18446744073709551615-18446744073709551615", "(5-0", "(abc"],
    )
}

/// A string that is a HyperLogLog, or nearly.
fn hll(rng: &mut Rng) -> Vec<u8> {
    let header = |encoding: u8, cache: u8| {
        [&b"HYLL"[..], &[encoding, 0, 0, 0], &[5, 0, 0, 0, 0, 0, 0, cache]].concat()
    };
    let cache = *rng.pick(&[0, 0x80]);
    let body: Vec<u8> = match rng.below(8) {
        // All registers zero; one value in the middle; too few, too many registers; nothing; a value at the end.
        0 => vec![0x7f, 0xff],
        1 => vec![0x5f, 0xff, 0x84, 0x5f, 0xfe],
        2 => vec![0x5f, 0xff],
        3 => vec![0x7f, 0xff, 0x00],
        4 => vec![],
        5 => vec![0x7f, 0xfe, 0xff],
        6 => return [header(0, cache), vec![0x41; *rng.pick(&[12_288, 12_287, 12_288])]].concat(),
        _ => return one(rng, &["HYLL", "HYLLxxxxxxxxxxxxxxxx", "hyll", "12"]),
    };
    [header(*rng.pick(&[1, 1, 1, 1, 0, 2]), cache), body].concat()
}

/// An integer of any size. Not for what may be read as an offset, of which most would be valid and large.
fn any_integer(rng: &mut Rng) -> Vec<u8> {
    let magnitude = (rng.next() >> rng.below(64)) as i64;
    magnitude.wrapping_add(rng.below(3) as i64 - 1).to_string().into_bytes()
}

fn integer_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "2147483648",
            "4294967296",
            "9223372036854775800",
            "abc",
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "1.0",
            "0x10",
            "1e3",
            "--1",
            "-",
        ],
    )
}

fn float_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "inf",
            "-inf",
            "nan",
            "1e400",
            "-1e400",
            "1e-400",
            "1e17",
            "1e308",
            "-1e308",
            "0.30000000000000004",
            "1.0",
            "5.",
            ".5",
            "",
            " 1",
            "1 ",
            "abc",
            "0x10",
            "1e",
            "3.14159265358979323846",
            "123456789012345678",
            "1e-7",
            "+2.5",
            "100000000000000000000000",
        ],
    )
}

fn size_edge(rng: &mut Rng) -> Vec<u8> {
    one(rng, &["", "-1", "-5gb", "1.5gb", "1tb", "kb", "1 kb", "10%", "1K", "1Gb", "+1", "01k"])
}

/// Bit and byte offsets past every limit, but none that is both valid and large.
fn offset_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "-1",
            "4294967296",
            "9223372036854775807",
            "-9223372036854775808",
            "abc",
            "",
            "1.5",
            "100000",
            "99999999999",
            "01",
        ],
    )
}

fn any_width(rng: &mut Rng) -> Vec<u8> {
    let (sign, most) = *rng.pick(&[("u", 63), ("i", 64)]);
    format!("{sign}{}", 1 + rng.below(most)).into_bytes()
}

fn usual_width(rng: &mut Rng) -> Vec<u8> {
    mostly(rng, &["u1", "u4", "u8", "i8", "i5", "i16", "u32", "i64", "u63"], width_edge)
}

fn width_edge(rng: &mut Rng) -> Vec<u8> {
    one(rng, &["u64", "i65", "u0", "i0", "x8", "u", "", "8", "i-1", "u8x", "U8", "I8", "u01"])
}

fn place_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "#",
            "-1",
            "#-1",
            "4294967296",
            "#4294967296",
            "abc",
            "",
            "##1",
            "9223372036854775807",
            "1.5",
            "500",
        ],
    )
}

fn score_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "inf",
            "-inf",
            "+inf",
            "infinity",
            "nan",
            "abc",
            "",
            "-0",
            "1e400",
            "1e-400",
            "0x10",
            " 1",
            "1 ",
            "+5",
            "1e308",
            "123456789012345678",
            "0.30000000000000004",
            "1e-5",
            "9007199254740993",
        ],
    )
}

fn bound_edge(rng: &mut Rng) -> Vec<u8> {
    one(rng, &["(-inf", "(inf", "(", "", "[1", "abc", "nan", "((1", " 1", "1 ", "1e400", "(abc"])
}

fn degrees_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "180",
            "-180",
            "85.05112878",
            "-85.05112878",
            "85.06",
            "181",
            "-181",
            "abc",
            "",
            "inf",
            "nan",
            "1e300",
        ],
    )
}

/// Seconds that hardly ever come twice: which of two equal spans ends later is decided by a millisecond.
fn span(rng: &mut Rng) -> usize {
    1_000 + rng.below(1_000_000)
}

fn expiry_edge(rng: &mut Rng) -> Vec<u8> {
    one(
        rng,
        &[
            "0",
            "-1",
            "-100",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775",
            "9223372036854776",
            "9223372036854775808",
            "abc",
            "",
            "1.5",
            "01",
        ],
    )
}

fn past_or_edge(rng: &mut Rng) -> Vec<u8> {
    if rng.one_in(2) { one(rng, &["1", "1000000000", "1500000000"]) } else { expiry_edge(rng) }
}

fn database_edge(rng: &mut Rng) -> Vec<u8> {
    one(rng, &["16", "-1", "abc", "", "9223372036854775807", "2147483648", "4294967296", "01", "1.0"])
}

/// Anything, from any place.
pub fn junk(rng: &mut Rng) -> Vec<u8> {
    match rng.below(6) {
        0 => one(
            rng,
            &[
                "NX", "XX", "GET", "EX", "KEEPTTL", "COUNT", "MATCH", "BYTE", "BIT", "REPLACE", "GT", "LT",
                "DB", "ASYNC",
            ],
        ),
        1 => integer_edge(rng),
        2 => float_edge(rng),
        3 => key(rng),
        4 => {
            let len = rng.below(5);
            rng.bytes(len)
        }
        _ => value(rng),
    }
}

#[test]
fn every_word_has_a_name_of_its_own() {
    for (at, (name, _)) in WORDS.iter().enumerate() {
        assert!(WORDS[..at].iter().all(|(other, _)| other != name), "{name} is there twice");
    }
}
