//! The manifest's promises: after a crash or a failure at any operation, what is read is the version after exactly the
//! acknowledged edits, or after those and the one in flight; and damage is refused, never read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use storage::fs::sim::{Lie, Sim};
use storage::run::{NamespaceShare, RunId};

use storage::version::RunMeta;
use storage::version::{self, Counts, Cut, Edit, Found, LAST_LEVEL, Version, VersionSet};
use storage::{Epoch, Error, Lsn, NamespaceId, Position};

use crate::support::{DIR, Random, Trouble};

const DATASET: u64 = 0x1122_3344_5566_7788;
/// So small that histories rotate often.
const ROTATE_BYTES: u64 = 700;

fn read(sim: &Sim) -> Result<Found, Error> {
    version::read(Arc::new(sim.clone()), Path::new(DIR), DATASET)
}

/// A run over some of the version's live namespaces, between two positions of its own.
fn random_run(
    random: &mut Random,
    id: RunId,
    level: u8,
    epochs: (Epoch, Epoch),
    live: &[NamespaceId],
) -> RunMeta {
    let from = random.below(live.len() as u64) as usize;
    let to = from + random.below((live.len() - from) as u64) as usize;
    let share = |&namespace| NamespaceShare { namespace, records: 3, tombstones: u64::from(level == 0) };
    let mut hashes = [random.next(), random.next()];
    hashes.sort_unstable();
    RunMeta {
        id,
        level,
        size_bytes: 1000 + random.below(1000),
        first: Position { namespace: live[from], hash: hashes[0] },
        last: Position { namespace: live[to], hash: hashes[1] },
        epochs,
        shares: live[from..=to].iter().map(share).collect(),
    }
}

/// An edit that fits: a round, a round with a flush, or a compaction of everything.
fn random_edit(random: &mut Random, version: &Version, id: RunId) -> Edit {
    let mut edit = Edit::default();
    let mut databases = version.databases().clone();
    let compaction = version.runs().count() > 1 && random.one_in(4);
    if compaction {
        edit.remove = version.runs().map(|run| run.meta().id).collect();
    } else {
        let Cut { epoch, segment, durable, .. } = version.cut();
        let (epoch, segment) = (Epoch(epoch.0 + 1 + random.below(2)), segment + random.below(2));
        let lsn = Lsn(durable.0 + random.below(100));
        let durable = Lsn(lsn.0 + random.below(10));
        edit.cut = Some(Cut { epoch, lsn, segment, durable });
        if databases.is_empty() || random.one_in(4) {
            let index = random.below(3) as u32;
            let new = version.next_namespace();
            edit.drop.extend(databases.insert(index, new));
            edit.databases.push((index, Some(new)));
            edit.next_namespace = Some(NamespaceId(new.0 + 1));
        }
    }
    let mut live: Vec<NamespaceId> = databases.values().copied().collect();
    live.sort_unstable();
    let epochs = edit.cut.map_or((Epoch(1), version.cut().epoch), |cut| (cut.epoch, cut.epoch));
    let level = if compaction { LAST_LEVEL } else { 0 };
    if compaction || !random.one_in(5) {
        edit.add.push(random_run(random, id, level, epochs, &live));
    }
    if !compaction {
        let namespace = live[random.below(live.len() as u64) as usize];
        let keys = random.below(1 << 20);
        edit.counts
            .push(((namespace, random.below(64) as u8), Counts { keys, expires: random.below(keys + 1) }));
    }
    edit
}

/// Puts the files of the runs there that the edit adds: a checkpoint has made them durable before it commits.
fn put_files(sim: &Sim, edit: &Edit) {
    edit.add.iter().for_each(|run| sim.put(&run.id.path(Path::new(DIR)), b"run"));
}

/// Sessions of commits, ended by a kill, a power loss or a clean close; and what must be read after them.
struct History {
    seed: u64,
    sim: Sim,
    random: Random,
    /// The version after the last acknowledged edit.
    acknowledged: Version,
    /// The version after an edit whose fate is open.
    in_flight: Option<Version>,
    torn: u64,
}

