//! Sets: members, drawing by chance, scans, and sets with one another. What depends on how a set is kept runs once for each
//! encoding.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Client, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";

fn start() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// Runs a test with six members for each encoding: `check(client, members, encoding)`, on an empty database.
fn with_each_encoding(mut check: impl FnMut(&mut Client, &[&str; 6], &str)) {
    let (_server, mut client) = start();
    let texts = ["a", "b", "c", "d", "e", "f"];
    check(&mut client, &["-7", "1", "2", "300", "40000", "5000000000"], "intset");
    client.ok(&["FLUSHALL"]);
    check(&mut client, &texts, "listpack");
    client.ok(&["FLUSHALL"]);
    client.ok(&["CONFIG", "SET", "set-max-intset-entries", "0"]);
    // Redis 7.0 does not know it, and needs no telling.
    client.cmd(&["CONFIG", "SET", "set-max-listpack-entries", "0"]);
    check(&mut client, &texts, "hashtable");
    client.ok(&["CONFIG", "SET", "set-max-intset-entries", "512"]);
    client.cmd(&["CONFIG", "SET", "set-max-listpack-entries", "128"]);
}

#[track_caller]
fn check_encoding(client: &mut Client, key: &str, encoding: &str) {
    let shown = client.text(&["OBJECT", "ENCODING", key]);
    // Redis 7.0, the oracle, has no sets in listpacks.
    let is_old = encoding == "listpack" && shown == "hashtable" && std::env::var("FORGEKV_TEST_ADDR").is_ok();
    assert!(shown == encoding || is_old, "{key} is kept as {shown} and not as {encoding}");
}

fn fill(client: &mut Client, key: &str, members: &[&str]) {
    let argv: Vec<&str> = ["SADD", key].iter().chain(members).copied().collect();
    assert_eq!(client.int(&argv), members.len() as i64);
}

/// Adds `prefix0`, `prefix1` … at once.
fn fill_many(client: &mut Client, key: &str, prefix: &str, numbers: impl Iterator<Item = usize>) {
    let members: Vec<String> = numbers.map(|n| format!("{prefix}{n}")).collect();
    fill(client, key, &members.iter().map(String::as_str).collect::<Vec<_>>());
}

fn members(client: &mut Client, key: &str) -> BTreeSet<String> {
    client.texts(&["SMEMBERS", key]).into_iter().collect()
}

fn set_of(members: &[&str]) -> BTreeSet<String> {
    members.iter().map(|&member| member.to_owned()).collect()
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(client.error(&words), *error, "{line}");
    }
}

// ----- one set -----

#[test]
fn sadd_and_srem_count_what_they_change() {
    with_each_encoding(|client, m, encoding| {
        assert_eq!(client.int(&["SADD", "s", m[0], m[1], m[0]]), 2);
        assert_eq!(client.int(&["SADD", "s", m[1], m[2]]), 1);
        check_encoding(client, "s", encoding);
        assert_eq!(client.int(&["SCARD", "s"]), 3);
        assert_eq!(members(client, "s"), set_of(&m[..3]));
        assert_eq!(client.int(&["SREM", "s", m[0], "nosuch", m[5], m[0]]), 1);
        assert_eq!(members(client, "s"), set_of(&m[1..3]));
        assert_eq!(client.int(&["SREM", "s", m[1], m[2]]), 2);
        assert_eq!(client.int(&["EXISTS", "s"]), 0, "an empty set is deleted");
        assert_eq!(client.int(&["SREM", "s", m[1]]), 0);
        assert_eq!(client.int(&["SCARD", "s"]), 0);
        assert_eq!(client.array(&["SMEMBERS", "s"]), []);
    });
}

#[test]
fn membership_is_told_of_one_and_of_several() {
    with_each_encoding(|client, m, _| {
        fill(client, "s", &m[..3]);
        assert_eq!(client.int(&["SISMEMBER", "s", m[0]]), 1);
        assert_eq!(client.int(&["SISMEMBER", "s", m[4]]), 0);
        assert_eq!(client.int(&["SISMEMBER", "s", "nosuch"]), 0);
        assert_eq!(client.int(&["SISMEMBER", "missing", m[0]]), 0);
        let expected: Vec<Value> = [1, 0, 1, 0].map(Value::Int).to_vec();
        assert_eq!(client.array(&["SMISMEMBER", "s", m[2], m[3], m[0], "nosuch"]), expected);
        assert_eq!(client.array(&["SMISMEMBER", "missing", m[0], m[1]]), [Value::Int(0), Value::Int(0)]);
    });
}

