//! Strings: GET, SET and their kin, counters, parts of strings, LCS.

use crate::support::{Client, Server, Value};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_FLOAT: &str = "ERR value is not a valid float";
const TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";

fn start() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// Milliseconds since 1970.
fn unix_ms() -> i64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        assert_eq!(client.error(&words), *error, "{line}");
    }
}

#[track_caller]
fn check_encoding(client: &mut Client, key: &str, encoding: &str) {
    assert_eq!(client.text(&["OBJECT", "ENCODING", key]), encoding, "{key}");
}

/// The key expires within a second after `ms` from now.
#[track_caller]
fn check_ttl(client: &mut Client, key: &str, ms: i64) {
    let ttl = client.int(&["PTTL", key]);
    assert!(ttl <= ms && ttl > ms - 10_000, "{key} expires in {ttl} ms, expected {ms}");
}

// ----- GET, SET -----

#[test]
fn get_returns_what_set_wrote_and_null_for_a_missing_key() {
    let (_server, mut client) = start();
    client.null(&["GET", "k"]);
    for value in [&b""[..], b"x", b"\0\r\n\xff", &[b'v'; 3000], &[b'w'; 100_000]] {
        client.ok(&[b"SET", &b"k"[..], value]);
        assert_eq!(client.bulk(&["GET", "k"]), value);
    }
    client.ok(&["SET", "", "the empty key"]);
    assert_eq!(client.text(&["GET", ""]), "the empty key");
    check_errors(
        &mut client,
        &[
            ("GET", "ERR wrong number of arguments for 'get' command"),
            ("GET a b", "ERR wrong number of arguments for 'get' command"),
            ("SET a", "ERR wrong number of arguments for 'set' command"),
        ],
    );
}

#[test]
fn a_null_is_a_bulk_in_resp2_and_itself_in_resp3() {
    let (_server, mut client) = start();
    assert_eq!(client.cmd(&["GET", "k"]), Value::NullBulk);
    assert_eq!(client.cmd(&["SET", "k", "v", "XX"]), Value::NullBulk);
    client.hello(3);
    assert_eq!(client.cmd(&["GET", "k"]), Value::Null);
    assert_eq!(client.cmd(&["SET", "k", "v", "XX"]), Value::Null);
    assert_eq!(client.cmd(&["MGET", "k"]), Value::Array(vec![Value::Null]));
}

#[test]
fn set_nx_and_xx_are_conditions() {
    let (_server, mut client) = start();
    client.null(&["SET", "k", "a", "XX"]);
    client.ok(&["SET", "k", "a", "NX"]);
    client.null(&["SET", "k", "b", "nx"]);
    client.ok(&["SET", "k", "c", "xX", "XX"]);
    assert_eq!(client.text(&["GET", "k"]), "c");
}

#[test]
fn set_get_returns_the_old_value() {
    let (_server, mut client) = start();
    client.null(&["SET", "k", "a", "GET"]);
    assert_eq!(client.text(&["SET", "k", "b", "GET"]), "a");
    assert_eq!(client.text(&["SET", "k", "c", "NX", "GET"]), "b");
    assert_eq!(client.text(&["SET", "k", "d", "XX", "GET", "PX", "100000"]), "b");
    check_ttl(&mut client, "k", 100_000);
    assert_eq!(client.text(&["SET", "k", "12", "GET", "KEEPTTL"]), "d");
    assert_eq!(client.text(&["SET", "k", "13", "GET"]), "12");
    assert_eq!(client.int(&["PTTL", "k"]), -1);
    client.null(&["SET", "new", "a", "NX", "GET"]);
    assert_eq!(client.text(&["GET", "new"]), "a");
    client.null(&["SET", "missing", "a", "XX", "GET"]);
    assert_eq!(client.int(&["EXISTS", "missing"]), 0);
}

