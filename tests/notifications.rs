//! Keyspace notifications: which commands say what of which key, and when.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, Value, forgekv_only, is_cold};

/// A client that gets all events of the given classes, and one to cause them with.
fn listen(server: &Server, classes: &str) -> (Client, Client) {
    let (mut listener, mut client) = (server.connect(), server.connect());
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", classes]);
    listener.cmd(&["PSUBSCRIBE", "__key*__:*"]);
    (listener, client)
}

/// The parts of a message.
#[track_caller]
fn texts(message: &Value) -> Vec<String> {
    let items = message.items().unwrap_or_else(|| panic!("no message: {message:?}"));
    items.iter().map(|item| String::from_utf8_lossy(item.as_bytes().unwrap()).into_owned()).collect()
}

/// The next event: `channel message`.
#[track_caller]
fn next(listener: &mut Client) -> String {
    texts(&listener.read())[2..].join(" ")
}

/// Runs commands and compares the events of each (`event key`), with `ping` as the mark behind the last.
#[track_caller]
fn check(listener: &mut Client, client: &mut Client, cases: &[(&str, &[&str])]) {
    for (line, expected) in cases {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = client.cmd(&words);
        assert_eq!(reply.as_error(), None, "{line}");
        client.cmd(&["PUBLISH", "__keymark__:end", ""]);
        let mut events = Vec::new();
        loop {
            let event = next(listener);
            if event.starts_with("__keymark__") {
                break;
            }
            let (channel, key) = event.split_once(' ').unwrap();
            events.push(format!("{} {key}", channel.strip_prefix("__keyevent@0__:").unwrap_or(channel)));
        }
        assert_eq!(events, *expected, "{line}");
    }
}

#[test]
fn both_channels_are_named_after_database_key_and_event() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "KEA");
    client.ok(&["SET", "k", "v"]);
    assert_eq!(next(&mut listener), "__keyspace@0__:k set");
    assert_eq!(next(&mut listener), "__keyevent@0__:set k");
    client.ok(&["SELECT", "7"]);
    client.int(&["APPEND", "a b", "x"]);
    assert_eq!(next(&mut listener), "__keyspace@7__:a b append");
    assert_eq!(next(&mut listener), "__keyevent@7__:append a b");
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", "Kg"]);
    client.ok(&["SET", "k", "v"]);
    client.int(&["DEL", "k"]);
    assert_eq!(next(&mut listener), "__keyspace@7__:k del");
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", "A"]);
    client.ok(&["SET", "k", "v"]);
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
    client.int(&["DEL", "k"]);
    listener.expect_silence(Duration::from_millis(50));
}