impl History {
    /// Runs the history of `seed`: the number of operations, and of torn records found; an error says what is broken.
    fn run(seed: u64, trouble: Trouble, lie: Option<Lie>) -> Result<(u64, u64), String> {
        let sim = Sim::new(seed ^ 0xabcd);
        lie.iter().for_each(|&lie| sim.lie(lie));
        match trouble {
            Trouble::None => {}
            Trouble::Crash(nth) => sim.crash_at(nth),
            Trouble::Fail(nth, errno) => sim.fail_at(nth, errno),
        }
        let (acknowledged, in_flight) = (Version::default(), None);
        let mut history = Self { seed, sim, random: Random(seed), acknowledged, in_flight, torn: 0 };
        for _ in 0..1 + history.random.below(3) {
            history.session()?;
        }
        let operations = history.sim.operations();
        // What was served once is there again, whatever happens in between.
        history.open()?;
        history.sim.power_loss();
        history.open()?;
        Ok((operations, history.torn))
    }

    fn session(&mut self) -> Result<(), String> {
        let set = self.open()?;
        for _ in 0..self.random.below(12) {
            self.commit(&set)?;
            if self.in_flight.is_some() {
                break;
            }
        }
        if self.in_flight.is_none() && self.random.one_in(3) {
            // A seal that fails leaves nothing open.
            let _sealed = set.seal();
        }
        drop(set);
        match self.random.one_in(3) {
            true => self.sim.kill(),
            false => self.sim.power_loss(),
        }
        if self.random.one_in(3) {
            self.sim.crash_at(self.random.below(40));
        }
        Ok(())
    }

    fn commit(&mut self, set: &VersionSet) -> Result<(), String> {
        let before = set.current();
        self.ensure(*before == self.acknowledged, "the current version is not the acknowledged one")?;
        let edit = random_edit(&mut self.random, &before, set.begin_run());
        let next = before.apply(&edit).map_err(|misfit| format!("seed {}: {misfit}", self.seed))?;
        drop(before);
        put_files(&self.sim, &edit);
        match set.commit(&edit, &[]) {
            Ok(current) => {
                self.ensure(*current == next, "a commit made another version current")?;
                self.acknowledged = next;
                // The worst that can happen to them: gone at once.
                set.take_unused().iter().for_each(|id| self.sim.take(&id.path(Path::new(DIR))));
            }
            Err(Error::Poisoned { .. }) => {
                self.ensure(
                    matches!(set.commit(&edit, &[]), Err(Error::Poisoned { .. })),
                    "a failure is final",
                )?;
                self.in_flight = Some(next);
            }
            Err(Error::Io { .. }) if !self.sim.crashed() => {
                // A full disk. Nothing has changed: the round's run can go.
                edit.add.iter().for_each(|run| self.sim.take(&run.id.path(Path::new(DIR))));
            }
            Err(error) => return Err(format!("seed {}: {error}", self.seed)),
        }
        Ok(())
    }

    /// Reads, checks and starts, as often as trouble demands.
    fn open(&mut self) -> Result<VersionSet, String> {
        for _ in 0..5 {
            let opened = read(&self.sim).and_then(|found| {
                let (read, torn) = ((*found.version).clone(), found.torn.is_some());
                found.start(ROTATE_BYTES).map(|set| (set, read, torn))
            });
            match opened {
                Ok((set, read, torn)) => {
                    let right = read == self.acknowledged || Some(&read) == self.in_flight.as_ref();
                    self.ensure(right, "neither the acknowledged version nor the one in flight")?;
                    self.acknowledged = read;
                    self.in_flight = None;
                    self.torn += u64::from(torn);
                    self.check_directory(&set)?;
                    return Ok(set);
                }
                Err(error @ Error::Corrupt { .. }) => return Err(format!("seed {}: {error}", self.seed)),
                Err(_) if self.sim.crashed() => self.sim.power_loss(),
                // An injected failure while starting: the process would be started again.
                Err(_) => self.sim.kill(),
            }
        }
        Err(format!("seed {}: cannot be opened", self.seed))
    }

    /// After a start there is what is named, and nothing else.
    fn check_directory(&self, set: &VersionSet) -> Result<(), String> {
        let mut expected = vec![set.manifest_path(), Path::new(DIR).join("CURRENT")];
        expected.extend(set.current().runs().map(|run| run.meta().id.path(Path::new(DIR))));
        expected.sort();
        let found = self.sim.paths();
        self.ensure(found == expected, &format!("{found:?} is there, {expected:?} is needed"))
    }