#[test]
fn set_gives_an_expiry_keeps_it_or_clears_it() {
    let (_server, mut client) = start();
    let now = unix_ms();
    let (exat, pxat) = ((now / 1000 + 300).to_string(), (now + 400_000).to_string());
    for (option, time, ms) in [
        ("EX", "100", 100_000),
        ("px", "200000", 200_000),
        ("EXAT", &exat, 300_000),
        ("PxAt", &pxat, 400_000),
    ] {
        client.ok(&["SET", "k", "v", option, time]);
        check_ttl(&mut client, "k", ms);
    }
    client.ok(&["SET", "k", "w", "KEEPTTL"]);
    check_ttl(&mut client, "k", 400_000);
    assert_eq!(client.text(&["GET", "k"]), "w");
    client.ok(&["SET", "k", "x"]);
    assert_eq!(client.int(&["PTTL", "k"]), -1);
    client.ok(&["SET", "k", "y", "EX", "10", "EX", "100"]);
    check_ttl(&mut client, "k", 100_000);
}

#[test]
fn set_with_a_time_in_the_past_leaves_no_key() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "v"]);
    client.ok(&["SET", "k", "w", "PXAT", "1000"]);
    client.null(&["GET", "k"]);
    client.ok(&["SET", "k", "v", "EXAT", "1"]);
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    client.ok(&["SET", "k", "v"]);
    assert_eq!(client.text(&["SET", "k", "w", "PXAT", "1000", "GET"]), "v");
    client.ok(&["SET", "k", "v", "NX"]);
    assert_eq!(client.int(&["PTTL", "k"]), -1);
}

#[test]
fn set_options_that_exclude_each_other_are_syntax_errors() {
    let (_server, mut client) = start();
    for options in [
        "NX XX",
        "XX NX",
        "KEEPTTL EX 10",
        "PX 10 KEEPTTL",
        "EX 10 PX 10",
        "EXAT 10 PXAT 10",
        "EX 10 EXAT 10",
        "PERSIST",
        "EX",
        "PX 10 NX EX",
        "nonsense",
        "GET GETS",
        "''",
    ] {
        check_errors(&mut client, &[(&format!("SET k v {options}"), SYNTAX)]);
    }
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
}

#[test]
fn expire_times_must_be_positive_integers_that_fit() {
    let (_server, mut client) = start();
    let invalid = "ERR invalid expire time in 'set' command";
    check_errors(
        &mut client,
        &[
            ("SET k v EX 0", invalid),
            ("SET k v EX -1", invalid),
            ("SET k v PX 0", invalid),
            ("SET k v EXAT 0", invalid),
            ("SET k v PXAT -5", invalid),
            ("SET k v EX 9223372036854775807", invalid),
            ("SET k v EX 9223372036854775", invalid),
            ("SET k v EXAT 9223372036854776", invalid),
            ("SET k v PX 9223372036854775807", invalid),
            ("SET k v EX 1.5", NOT_INTEGER),
            ("SET k v EX ten", NOT_INTEGER),
            ("SET k v EX ''", NOT_INTEGER),
            ("SET k v EX ten XX NX", SYNTAX),
            ("SETEX k 0 v", "ERR invalid expire time in 'setex' command"),
            ("SETEX k 9223372036854775807 v", "ERR invalid expire time in 'setex' command"),
            ("SETEX k ten v", NOT_INTEGER),
            ("PSETEX k -1 v", "ERR invalid expire time in 'psetex' command"),
            ("PSETEX k 9223372036854775807 v", "ERR invalid expire time in 'psetex' command"),
            ("PSETEX k ten v", NOT_INTEGER),
        ],
    );
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    client.ok(&["SET", "k", "v", "PXAT", "9223372036854775807"]);
    assert_eq!(client.text(&["GET", "k"]), "v");
}

#[test]
fn setex_and_psetex_set_value_and_expiry() {
    let (_server, mut client) = start();
    client.ok(&["SETEX", "k", "100", "v"]);
    check_ttl(&mut client, "k", 100_000);
    client.ok(&["PSETEX", "k", "200000", "w"]);
    check_ttl(&mut client, "k", 200_000);
    assert_eq!(client.text(&["GET", "k"]), "w");
}

#[test]
fn setnx_sets_only_a_missing_key() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["SETNX", "k", "a"]), 1);
    assert_eq!(client.int(&["SETNX", "k", "b"]), 0);
    assert_eq!(client.text(&["GET", "k"]), "a");
    client.ok(&["SET", "gone", "v", "PXAT", "1"]);
    assert_eq!(client.int(&["SETNX", "gone", "w"]), 1);
}

