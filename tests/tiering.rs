//! A dataset far bigger than RAM may hold: every command must answer as if all of it were there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Rng, Server, Value, forgekv_only, wait_for};

const REASON: &str = "Redis has no keys on disk";

/// A server that keeps one megabyte in RAM.
fn small(args: &[&str]) -> Server {
    let all = [&["--memtable_size_mb", "1", "--enable-debug-command", "local", "--save", ""], args].concat();
    Server::with_args(&all)
}

/// A server that keeps nothing in RAM that is on disk.
fn cold(args: &[&str]) -> (Server, Client) {
    let server = small(args);
    let mut client = server.connect();
    client.ok(&["DEBUG", "COLD", "1"]);
    (server, client)
}

/// A value that tells which key it belongs to, long enough for the dataset to be big.
fn value_of(key: &str) -> String {
    format!("{key}:{}", "v".repeat(200))
}

fn fill(client: &mut Client, keys: impl Iterator<Item = String>) {
    let keys: Vec<String> = keys.collect();
    for chunk in keys.chunks(500) {
        let sets: Vec<Vec<String>> =
            chunk.iter().map(|key| vec!["SET".to_owned(), key.clone(), value_of(key)]).collect();
        assert!(client.pipeline(&sets).iter().all(|reply| *reply == Value::simple("OK")));
    }
}

/// A number that a section of INFO shows.
#[track_caller]
fn info(client: &mut Client, section: &str, field: &str) -> u64 {
    let text = client.text(&["INFO", section]);
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {field} in {text}"))
}

/// Waits until all keys are on disk only.
#[track_caller]
fn wait_until_cold(client: &mut Client) {
    wait_for("all keys to leave RAM", || info(client, "memory", "keys_in_memory") == 0);
}

fn keys(client: &mut Client, pattern: &str) -> BTreeSet<String> {
    let all = client.texts(&["KEYS", pattern]);
    let set: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "KEYS names a key twice");
    set
}

/// A whole walk; panics when a key comes twice.
fn scan(client: &mut Client, options: &[&str]) -> BTreeSet<String> {
    let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
    loop {
        let reply = client.array(&[&["SCAN", &cursor], options].concat());
        cursor = String::from_utf8(reply[0].as_bytes().unwrap().to_vec()).unwrap();
        for name in reply[1].items().unwrap() {
            let name = String::from_utf8(name.as_bytes().unwrap().to_vec()).unwrap();
            assert!(seen.insert(name.clone()), "{name} came twice");
        }
        if cursor == "0" {
            return seen;
        }
    }
}

fn names(prefix: &str, count: usize) -> BTreeSet<String> {
    (0..count).map(|n| format!("{prefix}:{n}")).collect()
}

#[test]
fn every_key_is_there_although_few_fit_into_ram() {
    if forgekv_only(REASON) {
        return;
    }
    let server = small(&[]);
    let mut client = server.connect();
    fill(&mut client, (0..20_000).map(|n| format!("key:{n}")));
    wait_for("most keys to leave RAM", || info(&mut client, "memory", "keys_in_memory") < 6_000);
    assert_eq!(client.int(&["DBSIZE"]), 20_000);
    let all = names("key", 20_000);
    assert_eq!(keys(&mut client, "*"), all);
    assert_eq!(keys(&mut client, "key:1234*"), keys_with(&all, "key:1234"));
    for options in [&["COUNT", "7000"][..], &["COUNT", "100"], &["COUNT", "900", "TYPE", "STRING"]] {
        assert_eq!(scan(&mut client, options), all, "{options:?}");
    }
    assert_eq!(scan(&mut client, &["MATCH", "key:1234*", "COUNT", "1000"]), keys_with(&all, "key:1234"));
    assert!(scan(&mut client, &["TYPE", "list", "COUNT", "5000"]).is_empty());
    assert!(info(&mut client, "memory", "keys_in_memory") < 6_000, "walks bring nothing into RAM");
    assert!(client.text(&["INFO", "keyspace"]).contains("db0:keys=20000,expires=0"));
    let drawn: BTreeSet<String> = (0..200).map(|_| client.text(&["RANDOMKEY"])).collect();
    assert!(drawn.is_subset(&all) && drawn.len() > 190, "200 draws of 20,000 keys seldom meet");
}

