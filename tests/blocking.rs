//! Commands that wait for keys: when they are served, by whom, and how a wait ends otherwise.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, Value, forgekv_only, wait_for, warm_only};

const QUIET: Duration = Duration::from_millis(60);

/// The id of a connection.
fn id(client: &mut Client) -> String {
    client.int(&["CLIENT", "ID"]).to_string()
}

/// Sends a command that waits, and returns when the server says that it does.
fn block(client: &mut Client, watcher: &mut Client, command: &[&str]) {
    let id = id(client);
    client.send(command);
    wait_for("the client to wait", || flags(watcher, &id).contains('b'));
}

/// The flags that CLIENT LIST shows of a client; empty when there is none.
fn flags(client: &mut Client, id: &str) -> String {
    let line = client.text(&["CLIENT", "LIST", "ID", id]);
    let flags = line.split(' ').find_map(|field| field.strip_prefix("flags="));
    flags.unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.items().unwrap_or_else(|| panic!("expected an array, got {value:?}"));
    items.iter().map(|item| String::from_utf8_lossy(item.as_bytes().unwrap()).into_owned()).collect()
}

fn info(client: &mut Client, field: &str) -> i64 {
    let text = client.text(&["INFO", "clients"]);
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("{field} is missing")).parse().unwrap()
}

#[test]
fn a_push_serves_the_client_that_waits_before_anybody_else_sees_it() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    let replies = b.pipeline(&[vec!["RPUSH", "l", "x", "y"], vec!["LLEN", "l"]]);
    assert_eq!(replies, [Value::Int(2), Value::Int(1)]);
    assert_eq!(texts(&a.read()), ["l", "x"]);
    assert_eq!(a.cmd(&["PING"]), Value::simple("PONG"));
}

#[test]
fn clients_are_served_in_the_order_in_which_they_came() {
    let server = Server::start();
    let mut waiting: Vec<Client> = (0..5).map(|_| server.connect()).collect();
    let mut c = server.connect();
    for client in &mut waiting {
        block(client, &mut c, &["BLPOP", "l", "0"]);
    }
    assert_eq!(c.int(&["RPUSH", "l", "0", "1", "2"]), 3);
    c.int(&["RPUSH", "l", "3"]);
    c.int(&["RPUSH", "l", "4", "5"]);
    for (n, client) in waiting.iter_mut().enumerate() {
        assert_eq!(texts(&client.read()), ["l", &n.to_string()]);
    }
    assert_eq!(c.texts(&["LRANGE", "l", "0", "-1"]), ["5"]);
}

#[test]
fn the_first_of_several_keys_that_gets_something_serves_the_client() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    block(&mut a, &mut b, &["BRPOP", "k1", "k2", "k3", "k2", "0"]);
    b.int(&["RPUSH", "k2", "x", "y"]);
    assert_eq!(texts(&a.read()), ["k2", "y"]);
    b.int(&["RPUSH", "k1", "z"]);
    b.int(&["RPUSH", "k3", "z"]);
    assert_eq!((b.int(&["LLEN", "k1"]), b.int(&["LLEN", "k3"])), (1, 1), "a client is served once");
    wait_for("the lines to be left", || info(&mut b, "total_blocking_keys") == 0);
}

#[test]
fn what_a_transaction_leaves_behind_is_served_when_it_is_over() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    b.ok(&["MULTI"]);
    let queued: [&[&str]; 4] =
        [&["RPUSH", "l", "x"], &["LLEN", "l"], &["DEL", "l"], &["RPUSH", "l", "y", "z"]];
    queued.iter().for_each(|command| assert_eq!(b.cmd(command), Value::simple("QUEUED")));
    let replies = b.cmd(&["EXEC"]);
    assert_eq!(replies.items().unwrap(), [Value::Int(1), Value::Int(1), Value::Int(1), Value::Int(2)]);
    assert_eq!(texts(&a.read()), ["l", "y"]);
    block(&mut a, &mut b, &["BLPOP", "gone", "0"]);
    b.ok(&["MULTI"]);
    b.cmd(&["RPUSH", "gone", "x"]);
    b.cmd(&["DEL", "gone"]);
    b.cmd(&["EXEC"]);
    a.expect_silence(QUIET);
    b.int(&["RPUSH", "gone", "now"]);
    assert_eq!(texts(&a.read()), ["gone", "now"]);
}

