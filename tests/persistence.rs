//! What a restart brings back: everything that was written, as it was, and nothing else.
//!
//! The state that is compared is every key of every database with its bytes, its time of expiry and its encoding.

use std::collections::BTreeMap;

use crate::support::{Client, Rng, Server, forgekv_only, show, wait_for, warm_only};

const REASON: &str = "what is compared is how ForgeKV's log is replayed";
/// Databases that the histories use.
const DATABASES: [&str; 3] = ["0", "1", "9"];

/// Value, time of expiry in unix milliseconds (−1: never), encoding.
type Entry = (Vec<u8>, i64, String);
type State = BTreeMap<(String, Vec<u8>), Entry>;

/// Everything the server holds. Leaves the client in database 0.
#[track_caller]
fn state(client: &mut Client) -> State {
    let mut state = State::new();
    for db in DATABASES {
        client.ok(&["SELECT", db]);
        let keys = client.array(&["KEYS", "*"]);
        assert_eq!(client.int(&["DBSIZE"]), keys.len() as i64, "database {db}");
        for key in keys.iter().map(|key| key.as_bytes().unwrap()) {
            let value = client.bulk(&[b"GET", key]);
            let expires = client.int(&[b"PEXPIRETIME", key]);
            let mut encoding = client.text(&[&b"OBJECT"[..], b"ENCODING", key]);
            // A whole INCRBYFLOAT result is an integer once it is written anew, in Redis as here.
            if encoding == "embstr"
                && std::str::from_utf8(&value).is_ok_and(|text| text.parse::<i64>().is_ok())
            {
                encoding = "int".to_owned();
            }
            state.insert((db.to_owned(), key.to_vec()), (value, expires, encoding));
        }
    }
    client.ok(&["SELECT", "0"]);
    state
}

/// How many records the newest start of the server has replayed.
fn records_replayed(server: &Server) -> usize {
    let log = server.log();
    let line = log.lines().rev().find(|line| line.contains("loaded from the log")).expect("a start says so");
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("records")).expect("it says how many");
    words[at - 1].parse().expect("it is a number")
}

#[track_caller]
fn assert_same(before: &State, after: &State) {
    for (key, entry) in before {
        assert_eq!(after.get(key), Some(entry), "database {} key {}", key.0, key.1.escape_ascii());
    }
    let new: Vec<_> = after.keys().filter(|key| !before.contains_key(*key)).collect();
    assert!(new.is_empty(), "these keys came from nowhere: {new:?}");
}

// ----- random histories -----

/// Writes random commands of every kind that changes strings.
struct History {
    rng: Rng,
    now: i64,
}

impl History {
    fn new(seed: u64) -> Self {
        eprintln!("seed {seed:#x}");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        History { rng: Rng::new(seed), now }
    }

    fn below(&mut self, bound: usize) -> i64 {
        self.rng.below(bound) as i64
    }

    fn value(&mut self) -> Vec<u8> {
        match self.rng.below(8) {
            0..3 => (self.below(2_000_000) - 1_000_000).to_string().into_bytes(),
            3 => Vec::new(),
            4 => vec![b'x'; 44 + self.rng.below(3)],
            5 => vec![b'y'; 2040 + self.rng.below(20)],
            6 => vec![b'z'; 20_000 + self.rng.below(60_000)],
            _ => {
                let len = self.rng.below(30);
                self.rng.bytes(len)
            }
        }
    }

    /// What a word of a form stands for; anything else stands for itself.
    fn word(&mut self, word: &str) -> Vec<u8> {
        let number = match word {
            "KEY" => return format!("k{}", self.below(25)).into_bytes(),
            "VALUE" => return self.value(),
            "DB" => return self.rng.pick(&DATABASES).as_bytes().to_vec(),
            "INT" => self.below(2001) - 1000,
            "FLOAT" => return format!("{}.{}", self.below(200) - 100, self.below(1000)).into_bytes(),
            "INDEX" => self.below(120),
            "OFFSET" => self.below(5000),
            "BIT" => self.below(2),
            // Times are an hour away or more, a few milliseconds from now, or past.
            "SECONDS" => 3600 + self.below(9999),
            "MS" => self.relative_ms(),
            "UNIXMS" => self.now + 3_600_000 + self.below(9_999_999),
            "PAST" => 1 + self.below(1_000_000),
            _ => return word.as_bytes().to_vec(),
        };
        number.to_string().into_bytes()
    }

