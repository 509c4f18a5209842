//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, wait_for};

fn errors(value: &Value) -> String {
    value.as_error().unwrap_or_else(|| panic!("expected an error, got {value:?}"))
}

/// Queues commands and returns what EXEC replies.
fn exec(client: &mut Client, commands: &[&[&str]]) -> Value {
    client.ok(&["MULTI"]);
    for command in commands {
        assert_eq!(client.cmd(command), Value::simple("QUEUED"), "{command:?}");
    }
    client.cmd(&["EXEC"])
}

#[test]
fn queued_commands_are_executed_by_exec_and_not_before() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok(&["MULTI"]);
    assert_eq!(a.cmd(&["SET", "k", "1"]), Value::simple("QUEUED"));
    assert_eq!(a.cmd(&["INCR", "k"]), Value::simple("QUEUED"));
    b.null(&["GET", "k"]);
    assert_eq!(a.cmd(&["EXEC"]).items().unwrap(), [Value::simple("OK"), Value::Int(2)]);
    assert_eq!(b.bulk(&["GET", "k"]), b"2");
    assert_eq!(exec(&mut a, &[]).items().unwrap(), []);
}

#[test]
fn exec_and_discard_need_multi_and_multi_does_not_nest() {
    let server = Server::start();
    let mut c = server.connect();
    assert_eq!(c.error(&["EXEC"]), "ERR EXEC without MULTI");
    assert_eq!(c.error(&["DISCARD"]), "ERR DISCARD without MULTI");
    c.ok(&["MULTI"]);
    assert_eq!(c.error(&["MULTI"]), "ERR MULTI calls can not be nested");
    assert_eq!(c.error(&["WATCH", "k"]), "ERR WATCH inside MULTI is not allowed");
    assert_eq!(c.cmd(&["PING"]), Value::simple("QUEUED"));
    assert_eq!(c.cmd(&["EXEC"]).items().unwrap(), [Value::simple("PONG")], "neither breaks the transaction");
    c.ok(&["MULTI"]);
    c.cmd(&["SET", "k", "1"]);
    c.ok(&["DISCARD"]);
    c.null(&["GET", "k"]);
    assert_eq!(c.error(&["EXEC"]), "ERR EXEC without MULTI");
}

#[test]
fn a_command_that_is_refused_when_it_is_queued_aborts_exec() {
    let server = Server::start();
    let mut c = server.connect();
    let refused: [(&[&str], &str); 4] = [
        (&["NONESUCH"], "ERR unknown command"),
        (&["GET"], "ERR wrong number of arguments for 'get' command"),
        (&["SAVE"], "ERR Command not allowed inside a transaction"),
        (&["CONFIG", "NONESUCH"], "ERR unknown subcommand"),
    ];
    for (command, text) in refused {
        c.ok(&["MULTI"]);
        c.cmd(&["SET", "k", "1"]);
        let error = c.error(command);
        assert!(error.starts_with(text), "{command:?}: {error}");
        assert_eq!(c.cmd(&["SET", "k", "2"]), Value::simple("QUEUED"));
        assert_eq!(c.error(&["EXEC"]), "EXECABORT Transaction discarded because of previous errors.");
        c.null(&["GET", "k"]);
    }
    let text = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
    assert_eq!(c.error(&["EXEC", "x"]), text, "also outside of a transaction");
    c.ok(&["MULTI"]);
    assert_eq!(c.error(&["EXEC", "x"]), text);
    assert_eq!(c.error(&["EXEC"]), "ERR EXEC without MULTI", "it has ended");
}

#[test]
fn a_command_that_fails_inside_exec_stops_nothing() {
    let server = Server::start();
    let mut c = server.connect();
    let replies = exec(&mut c, &[&["SET", "k", "abc"], &["INCR", "k"], &["APPEND", "k", "d"]]);
    let replies = replies.items().unwrap();
    assert_eq!(errors(&replies[1]), "ERR value is not an integer or out of range");
    assert_eq!((&replies[0], &replies[2]), (&Value::simple("OK"), &Value::Int(4)));
    assert_eq!(c.bulk(&["GET", "k"]), b"abcd");
}

