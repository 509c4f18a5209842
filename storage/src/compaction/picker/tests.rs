//! Tests of the module above.

use std::collections::BTreeMap;

use super::*;
use crate::record::Lsn;
use crate::run::NamespaceShare;
use crate::version::{Counts, Cut};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn options() -> Options {
    Options { base_bytes: 60_000, run_bytes: 8_000, runs_per_level: 32, dropped_max: 4, ..Options::default() }
}

/// A record: its size, or a tombstone.
type Records = BTreeMap<Position, Option<u64>>;

fn size_of(records: &Records) -> u64 {
    records.values().map(|value| value.unwrap_or(TOMBSTONE_BYTES)).sum()
}

/// A dataset without files: what the runs hold, and what they should say.
struct World {
    random: Random,
    options: Options,
    version: Version,
    runs: BTreeMap<RunId, Records>,
    next_run: u64,
    truth: BTreeMap<Position, u64>,
    running: Vec<Choice>,
    written: u64,
    taken: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let (version, runs, truth) = (Version::default(), BTreeMap::new(), BTreeMap::new());
        let (random, options) = (Random(seed), options());
        Self { random, options, version, runs, next_run: 1, truth, running: Vec::new(), written: 0, taken: 0 }
    }

    fn position(&self, database: u32, key: u64) -> Position {
        // Hashes are evenly spread, whatever the keys.
        Position { namespace: self.version.databases()[&database], hash: Random(key).next() }
    }

    fn add(&mut self, level: u8, epochs: (Epoch, Epoch), records: Records) -> Option<RunMeta> {
        let (&first, &last) = (records.keys().next()?, records.keys().next_back()?);
        let mut shares: Vec<NamespaceShare> = Vec::new();
        for (position, value) in &records {
            if shares.last().is_none_or(|share| share.namespace != position.namespace) {
                shares.push(NamespaceShare { namespace: position.namespace, records: 0, tombstones: 0 });
            }
            let share = shares.last_mut().unwrap();
            share.records += 1;
            share.tombstones += u64::from(value.is_none());
        }
        let id = RunId(self.next_run);
        self.next_run += 1;
        let size_bytes = size_of(&records);
        self.written += size_bytes;
        self.runs.insert(id, records);
        Some(RunMeta { id, level, size_bytes, first, last, epochs, shares })
    }

    /// One checkpoint round of what `change` did.
    fn round(&mut self, changes: Records, flush: Option<u32>) {
        let cut = self.version.cut();
        let epoch = Epoch(cut.epoch.0 + 1);
        let lsn = Lsn(cut.lsn.0 + 1);
        let mut edit = Edit { cut: Some(Cut { epoch, lsn, durable: lsn, ..cut }), ..Edit::default() };
        self.taken += size_of(&changes);
        for (&position, value) in &changes {
            match value {
                Some(size) => _ = self.truth.insert(position, *size),
                None => _ = self.truth.remove(&position),
            }
        }
        edit.add.extend(self.add(0, (epoch, epoch), changes));
        if let Some(database) = flush {
            let new = self.version.next_namespace();
            edit.next_namespace = Some(NamespaceId(new.0 + 1));
            edit.databases.push((database, Some(new)));
            if let Some(old) = self.version.databases().get(&database) {
                self.truth.retain(|position, _| position.namespace != *old);
                edit.drop.push(*old);
            }
        }
        let mut counts: BTreeMap<(NamespaceId, u8), Counts> = BTreeMap::new();
        for &namespace in self.version.databases().values().filter(|old| !edit.drop.contains(old)) {
            counts.insert((namespace, 0), Counts::default());
        }
        self.truth.keys().for_each(|position| counts.entry((position.namespace, 0)).or_default().keys += 1);
        edit.counts.extend(counts);
        self.version = self.version.apply(&edit).unwrap();
    }

    /// Does a job as the pool would, each part by itself.
    fn execute(&mut self, choice: &Choice) {
        let mut outputs = Vec::new();
        for part in &choice.parts {
            let mut merged = Records::new();
            for id in &choice.inputs {
                for (&position, &value) in self.runs[id].range(part.first..=part.last) {
                    merged.entry(position).or_insert(value);
                }
            }
            let dropped = self.version.dropped();
            merged.retain(|position, value| {
                !dropped.contains(&position.namespace) && (value.is_some() || !part.drops_tombstones)
            });
            let mut rest = merged.into_iter().peekable();
            while rest.peek().is_some() {
                let mut records = Records::new();
                let mut bytes = 0;
                while bytes < choice.run_bytes {
                    let Some((position, value)) = rest.next() else { break };
                    bytes += value.unwrap_or(TOMBSTONE_BYTES);
                    records.insert(position, value);
                }
                outputs.extend(self.add(choice.output_level, choice.epochs, records));
            }
        }
        let whole: u64 = choice.inputs.iter().map(|id| self.runs[id].len() as u64).sum();
        let parted: usize = choice
            .inputs
            .iter()
            .map(|id| {
                choice
                    .parts
                    .iter()
                    .map(|part| self.runs[id].range(part.first..=part.last).count())
                    .sum::<usize>()
            })
            .sum();
        assert!(choice.action != Action::Merge || parted as u64 == whole, "the parts are not the inputs");
        let edit = choice.edit(&self.version, outputs);
        self.version = self.version.apply(&edit).unwrap_or_else(|misfit| panic!("{choice:?}: {misfit}"));
        let version = &self.version;
        self.runs.retain(|id, _| version.run(*id).is_some());
    }

    /// Picks and ends jobs at random, up to three at a time.
    fn work(&mut self, steps: u64) {
        for _ in 0..steps {
            if self.running.len() < 3 && self.random.below(2) == 0 {
                self.running.extend(pick(&self.version, &self.running, &self.options));
            } else if !self.running.is_empty() {
                let nth = self.random.below(self.running.len() as u64) as usize;
                let choice = self.running.swap_remove(nth);
                self.execute(&choice);
            }
        }
    }

    /// Works until there is nothing to do.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            match pick(&self.version, &self.running, &self.options) {
                Some(choice) => self.running.push(choice),
                None if self.running.is_empty() => return self.check_settled(),
                None => {
                    let choice = self.running.remove(0);
                    self.execute(&choice);
                }
            }
        }
        panic!("picking does not end: {:?}", pick(&self.version, &self.running, &self.options));
    }

    fn check_reads(&self) {
        let mut found: Records = BTreeMap::new();
        for run in self.version.runs() {
            for (&position, &value) in &self.runs[&run.meta().id] {
                found.entry(position).or_insert(value);
            }
        }
        found.retain(|position, value| {
            value.is_some() && !self.version.dropped().contains(&position.namespace)
        });
        let found: BTreeMap<Position, u64> =
            found.into_iter().filter_map(|(at, value)| Some((at, value?))).collect();
        assert!(found == self.truth, "{} records are read, {} are right", found.len(), self.truth.len());
    }

    fn bytes(&self) -> u64 {
        self.runs.values().map(size_of).sum()
    }

    fn check_settled(&self) {
        self.check_reads();
        let (bytes, live) = (self.bytes(), self.truth.values().sum::<u64>());
        assert!(bytes * 10 <= live * 15, "{bytes} bytes for {live} live ones");
        assert!(self.version.level(0).len() < self.options.level0_runs, "level 0 is full");
        for level in 1..=LAST_LEVEL {
            let runs = self.version.level(level);
            let level_bytes = sum(runs, |run| run.size_bytes);
            let run_bytes = (level_bytes / self.options.runs_per_level).max(self.options.run_bytes);
            let bound = 2 * level_bytes.div_ceil(run_bytes) + SPARE_RUNS;
            assert!(
                runs.len() as u64 <= bound,
                "{} runs of {level_bytes} bytes in level {level}",
                runs.len()
            );
        }
        assert!(self.version.dropped().len() <= self.options.dropped_max);
        assert_eq!(backlog(&self.version, &self.options).pressure, 0.0, "a settled version presses");
    }

    /// Sets, and deletes one in `deletes` keys of the first `keys`.
    fn changes(&mut self, count: u64, keys: u64, deletes: u64) -> Records {
        let databases: Vec<u32> = self.version.databases().keys().copied().collect();
        (0..count)
            .map(|_| {
                let database = databases[self.random.below(databases.len() as u64) as usize];
                let key = self.random.below(keys);
                // Some keys are hot.
                let key = if self.random.below(3) == 0 { key / 16 } else { key };
                let value = (self.random.below(deletes) > 0).then(|| 40 + self.random.below(200));
                (self.position(database, key), value)
            })
            .collect()
    }
}

