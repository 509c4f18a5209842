//! Bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD.

use crate::support::{Client, Rng, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const BAD_OFFSET: &str = "ERR bit offset is not an integer or out of range";
const BAD_BIT: &str = "ERR bit is not an integer or out of range";

fn start() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(client.error(&words(line)), *error, "{line}");
    }
}

#[track_caller]
fn check_ints(client: &mut Client, cases: &[(&str, i64)]) {
    for (line, number) in cases {
        assert_eq!(client.int(&words(line)), *number, "{line}");
    }
}

/// Checks the numbers that a BITFIELD replies; `None` is null.
#[track_caller]
fn check_fields(client: &mut Client, line: &str, expected: &[Option<i64>]) {
    let fields: Vec<Option<i64>> = client.array(&words(line)).iter().map(Value::as_int).collect();
    assert_eq!(fields, expected, "{line}");
}

#[test]
fn setbit_returns_the_old_bit_and_grows_the_string() {
    let (_server, mut client) = start();
    check_ints(
        &mut client,
        &[
            ("SETBIT k 7 1", 0),
            ("SETBIT k 7 1", 1),
            ("GETBIT k 7", 1),
            ("GETBIT k 6", 0),
            ("GETBIT k 1000", 0),
            ("SETBIT k 7 0", 1),
            ("SETBIT k 16 0", 0),
            ("STRLEN k", 3),
            ("GETBIT none 0", 0),
            ("EXISTS none", 0),
        ],
    );
    assert_eq!(client.bulk(&["GET", "k"]), b"\0\0\0");
    client.ok(&["SETEX", "n", "100", "1"]);
    check_ints(&mut client, &[("SETBIT n 6 1", 0), ("GETBIT n 3", 1), ("INCR n", 4)]);
    assert!(client.int(&["TTL", "n"]) > 0);
    check_ints(
        &mut client,
        &[("SETBIT long 8000000 1", 0), ("BITCOUNT long", 1), ("STRLEN long", 1_000_001)],
    );
}

#[test]
fn setbit_and_getbit_refuse_bad_offsets_and_bits() {
    let (_server, mut client) = start();
    check_errors(
        &mut client,
        &[
            ("SETBIT k -1 1", BAD_OFFSET),
            ("SETBIT k 4294967296 1", BAD_OFFSET),
            ("SETBIT k x 1", BAD_OFFSET),
            ("SETBIT k x 2", BAD_OFFSET),
            ("SETBIT k 0 2", BAD_BIT),
            ("SETBIT k 0 -1", BAD_BIT),
            ("SETBIT k 0 x", BAD_BIT),
            ("SETBIT k 0 01", BAD_BIT),
            ("GETBIT k -1", BAD_OFFSET),
            ("GETBIT k 4294967296", BAD_OFFSET),
            ("GETBIT k 1.5", BAD_OFFSET),
        ],
    );
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "1048576"]);
    check_ints(&mut client, &[("SETBIT k 8388607 1", 0), ("STRLEN k", 1_048_576)]);
    check_errors(
        &mut client,
        &[("SETBIT k 8388608 1", BAD_OFFSET), ("BITFIELD k GET u8 8388608", BAD_OFFSET)],
    );
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "512mb"]);
}

#[test]
fn bitcount_counts_whole_strings_and_ranges() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "k", "foobar", "n", "11"]);
    check_ints(
        &mut client,
        &[
            ("BITCOUNT none", 0),
            ("BITCOUNT none 0 -1 BIT", 0),
            ("BITCOUNT k", 26),
            ("BITCOUNT k 0 0", 4),
            ("BITCOUNT k 1 1 byte", 6),
            ("BITCOUNT k 5 30 BIT", 17),
            ("BITCOUNT k -2 -1", 7),
            ("BITCOUNT k 3 1", 0),
            ("BITCOUNT k -1 -2", 0),
            ("BITCOUNT k -100 100", 26),
            ("BITCOUNT n", 6),
        ],
    );
    check_errors(
        &mut client,
        &[
            ("BITCOUNT k 0", SYNTAX),
            ("BITCOUNT k 0 1 2", SYNTAX),
            ("BITCOUNT k 0 1 BIT x", SYNTAX),
            ("BITCOUNT k x 1", NOT_INTEGER),
            ("BITCOUNT k 0 x", NOT_INTEGER),
        ],
    );
}

