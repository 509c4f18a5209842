//! Values that random commands have made, dumped by each server and restored by the other.
//!
//! * What one server dumps the other takes, and what it dumps again is, for the first, the same value: `DEBUG DIGEST-VALUE`
//!   of both is compared on one server, because 7.0 writes scores with more digits into a digest than 7.2 does.
//! * Where no score has a fraction the digests of both servers are the same as well. So are the groups of a stream.

use super::families::{self, Family};
use super::grammar::Grammar;
use super::target::{Live, Target};
use super::words::DATABASES;
use super::{enabled, redis, setting, subject};
use crate::support::{Client, Rng, Value};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// The families that make values. Each sequence is of one of them, so that its keys get full.
const MAKERS: [&Family; 6] = [
    &families::strings::FAMILY,
    &families::lists::FAMILY,
    &families::sets::FAMILY,
    &families::hashes::FAMILY,
    &families::zsets::FAMILY,
    &families::streams::FAMILY,
];
const AWAY: &[u8] = b"restored from the other server";

/// A key's type and encoding.
type Kind = (String, String);

fn kind(client: &mut Client, key: &[u8]) -> Kind {
    (client.text(&[b"TYPE", key]), client.text(&[&b"OBJECT"[..], b"ENCODING", key]))
}

fn digest(client: &mut Client, key: &[u8]) -> String {
    client.texts(&[&b"DEBUG"[..], b"DIGEST-VALUE", key]).remove(0)
}

/// Restores under another name, without a time to live, what `payload` says.
fn restore(client: &mut Client, payload: &[u8], context: &str) {
    let reply = client.cmd(&[&b"RESTORE"[..], AWAY, b"0", payload, b"REPLACE"]);
    assert_eq!(reply, Value::simple("OK"), "{context}");
}

/// Whether a key is a sorted set with a score whose text is like that.
fn has_score(client: &mut Client, key: &[u8], kind: &Kind, is_it: impl Fn(&[u8]) -> bool) -> bool {
    if kind.0 != "zset" {
        return false;
    }
    let scores = client.array(&[&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"]);
    scores.iter().skip(1).step_by(2).any(|score| score.as_bytes().is_none_or(&is_it))
}

/// Takes every key of the selected database from `home` to `away` and back; notes what kinds there were.
fn exchange(home: &mut Client, away: &mut Client, met: &mut BTreeSet<Kind>, context: &str) {
    for key in home.array(&["KEYS", "*"]) {
        let key = key.as_bytes().expect("a name is a string").to_vec();
        let context = format!("{context}, key {}", key.escape_ascii());
        if key == AWAY {
            continue;
        }
        // A time to live is no part of a dump, but of a digest.
        home.int(&[b"PERSIST", &key[..]]);
        let Value::Bulk(payload) = home.cmd(&[b"DUMP", &key[..]]) else { continue };
        let here = kind(home, &key);
        // As in Redis, −0 is 0 once a listpack is made of it, and the other server's limits may ask for one.
        if has_score(home, &key, &here, |text| text == b"-0") {
            continue;
        }
        let expected = digest(home, &key);
        restore(away, &payload, &context);
        assert_eq!(away.text(&[b"TYPE", AWAY]), here.0, "{context}");
        if !has_score(home, &key, &here, |text| text.contains(&b'.') || text.len() > 15) {
            assert_eq!(digest(away, AWAY), expected, "{context}, {here:?}");
        }
        let back = away.bulk(&[b"DUMP", AWAY]);
        restore(home, &back, &context);
        assert_eq!(digest(home, AWAY), expected, "{context}, {here:?}, dumped by the other");
        if here.0 == "stream" {
            let groups = |client: &mut Client, key: &[u8]| client.array(&[&b"XINFO"[..], b"GROUPS", key]);
            assert_eq!(groups(home, AWAY), groups(home, &key), "{context}");
        }
        met.insert(here);
    }
    home.cmd(&[b"DEL", AWAY]);
    away.cmd(&[b"DEL", AWAY]);
}

/// Runs what both servers know of a family on one of them.
fn fill(live: &mut Live, grammar: &Grammar, seed: u64, length: usize) {
    let transcript = live.run(&grammar.sequence(&mut Rng::new(seed), length));
    assert!(transcript.broken.is_none(), "seed {seed}: {:?}", transcript.broken);
}

#[test]
fn what_each_server_dumps_the_other_restores_with_the_same_digest() {
    if !enabled() {
        return;
    }
    let debug = ["--enable-debug-command", "yes"];
    let mut oracle = Live::new(redis().args(&debug).start());
    let mut subject = Live::new(subject().args(&debug).args(&["--rdb-version", "10"]).start());
    let grammars: Vec<Grammar> = MAKERS
        .iter()
        .map(|family| {
            let names = family.command_names();
            let both: BTreeSet<_> =
                names.into_iter().filter(|name| oracle.knows(name) && subject.knows(name)).collect();
            Grammar::new(&[family], |name| both.contains(name))
        })
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let first = setting("FORGEKV_COMPAT_SEED", now.as_nanos() as u64 >> 10);
    let length = setting("FORGEKV_COMPAT_LENGTH", 15) as usize;
    let mut met = [BTreeSet::new(), BTreeSet::new()];
    for index in 0..setting("FORGEKV_COMPAT_SEQUENCES", 20_000) / 20 {
        let seed = first.wrapping_add(index);
        let is_from_oracle = index % 2 == 0;
        let home = if is_from_oracle { &mut oracle } else { &mut subject };
        fill(home, &grammars[index as usize / 2 % MAKERS.len()], seed, length);
        let (mut of_oracle, mut of_subject) = (oracle.connect(), subject.connect());
        let (home, away) = match is_from_oracle {
            true => (&mut of_oracle, &mut of_subject),
            false => (&mut of_subject, &mut of_oracle),
        };
        let from = if is_from_oracle { "Redis" } else { "this server" };
        for db in DATABASES {
            home.ok(&["SELECT", &db.to_string()]);
            exchange(
                home,
                away,
                &mut met[usize::from(is_from_oracle)],
                &format!("seed {seed} from {from}, db {db}"),
            );
        }
    }
    eprintln!("dumped by this server: {:?}; by Redis: {:?}; seed {first}", met[0], met[1]);
    assert!(met.iter().all(|kinds| kinds.len() >= 9), "every type and nearly every encoding: {met:?}");
}
