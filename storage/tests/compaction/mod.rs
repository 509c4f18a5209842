//! Compaction against a model: what the families share.

mod crash;
mod engine;
mod fault;
mod long;
mod measure;
mod model;
mod threads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::compaction::Pool;
use storage::compaction::picker;
use storage::compaction::pool::{Compactor, Options, Task};
use storage::fs::Fs;
use storage::fs::sim::Sim;
use storage::merge::{KEEP_ALL, Merge};
use storage::run::{BuildOptions, Compression, RunDir, Span};
use storage::version::{self, Counts, Cut, Edit, RunMeta, Version, VersionSet};
use storage::{Content, Epoch, Error, Lsn, NamespaceId, Position};

use crate::run::{Model, drain, entry};
use crate::support::{DIR, Random};

const DATASET_ID: u64 = 0x1122_3344_5566_7788;

/// Small, so that little data has several levels, jobs with several parts, and runs of several blocks.
fn small_options() -> Options {
    let shape = picker::Options {
        base_bytes: 40_000,
        run_bytes: 10_000,
        runs_per_level: 16,
        dropped_max: 3,
        ..picker::Options::default()
    };
    Options { shape, threads: 1, bytes_per_second_min: u64::MAX, ..Options::default() }
}

/// An open dataset without a log.
struct Store {
    set: Arc<VersionSet>,
    runs: RunDir,
}

impl Store {
    fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Self, Error> {
        fs.create_dir(dir).map_err(|source| Error::Io { op: "create", path: dir.into(), source })?;
        let runs = RunDir::new(fs.clone(), dir, DATASET_ID);
        let found = version::read(fs, dir, DATASET_ID)?;
        found.version.open_runs(&runs)?;
        Ok(Self { set: Arc::new(found.start(4000)?), runs })
    }

    fn compactor(&self, compression: Compression, options: Options) -> Compactor {
        Compactor::new(self.set.clone(), self.runs.clone(), compression, options, Box::new(|_| {}))
    }

    fn pool(&self, options: Options) -> (Arc<Compactor>, Pool) {
        let compactor = Arc::new(self.compactor(Compression::Lz4, options));
        (compactor.clone(), Pool::start(compactor).unwrap())
    }

    /// A round of a checkpoint, and the edit that commits it.
    fn write_round(
        &self,
        round: &Round,
        truth: &Model,
    ) -> Result<(Edit, Option<storage::run::Built>), Error> {
        let version = self.set.current();
        let cut = version.cut();
        let epoch = Epoch(cut.epoch.0 + 1);
        let lsn = Lsn(cut.lsn.0 + round.changes.len() as u64);
        let cut = Cut { epoch, lsn, durable: lsn, ..cut };
        let options =
            BuildOptions { entries_max: round.changes.len() as u64, compression: Compression::None };
        let mut builder = self.runs.build(self.set.begin_run(), options)?;
        for row in &round.changes {
            builder.push(&entry(row))?;
        }
        let built = builder.finish(Span { first_epoch: epoch, last_epoch: epoch, max_lsn: cut.lsn })?;
        let mut edit = Edit { cut: Some(cut), ..Edit::default() };
        edit.add.extend(built.as_ref().map(|built| RunMeta::new(built, 0)));
        if let Some(database) = round.flush {
            let new = version.next_namespace();
            edit.next_namespace = Some(NamespaceId(new.0 + 1));
            edit.databases.push((database, Some(new)));
            edit.drop.extend(version.databases().get(&database));
        }
        let mut counts: BTreeMap<(NamespaceId, u8), Counts> = BTreeMap::new();
        counts.extend(version.all_counts().keys().map(|&part| (part, Counts::default())));
        for (position, _) in truth.keys() {
            counts.entry((position.namespace, position.partition())).or_default().keys += 1;
        }
        counts.retain(|(namespace, _), _| !edit.drop.contains(namespace));
        edit.counts.extend(counts);
        Ok((edit, built))
    }