#[test]
fn inside_a_transaction_nobody_waits() {
    let server = Server::start();
    let mut c = server.connect();
    c.int(&["RPUSH", "l", "x"]);
    c.ok(&["MULTI"]);
    let queued: [&[&str]; 4] = [
        &["BLPOP", "l", "0"],
        &["BLPOP", "l", "0"],
        &["BLMOVE", "l", "m", "LEFT", "LEFT", "0"],
        &["WAIT", "1", "0"],
    ];
    queued.iter().for_each(|command| assert_eq!(c.cmd(command), Value::simple("QUEUED"), "{command:?}"));
    let replies = c.cmd(&["EXEC"]);
    let replies = replies.items().unwrap();
    assert_eq!(texts(&replies[0]), ["l", "x"]);
    assert!(replies[1].is_null() && replies[2].is_null(), "{replies:?}");
    assert_eq!(replies[3], Value::Int(0));
}

#[test]
fn a_value_of_another_type_serves_nobody() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    b.ok(&["SET", "l", "string"]);
    a.expect_silence(QUIET);
    b.int(&["DEL", "l"]);
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(texts(&a.read()), ["l", "x"]);
    b.ok(&["SET", "l", "string"]);
    assert!(a.error(&["BLPOP", "l", "0"]).starts_with("WRONGTYPE"), "at once it is an error");
}

#[test]
fn a_key_that_comes_by_another_name_or_database_serves() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    for (n, command) in
        [&["RENAME", "src", "l"][..], &["COPY", "src", "l"], &["MOVE", "l", "0"], &["SWAPDB", "0", "9"]]
            .iter()
            .enumerate()
    {
        b.cmd(&["FLUSHALL"]);
        block(&mut a, &mut b, &["BLPOP", "l", "0"]);
        let (db, key) = if n < 2 { ("0", "src") } else { ("9", "l") };
        b.ok(&["SELECT", db]);
        b.int(&["RPUSH", key, &n.to_string()]);
        let reply = b.cmd(command);
        assert!(reply.as_error().is_none(), "{command:?}: {reply:?}");
        assert_eq!(texts(&a.read()), ["l", &n.to_string()], "{command:?}");
        b.ok(&["SELECT", "0"]);
    }
}

#[test]
fn blmove_moves_without_anybody_between_and_wakes_who_waits_for_the_destination() {
    let server = Server::start();
    let (mut a, mut b, mut c) = (server.connect(), server.connect(), server.connect());
    let mut d = server.connect();
    block(&mut a, &mut d, &["BLMOVE", "one", "two", "LEFT", "RIGHT", "0"]);
    block(&mut b, &mut d, &["BLMOVE", "two", "three", "LEFT", "RIGHT", "0"]);
    block(&mut c, &mut d, &["BLPOP", "three", "0"]);
    d.int(&["RPUSH", "one", "x"]);
    assert_eq!(a.read(), Value::bulk("x"));
    assert_eq!(b.read(), Value::bulk("x"));
    assert_eq!(texts(&c.read()), ["three", "x"]);
    assert_eq!(d.int(&["EXISTS", "one", "two", "three"]), 0);
}

#[test]
fn blmove_to_a_key_of_another_type_is_an_error_when_it_is_served() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    b.ok(&["SET", "string", "x"]);
    block(&mut a, &mut b, &["BLMOVE", "l", "string", "LEFT", "RIGHT", "0"]);
    b.int(&["RPUSH", "l", "x"]);
    let reply = a.read();
    assert!(reply.as_error().is_some_and(|error| error.starts_with("WRONGTYPE")), "{reply:?}");
    assert_eq!(b.int(&["LLEN", "l"]), 1, "nothing was taken");
}