#[test]
fn select_and_hello_inside_exec_hold_for_what_follows() {
    let server = Server::start();
    let mut c = server.connect();
    let replies = exec(
        &mut c,
        &[
            &["SET", "k", "zero"],
            &["SELECT", "5"],
            &["SET", "k", "five"],
            &["GET", "k"],
            &["HELLO", "3"],
            &["GET", "none"],
        ],
    );
    let replies = replies.items().unwrap();
    assert_eq!(replies[3], Value::bulk("five"));
    assert!(replies[4].pairs().is_some(), "{replies:?}");
    assert_eq!(replies[5], Value::Null, "in RESP3");
    assert_eq!(c.bulk(&["GET", "k"]), b"five");
    c.ok(&["SELECT", "0"]);
    assert_eq!(c.bulk(&["GET", "k"]), b"zero");
}

#[test]
fn reset_and_quit_end_a_transaction() {
    let server = Server::start();
    let mut c = server.connect();
    c.ok(&["MULTI"]);
    c.cmd(&["SET", "k", "1"]);
    assert_eq!(c.cmd(&["RESET"]), Value::simple("RESET"));
    assert_eq!(c.error(&["EXEC"]), "ERR EXEC without MULTI");
    c.ok(&["MULTI"]);
    c.cmd(&["SET", "k", "1"]);
    c.ok(&["QUIT"]);
    assert!(c.recv_until_closed().is_empty());
    server.connect().null(&["GET", "k"]);
}

/// Watches `key`, lets another client do something, and says whether EXEC then executed.
fn survives(server: &Server, key: &str, change: &[&str]) -> bool {
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok(&["WATCH", key]);
    let reply = b.cmd(change);
    assert!(reply.as_error().is_none(), "{change:?}: {reply:?}");
    !exec(&mut a, &[&["PING"]]).is_null()
}

#[test]
fn every_change_of_a_watched_key_makes_exec_reply_null() {
    let server = Server::start();
    let mut c = server.connect();
    let changes: [&[&str]; 14] = [
        &["SET", "w", "x"],
        &["SET", "w", "1"],
        &["INCR", "w"],
        &["APPEND", "w", "0"],
        &["SETRANGE", "w", "0", "5"],
        &["DEL", "w"],
        &["UNLINK", "w"],
        &["EXPIRE", "w", "1000"],
        &["RENAME", "w", "v"],
        &["RENAME", "other", "w"],
        &["COPY", "other", "w", "REPLACE"],
        &["FLUSHDB"],
        &["FLUSHALL"],
        &["SWAPDB", "0", "1"],
    ];
    for change in changes {
        c.cmd(&["FLUSHALL"]);
        c.ok(&["SET", "w", "1"]);
        c.ok(&["SET", "other", "2"]);
        assert!(!survives(&server, "w", change), "{change:?}");
    }
    c.cmd(&["FLUSHALL"]);
    c.ok(&["SET", "w", "1"]);
    assert!(!survives(&server, "new", &["SET", "new", "1"]), "a key that is created");
    assert!(!survives(&server, "w", &["MOVE", "w", "3"]));
    c.int(&["RPUSH", "l", "a"]);
    assert!(!survives(&server, "l", &["LTRIM", "l", "0", "-1"]), "a trim that takes nothing counts");
}

#[test]
fn what_changes_nothing_of_a_watched_key_lets_exec_run() {
    let server = Server::start();
    let mut c = server.connect();
    c.ok(&["SET", "w", "1"]);
    c.ok(&["SET", "other", "1"]);
    let harmless: [&[&str]; 8] = [
        &["GET", "w"],
        &["SETNX", "w", "2"],
        &["PERSIST", "w"],
        &["SET", "other", "2"],
        &["DEL", "none"],
        &["TOUCH", "w"],
        &["SWAPDB", "7", "8"],
        &["SET", "w2", "1"],
    ];
    for change in harmless {
        assert!(survives(&server, "w", change), "{change:?}");
    }
    let keyless: [&[&str]; 3] = [&["FLUSHDB"], &["FLUSHALL"], &["SWAPDB", "0", "1"]];
    for change in keyless {
        c.cmd(&["FLUSHALL"]);
        c.ok(&["SET", "other", "1"]);
        assert!(survives(&server, "none", change), "{change:?}: there was no key and there is none");
    }
    c.cmd(&["FLUSHALL"]);
    assert!(survives(&server, "w", &["SET", "w", "x", "XX"]), "nothing was set");
}