#[test]
fn getset_returns_the_old_value_and_clears_the_expiry() {
    let (_server, mut client) = start();
    client.null(&["GETSET", "k", "a"]);
    client.ok(&["SETEX", "k", "100", "b"]);
    assert_eq!(client.text(&["GETSET", "k", "7"]), "b");
    assert_eq!(client.int(&["TTL", "k"]), -1);
    check_encoding(&mut client, "k", "int");
}

#[test]
fn getdel_returns_the_value_and_deletes_the_key() {
    let (_server, mut client) = start();
    client.null(&["GETDEL", "k"]);
    for value in ["v", "12"] {
        client.ok(&["SET", "k", value]);
        assert_eq!(client.text(&["GETDEL", "k"]), value);
        assert_eq!(client.int(&["EXISTS", "k"]), 0);
    }
    let big = vec![b'x'; 200_000];
    client.ok(&[b"SET", &b"k"[..], &big]);
    assert_eq!(client.bulk(&["GETDEL", "k"]), big);
}

#[test]
fn getex_sets_or_removes_the_expiry() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "v"]);
    assert_eq!(client.text(&["GETEX", "k"]), "v");
    assert_eq!(client.int(&["PTTL", "k"]), -1);
    let now = unix_ms();
    let (exat, pxat) = ((now / 1000 + 300).to_string(), (now + 400_000).to_string());
    for (option, time, ms) in [
        ("EX", "100", 100_000),
        ("PX", "200000", 200_000),
        ("exat", &exat, 300_000),
        ("PXAT", &pxat, 400_000),
    ] {
        assert_eq!(client.text(&["GETEX", "k", option, time]), "v");
        check_ttl(&mut client, "k", ms);
    }
    assert_eq!(client.text(&["GETEX", "k"]), "v");
    check_ttl(&mut client, "k", 400_000);
    assert_eq!(client.text(&["GETEX", "k", "PERSIST"]), "v");
    assert_eq!(client.int(&["PTTL", "k"]), -1);
    assert_eq!(client.text(&["GETEX", "k", "EXAT", "1"]), "v");
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    client.null(&["GETEX", "k", "EX", "0"]);
}

#[test]
fn getex_refuses_bad_options() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "v"]);
    let invalid = "ERR invalid expire time in 'getex' command";
    check_errors(
        &mut client,
        &[
            ("GETEX k EX", SYNTAX),
            ("GETEX k EX 10 PERSIST", SYNTAX),
            ("GETEX k PERSIST EX 10", SYNTAX),
            ("GETEX k EX 10 PX 10", SYNTAX),
            ("GETEX k KEEPTTL", SYNTAX),
            ("GETEX k NX", SYNTAX),
            ("GETEX missing GET", SYNTAX),
            ("GETEX k EX 0", invalid),
            ("GETEX k PXAT -1", invalid),
            ("GETEX k EX 9223372036854775807", invalid),
            ("GETEX k EX x", NOT_INTEGER),
        ],
    );
    assert_eq!(client.int(&["PTTL", "k"]), -1);
}

// ----- several keys -----

#[test]
fn mget_returns_a_null_for_each_missing_key() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "a", "1", "b", "two"]);
    assert_eq!(client.texts(&["MGET", "a", "none", "b", "a"]), ["1", "(nil)", "two", "1"]);
    check_errors(&mut client, &[("MGET", "ERR wrong number of arguments for 'mget' command")]);
}

#[test]
fn mset_sets_all_keys_and_the_last_of_equal_ones() {
    let (_server, mut client) = start();
    client.ok(&["SETEX", "a", "100", "old"]);
    client.ok(&["MSET", "a", "1", "b", "x", "a", "2"]);
    assert_eq!(client.texts(&["MGET", "a", "b"]), ["2", "x"]);
    assert_eq!(client.int(&["TTL", "a"]), -1);
    let mut many = vec!["MSET".to_owned()];
    many.extend((0..400).map(|i| format!("{i}")));
    client.ok(&many);
    assert_eq!(client.text(&["GET", "398"]), "399");
    let odd = "ERR wrong number of arguments for 'mset' command";
    check_errors(&mut client, &[("MSET", odd), ("MSET a", odd), ("MSET a 1 b", odd)]);
    assert_eq!(client.text(&["GET", "a"]), "2");
}