#[test]
fn bitpos_finds_the_first_bit() {
    let (_server, mut client) = start();
    client.ok(&[
        b"MSET",
        &b"k"[..],
        b"\xff\xf0\x00",
        b"z",
        b"\x00\xff\xf0",
        b"ones",
        b"\xff\xff\xff",
        b"e",
        b"",
    ]);
    check_ints(
        &mut client,
        &[
            ("BITPOS none 0", 0),
            ("BITPOS none 1", -1),
            ("BITPOS none 0 5 -1 BIT", 0),
            ("BITPOS k 0", 12),
            ("BITPOS k 1 2", -1),
            ("BITPOS z 1 0", 8),
            ("BITPOS z 1 2", 16),
            ("BITPOS z 1 2 -1 BYTE", 16),
            ("BITPOS z 1 7 15 BIT", 8),
            ("BITPOS z 1 7 -3 bit", 8),
            ("BITPOS ones 0", 24),
            ("BITPOS ones 0 1", 24),
            ("BITPOS ones 0 0 -1", -1),
            ("BITPOS ones 0 0 -1 BIT", -1),
            ("BITPOS ones 0 5", -1),
            ("BITPOS e 0", -1),
            ("BITPOS e 1", -1),
        ],
    );
    let not_a_bit = "ERR The bit argument must be 1 or 0.";
    check_errors(
        &mut client,
        &[
            ("BITPOS k 2", not_a_bit),
            ("BITPOS none -1", not_a_bit),
            ("BITPOS k x", NOT_INTEGER),
            ("BITPOS k 1 x", NOT_INTEGER),
            ("BITPOS k 1 0 x", NOT_INTEGER),
            ("BITPOS k 1 0 1 2", SYNTAX),
            ("BITPOS k 1 0 1 BIT x", SYNTAX),
        ],
    );
}

#[test]
fn bitcount_and_bitpos_check_their_words_before_the_key() {
    if forgekv_only("since 7.4 a missing key does not hide bad arguments") {
        return;
    }
    let (_server, mut client) = start();
    check_errors(
        &mut client,
        &[
            ("BITCOUNT none 0", SYNTAX),
            ("BITCOUNT none x 1", NOT_INTEGER),
            ("BITPOS none 0 x", NOT_INTEGER),
            ("BITPOS none 0 0 1 2", SYNTAX),
            ("BITPOS none 0 x 1 BIT 2", SYNTAX),
        ],
    );
}

#[test]
fn bitop_combines_strings() {
    let (_server, mut client) = start();
    client.ok(&[b"MSET", &b"a"[..], b"\xff\x0f\xff", b"b", b"\xf0\xff", b"n", b"12"]);
    for (line, result) in [
        ("BITOP AND d a b", &b"\xf0\x0f\x00"[..]),
        ("BITOP or d a b none", b"\xff\xff\xff"),
        ("BITOP XOR d a b a", b"\xf0\xff\x00"),
        ("BITOP NOT d a", b"\x00\xf0\x00"),
        ("BITOP AND d a none", b"\0\0\0"),
        ("BITOP OR d n", b"12"),
        ("BITOP AND a a", b"\xff\x0f\xff"),
    ] {
        assert_eq!(client.int(&words(line)), result.len() as i64, "{line}");
        assert_eq!(client.bulk(&["GET", words(line)[2]]), result, "{line}");
    }
    client.ok(&["SETEX", "d", "100", "old"]);
    assert_eq!(client.int(&["BITOP", "OR", "d", "n"]), 2);
    assert_eq!(client.int(&["TTL", "d"]), -1);
    assert_eq!(client.text(&["OBJECT", "ENCODING", "d"]), "raw");
    let longest = vec![0x55u8; 100_000];
    client.ok(&[b"SET", &b"long"[..], &longest]);
    assert_eq!(client.int(&["BITOP", "XOR", "d", "long", "a"]), 100_000);
    assert_eq!(client.bulk(&["GETRANGE", "d", "0", "3"]), b"\xaa\x5a\xaa\x55");
}

