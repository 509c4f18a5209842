//! The whole of it on a simulated disk: commands of every type on the real keyspace, with rounds, compaction and keys that leave RAM
//! in between, in single steps; a crash at any operation of the disk; and what comes back against a model.
//!
//! The model is a second keyspace without log and disk that executes the same commands. As commands take effect one after the other,
//! each with one record, what a crash leaves must be the model at exactly the record that the recovery ends with (D1), and that
//! must not lie before what was durable. So must every reply be the model's, wherever a key is (E1, E2), and DBSIZE and SCAN (S).
//! A round that fails (EIO, ENOSPC) shows in none of it (C2).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use storage::engine::Steps;
use storage::fs::sim::{Lie, Sim};
use storage::log::Step;
use storage::{Status, SyncMode, compaction};

use super::*;
use crate::client::{Client, ClientId, ClientInfo, Endpoint};
use crate::commands::replay::Replay;
use crate::commands::{Outcome, functions};
use crate::config::{self, Invocation};
use crate::resp::{Argv, Output, Span};
use crate::store::UnixMs;
use crate::store::checkpoint::stepped::{Progress, Stepped};
use crate::store::keyspace::LogHealth;

mod big;
mod full_log;
mod hostile;
mod words;

const DIR: &str = "/data";
const DATABASES: u32 = 2;
/// The time at which everything happens.
const NOW: UnixMs = UnixMs(1_700_000_000_000);
/// What a step of a history takes by the clock of compaction, which rests for seconds after a failure.
const STEP: Duration = Duration::from_millis(50);
/// Sessions of a history: each ends with a crash, a kill or the power, and the next one begins with what is left.
const SESSIONS: usize = 4;
/// Histories of a plain run. `FORGEKV_CRASH_ROUNDS` (4 where it is not set) and `FORGEKV_STRESS` multiply it.
const HISTORIES: u64 = 48;

type Words = Vec<Vec<u8>>;

/// What a client asks in one piece, in one database: a command, or MULTI … EXEC.
#[derive(Clone, Debug)]
struct Unit {
    db: u32,
    commands: Vec<Words>,
}

/// A unit that was logged, and the last LSN then.
struct Logged {
    unit: Unit,
    lsn: u64,
}

/// A keyspace and one client of it.
struct Machine {
    state: Arc<ServerState>,
    executor: Executor,
    client: Client,
    /// How often a command released its locks and came again.
    waits: u32,
}

impl Machine {
    fn new(recovery: &Recovery) -> Self {
        let words = ["--databases", "2", "--enable-debug-command", "yes"];
        let invoked = config::from_args(words.map(OsString::from), std::io::empty());
        let Ok(Invocation::Serve(loaded)) = invoked else { panic!("these are words of a configuration") };
        let (garbage, _) = unbounded();
        // Somebody to be woken, who does not listen: what a request waits for happens at once.
        let (seats, _) = seats(1).expect("there are descriptors left");
        let state = Arc::new(build_state(loaded.config, recovery, &seats, garbage));
        // Far more than there is: what leaves RAM leaves it because it is told to.
        state.keyspace.set_budget(1 << 40);
        let endpoint =
            Endpoint { peer: String::new(), local: String::new(), fd: -1, is_unix: false, is_local: true };
        let info = Arc::new(ClientInfo::new(ClientId(1), endpoint, NOW, 0));
        let random = Random::new(recovery.identity().dataset_id);
        let mut executor = Executor::with_random(state.clone(), random);
        executor.begin_round_at(NOW);
        Machine { state, executor, client: Client::new(info, true), waits: 0 }
    }

    fn open(&self) {
        self.state.loading.store(false, Ordering::Release);
    }

    /// Executes one command, if it can be executed now.
    fn attempt(&mut self, words: &[Vec<u8>], out: &mut Output) -> Outcome {
        let (mut buffer, mut spans) = (Vec::new(), Vec::new());
        for word in words {
            spans.push(Span::new(buffer.len(), buffer.len() + word.len()));
            buffer.extend_from_slice(word);
        }
        self.executor.begin_turn();
        let request = self.executor.look_up(Argv::new(&buffer, &spans));
        let outcome = self.executor.execute(&mut self.client, request, out);
        self.executor.end_turn();
        outcome
    }

    /// Executes one command; its reply as it would be sent.
    fn ask(&mut self, words: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Output::default();
        for _ in 0..50 {
            match self.attempt(words, &mut out) {
                Outcome::Done { .. } => return out.take(),
                // Before there are threads for the disk, whoever asks reads.
                Outcome::AwaitDisk => self.waits += 1,
                other => panic!("{other:?} for {}", show(words)),
            }
        }
        panic!("{} never had its keys", show(words));
    }