#[test]
fn msetnx_sets_all_keys_or_none() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["MSETNX", "a", "1", "b", "2", "a", "3"]), 1);
    assert_eq!(client.int(&["MSETNX", "c", "1", "b", "9"]), 0);
    assert_eq!(client.texts(&["MGET", "a", "b", "c"]), ["3", "2", "(nil)"]);
    check_errors(&mut client, &[("MSETNX a 1 b", "ERR wrong number of arguments for 'msetnx' command")]);
}

// ----- parts of strings -----

#[test]
fn append_creates_and_lengthens_strings() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["APPEND", "k", "foo"]), 3);
    assert_eq!(client.int(&["APPEND", "k", "bar"]), 6);
    assert_eq!(client.int(&["APPEND", "k", ""]), 6);
    assert_eq!(client.text(&["GET", "k"]), "foobar");
    assert_eq!(client.int(&["APPEND", "n", "1"]), 1);
    assert_eq!(client.int(&["APPEND", "n", "2"]), 2);
    assert_eq!(client.int(&["INCR", "n"]), 13);
    client.ok(&["SETEX", "t", "100", "v"]);
    client.int(&["APPEND", "t", "w"]);
    check_ttl(&mut client, "t", 100_000);
    let mut expected = Vec::new();
    for piece in 0..60u8 {
        let bytes = vec![piece; 500];
        expected.extend_from_slice(&bytes);
        assert_eq!(client.int(&[b"APPEND", &b"long"[..], &bytes]), expected.len() as i64);
    }
    assert_eq!(client.bulk(&["GET", "long"]), expected);
}

#[test]
fn strlen_is_the_length_in_bytes() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["STRLEN", "k"]), 0);
    client.ok(&["MSET", "k", "h\u{e9}", "n", "-1234", "e", ""]);
    assert_eq!(client.int(&["STRLEN", "k"]), 3);
    assert_eq!(client.int(&["STRLEN", "n"]), 5);
    assert_eq!(client.int(&["STRLEN", "e"]), 0);
}

#[test]
fn getrange_and_substr_clamp_their_indexes() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "k", "This is a string", "n", "-123"]);
    for command in ["GETRANGE", "SUBSTR"] {
        for (start, end, part) in [
            ("0", "3", "This"),
            ("-3", "-1", "ing"),
            ("0", "-1", "This is a string"),
            ("10", "100", "string"),
            ("5", "3", ""),
            ("0", "-100", "T"),
            ("-1", "-5", ""),
            ("100", "200", ""),
        ] {
            assert_eq!(client.text(&[command, "k", start, end]), part, "{start} {end}");
        }
        assert_eq!(client.text(&[command, "n", "0", "1"]), "-1");
        assert_eq!(client.text(&[command, "none", "0", "-1"]), "");
    }
    check_errors(&mut client, &[("GETRANGE none a 1", NOT_INTEGER), ("SUBSTR k 0 1.0", NOT_INTEGER)]);
}

#[test]
fn getrange_of_a_big_value_is_the_part_asked_for() {
    let (_server, mut client) = start();
    let big: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    client.ok(&[b"SET", &b"k"[..], &big]);
    assert_eq!(client.bulk(&["GETRANGE", "k", "1000", "250999"]), big[1000..251_000]);
    assert_eq!(client.bulk(&["GETRANGE", "k", "-10", "-1"]), big[299_990..]);
    // What was sent is what was there at the time, whatever follows in the same batch.
    client.send(&["GETRANGE", "k", "0", "99999"]);
    client.send(&["SETRANGE", "k", "0", "changed"]);
    client.send(&["GETRANGE", "k", "0", "6"]);
    assert_eq!(client.read(), Value::bulk(&big[..100_000]));
    assert_eq!(client.read(), Value::Int(300_000));
    assert_eq!(client.read(), Value::bulk("changed"));
}

