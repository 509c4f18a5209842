//! Hashes: fields and values, counters in fields, drawing by chance, scans. What depends on how a hash is kept runs once for
//! each encoding. When fields expire is in `hash_expiry`.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Client, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";

fn start() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// Runs a test for each encoding, on an empty database: `check(client, encoding)`.
fn with_each_encoding(mut check: impl FnMut(&mut Client, &str)) {
    let (_server, mut client) = start();
    check(&mut client, "listpack");
    client.ok(&["FLUSHALL"]);
    client.ok(&["CONFIG", "SET", "hash-max-listpack-entries", "0"]);
    check(&mut client, "hashtable");
    client.ok(&["CONFIG", "SET", "hash-max-listpack-entries", "512"]);
}

#[track_caller]
fn check_encoding(client: &mut Client, key: &str, encoding: &str) {
    assert_eq!(client.text(&["OBJECT", "ENCODING", key]), encoding, "{key}");
}

fn pairs(client: &mut Client, key: &str) -> BTreeMap<String, String> {
    let flat = client.texts(&["HGETALL", key]);
    flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

fn map_of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(field, value)| (field.to_owned(), value.to_owned())).collect()
}

/// Sets `field0`, `field1` … at once.
fn fill_many(client: &mut Client, key: &str, count: usize) {
    let mut argv = vec!["HSET".to_owned(), key.to_owned()];
    argv.extend((0..count).flat_map(|n| [format!("field{n}"), format!("value{n}")]));
    assert_eq!(client.int(&argv), count as i64);
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(client.error(&words), *error, "{line}");
    }
}

// ----- fields -----

#[test]
fn hset_counts_new_fields_and_hget_reads_them() {
    with_each_encoding(|client, encoding| {
        assert_eq!(client.int(&["HSET", "h", "a", "1", "b", "text", "a", "2"]), 2);
        assert_eq!(client.int(&["HSET", "h", "a", "3", "c", ""]), 1);
        client.ok(&["HMSET", "h", "d", "4", "c", "5"]);
        check_encoding(client, "h", encoding);
        assert_eq!(client.int(&["HSETNX", "h", "a", "no"]), 0);
        assert_eq!(client.int(&["HSETNX", "h", "e", "yes"]), 1);
        assert_eq!(client.int(&["HSETNX", "new", "e", "yes"]), 1);
        let expected = [("a", "3"), ("b", "text"), ("c", "5"), ("d", "4"), ("e", "yes")];
        assert_eq!(pairs(client, "h"), map_of(&expected));
        for (field, value) in expected {
            assert_eq!(client.text(&["HGET", "h", field]), value);
            assert_eq!(client.int(&["HSTRLEN", "h", field]), value.len() as i64);
            assert_eq!(client.int(&["HEXISTS", "h", field]), 1);
        }
        client.null(&["HGET", "h", "nosuch"]);
        client.null(&["HGET", "missing", "a"]);
        assert_eq!(client.int(&["HSTRLEN", "h", "nosuch"]), 0);
        assert_eq!(client.int(&["HEXISTS", "missing", "a"]), 0);
        assert_eq!(client.texts(&["HMGET", "h", "b", "nosuch", "a"]), ["text", "(nil)", "3"]);
        assert_eq!(client.texts(&["HMGET", "missing", "b", "a"]), ["(nil)", "(nil)"]);
        assert_eq!(client.int(&["HLEN", "h"]), 5);
        assert_eq!(client.int(&["HLEN", "missing"]), 0);
    });
}

#[test]
fn fields_and_values_are_listed() {
    with_each_encoding(|client, _| {
        client.int(&["HSET", "h", "a", "1", "b", "1", "c", "3"]);
        let mut keys = client.texts(&["HKEYS", "h"]);
        let mut values = client.texts(&["HVALS", "h"]);
        keys.sort();
        values.sort();
        assert_eq!(keys, ["a", "b", "c"]);
        assert_eq!(values, ["1", "1", "3"]);
        for name in ["HKEYS", "HVALS", "HGETALL"] {
            assert_eq!(client.array(&[name, "missing"]), [], "{name}");
        }
    });
}

