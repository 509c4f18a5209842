//! Fields of hashes that expire: the four commands that set when, the five that tell or take it away, what other commands make
//! of it, and that what has expired is gone, whoever looks. Once for each encoding. All of it is ours alone to test: the
//! oracle is Redis 7.0, and this came with 7.4 (HGETDEL, HGETEX and HSETEX with 8.0).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, wait_for, warm_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const MISPLACED: &str = "ERR Mandatory argument FIELDS is missing or not at the right position";
const MISMATCH: &str = "ERR The `numfields` parameter must match the number of arguments";
const FIELD_COUNT: &str = "ERR Number of fields must be a positive integer";

/// A time far away: the year 3026.
const FAR_MS: i64 = 33_333_333_333_333;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Runs a test for each encoding that a hash with fields that expire has, on a new server.
fn with_each_encoding(mut check: impl FnMut(&mut Client, &str)) {
    if forgekv_only("fields expire since 7.4") {
        return;
    }
    for encoding in ["listpackex", "hashtable"] {
        let server = Server::with_args(&["--enable-debug-command", "yes"]);
        let mut client = server.connect();
        if encoding == "hashtable" {
            client.ok(&["CONFIG", "SET", "hash-max-listpack-entries", "0"]);
        }
        check(&mut client, encoding);
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[track_caller]
fn ints(client: &mut Client, line: &str) -> Vec<i64> {
    client.array(&words(line)).iter().map(|item| item.as_int().unwrap()).collect()
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(client.error(&words(line)), *error, "{line}");
    }
}

/// A hash with the fields a, b, c and d.
fn make(client: &mut Client, key: &str) {
    client.cmd(&["DEL", key]);
    assert_eq!(client.int(&["HSET", key, "a", "1", "b", "2", "c", "3", "d", "4"]), 4);
}

/// The field's expiry, in Unix milliseconds.
fn expiry(client: &mut Client, key: &str, field: &str) -> i64 {
    ints(client, &format!("HPEXPIRETIME {key} FIELDS 1 {field}"))[0]
}

// ----- setting and telling -----

#[test]
fn every_setter_sets_the_time_it_was_given_and_every_teller_tells_it() {
    with_each_encoding(|client, encoding| {
        for name in ["HEXPIRE", "HPEXPIRE", "HEXPIREAT", "HPEXPIREAT"] {
            make(client, "h");
            let when_ms = now_ms() + 100_000;
            let argument = match name {
                "HEXPIRE" => 100,
                "HPEXPIRE" => 100_000,
                "HEXPIREAT" => when_ms / 1000,
                _ => when_ms,
            };
            assert_eq!(ints(client, &format!("{name} h {argument} FIELDS 3 a nosuch b")), [1, -2, 1]);
            assert_eq!(client.text(&["OBJECT", "ENCODING", "h"]), encoding);
            let told_ms = expiry(client, "h", "a");
            assert!((told_ms - when_ms).abs() < 3_000, "{name}: {told_ms} is not {when_ms}");
            let left = ints(client, "HPTTL h FIELDS 4 a b c nosuch");
            assert!(left[..2].iter().all(|left| (90_000..=100_000).contains(left)), "{left:?}");
            assert_eq!(left[2..], [-1, -2]);
            let left = ints(client, "HTTL h FIELDS 4 a b c nosuch");
            assert!(left[..2].iter().all(|left| (90..=101).contains(left)), "{left:?}");
            assert_eq!(left[2..], [-1, -2]);
            assert_eq!(ints(client, "HEXPIRETIME h FIELDS 1 a"), [(told_ms + 999) / 1000], "rounded up");
        }
    });
}

#[test]
fn a_missing_key_has_no_fields() {
    with_each_encoding(|client, _| {
        for line in [
            "HEXPIRE h 10 FIELDS 2 a b",
            "HPEXPIREAT h 1 NX FIELDS 2 a b",
            "HTTL h FIELDS 2 a b",
            "HPTTL h FIELDS 2 a b",
            "HEXPIRETIME h FIELDS 2 a b",
            "HPEXPIRETIME h FIELDS 2 a b",
            "HPERSIST h FIELDS 2 a b",
        ] {
            assert_eq!(ints(client, line), [-2, -2], "{line}");
        }
        assert_eq!(client.int(&["EXISTS", "h"]), 0);
    });
}

#[test]
fn conditions_hold_a_time_back() {
    with_each_encoding(|client, _| {
        make(client, "h");
        assert_eq!(ints(client, "HPEXPIREAT h 20000000000000 FIELDS 1 a"), [1]);
        let cases = [
            ("NX", 30_000_000_000_000i64, [0, 1]),
            ("XX", 30_000_000_000_000, [1, 0]),
            ("GT", 30_000_000_000_000, [1, 0]),
            ("GT", 20_000_000_000_000, [0, 0]),
            ("GT", 10_000_000_000_000, [0, 0]),
            ("LT", 30_000_000_000_000, [0, 1]),
            ("LT", 20_000_000_000_000, [0, 1]),
            ("lt", 10_000_000_000_000, [1, 1]),
        ];
        for (condition, at, expected) in cases {
            make(client, "h");
            ints(client, "HPEXPIREAT h 20000000000000 FIELDS 1 a");
            let line = format!("HPEXPIREAT h {at} {condition} FIELDS 2 a b");
            assert_eq!(ints(client, &line), expected, "{line}");
            let a = if expected[0] == 1 { at } else { 20_000_000_000_000 };
            let b = if expected[1] == 1 { at } else { -1 };
            assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 2 a b"), [a, b], "{line}");
        }
    });
}

#[test]
fn a_time_that_has_passed_removes_the_field_at_once() {
    with_each_encoding(|client, _| {
        make(client, "h");
        assert_eq!(ints(client, "HEXPIRE h 0 FIELDS 2 a nosuch"), [2, -2]);
        assert_eq!(ints(client, "HPEXPIREAT h 1 XX FIELDS 1 b"), [0]);
        assert_eq!(ints(client, "HPEXPIREAT h 1 NX FIELDS 2 b b"), [2, -2]);
        assert_eq!(client.int(&["HLEN", "h"]), 2);
        assert_eq!(ints(client, "HEXPIREAT h 1 FIELDS 2 c d"), [2, 2]);
        assert_eq!(client.int(&["EXISTS", "h"]), 0);
    });
}

#[test]
fn hpersist_takes_the_time_away() {
    with_each_encoding(|client, _| {
        make(client, "h");
        ints(client, "HEXPIRE h 100 FIELDS 2 a b");
        assert_eq!(ints(client, "HPERSIST h FIELDS 4 a c nosuch a"), [1, -1, -2, -1]);
        assert_eq!(expiry(client, "h", "a"), -1);
        assert!(expiry(client, "h", "b") > 0);
    });
}

#[test]
fn arguments_are_checked() {
    with_each_encoding(|client, _| {
        make(client, "h");
        client.ok(&["SET", "str", "v"]);
        let too_late = "70368744177664";
        check_errors(
            client,
            &[
                ("HEXPIRE h 10 FIELDS 1", "ERR wrong number of arguments for 'hexpire' command"),
                ("HTTL h FIELDS 1", "ERR wrong number of arguments for 'httl' command"),
                ("HPERSIST h FIELDS 1", "ERR wrong number of arguments for 'hpersist' command"),
                ("HEXPIRE h x FIELDS 1 a", NOT_INTEGER),
                ("HEXPIRE h -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
                (
                    &format!("HPEXPIREAT h {too_late} FIELDS 1 a"),
                    "ERR invalid expire time in 'hpexpireat' command",
                ),
                ("HEXPIRE h 9223372036854775807 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
                ("HPEXPIRE h 70368744177663 FIELDS 1 a", "ERR invalid expire time in 'hpexpire' command"),
                ("HEXPIRE h 10 NX XX FIELDS 1 a", MISPLACED),
                ("HEXPIRE h 10 1 FIELDS a", MISPLACED),
                ("HEXPIRE h 10 FIELDS 0 a", "ERR Parameter `numFields` should be greater than 0"),
                ("HEXPIRE h 10 FIELDS x a", "ERR Parameter `numFields` should be greater than 0"),
                ("HEXPIRE h 10 FIELDS 2 a", MISMATCH),
                ("HEXPIRE h 10 FIELDS 1 a b", MISMATCH),
                ("HEXPIRE h 10 FIELDS 9223372036854775807 a", MISMATCH),
                ("HTTL h FIELD 1 a", MISPLACED),
                ("HTTL h FIELDS 0 a", FIELD_COUNT),
                ("HPTTL h FIELDS x a", FIELD_COUNT),
                ("HEXPIRETIME missing FIELDS 2 a", MISMATCH),
                ("HPERSIST h FIELDS -1 a", FIELD_COUNT),
                ("HPERSIST h FIELDS 3 a b", MISMATCH),
                ("HEXPIRE str 10 FIELDS 0 a", WRONG_TYPE),
                ("HTTL str FIELDS 0 a", WRONG_TYPE),
                ("HPERSIST str FIELDS 0 a", WRONG_TYPE),
            ],
        );
        assert_eq!(ints(client, "HPEXPIREAT h 70368744177663 FIELDS 1 a"), [1]);
        assert_eq!(expiry(client, "h", "a"), 70_368_744_177_663);
    });
}

// ----- what other commands make of it -----

#[test]
fn setting_a_field_clears_its_time_and_counting_keeps_it() {
    with_each_encoding(|client, _| {
        make(client, "h");
        ints(client, &format!("HPEXPIREAT h {FAR_MS} FIELDS 4 a b c d"));
        client.int(&["HSET", "h", "a", "10"]);
        assert_eq!(client.int(&["HINCRBY", "h", "b", "1"]), 3);
        assert_eq!(client.text(&["HINCRBYFLOAT", "h", "c", "0.5"]), "3.5");
        assert_eq!(client.int(&["HSETNX", "h", "d", "no"]), 0);
        let expected = [-1, FAR_MS, FAR_MS, FAR_MS];
        assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 4 a b c d"), expected);
        client.int(&["HDEL", "h", "b"]);
        client.int(&["HSET", "h", "b", "new"]);
        assert_eq!(expiry(client, "h", "b"), -1);
        assert_eq!(client.int(&["COPY", "h", "copy"]), 1);
        client.ok(&["RENAME", "copy", "renamed"]);
        assert_eq!(ints(client, "HPEXPIRETIME renamed FIELDS 4 a b c d"), [-1, -1, FAR_MS, FAR_MS]);
        assert_eq!(client.int(&["TTL", "h"]), -1, "the key itself does not expire");
    });
}

#[test]
fn no_command_meets_a_field_that_has_expired() {
    with_each_encoding(|client, _| {
        // Nothing but the commands themselves may remove what has expired.
        client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        let commands: [(&str, &str); 19] = [
            ("HGET h a", "(nil)"),
            ("HMGET h a b", "(nil) 2"),
            ("HEXISTS h a", "0"),
            ("HSTRLEN h a", "0"),
            ("HLEN h", "3"),
            ("HKEYS h", "b c d"),
            ("HVALS h", "2 3 4"),
            ("HGETALL h", "2 3 4 b c d"),
            ("HDEL h a", "0"),
            ("HSET h a 9", "1"),
            ("HSETNX h a 9", "1"),
            ("HINCRBY h a 9", "9"),
            ("HINCRBYFLOAT h a 9", "9"),
            ("HRANDFIELD h 10", "b c d"),
            ("HSCAN h 0 MATCH a", "0"),
            ("HTTL h FIELDS 1 a", "-2"),
            ("HPERSIST h FIELDS 1 a", "-2"),
            ("HEXPIRE h 100 XX FIELDS 1 a", "-2"),
            ("HGETDEL h FIELDS 1 a", "(nil)"),
        ];
        for (line, expected) in commands {
            make(client, "h");
            assert_eq!(ints(client, "HPEXPIRE h 1 FIELDS 1 a"), [1]);
            std::thread::sleep(Duration::from_millis(3));
            let mut shown = flat(&client.cmd(&words(line)));
            shown.sort();
            assert_eq!(shown.join(" "), expected, "{line}");
        }
        make(client, "h");
        ints(client, "HPEXPIRE h 1 FIELDS 4 a b c d");
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(client.int(&["HLEN", "h"]), 0);
        assert_eq!(client.int(&["EXISTS", "h"]), 0, "the last field takes the key along");
        client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    });
}

/// A reply's texts, nested ones too.
fn flat(value: &Value) -> Vec<String> {
    match (value.items(), value.as_int(), value.as_bytes()) {
        (Some(items), ..) => items.iter().flat_map(flat).collect(),
        (_, Some(number), _) => vec![number.to_string()],
        (.., Some(bytes)) => vec![String::from_utf8_lossy(bytes).into_owned()],
        _ => vec!["(nil)".to_owned()],
    }
}

#[test]
fn fields_go_by_themselves_and_take_the_key_along() {
    with_each_encoding(|client, _| {
        if warm_only("keys on disk are swept more slowly") {
            return;
        }
        // A million fields that are not due must not hide those that are; a few thousand will do for a test.
        for n in 0..50 {
            let fields: Vec<String> = (0..60).map(|f| format!("f{f}")).collect();
            let key = format!("later{n}");
            let pairs: Vec<&str> = fields.iter().flat_map(|field| [field.as_str(), "v"]).collect();
            client.int(&["HSET", &key].iter().chain(&pairs).copied().collect::<Vec<_>>());
            ints(client, &format!("HEXPIRE {key} 1000 FIELDS 60 {}", fields.join(" ")));
        }
        make(client, "some");
        make(client, "all");
        let start = Instant::now();
        ints(client, "HPEXPIRE some 50 FIELDS 2 a b");
        ints(client, "HPEXPIRE all 50 FIELDS 4 a b c d");
        assert_eq!(client.int(&["DBSIZE"]), 52);
        assert!(client.text(&["INFO", "keyspace"]).contains("subexpiry=52"));
        wait_for("the key to be gone", || client.int(&["DBSIZE"]) == 51);
        assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
        wait_for("fields to be counted", || client.text(&["INFO", "stats"]).contains("expired_subkeys:6"));
        assert!(client.text(&["INFO", "keyspace"]).contains("subexpiry=50"));
        assert_eq!(client.int(&["HLEN", "some"]), 2);
        assert!(client.text(&["INFO", "stats"]).contains("expired_keys:0"));
    });
}

#[test]
fn a_hash_of_many_expired_fields_goes_in_pieces() {
    with_each_encoding(|client, encoding| {
        if encoding != "hashtable" || warm_only("keys on disk are swept more slowly") {
            return;
        }
        let fields: Vec<String> = (0..20_000).map(|n| format!("field{n}")).collect();
        for part in fields.chunks(2000) {
            let pairs: Vec<&str> = part.iter().flat_map(|field| [field.as_str(), "v"]).collect();
            client.int(&["HSET", "h"].iter().chain(&pairs).copied().collect::<Vec<_>>());
            ints(client, &format!("HPEXPIRE h 30 FIELDS {} {}", part.len(), part.join(" ")));
        }
        wait_for("the key to be gone", || client.int(&["EXISTS", "h"]) == 0);
        wait_for("fields to be counted", || {
            client.text(&["INFO", "stats"]).contains("expired_subkeys:20000")
        });
    });
}

// ----- HGETDEL, HGETEX, HSETEX -----

#[test]
fn hgetdel_reads_and_removes() {
    with_each_encoding(|client, _| {
        make(client, "h");
        assert_eq!(client.texts(&words("HGETDEL h FIELDS 4 a nosuch b a")), ["1", "(nil)", "2", "(nil)"]);
        assert_eq!(client.int(&["HLEN", "h"]), 2);
        assert_eq!(client.texts(&words("HGETDEL h FIELDS 2 c d")), ["3", "4"]);
        assert_eq!(client.int(&["EXISTS", "h"]), 0);
        assert_eq!(client.texts(&words("HGETDEL h FIELDS 2 c d")), ["(nil)", "(nil)"]);
        client.ok(&["SET", "str", "v"]);
        check_errors(
            client,
            &[
                ("HGETDEL str FIELDS 1 a", WRONG_TYPE),
                ("HGETDEL h FIELD 1 a", MISPLACED),
                ("HGETDEL h FIELDS 0 a", FIELD_COUNT),
                ("HGETDEL h FIELDS 2 a", MISMATCH),
            ],
        );
    });
}

#[test]
fn hgetex_reads_and_changes_when_fields_expire() {
    with_each_encoding(|client, _| {
        make(client, "h");
        assert_eq!(client.texts(&words("HGETEX h FIELDS 2 a nosuch")), ["1", "(nil)"]);
        assert_eq!(expiry(client, "h", "a"), -1);
        assert_eq!(client.texts(&words("HGETEX h PXAT 33333333333333 FIELDS 2 a b")), ["1", "2"]);
        assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 3 a b c"), [FAR_MS, FAR_MS, -1]);
        assert_eq!(client.texts(&words("HGETEX h PERSIST FIELDS 1 a")), ["1"]);
        assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 2 a b"), [-1, FAR_MS]);
        client.texts(&words("HGETEX h EX 100 FIELDS 1 a"));
        assert!((90..=100).contains(&ints(client, "HTTL h FIELDS 1 a")[0]));
        assert_eq!(client.texts(&words("HGETEX h EXAT 1 FIELDS 2 a c")), ["1", "3"], "read, and then gone");
        assert_eq!(client.int(&["HLEN", "h"]), 2);
        assert_eq!(client.texts(&words("HGETEX missing EX 100 FIELDS 1 a")), ["(nil)"]);
        check_errors(
            client,
            &[
                ("HGETEX h EX x FIELDS 1 a", NOT_INTEGER),
                ("HGETEX h EX -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
                ("HGETEX h PX 70368744177664 FIELDS 1 a", "ERR invalid expire time in 'hgetex' command"),
                ("HGETEX h PERSIST EX 1 FIELDS 1 a", MISPLACED),
                ("HGETEX h NOSUCH FIELDS 1 a", MISPLACED),
                ("HGETEX h EX 1 FIELDS 2 a", MISMATCH),
            ],
        );
    });
}

#[test]
fn hsetex_sets_values_and_times_together() {
    with_each_encoding(|client, encoding| {
        assert_eq!(client.int(&words("HSETEX h FXX FIELDS 1 a 1")), 0);
        assert_eq!(client.int(&["EXISTS", "h"]), 0);
        assert_eq!(client.int(&words("HSETEX h FNX PXAT 33333333333333 FIELDS 2 a 1 b 2")), 1);
        assert_eq!(client.text(&["OBJECT", "ENCODING", "h"]), encoding);
        assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 2 a b"), [FAR_MS, FAR_MS]);
        assert_eq!(client.int(&words("HSETEX h FNX FIELDS 2 c 3 a 9")), 0, "all or none");
        assert_eq!(client.int(&words("HSETEX h FXX FIELDS 2 c 3 a 9")), 0);
        assert_eq!(client.int(&words("HSETEX h FXX KEEPTTL FIELDS 1 a 9")), 1);
        assert_eq!(client.int(&words("HSETEX h FIELDS 2 b 8 c 3")), 1);
        assert_eq!(client.texts(&words("HMGET h a b c")), ["9", "8", "3"]);
        assert_eq!(ints(client, "HPEXPIRETIME h FIELDS 3 a b c"), [FAR_MS, -1, -1]);
        assert_eq!(client.int(&words("HSETEX h EXAT 1 FIELDS 1 a 5")), 1, "set, and gone");
        assert_eq!(client.int(&["HLEN", "h"]), 2);
        assert_eq!(client.int(&words("HSETEX new PXAT 1 FIELDS 1 a 5")), 1);
        assert_eq!(client.int(&["EXISTS", "new"]), 0);
        check_errors(
            client,
            &[
                (
                    "HSETEX h EX 1 PX 1 FIELDS 1 a 1",
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                ),
                (
                    "HSETEX h KEEPTTL EX 1 FIELDS 1 a 1",
                    "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                ),
                ("HSETEX h FNX FXX FIELDS 1 a 1", "ERR Only one of FXX or FNX arguments can be specified"),
                ("HSETEX h NOSUCH FIELDS 1 a 1", "ERR unknown argument: NOSUCH"),
                ("HSETEX h EX x FIELDS 1 a 1", NOT_INTEGER),
                ("HSETEX h EX -1 FIELDS 1 a 1", "ERR invalid expire time, must be >= 0"),
                ("HSETEX h FIELDS 0 a 1", "ERR invalid number of fields"),
                ("HSETEX h FIELDS 2 a 1", "ERR wrong number of arguments for 'hsetex' command"),
                ("HSETEX h FIELDS 1 a 1 b", "ERR wrong number of arguments for 'hsetex' command"),
                ("HSETEX h FNX KEEPTTL FIELDS 1", "ERR wrong number of arguments for 'hsetex' command"),
                ("HSETEX h FNX KEEPTTL FNY 1 EX", "ERR unknown argument: FNY"),
            ],
        );
    });
}

// ----- the log and the disk -----

#[test]
fn times_of_fields_survive_a_restart() {
    if forgekv_only("it restarts its server") {
        return;
    }
    for limit in ["128", "0"] {
        let args = ["--wal_sync_mode", "always", "--hash-max-listpack-entries", limit];
        let mut server = ServerOptions::default().args(&args).start();
        let mut client = server.connect();
        make(&mut client, "h");
        ints(&mut client, "HEXPIRE h 1000 FIELDS 2 a b");
        ints(&mut client, "HPERSIST h FIELDS 1 b");
        ints(&mut client, "HEXPIRE h 0 FIELDS 1 c");
        client.int(&words("HSETEX h PX 500000 FIELDS 1 e 5"));
        client.texts(&words("HGETEX h EX 700 FIELDS 1 d"));
        client.text(&words("HINCRBYFLOAT h d 0.5"));
        make(&mut client, "short");
        ints(&mut client, "HPEXPIRE short 1 FIELDS 4 a b c d");
        make(&mut client, "part");
        ints(&mut client, "HPEXPIRE part 1 FIELDS 2 a b");
        let state = |client: &mut Client| {
            let mut fields = client.texts(&["HGETALL", "h"]);
            fields.sort();
            (fields, ints(client, "HPEXPIRETIME h FIELDS 5 a b c d e"))
        };
        let before = state(&mut client);
        assert_eq!(before.1[1..3], [-1, -2]);
        assert!([0, 3, 4].iter().all(|&at| before.1[at] > now_ms()), "{before:?}");
        for kill in [true, false, true] {
            if kill {
                server.kill_9();
            } else {
                server.stop();
            }
            server.restart();
            let mut client = server.connect();
            assert_eq!(state(&mut client), before);
            assert_eq!(client.int(&["HLEN", "short"]), 0);
            assert_eq!(client.int(&["HLEN", "part"]), 2);
            assert_eq!(client.int(&["HINCRBY", "part", "a", "1"]), 1, "what had expired is not counted on");
            client.int(&["HDEL", "part", "a"]);
        }
    }
}

#[test]
fn fields_on_disk_go_by_themselves() {
    if forgekv_only("it restarts its server") {
        return;
    }
    for limit in ["128", "0"] {
        let mut server = Server::with_args(&["--hash-max-listpack-entries", limit]);
        let mut client = server.connect();
        for key in ["all", "some", "none"] {
            make(&mut client, key);
        }
        client.int(&["PEXPIREAT", "some", &FAR_MS.to_string()]);
        let at = now_ms() + 1500;
        assert_eq!(ints(&mut client, &format!("HPEXPIREAT all {at} FIELDS 4 a b c d")), [1; 4]);
        assert_eq!(ints(&mut client, &format!("HPEXPIREAT some {at} FIELDS 2 a b")), [1; 2]);
        ints(&mut client, &format!("HPEXPIREAT none {FAR_MS} FIELDS 2 a b"));
        server.stop();
        server.restart();
        let mut client = server.connect();
        wait_for("the key to be gone", || client.int(&["DBSIZE"]) == 2);
        assert!(now_ms() > at, "not before its time");
        // Nobody has asked for them.
        wait_for("fields to be counted", || client.text(&["INFO", "stats"]).contains("expired_subkeys:6"));
        assert_eq!(client.int(&["HLEN", "some"]), 2);
        assert_eq!(client.int(&["PEXPIRETIME", "some"]), FAR_MS);
        assert_eq!(client.int(&["HLEN", "none"]), 4);
        server.kill_9();
        server.restart();
        let mut client = server.connect();
        // The last milliseconds of the log may be lost, and what they said comes to pass again.
        wait_for("the key to be gone again", || client.int(&["DBSIZE"]) == 2);
        wait_for("the fields to be gone again", || client.int(&["HLEN", "some"]) == 2);
    }
}
