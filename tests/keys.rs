//! DEL, UNLINK, EXISTS, TOUCH, TYPE, RENAME, RENAMENX, COPY, MOVE and OBJECT.

use crate::support::{Client, Server, Value, forgekv_only, wait_for, warm_only};

fn client() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// A value of each encoding and of each way to keep it: integer, in the entry, and outside of it.
fn values() -> [(&'static str, String, &'static str); 4] {
    [
        ("int", "12345".to_owned(), "int"),
        ("short", "abc".to_owned(), "embstr"),
        ("long", "x".repeat(100), "raw"),
        ("big", "y".repeat(100_000), "raw"),
    ]
}

fn set_all(client: &mut Client) {
    for (key, value, _) in values() {
        client.ok(&["SET", key, &value]);
    }
}

#[test]
fn del_counts_the_keys_it_deletes() {
    let (_server, mut client) = client();
    for name in ["DEL", "UNLINK"] {
        set_all(&mut client);
        assert_eq!(client.int(&[name, "missing"]), 0);
        assert_eq!(client.int(&[name, "int", "missing", "int", "big"]), 2);
        assert_eq!(client.int(&["EXISTS", "int", "big", "short", "long"]), 2);
        let error = client.error(&[name]);
        assert_eq!(error, format!("ERR wrong number of arguments for '{}' command", name.to_lowercase()));
    }
    client.ok(&["SET", "", "empty"]);
    assert_eq!(client.int(&["DEL", ""]), 1);
}

#[test]
fn del_takes_keys_of_every_shard_at_once() {
    let (_server, mut client) = client();
    let names: Vec<String> = (0..1000).map(|n| format!("key:{n}")).collect();
    for name in &names {
        client.ok(&["SET", name, "v"]);
    }
    let mut argv = vec!["EXISTS"];
    argv.extend(names.iter().map(String::as_str));
    assert_eq!(client.int(&argv), 1000);
    argv[0] = "DEL";
    assert_eq!(client.int(&argv), 1000);
    assert_eq!(client.int(&["DBSIZE"]), 0);
}

#[test]
fn exists_counts_a_key_as_often_as_it_is_named() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.int(&["EXISTS", "a"]), 1);
    assert_eq!(client.int(&["EXISTS", "a", "b", "a"]), 2);
    assert_eq!(client.int(&["EXISTS", "b"]), 0);
}

#[test]
fn touch_counts_the_keys_that_exist() {
    let (_server, mut client) = client();
    set_all(&mut client);
    assert_eq!(client.int(&["TOUCH", "int", "missing", "big", "big"]), 3);
    assert_eq!(client.int(&["TOUCH", "missing"]), 0);
}

#[test]
fn type_is_none_for_a_missing_key() {
    let (_server, mut client) = client();
    set_all(&mut client);
    for (key, ..) in values() {
        assert_eq!(client.cmd(&["TYPE", key]), Value::simple("string"));
    }
    assert_eq!(client.cmd(&["TYPE", "missing"]), Value::simple("none"));
}

#[test]
fn rename_moves_value_encoding_and_time_to_live() {
    let (_server, mut client) = client();
    for (key, value, encoding) in values() {
        client.ok(&["SET", key, &value]);
        client.int(&["PEXPIREAT", key, "33333333333333"]);
        client.ok(&["SET", "target", "other"]);
        client.int(&["PEXPIREAT", "target", "44444444444444"]);
        client.ok(&["RENAME", key, "target"]);
        assert_eq!(client.int(&["EXISTS", key]), 0);
        assert_eq!(client.bulk(&["GET", "target"]), value.as_bytes());
        assert_eq!(client.text(&["OBJECT", "ENCODING", "target"]), encoding);
        assert_eq!(client.int(&["PEXPIRETIME", "target"]), 33_333_333_333_333);
    }
    client.ok(&["SET", "a", "1"]);
    client.ok(&["RENAME", "a", "target"]);
    assert_eq!(client.int(&["PTTL", "target"]), -1, "the time to live of the overwritten key must not stay");
    assert_eq!(client.int(&["DBSIZE"]), 1);
}