    fn text(&mut self, words: &str) -> String {
        let words: Words = words.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.ask(&words).escape_ascii().to_string()
    }

    fn select(&mut self, db: u32) {
        assert_eq!(self.text(&format!("SELECT {db}")), "+OK\\r\\n");
    }

    fn do_unit(&mut self, unit: &Unit) -> Vec<Vec<u8>> {
        self.select(unit.db);
        let last_words = LastWords(unit);
        let replies = unit.commands.iter().map(|words| self.ask(words)).collect();
        drop(last_words);
        replies
    }

    /// All that the dataset is, as clients see it.
    fn dataset(&mut self) -> BTreeMap<(u32, String), String> {
        let mut dataset = BTreeMap::new();
        for db in 0..DATABASES {
            self.select(db);
            let (mut cursor, mut found) = ("0".to_owned(), BTreeSet::new());
            loop {
                let reply = self.text(&format!("SCAN {cursor} COUNT 3"));
                let parts: Vec<&str> = reply.split("\\r\\n").collect();
                cursor = parts[2].to_owned();
                for name in parts[4..].iter().skip(1).step_by(2).filter(|name| !name.is_empty()) {
                    assert!(found.insert((*name).to_owned()), "SCAN shows {name} twice");
                }
                if cursor == "0" {
                    break;
                }
            }
            assert_eq!(self.text("DBSIZE"), format!(":{}\\r\\n", found.len()), "DBSIZE");
            for name in found {
                let facts = ["DEBUG DIGEST-VALUE", "PEXPIRETIME", "OBJECT ENCODING", "TYPE"];
                let facts = facts.map(|words| self.text(&format!("{words} {name}")));
                // HPEXPIREAT of fields that are not there makes a listpackex and changes nothing, so it is not logged. What
                // INCRBYFLOAT leaves is logged as a SET, as by Redis, and that makes an integer of what looks like one.
                let facts = facts.concat().replace("$10\\r\\nlistpackex", "$8\\r\\nlistpack");
                let facts = facts.replace("$3\\r\\nint", "$6\\r\\nembstr");
                // LINSERT and LSET that find no place may have made a quicklist before they looked, as in Redis.
                let facts = facts.replace("$9\\r\\nquicklist", "$8\\r\\nlistpack");
                dataset.insert((db, name), facts);
            }
        }
        dataset
    }
}

fn show(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// Tells what was being executed when something panicked.
struct LastWords<'a>(&'a Unit);

impl Drop for LastWords<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!(
                "while {:?} was executed",
                self.0.commands.iter().map(|words| show(words)).collect::<Vec<_>>()
            );
        }
    }
}

/// How often things have happened, so that a test knows that they have.
#[derive(Debug, Default)]
struct Happened {
    committed: u64,
    failed: u64,
    refused: u64,
    cold_commands: u64,
    compactions: u64,
    crashes: u64,
    lost: u64,
}

/// What a history did, step by step, a digest each: the same for the same seed.
#[derive(Debug, Default)]
struct Trace(Vec<u64>);

impl Trace {
    fn note(&mut self, what: impl Hash) {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        self.0.push(hasher.finish());
    }
}

struct History {
    sim: Sim,
    /// The clock of compaction.
    now: Instant,
    random: Random,
    mode: SyncMode,
    logged: Vec<Logged>,
    happened: Happened,
    trace: Trace,
}