/// Runs a test with every sorted set as a listpack, then as a skiplist: with two clients that wait, and one that does not.
fn each_zset_encoding(test: impl Fn(&mut Client, &mut Client, &mut Client)) {
    for entries in ["128", "0"] {
        let server = Server::start();
        let mut c = server.connect();
        c.ok(&["CONFIG", "SET", "zset-max-listpack-entries", entries]);
        test(&mut server.connect(), &mut server.connect(), &mut c);
        c.ok(&["CONFIG", "SET", "zset-max-listpack-entries", "128"]);
    }
}

#[test]
fn a_zadd_serves_those_who_wait_for_the_least_and_the_greatest() {
    each_zset_encoding(|a, b, c| {
        block(a, c, &["BZPOPMIN", "none", "z", "0"]);
        block(b, c, &["BZPOPMAX", "z", "0"]);
        let replies = c.pipeline(&[vec!["ZADD", "z", "2", "x", "1", "w", "3", "y"], vec!["ZCARD", "z"]]);
        assert_eq!(replies, [Value::Int(3), Value::Int(1)]);
        assert_eq!(texts(&a.read()), ["z", "w", "1"]);
        assert_eq!(texts(&b.read()), ["z", "y", "3"]);
        assert_eq!(c.texts(&["ZRANGE", "z", "0", "-1", "WITHSCORES"]), ["x", "2"]);
    });
}

#[test]
fn bzmpop_takes_as_many_as_it_wants_of_what_came() {
    each_zset_encoding(|a, b, c| {
        block(a, c, &["BZMPOP", "0", "2", "y", "z", "MAX", "COUNT", "2"]);
        block(b, c, &["BZMPOP", "0", "1", "z", "MIN", "COUNT", "10"]);
        assert_eq!(c.int(&["ZADD", "z", "1", "p", "2", "q", "3", "r"]), 3);
        assert_eq!(format!("{:?}", a.read()), "[\"z\", [[\"r\", \"3\"], [\"q\", \"2\"]]]");
        assert_eq!(format!("{:?}", b.read()), "[\"z\", [[\"p\", \"1\"]]]");
        assert_eq!(c.int(&["EXISTS", "z"]), 0);
    });
}

#[test]
fn whatever_makes_a_sorted_set_serves_those_who_wait_for_one() {
    let server = Server::start();
    let (mut a, mut c) = (server.connect(), server.connect());
    c.int(&["ZADD", "from", "1", "x"]);
    c.int(&["GEOADD", "map", "13.361389", "38.115556", "x"]);
    let makers: [&[&str]; 8] = [
        &["ZINCRBY", "z", "1", "x"],
        &["ZUNIONSTORE", "z", "1", "from"],
        &["ZINTERSTORE", "z", "1", "from"],
        &["ZDIFFSTORE", "z", "1", "from"],
        &["ZRANGESTORE", "z", "from", "0", "-1"],
        &["GEOADD", "z", "1", "1", "x"],
        &["GEOSEARCHSTORE", "z", "map", "FROMMEMBER", "x", "BYRADIUS", "1", "m"],
        &["GEORADIUSBYMEMBER", "map", "x", "1", "m", "STORE", "z"],
    ];
    for maker in makers {
        block(&mut a, &mut c, &["BZPOPMIN", "z", "0"]);
        c.cmd(maker);
        assert_eq!(texts(&a.read())[..2], ["z", "x"], "{maker:?}");
        assert_eq!(c.int(&["EXISTS", "z"]), 0, "{maker:?}");
    }
}