    fn relative_ms(&mut self) -> i64 {
        if self.rng.one_in(4) { 1 + self.below(3) } else { 3_600_000 + self.below(9_999_999) }
    }

    fn command(&mut self) -> Vec<Vec<u8>> {
        let form = *self.rng.pick(FORMS);
        form.split(' ').map(|word| self.word(word)).collect()
    }

    /// Runs `count` commands, pipelined; their errors are as good as their other replies.
    fn run(&mut self, client: &mut Client, count: usize) {
        for _ in 0..count / 50 {
            let commands: Vec<_> = (0..50).map(|_| self.command()).collect();
            for (argv, reply) in commands.iter().zip(client.pipeline(&commands)) {
                let error = reply.as_error().unwrap_or_default();
                assert!(
                    !error.starts_with("ERR unknown") && !error.contains("wrong number"),
                    "{}: {error}",
                    show(argv)
                );
            }
        }
        self.wait_for_short_lives(client);
    }

    /// Waits until nothing is left that has expired or soon will.
    fn wait_for_short_lives(&self, client: &mut Client) {
        wait_for("keys with short lives to expire", || {
            DATABASES.iter().all(|db| {
                client.ok(&["SELECT", db]);
                let keys = client.array(&["KEYS", "*"]);
                let lasts = |key: &[u8]| matches!(client.int(&[b"PTTL", key]), -1 | 1_800_000..);
                let all_last = keys.iter().map(|key| key.as_bytes().unwrap()).all(lasts);
                all_last && client.int(&["DBSIZE"]) == keys.len() as i64
            })
        });
    }
}

/// Every command that changes strings or keys, with the options that change differently.
const FORMS: &[&str] = &[
    "SET KEY VALUE",
    "SET KEY VALUE",
    "SET KEY VALUE EX SECONDS",
    "SET KEY VALUE PX MS",
    "SET KEY VALUE PXAT UNIXMS NX",
    "SET KEY VALUE PXAT PAST",
    "SET KEY VALUE KEEPTTL",
    "SET KEY VALUE XX GET KEEPTTL",
    "SET KEY VALUE GET",
    "SET KEY VALUE NX GET EX SECONDS",
    "GETSET KEY VALUE",
    "GETDEL KEY",
    "GETEX KEY PX MS",
    "GETEX KEY EX SECONDS",
    "GETEX KEY PXAT PAST",
    "GETEX KEY PERSIST",
    "SETNX KEY VALUE",
    "SETEX KEY SECONDS VALUE",
    "PSETEX KEY MS VALUE",
    "MSET KEY VALUE KEY VALUE KEY VALUE",
    "MSETNX KEY VALUE KEY VALUE",
    "APPEND KEY VALUE",
    "APPEND KEY VALUE",
    "SETRANGE KEY OFFSET VALUE",
    "SETRANGE KEY INDEX x",
    "INCR KEY",
    "DECR KEY",
    "INCRBY KEY INT",
    "DECRBY KEY INT",
    "INCRBYFLOAT KEY FLOAT",
    "SETBIT KEY OFFSET BIT",
    "SETBIT KEY INDEX BIT",
    "BITOP AND KEY KEY KEY",
    "BITOP XOR KEY KEY KEY KEY",
    "BITOP NOT KEY KEY",
    "BITFIELD KEY SET i13 INDEX INT INCRBY u7 #3 INT",
    "BITFIELD KEY OVERFLOW FAIL INCRBY u4 INDEX INT OVERFLOW SAT INCRBY i9 #5 INT GET u8 0",
    "DEL KEY KEY",
    "UNLINK KEY",
    "RENAME KEY KEY",
    "RENAMENX KEY KEY",
    "COPY KEY KEY",
    "COPY KEY KEY DB DB REPLACE",
    "MOVE KEY DB",
    "EXPIRE KEY SECONDS",
    "EXPIRE KEY -1",
    "PEXPIRE KEY MS",
    "PEXPIRE KEY MS GT",
    "PEXPIREAT KEY UNIXMS NX",
    "PEXPIREAT KEY PAST",
    "PERSIST KEY",
    "SELECT DB",
    "SELECT DB",
];