#[test]
fn members_of_any_bytes_are_kept_as_they_are() {
    let (_server, mut client) = start();
    let odd: [&[u8]; 8] = [b"", b"\0", b"\r\n", b"\xff\xfe", b"01", b"+1", b"-0", &[b'x'; 5000]];
    for member in odd {
        assert_eq!(client.int(&[b"SADD", &b"s"[..], member]), 1);
        assert_eq!(client.int(&[b"SISMEMBER", &b"s"[..], member]), 1);
    }
    let mut all: Vec<Vec<u8>> =
        client.array(&["SMEMBERS", "s"]).iter().map(|member| member.as_bytes().unwrap().to_vec()).collect();
    let mut expected: Vec<Vec<u8>> = odd.map(<[u8]>::to_vec).to_vec();
    all.sort();
    expected.sort();
    assert_eq!(all, expected);
}

#[test]
fn a_set_changes_its_encoding_where_redis_does() {
    let (_server, mut client) = start();
    fill_many(&mut client, "ints", "", 0..512);
    check_encoding(&mut client, "ints", "intset");
    client.int(&["SADD", "ints", "512"]);
    check_encoding(&mut client, "ints", "hashtable");
    assert_eq!(client.int(&["SCARD", "ints"]), 513);
    client.int(&["SADD", "few", "1", "2"]);
    check_encoding(&mut client, "few", "intset");
    client.int(&["SADD", "few", "text"]);
    check_encoding(&mut client, "few", "listpack");
    client.int(&["SREM", "few", "text"]);
    check_encoding(&mut client, "few", "listpack");
    client.int(&["SADD", "few", &"x".repeat(64)]);
    check_encoding(&mut client, "few", "listpack");
    client.int(&["SADD", "few", &"x".repeat(65)]);
    check_encoding(&mut client, "few", "hashtable");
    fill_many(&mut client, "texts", "m", 0..128);
    check_encoding(&mut client, "texts", "listpack");
    fill_many(&mut client, "texts", "m", 128..129);
    check_encoding(&mut client, "texts", "hashtable");
}

#[test]
fn smove_moves_a_member_once() {
    with_each_encoding(|client, m, _| {
        fill(client, "from", &m[..3]);
        fill(client, "to", &m[2..4]);
        assert_eq!(client.int(&["SMOVE", "from", "to", m[0]]), 1);
        assert_eq!(client.int(&["SMOVE", "from", "to", m[2]]), 1, "though it is there already");
        assert_eq!(client.int(&["SMOVE", "from", "to", m[5]]), 0);
        assert_eq!(client.int(&["SMOVE", "missing", "to", m[0]]), 0);
        assert_eq!(client.int(&["SMOVE", "from", "from", m[1]]), 1);
        assert_eq!(client.int(&["SMOVE", "from", "from", m[0]]), 0);
        assert_eq!(members(client, "from"), set_of(&m[1..2]));
        assert_eq!(members(client, "to"), set_of(&[m[0], m[2], m[3]]));
        assert_eq!(client.int(&["SMOVE", "from", "new", m[1]]), 1);
        assert_eq!(client.int(&["EXISTS", "from"]), 0);
        assert_eq!(members(client, "new"), set_of(&m[1..2]));
    });
}

