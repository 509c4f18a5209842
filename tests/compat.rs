//! `make compat`: random command sequences against Redis and the server under test, compared reply by reply.
//!
//! * `grammar` turns a synopsis such as `SET key value { NX ; XX ; EX seconds }` into valid, edge and wrong commands; each
//!   family in `families` is a table of synopses. A new family of commands is one new file there.
//! * `scripts` are the words that are Lua.
//! * `target` runs a sequence on a fresh dataset, then reads the whole state back.
//! * `differences` compares; it holds the one list of differences that are allowed, each with its reason.
//! * `shrink` reduces what differs to a minimal reproduction.
//!
//! Every sequence has its own seed, which is printed with a difference and repeats it. A difference that does not show
//! again when the same sequence is run again is counted as unstable (a millisecond boundary lay between the two
//! servers) and fails the run only when more than one sequence in a thousand does that.
//!
//! Environment: `FORGEKV_COMPAT=1` runs it, `FORGEKV_COMPAT_SEED`, `FORGEKV_COMPAT_SEQUENCES` (20000),
//! `FORGEKV_COMPAT_LENGTH` (15 commands), `FORGEKV_COMPAT_FAMILIES` (names, comma-separated; all),
//! `FORGEKV_COMPAT_WORKERS` (one for each core; worker threads of the server under test),
//! `FORGEKV_COMPAT_PARTIAL=1` (commands the server does not know are left out instead of failing the run),
//! `FORGEKV_REDIS` (the program of the oracle; redis-server).

mod differences;
mod dumps;
mod events;
mod families;
mod grammar;
mod scripts;
mod shrink;
mod target;
mod words;

use crate::support::{Rng, ServerOptions, Value};
use differences::Difference;
use families::{FAMILIES, Family};
use grammar::Grammar;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use target::{Argv, Live, Sequence, Target, Transcript};

/// Distinct differences after which a run stops looking for more.
const MAX_FINDS: usize = 12;
/// Runs in which a difference must show again to count as one.
const CONFIRMATIONS: usize = 3;

/// What a run found.
#[derive(Default)]
struct Report {
    sequences: usize,
    commands: usize,
    unstable: usize,
    finds: Vec<String>,
}

/// Compares `count` sequences of about `length` commands; sequence `i` has the seed `seed + i`.
fn compare(
    oracle: &mut impl Target,
    subject: &mut impl Target,
    grammar: &Grammar,
    (seed, count, length): (u64, usize, usize),
) -> Report {
    let mut report = Report::default();
    let mut seen = BTreeSet::new();
    for index in 0..count as u64 {
        let sequence_seed = seed.wrapping_add(index);
        let sequence = grammar.sequence(&mut Rng::new(sequence_seed), length);
        report.sequences += 1;
        report.commands += sequence.commands.len();
        let Some(first) = difference(oracle, subject, &sequence) else { continue };
        if !seen.insert(first.signature()) {
            continue;
        }
        if !(0..CONFIRMATIONS).all(|_| difference(oracle, subject, &sequence).is_some()) {
            seen.remove(&first.signature());
            report.unstable += 1;
            eprintln!("did not show again, with seed {sequence_seed}:\n{first}");
            continue;
        }
        let fails = |candidate: &Sequence| {
            difference(oracle, subject, candidate).is_some_and(|found| found.signature() == first.signature())
        };
        let minimal = shrink::minimise(sequence, fails);
        let shown = difference(oracle, subject, &minimal).unwrap_or(first);
        report.finds.push(format!(
            "{minimal}{shown}  repeat with FORGEKV_COMPAT_SEED={sequence_seed} FORGEKV_COMPAT_SEQUENCES=1"
        ));
        if report.finds.len() >= MAX_FINDS {
            break;
        }
    }
    report
}

fn difference(
    oracle: &mut impl Target,
    subject: &mut impl Target,
    sequence: &Sequence,
) -> Option<Difference> {
    let expected = oracle.run(sequence);
    let actual = subject.run(sequence);
    differences::first(&expected, &actual)
}

