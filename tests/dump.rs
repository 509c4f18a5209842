//! DUMP, RESTORE and what looks into values: DEBUG DIGEST, DIGEST-VALUE, RELOAD, LISTPACK, OBJECT. Between this server and
//! redis-server where one is installed.

use crate::rdb::oracle;
use crate::support::{Client, Rng, Server, Value, forgekv_only, stress_factor};
use forgekv::rdb::dump;

/// A value of each type and encoding: its name, how it is made, and its encoding here.
pub fn values() -> Vec<(&'static str, Vec<Vec<String>>, &'static str)> {
    let many = |command: &str, name: &str, parts: &mut dyn Iterator<Item = String>| {
        let mut argv = vec![command.to_owned(), name.to_owned()];
        argv.extend(parts);
        argv
    };
    let one = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut stream = vec![];
    for n in 0..250 {
        let extra = if n % 3 == 0 { " other 17" } else { "" };
        stream.push(one(&format!("XADD stream {}-{} name v{n} number {n}{extra}", 1000 + n / 3, n % 3)));
    }
    let groups = [
        "XDEL stream 1000-1 1001-2",
        "XGROUP CREATE stream g1 0",
        "XGROUP CREATE stream 12 $",
        "XGROUP CREATE stream empty 1003-0",
        "XREADGROUP GROUP g1 alice COUNT 10 STREAMS stream >",
        "XREADGROUP GROUP g1 bob COUNT 5 STREAMS stream >",
        "XACK stream g1 1000-2 1002-0",
    ];
    stream.extend(groups.map(one));
    vec![
        ("int", vec![one("SET int 12345")], "int"),
        ("embstr", vec![one("SET embstr hello")], "embstr"),
        ("raw", vec![one(&format!("SET raw {}", "x1".repeat(500)))], "raw"),
        ("list", vec![one("RPUSH list a 1 -5 70000 99999999999 hello")], "listpack"),
        (
            "quicklist",
            (0..20)
                .map(|n| many("RPUSH", "quicklist", &mut (0..200).map(|m| format!("element {n} {m}"))))
                .chain([one(&format!("RPUSH quicklist {}", "p".repeat(20_000)))])
                .collect(),
            "quicklist",
        ),
        ("intset16", vec![one("SADD intset16 1 2 -3")], "intset"),
        ("intset64", vec![one("SADD intset64 1 2 -3 70000 99999999999")], "intset"),
        ("set", vec![one("SADD set a b 17 hello")], "listpack"),
        ("table", vec![many("SADD", "table", &mut (0..1000).map(|n| format!("member {n}")))], "hashtable"),
        ("hash", vec![one("HSET hash f v 1 2 name 99999999999")], "listpack"),
        ("fields", vec![many("HSET", "fields", &mut (0..2000).map(|n| format!("x{n}")))], "hashtable"),
        ("zset", vec![one("ZADD zset 1 a -2 b 3 17 inf c -inf d")], "listpack"),
        (
            "tree",
            vec![many("ZADD", "tree", &mut (0..1000).flat_map(|n| [n.to_string(), format!("member {n}")]))],
            "skiplist",
        ),
        ("stream", stream, "stream"),
    ]
}

fn digest(client: &mut Client, key: &str) -> String {
    client.texts(&["DEBUG", "DIGEST-VALUE", key]).remove(0)
}

/// Redis with all values, a server under test, and clients of both.
fn both() -> Option<(Server, Client, Server, Client)> {
    let redis = oracle()?.args(&["--enable-debug-command", "yes"]).start();
    let mut of_redis = redis.connect();
    for (name, commands, _) in values() {
        for argv in commands {
            let reply = of_redis.cmd(&argv);
            assert!(reply.as_error().is_none(), "{name}: {reply:?}");
        }
    }
    let server = Server::with_args(&["--enable-debug-command", "yes", "--rdb-version", "10"]);
    let client = server.connect();
    Some((redis, of_redis, server, client))
}

