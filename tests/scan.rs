//! KEYS, SCAN, RANDOMKEY and DBSIZE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Client, Rng, Server, Value, forgekv_only, is_cold, wait_for, warm_only};

fn client() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

/// Sets many keys to `v` in few writes.
fn fill(client: &mut Client, names: impl Iterator<Item = String>) {
    let mut batch: Vec<Vec<String>> = Vec::new();
    for name in names {
        batch.push(vec!["SET".to_owned(), name, "v".to_owned()]);
        if batch.len() == 5_000 {
            client.pipeline(&std::mem::take(&mut batch));
        }
    }
    client.pipeline(&batch);
}

/// One call of SCAN: the cursor to go on from, and the keys.
#[track_caller]
fn scan_once(client: &mut Client, cursor: &str, options: &[&str]) -> (String, Vec<String>) {
    let reply = client.array(&[&["SCAN", cursor], options].concat());
    let [Value::Bulk(next), Value::Array(keys)] = &reply[..] else { panic!("SCAN {cursor}: {reply:?}") };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(next), keys.iter().map(|key| text(key.as_bytes().unwrap())).collect())
}

/// A whole iteration, with how often each key came; `between` runs between the calls.
#[track_caller]
fn scan_all(
    client: &mut Client,
    options: &[&str],
    mut between: impl FnMut(&mut Client, usize),
) -> BTreeMap<String, usize> {
    let (mut seen, mut cursor) = (BTreeMap::new(), "0".to_owned());
    for call in 0.. {
        let (next, keys) = scan_once(client, &cursor, options);
        for key in keys {
            *seen.entry(key).or_default() += 1;
        }
        if next == "0" {
            return seen;
        }
        cursor = next;
        between(client, call);
    }
    unreachable!("an endless loop ends by returning")
}

#[test]
fn keys_lists_what_the_pattern_selects() {
    let (_server, mut client) = client();
    for key in ["hello", "hallo", "hxllo", "hllo", "heello", "h*llo", "", "[x]"] {
        client.ok(&["SET", key, "v"]);
    }
    for (pattern, expected) in [
        ("*", vec!["", "[x]", "h*llo", "hallo", "heello", "hello", "hllo", "hxllo"]),
        ("h?llo", vec!["h*llo", "hallo", "hello", "hxllo"]),
        ("h*llo", vec!["h*llo", "hallo", "heello", "hello", "hllo", "hxllo"]),
        ("h[ae]llo", vec!["hallo", "hello"]),
        ("h[^e]llo", vec!["h*llo", "hallo", "hxllo"]),
        ("h[a-b]llo", vec!["hallo"]),
        ("h\\*llo", vec!["h*llo"]),
        ("hello", vec!["hello"]),
        ("HELLO", vec![]),
        ("", vec![""]),
        ("**", vec!["[x]", "h*llo", "hallo", "heello", "hello", "hllo", "hxllo"]),
    ] {
        let mut keys = client.texts(&["KEYS", pattern]);
        keys.sort();
        assert_eq!(keys, expected, "{pattern}");
    }
    assert_eq!(client.error(&["KEYS"]), "ERR wrong number of arguments for 'keys' command");
}

#[test]
fn keys_and_dbsize_see_only_the_selected_database() {
    let (_server, mut client) = client();
    client.ok(&["SET", "here", "v"]);
    client.ok(&["SELECT", "5"]);
    assert_eq!(client.int(&["DBSIZE"]), 0);
    client.ok(&["SET", "there", "v"]);
    client.ok(&["SET", "too", "v"]);
    assert_eq!(client.texts(&["KEYS", "t*e"]), ["there"]);
    assert_eq!(scan_all(&mut client, &[], |_, _| {}).into_keys().collect::<Vec<_>>(), ["there", "too"]);
    assert_eq!(client.int(&["DBSIZE"]), 2);
    client.ok(&["SELECT", "0"]);
    assert_eq!(client.int(&["DBSIZE"]), 1);
}

#[test]
fn dbsize_is_exact() {
    let (_server, mut client) = client();
    assert_eq!(client.int(&["DBSIZE"]), 0);
    let mut rng = Rng::new(1);
    let mut names = BTreeSet::new();
    for _ in 0..2_000 {
        let name = format!("{}", rng.below(300));
        if rng.one_in(3) {
            assert_eq!(client.int(&["DEL", &name]), i64::from(names.remove(&name)));
        } else {
            client.ok(&["SET", &name, "v"]);
            names.insert(name);
        }
        assert_eq!(client.int(&["DBSIZE"]), names.len() as i64);
    }
}

