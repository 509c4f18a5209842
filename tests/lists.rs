//! Lists: pushing, reading, changing, taking out and moving elements. Waiting for them is in `blocking_lists`.

use crate::support::{Client, Rng, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const ENCODINGS: [&str; 2] = ["listpack", "quicklist"];

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CONFIG", "SET", "list-max-listpack-size", "-2"]);
    (server, client)
}

/// Runs a test once per encoding. A quicklist has nodes of two elements.
fn per_encoding(test: impl Fn(&mut Client)) {
    for encoding in ENCODINGS {
        let (_server, mut client) = start();
        if encoding == "quicklist" {
            client.ok(&["CONFIG", "SET", "list-max-listpack-size", "2"]);
        }
        eprintln!("{encoding}");
        test(&mut client);
        client.ok(&["CONFIG", "SET", "list-max-listpack-size", "-2"]);
    }
}

/// A line of words, where `''` is the empty one.
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
fn int(client: &mut Client, line: &str) -> i64 {
    client.int(&words(line))
}

#[track_caller]
fn texts(client: &mut Client, line: &str) -> String {
    client.texts(&words(line)).join(" ")
}

/// What the list has.
#[track_caller]
fn check(client: &mut Client, key: &str, expected: &str) {
    assert_eq!(texts(client, &format!("LRANGE {key} 0 -1")), expected, "{key}");
    let count = expected.split(' ').filter(|text| !text.is_empty()).count();
    assert_eq!(client.int(&["LLEN", key]), count as i64, "{key}");
}

#[track_caller]
fn check_gone(client: &mut Client, key: &str) {
    assert_eq!(client.int(&["EXISTS", key]), 0, "{key}");
}

// ----- pushing and reading -----

#[test]
fn elements_are_pushed_one_after_the_other_at_either_end() {
    per_encoding(|client| {
        assert_eq!(int(client, "RPUSH l a b c"), 3);
        assert_eq!(int(client, "LPUSH l 1 2"), 5);
        check(client, "l", "2 1 a b c");
        assert_eq!(int(client, "RPUSHX l x"), 6);
        assert_eq!(int(client, "LPUSHX l y z"), 8);
        check(client, "l", "z y 2 1 a b c x");
        assert_eq!(int(client, "LPUSHX none x"), 0);
        assert_eq!(int(client, "RPUSHX none x y"), 0);
        check_gone(client, "none");
        assert_eq!(client.text(&["TYPE", "l"]), "list");
    });
}

#[test]
fn elements_are_any_bytes_and_numbers_come_back_as_they_were_written() {
    per_encoding(|client| {
        let values: [&[u8]; 12] = [
            b"",
            b"0",
            b"-1",
            b"007",
            b"9223372036854775807",
            b"9223372036854775808",
            b"-0",
            b"\0\r\n\xff",
            &[b'x'; 64],
            &[b'y'; 5000],
            &[b'z'; 9000],
            b"1.0",
        ];
        for value in values {
            client.int(&[b"RPUSH", &b"l"[..], value]);
        }
        let all = client.array(&["LRANGE", "l", "0", "-1"]);
        assert_eq!(all, values.map(Value::bulk));
        for (index, value) in values.iter().enumerate() {
            assert_eq!(client.bulk(&["LINDEX", "l", &index.to_string()]), *value);
            assert_eq!(client.bulk(&["LINDEX", "l", &(index as i64 - 12).to_string()]), *value);
        }
        for value in values {
            assert_eq!(client.bulk(&["LPOP", "l"]), value);
        }
        check_gone(client, "l");
    });
}

#[test]
fn ranges_are_clamped_and_count_from_the_end_when_negative() {
    per_encoding(|client| {
        int(client, "RPUSH l a b c d e");
        for (range, expected) in [
            ("0 -1", "a b c d e"),
            ("1 3", "b c d"),
            ("-3 -2", "c d"),
            ("-100 100", "a b c d e"),
            ("3 1", ""),
            ("5 9", ""),
            ("0 -6", ""),
            ("-1 -1", "e"),
            ("-9223372036854775808 9223372036854775807", "a b c d e"),
        ] {
            assert_eq!(texts(client, &format!("LRANGE l {range}")), expected, "{range}");
        }
        assert_eq!(texts(client, "LRANGE none 0 -1"), "");
        client.null(&["LINDEX", "l", "5"]);
        client.null(&["LINDEX", "l", "-6"]);
        client.null(&["LINDEX", "none", "0"]);
        client.null(&["LINDEX", "none", "x"]);
        assert_eq!(int(client, "LLEN none"), 0);
    });
}

