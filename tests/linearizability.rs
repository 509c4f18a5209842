//! Every command, transaction and script takes effect at one moment between its request and its reply, whatever else is going on.
//!
//! Random clients of a server with four workers meet on a few keys, and what each of them saw is held against a model: is
//! there one order of all operations that explains every reply? The first tests here show that the checker finds what
//! it must find and accepts what is only odd. `FORGEKV_STRESS` multiplies the number of histories.

mod checker;
mod history;
mod model;
mod workload;

use std::time::Duration;

use crate::support::{Server, Value, forgekv_only, stress_factor, warm_only};
use checker::check;
use history::{Action, History, Operation, words};

// ----- the checker -----

/// A history from lines of the client, the times of request and reply, what it did, and what came back.
fn history(lines: &[(usize, u64, u64, &str, Value)]) -> History {
    let clients = 1 + lines.iter().map(|line| line.0).max().unwrap();
    let mut history = History { clients: vec![Vec::new(); clients] };
    for (client, sent, done, text, reply) in lines {
        let action = match text.strip_prefix("EXEC ") {
            Some(commands) => Action::Exec(commands.split("; ").map(words).collect()),
            None => Action::Command(words(text)),
        };
        let (sent, done) = (Duration::from_micros(*sent), Duration::from_micros(*done));
        history.clients[*client].push(Operation { action, reply: reply.clone(), sent, done });
    }
    history
}

fn ok() -> Value {
    Value::simple("OK")
}

fn bulk(text: &str) -> Value {
    Value::bulk(text)
}

fn array(items: &[Value]) -> Value {
    Value::Array(items.to_vec())
}

#[track_caller]
fn assert_legal(lines: &[(usize, u64, u64, &str, Value)]) {
    if let Err(complaint) = check(&history(lines)) {
        panic!("{complaint}");
    }
}

#[track_caller]
fn assert_violation(lines: &[(usize, u64, u64, &str, Value)]) {
    let complaint = check(&history(lines)).expect_err("nothing explains this history");
    assert!(complaint.contains("none of these fits"), "{complaint}");
}

#[test]
fn a_stale_read_is_found() {
    assert_violation(&[(0, 0, 10, "SET a 1", ok()), (1, 20, 30, "GET a", Value::NullBulk)]);
    // One has seen the new value, and another after it the old one.
    assert_violation(&[
        (0, 0, 100, "SET a 1", ok()),
        (1, 10, 20, "GET a", bulk("1")),
        (2, 30, 40, "GET a", Value::NullBulk),
    ]);
    // A client's own order holds also for what it sent at once.
    assert_violation(&[(0, 0, 10, "SET a 1", ok()), (0, 0, 10, "GET a", Value::NullBulk)]);
}

#[test]
fn reads_during_a_write_may_see_the_old_or_the_new_value() {
    for seen in [Value::NullBulk, bulk("1")] {
        assert_legal(&[(0, 0, 100, "SET a 1", ok()), (1, 10, 20, "GET a", seen)]);
    }
    // Two overlapping reads may disagree in either direction.
    assert_legal(&[
        (0, 0, 100, "SET a 1", ok()),
        (1, 10, 50, "GET a", bulk("1")),
        (2, 20, 40, "GET a", Value::NullBulk),
    ]);
}

#[test]
fn a_lost_update_is_found() {
    let one = Value::Int(1);
    assert_violation(&[(0, 0, 100, "INCR a", one.clone()), (1, 0, 100, "INCR a", one)]);
    // Both have read 0 and written 1, each sure that nobody came between.
    let exec = |client, sent| (client, sent, 100, "EXEC SET a 1", array(&[ok()]));
    let watch = |client, sent| (client, sent, 100, "WATCH a", ok());
    assert_violation(&[(0, 0, 10, "WATCH a", ok()), (1, 0, 10, "WATCH a", ok()), exec(0, 20), exec(1, 30)]);
    assert_legal(&[watch(0, 0), watch(1, 0), exec(0, 0), exec(1, 0)]);
}

#[test]
fn a_half_visible_transaction_is_found() {
    let both = array(&[bulk("1"), bulk("1")]);
    let half = array(&[bulk("1"), Value::NullBulk]);
    let exec = (0, 0, 100, "EXEC SET a 1; SET b 1", array(&[ok(), ok()]));
    assert_legal(&[exec.clone(), (1, 10, 20, "MGET a b", both)]);
    assert_violation(&[exec.clone(), (1, 10, 20, "MGET a b", half)]);
    // Seen by two reads of single keys, in an order that shows it.
    let new_then_old = [(1, 10, 20, "GET b", bulk("1")), (1, 30, 40, "GET a", Value::NullBulk)];
    assert_violation(&[exec, new_then_old[0].clone(), new_then_old[1].clone()]);
    // Something got between two commands of a transaction.
    assert_violation(&[
        (0, 0, 100, "EXEC INCR a; INCR a", array(&[Value::Int(1), Value::Int(3)])),
        (1, 0, 100, "INCR a", Value::Int(2)),
    ]);
}