#[test]
fn a_resp3_client_hears_of_its_own_changes() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", "E$"]);
    client.hello(3);
    client.cmd(&["SUBSCRIBE", "__keyevent@0__:set"]);
    let replies = client.pipeline(&[vec!["SET", "k", "v"], vec!["PING"]]);
    let event = Value::Push(["message", "__keyevent@0__:set", "k"].iter().map(Value::bulk).collect());
    let mut three = [replies[0].clone(), replies[1].clone(), client.read()];
    three.sort();
    let mut expected = [Value::simple("OK"), Value::simple("PONG"), event];
    expected.sort();
    assert_eq!(three, expected);
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn string_commands_say_what_they_did() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    check(
        &mut listener,
        &mut client,
        &[
            ("SET k v", &["set k"]),
            ("SET k v EX 100", &["set k", "expire k"]),
            ("SET k v KEEPTTL", &["set k"]),
            ("SET k v NX", &[]),
            ("SET k w XX GET", &["set k"]),
            ("SETNX k v", &[]),
            ("SETNX n 1", &["set n"]),
            ("SETEX k 100 v", &["set k", "expire k"]),
            ("PSETEX k 100000 v", &["set k", "expire k"]),
            ("GETSET k v", &["set k"]),
            ("MSET k a l b", &["set k", "set l"]),
            ("MSETNX k a o b", &[]),
            ("MSETNX p a o b", &["set p", "set o"]),
            ("APPEND k x", &["append k"]),
            ("APPEND new x", &["append new"]),
            ("SETRANGE k 0 yy", &["setrange k"]),
            ("SETRANGE k 0 ", &[]),
            ("INCR n", &["incrby n"]),
            ("INCRBY n 5", &["incrby n"]),
            ("DECR n", &["incrby n"]),
            ("DECRBY n 2", &["incrby n"]),
            ("INCRBYFLOAT n 1.5", &["incrbyfloat n"]),
            ("GETEX k", &[]),
            ("GETEX k EX 100", &["expire k"]),
            ("GETEX k PERSIST", &["persist k"]),
            ("GETEX k PERSIST", &[]),
            ("GETEX k PXAT 1", &["del k"]),
            ("GETDEL k", &[]),
            ("GETDEL l", &["del l"]),
            ("SETBIT bits 7 1", &["setbit bits"]),
            ("BITFIELD bits SET u8 0 5", &["setbit bits"]),
            ("BITFIELD bits GET u8 0", &[]),
            ("BITFIELD longer OVERFLOW FAIL SET u4 0 99", &[]),
            ("BITFIELD longest SET u8 0 0", &["setbit longest"]),
            ("BITOP NOT dest bits", &["set dest"]),
            ("BITOP AND dest none none", &["del dest"]),
            ("GET n", &[]),
            ("GET none", &[]),
        ],
    );
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn a_bit_that_stays_as_it_was_is_no_event() {
    if forgekv_only("Redis 7.0 notifies of it; later versions do not") {
        return;
    }
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    let cases: &[(&str, &[&str])] = &[("SETBIT b 7 1", &["setbit b"]), ("SETBIT b 7 1", &[])];
    check(&mut listener, &mut client, cases);
}

#[test]
fn generic_commands_say_what_they_did() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    check(
        &mut listener,
        &mut client,
        &[
            ("MSET a 1 b 2 c 3", &["set a", "set b", "set c"]),
            ("EXPIRE a 100", &["expire a"]),
            ("EXPIRE a 100 NX", &[]),
            ("PEXPIREAT a 99999999999999", &["expire a"]),
            ("PERSIST a", &["persist a"]),
            ("PERSIST a", &[]),
            ("EXPIRE none 100", &[]),
            ("EXPIRE a -1", &["del a"]),
            ("RENAME b d", &["rename_from b", "rename_to d"]),
            ("RENAMENX c d", &[]),
            ("RENAME c d", &["rename_from c", "rename_to d"]),
            ("RENAME d d", &[]),
            ("COPY d e", &["copy_to e"]),
            ("COPY d e", &[]),
            ("COPY d e REPLACE", &["copy_to e"]),
            ("MOVE e 1", &["move_from e", "__keyevent@1__:move_to e"]),
            ("COPY d e DB 2", &["__keyevent@2__:copy_to e"]),
            ("DEL d none", &["del d"]),
            ("MSET a 1 b 2", &["set a", "set b"]),
            ("UNLINK a b a", &["del a", "del b"]),
            ("SET a 1", &["set a"]),
            ("FLUSHALL", &[]),
        ],
    );
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn new_keys_and_misses_are_classes_of_their_own() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "Enm");
    check(
        &mut listener,
        &mut client,
        &[
            ("SET k v", &["new k"]),
            ("SET k v", &[]),
            ("INCR n", &["new n"]),
            ("APPEND a x", &["new a"]),
            ("SETBIT b 1 1", &["new b"]),
            ("RENAME k l", &["new l"]),
            ("RENAME n l", &["new l"]),
            ("COPY l m", &["new m"]),
            ("COPY l m REPLACE", &["new m"]),
            ("MOVE m 1", &["__keyevent@1__:new m"]),
            ("GET none", &["keymiss none"]),
            ("MGET l x y", &["keymiss x", "keymiss y"]),
            ("EXISTS l x", &["keymiss x"]),
            ("TTL x", &["keymiss x"]),
            ("TYPE x", &["keymiss x"]),
            ("TOUCH x", &["keymiss x"]),
            ("OBJECT ENCODING x", &[]),
            ("STRLEN x", &["keymiss x"]),
            ("GETDEL x", &["keymiss x"]),
            ("GETEX x", &["keymiss x"]),
            ("DEL x", &[]),
            ("EXPIRE x 1", &[]),
            ("PERSIST x", &[]),
        ],
    );
    check(&mut listener, &mut client, &[("FLUSHALL", &[])]);
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn a_key_expires_with_an_event_whether_or_not_it_is_looked_at() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "Exm");
    client.ok(&["SET", "seen", "v", "PX", "30"]);
    client.ok(&["SET", "unseen", "v", "PX", "30"]);
    let began = Instant::now();
    let mut events = vec![next(&mut listener), next(&mut listener)];
    events.sort();
    assert_eq!(events, ["__keyevent@0__:expired seen", "__keyevent@0__:expired unseen"]);
    assert!(began.elapsed() >= Duration::from_millis(20));
    // Read before the sweep comes, perhaps: the event precedes what the reader did.
    client.ok(&["SET", "lazy", "v", "PX", "1"]);
    while !client.cmd(&["GET", "lazy"]).is_null() {}
    assert_eq!(next(&mut listener), "__keyevent@0__:expired lazy");
    assert_eq!(next(&mut listener), "__keyevent@0__:keymiss lazy");
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn an_expired_event_comes_at_once_among_many_keys_that_are_not_due() {
    if forgekv_only("Redis finds due keys by sampling, which takes it longer") {
        return;
    }
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "Ex");
    for batch in 0..20 {
        let set =
            |n: i32| vec!["SET".into(), format!("key:{batch}:{n}"), "v".into(), "EX".into(), "1000".into()];
        client.pipeline(&(0..1000).map(set).collect::<Vec<_>>());
    }
    client.ok(&["SET", "due", "v", "PX", "100"]);
    let began = Instant::now();
    assert_eq!(next(&mut listener), "__keyevent@0__:expired due");
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
}