#[test]
fn a_key_of_another_type_is_left_alone() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "v"]);
    for line in [
        "LPUSH s a",
        "RPUSH s a",
        "LPUSHX s a",
        "RPUSHX s a",
        "LPOP s",
        "RPOP s",
        "LPOP s 0",
        "RPOP s 2",
        "LLEN s",
        "LRANGE s 0 -1",
        "LINDEX s x",
        "LSET s x a",
        "LINSERT s BEFORE a b",
        "LREM s 0 a",
        "LTRIM s 0 -1",
        "LPOS s a",
        "LMOVE s l LEFT RIGHT",
        "RPOPLPUSH s l",
        "LMPOP 2 none s LEFT",
        "BLPOP none s 0",
        "BRPOP s 0",
        "BLMOVE s l LEFT RIGHT 0",
        "BRPOPLPUSH s l 0",
        "BLMPOP 0 1 s LEFT",
    ] {
        check_errors(&mut client, &[(line, WRONG_TYPE)]);
    }
    int(&mut client, "RPUSH l a");
    check_errors(&mut client, &[("LMOVE l s LEFT RIGHT", WRONG_TYPE), ("RPOPLPUSH l s", WRONG_TYPE)]);
    check_errors(&mut client, &[("BLMOVE l s LEFT LEFT 0", WRONG_TYPE), ("BRPOPLPUSH l s 0", WRONG_TYPE)]);
    check(&mut client, "l", "a");
    assert_eq!(client.text(&["GET", "s"]), "v");
    client.null(&["LMOVE", "none", "s", "LEFT", "RIGHT"]);
}

#[test]
fn wrong_words_are_refused_in_redis_s_order() {
    let (_server, mut client) = start();
    int(&mut client, "RPUSH l a");
    client.ok(&["SET", "s", "v"]);
    let numkeys = "ERR numkeys should be greater than 0";
    check_errors(
        &mut client,
        &[
            ("LPUSH l", "ERR wrong number of arguments for 'lpush' command"),
            ("LRANGE s 0 x", NOT_INTEGER),
            ("LRANGE none x 0", NOT_INTEGER),
            ("LINDEX l x", NOT_INTEGER),
            ("LTRIM s 0 1.5", NOT_INTEGER),
            ("LREM s x a", NOT_INTEGER),
            ("LSET none x a", "ERR no such key"),
            ("LSET l x a", NOT_INTEGER),
            ("LSET l 1 a", "ERR index out of range"),
            ("LSET l -2 a", "ERR index out of range"),
            ("LINSERT s BESIDE a b", SYNTAX),
            ("LPOP l a b", "ERR wrong number of arguments for 'lpop' command"),
            ("RPOP s 1 2", "ERR wrong number of arguments for 'rpop' command"),
            ("LPOP s x", "ERR value is out of range, must be positive"),
            ("RPOP l -1", "ERR value is out of range, must be positive"),
            ("LMOVE none l LEFT UP", SYNTAX),
            ("LMOVE s l DOWN LEFT", SYNTAX),
            ("BLMOVE s l LEFT UP x", SYNTAX),
            ("BLMOVE s l LEFT RIGHT x", "ERR timeout is not a float or out of range"),
            ("BRPOPLPUSH s l -1", "ERR timeout is negative"),
            ("BLPOP s x", "ERR timeout is not a float or out of range"),
            ("BRPOP s -0.1", "ERR timeout is negative"),
            ("BRPOP s nan", "ERR timeout is not a float or out of range"),
            ("LMPOP 0 l LEFT", numkeys),
            ("LMPOP x l LEFT", numkeys),
            ("LMPOP -1 l LEFT", numkeys),
            ("LMPOP 1 l LEFT COUNT 0", "ERR count should be greater than 0"),
            ("LMPOP 1 l LEFT COUNT x", "ERR count should be greater than 0"),
            ("LMPOP 1 l LEFT COUNT", SYNTAX),
            ("LMPOP 1 l LEFT COUNT 1 COUNT 1", SYNTAX),
            ("LMPOP 1 l UP", SYNTAX),
            ("LMPOP 2 l LEFT", SYNTAX),
            ("LMPOP 3 l LEFT RIGHT", SYNTAX),
            ("LMPOP 9223372036854775807 l LEFT", SYNTAX),
            ("LMPOP 1 l x LEFT", SYNTAX),
            ("BLMPOP x 0 l LEFT", numkeys),
            ("BLMPOP x 1 l UP", SYNTAX),
            ("BLMPOP x 1 l LEFT COUNT 0", "ERR count should be greater than 0"),
            ("BLMPOP x 1 l LEFT", "ERR timeout is not a float or out of range"),
            ("BLMPOP -1 1 l LEFT", "ERR timeout is negative"),
        ],
    );
    check(&mut client, "l", "a");
}

