//! Streams: XADD, XLEN, XRANGE, XREVRANGE, XDEL, XTRIM, XSETID, XREAD, XINFO STREAM.

use crate::support::{Client, Server, forgekv_only};

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "-ERR syntax error";
const NOT_INTEGER: &str = "-ERR value is not an integer or out of range";
const BAD_ID: &str = "-ERR Invalid stream ID specified as stream command argument";

pub fn start() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// As [`start`], with a server that has on disk whatever it has replied to.
pub fn start_durable() -> (Server, Client) {
    let server = Server::with_args(&["--wal_sync_mode", "always"]);
    let client = server.connect();
    (server, client)
}

/// The reply to a line of words, as `Value` shows it; an error as it is sent.
#[track_caller]
pub fn reply(client: &mut Client, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
    let reply = client.cmd(&words);
    reply.as_error().map_or_else(|| format!("{reply:?}"), |error| format!("-{error}"))
}

#[track_caller]
pub fn check(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(reply(client, line), *expected, "{line}");
    }
}

/// A stream of `3-1` … `3-n`, each with the field `f` and its number as the value.
fn fill(client: &mut Client, key: &str, len: usize) {
    let commands: Vec<Vec<String>> = (1..=len)
        .map(|n| ["XADD", key, &format!("3-{n}"), "f", &n.to_string()].map(str::to_owned).to_vec())
        .collect();
    assert!(client.pipeline(&commands).iter().all(|reply| reply.as_bytes().is_some()));
}

// ----- XADD -----