#[test]
fn a_key_of_another_type_is_refused_by_every_command() {
    let (_server, mut client) = start();
    client.ok(&["SET", "str", "v"]);
    client.int(&["SADD", "s", "a"]);
    for line in [
        "SADD str a",
        "SREM str a",
        "SISMEMBER str a",
        "SMISMEMBER str a",
        "SCARD str",
        "SMEMBERS str",
        "SPOP str",
        "SPOP str 1",
        "SRANDMEMBER str",
        "SRANDMEMBER str 1",
        "SSCAN str 0",
        "SMOVE str s a",
        "SMOVE s str a",
        "SUNION s str",
        "SINTER s str",
        "SINTER missing str",
        "SDIFF s str",
        "SUNIONSTORE d s str",
        "SINTERSTORE d s str",
        "SDIFFSTORE d missing str",
        "SINTERCARD 2 s str",
    ] {
        assert_eq!(client.error(&line.split(' ').collect::<Vec<_>>()), WRONG_TYPE, "{line}");
    }
    assert_eq!(
        client.int(&["SMOVE", "missing", "str", "a"]),
        0,
        "nothing is looked at when the source is missing"
    );
    assert_eq!(client.int(&["EXISTS", "d"]), 0);
    assert_eq!(client.int(&["SCARD", "s"]), 1);
}

#[test]
fn arguments_are_checked() {
    let (_server, mut client) = start();
    client.int(&["SADD", "s", "a"]);
    check_errors(
        &mut client,
        &[
            ("SADD s", "ERR wrong number of arguments for 'sadd' command"),
            ("SPOP s 1 2", SYNTAX),
            ("SPOP s -1", NOT_POSITIVE),
            ("SPOP s x", NOT_POSITIVE),
            ("SRANDMEMBER s 1 2", SYNTAX),
            ("SRANDMEMBER s x", NOT_INTEGER),
            (
                "SRANDMEMBER s -9223372036854775808",
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
            ),
            ("SSCAN s x", "ERR invalid cursor"),
            ("SSCAN missing x", "ERR invalid cursor"),
            ("SSCAN s 0 COUNT 0", SYNTAX),
            ("SSCAN s 0 COUNT x", NOT_INTEGER),
            ("SSCAN s 0 COUNT", SYNTAX),
            ("SSCAN s 0 TYPE set", SYNTAX),
            ("SINTERCARD 0 s", "ERR numkeys should be greater than 0"),
            ("SINTERCARD x s", "ERR numkeys should be greater than 0"),
            ("SINTERCARD 3 s s", "ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 9223372036854775807 s s", "ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 1 s LIMIT -1", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT x", "ERR LIMIT can't be negative"),
            ("SINTERCARD 1 s LIMIT", SYNTAX),
            ("SINTERCARD 1 s s", SYNTAX),
        ],
    );
    assert_eq!(
        client.array(&["SSCAN", "missing", "0", "COUNT", "0"]).len(),
        2,
        "a missing key's options don't matter"
    );
}

// ----- by chance -----

#[test]
fn spop_takes_every_member_once() {
    with_each_encoding(|client, m, _| {
        client.null(&["SPOP", "s"]);
        assert_eq!(client.array(&["SPOP", "s", "3"]), []);
        fill(client, "s", m);
        assert_eq!(client.array(&["SPOP", "s", "0"]), []);
        let mut popped = client.texts(&["SPOP", "s", "2"]);
        popped.push(client.text(&["SPOP", "s"]));
        assert_eq!(client.int(&["SCARD", "s"]), 3);
        popped.extend(client.texts(&["SPOP", "s", "100"]));
        assert_eq!(popped.len(), 6);
        assert_eq!(popped.into_iter().collect::<BTreeSet<_>>(), set_of(m));
        assert_eq!(client.int(&["EXISTS", "s"]), 0);
    });
}

#[test]
fn srandmember_draws_fairly_and_takes_nothing() {
    with_each_encoding(|client, m, _| {
        client.null(&["SRANDMEMBER", "s"]);
        assert_eq!(client.array(&["SRANDMEMBER", "s", "3"]), []);
        assert_eq!(client.array(&["SRANDMEMBER", "s", "-3"]), []);
        fill(client, "s", m);
        assert_eq!(client.texts(&["SRANDMEMBER", "s", "4"]).into_iter().collect::<BTreeSet<_>>().len(), 4);
        assert_eq!(
            client.texts(&["SRANDMEMBER", "s", "100"]).into_iter().collect::<BTreeSet<_>>(),
            set_of(m)
        );
        assert_eq!(client.array(&["SRANDMEMBER", "s", "0"]), []);
        let mut drawn = BTreeMap::<String, usize>::new();
        for member in client.texts(&["SRANDMEMBER", "s", "-6000"]) {
            *drawn.entry(member).or_default() += 1;
        }
        assert_eq!(drawn.len(), 6);
        assert!(drawn.values().all(|&times| (800..1200).contains(&times)), "{drawn:?}");
        assert!(m.contains(&client.text(&["SRANDMEMBER", "s"]).as_str()));
        assert_eq!(client.int(&["SCARD", "s"]), 6);
    });
}

#[test]
fn a_draw_that_would_fill_the_memory_is_refused() {
    let (_server, mut client) = start();
    if forgekv_only("Redis tries to answer it") {
        return;
    }
    client.int(&["SADD", "s", "a"]);
    assert_eq!(client.error(&["SRANDMEMBER", "s", "-1000000000000"]), "ERR value is out of range");
    assert_eq!(client.array(&["SRANDMEMBER", "s", "9223372036854775807"]).len(), 1);
}

// ----- scans -----

#[test]
fn sscan_finds_every_member_once() {
    let (_server, mut client) = start();
    fill_many(&mut client, "s", "member:", 0..2000);
    let (mut cursor, mut found, mut steps) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let page = client.array(&["SSCAN", "s", &cursor, "COUNT", "50", "MATCH", "member:*7"]);
        found.extend(page[1].items().unwrap().iter().map(|member| member.as_bytes().unwrap().to_vec()));
        cursor = String::from_utf8(page[0].as_bytes().unwrap().to_vec()).unwrap();
        steps += 1;
        if cursor == "0" {
            break;
        }
    }
    assert!(steps > 10, "a big set is not handed out at once");
    assert_eq!(found.len(), 200);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 200);
}