#[test]
fn times_to_wait_must_fit() {
    if forgekv_only("before 7.2 a time that is too long was said to be negative") {
        return;
    }
    let (_server, mut client) = start();
    for line in ["BLPOP s 9223372036854775807", "BLPOP s inf", "BLMOVE s l LEFT RIGHT 1e17"] {
        check_errors(&mut client, &[(line, "ERR timeout is out of range")]);
    }
}

// ----- changing -----

#[test]
fn lset_replaces_an_element_from_either_end() {
    per_encoding(|client| {
        int(client, "RPUSH l a b c d");
        client.ok(&["LSET", "l", "0", "A"]);
        client.ok(&["LSET", "l", "-1", "12"]);
        client.ok(&["LSET", "l", "2", "sea"]);
        check(client, "l", "A b sea 12");
    });
}

#[test]
fn linsert_finds_the_first_pivot() {
    per_encoding(|client| {
        int(client, "RPUSH l a 1 a 1");
        assert_eq!(int(client, "LINSERT l BEFORE 1 x"), 5);
        assert_eq!(int(client, "LINSERT l after 1 y"), 6);
        assert_eq!(int(client, "LINSERT l AFTER none z"), -1);
        assert_eq!(int(client, "LINSERT none AFTER a z"), 0);
        check(client, "l", "a x 1 y a 1");
        check_gone(client, "none");
    });
}

#[test]
fn lrem_removes_from_the_side_that_the_count_says() {
    per_encoding(|client| {
        int(client, "RPUSH l a b a c a d a");
        assert_eq!(int(client, "LREM l 1 a"), 1);
        check(client, "l", "b a c a d a");
        assert_eq!(int(client, "LREM l -2 a"), 2);
        check(client, "l", "b a c d");
        assert_eq!(int(client, "LREM l 0 x"), 0);
        assert_eq!(int(client, "LREM none 0 x"), 0);
        int(client, "RPUSH l 7 7");
        assert_eq!(int(client, "LREM l 5 7"), 2);
        for element in ["b", "a", "c", "d"] {
            assert_eq!(client.int(&["LREM", "l", "0", element]), 1);
        }
        check_gone(client, "l");
    });
}

#[test]
fn ltrim_keeps_what_is_between() {
    per_encoding(|client| {
        for (range, kept) in
            [("1 2", "b c"), ("0 -1", "a b c d e"), ("-2 -1", "d e"), ("-100 0", "a"), ("2 100", "c d e")]
        {
            int(client, "RPUSH l a b c d e");
            client.ok(&words(&format!("LTRIM l {range}")));
            check(client, "l", kept);
            client.int(&["DEL", "l"]);
        }
        for nothing in ["3 2", "5 9", "0 -6"] {
            int(client, "RPUSH l a b c d e");
            client.ok(&words(&format!("LTRIM l {nothing}")));
            check_gone(client, "l");
        }
        client.ok(&["LTRIM", "none", "0", "1"]);
    });
}