fn options(sync_mode: SyncMode) -> storage::Options {
    let shape = compaction::picker::Options {
        level0_runs: 2,
        base_bytes: 3000,
        run_bytes: 1500,
        ..Default::default()
    };
    storage::Options {
        sync_mode,
        segment_bytes: 4000,
        manifest_bytes: 800,
        compaction: compaction::pool::Options { shape, bytes_per_second_min: u64::MAX, ..Default::default() },
        ..storage::Options::default()
    }
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mode = [SyncMode::Always, SyncMode::EverySecond, SyncMode::Never][random.below(3)];
        History {
            sim: Sim::new(seed),
            now: Instant::now(),
            random,
            mode,
            logged: Vec::new(),
            happened: Happened::default(),
            trace: Trace::default(),
        }
    }

    fn run(&mut self) {
        let mut promised = 0;
        for session in 0..SESSIONS {
            println!("  session {session}");
            promised = self.session(promised);
        }
        self.sim.kill();
        let (mut machine, steps, mut model) = self.recover(promised);
        self.check(&mut machine, &mut model);
        drop(steps);
    }

    /// Opens what there is; it ends with the effect of exactly one record, not before `promised`.
    fn recover(&mut self, promised: u64) -> (Machine, Steps, Machine) {
        let recovery = Engine::recover(Arc::new(self.sim.clone()), Path::new(DIR), options(self.mode));
        let mut recovery = recovery.expect("the dataset opens");
        let (machine, mut model) = (Machine::new(&recovery), Machine::new(&recovery));
        model.open();
        machine.state.keyspace.adopt(recovery.version().clone()).expect("the image can be used");
        functions::recover(&machine.state).expect("the libraries can be read");
        let mut replay = Replay::new(&machine.state, NOW);
        let mut complaint = None;
        let report = recovery.replay(|record| {
            if let Err(what) = replay.apply(record.payload) {
                complaint.get_or_insert(format!("record {}: {what}", record.lsn.0));
            }
            Ok::<(), storage::Error>(())
        });
        let report = report.expect("the log can be read");
        assert_eq!(complaint, None);
        let last = report.last.0;
        assert!(last >= promised, "record {promised} was durable, and {last} is the last");
        let before = self.logged.len();
        self.logged.retain(|logged| logged.lsn <= last);
        self.happened.lost += (before - self.logged.len()) as u64;
        assert_eq!(
            self.logged.last().map_or(0, |logged| logged.lsn),
            last,
            "a record in the middle of a unit"
        );
        self.logged.iter().for_each(|logged| _ = model.do_unit(&logged.unit));
        machine.state.keyspace.resume(report.epoch);
        let (engine, steps) = recovery.start_stepped(Box::new(|_| {})).expect("the log opens");
        machine.state.keyspace.attach_log(engine);
        machine.open();
        (machine, steps, model)
    }

    /// What clients see of both is the same.
    fn check(&self, machine: &mut Machine, model: &mut Machine) {
        let (found, expected) = (machine.dataset(), model.dataset());
        for (name, facts) in &expected {
            assert_eq!(found.get(name), Some(facts), "{name:?}");
        }
        assert_eq!(found.len(), expected.len(), "{found:?}\n{expected:?}");
    }

    /// A life of the process, up to its end. Returns up to where the log was durable then.
    fn session(&mut self, promised: u64) -> u64 {
        let (mut machine, mut steps, mut model) = self.recover(promised);
        self.check(&mut machine, &mut model);
        let state = machine.state.clone();
        let engine = state.keyspace.log().expect("it was attached");
        self.plan_trouble();
        let (mut round, mut tasks) = (None, Vec::new());
        for _ in 0..100 + self.random.below(500) {
            self.now += STEP;
            match self.random.below(12) {
                0..6 => self.act(&mut machine, &mut model, engine),
                6 | 7 => self.write_log(&mut steps),
                8 => self.cool(&state.keyspace),
                9 => {
                    tasks.extend(steps.compactor.next(self.now));
                    if let Some(task) = tasks.pop() {
                        self.happened.compactions += 1;
                        steps.compactor.run_by(task, || self.now);
                    }
                }
                _ => round = self.advance(round, &state.keyspace, engine),
            }
            self.trace.note((self.sim.operations(), engine.last_lsn().0, engine.durable_lsn().0));
            if engine.status().is_final() || self.sim.crashed() {
                break;
            }
            if self.random.below(60) == 0 {
                self.sim.set_capacity(None);
            }
        }
        let files = self.sim.paths().into_iter().map(|path| (self.sim.contents(&path), path));
        self.trace.note(files.collect::<Vec<_>>());
        self.happened.crashes += u64::from(self.sim.crashed());
        self.sim.set_capacity(None);
        let (durable, written) = (engine.durable_lsn().0, engine.written_lsn().0);
        // A machine that has stopped loses its page cache; a process that ends leaves it behind.
        if self.sim.crashed() || self.random.below(2) == 0 {
            self.sim.power_loss();
            durable
        } else {
            self.sim.kill();
            if engine.status() == Status::Healthy { written } else { durable }
        }
    }

    fn plan_trouble(&mut self) {
        match self.random.below(4) {
            0 => {}
            1 | 2 => self.sim.crash_at(self.random.below(350) as u64),
            _ => {
                for _ in 0..1 + self.random.below(3) {
                    let errno = [Errno::EIO, Errno::ENOSPC][self.random.below(2)];
                    self.sim.fail_at(self.random.below(350) as u64, errno);
                }
            }
        }
    }

    /// A client asks for something, of both.
    fn act(&mut self, machine: &mut Machine, model: &mut Machine, engine: &Engine) {
        let unit = words::unit(&mut self.random);
        let (before, had_cold) = (engine.last_lsn().0, machine.state.keyspace.has_cold());
        let replies = machine.do_unit(&unit);
        self.trace.note(&replies);
        let lsn = engine.last_lsn().0;
        let names: Vec<_> = unit.commands.iter().map(|words| show(words)).collect();
        assert!(lsn <= before + 1, "{names:?} is {} records", lsn - before);
        self.happened.cold_commands += u64::from(had_cold);
        // What the disk refuses has not happened.
        // A script in a transaction is refused inside EXEC's reply.
        let is_refused = |reply: &Vec<u8>| {
            let says = |what: &str| reply.windows(what.len()).any(|part| part == what.as_bytes());
            ["-MISCONF", "-IOERR", "-EXECABORT", "simulated"].into_iter().any(says)
        };
        if lsn == before && replies.iter().any(is_refused) {
            self.happened.refused += 1;
            return;
        }
        // It leaves its count in the key, but not where the log is broken: nobody refuses it then.
        let is_broken = machine.state.keyspace.log_health() != LogHealth::Good;
        if lsn == before && is_broken && unit.commands.iter().any(|words| words[0] == b"PFCOUNT") {
            return;
        }
        let expected = model.do_unit(&unit);
        for ((words, reply), expected) in unit.commands.iter().zip(&replies).zip(&expected) {
            let same = if words[0] == b"SPOP" { reply.len() == expected.len() } else { reply == expected };
            assert!(same, "{}: {} and not {}", show(words), reply.escape_ascii(), expected.escape_ascii());
        }
        if lsn > before {
            self.logged.push(Logged { unit, lsn });
        }
    }

    fn write_log(&mut self, steps: &mut Steps) {
        let wrote = steps.writer.step() == Step::Wrote;
        let syncs = match self.mode {
            SyncMode::Always => wrote,
            SyncMode::EverySecond => self.random.below(4) == 0,
            SyncMode::Never => self.random.below(12) == 0,
        };
        if syncs {
            steps.syncer.sync(false);
        }
    }

    /// What is clean leaves RAM; seldom there is hardly room on the disk from here on.
    fn cool(&mut self, keyspace: &Keyspace) {
        keyspace.drop_clean();
        if self.random.below(40) == 0 {
            let used: usize = self
                .sim
                .paths()
                .iter()
                .filter_map(|path| self.sim.contents(path))
                .map(|file| file.len())
                .sum();
            self.sim.set_capacity(Some((used + self.random.below(6000)) as u64));
        }
    }

    fn advance<'e>(
        &mut self,
        round: Option<Stepped<'e>>,
        keyspace: &'e Keyspace,
        engine: &'e Engine,
    ) -> Option<Stepped<'e>> {
        let Some(mut round) = round.or_else(|| Stepped::begin(keyspace, engine).ok()) else {
            self.happened.failed += 1;
            return None;
        };
        for _ in 0..1 + self.random.below(80) {
            match round.step() {
                Progress::More => {}
                Progress::AwaitsLog => break,
                Progress::Over(was_committed) => {
                    self.happened.committed += u64::from(was_committed);
                    self.happened.failed += u64::from(!was_committed);
                    return None;
                }
            }
        }
        Some(round)
    }
}

