//! C1, C2 and D1 together: operations, rounds that commit, fail and are given up, and the log, in random interleavings with
//! stale epochs; a crash or an error at every operation of the disk. What is recovered, image and later records, is the
//! effect of exactly a prefix of the log.
//!
//! `FORGEKV_STRESS` multiplies the number of histories.

mod model;
mod world;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use storage::compaction::{picker, pool};
use storage::fs::sim::{Lie, Sim};
use storage::merge::{Entries, Source};
use storage::recovery::Report;
use storage::{Engine, Error, Options, Position, Recovery, Status, SyncMode, Version};

use self::model::{Op, SHARDS, State, content_of, position, value_of};
use self::world::{Rounds, World};
use crate::support::{DIR, Random, Session, Trouble, stress_factor};

/// A fault planted to see that the tests find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    None,
    /// The disk lies.
    Lie(Lie),
    /// An operation reads the epoch before it has its locks.
    EpochBeforeLocks,
    /// A writer does not capture what it overwrites.
    NoPreimage,
    /// The log is made durable up to the round's beginning only.
    NoLogRule,
}

fn options(sync_mode: SyncMode) -> Options {
    let flush_interval = Duration::from_millis(1);
    let shape = picker::Options { level0_runs: 2, base_bytes: 2000, run_bytes: 700, ..Default::default() };
    let compaction = pool::Options { shape, bytes_per_second_min: u64::MAX, ..Default::default() };
    let manifest_bytes = 600;
    Options {
        sync_mode,
        segment_bytes: 1500,
        flush_interval,
        compaction,
        manifest_bytes,
        ..Options::default()
    }
}

/// The dataset that a version's image is.
fn image(version: &Arc<Version>) -> Result<State, Error> {
    let mut state = State::new();
    for (&index, &namespace) in version.databases() {
        state.databases[index as usize] = namespace;
        state.next_namespace = version.next_namespace();
    }
    let mut scan = version.scan(Position::MIN)?;
    while let Some(entry) = scan.entry() {
        let key = (entry.position.namespace, entry.key[0]);
        assert_eq!(entry.position, position(key));
        let value = value_of(&entry.content);
        assert_eq!(version.get(entry.position, entry.key)?, Some(content_of(value)));
        if state.is_live(key.0) {
            value.into_iter().for_each(|value| _ = state.keys.insert(key, value));
        }
        scan.advance()?;
    }
    // The counts are those of the cut, not of some moment near it.
    let facts = state.facts();
    for shard in SHARDS {
        for &(_, namespace) in &facts.databases {
            let told = facts.counts.iter().find(|(part, _)| *part == (namespace, shard as u8));
            let counts = told.map_or_else(Default::default, |(_, counts)| *counts);
            assert_eq!(version.counts(namespace, shard as u8), counts, "the counts of shard {shard}");
        }
    }
    assert_eq!(version.live_keys(), state.keys.len() as u64);
    Ok(state)
}

/// What a start finds: the dataset, and the keys that are newer than the image.
struct Recovered {
    recovery: Recovery,
    state: State,
    dirty: BTreeSet<model::Key>,
    report: Report,
}

fn recover(sim: &Sim, mode: SyncMode) -> Result<Recovered, Error> {
    let mut recovery = Engine::recover(Arc::new(sim.clone()), Path::new(DIR), options(mode))?;
    let mut state = image(recovery.version())?;
    let mut dirty = BTreeSet::new();
    let report = recovery.replay(|record| {
        let op = Op::decode(record.payload);
        dirty.extend(state.touched(op));
        state.apply(op);
        Ok::<(), Error>(())
    })?;
    dirty.retain(|key| state.is_live(key.0));
    Ok(Recovered { recovery, state, dirty, report })
}

struct History {
    seed: u64,
    sim: Sim,
    random: Random,
    mode: SyncMode,
    planted: Planted,
    /// Everything that was ever appended and recovered, in order.
    ops: Vec<Op>,
    /// Records up to here must be recovered if the power fails.
    durable: u64,
    /// Records up to here must be recovered now.
    floor: u64,
    rounds: Rounds,
}