#[test]
fn whatever_is_written_a_settled_version_is_small_shallow_and_right() {
    let (mut written, mut taken) = (0, 0);
    for seed in 0..40 {
        println!("seed {seed}");
        let mut world = World::new(seed);
        world.round(Records::new(), Some(0));
        let keys = 200 + world.random.below(12_000);
        let rounds = 20 + world.random.below(40);
        let deletes = [2, 4, 20, 1000][world.random.below(4) as usize];
        for _ in 0..rounds {
            let count = 1 + world.random.below(keys / 3);
            let changes = world.changes(count, keys, deletes);
            let flush = (world.random.below(12) == 0).then(|| world.random.below(3) as u32);
            world.round(changes, flush);
            let steps = world.random.below(30);
            world.work(steps);
            world.check_reads();
            if world.random.below(6) == 0 {
                world.settle();
            }
        }
        world.settle();
        (written, taken) = (written + world.written, taken + world.taken);
    }
    println!("write amplification {:.1}", written as f64 / taken as f64);
    assert!(written < 12 * taken, "{written} bytes written for {taken}");
}

#[test]
fn a_big_dataset_has_several_levels_and_bounded_write_amplification() {
    let mut world = World::new(7);
    world.round(Records::new(), Some(0));
    let mut deepest = 0;
    for round in 0..150 {
        let changes = world.changes(300, 40_000, 1000);
        world.round(changes, None);
        while let Some(choice) = pick(&world.version, &[], &world.options) {
            world.execute(&choice);
        }
        if round % 30 == 29 {
            world.check_settled();
        }
        let used = (1..=LAST_LEVEL).filter(|&level| !world.version.level(level).is_empty()).count();
        deepest = deepest.max(used);
    }
    let amplification = world.written as f64 / world.taken as f64;
    println!("{} bytes, {deepest} levels, write amplification {amplification:.1}", world.bytes());
    assert!(deepest >= 2 && amplification < 20.0, "{deepest} levels, {amplification}");
}