fn factor(name: &str, plain: u64) -> u64 {
    std::env::var(name).ok().and_then(|factor| factor.parse().ok()).unwrap_or(plain)
}

#[test]
fn after_a_crash_at_any_operation_of_the_disk_the_dataset_is_that_of_a_prefix_of_the_commands() {
    let histories = HISTORIES * factor("FORGEKV_CRASH_ROUNDS", 4) / 4 * factor("FORGEKV_STRESS", 1);
    let mut sum = Happened::default();
    for seed in 1..=histories {
        println!("seed {seed}");
        let mut history = History::new(seed);
        history.run();
        let Happened { committed, failed, refused, cold_commands, compactions, crashes, lost } =
            history.happened;
        sum.committed += committed;
        sum.failed += failed;
        sum.refused += refused;
        sum.cold_commands += cold_commands;
        sum.compactions += compactions;
        sum.crashes += crashes;
        sum.lost += lost;
    }
    println!("{histories} histories: {sum:?}");
    let all =
        [sum.committed, sum.failed, sum.refused, sum.cold_commands, sum.compactions, sum.crashes, sum.lost];
    assert!(all.iter().all(|&count| count > 0), "something never happened: {sum:?}");
}

#[test]
fn a_disk_that_only_says_it_syncs_is_found_out_by_a_crash() {
    let is_caught = |seed| {
        let mut history = History::new(seed);
        history.sim.lie(Lie::SyncData);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history.run())).is_err()
    };
    assert!((1..=20).any(is_caught), "these histories prove nothing");
}

#[test]
fn a_seed_gives_the_same_history_again() {
    for seed in 1..=6 * factor("FORGEKV_STRESS", 1) {
        let traces = [(); 2].map(|()| {
            let mut history = History::new(seed);
            history.run();
            history.trace.0
        });
        let differs = traces[0].iter().zip(&traces[1]).position(|(first, second)| first != second);
        assert_eq!(differs, None, "seed {seed} goes another way at this of {} steps", traces[0].len());
        assert_eq!(traces[0].len(), traces[1].len(), "seed {seed}");
    }
}