#[test]
fn what_redis_dumps_is_restored_and_dumped_again_for_redis() {
    if forgekv_only("rdb-version says for whom values are dumped") {
        return;
    }
    let Some((_redis, mut of_redis, _server, mut client)) = both() else { return };
    for (name, _, encoding) in values() {
        let payload = of_redis.bulk(&["DUMP", name]);
        client.ok(&[&b"RESTORE"[..], name.as_bytes(), b"0", &payload]);
        assert_eq!(client.text(&["TYPE", name]), of_redis.text(&["TYPE", name]), "{name}");
        assert_eq!(client.text(&["OBJECT", "ENCODING", name]), encoding, "{name}");
        let expected = digest(&mut of_redis, name);
        assert_eq!(digest(&mut client, name), expected, "{name}");
        let again = client.bulk(&["DUMP", name]);
        of_redis.ok(&[&b"RESTORE"[..], b"again", b"0", &again, b"REPLACE"]);
        assert_eq!(digest(&mut of_redis, "again"), expected, "{name}");
    }
    // Groups and consumers are not part of a digest.
    let payload = client.bulk(&["DUMP", "stream"]);
    of_redis.ok(&[&b"RESTORE"[..], b"again", b"0", &payload, b"REPLACE"]);
    let info = |client: &mut Client, key: &str| {
        let mut full = client.array(&["XINFO", "STREAM", key, "FULL", "COUNT", "0"]);
        // Idle times go on.
        full.retain(|part| part.as_bytes().is_none_or(|name| name != b"seen-time"));
        (full, client.array(&["XPENDING", key, "g1", "-", "+", "100"]).len())
    };
    assert_eq!(info(&mut of_redis, "again"), info(&mut of_redis, "stream"));
    // Compression aside, the bytes are the same where Redis 7.0 has the encoding.
    of_redis.ok(&["CONFIG", "SET", "rdbcompression", "no"]);
    client.ok(&["CONFIG", "SET", "rdbcompression", "no"]);
    for name in ["int", "embstr", "raw", "quicklist", "intset16", "intset64", "hash", "zset", "stream"] {
        assert!(client.bulk(&["DUMP", name]) == of_redis.bulk(&["DUMP", name]), "{name}");
    }
}

#[test]
fn a_whole_dataset_has_the_digest_that_it_has_in_redis() {
    if forgekv_only("DEBUG DIGEST of both servers") {
        return;
    }
    let Some((_redis, mut of_redis, _server, mut client)) = both() else { return };
    for (name, ..) in values() {
        let payload = of_redis.bulk(&["DUMP", name]);
        client.ok(&[&b"RESTORE"[..], name.as_bytes(), b"0", &payload]);
    }
    let digest = |client: &mut Client| client.text(&["DEBUG", "DIGEST"]);
    assert_eq!(digest(&mut client), digest(&mut of_redis));
    for client in [&mut client, &mut of_redis] {
        assert_eq!(client.int(&["PEXPIREAT", "hash", "4102444800123"]), 1);
        client.ok(&["SELECT", "3"]);
        client.ok(&["SET", "elsewhere", "1"]);
    }
    let expected = digest(&mut of_redis);
    assert_eq!(digest(&mut client), expected);
    client.ok(&["DEBUG", "RELOAD"]);
    assert_eq!(digest(&mut client), expected);
    client.ok(&["SELECT", "0"]);
    for (name, _, encoding) in values() {
        assert_eq!(client.text(&["OBJECT", "ENCODING", name]), encoding, "{name} after DEBUG RELOAD");
    }
    client.ok(&["FLUSHALL"]);
    assert_eq!(digest(&mut client), "0".repeat(40));
}

/// Payloads of Redis 7.0, of each type: what is in them does not matter to the tests that use them.
const PAYLOADS: [(&str, &[u8]); 5] = [
    ("list", b"\x12\x01\x02\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff"),
    ("set", b"\x0b\x0e\x02\0\0\0\x03\0\0\0\xfd\xff\x01\0\x02\0"),
    ("hash", b"\x10\x0d\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\xff"),
    ("zset", b"\x11\x0c\x0c\0\0\0\x02\0\x81a\x02\x01\x01\xff"),
    ("stream", b"\x13\0\0\0\0\0\0\0\0\0\x01\x01g\0\0\0\0\0"),
];

/// A server with DEBUG.
fn debugged() -> Server {
    Server::with_args(&["--enable-debug-command", "yes"])
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut payload = body.to_vec();
    dump::seal(&mut payload, 10);
    payload
}

