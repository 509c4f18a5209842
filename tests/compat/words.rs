//! The sorts of argument that a synopsis can name, each with its edges.
//!
//! * Few keys, so that commands meet each other's results.
//! * No valid argument makes a server allocate more than about 100 KiB; the limits are crossed, not approached.
//! * Times are far in the future, in the past, or invalid: nothing expires while a sequence runs. Absolute times are
//!   constants, so a seed repeats the same bytes on any day.

use crate::support::Rng;

/// Makes one argument.
pub type Word = fn(&mut Rng) -> Vec<u8>;

/// Databases that sequences use.
pub const DATABASES: [u32; 3] = [0, 1, 15];

const WORDS: &[(&str, Word)] = &[
    ("key", key),
    ("value", value),
    ("int", |rng| mostly(rng, &["1", "0", "-1", "2", "5", "100", "-100"], integer_edge)),
    ("float", |rng| mostly(rng, &["1.5", "-1.5", "0", "3", "0.1", "1e3", "10.50", "-0"], float_edge)),
    ("index", |rng| {
        mostly(rng, &["0", "1", "-1", "2", "-2", "3", "5", "7", "-7", "100", "-100"], integer_edge)
    }),
    ("offset", |rng| mostly(rng, &["0", "1", "3", "7", "8", "15", "20", "100", "800"], offset_edge)),
    ("bit", |rng| mostly(rng, &["0", "1", "1"], integer_edge)),
    ("seconds", |rng| mostly(rng, &["1000", "5000", "100000"], expiry_edge)),
    ("ms", |rng| mostly(rng, &["1000000", "5000000", "100000000"], expiry_edge)),
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
    ("width", |rng| mostly(rng, &["u1", "u4", "u8", "i8", "i5", "i16", "u32", "i64", "u63"], width_edge)),
    ("place", |rng| mostly(rng, &["0", "1", "7", "8", "20", "#0", "#1", "#3"], place_edge)),
    ("junk", junk),
];

const PATTERNS: &[&str] = &[
    "*", "k*", "?1", "k[1-3]", "[^k]*", "", "k\\1", "[", "k[", "*\\", "**", "k?", "[a-", "[z-a]1", "\\*",
    "k[\\1]", "k[^1]",
];

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

fn value(rng: &mut Rng) -> Vec<u8> {
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