/// Forms that would leave too little to compare if they came as often as the others.
const RARE: &[&str] = &["FLUSHDB", "SWAPDB DB DB"];

fn a_history_survives(seed: u64, args: &[&str], mut end: impl FnMut(&mut Server)) {
    let mut server = Server::with_args(args);
    let mut history = History::new(seed);
    for round in 0..4 {
        let mut client = server.connect();
        for _ in 0..3 {
            let rare: Vec<Vec<u8>> = {
                let form = *history.rng.pick(RARE);
                form.split(' ').map(|word| history.word(word)).collect()
            };
            client.ok(&rare);
            history.run(&mut client, 600);
        }
        let before = state(&mut client);
        assert!(before.len() > 20, "round {round} has something to compare: {} keys", before.len());
        end(&mut server);
        server.restart();
        assert_same(&before, &state(&mut server.connect()));
    }
}

#[test]
fn a_mixed_history_survives_a_clean_restart() {
    if forgekv_only(REASON) {
        return;
    }
    for (seed, mode) in [(0x0b5e_55ed, "always"), (0x7e11_ab1e, "everysecond"), (0xdec0_ded0, "never")] {
        a_history_survives(seed, &["--wal_sync_mode", mode], |server| {
            assert!(server.stop().success(), "SIGTERM is a clean end");
        });
    }
}

#[test]
fn a_mixed_history_survives_kill_9_when_every_write_is_synced() {
    if forgekv_only(REASON) {
        return;
    }
    for seed in [0x5eed_0001, 0x5eed_0002] {
        a_history_survives(seed, &["--wal_sync_mode", "always"], Server::kill_9);
    }
}

// ----- named cases -----