#[test]
fn rename_needs_its_source_and_may_be_onto_itself() {
    let (_server, mut client) = client();
    assert_eq!(client.error(&["RENAME", "missing", "other"]), "ERR no such key");
    assert_eq!(client.error(&["RENAME", "missing", "missing"]), "ERR no such key");
    assert_eq!(client.error(&["RENAMENX", "missing", "other"]), "ERR no such key");
    client.ok(&["SET", "a", "1"]);
    client.ok(&["RENAME", "a", "a"]);
    assert_eq!(client.int(&["RENAMENX", "a", "a"]), 0);
    assert_eq!(client.bulk(&["GET", "a"]), b"1");
}

#[test]
fn renamenx_leaves_a_key_that_has_the_name() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    client.ok(&["SET", "b", "2"]);
    assert_eq!(client.int(&["RENAMENX", "a", "b"]), 0);
    assert_eq!((client.bulk(&["GET", "a"]), client.bulk(&["GET", "b"])), (b"1".to_vec(), b"2".to_vec()));
    assert_eq!(client.int(&["RENAMENX", "a", "c"]), 1);
    client.null(&["GET", "a"]);
    assert_eq!(client.bulk(&["GET", "c"]), b"1");
}

#[test]
fn copy_keeps_value_encoding_and_time_to_live() {
    let (_server, mut client) = client();
    for (key, value, encoding) in values() {
        client.ok(&["SET", key, &value]);
        client.int(&["PEXPIREAT", key, "33333333333333"]);
        assert_eq!(client.int(&["COPY", key, "copy"]), 1);
        assert_eq!(client.bulk(&["GET", "copy"]), value.as_bytes());
        assert_eq!(client.text(&["OBJECT", "ENCODING", "copy"]), encoding);
        assert_eq!(client.int(&["PEXPIRETIME", "copy"]), 33_333_333_333_333);
        client.int(&["DEL", "copy"]);
        assert_eq!(client.bulk(&["GET", key]), value.as_bytes());
    }
}

#[test]
fn copy_replaces_only_when_told_to() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    client.ok(&["SET", "b", "2"]);
    client.int(&["EXPIRE", "b", "1000"]);
    assert_eq!(client.int(&["COPY", "a", "b"]), 0);
    assert_eq!(client.bulk(&["GET", "b"]), b"2");
    assert_eq!(client.int(&["COPY", "a", "b", "REPLACE"]), 1);
    assert_eq!(client.bulk(&["GET", "b"]), b"1");
    assert_eq!(client.int(&["TTL", "b"]), -1);
    assert_eq!(client.int(&["COPY", "missing", "b", "replace"]), 0);
    assert_eq!(client.bulk(&["GET", "b"]), b"1");
}

#[test]
fn a_copy_and_its_source_change_apart() {
    let (_server, mut client) = client();
    for (key, value, _) in values() {
        client.ok(&["SET", key, &value]);
        client.int(&["COPY", key, "copy"]);
        client.int(&["APPEND", "copy", "+"]);
        assert_eq!(client.bulk(&["GET", key]), value.as_bytes());
        client.int(&["APPEND", key, "-"]);
        assert_eq!(client.bulk(&["GET", "copy"]), format!("{value}+").as_bytes());
        client.int(&["DEL", "copy"]);
    }
}

#[test]
fn copy_reads_its_options_before_it_looks_for_the_key() {
    let (_server, mut client) = client();
    let range = "ERR value is out of range, value must between -2147483648 and 2147483647";
    for (options, error) in [
        (&["FOO"][..], "ERR syntax error"),
        (&["DB"], "ERR syntax error"),
        (&["REPLACE", "DB"], "ERR syntax error"),
        (&["DB", "x"], "ERR value is not an integer or out of range"),
        (&["DB", "99999999999"], range),
        (&["DB", "99"], "ERR DB index is out of range"),
        (&["DB", "-1"], "ERR DB index is out of range"),
    ] {
        let argv = [&["COPY", "missing", "other"], options].concat();
        assert_eq!(client.error(&argv), error, "{options:?}");
    }
    let same = "ERR source and destination objects are the same";
    assert_eq!(client.error(&["COPY", "missing", "missing"]), same);
    assert_eq!(client.error(&["COPY", "missing", "missing", "DB", "0"]), same);
    assert_eq!(client.error(&["COPY", "missing"]), "ERR wrong number of arguments for 'copy' command");
}