#[test]
fn sscan_hands_out_a_small_set_whole() {
    with_each_encoding(|client, m, _| {
        fill(client, "s", m);
        let page = client.array(&["SSCAN", "s", "0"]);
        assert_eq!(page[0], Value::bulk("0"));
        assert_eq!(page[1].items().unwrap().len(), 6);
        let page = client.array(&["SSCAN", "s", "0", "MATCH", m[2]]);
        assert_eq!(page[1], Value::Array(vec![Value::bulk(m[2])]));
        assert_eq!(client.array(&["SSCAN", "missing", "0"]), [Value::bulk("0"), Value::Array(Vec::new())]);
    });
}

#[test]
fn replies_are_sets_in_resp3_where_redis_has_them() {
    let (_server, mut client) = start();
    client.hello(3);
    client.int(&["SADD", "s", "a"]);
    let one = || Value::Set(vec![Value::bulk("a")]);
    for line in ["SMEMBERS s", "SUNION s", "SINTER s s", "SDIFF s missing"] {
        assert_eq!(client.cmd(&line.split(' ').collect::<Vec<_>>()), one(), "{line}");
    }
    for line in
        ["SMEMBERS missing", "SUNION missing", "SINTER s missing", "SDIFF missing s", "SPOP missing 2"]
    {
        assert_eq!(client.cmd(&line.split(' ').collect::<Vec<_>>()), Value::Set(Vec::new()), "{line}");
    }
    assert_eq!(client.cmd(&["SRANDMEMBER", "s", "1"]), Value::Array(vec![Value::bulk("a")]));
    assert_eq!(client.cmd(&["SPOP", "s", "1"]), one());
    assert_eq!(client.cmd(&["SPOP", "s"]), Value::Null);
}

// ----- several sets -----