#[test]
fn eviction_is_an_event() {
    // Keys that are on disk only do not count.
    if forgekv_only("the limit fits ForgeKV's memory") || is_cold() {
        return;
    }
    let server = Server::with_args(&["--maxmemory-policy", "allkeys-lru", "--maxmemory", "1mb"]);
    let (mut listener, mut client) = listen(&server, "Ee");
    let value = "x".repeat(1000);
    for n in 0..3_000 {
        client.ok(&["SET", &format!("key:{n}"), &value]);
    }
    let event = next(&mut listener);
    let key = event.strip_prefix("__keyevent@0__:evicted ").unwrap_or_else(|| panic!("{event}")).to_owned();
    client.null(&["GET", &key]);
}

#[test]
fn events_depend_on_their_change_being_durable() {
    if forgekv_only("wal_sync_mode") {
        return;
    }
    let server = Server::with_args(&["--wal_sync_mode", "always", "--workers", "4"]);
    let (mut listener, mut client) = listen(&server, "E$");
    for n in 0..200 {
        client.ok(&["SET", &format!("k{n}"), "v"]);
        assert_eq!(next(&mut listener), format!("__keyevent@0__:set k{n}"));
        assert_eq!(client.int(&["PUBLISH", "__keymark__:end", ""]), 1);
        assert_eq!(next(&mut listener), "__keymark__:end ");
    }
}