#[test]
fn copy_reaches_another_database() {
    let (_server, mut client) = client();
    set_all(&mut client);
    for (key, value, encoding) in values() {
        client.int(&["PEXPIREAT", key, "33333333333333"]);
        assert_eq!(client.int(&["COPY", key, key, "DB", "9"]), 1);
        assert_eq!(client.int(&["COPY", key, key, "DB", "9"]), 0);
        assert_eq!(client.int(&["COPY", key, key, "REPLACE", "DB", "8", "DB", "9"]), 1);
        assert_eq!(client.int(&["EXISTS", key]), 1);
        client.ok(&["SELECT", "9"]);
        assert_eq!(client.bulk(&["GET", key]), value.as_bytes());
        assert_eq!(client.text(&["OBJECT", "ENCODING", key]), encoding);
        assert_eq!(client.int(&["PEXPIRETIME", key]), 33_333_333_333_333);
        client.ok(&["SELECT", "8"]);
        assert_eq!(client.int(&["DBSIZE"]), 0);
        client.ok(&["SELECT", "0"]);
    }
}

#[test]
fn move_takes_value_and_time_to_live_along() {
    let (_server, mut client) = client();
    for (key, value, encoding) in values() {
        client.ok(&["SET", key, &value]);
        client.int(&["PEXPIREAT", key, "33333333333333"]);
        assert_eq!(client.int(&["MOVE", key, "9"]), 1);
        assert_eq!(client.int(&["EXISTS", key]), 0);
        assert_eq!(client.int(&["MOVE", key, "9"]), 0);
        client.ok(&["SELECT", "9"]);
        assert_eq!(client.bulk(&["GET", key]), value.as_bytes());
        assert_eq!(client.text(&["OBJECT", "ENCODING", key]), encoding);
        assert_eq!(client.int(&["PEXPIRETIME", key]), 33_333_333_333_333);
        client.ok(&["SELECT", "0"]);
    }
}

#[test]
fn move_leaves_a_key_of_that_name() {
    let (_server, mut client) = client();
    client.ok(&["SELECT", "9"]);
    client.ok(&["SET", "a", "there"]);
    client.ok(&["SELECT", "0"]);
    client.ok(&["SET", "a", "here"]);
    assert_eq!(client.int(&["MOVE", "a", "9"]), 0);
    assert_eq!(client.bulk(&["GET", "a"]), b"here");
    client.ok(&["SELECT", "9"]);
    assert_eq!(client.bulk(&["GET", "a"]), b"there");
    client.int(&["PEXPIRE", "a", "1"]);
    wait_for("the key in the way to expire", || client.int(&["EXISTS", "a"]) == 0);
    client.ok(&["SELECT", "0"]);
    assert_eq!(client.int(&["MOVE", "a", "9"]), 1);
}

#[test]
fn move_checks_the_database() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    for (db, error) in [
        ("0", "ERR source and destination objects are the same"),
        ("99", "ERR DB index is out of range"),
        ("-1", "ERR DB index is out of range"),
        ("x", "ERR value is not an integer or out of range"),
        ("99999999999", "ERR value is out of range, value must between -2147483648 and 2147483647"),
    ] {
        assert_eq!(client.error(&["MOVE", "a", db]), error, "{db}");
        assert_eq!(client.error(&["MOVE", "missing", db]), error, "{db}");
    }
}

#[test]
fn object_encoding_names_the_encoding() {
    let (_server, mut client) = client();
    set_all(&mut client);
    for (key, _, encoding) in values() {
        assert_eq!(client.cmd(&["OBJECT", "ENCODING", key]), Value::bulk(encoding));
    }
    for (value, encoding) in [
        ("", "embstr"),
        ("x".repeat(44).as_str(), "embstr"),
        ("x".repeat(45).as_str(), "raw"),
        ("9223372036854775807", "int"),
        ("9223372036854775808", "embstr"),
        ("007", "embstr"),
        ("-1", "int"),
    ] {
        client.ok(&["SET", "a", value]);
        assert_eq!(client.text(&["object", "encoding", "a"]), encoding, "{value}");
    }
    client.int(&["APPEND", "a", "1"]);
    assert_eq!(client.text(&["OBJECT", "ENCODING", "a"]), "raw", "APPEND leaves a buffer");
    client.ok(&["RENAME", "a", "b"]);
    assert_eq!(client.text(&["OBJECT", "ENCODING", "b"]), "raw");
}