fn keys_with(all: &BTreeSet<String>, prefix: &str) -> BTreeSet<String> {
    all.iter().filter(|key| key.starts_with(prefix)).cloned().collect()
}

#[test]
fn walks_and_counts_are_exact_while_keys_come_and_go() {
    if forgekv_only(REASON) {
        return;
    }
    let (server, mut client) = cold(&[]);
    fill(&mut client, (0..4_000).map(|n| format!("stays:{n}")));
    let stays = names("stays", 4_000);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (mut other, stop) = (server.connect(), &stop);
            scope.spawn(move || {
                let mut rng = Rng::new(thread);
                while !stop.load(Ordering::Relaxed) {
                    let commands: Vec<Vec<String>> = (0..50)
                        .map(|_| match rng.below(4) {
                            0 => vec!["GET".to_owned(), format!("stays:{}", rng.below(4_000))],
                            1 => vec![
                                "APPEND".to_owned(),
                                format!("stays:{}", rng.below(4_000)),
                                "x".to_owned(),
                            ],
                            2 => vec!["DEL".to_owned(), format!("goes:{thread}:{}", rng.below(500))],
                            _ => vec![
                                "SET".to_owned(),
                                format!("goes:{thread}:{}", rng.below(500)),
                                "v".to_owned(),
                            ],
                        })
                        .collect();
                    other.pipeline(&commands);
                }
            });
        }
        for count in ["40", "500", "100000"] {
            let seen = scan(&mut client, &["COUNT", count]);
            assert_eq!(keys_with(&seen, "stays"), stays, "COUNT {count}");
        }
        for _ in 0..5 {
            assert_eq!(keys(&mut client, "stays:*"), stays);
            let key = client.text(&["RANDOMKEY"]);
            assert!(key.starts_with("stays:") || key.starts_with("goes:"), "{key}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let all = keys(&mut client, "*");
    assert_eq!(client.int(&["DBSIZE"]), all.len() as i64);
    assert_eq!(scan(&mut client, &[]), all);
}

#[test]
fn pipelines_of_cold_reads_are_answered_in_order_on_every_connection() {
    if forgekv_only(REASON) {
        return;
    }
    let (server, mut client) = cold(&[]);
    fill(&mut client, (0..3_000).map(|n| format!("key:{n}")));
    wait_until_cold(&mut client);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut other = server.connect();
            scope.spawn(move || {
                let mut rng = Rng::new(thread);
                for _ in 0..3 {
                    let asked: Vec<String> = (0..400).map(|_| format!("key:{}", rng.below(4_000))).collect();
                    let gets: Vec<Vec<&str>> = asked.iter().map(|key| vec!["GET", key]).collect();
                    for (key, reply) in asked.iter().zip(other.pipeline(&gets)) {
                        let number: usize = key[4..].parse().unwrap();
                        let expected = (number < 3_000).then(|| value_of(key));
                        assert_eq!(reply, expected.map_or(Value::NullBulk, Value::bulk), "{key}");
                    }
                }
            });
        }
    });
}