#[test]
fn randomkey_draws_every_key() {
    let (_server, mut client) = client();
    client.null(&["RANDOMKEY"]);
    fill(&mut client, (0..20).map(|n| n.to_string()));
    let mut seen = BTreeSet::new();
    wait_for("all twenty keys", || {
        seen.insert(client.text(&["RANDOMKEY"]));
        seen.len() == 20
    });
    client.hello(3);
    client.ok(&["FLUSHALL"]);
    assert_eq!(client.cmd(&["RANDOMKEY"]), Value::Null);
}

#[test]
fn randomkey_passes_expired_keys_over() {
    if forgekv_only("it needs a server whose active expiry is off") {
        return;
    }
    let server = Server::with_args(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    fill(&mut client, (0..500).map(|n| format!("expired:{n}")));
    for n in 0..500 {
        client.int(&["PEXPIRE", &format!("expired:{n}"), "1"]);
    }
    wait_for("all of them to expire", || client.array(&["KEYS", "*"]).is_empty());
    assert!(client.int(&["DBSIZE"]) > 0, "nobody has looked at them");
    client.null(&["RANDOMKEY"]);
    client.ok(&["SET", "live", "v"]);
    for _ in 0..10 {
        assert_eq!(client.text(&["RANDOMKEY"]), "live");
    }
}

#[test]
fn scan_returns_every_key_once() {
    let (_server, mut client) = client();
    assert_eq!(scan_once(&mut client, "0", &[]), ("0".to_owned(), Vec::new()));
    fill(&mut client, (0..3_000).map(|n| format!("key:{n}")));
    for count in ["1", "10", "100", "100000"] {
        let seen = scan_all(&mut client, &["COUNT", count], |_, _| {});
        assert_eq!(seen.len(), 3_000, "COUNT {count}");
        assert!(seen.values().all(|&times| times == 1), "COUNT {count}");
    }
    let (cursor, keys) = scan_once(&mut client, "0", &["COUNT", "100000"]);
    assert_eq!((cursor.as_str(), keys.len()), ("0", 3_000));
}

#[test]
fn scan_looks_at_about_count_keys_a_call() {
    let (_server, mut client) = client();
    fill(&mut client, (0..3_000).map(|n| format!("key:{n}")));
    for (count, at_most) in [("1", 60), ("10", 60), ("100", 160), ("1000", 1_060)] {
        let (cursor, keys) = scan_once(&mut client, "0", &["COUNT", count]);
        assert_ne!(cursor, "0");
        // RAM and disk are each asked for so many.
        let at_most = if is_cold() { 2 * at_most } else { at_most };
        assert!((count.parse().unwrap()..=at_most).contains(&keys.len()), "COUNT {count}: {}", keys.len());
    }
    let (_, keys) = scan_once(&mut client, "0", &[]);
    assert!((10..=60).contains(&keys.len()), "ten are the default, not {}", keys.len());
}

#[test]
fn scan_match_and_type_filter_what_is_looked_at() {
    let (_server, mut client) = client();
    fill(&mut client, (0..1_000).map(|n| format!("key:{n}")));
    let seen = scan_all(&mut client, &["MATCH", "key:1??", "COUNT", "50"], |_, _| {});
    assert_eq!(
        seen.into_keys().collect::<Vec<_>>(),
        (100..200).map(|n| format!("key:{n}")).collect::<Vec<_>>()
    );
    assert!(scan_all(&mut client, &["match", "nothing*"], |_, _| {}).is_empty());
    assert_eq!(scan_all(&mut client, &["TYPE", "STRING"], |_, _| {}).len(), 1_000);
    for kind in ["list", "none", "nosuchtype"] {
        assert!(scan_all(&mut client, &["TYPE", kind, "COUNT", "100"], |_, _| {}).is_empty(), "{kind}");
    }
    let both = scan_all(&mut client, &["TYPE", "string", "MATCH", "*:99*"], |_, _| {});
    assert_eq!(both.len(), 11);
    client.ok(&["SET", "", "v"]);
    assert!(
        scan_all(&mut client, &["MATCH", "*"], |_, _| {}).contains_key(""),
        "* alone selects the empty key"
    );
}

#[test]
fn scan_checks_the_cursor_before_the_options() {
    let (_server, mut client) = client();
    for cursor in ["x", "0 ", "1x", "18446744073709551616", "1.0"] {
        assert_eq!(client.error(&["SCAN", cursor]), "ERR invalid cursor", "{cursor:?}");
        assert_eq!(client.error(&["SCAN", cursor, "FOO"]), "ERR invalid cursor", "{cursor:?}");
    }
    for (options, error) in [
        (&["COUNT", "0"][..], "ERR syntax error"),
        (&["COUNT", "-1"], "ERR syntax error"),
        (&["COUNT"], "ERR syntax error"),
        (&["MATCH"], "ERR syntax error"),
        (&["TYPE"], "ERR syntax error"),
        (&["FOO", "bar"], "ERR syntax error"),
        (&["COUNT", "x"], "ERR value is not an integer or out of range"),
        (&["COUNT", "9223372036854775808"], "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(client.error(&[&["SCAN", "0"], options].concat()), error, "{options:?}");
    }
    assert_eq!(client.error(&["SCAN"]), "ERR wrong number of arguments for 'scan' command");
}

#[test]
fn scan_takes_any_cursor_for_a_place() {
    let (_server, mut client) = client();
    fill(&mut client, (0..1_000).map(|n| format!("key:{n}")));
    let mut rng = Rng::new(2);
    for shift in 0..64 {
        let cursor = (rng.next() >> shift).to_string();
        let (_, keys) = scan_once(&mut client, &cursor, &["COUNT", "20"]);
        assert!(keys.len() < 100, "{cursor}");
    }
    assert_eq!(scan_once(&mut client, &u64::MAX.to_string(), &["COUNT", "2000"]).0, "0");
}

#[test]
fn cursors_fit_into_a_double() {
    if forgekv_only("Redis's cursors are positions in its own table") {
        return;
    }
    let (_server, mut client) = client();
    fill(&mut client, (0..2_000).map(|n| format!("key:{n}")));
    let mut cursor = "0".to_owned();
    let mut last = 0;
    loop {
        cursor = scan_once(&mut client, &cursor, &["COUNT", "5"]).0;
        let position: u64 = cursor.parse().unwrap();
        if position == 0 {
            break;
        }
        assert!(position < 1 << 53, "{position}");
        assert!(position > last, "{position} comes after {last}");
        last = position;
    }
    assert_eq!(scan_once(&mut client, &(1u64 << 53).to_string(), &[]), ("0".to_owned(), Vec::new()));
}

#[test]
fn scan_options_of_other_commands_are_refused_by_name() {
    if forgekv_only("NOVALUES came with 7.4") {
        return;
    }
    let (_server, mut client) = client();
    assert_eq!(client.error(&["SCAN", "0", "NOVALUES"]), "ERR NOVALUES option can only be used in HSCAN");
}

#[test]
fn scan_deletes_the_expired_keys_it_meets() {
    if forgekv_only("it needs a server whose active expiry is off")
        || warm_only("a walk deletes the expired keys that are in RAM, and passes over those on disk")
    {
        return;
    }
    let server = Server::with_args(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    fill(&mut client, (0..1_000).map(|n| format!("key:{n}")));
    for n in 0..500 {
        client.int(&["PEXPIRE", &format!("key:{n}"), "1"]);
    }
    wait_for("half of the keys to expire", || client.array(&["KEYS", "*"]).len() == 500);
    assert_eq!(client.int(&["DBSIZE"]), 1_000, "DBSIZE counts keys until they are deleted");
    let seen = scan_all(&mut client, &["MATCH", "key:1*"], |_, _| {});
    assert!(seen.is_empty(), "these names are all below key:500");
    assert_eq!(client.int(&["DBSIZE"]), 1_000 - 111, "only what the pattern selects is deleted");
    let seen = scan_all(&mut client, &[], |_, _| {});
    assert_eq!(
        seen.keys().cloned().collect::<BTreeSet<_>>(),
        (500..1_000).map(|n| format!("key:{n}")).collect()
    );
    assert_eq!(client.int(&["DBSIZE"]), 500);
}

#[test]
fn what_stays_is_returned_once_while_others_come_and_go() {
    let (server, mut client) = client();
    fill(&mut client, (0..1_000).map(|n| format!("stays:{n}")));
    let mut other = server.connect();
    let mut rng = Rng::new(3);
    // From a thousand keys to tens of thousands and back, so that segments split and merge between the calls.
    let seen = scan_all(&mut client, &["COUNT", "20"], |_, call| {
        let grows = call % 40 < 20;
        let commands: Vec<Vec<String>> = (0..1_000)
            .map(|_| {
                let name = format!("goes:{}", rng.below(30_000));
                if grows {
                    vec!["SET".to_owned(), name, "v".to_owned()]
                } else {
                    vec!["DEL".to_owned(), name]
                }
            })
            .collect();
        other.pipeline(&commands);
    });
    check_stays(&seen, 1_000);
}

/// Each of the keys that were there throughout came, and none came twice (Redis may return one twice).
#[track_caller]
fn check_stays(seen: &BTreeMap<String, usize>, count: usize) {
    assert_eq!(seen.keys().filter(|key| key.starts_with("stays:")).count(), count);
    if !forgekv_only("no key comes twice") {
        let twice = seen.iter().find(|&(_, &times)| times != 1);
        assert_eq!(twice, None, "a key came more than once");
    }
}

#[test]
fn what_stays_is_returned_while_the_table_grows_twentythousandfold() {
    let (server, mut client) = client();
    fill(&mut client, (0..10).map(|n| format!("stays:{n}")));
    let mut other = server.connect();
    let (mut cursor, mut seen) = ("0".to_owned(), BTreeMap::new());
    let mut added = 0;
    for total in [2_000, 20_000, 200_000].into_iter().chain(std::iter::repeat(200_000)) {
        let count = if added < 200_000 { "1" } else { "5000" };
        let (next, keys) = scan_once(&mut client, &cursor, &["COUNT", count]);
        for key in keys {
            *seen.entry(key).or_insert(0) += 1;
        }
        if next == "0" {
            break;
        }
        cursor = next;
        fill(&mut other, (added..total).map(|n| format!("comes:{n}")));
        added = total;
    }
    assert_eq!(added, 200_000, "the table grew in the middle of the scan");
    check_stays(&seen, 10);
}

#[test]
fn a_scan_beside_writers_misses_nothing() {
    let (server, mut client) = client();
    fill(&mut client, (0..5_000).map(|n| format!("stays:{n}")));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2u64 {
            let (mut other, stop) = (server.connect(), &stop);
            scope.spawn(move || {
                let mut rng = Rng::new(10 + thread);
                while !stop.load(Ordering::Relaxed) {
                    let commands: Vec<Vec<String>> = (0..200)
                        .map(|_| {
                            let name = format!("goes:{thread}:{}", rng.below(5_000));
                            if rng.one_in(2) {
                                vec!["SET".to_owned(), name, "v".to_owned()]
                            } else {
                                vec!["DEL".to_owned(), name]
                            }
                        })
                        .collect();
                    other.pipeline(&commands);
                }
            });
        }
        for count in ["10", "300", "5000"] {
            let seen = scan_all(&mut client, &["COUNT", count], |_, _| {});
            check_stays(&seen, 5_000);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_scan_across_flushall_returns_only_what_came_after() {
    let (_server, mut client) = client();
    fill(&mut client, (0..2_000).map(|n| format!("old:{n}")));
    let mut cursor = "0".to_owned();
    for _ in 0..20 {
        cursor = scan_once(&mut client, &cursor, &[]).0;
    }
    client.ok(&["FLUSHALL"]);
    fill(&mut client, (0..2_000).map(|n| format!("new:{n}")));
    let mut seen = 0;
    while cursor != "0" {
        let (next, keys) = scan_once(&mut client, &cursor, &[]);
        assert!(keys.iter().all(|key| key.starts_with("new:")));
        seen += keys.len();
        cursor = next;
    }
    assert!(seen > 0, "the rest of the new dataset lies after the cursor");
}

#[test]
fn a_cursor_outlives_the_server() {
    if forgekv_only("it restarts its server, and Redis's hash seed is new at every start") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    fill(&mut client, (0..2_000).map(|n| format!("stays:{n}")));
    let (mut cursor, mut seen) = ("0".to_owned(), BTreeMap::new());
    for call in 1.. {
        let (next, keys) = scan_once(&mut client, &cursor, &["COUNT", "40"]);
        for key in keys {
            *seen.entry(key).or_insert(0) += 1;
        }
        if next == "0" {
            break;
        }
        cursor = next;
        if call % 10 == 0 {
            assert!(server.stop().success());
            server.restart();
            client = server.connect();
        }
    }
    check_stays(&seen, 2_000);
}