#[test]
fn hdel_counts_what_it_removes_and_the_last_field_takes_the_key_along() {
    with_each_encoding(|client, _| {
        client.int(&["HSET", "h", "a", "1", "b", "2", "c", "3"]);
        assert_eq!(client.int(&["HDEL", "h", "a", "nosuch", "a", "b"]), 2);
        assert_eq!(pairs(client, "h"), map_of(&[("c", "3")]));
        assert_eq!(client.int(&["HDEL", "h", "nosuch"]), 0);
        assert_eq!(client.int(&["HDEL", "h", "c"]), 1);
        assert_eq!(client.int(&["EXISTS", "h"]), 0);
        assert_eq!(client.int(&["HDEL", "h", "c"]), 0);
    });
}

#[test]
fn fields_and_values_of_any_bytes_are_kept_as_they_are() {
    let (_server, mut client) = start();
    let odd: [&[u8]; 7] = [b"", b"\0", b"\r\n", b"\xff\xfe", b"01", b"-0", &[b'x'; 5000]];
    for text in odd {
        assert_eq!(client.int(&[b"HSET", &b"h"[..], text, text]), 1);
    }
    for text in odd {
        assert_eq!(client.bulk(&[b"HGET", &b"h"[..], text]), text);
    }
    assert_eq!(client.int(&["HLEN", "h"]), 7);
}

#[test]
fn a_hash_changes_its_encoding_where_redis_does() {
    let (_server, mut client) = start();
    fill_many(&mut client, "many", 512);
    check_encoding(&mut client, "many", "listpack");
    client.int(&["HSET", "many", "one more", "1"]);
    check_encoding(&mut client, "many", "hashtable");
    assert_eq!(client.int(&["HLEN", "many"]), 513);
    client.int(&["HSET", "long", "f", &"x".repeat(64)]);
    check_encoding(&mut client, "long", "listpack");
    client.int(&["HSET", "long", &"x".repeat(65), "v"]);
    check_encoding(&mut client, "long", "hashtable");
    client.int(&["HDEL", "long", &"x".repeat(65)]);
    check_encoding(&mut client, "long", "hashtable");
}

#[test]
fn a_key_of_another_type_is_refused_by_every_command() {
    let (_server, mut client) = start();
    client.ok(&["SET", "str", "v"]);
    for line in [
        "HSET str a 1",
        "HMSET str a 1",
        "HSETNX str a 1",
        "HGET str a",
        "HMGET str a",
        "HEXISTS str a",
        "HSTRLEN str a",
        "HLEN str",
        "HGETALL str",
        "HKEYS str",
        "HVALS str",
        "HDEL str a",
        "HINCRBY str a 1",
        "HINCRBYFLOAT str a 1",
        "HRANDFIELD str",
        "HRANDFIELD str 1",
        "HSCAN str 0",
    ] {
        assert_eq!(client.error(&line.split(' ').collect::<Vec<_>>()), WRONG_TYPE, "{line}");
    }
}

#[test]
fn arguments_are_checked() {
    let (_server, mut client) = start();
    client.int(&["HSET", "h", "a", "1"]);
    check_errors(
        &mut client,
        &[
            ("HSET h a", "ERR wrong number of arguments for 'hset' command"),
            ("HSET h a 1 b", "ERR wrong number of arguments for 'hset' command"),
            ("HMSET h a 1 b", "ERR wrong number of arguments for 'hmset' command"),
            ("HINCRBY h a x", NOT_INTEGER),
            ("HINCRBYFLOAT h a x", "ERR value is not a valid float"),
            ("HINCRBYFLOAT h a inf", "ERR value is NaN or Infinity"),
            ("HRANDFIELD h x", NOT_INTEGER),
            ("HRANDFIELD h 1 x", SYNTAX),
            ("HRANDFIELD h 1 WITHVALUES x", SYNTAX),
            ("HRANDFIELD h -9223372036854775807 WITHVALUES", "ERR value is out of range"),
            ("HSCAN h x", "ERR invalid cursor"),
            ("HSCAN h 0 COUNT 0", SYNTAX),
            ("HSCAN h 0 COUNT 1 MATCH", SYNTAX),
        ],
    );
}