#[test]
fn a_watched_key_in_another_database_is_another_key() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    b.ok(&["SELECT", "2"]);
    a.ok(&["WATCH", "k"]);
    b.ok(&["SET", "k", "1"]);
    assert!(!exec(&mut a, &[&["PING"]]).is_null());
    a.ok(&["SELECT", "2"]);
    a.ok(&["WATCH", "k"]);
    a.ok(&["SELECT", "0"]);
    b.ok(&["SET", "k", "2"]);
    assert!(exec(&mut a, &[&["PING"]]).is_null());
}

#[test]
fn swapdb_touches_a_watched_key_that_comes_from_the_other_database() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    b.ok(&["SELECT", "1"]);
    b.ok(&["SET", "k", "1"]);
    a.ok(&["WATCH", "k"]);
    b.ok(&["SWAPDB", "0", "1"]);
    assert!(exec(&mut a, &[&["PING"]]).is_null());
    a.ok(&["WATCH", "k"]);
    b.ok(&["SWAPDB", "0", "0"]);
    assert!(!exec(&mut a, &[&["PING"]]).is_null(), "nothing was exchanged");
}

#[test]
fn a_watched_key_that_expires_makes_exec_reply_null() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok(&["SET", "k", "1", "PX", "20"]);
    a.ok(&["WATCH", "k"]);
    a.ok(&["MULTI"]);
    a.cmd(&["PING"]);
    wait_for("the key to expire", || b.int(&["EXISTS", "k"]) == 0);
    assert!(a.cmd(&["EXEC"]).is_null());
    a.ok(&["WATCH", "k"]);
    assert!(!exec(&mut a, &[&["PING"]]).is_null(), "it had expired before it was watched");
}

#[test]
fn a_watched_key_that_expires_unnoticed_makes_exec_reply_null() {
    if forgekv_only("DEBUG SET-ACTIVE-EXPIRE has to be allowed") {
        return;
    }
    let server = Server::with_args(&["--enable-debug-command", "local"]);
    let mut c = server.connect();
    c.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    c.ok(&["SET", "k", "1", "PX", "200"]);
    c.ok(&["WATCH", "k"]);
    let until = std::time::Instant::now() + std::time::Duration::from_millis(210);
    wait_for("the time to pass", || std::time::Instant::now() > until);
    assert!(exec(&mut c, &[&["PING"]]).is_null());
}

#[test]
fn unwatch_discard_and_exec_end_watching() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok(&["WATCH", "k"]);
    b.ok(&["SET", "k", "1"]);
    a.ok(&["UNWATCH"]);
    assert!(!exec(&mut a, &[&["PING"]]).is_null());
    a.ok(&["WATCH", "k"]);
    a.ok(&["MULTI"]);
    b.ok(&["SET", "k", "2"]);
    a.ok(&["DISCARD"]);
    assert!(!exec(&mut a, &[&["PING"]]).is_null());
    a.ok(&["WATCH", "k"]);
    b.ok(&["SET", "k", "3"]);
    assert!(exec(&mut a, &[&["PING"]]).is_null());
    assert!(!exec(&mut a, &[&["PING"]]).is_null());
    a.ok(&["WATCH", "k"]);
    a.ok(&["SET", "k", "4"]);
    assert!(exec(&mut a, &[&["PING"]]).is_null(), "a client's own changes count");
}

#[test]
fn unwatch_is_queued_and_changes_nothing_there() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.ok(&["WATCH", "k"]);
    b.ok(&["SET", "k", "1"]);
    assert!(exec(&mut a, &[&["UNWATCH"], &["PING"]]).is_null());
}