#[test]
fn bitop_with_an_empty_result_deletes_the_destination() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "d", "old", "e", ""]);
    check_ints(
        &mut client,
        &[("BITOP NOT d none", 0), ("EXISTS d", 0), ("BITOP AND d none e", 0), ("EXISTS d", 0)],
    );
}

#[test]
fn bitop_refuses_bad_operations() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "v"]);
    check_errors(
        &mut client,
        &[
            ("BITOP NAND d k", SYNTAX),
            ("BITOP NOT d k k", "ERR BITOP NOT must be called with a single source key."),
            ("BITOP AND d", "ERR wrong number of arguments for 'bitop' command"),
        ],
    );
}

#[test]
fn bitfield_sets_gets_and_increments() {
    let (_server, mut client) = start();
    check_fields(&mut client, "BITFIELD k", &[]);
    check_fields(&mut client, "BITFIELD k GET u8 0 GET i8 #3", &[Some(0), Some(0)]);
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    check_fields(
        &mut client,
        "BITFIELD k SET u8 0 255 get u8 0 incrby u8 0 10",
        &[Some(0), Some(255), Some(9)],
    );
    check_fields(
        &mut client,
        "BITFIELD k SET i8 #1 -1 INCRBY i5 3 7 GET i8 #1",
        &[Some(0), Some(-16), Some(-1)],
    );
    check_fields(
        &mut client,
        "BITFIELD k SET i64 64 -2 GET i64 64 GET u63 64",
        &[Some(0), Some(-2), Some(i64::MAX)],
    );
    assert_eq!(client.int(&["STRLEN", "k"]), 16);
    client.ok(&["SETEX", "n", "100", "1"]);
    check_fields(&mut client, "BITFIELD n INCRBY u8 0 1", &[Some(50)]);
    assert_eq!(client.text(&["GET", "n"]), "2");
    assert!(client.int(&["TTL", "n"]) > 0);
}

#[test]
fn bitfield_overflow_wraps_saturates_or_fails() {
    let (_server, mut client) = start();
    check_fields(&mut client, "BITFIELD k INCRBY u2 0 3 INCRBY u2 0 1", &[Some(3), Some(0)]);
    check_fields(
        &mut client,
        "BITFIELD k OVERFLOW SAT INCRBY i8 8 200 INCRBY i8 8 -300",
        &[Some(127), Some(-128)],
    );
    check_fields(
        &mut client,
        "BITFIELD k OVERFLOW FAIL INCRBY u2 0 4 SET u2 0 2 overflow wrap INCRBY u2 0 3",
        &[None, Some(0), Some(1)],
    );
    let fail = ["BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u2", "0", "4"];
    assert_eq!(client.cmd(&fail), Value::Array(vec![Value::NullBulk]));
    client.hello(3);
    assert_eq!(client.cmd(&fail), Value::Array(vec![Value::Null]));
}

#[test]
fn bitfield_refuses_bad_operations_as_a_whole() {
    let (_server, mut client) = start();
    let bad_type =
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    check_errors(
        &mut client,
        &[
            ("BITFIELD k SET u8 0 1 GET u64 0", bad_type),
            ("BITFIELD k GET i65 0", bad_type),
            ("BITFIELD k GET u0 0", bad_type),
            ("BITFIELD k GET x8 0", bad_type),
            ("BITFIELD k SET u8 0 1 GET u8 -1", BAD_OFFSET),
            ("BITFIELD k GET u8 #x", BAD_OFFSET),
            ("BITFIELD k GET u8 4294967296", BAD_OFFSET),
            ("BITFIELD k SET u8 0 x", NOT_INTEGER),
            ("BITFIELD k SET u8 0 1 OVERFLOW never", "ERR Invalid OVERFLOW type specified"),
            ("BITFIELD k GET u8", SYNTAX),
            ("BITFIELD k SET u8 0", SYNTAX),
            ("BITFIELD k OVERFLOW", SYNTAX),
            ("BITFIELD k nonsense u8 0", SYNTAX),
            ("BITFIELD_RO k SET u8 0 1", "ERR BITFIELD_RO only supports the GET subcommand"),
            ("BITFIELD_RO k GET u8", SYNTAX),
        ],
    );
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
}