#[test]
fn a_wait_for_a_sorted_set_is_not_served_by_another_type_and_ends_with_its_time() {
    let server = Server::start();
    let (mut a, mut c) = (server.connect(), server.connect());
    a.hello(3);
    block(&mut a, &mut c, &["BZPOPMIN", "z", "0"]);
    c.int(&["RPUSH", "z", "x"]);
    a.expect_silence(QUIET);
    c.int(&["DEL", "z"]);
    c.int(&["ZADD", "z", "1.5", "x"]);
    assert_eq!(format!("{:?}", a.read()), "[\"z\", \"x\", ,1.5]");
    let began = Instant::now();
    assert_eq!(a.cmd(&["BZMPOP", "0.05", "1", "z", "MIN"]), Value::Null);
    assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
    for line in ["BZPOPMAX z 0.01", "BLPOP z 0.01", "BLMOVE z l LEFT LEFT 0.01", "BRPOPLPUSH z l 0.01"] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(c.cmd(&words), Value::NullArray, "{line}");
    }
}

#[test]
fn what_waiting_clients_popped_stays_popped_after_a_crash() {
    if forgekv_only("the server is killed and started again") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let (mut a, mut b, mut c) = (server.connect(), server.connect(), server.connect());
    block(&mut a, &mut c, &["BZPOPMAX", "z", "0"]);
    block(&mut b, &mut c, &["BZMPOP", "0", "1", "z", "MIN", "COUNT", "2"]);
    c.int(&["ZADD", "z", "1", "p", "2", "q", "3", "r", "0.1", "s"]);
    assert_eq!(texts(&a.read())[..2], ["z", "r"]);
    assert_eq!(format!("{:?}", b.read()), "[\"z\", [[\"s\", \"0.1\"], [\"p\", \"1\"]]]");
    server.kill_9();
    server.restart();
    let left = server.connect().texts(&["ZRANGE", "z", "0", "-1", "WITHSCORES"]);
    assert_eq!(left, ["q", "2"]);
}

#[test]
fn a_wait_ends_when_its_time_is_over_and_not_before() {
    let server = Server::start();
    let mut c = server.connect();
    for (command, ms) in
        [(["BLPOP", "l", "0.05"], 50), (["BLPOP", "l", "0.001"], 1), (["BRPOP", "l", "0.12"], 120)]
    {
        let began = Instant::now();
        assert!(c.cmd(&command).is_null());
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(ms), "{command:?} took {took:?}");
        // Generous: other tests share the machine.
        assert!(took < Duration::from_millis(ms + 250), "{command:?} took {took:?}");
    }
    assert_eq!(c.error(&["BLPOP", "l", "-1"]), "ERR timeout is negative");
    assert_eq!(c.error(&["BLPOP", "l", "x"]), "ERR timeout is not a float or out of range");
    assert_eq!(info(&mut c, "blocked_clients"), 0);
    c.int(&["RPUSH", "l", "x"]);
    assert_eq!(c.int(&["LLEN", "l"]), 1, "nobody waits any more");
}

#[test]
fn what_is_pipelined_behind_a_command_that_waits_is_executed_after_it() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    let id = id(&mut a);
    a.send(&["BLPOP", "l", "0"]);
    a.send(&["SET", "k", "1"]);
    wait_for("the client to wait", || flags(&mut b, &id).contains('b'));
    a.send(&["INCR", "k"]);
    b.null(&["GET", "k"]);
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(texts(&a.read()), ["l", "x"]);
    assert_eq!((a.read(), a.read()), (Value::simple("OK"), Value::Int(2)));
}