#[test]
fn list_set_and_sorted_set_commands_say_what_they_did() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    check(
        &mut listener,
        &mut client,
        &[
            ("RPUSH l a b c", &["rpush l"]),
            ("LPUSHX l z", &["lpush l"]),
            ("LINSERT l BEFORE a y", &["linsert l"]),
            ("LSET l 0 x", &["lset l"]),
            ("LREM l 1 y", &["lrem l"]),
            ("LTRIM l 1 -1", &["ltrim l"]),
            ("LMOVE l m LEFT RIGHT", &["rpush m", "lpop l"]),
            ("LMPOP 1 l RIGHT COUNT 9", &["rpop l", "del l"]),
            ("LPOP m", &["lpop m", "del m"]),
            ("SADD s a b c", &["sadd s"]),
            ("SADD s a", &[]),
            ("SMOVE s t a", &["srem s", "sadd t"]),
            ("SINTERSTORE d s s", &["sinterstore d"]),
            ("SDIFFSTORE d s s", &["del d"]),
            ("SREM s b c", &["srem s", "del s"]),
            ("SPOP t", &["spop t", "del t"]),
            ("ZADD z 1 a 2 b", &["zadd z"]),
            ("ZADD z INCR 1 a", &["zincr z"]),
            ("ZINCRBY z 1 a", &["zincr z"]),
            ("ZRANGESTORE y z 0 -1", &["zrangestore y"]),
            ("ZUNIONSTORE y 1 z", &["zunionstore y"]),
            ("ZREMRANGEBYRANK y 0 -1", &["zremrangebyrank y", "del y"]),
            ("ZPOPMIN z", &["zpopmin z"]),
            ("BZMPOP 1 1 z MAX", &["zpopmax z", "del z"]),
            ("GEOADD g 1 1 here", &["zadd g"]),
            ("GEOSEARCHSTORE h g FROMMEMBER here BYRADIUS 1 m", &["geosearchstore h"]),
        ],
    );
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn hash_stream_and_hyperloglog_commands_say_what_they_did() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    check(
        &mut listener,
        &mut client,
        &[
            ("HSET h f 1 g 2", &["hset h"]),
            ("HINCRBY h f 1", &["hincrby h"]),
            ("HINCRBYFLOAT h f 0.5", &["hincrbyfloat h"]),
            ("HDEL h f", &["hdel h"]),
            ("HDEL h g", &["hdel h", "del h"]),
            ("XADD x 1-1 f v", &["xadd x"]),
            ("XADD x MAXLEN 1 2-1 f v", &["xadd x", "xtrim x"]),
            ("XGROUP CREATE x g 0", &["xgroup-create x"]),
            ("XGROUP CREATECONSUMER x g c", &["xgroup-createconsumer x"]),
            ("XGROUP SETID x g 1", &["xgroup-setid x"]),
            ("XGROUP DELCONSUMER x g c", &["xgroup-delconsumer x"]),
            ("XGROUP DESTROY x g", &["xgroup-destroy x"]),
            ("XSETID x 9-9", &["xsetid x"]),
            ("XDEL x 2-1", &["xdel x"]),
            ("XTRIM x MAXLEN 0", &[]),
            ("PFADD p a", &["pfadd p"]),
            ("PFADD p a", &[]),
            ("PFMERGE q p", &["pfadd q"]),
            ("PFCOUNT q", &[]),
            ("RPUSH l 2 1", &["rpush l"]),
            ("SORT l STORE m", &["sortstore m"]),
            ("SORT none STORE m", &["del m"]),
        ],
    );
    let dump = client.cmd(&["DUMP", "l"]);
    client.ok(&[b"RESTORE", "r".as_bytes(), b"0", dump.as_bytes().unwrap()]);
    assert_eq!(next(&mut listener), "__keyevent@0__:restore r");
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn fields_that_expire_are_events() {
    if forgekv_only("fields expire since 7.4") {
        return;
    }
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    check(
        &mut listener,
        &mut client,
        &[
            ("HSET h f 1 g 2 h 3", &["hset h"]),
            ("HEXPIRE h 100 FIELDS 1 f", &["hexpire h"]),
            ("HPERSIST h FIELDS 1 f", &["hpersist h"]),
            ("HPEXPIREAT h 1 FIELDS 1 g", &["hdel h"]),
        ],
    );
    client.cmd(&["HPEXPIRE", "h", "20", "FIELDS", "2", "f", "h"]);
    for expected in ["hexpire h", "hexpired h", "del h"] {
        assert_eq!(next(&mut listener), format!("__keyevent@0__:{expected}"));
    }
}