#[test]
fn restore_takes_its_options_in_any_order_and_refuses_others() {
    let server = Server::start();
    let mut client = server.connect();
    let payload = sealed(PAYLOADS[2].1);
    let mut restore = |options: &[&[u8]]| {
        let mut argv = vec![&b"RESTORE"[..], b"h"];
        argv.extend(options);
        client.cmd(&argv)
    };
    let error = |text: &str| Value::Error(text.to_owned().into());
    let ok = Value::simple("OK");
    assert_eq!(restore(&[b"0", &payload]), ok);
    assert_eq!(restore(&[b"0", &payload]), error("BUSYKEY Target key name already exists."));
    assert_eq!(restore(&[b"x", b"y"]), error("BUSYKEY Target key name already exists."));
    assert_eq!(restore(&[b"x", b"y", b"z"]), error("ERR syntax error"));
    assert_eq!(restore(&[b"x", &payload, b"REPLACE"]), error("ERR value is not an integer or out of range"));
    assert_eq!(restore(&[b"-1", &payload, b"REPLACE"]), error("ERR Invalid TTL value, must be >= 0"));
    assert_eq!(
        restore(&[b"0", b"junk", b"REPLACE"]),
        error("ERR DUMP payload version or checksum are wrong")
    );
    assert_eq!(restore(&[b"0", &sealed(b"\x10\x01a"), b"replace"]), error("ERR Bad data format"));
    let options: [&[&[u8]]; 6] = [
        &[b"IDLETIME", b"-1"],
        &[b"FREQ", b"256"],
        &[b"IDLETIME", b"x"],
        &[b"IDLETIME"],
        &[b"FREQ", b"1", b"IDLETIME", b"1"],
        &[b"IDLETIME", b"1", b"FREQ", b"1"],
    ];
    let texts = [
        "ERR Invalid IDLETIME value, must be >= 0",
        "ERR Invalid FREQ value, must be >= 0 and <= 255",
        "ERR value is not an integer or out of range",
        "ERR syntax error",
        "ERR syntax error",
        "ERR syntax error",
    ];
    for (options, text) in options.iter().zip(texts) {
        let words: Vec<&[u8]> =
            [&b"0"[..], &payload, b"REPLACE"].into_iter().chain(options.iter().copied()).collect();
        assert_eq!(restore(&words), error(text), "{options:?}");
    }
    assert_eq!(restore(&[b"0", &payload, b"IDLETIME", b"1000", b"replace"]), ok);
    let idle = client.int(&["OBJECT", "IDLETIME", "h"]);
    assert!((1000..1010).contains(&idle), "{idle}");
}

#[test]
fn restore_keeps_the_time_to_live_and_one_that_has_passed_deletes() {
    let server = Server::start();
    let mut client = server.connect();
    let payload = sealed(PAYLOADS[0].1);
    client.ok(&[&b"RESTORE"[..], b"l", b"100000", &payload]);
    let left = client.int(&["PTTL", "l"]);
    assert!((90_000..=100_000).contains(&left), "{left}");
    client.ok(&[&b"RESTORE"[..], b"l", b"4102444800123", &payload, b"ABSTTL", b"REPLACE"]);
    assert_eq!(client.int(&["PEXPIRETIME", "l"]), 4_102_444_800_123);
    client.ok(&[&b"RESTORE"[..], b"l", b"0", &payload, b"REPLACE"]);
    assert_eq!(client.int(&["TTL", "l"]), -1);
    client.ok(&[&b"RESTORE"[..], b"l", b"1", &payload, b"ABSTTL", b"REPLACE"]);
    assert_eq!(client.int(&["EXISTS", "l"]), 0);
    client.ok(&[&b"RESTORE"[..], b"new", b"1", &payload, b"ABSTTL"]);
    assert_eq!(client.int(&["EXISTS", "new"]), 0);
    client.null(&["DUMP", "l"]);
}