// ----- counters -----

#[test]
fn hincrby_counts_and_refuses_what_it_cannot() {
    with_each_encoding(|client, _| {
        assert_eq!(client.int(&["HINCRBY", "h", "n", "5"]), 5);
        assert_eq!(client.int(&["HINCRBY", "h", "n", "-7"]), -2);
        client.int(&["HSET", "h", "max", "9223372036854775807", "text", "x", "padded", " 1"]);
        let error = |client: &mut Client, field: &str| client.error(&["HINCRBY", "h", field, "1"]);
        assert_eq!(error(client, "max"), "ERR increment or decrement would overflow");
        assert_eq!(error(client, "text"), "ERR hash value is not an integer");
        assert_eq!(error(client, "padded"), "ERR hash value is not an integer");
        assert_eq!(client.text(&["HGET", "h", "max"]), "9223372036854775807");
        assert_eq!(client.int(&["HLEN", "h"]), 4);
    });
}

#[test]
fn hincrbyfloat_prints_as_redis_does() {
    with_each_encoding(|client, _| {
        assert_eq!(client.text(&["HINCRBYFLOAT", "h", "f", "10.5"]), "10.5");
        assert_eq!(client.text(&["HINCRBYFLOAT", "h", "f", "0.1"]), "10.6");
        assert_eq!(client.text(&["HINCRBYFLOAT", "h", "f", "-5.3e1"]), "-42.4");
        assert_eq!(client.text(&["HINCRBYFLOAT", "h", "f", "42.4"]), "0");
        client.int(&["HSET", "h", "text", "x", "huge", "1e4932"]);
        assert_eq!(client.error(&["HINCRBYFLOAT", "h", "text", "1"]), "ERR hash value is not a float");
        assert_eq!(client.error(&["HINCRBYFLOAT", "new", "text", "nan"]), "ERR value is not a valid float");
        assert_eq!(client.int(&["EXISTS", "new"]), 0);
    });
}

// ----- by chance, and step by step -----