#[test]
fn deleting_everything_leaves_nothing() {
    let mut world = World::new(3);
    world.round(Records::new(), Some(0));
    let changes: Records = (0..5_000).map(|key| (world.position(0, key), Some(100))).collect();
    let deleted = changes.keys().map(|&position| (position, None)).collect();
    world.round(changes, None);
    world.settle();
    world.round(deleted, None);
    world.settle();
    assert_eq!(world.version.runs().count(), 0, "tombstones stayed");
}

#[test]
fn a_flushed_database_is_gone_without_merging_what_it_alone_filled() {
    let mut world = World::new(3);
    world.round(Records::new(), Some(0));
    world.round(Records::new(), Some(1));
    let mut changes: Records = (0..5_000).map(|key| (world.position(0, key), Some(100))).collect();
    changes.extend((0..50).map(|key| (world.position(1, key), Some(100))));
    world.round(changes, None);
    world.settle();
    let before = world.written;
    world.round(Records::new(), Some(0));
    world.settle();
    assert!(world.version.runs().count() > 0 && world.version.dropped().is_empty());
    assert!(world.written - before < 20_000, "{} bytes were rewritten", world.written - before);
}

#[test]
fn many_small_flushes_keep_the_list_of_dropped_namespaces_short() {
    let mut world = World::new(4);
    world.round(Records::new(), Some(0));
    world.round(Records::new(), Some(1));
    let changes = (0..5_000).map(|key| (world.position(0, key), Some(100))).collect();
    world.round(changes, None);
    for _ in 0..60 {
        let changes = (0..3).map(|key| (world.position(1, key), Some(100))).collect();
        world.round(changes, Some(1));
        world.settle();
    }
    let amplification = world.written as f64 / 500_000.0;
    assert!(amplification < 30.0, "{amplification} times the dataset was written for 60 tiny flushes");
}