    fn ensure(&self, holds: bool, what: &str) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("seed {}: {what}", self.seed)) }
    }
}

/// Runs `seed`'s history once undisturbed, then with a crash at every operation: the number of runs and of torn records.
fn crash_everywhere(seed: u64, lie: Option<Lie>) -> Result<(u64, u64), String> {
    let (operations, mut torn) = History::run(seed, Trouble::None, lie)?;
    for nth in 0..operations {
        torn += History::run(seed, Trouble::Crash(nth), lie).map_err(|e| format!("crash at {nth}: {e}"))?.1;
    }
    Ok((operations + 1, torn))
}

#[test]
fn a_crash_at_every_operation_leaves_the_acknowledged_version_or_the_next() {
    let (mut runs, mut torn) = (0, 0);
    for seed in 0..60 {
        let (more, more_torn) = crash_everywhere(seed, None).unwrap_or_else(|broken| panic!("{broken}"));
        (runs, torn) = (runs + more, torn + more_torn);
    }
    println!("{runs} histories, {torn} torn records");
    assert!(runs > 3_000 && torn > 50, "{runs} histories, {torn} torn records");
}

#[test]
fn every_lie_of_the_disk_is_found() {
    for lie in [Lie::SyncDir, Lie::SyncData] {
        let found = (0..60).find(|&seed| crash_everywhere(seed, Some(lie)).is_err());
        println!("{lie:?}: found by seed {found:?}");
        assert!(found.is_some(), "{lie:?} was not found");
    }
}

#[test]
fn an_error_at_every_operation_loses_no_acknowledged_edit() {
    let mut runs = 0;
    for seed in 1000..1030 {
        let (operations, _) = History::run(seed, Trouble::None, None).unwrap();
        for nth in 0..operations {
            for errno in [Errno::EIO, Errno::ENOSPC] {
                if let Err(broken) = History::run(seed, Trouble::Fail(nth, errno), None) {
                    panic!("{errno} at {nth}: {broken}");
                }
                runs += 1;
            }
        }
    }
    assert!(runs > 3_000, "{runs}");
}

/// A manifest of a few edits, with or without the seal of a clean close: the directory, the version after all edits,
/// and the one before the last.
fn dataset(sealed: bool) -> (Vec<(PathBuf, Vec<u8>)>, Version, Version) {
    let sim = Sim::new(5);
    let mut random = Random(9);
    let set = read(&sim).unwrap().start(1 << 20).unwrap();
    let mut before = set.current();
    for _ in 0..8 {
        before = set.current();
        let edit = random_edit(&mut random, &before, set.begin_run());
        put_files(&sim, &edit);
        set.commit(&edit, &[]).unwrap();
    }
    if sealed {
        set.seal().unwrap();
    }
    // A run that nothing names any more may still be there.
    let files = sim.paths().into_iter().map(|path| (path.clone(), sim.contents(&path).unwrap())).collect();
    let last = (*set.current()).clone();
    (files, last, (*before).clone())
}

fn disk(files: &[(PathBuf, Vec<u8>)]) -> Sim {
    let sim = Sim::new(6);
    files.iter().for_each(|(path, bytes)| sim.put(path, bytes));
    sim
}

fn is_run(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "run")
}

/// Reads changed files: an error, or the right version with the torn record reported. Whether it was an error.
fn refused(files: &[(PathBuf, Vec<u8>)], versions: &[&Version; 2], what: &str) -> bool {
    let sim = disk(files);
    match read(&sim) {
        Err(Error::Corrupt { .. }) => {
            let kept = files.iter().all(|(path, bytes)| sim.contents(path).as_ref() == Some(bytes));
            assert!(kept, "{what}: a refused start changed a file");
            true
        }
        Err(other) => panic!("{what}: {other}"),
        Ok(found) => {
            assert!(found.torn.is_some(), "{what} was not noticed");
            assert!(versions.contains(&&*found.version), "{what}: a version that never was");
            let read = found.version.clone();
            let set = found.start(1 << 20).unwrap();
            assert_eq!(set.current(), read);
            false
        }
    }
}