    fn commit_round(&self, round: &Round, truth: &Model) -> Result<(), Error> {
        let (edit, built) = self.write_round(round, truth)?;
        let run = built.map(|built| built.run);
        let committed = self.set.commit(&edit, run.as_slice()).map(drop);
        if let (Err(Error::Io { .. }), Some(run)) = (&committed, run) {
            let _best_effort = self.runs.remove(run.info().id);
        }
        committed
    }

    /// Every key that has a value.
    fn view(&self) -> Result<Model, Error> {
        view(&self.set.current())
    }

    fn bytes(&self) -> u64 {
        self.set.current().runs().map(|run| run.meta().size_bytes).sum()
    }
}

/// Every key that has a value in a version.
fn view(version: &Version) -> Result<Model, Error> {
    let scans = version.runs().map(|run| run.reader().scan(Position::MIN)).collect::<Result<_, Error>>()?;
    let mut found = drain(Merge::new(scans, KEEP_ALL)?)?;
    found.retain(|(position, _), content| {
        !content.is_tombstone() && !version.dropped().contains(&position.namespace)
    });
    Ok(found)
}

/// What a round of a checkpoint brings.
#[derive(Default)]
struct Round {
    changes: Model,
    /// A database that is empty after the round.
    flush: Option<u32>,
}

impl Round {
    fn of(version: &Version, database: u32, rows: impl Iterator<Item = (u64, Option<Vec<u8>>)>) -> Self {
        let namespace = version.databases()[&database];
        Self { changes: rows.map(|(key, value)| row(namespace, key, value)).collect(), flush: None }
    }

    fn flush(database: u32) -> Self {
        Self { changes: Model::new(), flush: Some(database) }
    }

    /// What there is after the round, if `truth` was there before.
    fn apply(&self, version: &Version, truth: &Model) -> Model {
        let mut next = truth.clone();
        next.extend(self.changes.iter().map(|(key, content)| (key.clone(), content.clone())));
        let gone = self.flush.and_then(|database| version.databases().get(&database));
        next.retain(|(position, _), content| !content.is_tombstone() && Some(&position.namespace) != gone);
        next
    }
}

/// Hashes are evenly spread, and some keys share one.
fn row(namespace: NamespaceId, key: u64, value: Option<Vec<u8>>) -> ((Position, Vec<u8>), Content<Vec<u8>>) {
    let position = Position { namespace, hash: Random(key / 3).next() };
    let content = match value {
        Some(bytes) => Content::Value { bytes, expiry_ms: None, due_ms: None },
        None => Content::Tombstone,
    };
    ((position, format!("key:{key}").into_bytes()), content)
}

/// A store on a simulated disk, its compactor, and what it should hold.
struct World {
    seed: u64,
    sim: Sim,
    random: Random,
    options: Options,
    store: Store,
    compactor: Compactor,
    /// Begun and not done.
    tasks: Vec<Task>,
    /// Time passes when the world settles, so that what failed is tried again.
    later: Duration,
    /// Whether a file could not be removed.
    removal_failed: bool,
    keys: u64,
    /// One round of so many brings long values.
    long_one_in: u64,
    truth: Model,
    /// What there is if a round whose fate is open has come through.
    in_flight: Option<Model>,
}

impl World {
    fn new(seed: u64, keys: u64, options: Options) -> Self {
        Self::on(Sim::new(seed ^ 0xabcd), seed, keys, options).unwrap()
    }

    fn on(sim: Sim, seed: u64, keys: u64, options: Options) -> Result<Self, Error> {
        let store = Store::open(Arc::new(sim.clone()), Path::new(DIR))?;
        Ok(Self {
            seed,
            random: Random(seed),
            compactor: store.compactor(compression(seed), options.clone()),
            options,
            sim,
            store,
            tasks: Vec::new(),
            later: Duration::ZERO,
            removal_failed: false,
            keys,
            long_one_in: u64::MAX,
            truth: Model::new(),
            in_flight: None,
        })
    }

    /// The process starts again.
    fn reopen(&mut self) -> Result<(), Error> {
        self.store = Store::open(Arc::new(self.sim.clone()), Path::new(DIR))?;
        self.compactor = self.store.compactor(compression(self.seed), self.options.clone());
        self.tasks.clear();
        Ok(())
    }

