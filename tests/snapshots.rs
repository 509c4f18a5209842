//! RDB files of a running server: what BGSAVE and SAVE write, what a start imports, and what INFO tells of both.
//!
//! A named pipe in the place of a file stops the server where a test wants it: a save waits for somebody to read what it
//! writes, and an import for somebody to write what it reads.

mod facts;
mod imports;
mod tools;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use forgekv::rdb::reader::{Entry, Item, Reader};
use forgekv::rdb::{Access, Object};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::rdb::oracle;
use crate::support::{Client, Rng, Server, ServerOptions, Value, forgekv_only, new_dir, wait_for, warm_only};

const REASON: &str = "it looks at files and fields of ForgeKV";
const CHECKPOINTS: &str = "it knows when checkpoints are made";
const FILE: &str = "dump.rdb";
/// Where a save writes before its file is whole.
const TEMPORARY: &str = "temp-save.rdb";
/// What is there while an import has not ended.
const MARK: &str = "IMPORTING";
const SEED: u64 = 0x736e_6170;

fn info(client: &mut Client, section: &str) -> BTreeMap<String, String> {
    let text = client.text(&["INFO", section]);
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

#[track_caller]
fn field(client: &mut Client, name: &str) -> String {
    let fields = info(client, "persistence");
    fields.get(name).unwrap_or_else(|| panic!("INFO persistence has {name}")).clone()
}

#[track_caller]
fn number(client: &mut Client, name: &str) -> i64 {
    field(client, name).parse().unwrap()
}

/// BGSAVE, until it is done.
#[track_caller]
fn save(client: &mut Client) {
    assert_eq!(client.text(&["BGSAVE"]), "Background saving started");
    wait_for("the save to end", || number(client, "rdb_bgsave_in_progress") == 0);
    assert_eq!(field(client, "rdb_last_bgsave_status"), "ok");
}

/// Every key of every database: its value and when it expires.
type Contents = BTreeMap<(u32, Vec<u8>), (Vec<u8>, i64)>;

fn contents(client: &mut Client) -> Contents {
    let mut contents = Contents::new();
    for db in 0..16 {
        client.ok(&["SELECT", &db.to_string()]);
        for key in client.array(&["KEYS", "*"]) {
            let key = key.as_bytes().unwrap().to_vec();
            let (value, at) = (client.bulk(&[b"GET", &key[..]]), client.int(&[b"PEXPIRETIME", &key[..]]));
            contents.insert((db, key), (value, at));
        }
        assert_eq!(client.int(&["DBSIZE"]), contents.keys().filter(|key| key.0 == db).count() as i64);
    }
    client.ok(&["SELECT", "0"]);
    contents
}

#[track_caller]
fn assert_same(expected: &Contents, found: &Contents) {
    for (key, value) in expected {
        assert!(found.get(key) == Some(value), "database {} key {}", key.0, key.1.escape_ascii());
    }
    assert_eq!(found.len(), expected.len());
}

/// Strings of many kinds in several databases, some of which expire.
fn fill(client: &mut Client) {
    let mut rng = Rng::new(SEED);
    for db in ["0", "3", "15"] {
        client.ok(&["SELECT", db]);
        for n in 0..200 {
            let value = match n % 5 {
                0 => n.to_string().into_bytes(),
                1 => (rng.below(1 << 40) as i64 - (1 << 39)).to_string().into_bytes(),
                2 => vec![b'a'; rng.below(5000)],
                3 => {
                    let len = rng.below(3000);
                    rng.bytes(len)
                }
                _ => b"the quick brown fox ".repeat(rng.below(20)),
            };
            let key = format!("key:{n}");
            client.ok(&[&b"SET"[..], key.as_bytes(), &value]);
            if rng.one_in(3) {
                let at = 4_102_444_800_000 + rng.below(1_000_000);
                assert_eq!(client.int(&["PEXPIREAT", &key, &at.to_string()]), 1);
            }
        }
    }
    client.ok(&["SELECT", "0"]);
}

fn items(path: &Path) -> Vec<Item> {
    let reader = Reader::new(BufReader::new(File::open(path).unwrap()), crate::rdb::limits());
    reader.map(|item| item.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

fn entries(path: &Path) -> Vec<Entry> {
    items(path)
        .into_iter()
        .filter_map(|item| if let Item::Entry(entry) = item { Some(entry) } else { None })
        .collect()
}

fn text_of(object: &Object<'_>) -> Vec<u8> {
    match object {
        Object::Int(number) => number.to_string().into_bytes(),
        Object::String(bytes) => bytes.to_vec(),
        Object::Collection(value) => panic!("{value:?} is no string"),
    }
}

#[test]
fn redis_loads_what_is_saved_and_what_redis_saves_is_imported() {
    if forgekv_only(REASON) {
        return;
    }
    let Some(oracle) = oracle() else { return };
    let server = Server::with_args(&["--rdb-version", "10"]);
    let mut client = server.connect();
    fill(&mut client);
    // A database that was exchanged and one that was flushed: neither order nor numbers of namespaces are those of databases.
    client.ok(&["SWAPDB", "0", "7"]);
    client.ok(&["SET", "later", "1"]);
    let before = contents(&mut client);
    save(&mut client);

    let (redis_dir, dir) = (new_dir(), new_dir());
    fs::copy(server.dir().join(FILE), redis_dir.join(FILE)).unwrap();
    let redis = oracle.dir(&redis_dir).start();
    let mut redis_client = redis.connect();
    assert_same(&before, &contents(&mut redis_client));
    redis_client.ok(&["SELECT", "3"]);
    assert_eq!(redis_client.text(&["OBJECT", "ENCODING", "key:5"]), "int");

    redis_client.ok(&["SET", "of redis", "2"]);
    let before = contents(&mut redis_client);
    redis_client.ok(&["SAVE"]);
    fs::copy(redis_dir.join(FILE), dir.join(FILE)).unwrap();
    let server = ServerOptions::default().dir(&dir).start();
    let mut client = server.connect();
    assert_same(&before, &contents(&mut client));
    assert_eq!(number(&mut client, "rdb_last_load_keys_loaded"), before.len() as i64);
    drop((server, redis));
    fs::remove_dir_all(dir).unwrap();
    fs::remove_dir_all(redis_dir).unwrap();
}

#[test]
fn the_file_is_as_the_directives_ask() {
    if forgekv_only(REASON) {
        return;
    }
    let args = ["--dbfilename", "other.rdb", "--rdbchecksum", "no", "--enable-protected-configs", "yes"];
    let server = Server::with_args(&args);
    let mut client = server.connect();
    let text = b"again ".repeat(1000);
    client.ok(&[&b"SET"[..], b"k", &text]);
    save(&mut client);
    let compressed = fs::read(server.dir().join("other.rdb")).unwrap();
    assert!(compressed.starts_with(b"REDIS0011") && compressed.ends_with(&[0; 8]) && compressed.len() < 1000);
    assert_eq!(text_of(&entries(&server.dir().join("other.rdb"))[0].object), text);

    client.ok(&["CONFIG", "SET", "rdbcompression", "no", "rdb-version", "12", "dbfilename", "third.rdb"]);
    client.ok(&["SAVE"]);
    let plain = fs::read(server.dir().join("third.rdb")).unwrap();
    assert!(plain.starts_with(b"REDIS0012") && plain.len() > text.len());
    assert_eq!(fs::read(server.dir().join("other.rdb")).unwrap(), compressed, "the old name is left alone");
}

#[test]
fn uses_of_keys_are_saved_for_the_policies_that_look_at_them_and_come_back() {
    if forgekv_only(REASON) || warm_only("a use since the last round is forgotten") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "k", "1"]);
    client.ok(&["SAVE"]);
    let path = server.dir().join(FILE);
    assert_eq!(entries(&path)[0].access, Access::Unknown);
    client.ok(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    client.ok(&["SAVE"]);
    assert!(matches!(entries(&path)[0].access, Access::IdleSeconds(0..60)));

    let server = Server::with_args(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"]);
    let mut client = server.connect();
    client.ok(&["SET", "k", "1"]);
    for _ in 0..50 {
        client.bulk(&["GET", "k"]);
    }
    let used = client.int(&["OBJECT", "FREQ", "k"]);
    assert!(used >= 50);
    client.ok(&["SAVE"]);
    assert_eq!(entries(&server.dir().join(FILE))[0].access, Access::Frequency(used as u8));
    let dir = new_dir();
    fs::copy(server.dir().join(FILE), dir.join(FILE)).unwrap();
    let server = ServerOptions::default().dir(&dir).args(&["--maxmemory-policy", "allkeys-lfu"]).start();
    assert_eq!(server.connect().int(&["OBJECT", "FREQ", "k"]), used);
    drop(server);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_snapshot_is_one_moment_whatever_is_written_meanwhile() {
    if forgekv_only(REASON) {
        return;
    }
    const WRITERS: usize = 3;
    let server = Server::start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                let mut client = server.connect();
                let mut n = 0;
                while !is_over.load(Ordering::Relaxed) {
                    n += 1;
                    let mut argv = vec!["MSET".to_owned()];
                    (0..8).for_each(|key| argv.extend([format!("w{writer}:{key}"), n.to_string()]));
                    client.ok(&argv);
                    // One key that is always the newer: whoever has it has what was written before.
                    client.ok(&["SET", &format!("after{writer}"), &n.to_string()]);
                }
            });
        }
        let mut client = server.connect();
        for _ in 0..10 {
            wait_for("every writer", || client.int(&["EXISTS", "after0", "after1", "after2"]) == 3);
            let acknowledged: Vec<i64> = (0..WRITERS)
                .map(|writer| client.text(&["GET", &format!("after{writer}")]).parse().unwrap())
                .collect();
            save(&mut client);
            let found: BTreeMap<Vec<u8>, i64> = entries(&server.dir().join(FILE))
                .into_iter()
                .map(|entry| (entry.key, String::from_utf8(text_of(&entry.object)).unwrap().parse().unwrap()))
                .collect();
            for (writer, acknowledged) in acknowledged.into_iter().enumerate() {
                let of = |key: String| found[key.as_bytes()];
                let first = of(format!("w{writer}:0"));
                for key in 1..8 {
                    assert_eq!(
                        of(format!("w{writer}:{key}")),
                        first,
                        "MSET is in the file as a whole or not at all"
                    );
                }
                let after = of(format!("after{writer}"));
                assert!(
                    after == first || after + 1 == first,
                    "{after} was written between {first} and the next"
                );
                assert!(after >= acknowledged, "{acknowledged} was acknowledged before the save");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn save_replies_when_the_file_is_there_and_stops_nobody() {
    if forgekv_only(REASON) {
        return;
    }
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ok(&["SET", "k", "1"]);
    let pipe = server.dir().join(TEMPORARY);
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    client.send(&["SAVE"]);
    client.send(&["SET", "k", "2"]);
    wait_for("the save to begin", || number(&mut other, "rdb_bgsave_in_progress") == 1);
    assert_eq!(other.bulk(&["GET", "k"]), b"1", "what comes behind SAVE waits for it");
    for command in [&["SAVE"][..], &["BGSAVE"], &["BGSAVE", "SCHEDULE"]] {
        assert_eq!(other.error(command), "ERR Background save already in progress");
    }
    let log = "Background append only file rewriting scheduled";
    assert_eq!(other.text(&["BGREWRITEAOF"]), log);
    assert_eq!(number(&mut other, "aof_rewrite_scheduled"), 1);
    assert!(number(&mut other, "rdb_current_bgsave_time_sec") >= 0);
    // Somebody reads the pipe. It can't be synced, so there will be no file.
    let mut read = Vec::new();
    File::open(&pipe).unwrap().read_to_end(&mut read).unwrap();
    assert!(read.starts_with(b"REDIS0011"));
    let reply = client.read();
    assert!(reply.as_error().unwrap().starts_with("ERR The file can't be written"), "{reply:?}");
    assert_eq!(client.read(), Value::Simple("OK".into()));
    assert_eq!(field(&mut other, "rdb_last_bgsave_status"), "err");
    assert_eq!(number(&mut other, "rdb_saves"), 0);
    assert!(!server.dir().join(FILE).exists() && !pipe.exists());
    wait_for("the rewrite", || number(&mut other, "aof_rewrites") == 1);

    client.ok(&["SAVE"]);
    assert_eq!(entries(&server.dir().join(FILE)).len(), 1);
    assert_eq!(field(&mut other, "rdb_last_bgsave_status"), "ok");
    // A client that goes while it waits leaves nothing behind.
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    client.send(&["SAVE"]);
    wait_for("the save to begin", || number(&mut other, "rdb_bgsave_in_progress") == 1);
    drop(client);
    drop(File::open(&pipe).unwrap());
    wait_for("the save to end", || number(&mut other, "rdb_bgsave_in_progress") == 0);
    other.ok(&["SAVE"]);
}

#[test]
fn a_crash_during_a_save_leaves_the_old_file() {
    if forgekv_only(REASON) {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    client.ok(&["SET", "k", "old"]);
    client.ok(&["SAVE"]);
    let (path, pipe) = (server.dir().join(FILE), server.dir().join(TEMPORARY));
    let old = fs::read(&path).unwrap();
    client.ok(&["SET", "k", "new"]);
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    client.text(&["BGSAVE"]);
    wait_for("the save to begin", || number(&mut client, "rdb_bgsave_in_progress") == 1);
    server.kill_9();
    assert_eq!(fs::read(&path).unwrap(), old);
    server.restart();
    assert!(!pipe.exists(), "what the save has left is gone");
    let mut client = server.connect();
    assert_eq!(client.bulk(&["GET", "k"]), b"new", "the dataset does not come from the file");
    assert_eq!(fs::read(&path).unwrap(), old);
    client.ok(&["SAVE"]);
    assert_eq!(text_of(&entries(&path)[0].object), b"new");
}

#[test]
fn bgsave_takes_one_option_and_bgrewriteaof_shortens_the_log() {
    if forgekv_only(REASON) || warm_only(CHECKPOINTS) {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.error(&["BGSAVE", "NOW"]), "ERR syntax error");
    assert_eq!(client.error(&["BGSAVE", "SCHEDULE", "SCHEDULE"]), "ERR syntax error");
    assert_eq!(client.text(&["bgsave", "schedule"]), "Background saving started");
    wait_for("the save", || number(&mut client, "rdb_saves") == 1);
    client.ok(&["SET", "k", &"x".repeat(10_000)]);
    let log_bytes =
        |client: &mut Client| info(client, "storage")["log_bytes_since_checkpoint"].parse::<u64>().unwrap();
    wait_for("the log", || log_bytes(&mut client) >= 10_000);
    assert_eq!(client.text(&["BGREWRITEAOF"]), "Background append only file rewriting started");
    wait_for("the rewrite", || number(&mut client, "aof_rewrites") == 1);
    assert!(log_bytes(&mut client) < 10_000);
}

#[test]
fn shutdown_save_writes_the_file_and_nosave_makes_no_checkpoint() {
    if forgekv_only("the server is stopped") || warm_only(CHECKPOINTS) {
        return;
    }
    let mut server = Server::with_args(&["--save", ""]);
    let stop = |server: &mut Server, argv: &[&str]| {
        let mut client = server.connect();
        client.int(&["INCR", "n"]);
        client.send(argv);
        assert_eq!(client.recv_until_closed(), b"", "{argv:?}");
        assert!(server.wait_for_exit().success());
    };
    let path = server.dir().join(FILE);
    stop(&mut server, &["SHUTDOWN", "NOSAVE"]);
    server.restart();
    assert!(server.log().contains("1 records"), "the log is replayed:\n{}", server.log());
    assert!(!path.exists());
    stop(&mut server, &["SHUTDOWN"]);
    server.restart();
    let mut client = server.connect();
    assert_eq!(info(&mut client, "storage")["runs"], "1", "the last checkpoint holds the dataset");
    assert!(!path.exists(), "the dataset needs no file");
    stop(&mut server, &["SHUTDOWN", "SAVE"]);
    assert_eq!(text_of(&entries(&path)[0].object), b"3");
    server.restart();
    assert_eq!(server.connect().bulk(&["GET", "n"]), b"3");
}

#[test]
fn shutdown_save_that_fails_is_refused_unless_it_is_forced() {
    if forgekv_only("the server is stopped") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "k", "1"]);
    fs::create_dir(server.dir().join(FILE)).unwrap();
    assert_eq!(client.error(&["SHUTDOWN", "SAVE"]), "ERR Errors trying to SHUTDOWN. Check logs.");
    assert!(server.is_running());
    assert_eq!(client.text(&["PING"]), "PONG");
    client.send(&["SHUTDOWN", "SAVE", "FORCE"]);
    assert_eq!(client.recv_until_closed(), b"");
    server.wait_for_exit();
    fs::remove_dir(server.dir().join(FILE)).unwrap();
    server.restart();
    assert_eq!(server.connect().bulk(&["GET", "k"]), b"1");
}