#[test]
fn any_flipped_byte_is_refused_or_a_torn_last_record() {
    for sealed in [true, false] {
        let (files, last, before) = dataset(sealed);
        // The last record covers all before it. If it is a seal, no edit can be lost.
        let versions = if sealed { [&last, &last] } else { [&last, &before] };
        let mut torn = 0;
        for file in (0..files.len()).filter(|&file| !is_run(&files[file].0)) {
            for at in 0..files[file].1.len() {
                let mut files = files.clone();
                files[file].1[at] ^= 1 << (at % 8);
                let what = format!("{} byte {at}", files[file].0.display());
                torn += u32::from(!refused(&files, &versions, &what));
            }
        }
        let last_record = if sealed { 24 } else { 100 };
        assert!((20..=last_record).contains(&torn), "sealed {sealed}: {torn} bytes were taken for torn");
    }
}

#[test]
fn a_manifest_cut_anywhere_is_refused_or_the_version_of_some_earlier_edit() {
    let (files, ..) = dataset(true);
    let manifest = files.iter().position(|(path, _)| path.ends_with("MANIFEST-0000000001")).unwrap();
    let (mut refusals, mut cuts) = (0, 0);
    for len in 0..files[manifest].1.len() {
        let mut files = files.clone();
        files[manifest].1.truncate(len);
        match read(&disk(&files)) {
            Err(Error::Corrupt { .. }) => refusals += 1,
            Err(other) => panic!("cut to {len}: {other}"),
            Ok(_) => cuts += 1,
        }
    }
    assert!(refusals > 50 && cuts > 100, "{refusals} refused, {cuts} cut off");
    let mut empty = files.clone();
    for (path, bytes) in &mut empty {
        if path.ends_with("CURRENT") {
            bytes.pop();
        }
    }
    assert!(matches!(read(&disk(&empty)), Err(Error::Corrupt { .. })));
}

#[test]
fn missing_and_foreign_files_are_refused_with_their_names() {
    let (files, ..) = dataset(true);
    let mut missing = 0;
    for at in 0..files.len() {
        let mut files = files.clone();
        let (path, _) = files.remove(at);
        match read(&disk(&files)) {
            Err(error @ Error::Corrupt { .. }) => {
                assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                missing += 1;
            }
            Err(other) => panic!("{other}"),
            Ok(_) => assert!(is_run(&path), "{} was not missed", path.display()),
        }
    }
    assert!(missing >= 3, "{missing}");

    let sim = disk(&files);
    let error = version::read(Arc::new(sim.clone()), Path::new(DIR), DATASET + 1).err().unwrap();
    assert!(error.to_string().contains("does not name a manifest of this dataset"), "{error}");

    let manifest = Path::new(DIR).join("MANIFEST-0000000001");
    let bytes = sim.contents(&manifest).unwrap();
    let other = Sim::new(8);
    version::read(Arc::new(other.clone()), Path::new(DIR), 9).unwrap().start(1 << 20).unwrap();
    sim.put(&manifest, &other.contents(&manifest).unwrap());
    let error = read(&sim).err().unwrap();
    assert!(error.to_string().contains("belongs to another dataset"), "{error}");

    // A record of another place in the same manifest does not pass, and a stale one behind the end is no evidence.
    let mut stale = bytes.clone();
    stale.extend_from_slice(&bytes[32..]);
    sim.put(&manifest, &stale);
    let found = read(&sim).unwrap();
    assert_eq!(found.torn.unwrap().offset, bytes.len() as u64);
}

#[test]
fn what_nothing_names_is_deleted_at_the_start_and_strangers_stay() {
    let (files, last, _) = dataset(true);
    let sim = disk(&files);
    let dir = Path::new(DIR);
    let leftovers = ["MANIFEST-0000000002", "CURRENT.tmp", "runs/00000000000003e7.run", "runs/half.tmp"];
    let strangers =
        ["IDENTITY", "log-0000000001", "MANIFEST-2", "notes.txt", "runs/notes.txt", "runs/3e7.run"];
    leftovers.iter().chain(&strangers).for_each(|name| sim.put(&dir.join(name), b"bytes"));
    let found = read(&sim).unwrap();
    assert!(leftovers.iter().all(|name| found.stale.contains(&dir.join(name))), "{:?}", found.stale);
    assert!(
        leftovers.iter().all(|name| sim.contents(&dir.join(name)).is_some()),
        "reading deleted something"
    );
    let set = found.start(1 << 20).unwrap();
    assert_eq!(*set.current(), last);
    assert!(leftovers.iter().all(|name| sim.contents(&dir.join(name)).is_none()));
    assert!(strangers.iter().all(|name| sim.contents(&dir.join(name)).is_some()));
    assert!(last.runs().all(|run| sim.contents(&run.meta().id.path(dir)).is_some()));
}