#[test]
fn transactions_and_scripts_say_in_order_what_their_commands_did() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    client.ok(&["MULTI"]);
    for line in ["SET a 1", "LPUSH b 1", "SELECT 3", "DEL a", "SET a 2", "SELECT 0", "DEL a", "LPUSH a x"] {
        client.cmd(&line.split(' ').collect::<Vec<_>>());
    }
    listener.expect_silence(Duration::from_millis(30));
    client.array(&["EXEC"]);
    for expected in ["0__:set a", "0__:lpush b", "3__:set a", "0__:del a", "0__:lpush a"] {
        assert_eq!(next(&mut listener), format!("__keyevent@{expected}"));
    }
    // A script that turns out to need a key which it did not name is begun anew; nobody hears of the first try.
    let script = "redis.call('set', KEYS[1], 1) redis.call('publish', '__key__:said', 'x')
                  redis.call('incr', KEYS[1]) redis.call('set', ARGV[1], 1) return redis.error_reply('no')";
    for n in 0..20 {
        client.error(&["EVAL", script, "1", &format!("k{n}"), "another"]);
        assert_eq!(next(&mut listener), format!("__keyevent@0__:set k{n}"));
        assert_eq!(next(&mut listener), "__key__:said x");
        assert_eq!(next(&mut listener), format!("__keyevent@0__:incrby k{n}"));
        assert_eq!(next(&mut listener), "__keyevent@0__:set another");
    }
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn a_transaction_that_subscribes_its_client_tells_it_of_what_happens_while_it_is_subscribed() {
    if forgekv_only("Redis 7.2+ tells of it behind EXEC's reply; 7.0 inside") {
        return;
    }
    let server = Server::start();
    for version in [2, 3] {
        let mut client = server.connect();
        client.hello(version);
        client.ok(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
        client.ok(&["MULTI"]);
        for command in [
            "SET before v",
            "SUBSCRIBE __keyevent@0__:set",
            "SET meanwhile v",
            "UNSUBSCRIBE",
            "SET behind v",
            "PSUBSCRIBE __keyspace@0__:*",
            "DEL behind",
        ] {
            let words: Vec<&str> = command.split(' ').collect();
            assert_eq!(client.cmd(&words), Value::simple("QUEUED"), "{command}");
        }
        assert_eq!(client.array(&["EXEC"]).len(), 7);
        assert_eq!(texts(&client.read()), ["message", "__keyevent@0__:set", "meanwhile"]);
        assert_eq!(texts(&client.read()), ["pmessage", "__keyspace@0__:*", "__keyspace@0__:behind", "del"]);
        client.expect_silence(Duration::from_millis(50));
    }
}

#[test]
fn what_is_told_of_an_event_was_wanted_when_it_happened() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "KEA");
    client.ok(&["MULTI"]);
    for classes in [Some("E$"), None, Some(""), None, Some("K$"), None] {
        match classes {
            Some(classes) => client.cmd(&["CONFIG", "SET", "notify-keyspace-events", classes]),
            None => client.cmd(&["SET", "k", "1"]),
        };
        client.cmd(&["SET", "k", "2"]);
    }
    client.array(&["EXEC"]);
    let (keyspace, keyevent) = ("__keyspace@0__:k set", "__keyevent@0__:set k");
    for expected in [keyevent, keyevent, keyevent, keyspace, keyspace, keyspace] {
        assert_eq!(next(&mut listener), expected);
    }
    client.int(&["APPEND", "k", "3"]);
    assert_eq!(next(&mut listener), "__keyspace@0__:k append");
    listener.expect_silence(Duration::from_millis(30));
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}

#[test]
fn what_waiting_clients_get_is_an_event_behind_its_cause() {
    let server = Server::start();
    let (mut listener, mut client) = listen(&server, "EA");
    let mut waiting: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    waiting[0].send(&["BLMOVE", "l", "m", "LEFT", "RIGHT", "0"]);
    waiting[1].send(&["BZPOPMIN", "z", "0"]);
    waiting[2].send(&["BLPOP", "m", "0"]);
    crate::support::wait_for("three to wait", || {
        client.text(&["INFO", "clients"]).contains("blocked_clients:3\r\n")
    });
    client.int(&["ZADD", "z", "1", "a"]);
    client.int(&["RPUSH", "l", "x"]);
    let events = ["zadd z", "zpopmin z", "del z", "rpush l", "lpop l", "rpush m", "del l", "lpop m", "del m"];
    let mut heard: Vec<String> = (0..events.len()).map(|_| next(&mut listener)).collect();
    let mut expected: Vec<String> = events.iter().map(|event| format!("__keyevent@0__:{event}")).collect();
    // Redis puts into the destination before it takes from the source, or after.
    heard[3..].sort();
    expected[3..].sort();
    assert_eq!(heard, expected);
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}