#[test]
fn most_of_a_long_list_is_cut_off_at_once() {
    per_encoding(|client| {
        let all: Vec<String> = (0..20_000).map(|n| n.to_string()).collect();
        for (line, start, end) in [
            ("LTRIM l 19000 -1", 19_000, 20_000),
            ("LTRIM l 0 6", 0, 7),
            ("LTRIM l 10001 10007", 10_001, 10_008),
            ("LPOP l 19990", 19_990, 20_000),
            ("RPOP l 12345", 0, 7_655),
            ("LMPOP 1 l RIGHT COUNT 19999", 0, 1),
            ("LPOP l 20000", 0, 0),
        ] {
            client.int(&["DEL", "l"]);
            let push = ["RPUSH", "l"].into_iter().chain(all.iter().map(String::as_str));
            client.cmd(&push.collect::<Vec<_>>());
            client.cmd(&words(line));
            assert_eq!(client.texts(&["LRANGE", "l", "0", "-1"]), all[start..end], "{line}");
            assert_eq!(client.int(&["EXISTS", "l"]), i64::from(start < end), "{line}");
        }
    });
}

#[test]
fn lpos_finds_the_rank_th_and_so_many_of_the_first_elements() {
    per_encoding(|client| {
        int(client, "RPUSH l a b 1 a a 1 c");
        assert_eq!(int(client, "LPOS l a"), 0);
        assert_eq!(int(client, "LPOS l a RANK 2"), 3);
        assert_eq!(int(client, "LPOS l a RANK -1"), 4);
        assert_eq!(int(client, "LPOS l 1 RANK 1 MAXLEN 3"), 2);
        client.null(&words("LPOS l 1 MAXLEN 2"));
        client.null(&words("LPOS l a RANK 4"));
        client.null(&words("LPOS l a RANK -9223372036854775807"));
        client.null(&["LPOS", "none", "a"]);
        let found = |client: &mut Client, line: &str| {
            let indexes = client.array(&words(line));
            indexes.iter().map(|index| index.as_int().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(found(client, "LPOS l a COUNT 0"), [0, 3, 4]);
        assert_eq!(found(client, "LPOS l a COUNT 2"), [0, 3]);
        assert_eq!(found(client, "LPOS l a RANK -1 COUNT 2"), [4, 3]);
        assert_eq!(found(client, "LPOS l a RANK 2 COUNT 0 MAXLEN 4"), [3]);
        assert_eq!(found(client, "LPOS l a rank -2 count 0 maxlen 0"), [3, 0]);
        assert_eq!(found(client, "LPOS l x COUNT 1"), [0; 0]);
        assert_eq!(found(client, "LPOS none x COUNT 1"), [0; 0]);
    });
}

#[test]
fn lpos_refuses_wrong_options_before_it_looks() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "v"]);
    let zero = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative \
                to start from the end of the list";
    check_errors(
        &mut client,
        &[
            ("LPOS s a RANK 0", zero),
            ("LPOS s a RANK x", NOT_INTEGER),
            ("LPOS s a COUNT -1", "ERR COUNT can't be negative"),
            ("LPOS s a COUNT x", "ERR COUNT can't be negative"),
            ("LPOS s a MAXLEN -1", "ERR MAXLEN can't be negative"),
            ("LPOS s a MAXLEN", SYNTAX),
            ("LPOS s a FIRST 1", SYNTAX),
            ("LPOS s a RANK 1 COUNT", SYNTAX),
            ("LPOS s a", WRONG_TYPE),
        ],
    );
}

#[test]
fn the_integer_that_has_no_opposite_is_out_of_range() {
    if forgekv_only("7.2 brought it") {
        return;
    }
    let (_server, mut client) = start();
    let error = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    check_errors(
        &mut client,
        &[
            ("LPOS l a RANK -9223372036854775808", error),
            ("LREM l -9223372036854775808 a", error),
            ("LREM l -9223372036854775809 a", NOT_INTEGER),
        ],
    );
}

// ----- taking out -----

#[test]
fn pop_takes_one_or_as_many_as_there_are() {
    per_encoding(|client| {
        int(client, "RPUSH l a b c d e f");
        assert_eq!(client.text(&["LPOP", "l"]), "a");
        assert_eq!(client.text(&["RPOP", "l"]), "f");
        assert_eq!(texts(client, "LPOP l 2"), "b c");
        assert_eq!(texts(client, "RPOP l 0"), "");
        assert_eq!(texts(client, "RPOP l 9223372036854775807"), "e d");
        check_gone(client, "l");
        assert_eq!(client.cmd(&["LPOP", "l"]), Value::NullBulk);
        assert_eq!(client.cmd(&["RPOP", "l", "0"]), Value::NullArray);
        client.hello(3);
        assert_eq!(client.cmd(&["LPOP", "l", "1"]), Value::Null);
        client.hello(2);
    });
}