#[test]
fn object_refcount_shows_shared_integers() {
    let (_server, mut client) = client();
    for (value, count) in
        [("0", i64::from(i32::MAX)), ("9999", i64::from(i32::MAX)), ("10000", 1), ("-1", 1), ("x", 1)]
    {
        client.ok(&["SET", "a", value]);
        assert_eq!(client.int(&["OBJECT", "REFCOUNT", "a"]), count, "{value}");
    }
}

#[test]
fn object_answers_null_for_a_missing_key() {
    let (_server, mut client) = client();
    for subcommand in ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"] {
        assert_eq!(client.cmd(&["OBJECT", subcommand, "missing"]), Value::NullBulk);
    }
    client.hello(3);
    assert_eq!(client.cmd(&["OBJECT", "ENCODING", "missing"]), Value::Null);
}

#[test]
fn object_freq_needs_an_lfu_policy() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    assert_eq!(
        client.error(&["OBJECT", "FREQ", "a"]),
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
         between policies at runtime LRU and LFU data will take some time to adjust."
    );
}

#[test]
fn object_refuses_what_it_does_not_know() {
    let (_server, mut client) = client();
    assert_eq!(client.error(&["OBJECT"]), "ERR wrong number of arguments for 'object' command");
    assert_eq!(client.error(&["OBJECT", "NOSUCH", "a"]), "ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.");
    assert_eq!(client.error(&["OBJECT", "freq"]), "ERR wrong number of arguments for 'object|freq' command");
    assert_eq!(
        client.error(&["OBJECT", "help", "x"]),
        "ERR wrong number of arguments for 'object|help' command"
    );
    let help = client.texts(&["OBJECT", "HELP"]);
    assert_eq!(help[0], "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for subcommand in ["ENCODING", "FREQ", "HELP", "IDLETIME", "REFCOUNT"] {
        assert!(help.iter().any(|line| line.starts_with(subcommand)), "{subcommand} is not in {help:?}");
    }
}

#[test]
fn looking_at_a_key_does_not_count_as_using_it() {
    if warm_only("a use since the last round is forgotten") {
        return;
    }
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    let idle = |client: &mut Client| client.int(&["OBJECT", "IDLETIME", "a"]);
    wait_for("two idle seconds", || idle(&mut client) >= 2);
    for argv in [
        &["TTL", "a"][..],
        &["PEXPIRETIME", "a"],
        &["TYPE", "a"],
        &["EXISTS", "a"],
        &["OBJECT", "ENCODING", "a"],
    ] {
        client.cmd(argv);
        assert!(idle(&mut client) >= 2, "{argv:?} used the key");
    }
    client.ok(&["RENAME", "a", "b"]);
    client.ok(&["RENAME", "b", "a"]);
    assert_eq!(idle(&mut client), 0, "RENAME uses the key");
    wait_for("two idle seconds", || idle(&mut client) >= 2);
    assert_eq!(client.int(&["TOUCH", "a"]), 1);
    assert_eq!(idle(&mut client), 0, "TOUCH uses the key");
}

#[test]
fn lookups_that_read_count_as_hits_and_misses() {
    let (_server, mut client) = client();
    for (argv, hits, misses) in [
        (&["EXISTS", "a", "missing"][..], 1, 1),
        (&["TOUCH", "a", "missing", "a"], 2, 1),
        (&["TYPE", "a"], 1, 0),
        (&["TYPE", "missing"], 0, 1),
        (&["TTL", "a"], 1, 0),
        (&["PEXPIRETIME", "missing"], 0, 1),
        (&["OBJECT", "ENCODING", "a"], 1, 0),
        (&["OBJECT", "REFCOUNT", "missing"], 0, 1),
        (&["COPY", "a", "b"], 1, 0),
        (&["COPY", "missing", "b"], 0, 1),
        (&["RENAMENX", "a", "b"], 0, 0),
        (&["EXPIRE", "a", "100"], 0, 0),
        (&["PERSIST", "missing"], 0, 0),
        (&["DEL", "b", "missing"], 0, 0),
        (&["KEYS", "*"], 0, 0),
        (&["SCAN", "0"], 0, 0),
        (&["RANDOMKEY"], 0, 0),
    ] {
        client.ok(&["SET", "a", "1"]);
        client.ok(&["CONFIG", "RESETSTAT"]);
        client.cmd(argv);
        let info = client.text(&["INFO", "stats"]);
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let counted = (field("keyspace_hits"), field("keyspace_misses"));
        let expected = (hits.to_string(), misses.to_string());
        assert_eq!(counted, (Some(expected.0.as_str()), Some(expected.1.as_str())), "{argv:?}");
    }
}

