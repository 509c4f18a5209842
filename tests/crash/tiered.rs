//! kill -9 while keys leave RAM and checkpoints are made back to back: a budget of a megabyte, and a dataset beyond it.
//!
//! Each writer goes through steps `n`: `SET b:n` (kept for good), `SET w:n`, `INCR c`, `DEL w:n-40`. Whatever prefix of that
//! survives, every key says whether it belongs to it, and DBSIZE counts exactly those.

use std::time::{Duration, Instant};

use super::{Ledger, rounds};
use crate::support::{Client, Rng, Server, Value, encode, forgekv_only};

const WRITERS: u64 = 2;
/// What the two other modes may lose: writing the log waits for the disk while a round syncs its run beside it.
const GRACE: Duration = Duration::from_secs(1);
/// Rounds between two FLUSHALLs: every round reads all keys back.
const FLUSH_EVERY: usize = 6;
/// How many `w` keys a writer keeps.
const WINDOW: u64 = 40;

fn value(n: u64) -> String {
    // Long enough that a round has something to write, and different for each step.
    format!("{n}:{}", "x".repeat(200 + (n % 300) as usize))
}

/// The commands of one step.
fn step(writer: u64, n: u64) -> [Vec<String>; 4] {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    [
        words(&["SET", &format!("b{writer}:{n}"), &value(n)]),
        words(&["SET", &format!("w{writer}:{n}"), &value(n)]),
        words(&["INCR", &format!("c{writer}")]),
        words(&["DEL", &format!("w{writer}:{}", n.saturating_sub(WINDOW))]),
    ]
}

fn write_until_dead(mut client: Client, writer: u64, first: u64) -> Ledger {
    let mut ledger = Ledger { acknowledged: Vec::new(), sent: first };
    loop {
        let (from, to) = (ledger.sent + 1, ledger.sent + 8);
        for n in from..=to {
            // Noted before: the server may have it although it dies before the next one is sent.
            ledger.sent = n;
            let bytes: Vec<u8> = step(writer, n).iter().flat_map(|words| encode(words)).collect();
            if client.try_send_raw(&bytes).is_err() {
                return ledger;
            }
        }
        for n in from..=to {
            let deleted = Value::Int(i64::from(n > WINDOW));
            for wanted in [Value::simple("OK"), Value::simple("OK"), Value::Int(n as i64), deleted] {
                match client.try_read() {
                    Ok(reply) => assert_eq!(reply, wanted, "writer {writer}, step {n}"),
                    Err(_) => return ledger,
                }
            }
            ledger.acknowledged.push((n, Instant::now()));
        }
    }
}

/// Checks that what a writer left is a prefix of its commands; returns its last step and how many keys it has.
fn recovered(client: &mut Client, writer: u64, sent: u64) -> (u64, u64) {
    let get = |client: &mut Client, kind: char| -> Vec<Value> {
        let gets: Vec<_> =
            (1..=sent).map(|n| vec!["GET".to_owned(), format!("{kind}{writer}:{n}")]).collect();
        client.pipeline(&gets)
    };
    let (kept, window) = (get(client, 'b'), get(client, 'w'));
    let last = kept.iter().take_while(|value| !value.is_null()).count() as u64;
    let counter = client.cmd(&["GET".to_owned(), format!("c{writer}")]);
    let counter: u64 = counter.as_bytes().map_or(0, |text| String::from_utf8_lossy(text).parse().unwrap());
    let last_w = (1..=sent).filter(|&n| !window[n as usize - 1].is_null()).max().unwrap_or(0);
    assert!(last_w == last || last_w + 1 == last, "writer {writer}: b to {last}, w to {last_w}");
    assert!(counter == last_w || counter + 1 == last_w, "writer {writer}: w to {last_w}, counter {counter}");
    let mut keys = u64::from(counter > 0);
    for n in 1..=sent {
        let (b, w) = (&kept[n as usize - 1], &window[n as usize - 1]);
        let expected = |is_there: bool| if is_there { Value::bulk(value(n)) } else { Value::NullBulk };
        assert_eq!(*b, expected(n <= last), "writer {writer}: b:{n} of {last}");
        // The last DEL may be missing.
        let is_doubtful = n + WINDOW == counter;
        let is_there = if is_doubtful { !w.is_null() } else { n <= last_w && n + WINDOW > counter };
        assert_eq!(*w, expected(is_there), "writer {writer}: w:{n} of {last_w}, counter {counter}");
        keys += u64::from(n <= last) + u64::from(is_there);
    }
    (last, keys)
}

fn kill_rounds(mode: &str) {
    if forgekv_only("kills its own server") {
        return;
    }
    let seed = std::env::var("FORGEKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(23);
    eprintln!("FORGEKV_SEED={seed}");
    let mut rng = Rng::new(seed);
    let mut args = vec!["--wal_sync_mode", mode, "--workers", "2", "--wal_segment_mb", "1"];
    args.extend(["--memtable_size_mb", "1", "--checkpoint_log_mb", "1"]);
    let mut server = Server::with_args(&args);
    let mut last = [0u64; WRITERS as usize];
    for round in 0..rounds() {
        let lifetime = Duration::from_millis(30 + rng.below(400) as u64);
        let (ledgers, killed) = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let (client, first) = (server.connect(), last[writer as usize]);
                    scope.spawn(move || write_until_dead(client, writer, first))
                })
                .collect();
            std::thread::sleep(lifetime);
            let killed = Instant::now();
            server.kill_9();
            (writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>(), killed)
        });
        server.restart();
        let mut client = server.connect();
        let mut keys = 0;
        for (writer, ledger) in ledgers.iter().enumerate() {
            let (present, its_keys) = recovered(&mut client, writer as u64, ledger.sent);
            keys += its_keys;
            let is_promised = |at: Instant| mode == "always" || at + GRACE < killed;
            let promised = ledger.acknowledged.iter().rev().find(|(_, at)| is_promised(*at));
            let promised = promised.map_or(last[writer], |(n, _)| *n);
            assert!(present >= promised, "{mode}, round {round}, writer {writer}: {present} of {promised}");
            last[writer] = present;
        }
        assert_eq!(client.int(&["DBSIZE"]), keys as i64, "{mode}, round {round}");
        if round % FLUSH_EVERY == FLUSH_EVERY - 1 {
            client.ok(&["FLUSHALL"]);
            last = [0; WRITERS as usize];
        }
        for (writer, &present) in last.iter().enumerate() {
            finish_step(&mut client, writer as u64, present);
        }
    }
}

/// Does again what of a writer's last step may be missing.
fn finish_step(client: &mut Client, writer: u64, n: u64) {
    if n > 0 {
        let [set_b, set_w, _, del] = step(writer, n);
        let set_c = vec!["SET".to_owned(), format!("c{writer}"), n.to_string()];
        client.pipeline(&[set_b, set_w, set_c, del]);
    }
}

#[test]
fn kill_9_with_cold_keys_loses_nothing_acknowledged_in_always() {
    kill_rounds("always");
}

#[test]
fn kill_9_with_cold_keys_loses_at_most_a_second_in_everysecond() {
    kill_rounds("everysecond");
}

#[test]
fn kill_9_with_cold_keys_loses_at_most_a_second_in_never() {
    kill_rounds("never");
}