#[test]
fn an_element_popped_twice_or_never_is_found() {
    let push = (0, 0, 10, "RPUSH l x", Value::Int(1));
    let pop = |client, command| (client, 20, 90, command, bulk("x"));
    assert_violation(&[push.clone(), pop(1, "LPOP l"), pop(2, "LPOP l")]);
    let waited = |client| (client, 0, 90, "BLPOP m l 1", array(&[bulk("l"), bulk("x")]));
    assert_violation(&[push.clone(), waited(1), waited(2)]);
    assert_violation(&[push.clone(), waited(1), (2, 95, 99, "LLEN l", Value::Int(1))]);
    // Nobody has it, and it is not there.
    assert_violation(&[push.clone(), (1, 20, 30, "LLEN l", Value::Int(0))]);
    assert_violation(&[push.clone(), (1, 20, 90, "BLPOP l 1", Value::NullArray)]);
    // A client that began to wait before the push, though it was told that there was nothing later.
    assert_legal(&[push.clone(), (1, 5, 90, "BLPOP l 1", Value::NullArray)]);
    assert_legal(&[push, waited(1), (2, 5, 99, "LPOP l", Value::NullBulk)]);
}

#[test]
fn a_client_served_from_a_later_key_than_its_first_is_legal() {
    assert_legal(&[
        (0, 0, 90, "BLPOP a b 1", array(&[bulk("b"), bulk("2")])),
        (1, 10, 20, "EXEC RPUSH b 2; RPUSH a 1", array(&[Value::Int(1), Value::Int(1)])),
        (1, 30, 40, "LRANGE a 0 -1", array(&[bulk("1")])),
    ]);
}

#[test]
fn an_element_moves_at_one_moment() {
    let push = (0, 0, 5, "RPUSH a x", Value::Int(1));
    let moved = (0, 10, 100, "LMOVE a b LEFT RIGHT", bulk("x"));
    let lengths = |a, b| (1, 20, 30, "EXEC LLEN a; LLEN b", array(&[Value::Int(a), Value::Int(b)]));
    assert_legal(&[push.clone(), moved.clone(), lengths(1, 0)]);
    assert_legal(&[push.clone(), moved.clone(), lengths(0, 1)]);
    assert_violation(&[push.clone(), moved.clone(), lengths(0, 0)]);
    assert_violation(&[push, moved, lengths(1, 1)]);
}

#[test]
fn exec_runs_exactly_when_what_is_watched_was_not_changed() {
    let watch = (0, 0, 10, "WATCH a", ok());
    let ran = array(&[ok()]);
    let exec = |reply: &Value| (0, 100, 110, "EXEC SET b 1", reply.clone());
    let other = |sent, done, text| (1, sent, done, text, ok());
    assert_violation(&[watch.clone(), other(20, 30, "SET a 1"), exec(&ran)]);
    assert_legal(&[watch.clone(), other(20, 30, "SET a 1"), exec(&Value::NullArray)]);
    assert_violation(&[watch.clone(), other(20, 30, "SET c 1"), exec(&Value::NullArray)]);
    // The change may be before WATCH, or behind EXEC.
    assert_legal(&[watch.clone(), other(5, 30, "SET a 1"), exec(&ran)]);
    assert_legal(&[watch.clone(), other(20, 105, "SET a 1"), exec(&ran)]);
    // One's own changes count, also those that change nothing back.
    assert_legal(&[watch.clone(), (0, 20, 30, "SET a 1", ok()), exec(&Value::NullArray)]);
    // A transaction is watched over once.
    assert_legal(&[
        watch,
        other(20, 30, "SET a 1"),
        exec(&Value::NullArray),
        (0, 120, 130, "EXEC SET b 2", ran),
    ]);
}

// ----- the server -----

fn assert_linearizable(server: &Server, histories: usize) {
    let seed = std::env::var("FORGEKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    let mut clients = workload::connect(|| server.connect());
    let mut operations = 0;
    for number in 0..histories {
        let history = workload::record(&mut clients, seed, number);
        operations += history.len();
        if let Err(complaint) = check(&history) {
            panic!("history {number} of FORGEKV_SEED={seed}: {complaint}");
        }
    }
    eprintln!("{histories} histories of {operations} operations are linearisable");
}

const WORKERS: &[&str] = &["--workers", "4"];

#[test]
fn what_clients_see_of_keys_in_ram_is_linearizable() {
    if forgekv_only("it is about several workers") || warm_only("the next test does that") {
        return;
    }
    let server = Server::with_args(&[WORKERS, &["--wal_sync_mode", "never"]].concat());
    assert_linearizable(&server, 60 * stress_factor());
}

#[test]
fn what_clients_see_of_keys_on_disk_is_linearizable() {
    if forgekv_only("it is about keys that are on the disk only") {
        return;
    }
    let cold = ["--memtable_size_mb", "8", "--enable-debug-command", "local"];
    let server = Server::with_args(&[WORKERS, &cold].concat());
    server.connect().ok(&["DEBUG", "COLD", "1"]);
    assert_linearizable(&server, 60 * stress_factor());
}

#[test]
fn what_clients_see_of_synced_writes_is_linearizable() {
    if forgekv_only("it is about several workers") || warm_only("it is about the log") {
        return;
    }
    let server = Server::with_args(&[WORKERS, &["--wal_sync_mode", "always"]].concat());
    assert_linearizable(&server, 15 * stress_factor());
}