#[test]
fn hrandfield_draws_fairly() {
    with_each_encoding(|client, _| {
        client.null(&["HRANDFIELD", "h"]);
        assert_eq!(client.array(&["HRANDFIELD", "h", "2", "WITHVALUES"]), []);
        client.int(&["HSET", "h", "a", "1", "b", "2", "c", "3", "d", "4"]);
        assert_eq!(client.texts(&["HRANDFIELD", "h", "3"]).into_iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(client.array(&["HRANDFIELD", "h", "100"]).len(), 4);
        assert_eq!(client.array(&["HRANDFIELD", "h", "0"]), []);
        let mut drawn = BTreeMap::<String, usize>::new();
        for field in client.texts(&["HRANDFIELD", "h", "-4000"]) {
            *drawn.entry(field).or_default() += 1;
        }
        assert!(drawn.len() == 4 && drawn.values().all(|times| (800..1200).contains(times)), "{drawn:?}");
        let flat = client.texts(&["HRANDFIELD", "h", "100", "withvalues"]);
        let shown: BTreeMap<String, String> =
            flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        assert_eq!(shown, pairs(client, "h"));
        assert!(["a", "b", "c", "d"].contains(&client.text(&["HRANDFIELD", "h"]).as_str()));
    });
}

#[test]
fn resp3_has_maps_and_pairs() {
    let (_server, mut client) = start();
    client.hello(3);
    client.int(&["HSET", "h", "a", "1"]);
    let (a, one) = (Value::bulk("a"), Value::bulk("1"));
    assert_eq!(client.cmd(&["HGETALL", "h"]), Value::Map(vec![(a.clone(), one.clone())]));
    assert_eq!(client.cmd(&["HGETALL", "missing"]), Value::Map(Vec::new()));
    let pair = Value::Array(vec![a.clone(), one.clone()]);
    assert_eq!(client.cmd(&["HRANDFIELD", "h", "1", "WITHVALUES"]), Value::Array(vec![pair.clone()]));
    assert_eq!(client.cmd(&["HRANDFIELD", "h", "-2", "WITHVALUES"]), Value::Array(vec![pair.clone(), pair]));
    assert_eq!(client.cmd(&["HRANDFIELD", "h", "-2"]), Value::Array(vec![a.clone(), a.clone()]));
    let page = Value::Array(vec![a, one]);
    assert_eq!(client.cmd(&["HSCAN", "h", "0"]), Value::Array(vec![Value::bulk("0"), page]));
    assert_eq!(client.cmd(&["HGET", "h", "nosuch"]), Value::Null);
}

#[test]
fn hscan_finds_every_field_once() {
    let (_server, mut client) = start();
    fill_many(&mut client, "h", 1500);
    let (mut cursor, mut found) = ("0".to_owned(), Vec::new());
    loop {
        let page = client.array(&["HSCAN", "h", &cursor, "COUNT", "40"]);
        let text = |item: &Value| String::from_utf8(item.as_bytes().unwrap().to_vec()).unwrap();
        let flat: Vec<String> = page[1].items().unwrap().iter().map(text).collect();
        found.extend(flat.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
        cursor = text(&page[0]);
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(found.len(), 1500);
    assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), pairs(&mut client, "h"));
}

#[test]
fn hscan_leaves_values_out_when_told_to() {
    if forgekv_only("NOVALUES came with 7.4") {
        return;
    }
    with_each_encoding(|client, _| {
        client.int(&["HSET", "h", "a", "1", "b", "2"]);
        let page = client.array(&["HSCAN", "h", "0", "NOVALUES", "MATCH", "b"]);
        assert_eq!(page, [Value::bulk("0"), Value::Array(vec![Value::bulk("b")])]);
    });
    let (_server, mut client) = start();
    client.int(&["SADD", "s", "a"]);
    let error = client.error(&["SSCAN", "s", "0", "NOVALUES"]);
    assert_eq!(error, "ERR NOVALUES option can only be used in HSCAN");
}

// ----- the log -----

#[test]
fn hashes_survive_a_restart() {
    if forgekv_only("it restarts its server") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    fill_many(&mut client, "big", 700);
    fill_many(&mut client, "small", 7);
    for key in ["big", "small"] {
        client.int(&["HDEL", key, "field1", "field2"]);
        client.int(&["HINCRBY", key, "n", "41"]);
        client.text(&["HINCRBYFLOAT", key, "f", "0.1"]);
        client.text(&["HINCRBYFLOAT", key, "f", "0.2"]);
        client.int(&["HSETNX", key, "field3", "no"]);
    }
    client.int(&["HSET", "gone", "a", "1"]);
    client.int(&["HDEL", "gone", "a"]);
    let before = ["big", "small"].map(|key| pairs(&mut client, key));
    assert_eq!(before[1]["f"], "0.3");
    for kill in [true, false] {
        if kill {
            server.kill_9();
        } else {
            server.stop();
        }
        server.restart();
        let mut client = server.connect();
        assert_eq!(["big", "small"].map(|key| pairs(&mut client, key)), before);
        check_encoding(&mut client, "big", "hashtable");
        check_encoding(&mut client, "small", "listpack");
        assert_eq!(client.int(&["EXISTS", "gone"]), 0);
    }
}