impl History {
    /// Runs the history of `seed`: the number of operations of the disk, and of rounds; or what promise was broken.
    fn run(seed: u64, trouble: Trouble, planted: Planted) -> Result<(u64, Rounds), String> {
        let sim = Sim::new(seed ^ 0xabcd);
        if let Planted::Lie(lie) = planted {
            sim.lie(lie);
        }
        match trouble {
            Trouble::None => {}
            Trouble::Crash(nth) => sim.crash_at(nth),
            Trouble::Fail(nth, errno) => sim.fail_at(nth, errno),
        }
        let mut random = Random(seed);
        let mode = [SyncMode::Always, SyncMode::EverySecond, SyncMode::Never][random.below(3) as usize];
        let (ops, rounds) = (Vec::new(), Rounds::default());
        let mut history = Self { seed, sim, random, mode, planted, ops, durable: 0, floor: 0, rounds };
        for _ in 0..1 + history.random.below(3) {
            history.session()?;
        }
        let operations = history.sim.operations();
        // What was served once is there again, whatever happens in between.
        drop(history.open()?);
        history.sim.power_loss();
        history.floor = history.durable;
        let before = history.ops.len();
        drop(history.open()?);
        history.ensure(history.ops.len() == before, "a second recovery found something else")?;
        Ok((operations, history.rounds))
    }

    /// Opens, works, ends.
    fn session(&mut self) -> Result<(), String> {
        let (mut session, state, dirty, epoch) = self.open()?;
        let announced = session.announced.clone();
        let mut marks = (self.durable, self.floor);
        let mut world = World::new(&mut self.random, self.planted, self.mode, state, epoch, &mut self.ops);
        world.dirty[epoch as usize % 2] = dirty;
        let steps = world.random.below(1500);
        world.run(&session.engine, &mut session.steps, steps, || {
            if let Some(progress) = *announced.lock().unwrap() {
                marks = (marks.0.max(progress.durable.0), marks.1.max(progress.written.0));
            }
        });
        let rounds = world.rounds;
        self.rounds.committed += rounds.committed;
        self.rounds.failed += rounds.failed;
        self.rounds.given_up += rounds.given_up;
        self.rounds.compactions += session.engine.compaction_stats().jobs;
        (self.durable, self.floor) = marks;
        match self.random.below(3) {
            0 if !session.engine.status().is_final() && !self.sim.crashed() => self.close(session),
            _ => self.die(),
        }
    }

    fn close(&mut self, mut session: Session) -> Result<(), String> {
        session.steps.finish();
        if session.engine.status() == Status::Full {
            session.steps.finish();
        }
        if session.engine.status().is_final() || self.sim.crashed() {
            return self.die();
        }
        if let Err(error) = session.engine.close() {
            // The manifest's seal may be what meets the trouble.
            self.ensure(matches!(error, Error::Poisoned { .. }), &error.to_string())?;
            return self.die();
        }
        self.durable = self.ops.len() as u64;
        self.floor = self.durable;
        Ok(())
    }

    /// The end of the process, or of the machine.
    fn die(&mut self) -> Result<(), String> {
        if self.random.one_in(3) {
            self.sim.kill();
        } else {
            self.sim.power_loss();
            self.floor = self.durable;
        }
        if self.random.one_in(3) {
            let nth = self.random.below(40);
            self.sim.crash_at(nth);
        }
        Ok(())
    }

    /// Recovers and checks, as often as trouble demands.
    fn open(&mut self) -> Result<(Session, State, BTreeSet<model::Key>, u64), String> {
        for _ in 0..5 {
            let opened = recover(&self.sim, self.mode).and_then(|found| {
                let Recovered { recovery, state, dirty, report } = found;
                let cut = recovery.version().cut();
                Session::start(recovery).map(|session| (session, state, dirty, report, cut))
            });
            match opened {
                Ok((session, state, dirty, report, cut)) => {
                    self.check(&state, &report)?;
                    self.check_files(&session)?;
                    let epoch = report.epoch.0.max(cut.epoch.0 + 1);
                    return Ok((session, state, dirty, epoch));
                }
                Err(error @ Error::Corrupt { .. }) => return Err(format!("seed {}: {error}", self.seed)),
                Err(_) if self.sim.crashed() => {
                    self.sim.power_loss();
                    self.floor = self.durable;
                }
                // An injected failure while starting: the process would be started again.
                Err(_) => self.sim.kill(),
            }
        }
        Err(format!("seed {}: cannot be opened", self.seed))
    }