    fn round(&mut self, round: &Round) -> Result<(), Error> {
        let next = round.apply(&self.store.set.current(), &self.truth);
        let committed = self.store.commit_round(round, &next);
        match &committed {
            Ok(()) => self.truth = next,
            Err(Error::Poisoned { .. }) => self.in_flight = Some(next),
            Err(_) => {}
        }
        self.compactor.poke();
        committed
    }

    /// A round of sets and deletes, in which some keys are hot; now and then a database is flushed.
    fn random_round(&mut self) -> Round {
        let version = self.store.set.current();
        let databases: Vec<u32> = version.databases().keys().copied().collect();
        let random = &mut self.random;
        if databases.is_empty() {
            return Round::flush(0);
        }
        let mut round = Round::default();
        for _ in 0..random.below(self.keys) {
            let namespace = version.databases()[&databases[random.below(databases.len() as u64) as usize]];
            let key = random.below(self.keys) / if random.one_in(3) { 16 } else { 1 };
            let length = if random.one_in(50) { random.below(5000) } else { random.below(150) };
            let value = (!random.one_in(4)).then(|| (0..length).map(|_| random.next() as u8).collect());
            round.changes.extend([row(namespace, key, value)]);
        }
        if random.one_in(self.long_one_in) {
            for _ in 0..1 + random.below(3) {
                let namespace = version.databases()[&databases[0]];
                // Few keys, so that they are hidden again; most of them alone at their position.
                let key =
                    if random.one_in(4) { random.below(self.keys) } else { 1_000_000 + 3 * random.below(4) };
                let value = (!random.one_in(4)).then(|| long_value(random));
                round.changes.extend([row(namespace, key, value)]);
            }
        }
        round.flush = random.one_in(6).then(|| random.below(3) as u32);
        round
    }

    /// Begins or does a task, of which up to three are under way at once; whether there was one.
    fn step(&mut self) -> bool {
        if self.tasks.len() < 3 && self.random.one_in(2) {
            let task = self.compactor.next(Instant::now() + self.later);
            self.tasks.extend(task);
        }
        if self.tasks.is_empty() {
            return false;
        }
        let nth = self.random.below(self.tasks.len() as u64) as usize;
        let task = self.tasks.swap_remove(nth);
        self.compactor.run(task);
        let error = self.compactor.stats().last_error;
        self.removal_failed |= error.is_some_and(|error| error.starts_with("Cannot remove"));
        true
    }

    /// Works until there is nothing left to do.
    fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..20_000 {
            idle = if self.step() { 0 } else { idle + 1 };
            if idle > 20 {
                return;
            }
            self.later += Duration::from_secs(3);
        }
        panic!("seed {}: compaction does not end", self.seed);
    }

    fn check(&self) {
        let found = self.store.view().unwrap();
        assert!(found == self.truth, "seed {}: {} keys, not {}", self.seed, found.len(), self.truth.len());
    }

    /// The runs' files that are there and those that the current version names.
    fn files(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut there = self.sim.paths();
        there.retain(|path| path.starts_with(Path::new(DIR).join(storage::run::DIR)));
        let version = self.store.set.current();
        let mut named: Vec<_> = version.runs().map(|run| run.meta().id.path(Path::new(DIR))).collect();
        named.sort();
        (there, named)
    }
}

fn compression(seed: u64) -> Compression {
    if seed % 3 == 2 { Compression::Lz4 } else { Compression::None }
}

/// A value of several pieces, that can be compressed or not.
fn long_value(random: &mut Random) -> Vec<u8> {
    let length = 66_000 + random.below(100_000);
    let noise = random.one_in(2);
    (0..length).map(|i| if noise { random.next() as u8 } else { (i >> 10) as u8 }).collect()
}

/// What a run of nothing but the live keys takes.
fn live_bytes(model: &Model) -> u64 {
    let runs = RunDir::new(Arc::new(Sim::new(1)), Path::new(DIR), DATASET_ID);
    let built = crate::run::build(&runs, crate::run::ID, crate::run::RAW, model).unwrap();
    built.map_or(0, |info| info.size_bytes)
}
