//! kill -9 under load, again and again: what a client was told must be there afterwards.
//!
//! Each writer numbers its writes and keeps a ledger of what was acknowledged. After the kill the server starts again, and
//! for each writer the recovered values must be a prefix of what it sent (D1) that reaches as far as its mode promises.
//! `FORGEKV_CRASH_ROUNDS` sets the rounds per mode.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::Client;
use crate::support::Rng;
use crate::support::Server;
use crate::support::Value;
use crate::support::forgekv_only;

mod tiered;

const WRITERS: usize = 3;
/// What `everysecond` and `never` may lose when the process dies: what the log thread has not written yet (3 ms), and
/// as much again as a busy machine may keep that thread from running.
const GRACE: Duration = Duration::from_millis(150);

/// Per writer: the last number that was acknowledged, and when.
struct Ledger {
    acknowledged: Vec<(u64, Instant)>,
    sent: u64,
}

fn rounds() -> usize {
    std::env::var("FORGEKV_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4)
}

/// Writes batches `SET w<writer>:<n> <n>` and `INCR c<writer>` until the connection dies.
fn write_until_dead(mut client: Client, writer: usize, first: u64, stop: &AtomicBool) -> Ledger {
    let mut ledger = Ledger { acknowledged: Vec::new(), sent: first };
    while !stop.load(Ordering::Relaxed) {
        let batch = 8;
        for n_sent in ledger.sent + 1..=ledger.sent + batch {
            let n = n_sent.to_string();
            let key = format!("w{writer}:{n}");
            let set = crate::support::encode(&["SET", &key, &n]);
            let incr = crate::support::encode(&["INCR", &format!("c{writer}")]);
            if client.try_send_raw(&[set, incr].concat()).is_err() {
                // What was sent of the batch may have arrived.
                ledger.sent = n_sent;
                return ledger;
            }
        }
        let from = ledger.sent;
        ledger.sent += batch;
        for n in from + 1..=ledger.sent {
            for wanted in [Value::simple("OK"), Value::Int(n as i64)] {
                match client.try_read() {
                    Ok(reply) => assert_eq!(reply, wanted, "writer {writer}, number {n}"),
                    Err(_) => return ledger,
                }
            }
            ledger.acknowledged.push((n, Instant::now()));
        }
    }
    ledger
}

/// The highest number that a writer has in the recovered server; everything below must be there too.
fn recovered(client: &mut Client, writer: usize, sent: u64) -> u64 {
    let counter = client.cmd(&["GET".to_owned(), format!("c{writer}")]);
    let counter: u64 = counter.as_bytes().map_or(0, |text| String::from_utf8_lossy(text).parse().unwrap());
    let keys: Vec<Vec<String>> =
        (1..=sent).map(|n| vec!["GET".to_owned(), format!("w{writer}:{n}")]).collect();
    let values = client.pipeline(&keys);
    let present = values.iter().take_while(|value| !value.is_null()).count() as u64;
    for (n, value) in (1..=sent).zip(&values) {
        assert_eq!(
            !value.is_null(),
            n <= present,
            "writer {writer}: {n} of {sent} breaks the prefix of {present}"
        );
        assert!(value.is_null() || *value == Value::bulk(n.to_string()), "writer {writer}: {n} is {value:?}");
    }
    // SET n comes right before the INCR to n, so the prefix may end between the two.
    assert!(
        counter == present || counter + 1 == present,
        "writer {writer}: counter {counter}, keys {present}"
    );
    present
}

fn kill_rounds(mode: &str) {
    if forgekv_only("kills its own server") {
        return;
    }
    let seed = std::env::var("FORGEKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    eprintln!("FORGEKV_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut server = Server::with_args(&["--wal_sync_mode", mode, "--workers", "2", "--wal_segment_mb", "1"]);
    let mut last = [0u64; WRITERS];
    for round in 0..rounds() {
        let stop = AtomicBool::new(false);
        let lifetime = Duration::from_millis(20 + rng.below(150) as u64);
        let (ledgers, killed) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (client, first, stop) = (server.connect(), last[writer], &stop);
                    scope.spawn(move || write_until_dead(client, writer, first, stop))
                })
                .collect();
            std::thread::sleep(lifetime);
            let killed = Instant::now();
            server.kill_9();
            stop.store(true, Ordering::Relaxed);
            (writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>(), killed)
        });
        server.restart();
        let mut client = server.connect();
        for (writer, ledger) in ledgers.iter().enumerate() {
            let present = recovered(&mut client, writer, ledger.sent);
            let promised = ledger
                .acknowledged
                .iter()
                .rev()
                .find(|(_, at)| mode == "always" || *at + GRACE < killed)
                .map_or(last[writer], |(n, _)| *n);
            assert!(
                present >= promised,
                "{mode}, round {round}, writer {writer}: {present} of {promised} promised"
            );
            // The writer goes on from what is there; the counter may be one behind.
            client.cmd(&["SET".to_owned(), format!("c{writer}"), present.to_string()]);
            last[writer] = present;
        }
    }
}