#[test]
fn a_full_disk_refuses_commits_and_starts_none_the_less() {
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let mut random = Random(seed);
        let set = read(&sim).unwrap().start(ROTATE_BYTES).unwrap();
        let used = || sim.paths().iter().map(|path| sim.contents(path).unwrap().len() as u64).sum::<u64>();
        let commit = |random: &mut Random| {
            let mut edit = random_edit(random, &set.current(), set.begin_run());
            // Runs need room of their own, which is not the point here.
            edit.add.clear();
            edit.remove.clear();
            set.commit(&edit, &[])
        };
        sim.set_capacity(Some(used() + random.below(500)));
        let error = loop {
            if let Err(error) = commit(&mut random) {
                break error;
            }
        };
        assert!(matches!(&error, Error::Io { .. }), "seed {seed}: {error}");
        let version = set.current();
        sim.set_capacity(None);
        commit(&mut random).unwrap();
        assert!(set.current().cut().epoch >= version.cut().epoch);

        let version = set.current();
        sim.kill();
        sim.set_capacity(Some(0));
        let set = read(&sim).unwrap().start(ROTATE_BYTES).unwrap();
        assert_eq!(set.current(), version, "seed {seed}");
    }
}

/// The manifest of two edits: a round with a run and a flush, and its compaction.
const MANIFEST: &str = "
    464b4d46246cb94e010000000000000088776655443322110100000000000000
    464b4d45e8145545e979d1360000000009000000000000000300000100070008
    01464b4d45a5f3b9ce00000000e81455450000000000000000464b4d45d9d623
    539bcf3d14a5f3b9ce3400000000000000020100804000080706050403020101
    ffffffffffffffff01000200010001ac02020301f403020a040102aa02050500
    0206000702464b4d45b846fd94af1f1cead9d623532000000000000000010102
    0206804001070000000000000000ffffffffffffffff01000101aa0200
";