#[test]
fn xadd_takes_whole_partial_and_automatic_ids() {
    let (_server, mut client) = start();
    check(
        &mut client,
        &[
            ("XADD s 0-* f v", r#""0-1""#),
            ("XADD s 5 f v", r#""5-0""#),
            ("XADD s 5-* f v", r#""5-1""#),
            ("XADD s 5-7 f v", r#""5-7""#),
            ("XADD s 5-* f v", r#""5-8""#),
            ("XADD s 6-* f v", r#""6-0""#),
            ("XLEN s", ":6"),
            ("TYPE s", "+stream"),
            ("OBJECT ENCODING s", r#""stream""#),
        ],
    );
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let id = client.text(&["XADD", "s", "*", "f", "v"]);
    let (ms, seq) = id.split_once('-').unwrap();
    let ms: u64 = ms.parse().unwrap();
    assert!(ms + 5_000 > before && ms < before + 60_000 && seq == "0", "{id}");
    // The clock may stand still, ids do not.
    let ids: Vec<String> = (0..50).map(|_| client.text(&["XADD", "s", "*", "f", "v"])).collect();
    let numbers: Vec<(u64, u64)> = ids
        .iter()
        .map(|id| id.split_once('-').map(|(ms, seq)| (ms.parse().unwrap(), seq.parse().unwrap())).unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{ids:?}");
}

#[test]
fn xadd_refuses_ids_that_are_not_above_the_last_one() {
    let (_server, mut client) = start();
    let not_greater = "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
    check(
        &mut client,
        &[
            ("XADD s 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
            ("EXISTS s", ":0"),
            ("XADD s 5-5 f v", r#""5-5""#),
            ("XADD s 5-5 f v", not_greater),
            ("XADD s 5-4 f v", not_greater),
            ("XADD s 4-* f v", not_greater),
            ("XADD s 0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
            (
                "XADD s 18446744073709551615-18446744073709551614 f v",
                r#""18446744073709551615-18446744073709551614""#,
            ),
            ("XADD s * f v", r#""18446744073709551615-18446744073709551615""#),
            ("XADD s * f v", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
            ("XLEN s", ":3"),
        ],
    );
}

#[test]
fn xadd_finds_errors_in_redis_order() {
    let (_server, mut client) = start();
    let arity = "-ERR wrong number of arguments for 'xadd' command";
    let twice = "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible";
    check(
        &mut client,
        &[
            ("SET string v", "+OK"),
            ("XADD s 1-1 f", arity),
            ("XADD s 1-1 f v g", arity),
            ("XADD s NOMKSTREAM MAXLEN 5", arity),
            ("XADD s MAXLEN 5 MAXLEN 5 * f v", twice),
            ("XADD s MAXLEN 5 MINID 5 * f v", twice),
            ("XADD s MAXLEN -1 * f v", "-ERR The MAXLEN argument must be >= 0."),
            ("XADD s MAXLEN ~ x * f v", NOT_INTEGER),
            ("XADD s MINID = x * f v", BAD_ID),
            (
                "XADD s LIMIT 5 * f v",
                "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ),
            (
                "XADD s MAXLEN 5 LIMIT 5 * f v",
                "-ERR syntax error, LIMIT cannot be used without the special ~ option",
            ),
            ("XADD s MAXLEN ~ 5 LIMIT -5 * f v", "-ERR The LIMIT argument must be >= 0."),
            ("XADD s nonsense f v", BAD_ID),
            ("XADD string 1-1 f v", WRONG_TYPE),
            ("XADD string 0-0 f v", "-ERR The ID specified in XADD must be greater than 0-0"),
            ("XADD s NOMKSTREAM 1-1 f v", "$-1"),
            ("EXISTS s", ":0"),
        ],
    );
}

#[test]
fn xadd_trims_exactly_or_whole_blocks() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "stream-node-max-entries", "10"]);
    fill(&mut client, "s", 100);
    check(
        &mut client,
        &[
            // 101 entries: nine blocks of ten go, and what is left is over 15 by less than a block.
            ("XADD s MAXLEN ~ 15 4-1 f v", r#""4-1""#),
            ("XLEN s", ":21"),
            ("XADD s MAXLEN = 15 4-2 f v", r#""4-2""#),
            ("XLEN s", ":15"),
            ("XADD s MINID 4-1 4-3 f v", r#""4-3""#),
            ("XLEN s", ":3"),
            ("XADD s MAXLEN 0 4-4 f v", r#""4-4""#),
            ("XLEN s", ":0"),
            ("EXISTS s", ":1"),
            (
                "XADD s 4-4 f v",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
        ],
    );
}

// ----- ranges -----

#[test]
fn xrange_and_xrevrange_return_entries_between_bounds() {
    let (_server, mut client) = start();
    fill(&mut client, "s", 5);
    let entry = |n: usize| format!(r#"["3-{n}", ["f", "{n}"]]"#);
    let entries =
        |numbers: &[usize]| format!("[{}]", numbers.iter().map(|n| entry(*n)).collect::<Vec<_>>().join(", "));
    for (line, numbers) in [
        ("XRANGE s - +", &[1, 2, 3, 4, 5][..]),
        ("XREVRANGE s + -", &[5, 4, 3, 2, 1]),
        ("XRANGE s 3-2 3-4", &[2, 3, 4]),
        ("XRANGE s (3-2 (3-4", &[3]),
        ("XREVRANGE s (3-4 3-2", &[3, 2]),
        ("XRANGE s 3 3", &[1, 2, 3, 4, 5]),
        ("XRANGE s 4 5", &[]),
        ("XRANGE s - + COUNT 2", &[1, 2]),
        ("XREVRANGE s + - count 1", &[5]),
        ("XRANGE s 3-4 3-2", &[]),
        ("XRANGE missing - +", &[]),
    ] {
        assert_eq!(reply(&mut client, line), entries(numbers), "{line}");
    }
    check(
        &mut client,
        &[
            ("SET string v", "+OK"),
            ("XRANGE s - + COUNT 0", "*-1"),
            ("XRANGE s - + COUNT -1", "*-1"),
            ("XRANGE missing - + COUNT 0", "[]"),
            ("XRANGE string - +", WRONG_TYPE),
            ("XRANGE s - + COUNT", SYNTAX),
            ("XRANGE s - + LIMIT 1", SYNTAX),
            ("XRANGE s - + COUNT x", NOT_INTEGER),
            ("XRANGE string x +", BAD_ID),
            ("XRANGE s (- +", BAD_ID),
            (
                "XRANGE s (18446744073709551615-18446744073709551615 +",
                "-ERR invalid start ID for the interval",
            ),
            ("XREVRANGE s (0-0 -", "-ERR invalid end ID for the interval"),
        ],
    );
}

#[test]
fn fields_come_back_as_they_were_given() {
    let (_server, mut client) = start();
    let big = vec![b'b'; 100_000];
    let pairs: [&[u8]; 8] = [b"int", b"-12", b"", b"\0\r\n\xff", b"f", &big, b"f", b"007"];
    for (n, names) in [(1, &pairs[..]), (2, &pairs[..4]), (3, &pairs[..])] {
        let id = format!("1-{n}");
        let head = [&b"XADD"[..], b"s", id.as_bytes()];
        client.bulk(&[&head[..], names].concat());
    }
    let entries = client.array(&["XRANGE", "s", "-", "+"]);
    for (entry, expected) in entries.iter().zip([&pairs[..], &pairs[..4], &pairs[..]]) {
        let fields = entry.items().unwrap()[1].items().unwrap();
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes().unwrap()).collect();
        assert_eq!(fields, expected);
    }
    assert_eq!(entries.len(), 3);
}

// ----- XDEL, XTRIM, XSETID -----

#[test]
fn xdel_counts_what_was_there_and_keeps_an_empty_stream() {
    let (_server, mut client) = start();
    fill(&mut client, "s", 3);
    check(
        &mut client,
        &[
            ("SET string v", "+OK"),
            ("XDEL missing x", ":0"),
            ("XDEL string 1", WRONG_TYPE),
            ("XDEL s 3-1 x", BAD_ID),
            ("XLEN s", ":3"),
            ("XDEL s 3-1 3-1 9-9 3-3", ":2"),
            ("XRANGE s - +", r#"[["3-2", ["f", "2"]]]"#),
            ("XDEL s 3-2", ":1"),
            ("EXISTS s", ":1"),
            (
                "XADD s 3-3 f v",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
        ],
    );
}

#[test]
fn xtrim_tells_how_many_went() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "stream-node-max-entries", "10"]);
    fill(&mut client, "s", 100);
    check(
        &mut client,
        &[
            ("XTRIM s MAXLEN ~ 95", ":0"),
            ("XTRIM s MAXLEN ~ 55 LIMIT 20", ":20"),
            ("XTRIM s MAXLEN ~ 55", ":20"),
            ("XTRIM s MINID ~ 3-55", ":10"),
            ("XTRIM s MINID 3-55", ":4"),
            ("XTRIM s MAXLEN = 5", ":41"),
            ("XTRIM s MAXLEN 5", ":0"),
            ("XTRIM missing MAXLEN 5", ":0"),
            ("XLEN s", ":5"),
            ("XTRIM s MAXLEN 5 LIMIT", SYNTAX),
            ("XTRIM s LIMIT 0", "-ERR syntax error, XTRIM must be called with a trimming strategy"),
            ("XTRIM s NOMKSTREAM 5", SYNTAX),
            ("XTRIM s MAXLEN 5 6", SYNTAX),
        ],
    );
}

#[test]
fn xtrim_of_many_blocks_leaves_what_is_after_them() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "stream-node-max-entries", "10"]);
    for (trim, left) in [
        ("XTRIM s MAXLEN = 25", 25),
        ("XTRIM s MINID 3-4496", 505),
        ("XTRIM s MAXLEN ~ 25 LIMIT 4321", 680),
        ("XTRIM s MAXLEN ~ 25", 4000),
        ("XTRIM s MINID ~ 3-4496 LIMIT 100000", 510),
        ("XADD s MAXLEN = 3 3-5001 f 5001", 3),
    ] {
        client.int(&["DEL", "s"]);
        fill(&mut client, "s", 5000);
        client.cmd(&trim.split(' ').collect::<Vec<_>>());
        let last = if trim.starts_with("XADD") { 5001 } else { 5000 };
        let first = last - left + 1;
        check(
            &mut client,
            &[
                ("XLEN s", &format!(":{left}")),
                ("XRANGE s - + COUNT 1", &format!(r#"[["3-{first}", ["f", "{first}"]]]"#)),
                ("XREVRANGE s + - COUNT 1", &format!(r#"[["3-{last}", ["f", "{last}"]]]"#)),
            ],
        );
    }
    client.ok(&["CONFIG", "SET", "stream-node-max-entries", "100"]);
}

#[test]
fn xsetid_moves_the_last_id() {
    let (_server, mut client) = start();
    fill(&mut client, "s", 3);
    check(
        &mut client,
        &[
            ("XSETID missing 1-1", "-ERR no such key"),
            ("XSETID s x", BAD_ID),
            ("XSETID s 3-2", "-ERR The ID specified in XSETID is smaller than the target stream top item"),
            (
                "XSETID s 9-9 ENTRIESADDED 2",
                "-ERR The entries_added specified in XSETID is smaller than the target stream length",
            ),
            ("XSETID s 9-9 ENTRIESADDED -1", "-ERR entries_added must be positive"),
            (
                "XSETID s 9-9 MAXDELETEDID 9-10",
                "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            ),
            ("XSETID s 9-9 MAXDELETEDID", SYNTAX),
            ("XSETID s 9-9 ENTRIESADDED 20 MAXDELETEDID 2-1", "+OK"),
            (
                "XADD s 9-9 f v",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
            ("XADD s 9-* f v", r#""9-10""#),
        ],
    );
    if !forgekv_only("7.2 compares with what was deleted, too") {
        let refusal = "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id";
        check(
            &mut client,
            &[
                ("DEL s", ":1"),
                ("XADD s 5-5 f v", r#""5-5""#),
                ("XDEL s 5-5", ":1"),
                ("XSETID s 5-4", refusal),
            ],
        );
    }
}

// ----- XREAD -----

#[test]
fn xread_returns_what_comes_after_the_ids() {
    let (_server, mut client) = start();
    fill(&mut client, "a", 3);
    fill(&mut client, "b", 1);
    check(
        &mut client,
        &[
            ("XREAD STREAMS a 3-2", r#"[["a", [["3-3", ["f", "3"]]]]]"#),
            (
                "XREAD COUNT 1 STREAMS a b 0 0",
                r#"[["a", [["3-1", ["f", "1"]]]], ["b", [["3-1", ["f", "1"]]]]]"#,
            ),
            ("XREAD STREAMS a b missing 3-3 0 0", r#"[["b", [["3-1", ["f", "1"]]]]]"#),
            ("XREAD STREAMS a $", "*-1"),
            ("XREAD COUNT 0 STREAMS a 3-3", "*-1"),
            ("XREAD STREAMS a 18446744073709551615-18446744073709551615", "*-1"),
        ],
    );
    client.hello(3);
    check(
        &mut client,
        &[
            ("XREAD STREAMS a b 3-2 0", r#"{"a": [["3-3", ["f", "3"]]], "b": [["3-1", ["f", "1"]]]}"#),
            ("XREAD STREAMS a $", "_"),
        ],
    );
}

#[test]
fn xread_plus_is_the_last_entry_that_is_left() {
    if forgekv_only("7.4 brought +") {
        return;
    }
    let (_server, mut client) = start();
    fill(&mut client, "a", 3);
    check(
        &mut client,
        &[
            ("XREAD COUNT 5 STREAMS a +", r#"[["a", [["3-3", ["f", "3"]]]]]"#),
            ("XDEL a 3-3", ":1"),
            ("XREAD STREAMS a +", r#"[["a", [["3-2", ["f", "2"]]]]]"#),
            ("XTRIM a MAXLEN 0", ":2"),
            ("XREAD STREAMS a missing + +", "*-1"),
        ],
    );
}

#[test]
fn xread_finds_errors_in_redis_order() {
    let (_server, mut client) = start();
    check(
        &mut client,
        &[
            ("SET string v", "+OK"),
            ("XREAD STREAMS a b", BAD_ID),
            ("XREAD COUNT 1 a 0", SYNTAX),
            ("XREAD COUNT x STREAMS a 0", NOT_INTEGER),
            ("XREAD BLOCK x STREAMS a 0", "-ERR timeout is not an integer or out of range"),
            ("XREAD BLOCK -1 STREAMS a 0", "-ERR timeout is negative"),
            (
                "XREAD GROUP g c STREAMS a 0",
                "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREAD NOACK STREAMS a 0",
                "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
            ),
            (
                "XREAD STREAMS a >",
                "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
            ),
            ("XREAD STREAMS string 0", WRONG_TYPE),
            ("XREAD STREAMS string x", WRONG_TYPE),
            ("XREAD COUNT 1 STREAMS", SYNTAX),
        ],
    );
    if !forgekv_only("7.2 names the command") {
        let error =
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
        check(&mut client, &[("XREAD STREAMS a b 0", error)]);
    }
}

// ----- XINFO STREAM -----

#[test]
fn xinfo_stream_tells_what_was_added_and_deleted() {
    let (_server, mut client) = start();
    fill(&mut client, "s", 3);
    check(
        &mut client,
        &[
            ("XDEL s 3-1", ":1"),
            ("XGROUP CREATE s g 3-2", "+OK"),
            (
                "XINFO STREAM s",
                r#"["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "3-3", "max-deleted-entry-id", "3-1", "entries-added", :3, "recorded-first-entry-id", "3-2", "groups", :1, "first-entry", ["3-2", ["f", "2"]], "last-entry", ["3-3", ["f", "3"]]]"#,
            ),
            (
                "XINFO STREAM s FULL COUNT 1",
                r#"["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "3-3", "max-deleted-entry-id", "3-1", "entries-added", :3, "recorded-first-entry-id", "3-2", "entries", [["3-2", ["f", "2"]]], "groups", [["name", "g", "last-delivered-id", "3-2", "entries-read", $-1, "lag", :1, "pel-count", :0, "pending", [], "consumers", []]]]"#,
            ),
            ("XTRIM s MAXLEN 0", ":2"),
            (
                "XINFO STREAM s",
                r#"["length", :0, "radix-tree-keys", :0, "radix-tree-nodes", :1, "last-generated-id", "3-3", "max-deleted-entry-id", "3-1", "entries-added", :3, "recorded-first-entry-id", "0-0", "groups", :1, "first-entry", $-1, "last-entry", $-1]"#,
            ),
            ("XINFO STREAM missing", "-ERR no such key"),
            (
                "XINFO STREAM s FULL COUNT",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            ("XINFO STREAM s FULL COUNT x", NOT_INTEGER),
            (
                "XINFO STREAM s EMPTY",
                "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.",
            ),
            ("XINFO nosuch s", "-ERR unknown subcommand 'nosuch'. Try XINFO HELP."),
        ],
    );
    client.hello(3);
    assert!(client.cmd(&["XINFO", "STREAM", "s"]).pairs().is_some_and(|pairs| pairs.len() == 10));
    assert!(client.array(&["XINFO", "HELP"]).len() > 5);
}

// ----- the log -----

#[test]
fn a_restart_brings_streams_back_as_they_were() {
    if forgekv_only("what is compared is how ForgeKV's log is replayed") {
        return;
    }
    let (mut server, mut client) = start_durable();
    client.ok(&["CONFIG", "SET", "stream-node-max-entries", "10"]);
    fill(&mut client, "s", 50);
    fill(&mut client, "t", 50);
    fill(&mut client, "u", 50);
    client.bulk(&["XADD", "s", "MAXLEN", "~", "20", "*", "f", "v"]);
    client.bulk(&["XADD", "t", "MINID", "~", "3-33", "LIMIT", "10", "4-*", "f", "v"]);
    client.int(&["XTRIM", "u", "MAXLEN", "~", "20", "LIMIT", "20"]);
    client.int(&["XDEL", "u", "3-45", "3-50"]);
    client.ok(&["XSETID", "t", "9-9"]);
    let state = |client: &mut Client| {
        ["s", "t", "u"].map(|key| {
            (reply(client, &format!("XINFO STREAM {key} FULL COUNT 0")), client.int(&["XLEN", key]))
        })
    };
    let before = state(&mut client);
    assert_eq!(before.clone().map(|(_, len)| len), [21, 41, 28]);
    // Blocks are of another size while the log is replayed, and what is trimmed is still the same.
    server.restart();
    let mut client = server.connect();
    let without_blocks = |(info, len): (String, i64)| {
        (info.split_once("last-generated-id").map(|(_, info)| info.to_owned()), len)
    };
    assert_eq!(state(&mut client).map(without_blocks), before.map(without_blocks));
}