#[test]
fn commands_of_several_keys_work_on_cold_ones() {
    if forgekv_only(REASON) {
        return;
    }
    let (_server, mut client) = cold(&[]);
    fill(&mut client, (0..3_000).map(|n| format!("key:{n}")));
    wait_until_cold(&mut client);
    let all: Vec<String> = (0..3_000).map(|n| format!("key:{n}")).collect();
    let words: Vec<&str> = std::iter::once("MGET").chain(all.iter().map(String::as_str)).collect();
    let expected: Vec<Value> = all.iter().map(|key| Value::bulk(value_of(key))).collect();
    assert_eq!(client.array(&words), expected);
    let words: Vec<&str> = ["EXISTS", "nothing"].into_iter().chain(all.iter().map(String::as_str)).collect();
    assert_eq!(client.int(&words), 3_000);
    client.ok(&["MSET", "key:1", "one", "new", "two", "key:2", "three"]);
    wait_until_cold(&mut client);
    assert_eq!(client.texts(&["MGET", "key:1", "new", "key:2"]), ["one", "two", "three"]);
    assert_eq!(client.int(&["MSETNX", "free", "v", "key:3", "v"]), 0);
    assert_eq!(client.int(&["COPY", "key:4", "copy"]), 1);
    assert_eq!(client.int(&["COPY", "key:5", "key:6"]), 0);
    assert_eq!(client.int(&["COPY", "key:5", "key:6", "REPLACE"]), 1);
    assert_eq!(client.int(&["COPY", "key:5", "key:5", "DB", "3"]), 1);
    assert_eq!(client.int(&["MOVE", "key:7", "3"]), 1);
    client.ok(&["RENAME", "key:8", "key:9"]);
    assert_eq!(client.int(&["RENAMENX", "key:10", "key:11"]), 0);
    assert_eq!(client.int(&["RENAMENX", "key:10", "renamed"]), 1);
    wait_until_cold(&mut client);
    let expected = ["key:4", "key:5", "(nil)", "(nil)", "key:8", "(nil)", "key:10"];
    let found = client.texts(&["MGET", "copy", "key:6", "key:7", "key:8", "key:9", "key:10", "renamed"]);
    let owner = |value: &String| value.split(":v").next().unwrap().to_owned();
    assert_eq!(found.iter().map(owner).collect::<Vec<_>>(), expected);
    assert_eq!(client.int(&["MOVE", "key:5", "3"]), 0, "it is there already");
    assert_eq!(client.int(&["DEL", "key:12", "key:13", "nothing"]), 2);
    assert_eq!(client.int(&["DBSIZE"]), 3_000 + 2 - 4);
    client.ok(&["SELECT", "3"]);
    assert_eq!(client.text(&["GET", "key:7"]), value_of("key:7"));
    assert_eq!(keys(&mut client, "*").into_iter().collect::<Vec<_>>(), ["key:5", "key:7"]);
}

#[test]
fn cold_keys_expire_within_a_second_although_nobody_asks() {
    if forgekv_only(REASON) {
        return;
    }
    let (mut server, mut client) = cold(&[]);
    fill(&mut client, (0..1_000).map(|n| format!("stays:{n}")));
    let began = Instant::now();
    let sets: Vec<Vec<String>> = (0..2_000)
        .map(|n| {
            ["SET", &format!("goes:{n}"), "v", "PX", &(1_000 + n / 2).to_string()].map(str::to_owned).to_vec()
        })
        .collect();
    client.pipeline(&sets);
    let late: Vec<Vec<String>> = (0..500)
        .map(|n| ["PEXPIRE", &format!("stays:{n}"), "100000000"].map(str::to_owned).to_vec())
        .collect();
    client.pipeline(&late);
    wait_for("the last key to expire", || client.int(&["DBSIZE"]) == 1_000);
    // Twice a second: the last one's time to live, and then the promise. The rest is for a machine that is busy.
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_900) && took < Duration::from_millis(4_000), "{took:?}");
    wait_for("the count of expired keys", || info(&mut client, "stats", "expired_keys") == 2_000);
    assert!(client.text(&["INFO", "keyspace"]).contains("db0:keys=1000,expires=500,"));
    assert_eq!(scan(&mut client, &["COUNT", "300"]), names("stays", 1_000));
    server.kill_9();
    server.restart();
    let mut client = server.connect();
    // The log may lack the last deletions, which are made again.
    wait_for("the last keys to expire again", || {
        client.text(&["INFO", "keyspace"]).contains("db0:keys=1000,expires=500,")
    });
}