#[test]
fn client_unblock_ends_a_wait_as_a_timeout_or_with_an_error() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    let id = id(&mut a);
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", &id]), 0, "it does not wait");
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", "12345678"]), 0);
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", &id]), 1);
    assert!(a.read().is_null());
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", &id, "ERROR"]), 1);
    assert_eq!(a.read().as_error().as_deref(), Some("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    block(&mut a, &mut b, &["BLMOVE", "l", "m", "LEFT", "LEFT", "0"]);
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", &id, "TIMEOUT"]), 1);
    assert!(a.read().is_null());
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(b.int(&["LLEN", "l"]), 1);
}

#[test]
fn a_client_that_leaves_is_not_served() {
    let server = Server::start();
    let mut b = server.connect();
    {
        let mut a = server.connect();
        block(&mut a, &mut b, &["BLPOP", "l", "0"]);
        assert_eq!(info(&mut b, "blocked_clients"), 1);
        // What it has pipelined must not hide that it leaves.
        a.send(&["PING"]);
    }
    wait_for("the server to notice", || info(&mut b, "blocked_clients") == 0);
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(b.int(&["LLEN", "l"]), 1);
    let mut a = server.connect();
    let id = id(&mut a);
    block(&mut a, &mut b, &["BLPOP", "m", "0"]);
    assert_eq!(b.int(&["CLIENT", "KILL", "ID", &id]), 1);
    assert!(a.recv_until_closed().is_empty());
    b.int(&["RPUSH", "m", "x"]);
    assert_eq!(b.int(&["LLEN", "m"]), 1);
}

#[test]
fn replies_to_waiting_clients_can_be_switched_off() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    let id = id(&mut a);
    a.send(&["CLIENT", "REPLY", "SKIP"]);
    a.send(&["BLPOP", "l", "0"]);
    wait_for("the client to wait", || flags(&mut b, &id).contains('b'));
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(a.cmd(&["PING"]), Value::simple("PONG"), "the reply before it was skipped");
    assert_eq!(b.int(&["LLEN", "l"]), 0);
}

#[test]
fn resp3_clients_are_told_of_nothing_with_its_own_null() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    a.hello(3);
    assert_eq!(a.cmd(&["BLPOP", "l", "0.01"]), Value::Null);
    block(&mut a, &mut b, &["BLPOP", "l", "0"]);
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(texts(&a.read()), ["l", "x"]);
}

#[test]
fn wait_without_replicas_ends_with_its_time() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    assert_eq!(a.int(&["WAIT", "0", "0"]), 0);
    let began = Instant::now();
    assert_eq!(a.int(&["WAIT", "1", "40"]), 0);
    assert!(began.elapsed() >= Duration::from_millis(40));
    assert_eq!(a.error(&["WAIT", "x", "0"]), "ERR value is not an integer or out of range");
    assert_eq!(a.error(&["WAIT", "1", "x"]), "ERR timeout is not an integer or out of range");
    assert_eq!(a.error(&["WAIT", "1", "-1"]), "ERR timeout is negative");
    let id = id(&mut a);
    block(&mut a, &mut b, &["WAIT", "1", "0"]);
    assert_eq!(b.int(&["CLIENT", "UNBLOCK", &id]), 1);
    assert_eq!(a.read(), Value::Int(0));
}

#[test]
fn waitaof_tells_when_the_log_is_durable() {
    if forgekv_only("WAITAOF is of 7.2") || warm_only("rounds sync the log in every mode") {
        return;
    }
    let server = Server::with_args(&["--wal_sync_mode", "everysecond"]);
    let mut c = server.connect();
    let pair =
        |reply: Value| reply.items().unwrap().iter().map(|item| item.as_int().unwrap()).collect::<Vec<_>>();
    assert_eq!(pair(c.cmd(&["WAITAOF", "1", "0", "0"])), [1, 0], "it has written nothing");
    c.ok(&["SET", "k", "v"]);
    assert_eq!(pair(c.cmd(&["WAITAOF", "1", "0", "0"])), [1, 0]);
    assert_eq!(pair(c.cmd(&["WAITAOF", "0", "1", "10"])), [1, 0]);
    assert_eq!(c.error(&["WAITAOF", "2", "0", "0"]), "ERR value is out of range, value must between 0 and 1");
    assert_eq!(c.error(&["WAITAOF", "0", "-1", "0"]), "ERR value is out of range, must be positive");
    c.ok(&["CONFIG", "SET", "wal_sync_mode", "never"]);
    c.ok(&["SET", "k", "w"]);
    assert_eq!(pair(c.cmd(&["WAITAOF", "1", "0", "30"])), [0, 0], "nothing is synced in this mode");
}