#[test]
fn setrange_overwrites_and_fills_gaps_with_zeros() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["SETRANGE", "k", "0", ""]), 0);
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
    assert_eq!(client.int(&["SETRANGE", "k", "3", "abc"]), 6);
    assert_eq!(client.bulk(&["GET", "k"]), b"\0\0\0abc");
    assert_eq!(client.int(&["SETRANGE", "k", "1", "xy"]), 6);
    assert_eq!(client.int(&["SETRANGE", "k", "100", ""]), 6);
    assert_eq!(client.bulk(&["GET", "k"]), b"\0xyabc");
    client.ok(&["SETEX", "n", "100", "1234"]);
    assert_eq!(client.int(&["SETRANGE", "n", "1", "9"]), 4);
    assert_eq!(client.int(&["INCR", "n"]), 1935);
    check_ttl(&mut client, "n", 100_000);
    assert_eq!(client.int(&["SETRANGE", "long", "500000", "z"]), 500_001);
    let long = client.bulk(&["GET", "long"]);
    assert!(long[..500_000].iter().all(|&byte| byte == 0) && long[500_000] == b'z');
    check_errors(
        &mut client,
        &[("SETRANGE k -1 x", "ERR offset is out of range"), ("SETRANGE k abc x", NOT_INTEGER)],
    );
}

#[test]
fn strings_may_not_exceed_proto_max_bulk_len() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "1048576"]);
    assert_eq!(client.int(&["SETRANGE", "k", "1048575", "x"]), 1_048_576);
    check_errors(
        &mut client,
        &[
            ("APPEND k x", TOO_LONG),
            ("SETRANGE k 1048576 x", TOO_LONG),
            ("SETRANGE new 1048575 xy", TOO_LONG),
            ("SETRANGE new 9223372036854775807 x", TOO_LONG),
        ],
    );
    assert_eq!(client.int(&["SETRANGE", "k", "9223372036854775807", ""]), 1_048_576);
    assert_eq!(client.int(&["APPEND", "k", ""]), 1_048_576);
    assert_eq!(client.int(&["EXISTS", "new"]), 0);
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "512mb"]);
}

// ----- counters -----

#[test]
fn counters_add_and_subtract() {
    let (_server, mut client) = start();
    assert_eq!(client.int(&["INCR", "k"]), 1);
    assert_eq!(client.int(&["INCRBY", "k", "41"]), 42);
    assert_eq!(client.int(&["DECR", "k"]), 41);
    assert_eq!(client.int(&["DECRBY", "k", "50"]), -9);
    assert_eq!(client.int(&["INCRBY", "k", "-1"]), -10);
    assert_eq!(client.int(&["DECRBY", "k", "-10"]), 0);
    assert_eq!(client.int(&["DECR", "new"]), -1);
    client.ok(&["SETEX", "k", "100", "5"]);
    assert_eq!(client.int(&["INCR", "k"]), 6);
    check_ttl(&mut client, "k", 100_000);
}

#[test]
fn counters_refuse_overflow_and_what_is_no_integer() {
    let (_server, mut client) = start();
    let overflow = "ERR increment or decrement would overflow";
    client.ok(&["MSET", "max", "9223372036854775807", "min", "-9223372036854775808"]);
    client.ok(&["MSET", "text", "abc", "float", "1.5", "space", " 1", "zeros", "01", "empty", ""]);
    check_errors(
        &mut client,
        &[
            ("INCR max", overflow),
            ("INCRBY max 1", overflow),
            ("DECRBY max -1", overflow),
            ("DECR min", overflow),
            ("DECRBY min 1", overflow),
            ("INCRBY min -1", overflow),
            ("DECRBY k -9223372036854775808", "ERR decrement would overflow"),
            ("INCRBY k 9223372036854775808", NOT_INTEGER),
            ("INCRBY k 1.5", NOT_INTEGER),
            ("DECRBY k ''", NOT_INTEGER),
            ("INCR text", NOT_INTEGER),
            ("INCR float", NOT_INTEGER),
            ("INCR space", NOT_INTEGER),
            ("DECR zeros", NOT_INTEGER),
            ("INCR empty", NOT_INTEGER),
        ],
    );
    assert_eq!(client.texts(&["MGET", "max", "min"]), ["9223372036854775807", "-9223372036854775808"]);
    assert_eq!(client.int(&["INCRBY", "min", "9223372036854775807"]), -1);
    assert_eq!(client.int(&["EXISTS", "k"]), 0);
}