#[test]
fn cold_keys_past_their_time_are_not_shown_while_nobody_deletes_them() {
    if forgekv_only(REASON) {
        return;
    }
    let (_server, mut client) = cold(&[]);
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    for n in 0..300 {
        client.ok(&["SET", &format!("goes:{n}"), "v", "PX", "1"]);
    }
    client.ok(&["SET", "stays", "v", "EX", "1000"]);
    wait_until_cold(&mut client);
    assert_eq!(client.int(&["DBSIZE"]), 301, "nobody has deleted them");
    assert_eq!(keys(&mut client, "*").into_iter().collect::<Vec<_>>(), ["stays"]);
    assert_eq!(scan(&mut client, &[]).into_iter().collect::<Vec<_>>(), ["stays"]);
    assert_eq!(client.text(&["RANDOMKEY"]), "stays");
    client.null(&["GET", "goes:1"]);
    assert_eq!(client.int(&["EXISTS", "goes:2", "stays"]), 1);
    assert_eq!(client.int(&["DBSIZE"]), 299, "those that were asked for are deleted");
    client.int(&["DEL", "stays"]);
    client.null(&["RANDOMKEY"]);
    // A pause holds expiry back, too.
    client.ok(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(client.int(&["DBSIZE"]), 298);
    client.ok(&["CLIENT", "UNPAUSE"]);
    wait_for("the keys to be deleted", || client.int(&["DBSIZE"]) == 0);
}

#[test]
fn a_restart_brings_everything_back_however_the_server_ended() {
    if forgekv_only(REASON) {
        return;
    }
    let (mut server, mut client) = cold(&["--wal_sync_mode", "always"]);
    let mut expected = BTreeMap::new();
    let mut rng = Rng::new(11);
    for round in 0..4 {
        for batch in 0..6 {
            let mut commands = Vec::new();
            for _ in 0..200 {
                let key = format!("key:{}", rng.below(2_000));
                let value = format!("{round}:{batch}:{}", value_of(&key));
                if rng.one_in(4) {
                    commands.push(vec!["DEL".to_owned(), key.clone()]);
                    expected.remove(&key);
                } else {
                    commands.push(vec!["SET".to_owned(), key.clone(), value.clone()]);
                    expected.insert(key, value);
                }
            }
            client.pipeline(&commands);
        }
        match round % 2 {
            0 => server.kill_9(),
            _ => assert!(server.stop().success()),
        }
        server.restart();
        client = server.connect();
        client.ok(&["DEBUG", "COLD", "1"]);
        assert_eq!(client.int(&["DBSIZE"]), expected.len() as i64);
        assert_eq!(keys(&mut client, "*"), expected.keys().cloned().collect());
        let gets: Vec<Vec<&str>> = expected.keys().map(|key| vec!["GET", key]).collect();
        for (reply, (key, value)) in client.pipeline(&gets).into_iter().zip(&expected) {
            assert_eq!(reply, Value::bulk(value), "{key} in round {round}");
        }
    }
}

#[test]
fn databases_with_cold_keys_are_flushed_and_exchanged_as_a_whole() {
    if forgekv_only(REASON) {
        return;
    }
    let (mut server, mut client) = cold(&[]);
    fill(&mut client, (0..1_000).map(|n| format!("zero:{n}")));
    client.ok(&["SELECT", "1"]);
    fill(&mut client, (0..500).map(|n| format!("one:{n}")));
    wait_until_cold(&mut client);
    client.ok(&["SWAPDB", "0", "1"]);
    assert_eq!(keys(&mut client, "*"), names("zero", 1_000));
    assert_eq!(client.text(&["GET", "zero:7"]), value_of("zero:7"));
    assert_eq!(client.int(&["EXISTS", "one:7"]), 0);
    client.ok(&["FLUSHDB"]);
    assert_eq!((client.int(&["DBSIZE"]), scan(&mut client, &[]).len()), (0, 0));
    assert_eq!(client.int(&["EXISTS", "zero:7"]), 0);
    client.null(&["RANDOMKEY"]);
    fill(&mut client, (0..100).map(|n| format!("zero:{n}")));
    wait_until_cold(&mut client);
    server.kill_9();
    server.restart();
    let mut client = server.connect();
    assert_eq!(keys(&mut client, "*"), names("one", 500));
    client.ok(&["SELECT", "1"]);
    assert_eq!(scan(&mut client, &[]), names("zero", 100));
    client.ok(&["FLUSHALL"]);
    assert_eq!(client.text(&["INFO", "keyspace"]).trim(), "# Keyspace");
    client.ok(&["SET", "zero:1", "new"]);
    assert_eq!(client.text(&["GET", "zero:1"]), "new");
    assert_eq!(keys(&mut client, "*").len(), 1);
}

#[test]
fn clients_that_leave_while_the_disk_is_read_do_no_harm() {
    if forgekv_only(REASON) {
        return;
    }
    let (server, mut client) = cold(&[]);
    fill(&mut client, (0..2_000).map(|n| format!("key:{n}")));
    wait_until_cold(&mut client);
    for _ in 0..30 {
        let mut other = server.connect();
        for command in
            [&["GET", "key:1"][..], &["KEYS", "*"], &["SCAN", "0", "COUNT", "1000"], &["RANDOMKEY"]]
        {
            other.send(command);
        }
    }
    assert_eq!(keys(&mut client, "*").len(), 2_000);
    assert_eq!(client.text(&["GET", "key:1"]), value_of("key:1"));
}

#[test]
fn damaged_runs_are_errors_and_never_wrong_answers() {
    if forgekv_only(REASON) {
        return;
    }
    let (server, mut client) = cold(&[]);
    fill(&mut client, (0..2_000).map(|n| format!("key:{n}")));
    client.ok(&["SET", "sound", "v"]);
    // No round and no compaction is under way then that could write a sound run behind the damage.
    wait_until_cold(&mut client);
    client.ok(&["DEBUG", "COLD", "0"]);
    let jobs = ["checkpoint_in_progress", "compactions_running", "compaction_debt_bytes"];
    wait_for("the disk to be left alone", || jobs.iter().all(|job| info(&mut client, "storage", job) == 0));
    for entry in std::fs::read_dir(server.dir().join("runs")).unwrap() {
        let path = entry.unwrap().path();
        // Compaction may have just removed it.
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        let blocks = bytes.len() / 2;
        bytes[..blocks].fill(0x5a);
        // The same file, as the server has it open.
        std::fs::write(&path, bytes).unwrap();
    }
    for command in [&["KEYS", "*"][..], &["SCAN", "0", "COUNT", "100000"], &["RANDOMKEY"]] {
        let reply = client.cmd(command);
        let is_drawn = command[0] == "RANDOMKEY" && reply.as_bytes().is_some();
        let is_refused = reply.as_error().is_some_and(|error| error.starts_with("IOERR "));
        assert!(is_refused || is_drawn, "{command:?}: {reply:?}");
    }
    let mut failed = 0;
    for n in 0..200 {
        let key = format!("key:{n}");
        match client.cmd(&["GET", &key]) {
            Value::Bulk(value) => assert_eq!(value, value_of(&key).as_bytes()),
            Value::Error(error) => {
                assert!(error.starts_with(b"IOERR "));
                failed += 1;
            }
            other => panic!("{key}: {other:?}"),
        }
    }
    assert!(failed > 20, "{failed} of 200 keys are damaged");
    assert_eq!(client.int(&["DBSIZE"]), 2_001);
    client.ok(&["SET", "new", "v"]);
}

#[test]
fn a_broken_transaction_with_cold_keys_is_refused_like_any_other() {
    if forgekv_only(REASON) {
        return;
    }
    let (_server, mut client) = cold(&[]);
    fill(&mut client, (0..200).map(|n| format!("key:{n}")));
    wait_until_cold(&mut client);
    for n in 0..20 {
        client.ok(&["MULTI"]);
        assert_eq!(client.cmd(&["GET", &format!("key:{n}")]), Value::simple("QUEUED"));
        client.error(&["GET"]);
        assert_eq!(client.error(&["EXEC"]), "EXECABORT Transaction discarded because of previous errors.");
    }
    assert_eq!(client.text(&["GET", "key:7"]), value_of("key:7"));
}
