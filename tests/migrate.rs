//! MIGRATE: to another of these servers, and to and from redis-server where it is installed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::dump::values;
use crate::rdb::oracle;
use crate::support::{Client, Server, Value, forgekv_only, wait_for};

/// A server whose values Redis 7.0 can read.
fn server() -> Server {
    Server::with_args(&["--enable-debug-command", "yes", "--rdb-version", "10"])
}

fn migrate(from: &mut Client, to: &Server, rest: &[&str]) -> Value {
    let port = to.addr().port().to_string();
    let mut argv = vec!["MIGRATE", "127.0.0.1", &port];
    argv.extend(rest);
    from.cmd(&argv)
}

fn error(text: &str) -> Value {
    Value::Error(text.to_owned().into())
}

#[test]
fn keys_move_with_their_times_and_their_values() {
    if forgekv_only("it takes two servers") {
        return;
    }
    let (source, target) = (server(), server());
    let (mut from, mut to) = (source.connect(), target.connect());
    from.ok(&["SET", "a", "1"]);
    from.ok(&["SET", "b", "two", "PXAT", "4102444800123"]);
    from.ok(&["SET", "big", &"x".repeat(100_000)]);
    assert_eq!(migrate(&mut from, &target, &["a", "0", "5000"]), Value::simple("OK"));
    assert_eq!(from.int(&["EXISTS", "a"]), 0);
    assert_eq!(to.text(&["GET", "a"]), "1");
    let words = ["", "3", "5000", "COPY", "KEYS", "b", "big", "missing"];
    assert_eq!(migrate(&mut from, &target, &words), Value::simple("OK"));
    assert_eq!(from.int(&["EXISTS", "b", "big"]), 2);
    to.ok(&["SELECT", "3"]);
    let left = 4_102_444_800_123 - to.int(&["PEXPIRETIME", "b"]);
    assert!((-10_000..10_000).contains(&left), "{left}");
    assert_eq!(to.bulk(&["GET", "big"]), vec![b'x'; 100_000]);
    let busy = error("ERR Target instance replied with error: BUSYKEY Target key name already exists.");
    assert_eq!(migrate(&mut from, &target, &["b", "3", "5000"]), busy);
    from.ok(&["SET", "c", "3"]);
    assert_eq!(migrate(&mut from, &target, &["", "3", "5000", "KEYS", "b", "c"]), busy);
    assert_eq!(from.int(&["EXISTS", "b"]), 1, "what the target refuses stays");
    assert_eq!(from.int(&["EXISTS", "c"]), 0, "and what it takes leaves");
    assert_eq!(migrate(&mut from, &target, &["b", "3", "5000", "REPLACE"]), Value::simple("OK"));
    assert_eq!(migrate(&mut from, &target, &["b", "3", "5000"]), Value::simple("NOKEY"));
    assert_eq!(migrate(&mut from, &target, &["", "3", "5000", "KEYS"]), Value::simple("NOKEY"));
}

#[test]
fn words_are_checked_in_the_order_of_redis() {
    let server = Server::start();
    let mut client = server.connect();
    let mut migrate = |words: &[&str]| {
        let mut argv = vec!["MIGRATE", "127.0.0.1", "1"];
        argv.extend(words);
        client.cmd(&argv)
    };
    let integer = error("ERR value is not an integer or out of range");
    assert_eq!(migrate(&["k", "x", "100", "what"]), error("ERR syntax error"));
    assert_eq!(migrate(&["k", "0", "100", "AUTH"]), error("ERR syntax error"));
    assert_eq!(migrate(&["k", "0", "100", "AUTH2", "user"]), error("ERR syntax error"));
    let both = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
    assert_eq!(migrate(&["k", "x", "100", "KEYS", "a"]), error(both));
    assert_eq!(migrate(&["k", "x", "100"]), integer);
    assert_eq!(migrate(&["k", "0", "x"]), integer);
    assert_eq!(migrate(&["k", "0", "100"]), Value::simple("NOKEY"));
    assert_eq!(migrate(&["", "0", "100", "KEYS", "keys", "a", "KEYS", "b"]), Value::simple("NOKEY"));
}