#[test]
fn incrbyfloat_adds_with_seventeen_digits() {
    let (_server, mut client) = start();
    assert_eq!(client.text(&["INCRBYFLOAT", "k", "10.50"]), "10.5");
    assert_eq!(client.text(&["INCRBYFLOAT", "k", "0.1"]), "10.6");
    assert_eq!(client.text(&["INCRBYFLOAT", "k", "-5"]), "5.6");
    client.ok(&["SET", "k", "5.0e3"]);
    assert_eq!(client.text(&["INCRBYFLOAT", "k", "2.0e2"]), "5200");
    assert_eq!(client.text(&["INCRBYFLOAT", "k", "-5200"]), "0");
    client.ok(&["SETEX", "n", "100", "3"]);
    assert_eq!(client.text(&["INCRBYFLOAT", "n", "1"]), "4");
    check_ttl(&mut client, "n", 100_000);
    assert_eq!(client.int(&["INCR", "n"]), 5);
    assert_eq!(client.text(&["INCRBYFLOAT", "third", "0.333333333333333333"]), "0.33333333333333333");
    client.ok(&["MSET", "text", "abc", "space", " 1", "empty", "", "huge", "1e4932"]);
    check_errors(
        &mut client,
        &[
            ("INCRBYFLOAT k abc", NOT_FLOAT),
            ("INCRBYFLOAT k ''", NOT_FLOAT),
            ("INCRBYFLOAT k nan", NOT_FLOAT),
            ("INCRBYFLOAT k inf", "ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT k -inf", "ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT huge 1e4932", "ERR increment would produce NaN or Infinity"),
            ("INCRBYFLOAT text 1", NOT_FLOAT),
            ("INCRBYFLOAT space 1", NOT_FLOAT),
            ("INCRBYFLOAT empty 1", NOT_FLOAT),
        ],
    );
}

// ----- encodings -----

#[test]
fn whole_values_are_int_embstr_or_raw() {
    let (_server, mut client) = start();
    let (embstr, raw) = ("x".repeat(44), "x".repeat(45));
    let values = [
        ("12345", "int"),
        ("-9223372036854775808", "int"),
        ("9223372036854775808", "embstr"),
        ("01", "embstr"),
        ("", "embstr"),
        ("1.5", "embstr"),
        (&embstr, "embstr"),
        (&raw, "raw"),
    ];
    for (value, encoding) in values {
        client.ok(&["SET", "set", value]);
        client.ok(&["SET", "options", value, "PX", "100000"]);
        client.ok(&["SETEX", "setex", "100", value]);
        client.ok(&["MSET", "mset", value]);
        client.cmd(&["GETSET", "getset", value]);
        client.int(&["DEL", "setnx", "msetnx", "append"]);
        client.int(&["SETNX", "setnx", value]);
        client.int(&["MSETNX", "msetnx", value]);
        client.int(&["APPEND", "append", value]);
        for key in ["set", "options", "setex", "mset", "getset", "setnx", "msetnx", "append"] {
            check_encoding(&mut client, key, encoding);
        }
    }
}

#[test]
fn values_changed_in_place_are_raw() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "append", "1", "setrange", "1"]);
    client.int(&["APPEND", "append", ""]);
    client.int(&["SETRANGE", "setrange", "0", "2"]);
    client.int(&["SETRANGE", "new", "0", "2"]);
    for key in ["append", "setrange", "new"] {
        check_encoding(&mut client, key, "raw");
    }
    client.int(&["INCR", "append"]);
    check_encoding(&mut client, "append", "int");
}

#[test]
fn incrbyfloat_results_are_never_int() {
    let (_server, mut client) = start();
    client.ok(&["SET", "k", "1"]);
    client.text(&["INCRBYFLOAT", "k", "2"]);
    check_encoding(&mut client, "k", "embstr");
    client.text(&["INCRBYFLOAT", "k", "1e60"]);
    check_encoding(&mut client, "k", "raw");
}

// ----- LCS -----