#[test]
fn client_list_shows_transactions_and_watched_keys() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    let id = a.int(&["CLIENT", "ID"]).to_string();
    let mut line = move || b.text(&["CLIENT", "LIST", "ID", &id]);
    assert!(line().contains(" flags=N ") && line().contains(" multi=-1 "), "{}", line());
    a.ok(&["WATCH", "k", "l", "k"]);
    a.ok(&["MULTI"]);
    a.cmd(&["PING"]);
    assert!(line().contains(" flags=x ") && line().contains(" multi=1 "), "{}", line());
    if !forgekv_only("Redis 7.0 does not show watch=") {
        assert!(line().contains(" watch=2 "), "{}", line());
    }
    a.ok(&["DISCARD"]);
    assert!(line().contains(" flags=N ") && line().contains(" multi=-1 "), "{}", line());
}

#[test]
fn replies_can_be_switched_off_for_a_whole_transaction() {
    let server = Server::start();
    let mut c = server.connect();
    c.send(&["CLIENT", "REPLY", "OFF"]);
    c.send(&["MULTI"]);
    c.send(&["SET", "k", "1"]);
    c.send(&["EXEC"]);
    c.ok(&["CLIENT", "REPLY", "ON"]);
    assert_eq!(c.bulk(&["GET", "k"]), b"1");
}

#[test]
fn commands_that_look_at_everything_run_inside_exec() {
    let server = Server::start();
    let mut c = server.connect();
    (0..200).for_each(|n| c.ok(&["SET", &format!("key:{n}"), "v"]));
    let replies = exec(
        &mut c,
        &[
            &["DBSIZE"],
            &["KEYS", "*"],
            &["SCAN", "0", "COUNT", "1000"],
            &["RANDOMKEY"],
            &["INFO"],
            &["MEMORY", "STATS"],
            &["CONFIG", "SET", "maxmemory", "1gb"],
            &["CONFIG", "SET", "maxmemory", "0"],
            &["FLUSHALL"],
            &["SET", "key:1", "w"],
            &["DBSIZE"],
        ],
    );
    let replies = replies.items().unwrap();
    assert_eq!((&replies[0], &replies[10]), (&Value::Int(200), &Value::Int(1)));
    assert_eq!(replies[1].items().unwrap().len(), 200);
    let scanned = replies[2].items().unwrap();
    assert_eq!((&scanned[0], scanned[1].items().unwrap().len()), (&Value::bulk("0"), 200));
    assert!(replies[3].as_bytes().unwrap().starts_with(b"key:"));
    assert!(replies.iter().all(|reply| reply.as_error().is_none()), "{replies:?}");
}