#[test]
fn union_intersection_and_difference_are_what_they_should_be() {
    with_each_encoding(|client, m, encoding| {
        fill(client, "a", &m[..4]);
        fill(client, "b", &m[2..]);
        fill(client, "c", &m[3..5]);
        let texts =
            |client: &mut Client, argv: &[&str]| client.texts(argv).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(texts(client, &["SUNION", "a", "b", "missing"]), set_of(m));
        assert_eq!(texts(client, &["SINTER", "a", "b", "c"]), set_of(&m[3..4]));
        assert_eq!(texts(client, &["SINTER", "a", "missing"]), set_of(&[]));
        assert_eq!(texts(client, &["SDIFF", "a", "b"]), set_of(&m[..2]));
        assert_eq!(texts(client, &["SDIFF", "missing", "b"]), set_of(&[]));
        assert_eq!(texts(client, &["SDIFF", "b", "b"]), set_of(&[]));
        assert_eq!(client.int(&["SINTERCARD", "2", "a", "b"]), 2);
        assert_eq!(client.int(&["SINTERCARD", "2", "a", "b", "LIMIT", "1"]), 1);
        assert_eq!(client.int(&["SINTERCARD", "2", "a", "b", "LIMIT", "0"]), 2);
        assert_eq!(client.int(&["SINTERCARD", "2", "a", "missing"]), 0);
        assert_eq!(client.int(&["SUNIONSTORE", "to", "a", "b"]), 6);
        check_encoding(client, "to", encoding);
        assert_eq!(members(client, "to"), set_of(m));
        assert_eq!(client.int(&["SINTERSTORE", "to", "a", "b"]), 2);
        assert_eq!(members(client, "to"), set_of(&m[2..4]));
        assert_eq!(client.int(&["SDIFFSTORE", "a", "a", "b"]), 2, "the destination may be a source");
        assert_eq!(members(client, "a"), set_of(&m[..2]));
    });
}

#[test]
fn a_stored_result_replaces_whatever_was_there() {
    let (_server, mut client) = start();
    client.int(&["SADD", "a", "1", "2"]);
    client.ok(&["SET", "to", "text", "EX", "1000"]);
    assert_eq!(client.int(&["SUNIONSTORE", "to", "a"]), 2);
    assert_eq!(client.int(&["TTL", "to"]), -1);
    assert_eq!(client.text(&["TYPE", "to"]), "set");
    for line in ["SUNIONSTORE to missing", "SINTERSTORE to a missing", "SDIFFSTORE to a a"] {
        client.ok(&["SET", "to", "text"]);
        assert_eq!(client.int(&line.split(' ').collect::<Vec<_>>()), 0, "{line}");
        assert_eq!(client.int(&["EXISTS", "to"]), 0, "{line}");
    }
}

#[test]
fn big_sets_are_combined_as_small_ones_are() {
    let (_server, mut client) = start();
    fill_many(&mut client, "twos", "m", (0..3000).map(|n| n * 2));
    fill_many(&mut client, "threes", "m", (0..3000).map(|n| n * 3));
    assert_eq!(client.int(&["SINTERSTORE", "both", "twos", "threes"]), 1000);
    assert_eq!(client.int(&["SUNIONSTORE", "any", "twos", "threes"]), 5000);
    assert_eq!(client.int(&["SDIFFSTORE", "only", "twos", "threes"]), 2000);
    assert_eq!(client.int(&["SINTERCARD", "2", "both", "only"]), 0);
    assert_eq!(client.int(&["SINTERCARD", "2", "both", "any"]), 1000);
    assert_eq!(client.array(&["SUNION", "both", "only"]).len(), 3000);
}

// ----- the log -----

#[test]
fn sets_survive_a_restart_whatever_chance_took() {
    if forgekv_only("it restarts its server") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    for (key, prefix, count) in [("small", "m", 20), ("ints", "", 20), ("gone", "m", 20), ("big", "m", 1000)]
    {
        fill_many(&mut client, key, prefix, 0..count);
    }
    client.texts(&["SPOP", "small", "5"]);
    client.text(&["SPOP", "small"]);
    client.texts(&["SPOP", "big", "400"]);
    client.texts(&["SPOP", "big", "590"]);
    client.texts(&["SPOP", "gone", "20"]);
    client.int(&["SMOVE", "ints", "moved", "7"]);
    client.int(&["SDIFFSTORE", "stored", "ints", "small"]);
    let keys = ["small", "ints", "big", "moved", "stored"];
    let before = keys.map(|key| members(&mut client, key));
    assert_eq!((before[0].len(), before[2].len()), (14, 10));
    for kill in [true, false] {
        if kill {
            server.kill_9();
        } else {
            server.stop();
        }
        server.restart();
        let mut client = server.connect();
        assert_eq!(keys.map(|key| members(&mut client, key)), before);
        assert_eq!(client.int(&["EXISTS", "gone"]), 0);
    }
}