#[test]
fn bitfield_ro_reads_fields() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "ab"]);
    check_fields(&mut client, "BITFIELD_RO k GET u8 0 GET u8 #1 GET i4 #1", &[Some(97), Some(98), Some(1)]);
    check_fields(&mut client, "BITFIELD_RO none GET u8 0", &[Some(0)]);
    check_fields(&mut client, "BITFIELD_RO k", &[]);
}

#[test]
fn bitmaps_are_raw_strings() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "setbit", "1", "bitfield", "1", "unchanged", "1"]);
    check_ints(&mut client, &[("SETBIT setbit 0 1", 0), ("SETBIT new 0 1", 0), ("SETBIT unchanged 0 0", 0)]);
    check_fields(&mut client, "BITFIELD bitfield SET u8 0 50", &[Some(49)]);
    for key in ["setbit", "new", "bitfield", "unchanged"] {
        assert_eq!(client.text(&["OBJECT", "ENCODING", key]), "raw", "{key}");
    }
}

#[test]
fn bits_agree_with_a_model() {
    let seed = 0x51ab_0c9d;
    println!("seed {seed:#x}");
    let (_server, mut client) = start();
    let mut rng = Rng::new(seed);
    let mut model = [false; 600];
    let mut len = 0;
    for _ in 0..2000 {
        let (offset, bit) = (rng.below(model.len()), rng.one_in(2));
        let old = client.int(&["SETBIT", "k", &offset.to_string(), if bit { "1" } else { "0" }]);
        assert_eq!(old, i64::from(std::mem::replace(&mut model[offset], bit)));
        len = len.max(offset / 8 + 1);
    }
    assert_eq!(client.int(&["STRLEN", "k"]), len as i64);
    for _ in 0..300 {
        let (start, end) = (rng.below(len * 8), rng.below(len * 8));
        let range = || start..=end;
        let ones = range().filter(|&at| model[at]).count();
        let (start_text, end_text) = (start.to_string(), end.to_string());
        assert_eq!(client.int(&["BITCOUNT", "k", &start_text, &end_text, "BIT"]), ones as i64);
        for bit in [false, true] {
            let first = range().find(|&at| model[at] == bit).map_or(-1, |at| at as i64);
            let wanted = if bit { "1" } else { "0" };
            assert_eq!(client.int(&["BITPOS", "k", wanted, &start_text, &end_text, "BIT"]), first);
        }
    }
}

#[test]
fn bitmap_commands_on_a_list_are_wrongtype() {
    let (_server, mut client) = start();
    if client.cmd(&["RPUSH", "list", "x"]) != Value::Int(1) {
        // Nothing but strings exists yet.
        assert!(client.error(&["RPUSH", "list", "x"]).starts_with("ERR unknown command 'RPUSH'"));
        return;
    }
    for line in [
        "SETBIT list 0 1",
        "GETBIT list 0",
        "BITCOUNT list",
        "BITCOUNT list 0 1",
        "BITPOS list 1",
        "BITOP AND d none list",
        "BITFIELD list",
        "BITFIELD list GET u8 0",
        "BITFIELD list SET u8 0 1",
        "BITFIELD_RO list GET u8 0",
    ] {
        check_errors(&mut client, &[(line, WRONG_TYPE)]);
    }
    client.ok(&["SET", "s", "v"]);
    assert_eq!(client.int(&["BITOP", "NOT", "list", "s"]), 1);
    assert_eq!(client.bulk(&["GET", "list"]), b"\x89");
}