    /// C1 and D1: the dataset is the effect of exactly a prefix that holds every promised record.
    fn check(&mut self, state: &State, report: &Report) -> Result<(), String> {
        let n = report.last.0;
        self.ensure(n >= self.floor, &format!("{n} records recovered, {} promised", self.floor))?;
        self.ensure(n <= self.ops.len() as u64, "records recovered that were never appended")?;
        self.ops.truncate(n as usize);
        let mut expected = State::new();
        self.ops.iter().for_each(|&op| expected.apply(op));
        self.ensure(*state == expected, "image and records are not the effect of a prefix")?;
        (self.durable, self.floor) = (n, n);
        Ok(())
    }

    /// After a start there are the runs that the version names, and no others.
    fn check_files(&self, session: &Session) -> Result<(), String> {
        let named: Vec<_> =
            session.engine.version().runs().map(|run| run.reader().path().to_path_buf()).collect();
        let is_run = |path: &&std::path::PathBuf| path.starts_with(Path::new(DIR).join("runs"));
        let paths = self.sim.paths();
        let there: Vec<_> = paths.iter().filter(is_run).collect();
        let right = there.len() == named.len() && there.iter().all(|path| named.contains(path));
        self.ensure(right, &format!("{there:?} are there, {named:?} are named"))
    }

    fn ensure(&self, holds: bool, what: &str) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("seed {} ({:?}): {what}", self.seed, self.mode)) }
    }
}

#[test]
fn whatever_interleaves_the_image_and_later_records_are_a_prefix() {
    let (mut committed, mut failed, mut compactions) = (0, 0, 0);
    for seed in 0..1500 * stress_factor() {
        let (_, rounds) =
            History::run(seed, Trouble::None, Planted::None).unwrap_or_else(|broken| panic!("{broken}"));
        committed += rounds.committed;
        failed += rounds.given_up;
        compactions += rounds.compactions;
    }
    println!("{committed} rounds, {failed} given up, {compactions} compactions");
    assert!(committed > 2500 && failed > 200 && compactions > 1000, "{committed}, {failed}, {compactions}");
}

/// Runs `seed`'s history once undisturbed, then with trouble at every `stride`th operation. The number of runs.
fn trouble_everywhere(
    seed: u64,
    stride: usize,
    planted: Planted,
    trouble: impl Fn(u64) -> Trouble,
) -> Result<u64, String> {
    let (operations, _) = History::run(seed, Trouble::None, planted)?;
    let mut runs = 1;
    for nth in (0..operations).step_by(stride) {
        History::run(seed, trouble(nth), planted).map_err(|e| format!("{:?}: {e}", trouble(nth)))?;
        runs += 1;
    }
    Ok(runs)
}

#[test]
fn a_crash_at_every_operation_leaves_a_prefix_and_whole_rounds() {
    let mut runs = 0;
    for seed in 5000..5000 + 12 * stress_factor() {
        runs += trouble_everywhere(seed, 1, Planted::None, Trouble::Crash)
            .unwrap_or_else(|broken| panic!("{broken}"));
    }
    println!("{runs} histories");
    assert!(runs > 1000, "{runs}");
}

#[test]
fn an_error_at_every_operation_loses_nothing_and_changes_nothing() {
    let mut runs = 0;
    for errno in [Errno::EIO, Errno::ENOSPC] {
        for seed in 7000..7000 + 7 * stress_factor() {
            let fail = |nth| Trouble::Fail(nth, errno);
            runs +=
                trouble_everywhere(seed, 1, Planted::None, fail).unwrap_or_else(|broken| panic!("{broken}"));
        }
    }
    println!("{runs} histories");
    assert!(runs > 1000, "{runs}");
}

#[test]
fn every_planted_fault_is_found() {
    let faults = [
        Planted::EpochBeforeLocks,
        Planted::NoPreimage,
        Planted::NoLogRule,
        Planted::Lie(Lie::SyncDir),
        Planted::Lie(Lie::SyncData),
    ];
    for planted in faults {
        // The engine's own assertions count as finding it, too.
        let found = (0..300).find(|&seed| {
            let run = || trouble_everywhere(seed, 40, planted, Trouble::Crash);
            !matches!(catch_unwind(AssertUnwindSafe(run)), Ok(Ok(_)))
        });
        println!("{planted:?}: found by seed {found:?}");
        assert!(found.is_some(), "{planted:?} was not found");
    }
}