#[test]
fn lmpop_takes_from_the_first_list_that_there_is() {
    per_encoding(|client| {
        int(client, "RPUSH l1 a b c");
        int(client, "RPUSH l2 x y");
        let reply = |key: &str, elements: &[&str]| {
            let elements = elements.iter().map(Value::bulk).collect();
            Value::Array(vec![Value::bulk(key), Value::Array(elements)])
        };
        assert_eq!(client.cmd(&words("LMPOP 3 none l1 l2 LEFT")), reply("l1", &["a"]));
        assert_eq!(client.cmd(&words("LMPOP 2 l1 l2 right COUNT 9")), reply("l1", &["c", "b"]));
        check_gone(client, "l1");
        assert_eq!(client.cmd(&words("lmpop 2 l1 l2 Left count 1")), reply("l2", &["x"]));
        assert_eq!(client.cmd(&words("BLMPOP 0 2 l1 l2 LEFT COUNT 5")), reply("l2", &["y"]));
        assert_eq!(client.cmd(&words("LMPOP 2 l1 l2 LEFT")), Value::NullArray);
    });
}

#[test]
fn what_is_there_is_not_waited_for() {
    per_encoding(|client| {
        int(client, "RPUSH l2 a b c d");
        assert_eq!(texts(client, "BLPOP l1 l2 0"), "l2 a");
        assert_eq!(texts(client, "BRPOP l1 l2 l2 0"), "l2 d");
        assert_eq!(client.text(&words("BLMOVE l2 l3 LEFT RIGHT 0")), "b");
        assert_eq!(client.text(&words("BRPOPLPUSH l2 l3 0")), "c");
        check(client, "l3", "c b");
        check_gone(client, "l2");
    });
}

// ----- moving -----

#[test]
fn lmove_moves_from_and_to_either_end() {
    per_encoding(|client| {
        for (ends, value, left, right) in [
            ("LEFT LEFT", "a", "b c", "a x y"),
            ("LEFT RIGHT", "a", "b c", "x y a"),
            ("RIGHT LEFT", "c", "a b", "c x y"),
            ("right right", "c", "a b", "x y c"),
        ] {
            int(client, "RPUSH from a b c");
            int(client, "RPUSH to x y");
            assert_eq!(client.text(&words(&format!("LMOVE from to {ends}"))), value);
            check(client, "from", left);
            check(client, "to", right);
            client.int(&["DEL", "from", "to"]);
        }
        int(client, "RPUSH from a b");
        assert_eq!(client.text(&["RPOPLPUSH", "from", "to"]), "b");
        assert_eq!(client.text(&["RPOPLPUSH", "from", "to"]), "a");
        check(client, "to", "a b");
        check_gone(client, "from");
        assert_eq!(client.cmd(&["RPOPLPUSH", "from", "to"]), Value::NullBulk);
        assert_eq!(client.cmd(&words("LMOVE from to LEFT LEFT")), Value::NullBulk);
    });
}

#[test]
fn a_list_can_be_moved_to_itself() {
    per_encoding(|client| {
        int(client, "RPUSH l a b c");
        assert_eq!(client.text(&["RPOPLPUSH", "l", "l"]), "c");
        check(client, "l", "c a b");
        assert_eq!(client.text(&words("LMOVE l l LEFT RIGHT")), "c");
        check(client, "l", "a b c");
        assert_eq!(client.text(&words("LMOVE l l LEFT LEFT")), "a");
        check(client, "l", "a b c");
        int(client, "RPUSH one x");
        client.int(&["EXPIRE", "one", "1000"]);
        assert_eq!(client.text(&words("BLMOVE one one LEFT RIGHT 0")), "x");
        check(client, "one", "x");
        assert!(client.int(&["TTL", "one"]) > 0, "the key is still the same");
    });
}

// ----- encodings -----

#[track_caller]
fn check_encoding(client: &mut Client, key: &str, expected: &str) {
    assert_eq!(client.text(&["OBJECT", "ENCODING", key]), expected, "{key}");
}