#[test]
fn lcs_returns_the_string_its_length_or_its_matches() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "a", "ohmytext", "b", "mynewtext", "n", "12"]);
    assert_eq!(client.text(&["LCS", "a", "b"]), "mytext");
    assert_eq!(client.int(&["LCS", "a", "b", "len"]), 6);
    assert_eq!(client.text(&["LCS", "a", "none"]), "");
    assert_eq!(client.int(&["LCS", "n", "n", "LEN", "WITHMATCHLEN"]), 2);
    let range = |start, end| Value::Array(vec![Value::Int(start), Value::Int(end)]);
    let text = Value::Array(vec![range(4, 7), range(5, 8)]);
    let my = Value::Array(vec![range(2, 3), range(0, 1)]);
    let long = Value::Array(vec![range(4, 7), range(5, 8), Value::Int(4)]);
    let reply = |matches: Vec<Value>| {
        vec![(Value::bulk("matches"), Value::Array(matches)), (Value::bulk("len"), Value::Int(6))]
    };
    for protocol in [2, 3] {
        client.hello(protocol);
        let idx = client.cmd(&["LCS", "a", "b", "IDX"]);
        assert_eq!(idx.pairs().unwrap(), reply(vec![text.clone(), my.clone()]));
        assert_eq!(matches!(idx, Value::Map(_)), protocol == 3);
        let idx = client.cmd(&["LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"]);
        assert_eq!(idx.pairs().unwrap(), reply(vec![long.clone()]));
        let idx = client.cmd(&["LCS", "a", "b", "IDX", "MINMATCHLEN", "-4"]);
        assert_eq!(idx.pairs().unwrap(), reply(vec![text.clone(), my.clone()]));
        let idx = client.cmd(&["LCS", "a", "b", "IDX", "MINMATCHLEN", "5"]);
        assert_eq!(idx.pairs().unwrap(), reply(vec![]));
    }
}

#[test]
fn lcs_refuses_bad_options_and_sizes() {
    let (_server, mut client) = start();
    client.ok(&["MSET", "a", "ohmytext", "b", "mynewtext"]);
    check_errors(
        &mut client,
        &[
            ("LCS a", "ERR wrong number of arguments for 'lcs' command"),
            ("LCS a b IDX LEN", "ERR If you want both the length and indexes, please just use IDX."),
            ("LCS a b MINMATCHLEN", SYNTAX),
            ("LCS a b MINMATCHLEN x", NOT_INTEGER),
            ("LCS a b nonsense", SYNTAX),
        ],
    );
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "1048576"]);
    client.ok(&["SET", "c", &"x".repeat(600)]);
    let error = client.error(&["LCS", "c", "c", "LEN"]);
    assert_eq!(error, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    client.ok(&["CONFIG", "SET", "proto-max-bulk-len", "512mb"]);
    assert_eq!(client.int(&["LCS", "c", "c", "LEN"]), 600);
}

// ----- other types -----

#[test]
fn string_commands_on_a_list_are_wrongtype() {
    let (_server, mut client) = start();
    if client.cmd(&["RPUSH", "list", "x"]) != Value::Int(1) {
        // Nothing but strings exists yet.
        assert!(client.error(&["RPUSH", "list", "x"]).starts_with("ERR unknown command 'RPUSH'"));
        return;
    }
    for line in [
        "GET list",
        "SET list v GET",
        "SET list v XX GET",
        "GETSET list v",
        "GETDEL list",
        "GETEX list",
        "GETEX list EX 0",
        "APPEND list v",
        "STRLEN list",
        "GETRANGE list 0 1",
        "SUBSTR list 0 1",
        "SETRANGE list 0 v",
        "SETRANGE list 0 ''",
        "INCR list",
        "DECR list",
        "INCRBY list 1",
        "DECRBY list 1",
        "INCRBYFLOAT list x",
    ] {
        check_errors(&mut client, &[(line, WRONG_TYPE)]);
    }
    client.ok(&["SET", "s", "v"]);
    for line in ["LCS list s", "LCS s list nonsense", "LCS list none"] {
        check_errors(&mut client, &[(line, "ERR The specified keys must contain string values")]);
    }
    assert_eq!(client.texts(&["MGET", "list", "s"]), ["(nil)", "v"]);
    assert_eq!(client.int(&["SETNX", "list", "v"]), 0);
    assert_eq!(client.int(&["MSETNX", "list", "v"]), 0);
    client.ok(&["SET", "list", "v", "XX"]);
    assert_eq!(client.text(&["GET", "list"]), "v");
}