#[test]
fn touch_uses_a_key_even_for_a_client_that_does_not() {
    if forgekv_only("CLIENT NO-TOUCH came with 7.2") || warm_only("a use since the last round is forgotten") {
        return;
    }
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    client.ok(&["CLIENT", "NO-TOUCH", "ON"]);
    wait_for("two idle seconds", || client.int(&["OBJECT", "IDLETIME", "a"]) >= 2);
    client.bulk(&["GET", "a"]);
    assert!(client.int(&["OBJECT", "IDLETIME", "a"]) >= 2);
    client.int(&["TOUCH", "a"]);
    assert_eq!(client.int(&["OBJECT", "IDLETIME", "a"]), 0);
}

#[test]
fn an_lfu_policy_counts_uses_instead_of_time() {
    if forgekv_only("the server needs its own arguments") {
        return;
    }
    let server = Server::with_args(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]);
    let mut client = server.connect();
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.int(&["OBJECT", "FREQ", "a"]), 5, "a new key starts with a little");
    for _ in 0..1000 {
        client.bulk(&["GET", "a"]);
    }
    let frequency = client.int(&["OBJECT", "FREQ", "a"]);
    assert!((6..100).contains(&frequency), "a thousand uses are about ten on the scale, not {frequency}");
    assert_eq!(
        client.error(&["OBJECT", "IDLETIME", "a"]),
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
         policies at runtime LRU and LFU data will take some time to adjust."
    );
    assert_eq!(client.int(&["OBJECT", "REFCOUNT", "a"]), 1, "integers are not shared when access is tracked");
}

#[test]
fn changes_of_keys_survive_a_restart() {
    if forgekv_only("it restarts its server") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    for (key, value, _) in values() {
        client.ok(&["SET", key, &value]);
        client.int(&["PEXPIREAT", key, "33333333333333"]);
        for name in ["renamed", "copied", "moved", "deleted"] {
            client.int(&["COPY", key, &format!("{name}:{key}")]);
        }
        client.ok(&["RENAME", &format!("renamed:{key}"), &format!("new:{key}")]);
        client.int(&["COPY", key, &format!("copied:{key}"), "REPLACE", "DB", "3"]);
        client.int(&["MOVE", &format!("moved:{key}"), "3"]);
        client.int(&["UNLINK", &format!("deleted:{key}"), "missing"]);
        client.int(&["PERSIST", key]);
    }
    // A key that expired is in the way of a RENAME in the log, too.
    client.ok(&["SET", "way", "1"]);
    client.int(&["PEXPIRE", "way", "1"]);
    client.ok(&["SET", "a", "2"]);
    // KEYS passes expired keys over without deleting them.
    wait_for("its time to pass", || client.array(&["KEYS", "way"]).is_empty());
    assert_eq!(client.int(&["RENAMENX", "a", "way"]), 1);
    let before = dataset(&mut client);
    assert!(before.len() > 20, "{before:?}");
    assert!(server.stop().success());
    server.restart();
    assert_eq!(dataset(&mut server.connect()), before);
}

/// Every key of the first four databases with all that can be told of it.
fn dataset(client: &mut Client) -> Vec<(String, String, Vec<u8>, String, i64)> {
    let mut all = Vec::new();
    for db in ["0", "1", "2", "3"] {
        client.ok(&["SELECT", db]);
        let mut keys = client.texts(&["KEYS", "*"]);
        keys.sort();
        for key in keys {
            let (value, encoding) = (client.bulk(&["GET", &key]), client.text(&["OBJECT", "ENCODING", &key]));
            let expires = client.int(&["PEXPIRETIME", &key]);
            all.push((db.to_owned(), key, value, encoding, expires));
        }
    }
    client.ok(&["SELECT", "0"]);
    all
}