#[test]
fn a_target_that_is_not_there_or_says_nothing_is_an_ioerr_and_the_key_stays() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "k", "v"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let reply = client.cmd(&["MIGRATE", "127.0.0.1", &port, "k", "0", "100"]);
    assert_eq!(reply, error("IOERR error or timeout reading to target instance"));
    drop(listener);
    let reply = client.cmd(&["MIGRATE", "127.0.0.1", &port, "k", "0", "100"]);
    assert_eq!(reply, error("IOERR error or timeout writing to target instance"));
    let reply = client.cmd(&["MIGRATE", "no such host", &port, "k", "0", "100"]);
    assert_eq!(reply, error("IOERR error or timeout connecting to the client"));
    assert_eq!(client.text(&["GET", "k"]), "v");
}

#[test]
fn passwords_are_sent_and_refusals_told() {
    if forgekv_only("it takes two servers") {
        return;
    }
    let (source, target) = (server(), server());
    let (mut from, mut to) = (source.connect(), target.connect());
    to.ok(&["CONFIG", "SET", "requirepass", "secret"]);
    from.ok(&["SET", "k", "v"]);
    let refused = |reply: Value| {
        let text = reply.as_error().unwrap();
        text.strip_prefix("ERR Target instance replied with error: ")
            .unwrap_or_else(|| panic!("{text}"))
            .to_owned()
    };
    assert!(refused(migrate(&mut from, &target, &["k", "0", "5000"])).starts_with("NOAUTH"));
    assert!(refused(migrate(&mut from, &target, &["k", "0", "5000", "AUTH", "no"])).starts_with("WRONGPASS"));
    let words = ["k", "0", "5000", "AUTH2", "default", "secret"];
    assert_eq!(migrate(&mut from, &target, &words), Value::simple("OK"));
    from.ok(&["SET", "k2", "v"]);
    assert_eq!(migrate(&mut from, &target, &["k2", "0", "5000", "AUTH", "secret"]), Value::simple("OK"));
}

#[test]
fn a_key_that_changes_on_its_way_is_sent_again() {
    if forgekv_only("Redis stands still meanwhile") {
        return;
    }
    let server = server();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ok(&["SET", "k", "old"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    client.send(&["MIGRATE", "127.0.0.1", &port, "k", "0", "5000"]);
    // The first time the key is changed before the target has replied.
    let (mut stream, _) = listener.accept().unwrap();
    let mut read = [0; 4096];
    let mut text = String::new();
    wait_for("the command", || {
        let len = stream.read(&mut read).unwrap();
        text += &String::from_utf8_lossy(&read[..len]);
        text.contains("old")
    });
    assert!(!text.contains("REPLACE"));
    // The worker is free, and so is the key.
    other.ok(&["SET", "k", "new"]);
    stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
    let target = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut read, mut text) = ([0; 4096], String::new());
        while !text.contains("REPLACE") {
            let len = stream.read(&mut read).unwrap();
            text += &String::from_utf8_lossy(&read[..len]);
        }
        assert!(text.contains("new"), "{text}");
        stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
    });
    assert_eq!(client.read(), Value::simple("OK"));
    target.join().unwrap();
    assert_eq!(other.int(&["EXISTS", "k"]), 0);
}

#[test]
fn every_type_moves_to_redis_and_back() {
    if forgekv_only("it takes two servers") {
        return;
    }
    let Some(options) = oracle() else { return };
    let redis = options.args(&["--enable-debug-command", "yes"]).start();
    let (mut of_redis, server) = (redis.connect(), server());
    let mut client = server.connect();
    for (name, commands, encoding) in values() {
        for argv in commands {
            of_redis.cmd(&argv);
        }
        let digest = |client: &mut Client| client.texts(&["DEBUG", "DIGEST-VALUE", name]).remove(0);
        let expected = digest(&mut of_redis);
        assert_eq!(migrate(&mut of_redis, &server, &[name, "0", "5000"]), Value::simple("OK"), "{name}");
        assert_eq!(digest(&mut client), expected, "{name}");
        assert_eq!(client.text(&["OBJECT", "ENCODING", name]), encoding);
        assert_eq!(migrate(&mut client, &redis, &[name, "0", "5000"]), Value::simple("OK"), "{name}");
        assert_eq!(client.int(&["EXISTS", name]), 0);
        assert_eq!(digest(&mut of_redis), expected, "{name}");
    }
}