#[test]
fn the_time_of_one_wait_does_not_end_the_next() {
    let server = Server::start();
    let (mut a, mut b) = (server.connect(), server.connect());
    let id = id(&mut a);
    a.send(&["BLPOP", "l", "0.3"]);
    a.send(&["BLPOP", "l", "0"]);
    wait_for("the client to wait", || flags(&mut b, &id).contains('b'));
    b.int(&["RPUSH", "l", "x"]);
    assert_eq!(texts(&a.read()), ["l", "x"]);
    std::thread::sleep(Duration::from_millis(400));
    assert!(flags(&mut b, &id).contains('b'), "it may wait for ever");
    b.int(&["RPUSH", "l", "y"]);
    assert_eq!(texts(&a.read()), ["l", "y"]);
}

#[test]
fn every_element_goes_to_exactly_one_client() {
    if forgekv_only("it is about several workers") {
        return;
    }
    const CONSUMERS: usize = 6;
    const PRODUCERS: usize = 3;
    const EACH: usize = 400;
    let server = Server::with_args(&["--workers", "4"]);
    let mut taken = std::thread::scope(|scope| {
        let consumers: Vec<_> = (0..CONSUMERS)
            .map(|n| {
                let mut c = server.connect();
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        // Some give up now and then, and some only move from one list to another.
                        let reply = match n % 3 {
                            0 => c.cmd(&["BLPOP", "q1", "q2", "q3", "0.005"]),
                            1 => c.cmd(&["BRPOP", "q3", "q2", "q1", "0"]),
                            _ => c.cmd(&["BLMOVE", "q2", "q1", "LEFT", "RIGHT", "0.01"]),
                        };
                        if reply.as_bytes() == Some(b"stop") {
                            return taken;
                        }
                        let Some(items) = reply.items() else { continue };
                        let value = String::from_utf8_lossy(items[1].as_bytes().unwrap()).into_owned();
                        if value == "stop" {
                            return taken;
                        }
                        taken.push(value);
                    }
                })
            })
            .collect();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| {
                let mut c = server.connect();
                scope.spawn(move || {
                    for n in 0..EACH {
                        let queue = ["q1", "q2", "q3"][n % 3];
                        c.int(&["RPUSH", queue, &format!("{producer}:{n}")]);
                    }
                })
            })
            .collect();
        producers.into_iter().for_each(|producer| producer.join().unwrap());
        let mut c = server.connect();
        wait_for("the queues to be empty", || c.int(&["EXISTS", "q1", "q2", "q3"]) == 0);
        // Those that only move are stopped when nobody else can take the word from them any more.
        let (movers, takers): (Vec<_>, Vec<_>) =
            consumers.into_iter().enumerate().partition(|(n, _)| n % 3 == 2);
        takers.iter().for_each(|_| _ = c.int(&["RPUSH", "q3", "stop"]));
        let mut taken: Vec<String> =
            takers.into_iter().flat_map(|(_, taker)| taker.join().unwrap()).collect();
        // One for each, whoever gets which.
        movers.iter().for_each(|_| _ = c.int(&["RPUSH", "q2", "stop"]));
        movers.into_iter().for_each(|(_, mover)| taken.extend(mover.join().unwrap()));
        taken
    });
    taken.sort();
    let mut expected: Vec<String> =
        (0..PRODUCERS).flat_map(|producer| (0..EACH).map(move |n| format!("{producer}:{n}"))).collect();
    expected.sort();
    assert_eq!(taken, expected);
}

#[test]
fn a_time_that_is_over_is_a_null_array_and_one_that_is_none_an_error() {
    let server = Server::start();
    let mut client = server.connect();
    for line in ["BLMOVE none to LEFT RIGHT 0.01", "BRPOPLPUSH none to 0.01", "BLPOP none 0.01"] {
        assert_eq!(client.cmd(&line.split(' ').collect::<Vec<_>>()), Value::NullArray, "{line}");
    }
    for (timeout, error) in
        [("-1e400", "ERR timeout is negative"), ("nan", "ERR timeout is not a float or out of range")]
    {
        assert_eq!(client.error(&["BLPOP", "none", timeout]), error);
    }
}