#[test]
fn kill_9_loses_nothing_acknowledged_in_always() {
    kill_rounds("always");
}

#[test]
fn kill_9_loses_at_most_milliseconds_in_everysecond() {
    kill_rounds("everysecond");
}

#[test]
fn kill_9_loses_at_most_milliseconds_in_never() {
    kill_rounds("never");
}

#[test]
fn a_flipped_bit_in_the_log_is_reported_and_never_served() {
    if forgekv_only("damages its own files") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    for n in 0..50 {
        client.ok(&["SET", &format!("key{n}"), &"v".repeat(100)]);
    }
    assert!(server.stop().success());
    let log = largest_file(server.dir());
    let clean = std::fs::read(&log).unwrap();
    let mut rng = Rng::new(5);
    for _ in 0..8 {
        let mut damaged = clean.clone();
        // A clean stop made everything durable, so damage anywhere is damage below the mark (D2).
        let at = rng.below(damaged.len());
        damaged[at] ^= 1 << rng.below(8);
        std::fs::write(&log, &damaged).unwrap();
        let said = crate::support::ServerOptions::default().dir(server.dir()).start_expecting_failure();
        assert!(said.to_lowercase().contains("corrupt") || said.contains("damage"), "bit at {at}: {said}");
    }
    std::fs::write(&log, &clean).unwrap();
    server.restart();
    assert_eq!(server.connect().text(&["GET", "key49"]), "v".repeat(100));
}

fn largest_file(dir: &std::path::Path) -> std::path::PathBuf {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                dirs.push(entry.path());
            } else if entry.file_name() != "server.log" {
                files.push((metadata.len(), entry.path()));
            }
        }
    }
    files.into_iter().max().unwrap().1
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers_by_itself() {
    if forgekv_only("fills its own file system") {
        return;
    }
    let dir = crate::support::new_dir();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
        .arg(&dir)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!(
            "skipped: mounting a small file system needs root; storage/tests/fault.rs has the same on a simulator"
        );
        return;
    }
    let options =
        crate::support::ServerOptions::default().dir(&dir).args(&["--wal_sync_mode", "everysecond"]);
    let mut server = options.start();
    let mut client = server.connect();
    let ballast = dir.join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    client.ok(&["SET", "early", "write"]);
    let value = "x".repeat(10_000);
    let mut refused = String::new();
    let mut accepted = 0;
    crate::support::wait_for("a full disk", || {
        match client.cmd(&["SET", &format!("key{accepted}"), &value]) {
            Value::Error(text) => refused = String::from_utf8_lossy(&text).into_owned(),
            _ => accepted += 1,
        }
        !refused.is_empty()
    });
    assert!(refused.starts_with("MISCONF"), "{refused}");
    assert_eq!(client.text(&["GET", "early"]), "write");
    std::fs::remove_file(&ballast).unwrap();
    crate::support::wait_for("room again", || client.cmd(&["SET", "late", "write"]) == Value::simple("OK"));
    assert!(server.stop().success());
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.text(&["GET", "late"]), "write");
    for n in 0..accepted {
        assert_eq!(client.text(&["GET", &format!("key{n}")]), value, "key{n} was acknowledged");
    }
    server.kill_9();
    drop(server);
    let unmounted = std::process::Command::new("umount").arg(&dir).status().unwrap().success();
    assert!(unmounted);
    std::fs::remove_dir_all(dir).unwrap();
}