#[test]
fn parts_are_even_and_cover_their_range_once() {
    let mut world = World::new(5);
    world.options.parts = 4;
    world.round(Records::new(), Some(0));
    world.round(Records::new(), Some(1));
    for _ in 0..4 {
        let changes = world.changes(3_000, 10_000, 1000);
        world.round(changes, None);
    }
    let choice = pick(&world.version, &[], &world.options).unwrap();
    assert_eq!((choice.action, choice.inputs.len(), choice.parts.len()), (Action::Merge, 4, 4));
    for pair in choice.parts.windows(2) {
        assert_eq!(key_of(pair[0].last) + 1, key_of(pair[1].first));
    }
    for part in &choice.parts {
        let within = |records: &Records| records.range(part.first..=part.last).count() as u64;
        let records: u64 = world.runs.values().map(within).sum();
        let all: u64 = world.runs.values().map(|records| records.len() as u64).sum();
        assert!((all / 5..=all / 3).contains(&records), "a part has {records} of {all} records");
        assert!(part.drops_tombstones);
    }
}

#[test]
fn pressure_rises_smoothly_with_what_is_left_undone() {
    let mut world = World::new(6);
    world.round(Records::new(), Some(0));
    let mut before = 0.0;
    let mut first = None;
    for round in 1..=25 {
        let changes = world.changes(200, 5_000, 1000);
        world.round(changes, None);
        let now = backlog(&world.version, &world.options).pressure;
        assert!(now >= before && now - before < 0.3, "round {round}: {before}, then {now}");
        if now > 0.0 {
            first.get_or_insert(round);
        }
        before = now;
    }
    assert!(first.is_some_and(|first| first > 4) && before >= 1.0, "{first:?}, {before}");
    world.settle();
}

#[test]
fn many_dropped_namespaces_are_reclaimed_from_a_run_that_is_mostly_alive() {
    let mut world = World::new(4);
    (0..13).for_each(|database| world.round(Records::new(), Some(database)));
    let mut changes: Records = (0..5_000).map(|key| (world.position(0, key), Some(100))).collect();
    changes.extend((1..13).map(|database| (world.position(database, 7), Some(100))));
    world.round(changes, None);
    world.settle();
    for database in 1..13 {
        world.round(Records::new(), Some(database));
        world.settle();
    }
    let (before, version) = (world.written, world.version.clone());
    world.settle();
    assert_eq!((world.written, world.version), (before, version), "a settled version was touched");
}

#[test]
fn level_0_is_not_merged_past_a_level_whose_runs_are_on_their_way_down() {
    let mut world = World::new(8);
    world.round(Records::new(), Some(0));
    let epochs = (Epoch(1), Epoch(1));
    let mut edit = Edit::default();
    for level in [4, LAST_LEVEL] {
        let records = (0..50).map(|key| (world.position(0, key), Some(100))).collect();
        edit.add.extend(world.add(level, epochs, records));
    }
    world.version = world.version.apply(&edit).unwrap();
    let drain = pick(&world.version, &[], &world.options).unwrap();
    assert_eq!((drain.inputs.len(), drain.output_level), (1, 5), "a level above the base is drained");
    for _ in 0..4 {
        let changes = world.changes(100, 50, 1000);
        world.round(changes, None);
    }
    let beside = pick(&world.version, std::slice::from_ref(&drain), &world.options);
    assert_eq!(beside, None, "newer records pass the ones on their way");
    let alone = pick(&world.version, &[], &world.options).unwrap();
    assert_eq!(alone.inputs, drain.inputs);
}