#[test]
fn a_manifest_is_written_and_read_as_it_always_was() {
    let sim = Sim::new(1);
    let set = read(&sim).unwrap().start(1 << 20).unwrap();
    let namespace = NamespaceId(1);
    let run = RunMeta {
        id: set.begin_run(),
        level: 0,
        size_bytes: 8192,
        first: Position { namespace: NamespaceId(0), hash: 0x0102_0304_0506_0708 },
        last: Position { namespace, hash: u64::MAX },
        epochs: (Epoch(1), Epoch(1)),
        shares: vec![
            NamespaceShare { namespace: NamespaceId(0), records: 1, tombstones: 0 },
            NamespaceShare { namespace, records: 300, tombstones: 2 },
        ],
    };
    let compacted = RunMeta {
        id: set.begin_run(),
        level: LAST_LEVEL,
        first: Position { namespace, hash: 7 },
        shares: vec![NamespaceShare { namespace, records: 298, tombstones: 0 }],
        ..run.clone()
    };
    let first = Edit {
        add: vec![run.clone()],
        cut: Some(Cut { epoch: Epoch(1), lsn: Lsn(500), segment: 2, durable: Lsn(510) }),
        counts: vec![((namespace, 2), Counts { keys: 298, expires: 5 })],
        databases: vec![(0, Some(namespace))],
        drop: vec![NamespaceId(0)],
        next_namespace: Some(NamespaceId(2)),
        ..Edit::default()
    };
    set.commit(&first, &[]).unwrap();
    set.commit(&Edit { remove: vec![run.id], add: vec![compacted.clone()], ..Edit::default() }, &[]).unwrap();
    let manifest = Path::new(DIR).join("MANIFEST-0000000001");
    let current = Path::new(DIR).join("CURRENT");
    let written = sim.contents(&manifest).unwrap();
    let lines = written.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<String>());
    assert_eq!(written, hex(MANIFEST), "\n{}", lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(sim.contents(&current).unwrap(), b"MANIFEST-0000000001 fa6dac83\n");

    let kept = Sim::new(2);
    kept.put(&manifest, &hex(MANIFEST));
    kept.put(&current, &sim.contents(&current).unwrap());
    kept.put(&compacted.id.path(Path::new(DIR)), b"run");
    let found = read(&kept).unwrap();
    assert_eq!(found.version, set.current());
    assert_eq!((found.torn, found.stale.len()), (None, 0));
    let expected = Edit {
        add: vec![compacted],
        cut: Some(Cut { epoch: Epoch(1), lsn: Lsn(500), segment: 2, durable: Lsn(510) }),
        counts: vec![((namespace, 2), Counts { keys: 298, expires: 5 })],
        databases: vec![(0, Some(namespace))],
        next_namespace: Some(NamespaceId(2)),
        next_run: Some(RunId(3)),
        ..Edit::default()
    };
    assert_eq!(found.version.to_edit(), expected);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Changes an edit in some way that may or may not still fit.
fn spoil(random: &mut Random, edit: &mut Edit, version: &Version) {
    let small = random.below(8);
    match random.below(9) {
        0 => edit.remove.push(RunId(small)),
        1 => edit.add.extend(edit.add.clone()),
        2 => {
            edit.cut = Some(Cut { epoch: Epoch(small), lsn: Lsn(small), segment: small, durable: Lsn(small) })
        }
        3 => edit.counts.push(((NamespaceId(small as u32), 7), Counts { keys: small, expires: 3 })),
        4 => edit.databases.push((small as u32, Some(NamespaceId(random.below(8) as u32)))),
        5 => edit.databases.push((small as u32, None)),
        6 => edit.drop.push(NamespaceId(small as u32)),
        7 => edit.add.iter_mut().for_each(|run| run.level = small as u8),
        _ => {
            let run = version.runs().nth(small as usize).map(|run| run.meta().clone());
            edit.add.extend(run.map(|run| RunMeta { id: RunId(1000 + random.below(50)), ..run }));
        }
    }
}

/// What must hold in every version there is, looked at from outside.
fn check_version(version: &Version) {
    for (a, run) in version.runs().enumerate() {
        let run = run.meta();
        for other in version.runs().skip(a + 1).map(|other| other.meta()) {
            assert_ne!(run.id, other.id);
            let apart = run.last < other.first || other.last < run.first;
            let newer = run.epochs.0 > other.epochs.1;
            match run.level {
                0 => assert!(apart || newer, "level 0 hides what is newer"),
                level => assert!(apart || other.level > level, "a deep level overlaps"),
            }
        }
        assert!(run.epochs.1 <= version.cut().epoch && run.id < version.next_run());
        for share in &run.shares {
            let live = version.databases().values().any(|live| *live == share.namespace);
            assert!(live != version.dropped().contains(&share.namespace), "nobody's namespace");
            assert!(share.namespace < version.next_namespace());
        }
    }
    let live_in =
        |namespace: &NamespaceId| (0..64).map(|part| version.counts(*namespace, part).keys).sum::<u64>();
    let live: u64 = version.databases().values().map(live_in).sum();
    assert_eq!(live, version.live_keys());
}

#[test]
fn whatever_is_applied_the_outcome_is_whole_or_refused() {
    let (mut applied, mut refused) = (0, 0);
    for seed in 0..400 {
        println!("seed {seed}");
        let mut random = Random(seed);
        let mut version = Version::default();
        for step in 0..30 {
            let id = RunId(version.next_run().0 + random.below(2));
            let mut edit = random_edit(&mut random, &version, id);
            if random.one_in(2) && step > 3 {
                spoil(&mut random, &mut edit, &version);
            }
            assert_eq!(Edit::decode(&edit.encode()), Ok(edit.clone()));
            let before = version.to_edit();
            match version.apply(&edit) {
                Ok(next) => {
                    assert_eq!(version.to_edit(), before, "the version before was changed");
                    check_version(&next);
                    let whole = Version::default().apply(&next.to_edit()).unwrap();
                    assert_eq!(whole, next, "a version is not what its own edit makes");
                    version = next;
                    applied += 1;
                }
                Err(misfit) => {
                    assert!(!misfit.to_string().is_empty());
                    refused += 1;
                }
            }
        }
    }
    assert!(applied > 6_000 && refused > 1_000, "{applied} applied, {refused} refused");
}