/// A server that syncs every write, filled by `commands`, killed and started again.
fn replayed(commands: &[&str]) -> (Server, Client) {
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    for line in commands {
        let reply = client.cmd(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(reply.as_error(), None, "{line}");
    }
    server.restart();
    let client = server.connect();
    (server, client)
}

#[test]
fn encodings_survive() {
    if forgekv_only(REASON) {
        return;
    }
    let long = "x".repeat(45);
    let (_server, mut client) = replayed(&[
        "SET int 12",
        "SET embstr abc",
        &format!("SET raw {long}"),
        "APPEND appended a",
        "APPEND appended b",
        "SETBIT bits 1 1",
        "SET unchanged 1",
        "SETBIT unchanged 0 0",
        "BITOP OR combined int int",
        "SET counted 5",
        "APPEND counted 0",
        "INCR counted",
        "INCRBYFLOAT float 1.5",
        "COPY appended copied",
    ]);
    for (key, encoding) in [
        ("int", "int"),
        ("embstr", "embstr"),
        ("raw", "raw"),
        ("appended", "raw"),
        ("bits", "raw"),
        ("unchanged", "raw"),
        ("combined", "raw"),
        ("counted", "int"),
        ("float", "embstr"),
        ("copied", "raw"),
    ] {
        assert_eq!(client.text(&["OBJECT", "ENCODING", key]), encoding, "{key}");
    }
    assert_eq!(client.text(&["GET", "counted"]), "51");
}

#[test]
fn relative_expiry_is_the_same_moment_after_a_restart() {
    if forgekv_only(REASON) {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    client.ok(&["SET", "set", "v", "EX", "1000"]);
    client.ok(&["SETEX", "setex", "1000", "v"]);
    client.ok(&["PSETEX", "psetex", "1000000", "v"]);
    client.ok(&["MSET", "getex", "v", "expire", "v", "kept", "1", "cleared", "v"]);
    client.text(&["GETEX", "getex", "EX", "1000"]);
    client.int(&["EXPIRE", "expire", "1000"]);
    client.int(&["EXPIRE", "kept", "1000"]);
    client.text(&["INCRBYFLOAT", "kept", "0.5"]);
    client.ok(&["SET", "kept", "7", "KEEPTTL"]);
    client.int(&["EXPIRE", "cleared", "1000"]);
    client.ok(&["SET", "cleared", "v"]);
    let before = state(&mut client);
    server.restart();
    let mut client = server.connect();
    assert_same(&before, &state(&mut client));
    for key in ["set", "setex", "psetex", "getex", "expire", "kept"] {
        let ttl = client.int(&["PTTL", key]);
        assert!((900_000..=1_000_000).contains(&ttl), "{key} has {ttl} ms left");
    }
    assert_eq!(client.int(&["PTTL", "cleared"]), -1);
}

#[test]
fn keys_that_expired_stay_gone() {
    if forgekv_only(REASON) {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    client.ok(&["SET", "gone", "v", "PX", "1"]);
    client.ok(&["SET", "arrived-late", "v", "PXAT", "1000"]);
    client.ok(&["SET", "down", "v", "PX", "60"]);
    client.ok(&["SET", "stays", "v"]);
    // What was written after a key had expired found no key, and must find none again.
    wait_for("the key to expire", || client.cmd(&["GET", "gone"]).is_null());
    assert_eq!(client.int(&["APPEND", "gone", "new"]), 3);
    assert_eq!(client.int(&["SETNX", "arrived-late", "new"]), 1);
    server.kill_9();
    std::thread::sleep(std::time::Duration::from_millis(70));
    server.restart();
    let mut client = server.connect();
    assert_eq!(
        client.texts(&["MGET", "gone", "arrived-late", "down", "stays"]),
        ["new", "new", "(nil)", "v"]
    );
    wait_for("active expiry", || client.int(&["DBSIZE"]) == 3);
}

#[test]
fn long_words_survive_whatever_they_are_words_of() {
    if forgekv_only(REASON) {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    let text = |letter: &str, len: usize| letter.repeat(len) + "end";
    let (a, b, c) = (text("a", 70_000), text("b", 1_000_000), text("c", 3_000_000));
    client.ok(&["SET", "a", "short"]);
    client.cmd(&["SET", "a", &a, "GET", "EX", "1000"]);
    client.ok(&["MSET", "b", &b, "c", &c]);
    client.int(&["APPEND", "b", &a]);
    client.int(&["RPUSH", "list", &c, "short", &a]);
    client.int(&["HSET", "hash", &a, &b]);
    client.ok(&["MULTI"]);
    client.cmd(&["SET", "d", &b]);
    client.cmd(&["APPEND", "d", "more"]);
    assert_eq!(client.array(&["EXEC"]).len(), 2);
    client.ok(&["EVAL", "return redis.call('SET', KEYS[1], ARGV[1])", "1", "e", &c]);
    let check = |client: &mut Client| {
        assert_eq!(client.text(&["GET", "a"]), a);
        assert_eq!(client.text(&["GET", "b"]), format!("{b}{a}"));
        assert_eq!(client.text(&["GET", "c"]), c);
        assert_eq!(client.text(&["GET", "d"]), format!("{b}more"));
        assert_eq!(client.text(&["GET", "e"]), c);
        assert_eq!(client.texts(&["LRANGE", "list", "0", "-1"]), [c.as_str(), "short", &a]);
        assert_eq!(client.text(&["HGET", "hash", &a]), b);
        assert!(client.int(&["TTL", "a"]) > 900);
    };
    check(&mut client);
    server.kill_9();
    server.restart();
    check(&mut server.connect());
}

#[test]
fn flushall_flushdb_and_swapdb_survive() {
    if forgekv_only(REASON) {
        return;
    }
    let (mut server, mut client) = replayed(&[
        "SET old 1",
        "SELECT 1",
        "SET old 2",
        "FLUSHALL",
        "SET a one",
        "SELECT 9",
        "SET b nine",
        "SELECT 0",
        "SET c zero",
        "SWAPDB 0 9",
        "SET d after",
        "SELECT 1",
        "FLUSHDB",
        "SET e again",
    ]);
    let expected = [("0", "b", "nine"), ("0", "d", "after"), ("1", "e", "again"), ("9", "c", "zero")];
    let check = |client: &mut Client| {
        let state = state(client);
        let found: Vec<_> = state
            .iter()
            .map(|((db, key), (value, ..))| (db.as_str(), key.as_slice(), value.as_slice()))
            .collect();
        assert_eq!(found, expected.map(|(db, key, value)| (db, key.as_bytes(), value.as_bytes())));
    };
    check(&mut client);
    server.restart();
    check(&mut server.connect());
}

#[test]
fn strings_longer_than_a_lowered_limit_survive() {
    if forgekv_only(REASON) {
        return;
    }
    let dir = crate::support::new_dir();
    let start = |limit: &str| {
        let args = ["--wal_sync_mode", "always", "--proto-max-bulk-len", limit];
        crate::support::ServerOptions::default().dir(&dir).args(&args).start()
    };
    let server = start("4mb");
    let mut client = server.connect();
    assert_eq!(client.int(&["SETRANGE", "range", "3000000", "x"]), 3_000_001);
    assert_eq!(client.int(&["APPEND", "range", "y"]), 3_000_002);
    assert_eq!(client.int(&["SETBIT", "bits", "24000000", "1"]), 0);
    drop(server);
    let server = start("1mb");
    let mut client = server.connect();
    assert_eq!(client.int(&["STRLEN", "range"]), 3_000_002);
    assert_eq!(client.int(&["STRLEN", "bits"]), 3_000_001);
    assert!(client.error(&["APPEND", "range", "z"]).contains("proto-max-bulk-len"));
    drop(server);
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn only_what_changes_something_is_logged() {
    if forgekv_only(REASON) || warm_only("it counts the records of a log that rounds would shorten") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    client.ok(&["MSET", "k", "v", "n", "5", "other", "v"]);
    client.int(&["SETBIT", "bits", "7", "1"]);
    let before = state(&mut client);
    for line in [
        "GET k",
        "MGET k n",
        "STRLEN k",
        "GETRANGE k 0 -1",
        "SUBSTR k 0 0",
        "LCS k n",
        "GETBIT k 1",
        "BITCOUNT k",
        "BITPOS k 1",
        "BITFIELD_RO k GET u8 0",
        "EXISTS k",
        "TTL k",
        "TYPE k",
        "KEYS *",
        "SCAN 0",
        "DBSIZE",
        "PING",
        // Writes that find nothing to do.
        "SET k w NX",
        "SET none w XX",
        "SET none w XX GET",
        "SETNX k w",
        "MSETNX none w k w",
        "GETEX k",
        "GETEX k PERSIST",
        "GETEX none EX 100",
        "GETDEL none",
        "SETRANGE none 0 ''",
        "SETRANGE k 9 ''",
        "SETBIT bits 7 1",
        "BITFIELD bits SET u1 7 1 GET u8 0",
        "BITFIELD bits GET u8 0",
        "BITFIELD bits OVERFLOW FAIL INCRBY u1 7 1",
        "BITOP AND none none2 none3",
        "DEL none",
        "UNLINK none",
        "PERSIST k",
        "EXPIRE none 100",
        "EXPIRE k 100 XX",
        "COPY none k",
        "COPY k n",
        "RENAMENX k n",
        // Errors.
        "INCR k",
        "INCRBY n x",
        "SET k v EX 0",
        "SETRANGE k -1 x",
        "SETBIT k 0 2",
        "GETEX k EX 0",
        "RENAME none k",
        "MSET k",
        "BITOP NOT k k k",
        "INCRBYFLOAT k 1",
    ] {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        client.cmd(&words);
    }
    assert_same(&before, &state(&mut client));
    // A clean stop would leave nothing to replay.
    server.kill_9();
    server.restart();
    assert_same(&before, &state(&mut server.connect()));
    assert_eq!(records_replayed(&server), 2, "MSET and the first SETBIT");
}