#[test]
fn what_is_restored_is_there_after_a_restart() {
    if forgekv_only("the server is restarted") {
        return;
    }
    let mut server = Server::with_args(&["--enable-debug-command", "yes", "--appendfsync", "always"]);
    let mut client = server.connect();
    for (name, body) in PAYLOADS {
        client.ok(&[&b"RESTORE"[..], name.as_bytes(), b"5000000", &sealed(body)]);
    }
    let times: Vec<i64> = PAYLOADS.iter().map(|(name, _)| client.int(&["PEXPIRETIME", name])).collect();
    client.ok(&[&b"RESTORE"[..], b"late", b"0", &sealed(PAYLOADS[3].1)]);
    client.int(&["DEL", "late"]);
    // Long enough to be decoded by another thread, but not in replay.
    client.ok(&["CONFIG", "SET", "rdbcompression", "no"]);
    let elements: Vec<String> = (0..3_000).map(|n| format!("{n:0>200}")).collect();
    let push = ["RPUSH", "list", "long"].into_iter().chain(elements.iter().map(String::as_str));
    client.cmd(&push.collect::<Vec<_>>());
    let long = client.bulk(&["DUMP", "list"]);
    assert!(long.len() > 500_000);
    client.ok(&[&b"RESTORE"[..], b"long", b"0", &long]);
    let before = client.text(&["DEBUG", "DIGEST"]);
    for kill in [true, false] {
        if kill {
            server.kill_9();
        } else {
            server.stop();
        }
        server.restart();
        client = server.connect();
        assert_eq!(client.text(&["DEBUG", "DIGEST"]), before);
        for ((name, _), at) in PAYLOADS.iter().zip(&times) {
            assert_eq!(client.text(&["TYPE", name]), *name);
            assert_eq!(client.int(&["PEXPIRETIME", name]), *at);
        }
    }
}

#[test]
fn hostile_payloads_are_refused_or_are_values() {
    if forgekv_only("Redis looks into payloads only as far as it must") {
        return;
    }
    let server = debugged();
    let mut client = server.connect();
    let mut rng = Rng::new(0x6475_6d70);
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..1_500 * stress_factor() {
        let (_, body) = PAYLOADS[rng.below(PAYLOADS.len())];
        let mut body = body.to_vec();
        for _ in 0..1 + rng.below(2) {
            let at = rng.below(body.len());
            body[at] ^= 1 << rng.below(8);
        }
        match client.cmd(&[&b"RESTORE"[..], b"k", b"0", &sealed(&body), b"REPLACE"]) {
            reply if reply == Value::simple("OK") => {
                taken += 1;
                client.bulk(&["DUMP", "k"]);
                client.texts(&["DEBUG", "DIGEST-VALUE", "k"]);
                assert!(client.int(&["MEMORY", "USAGE", "k"]) > 0);
                client.text(&["DEBUG", "OBJECT", "k"]);
            }
            reply => {
                let text = reply.as_error().unwrap_or_default();
                assert_eq!(text, "ERR Bad data format", "{}", body.escape_ascii());
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && taken > 100, "{refused} refused, {taken} taken");
}

#[test]
fn debug_tells_of_values_of_every_type() {
    if forgekv_only("7.0 writes listpacks to its standard output, and has other encodings") {
        return;
    }
    let server = debugged();
    let mut client = server.connect();
    for (name, body) in PAYLOADS {
        client.ok(&[&b"RESTORE"[..], name.as_bytes(), b"0", &sealed(body)]);
        let text = client.text(&["DEBUG", "OBJECT", name]);
        let len = format!(" serializedlength:{} ", body.len() - 1);
        // Streams are written with active times here.
        assert!(text.contains(&len) || name == "stream", "{text}");
        let listpack = client.cmd(&["DEBUG", "LISTPACK", name]);
        match name {
            "set" | "stream" => {
                assert_eq!(listpack, Value::Error("ERR Not a listpack encoded object.".to_owned().into()));
            }
            _ => assert_eq!(listpack, Value::simple("Listpack structure printed on stdout")),
        }
    }
    assert_eq!(client.error(&["DEBUG", "LISTPACK", "missing"]), "ERR no such key");
    assert_eq!(client.texts(&["DEBUG", "DIGEST-VALUE", "missing"]), ["0".repeat(40)]);
    assert_eq!(
        client.error(&["DEBUG", "RELOAD", "FAST"]),
        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
    );
    client.ok(&["DEBUG", "RELOAD", "nosave", "noflush", "MERGE"]);
}