#[test]
fn oom_refuses_what_is_queued_and_exec_says_so() {
    if forgekv_only("maxmemory is set below what another server needs") {
        return;
    }
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    b.ok(&["SET", "big", &"x".repeat(1000)]);
    a.ok(&["MULTI"]);
    a.cmd(&["SET", "k", "1"]);
    b.ok(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(a.error(&["GET", "k"]), "OOM command not allowed when used memory > 'maxmemory'.");
    let text =
        "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(a.error(&["EXEC"]), text);
    a.ok(&["MULTI"]);
    a.ok(&["DISCARD"]);
    b.ok(&["CONFIG", "SET", "maxmemory", "0"]);
}

#[test]
fn the_queue_counts_to_the_query_buffer_limit() {
    if forgekv_only("the limit is a setting of the test's own server") {
        return;
    }
    let server = Server::with_args(&["--client-query-buffer-limit", "1mb"]);
    let mut c = server.connect();
    c.ok(&["MULTI"]);
    let value = "x".repeat(100_000);
    let closed = (0..20).any(|_| c.try_cmd(&["SET", "k", &value]).is_err());
    assert!(closed, "two megabytes were queued");
    server.connect().null(&["GET", "k"]);
}

#[test]
fn a_transaction_is_one_record_in_the_log() {
    if forgekv_only("INFO tells of ForgeKV's own log") {
        return;
    }
    let mut server = ServerOptions::default().args(&["--wal_sync_mode", "always"]).start();
    let mut c = server.connect();
    let lsn = |c: &mut Client| {
        let info = c.text(&["INFO", "everything"]);
        let line = info.lines().find_map(|line| line.strip_prefix("log_last_lsn:")).expect("it is shown");
        line.parse::<u64>().unwrap()
    };
    let before = lsn(&mut c);
    exec(
        &mut c,
        &[
            &["SET", "a", "1"],
            &["SELECT", "1"],
            &["INCR", "a"],
            &["GET", "a"],
            &["SET", "t", "x", "EX", "1000"],
        ],
    );
    assert_eq!(lsn(&mut c), before + 1);
    exec(&mut c, &[&["GET", "a"]]);
    assert_eq!(lsn(&mut c), before + 1, "nothing changed");
    server.restart();
    let mut c = server.connect();
    assert_eq!(c.bulk(&["GET", "a"]), b"1");
    c.ok(&["SELECT", "1"]);
    assert_eq!(c.bulk(&["GET", "a"]), b"1");
    assert!((1..=1000).contains(&c.int(&["TTL", "t"])));
}

#[test]
fn no_increment_is_lost_between_watch_and_exec() {
    if forgekv_only("it is about several workers") {
        return;
    }
    const CLIENTS: usize = 8;
    const TIMES: usize = 150;
    let server = Server::with_args(&["--workers", "4"]);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut c = server.connect();
            scope.spawn(move || {
                let mut done = 0;
                while done < TIMES {
                    c.ok(&["WATCH", "counter"]);
                    let value = c.cmd(&["GET", "counter"]);
                    let value: u64 =
                        value.as_bytes().map_or(0, |text| String::from_utf8_lossy(text).parse().unwrap());
                    if !exec(&mut c, &[&["SET", "counter", &(value + 1).to_string()]]).is_null() {
                        done += 1;
                    }
                }
            });
        }
    });
    let mut c = server.connect();
    assert_eq!(c.text(&["GET", "counter"]), (CLIENTS * TIMES).to_string());
    let info = c.text(&["INFO", "clients"]);
    assert!(info.contains("total_watched_keys:0"), "nobody watches any more: {info}");
}

#[test]
fn nobody_sees_half_a_transaction() {
    if forgekv_only("it is about several workers") {
        return;
    }
    let server = Server::with_args(&["--workers", "4"]);
    let mut setup = server.connect();
    setup.ok(&["MSET", "a", "500", "b", "500", "c", "500", "d", "500"]);
    let names = ["a", "b", "c", "d"];
    std::thread::scope(|scope| {
        for seed in 0..4usize {
            let mut c = server.connect();
            scope.spawn(move || {
                for n in 0..300 {
                    let (from, to) = (names[(seed + n) % 4], names[(seed + n * 3 + 1) % 4]);
                    exec(&mut c, &[&["DECRBY", from, "7"], &["INCRBY", to, "7"]]);
                }
            });
        }
        let mut c = server.connect();
        scope.spawn(move || {
            for _ in 0..500 {
                let values = c.texts(&["MGET", "a", "b", "c", "d"]);
                let sum: i64 = values.iter().map(|value| value.parse::<i64>().unwrap()).sum();
                assert_eq!(sum, 2000, "{values:?}");
            }
        });
    });
}

#[test]
fn a_client_that_leaves_takes_its_watches_along() {
    let server = Server::start();
    let mut b = server.connect();
    {
        let mut a = server.connect();
        a.ok(&["WATCH", "k1", "k2"]);
        a.ok(&["MULTI"]);
        a.cmd(&["SET", "k1", "1"]);
    }
    if forgekv_only("Redis 7.0 does not tell how many keys are watched") {
        return;
    }
    wait_for("the watches to go", || b.text(&["INFO", "clients"]).contains("total_watched_keys:0"));
    b.null(&["GET", "k1"]);
}