#[test]
fn a_list_that_is_no_longer_one_node_is_a_quicklist_until_it_is_half_a_node() {
    if forgekv_only("before 7.2 every list is a quicklist") {
        return;
    }
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "list-max-listpack-size", "8"]);
    int(&mut client, "RPUSH l 1 2 3 4 5 6 7 8");
    check_encoding(&mut client, "l", "listpack");
    int(&mut client, "LPUSH l 0");
    check_encoding(&mut client, "l", "quicklist");
    texts(&mut client, "RPOP l 4");
    check_encoding(&mut client, "l", "quicklist");
    // It is as long as before when all is done.
    client.text(&words("LMOVE l l LEFT RIGHT"));
    check_encoding(&mut client, "l", "quicklist");
    client.ok(&words("LTRIM l 0 3"));
    check_encoding(&mut client, "l", "listpack");
    int(&mut client, "RPUSH l 1 2 3 4");
    check_encoding(&mut client, "l", "listpack");
    // What is pushed together counts together, and before it is known whether there is a pivot.
    assert_eq!(int(&mut client, "LINSERT l AFTER none x"), -1);
    check_encoding(&mut client, "l", "quicklist");
    // The limit holds from the next change on.
    int(&mut client, "RPUSH m a b c");
    client.ok(&["CONFIG", "SET", "list-max-listpack-size", "2"]);
    check_encoding(&mut client, "m", "listpack");
    client.ok(&["LSET", "m", "0", "x"]);
    check_encoding(&mut client, "m", "quicklist");
    client.ok(&["CONFIG", "SET", "list-max-listpack-size", "-1"]);
    assert_eq!(client.int(&[b"RPUSH", &b"big"[..], &[b'x'; 4090]]), 1);
    check_encoding(&mut client, "big", "quicklist");
    client.ok(&["LSET", "big", "0", "short"]);
    check_encoding(&mut client, "big", "listpack");
}

// ----- against a model, and the log -----

/// A command on one of three lists that changes it, most of the time.
fn random_change(rng: &mut Rng) -> Vec<Vec<u8>> {
    let keys = ["a", "b", "c"];
    let (key, other) = (*rng.pick(&keys), *rng.pick(&keys));
    let value = |rng: &mut Rng| match rng.below(10) {
        0 => "x".repeat(1 + rng.below(4000)),
        n if n < 5 => (rng.below(20) as i64 - 5).to_string(),
        _ => format!("value:{}", rng.below(30)),
    };
    let index = |rng: &mut Rng| (rng.below(40) as i64 - 20).to_string();
    let end = |rng: &mut Rng| if rng.one_in(2) { "LEFT" } else { "RIGHT" };
    let line = match rng.below(16) {
        0..4 => format!("RPUSH {key} {} {}", value(rng), value(rng)),
        4..7 => format!("LPUSH {key} {}", value(rng)),
        7 => format!("LINSERT {key} BEFORE {} {}", value(rng), value(rng)),
        8 => format!("LSET {key} {} {}", index(rng), value(rng)),
        9 => format!("LREM {key} {} {}", rng.below(3) as i64 - 1, value(rng)),
        10 => format!("LPOP {key} {}", rng.below(4)),
        11 => format!("RPOP {key}"),
        12 => format!("LMOVE {key} {other} {} {}", end(rng), end(rng)),
        13 => format!("BLMPOP 0.001 2 {key} {other} {} COUNT {}", end(rng), 1 + rng.below(3)),
        14 if rng.one_in(4) => format!("LTRIM {key} {} {}", index(rng), index(rng)),
        _ => format!("BRPOPLPUSH {key} {other} 0.001"),
    };
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn lists_are_the_same_after_kill_9() {
    if forgekv_only("it is about ForgeKV's log") {
        return;
    }
    let mut server = Server::with_args(&["--list-max-listpack-size", "6", "--wal_sync_mode", "always"]);
    let mut client = server.connect();
    let mut rng = Rng::new(7);
    for round in 0..4 {
        for _ in 0..300 {
            client.cmd(&random_change(&mut rng));
        }
        let read = |client: &mut Client| ["a", "b", "c"].map(|key| client.cmd(&["LRANGE", key, "0", "-1"]));
        let before = read(&mut client);
        server.restart();
        client = server.connect();
        assert_eq!(read(&mut client), before, "round {round}");
    }
}
