//! Consumer groups: XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM, XAUTOCLAIM, XINFO GROUPS and CONSUMERS.

use crate::streams::{check, reply, start, start_durable};
use crate::support::{Client, Value, forgekv_only};

const NO_GROUP: &str = "-NOGROUP No such key 's' or consumer group 'nosuch'";

/// A stream `s` of `1-1` … `1-n` with the group `g`, which has read nothing.
fn fill(client: &mut Client, len: usize) {
    for n in 1..=len {
        client.bulk(&["XADD", "s", &format!("1-{n}"), "f", &n.to_string()]);
    }
    client.ok(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
}

/// Id, consumer and deliveries of all that is pending.
fn pending(client: &mut Client) -> Vec<(String, String, i64)> {
    let entries = client.array(&["XPENDING", "s", "g", "-", "+", "100"]);
    let text = |value: &Value| String::from_utf8_lossy(value.as_bytes().unwrap()).into_owned();
    entries
        .iter()
        .map(|entry| entry.items().unwrap())
        .map(|entry| (text(&entry[0]), text(&entry[1]), entry[3].as_int().unwrap()))
        .collect()
}

fn entry(id: &str, consumer: &str, deliveries: i64) -> (String, String, i64) {
    (id.to_owned(), consumer.to_owned(), deliveries)
}

// ----- XGROUP -----

#[test]
fn xgroup_creates_moves_and_destroys_groups() {
    let (_server, mut client) = start();
    let no_key = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";
    let syntax = |word: &str| {
        format!("-ERR unknown subcommand or wrong number of arguments for '{word}'. Try XGROUP HELP.")
    };
    check(
        &mut client,
        &[
            ("SET string v", "+OK"),
            ("XGROUP CREATE s g $", no_key),
            (
                "XGROUP CREATE s g nonsense MKSTREAM",
                "-ERR Invalid stream ID specified as stream command argument",
            ),
            ("EXISTS s", ":0"),
            ("XGROUP CREATE s g $ MKSTREAM ENTRIESREAD 0", "+OK"),
            ("XLEN s", ":0"),
            ("XGROUP CREATE s g $", "-BUSYGROUP Consumer Group name already exists"),
            ("XGROUP CREATE s h 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1"),
            ("XGROUP CREATE s h 0 ENTRIESREAD x", "-ERR value is not an integer or out of range"),
            ("XGROUP CREATE s h 0 NOSUCH", &syntax("CREATE")),
            ("XGROUP CREATE s h 0 MKSTREAM MKSTREAM ENTRIESREAD 1", &syntax("CREATE")),
            (
                "XGROUP CREATE string g $",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("XGROUP SETID s nosuch 0", "-NOGROUP No such consumer group 'nosuch' for key name 's'"),
            ("XGROUP SETID missing g 0", no_key),
            ("XGROUP SETID s g 0 MKSTREAM", &syntax("SETID")),
            ("XGROUP SETID s g + ENTRIESREAD 3", "+OK"),
            ("XGROUP DESTROY s nosuch", ":0"),
            ("XGROUP DESTROY missing g", no_key),
            ("XGROUP CREATECONSUMER s g alice", ":1"),
            ("XGROUP CREATECONSUMER s g alice", ":0"),
            (
                "XGROUP CREATECONSUMER s nosuch alice",
                "-NOGROUP No such consumer group 'nosuch' for key name 's'",
            ),
            ("XGROUP DELCONSUMER s g alice", ":0"),
            ("XGROUP DELCONSUMER s g nobody", ":0"),
            ("XGROUP DESTROY s g", ":1"),
            ("XGROUP NOSUCH s g", "-ERR unknown subcommand 'NOSUCH'. Try XGROUP HELP."),
        ],
    );
    assert!(client.array(&["XGROUP", "HELP"]).len() > 5);
}

#[test]
fn xinfo_groups_tells_how_far_they_have_read() {
    let (_server, mut client) = start();
    fill(&mut client, 3);
    check(
        &mut client,
        &[
            (
                "XINFO GROUPS s",
                r#"[["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", $-1, "lag", :3]]"#,
            ),
            (
                "XREADGROUP GROUP g a COUNT 2 STREAMS s >",
                r#"[["s", [["1-1", ["f", "1"]], ["1-2", ["f", "2"]]]]]"#,
            ),
            (
                "XINFO GROUPS s",
                r#"[["name", "g", "consumers", :1, "pending", :2, "last-delivered-id", "1-2", "entries-read", :2, "lag", :1]]"#,
            ),
            ("XGROUP SETID s g 1-1", "+OK"),
            (
                "XINFO GROUPS s",
                r#"[["name", "g", "consumers", :1, "pending", :2, "last-delivered-id", "1-1", "entries-read", $-1, "lag", :2]]"#,
            ),
            ("XINFO GROUPS missing", "-ERR no such key"),
            ("XINFO CONSUMERS s nosuch", "-NOGROUP No such consumer group 'nosuch' for key name 's'"),
        ],
    );
}

// ----- XREADGROUP -----

#[test]
fn each_entry_goes_to_one_consumer_and_stays_pending_until_it_is_acknowledged() {
    let (_server, mut client) = start();
    fill(&mut client, 4);
    check(
        &mut client,
        &[
            ("XREADGROUP GROUP g a COUNT 1 STREAMS s >", r#"[["s", [["1-1", ["f", "1"]]]]]"#),
            (
                "XREADGROUP GROUP g b COUNT 2 STREAMS s >",
                r#"[["s", [["1-2", ["f", "2"]], ["1-3", ["f", "3"]]]]]"#,
            ),
            ("XREADGROUP GROUP g a NOACK STREAMS s >", r#"[["s", [["1-4", ["f", "4"]]]]]"#),
            ("XREADGROUP GROUP g a STREAMS s >", "*-1"),
            ("XPENDING s g", r#"[:3, "1-1", "1-3", [["a", "1"], ["b", "2"]]]"#),
            ("XDEL s 1-3", ":1"),
            ("XREADGROUP GROUP g b STREAMS s 0", r#"[["s", [["1-2", ["f", "2"]], ["1-3", *-1]]]]"#),
            ("XREADGROUP GROUP g b STREAMS s 1-3", r#"[["s", []]]"#),
        ],
    );
    assert_eq!(pending(&mut client), [entry("1-1", "a", 1), entry("1-2", "b", 2), entry("1-3", "b", 1)]);
    check(
        &mut client,
        &[
            ("XACK s g 1-1 1-3 1-3 9-9", ":2"),
            ("XACK s g x", "-ERR Invalid stream ID specified as stream command argument"),
            ("XACK s nosuch x", ":0"),
            ("XACK missing g x", ":0"),
            ("XPENDING s g", r#"[:1, "1-2", "1-2", [["b", "1"]]]"#),
            ("XGROUP DELCONSUMER s g b", ":1"),
            ("XPENDING s g", "[:0, $-1, $-1, *-1]"),
        ],
    );
}

#[test]
fn a_group_that_is_set_back_delivers_again_to_whoever_reads() {
    let (_server, mut client) = start();
    fill(&mut client, 2);
    reply(&mut client, "XREADGROUP GROUP g a STREAMS s >");
    reply(&mut client, "XREADGROUP GROUP g a STREAMS s 0");
    assert_eq!(pending(&mut client), [entry("1-1", "a", 2), entry("1-2", "a", 2)]);
    client.ok(&["XGROUP", "SETID", "s", "g", "0"]);
    reply(&mut client, "XREADGROUP GROUP g b COUNT 1 STREAMS s >");
    assert_eq!(pending(&mut client), [entry("1-1", "b", 1), entry("1-2", "a", 2)]);
}

#[test]
fn xreadgroup_finds_errors_in_redis_order() {
    let (_server, mut client) = start();
    fill(&mut client, 1);
    check(
        &mut client,
        &[
            (
                "XREADGROUP GROUP nosuch a STREAMS s >",
                "-NOGROUP No such key 's' or consumer group 'nosuch' in XREADGROUP with GROUP option",
            ),
            (
                "XREADGROUP GROUP g a STREAMS missing >",
                "-NOGROUP No such key 'missing' or consumer group 'g' in XREADGROUP with GROUP option",
            ),
            (
                "XREADGROUP GROUP g a STREAMS s $",
                "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            ),
            ("XREADGROUP COUNT 1 NOACK NOACK STREAMS s >", "-ERR Missing GROUP option for XREADGROUP"),
            ("XREADGROUP GROUP g a COUNT 1 NOACK s >", "-ERR syntax error"),
            (
                "XREADGROUP GROUP g a STREAMS s x",
                "-ERR Invalid stream ID specified as stream command argument",
            ),
            // The keyword before the keys may be the name of something else before.
            ("XGROUP CREATE s streams 0", "+OK"),
            ("XREADGROUP COUNT 1 GROUP streams streams STREAMS s >", r#"[["s", [["1-1", ["f", "1"]]]]]"#),
            ("XREADGROUP GROUP streams streams COUNT 1 STREAMS s 0", r#"[["s", [["1-1", ["f", "1"]]]]]"#),
        ],
    );
    if !forgekv_only("7.4 knows +") {
        let error = "-ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.";
        check(&mut client, &[("XREADGROUP GROUP g a STREAMS s +", error)]);
    }
    client.hello(3);
    check(&mut client, &[("XREADGROUP GROUP g a STREAMS s >", r#"{"s": [["1-1", ["f", "1"]]]}"#)]);
}

// ----- XPENDING -----

#[test]
fn xpending_filters_by_interval_consumer_and_idle_time() {
    let (_server, mut client) = start();
    fill(&mut client, 4);
    reply(&mut client, "XREADGROUP GROUP g a COUNT 2 STREAMS s >");
    reply(&mut client, "XREADGROUP GROUP g b STREAMS s >");
    let ids = |client: &mut Client, line: &str| -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let entries = client.array(&words);
        entries.iter().map(|entry| format!("{:?}", entry.items().unwrap()[0])).collect()
    };
    let all = [r#""1-1""#, r#""1-2""#, r#""1-3""#, r#""1-4""#];
    assert_eq!(ids(&mut client, "XPENDING s g - + 10"), all);
    assert_eq!(ids(&mut client, "XPENDING s g - + 10 b"), all[2..]);
    assert_eq!(ids(&mut client, "XPENDING s g (1-1 1-3 10"), all[1..3]);
    assert_eq!(ids(&mut client, "XPENDING s g - + 2"), all[..2]);
    assert_eq!(ids(&mut client, "XPENDING s g - + -1"), [""; 0]);
    assert_eq!(ids(&mut client, "XPENDING s g - + 10 nobody"), [""; 0]);
    reply(&mut client, "XCLAIM s g a 0 1-3 IDLE 500000 JUSTID");
    assert_eq!(ids(&mut client, "XPENDING s g IDLE 400000 - + 10"), all[2..3]);
    assert_eq!(ids(&mut client, "XPENDING s g IDLE 400000 - + 10 b"), [""; 0]);
    check(
        &mut client,
        &[
            ("XPENDING s nosuch", NO_GROUP),
            ("XPENDING s g - +", "-ERR syntax error"),
            ("XPENDING s g IDLE 5 - +", "-ERR syntax error"),
            ("XPENDING s g IDLE x - + 5", "-ERR value is not an integer or out of range"),
            ("XPENDING s nosuch - + x", "-ERR value is not an integer or out of range"),
            ("XPENDING s nosuch ( + 5", "-ERR Invalid stream ID specified as stream command argument"),
        ],
    );
}

// ----- XCLAIM, XAUTOCLAIM -----

#[test]
fn xclaim_moves_what_has_been_idle_long_enough() {
    let (_server, mut client) = start();
    fill(&mut client, 4);
    reply(&mut client, "XREADGROUP GROUP g a COUNT 3 STREAMS s >");
    check(
        &mut client,
        &[
            ("XCLAIM s g b 100000 1-1", "[]"),
            ("XCLAIM s g b 0 1-1 1-9", r#"[["1-1", ["f", "1"]]]"#),
            ("XCLAIM s g b 0 1-2 JUSTID", r#"["1-2"]"#),
            ("XCLAIM s g b 0 1-4", "[]"),
            ("XCLAIM s g b 0 1-4 FORCE JUSTID RETRYCOUNT 7", r#"["1-4"]"#),
            ("XDEL s 1-3", ":1"),
            ("XCLAIM s g b 0 1-3", "[]"),
        ],
    );
    assert_eq!(pending(&mut client), [entry("1-1", "b", 2), entry("1-2", "b", 1), entry("1-4", "b", 7)]);
    check(
        &mut client,
        &[
            ("XCLAIM s nosuch b 0 1-1", NO_GROUP),
            ("XCLAIM s g b x 1-1", "-ERR Invalid min-idle-time argument for XCLAIM"),
            ("XCLAIM s g b 0 1-1 NOSUCH", "-ERR Unrecognized XCLAIM option 'NOSUCH'"),
            ("XCLAIM s g b 0 1-1 IDLE", "-ERR Unrecognized XCLAIM option 'IDLE'"),
            ("XCLAIM s g b 0 1-1 IDLE x", "-ERR Invalid IDLE option argument for XCLAIM"),
            ("XCLAIM s g b 0 1-1 TIME x", "-ERR Invalid TIME option argument for XCLAIM"),
            ("XCLAIM s g b 0 1-1 RETRYCOUNT x", "-ERR Invalid RETRYCOUNT option argument for XCLAIM"),
            ("XCLAIM s g b 0 1-1 LASTID x", "-ERR Invalid stream ID specified as stream command argument"),
            ("XCLAIM s g b 0 1-1 FORCE 1-2", "-ERR Unrecognized XCLAIM option '1-2'"),
        ],
    );
}

#[test]
fn xautoclaim_walks_through_what_is_pending() {
    let (_server, mut client) = start();
    fill(&mut client, 5);
    reply(&mut client, "XREADGROUP GROUP g a STREAMS s >");
    check(
        &mut client,
        &[
            ("XDEL s 1-2", ":1"),
            ("XAUTOCLAIM s g b 100000 0", r#"["0-0", [], ["1-2"]]"#),
            ("XAUTOCLAIM s g b 0 - COUNT 2", r#"["1-4", [["1-1", ["f", "1"]], ["1-3", ["f", "3"]]], []]"#),
            ("XAUTOCLAIM s g b 0 1-4 COUNT 5 JUSTID", r#"["0-0", ["1-4", "1-5"], []]"#),
            ("XAUTOCLAIM s g b x 0", "-ERR Invalid min-idle-time argument for XAUTOCLAIM"),
            ("XAUTOCLAIM s g b 0 x", "-ERR Invalid stream ID specified as stream command argument"),
            ("XAUTOCLAIM s g b 0 0 COUNT 0", "-ERR COUNT must be > 0"),
            ("XAUTOCLAIM s g b 0 0 NOSUCH", "-ERR syntax error"),
            ("XAUTOCLAIM s nosuch b 0 0", NO_GROUP),
        ],
    );
    let expected = [entry("1-1", "b", 2), entry("1-3", "b", 2), entry("1-4", "b", 1), entry("1-5", "b", 1)];
    assert_eq!(pending(&mut client), expected);
}

// ----- the log -----

#[test]
fn a_restart_brings_groups_back_with_times_and_counts() {
    if forgekv_only("what is compared is how ForgeKV's log is replayed") {
        return;
    }
    let (mut server, mut client) = start_durable();
    fill(&mut client, 20);
    for line in [
        "XGROUP CREATE s h $ ENTRIESREAD 4",
        "XGROUP CREATE s other 0",
        "XREADGROUP GROUP g a COUNT 5 STREAMS s >",
        "XREADGROUP GROUP g b COUNT 5 STREAMS s >",
        "XREADGROUP GROUP g noack COUNT 2 NOACK STREAMS s >",
        "XREADGROUP GROUP g a COUNT 2 STREAMS s 0",
        "XREADGROUP GROUP h waits STREAMS s >",
        "XGROUP CREATECONSUMER s g created",
        "XDEL s 1-7 1-3 1-19",
        "XREADGROUP GROUP g a STREAMS s 0",
        "XCLAIM s g c 0 1-4 1-7 IDLE 100000",
        "XCLAIM s g c 0 1-8 1-9 TIME 1500000000000 RETRYCOUNT 9 JUSTID",
        "XCLAIM s g new 0 1-99 LASTID 1-15",
        "XCLAIM s g c 0 1-16 FORCE LASTID 1-17",
        "XAUTOCLAIM s g auto 0 1-1 COUNT 3",
        "XAUTOCLAIM s g later 100000000 - COUNT 3",
        "XGROUP SETID s other 1-5 ENTRIESREAD 3",
        "XREADGROUP GROUP other a COUNT 2 STREAMS s >",
        "XACK s other 1-6",
        "XACK s g 1-1",
        "XGROUP CREATE s gone 0",
        "XGROUP DESTROY s gone",
        "XREADGROUP GROUP other dropped COUNT 1 STREAMS s >",
        "XGROUP DELCONSUMER s other dropped",
    ] {
        let reply = reply(&mut client, line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    let before = reply(&mut client, "XINFO STREAM s FULL COUNT 0");
    for _ in 0..2 {
        server.restart();
        client = server.connect();
        assert_eq!(reply(&mut client, "XINFO STREAM s FULL COUNT 0"), before);
    }
}