impl Report {
    /// Panics with everything that was found.
    fn assert_clean(&self, seed: u64) {
        let mut text = String::new();
        for (number, find) in self.finds.iter().enumerate() {
            let _ = writeln!(text, "--- difference {}\n{find}", number + 1);
        }
        let summary = format!(
            "{} sequences, {} commands, {} differences, {} unstable; seed {seed}",
            self.sequences,
            self.commands,
            self.finds.len(),
            self.unstable
        );
        eprintln!("{summary}");
        assert!(self.finds.is_empty(), "{summary}\n{text}");
        assert!(self.unstable <= 1 + self.sequences / 1000, "too many unstable replies: {summary}");
    }
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

fn oracle_program() -> String {
    std::env::var("FORGEKV_REDIS").unwrap_or_else(|_| "redis-server".to_owned())
}

fn redis() -> ServerOptions {
    ServerOptions::default().program(oracle_program()).args(&["--save", ""])
}

/// The server under test; a Redis in its place (to test this test) must not save at every FLUSHALL.
fn subject() -> ServerOptions {
    let is_redis = std::env::var("FORGEKV_BIN").is_ok_and(|path| path.contains("redis"));
    let workers = std::env::var("FORGEKV_COMPAT_WORKERS").map(|count| vec!["--workers".to_owned(), count]);
    let own = if is_redis { vec!["--save".to_owned(), String::new()] } else { workers.unwrap_or_default() };
    ServerOptions::default().args(&own)
}

fn enabled() -> bool {
    let enabled = std::env::var_os("FORGEKV_COMPAT").is_some_and(|value| value == "1");
    if !enabled {
        eprintln!("skipped: needs redis-server; run `make compat`");
    }
    enabled
}

/// The families chosen, without the commands that the subject does not know.
fn known_grammar(subject: &mut Live) -> Grammar {
    let chosen = std::env::var("FORGEKV_COMPAT_FAMILIES").unwrap_or_default();
    let is_chosen = |family: &&Family| chosen.is_empty() || chosen.split(',').any(|name| name == family.name);
    let families: Vec<&Family> = FAMILIES.iter().copied().filter(is_chosen).collect();
    let mut unknown = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for family in &families {
        for name in family.command_names() {
            // A name that nobody knows is in the tables on purpose.
            if !name.starts_with("NOSUCH") && !subject.knows(&name) {
                unknown.insert(name.clone());
                if family.required {
                    missing.insert(name);
                }
            }
        }
    }
    if !unknown.is_empty() {
        eprintln!("not compared, the server does not know them: {unknown:?}");
    }
    let partial = std::env::var_os("FORGEKV_COMPAT_PARTIAL").is_some();
    assert!(partial || missing.is_empty(), "commands that must exist are unknown: {missing:?}");
    Grammar::new(&families, |name| !unknown.contains(name))
}

#[test]
fn random_sequences_are_answered_as_redis_answers_them() {
    if !enabled() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let seed = setting("FORGEKV_COMPAT_SEED", now.as_nanos() as u64 >> 10);
    let count = setting("FORGEKV_COMPAT_SEQUENCES", 20_000) as usize;
    let length = setting("FORGEKV_COMPAT_LENGTH", 15) as usize;
    let mut oracle = Live::new(redis().start());
    let mut subject = Live::new(subject().start());
    let grammar = known_grammar(&mut subject);
    compare(&mut oracle, &mut subject, &grammar, (seed, count, length)).assert_clean(seed);
}

/// A model of three commands, with a fault to find.
struct Toy {
    forgets_appends_after: Option<usize>,
}

impl Target for Toy {
    fn run(&mut self, sequence: &Sequence) -> Transcript {
        let mut values: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut answer = |argv: &Argv| match argv.as_slice() {
            [name, key, value] if name.eq_ignore_ascii_case(b"SET") => {
                values.insert(key.clone(), value.clone());
                Value::simple("OK")
            }
            [name, key, value] if name.eq_ignore_ascii_case(b"APPEND") => {
                let stored = values.entry(key.clone()).or_default();
                if self.forgets_appends_after.is_none_or(|limit| stored.len() <= limit) {
                    stored.extend_from_slice(value);
                }
                Value::simple("OK")
            }
            [name, key] if name.eq_ignore_ascii_case(b"GET") => {
                values.get(key).map_or(Value::NullBulk, Value::bulk)
            }
            _ => Value::simple("another command"),
        };
        let steps = sequence.commands.iter().map(|argv| (argv.clone(), answer(argv))).collect();
        Transcript { steps, broken: None }
    }
}

#[test]
fn a_planted_difference_between_models_is_found_and_minimal() {
    let grammar = Grammar::new(&[&families::strings::FAMILY], |_| true);
    let sound = || Toy { forgets_appends_after: None };
    let clean = compare(&mut sound(), &mut sound(), &grammar, (1, 500, 15));
    assert_eq!((clean.sequences, clean.finds.len(), clean.unstable), (500, 0, 0));
    let mut faulty = Toy { forgets_appends_after: Some(4) };
    let report = compare(&mut sound(), &mut faulty, &grammar, (1, 500, 40));
    assert_eq!(report.finds.len(), 1, "{:?}", report.finds);
    let lines: Vec<&str> = report.finds[0].lines().filter(|line| line.starts_with("  > ")).collect();
    assert_eq!(lines.len(), 4, "HELLO, a write, an APPEND and a GET are enough: {lines:?}");
}

#[test]
fn a_planted_difference_between_live_servers_is_found() {
    if !enabled() {
        return;
    }
    let mut oracle = Live::new(redis().start());
    let mut subject = Live::new(redis().start());
    let grammar = Grammar::new(&[&families::strings::FAMILY], |_| true);
    let (seed, count) = (1, 300);
    assert!(compare(&mut oracle, &mut subject, &grammar, (seed, count, 15)).finds.is_empty());
    subject.tamper = Some(|argv, reply| {
        if argv[0].eq_ignore_ascii_case(b"APPEND") && reply.as_int().is_some_and(|len| len > 40) {
            *reply = Value::Int(0);
        }
    });
    let report = compare(&mut oracle, &mut subject, &grammar, (seed, count, 15));
    assert_eq!(report.finds.len(), 1, "{:?}", report.finds);
    let find = &report.finds[0];
    let commands = find.lines().filter(|line| line.starts_with("  > ")).count();
    assert!((1..=3).contains(&commands) && find.to_lowercase().contains("append"), "{find}");
}
