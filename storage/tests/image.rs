//! Reading through a version: whatever lies in whichever run, the newest state of every key is what is read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use storage::fs::sim::Sim;
use storage::merge::{Entries, Source};
use storage::run::{BuildOptions, Built, Compression, RunDir, Span};
use storage::version::{self, Cut, Edit, RunMeta, VersionSet};
use storage::{Content, Entry, Epoch, Error, Lsn, NamespaceId, Position, Version};

use crate::support::{DIR, Random};

const DATASET: u64 = 7;
/// Few enough that runs overlap in most keys.
const HASHES: u64 = 300;
const NAMESPACES: u64 = 3;

type Model = BTreeMap<(Position, Vec<u8>), Content<Vec<u8>>>;

fn open(sim: &Sim) -> (VersionSet, RunDir) {
    let set = version::read(Arc::new(sim.clone()), Path::new(DIR), DATASET).unwrap().start(1 << 20).unwrap();
    let runs = RunDir::new(Arc::new(sim.clone()), Path::new(DIR), DATASET);
    set.current().open_runs(&runs).unwrap();
    (set, runs)
}

fn key(random: &mut Random) -> (Position, Vec<u8>) {
    // Hashes repeat in their low bits, so that several keys share a position.
    let hash = random.below(HASHES) << 55;
    let namespace = NamespaceId(random.below(NAMESPACES) as u32);
    (Position { namespace, hash }, vec![random.below(2) as u8])
}

fn changes(random: &mut Random, count: u64) -> Model {
    let content = |random: &mut Random| match random.below(4) {
        0 => Content::Tombstone,
        _ => Content::Value {
            bytes: vec![random.next() as u8; random.below(500) as usize],
            expiry_ms: None,
            due_ms: None,
        },
    };
    (0..count).map(|_| (key(random), content(random))).collect()
}

fn build(set: &VersionSet, runs: &RunDir, rows: &Model, epochs: (u64, u64)) -> Built {
    let options = BuildOptions { entries_max: rows.len() as u64, compression: Compression::Lz4 };
    let mut builder = runs.build(set.begin_run(), options).unwrap();
    for ((position, key), content) in rows {
        builder.push(&Entry { position: *position, key, content: content.borrowed() }).unwrap();
    }
    let (first_epoch, last_epoch) = (Epoch(epochs.0), Epoch(epochs.1));
    builder.finish(Span { first_epoch, last_epoch, max_lsn: Lsn(epochs.1) }).unwrap().unwrap()
}

fn commit(set: &VersionSet, edit: Edit, built: Vec<Built>, level: u8) -> Arc<Version> {
    let add = built.iter().map(|built| RunMeta::new(built, level)).collect();
    let runs: Vec<_> = built.into_iter().map(|built| built.run).collect();
    set.commit(&Edit { add, ..edit }, &runs).unwrap()
}

/// A round that writes one run to level 0.
fn round(set: &VersionSet, runs: &RunDir, epoch: u64, rows: &Model) {
    let built = build(set, runs, rows, (epoch, epoch));
    let cut = Cut { epoch: Epoch(epoch), lsn: Lsn(epoch), segment: 1, durable: Lsn(epoch) };
    let mut edit = Edit { cut: Some(cut), ..Edit::default() };
    if epoch == 1 {
        edit.databases = (0..NAMESPACES as u32).map(|index| (index, Some(NamespaceId(index)))).collect();
        edit.next_namespace = Some(NamespaceId(NAMESPACES as u32));
    }
    commit(set, edit, vec![built], 0);
}

/// Merges level 0 into level 3, cut into several runs.
fn compact(set: &VersionSet, runs: &RunDir, epoch: u64) {
    let version = set.current();
    let whole = read_all(&version, Position::MIN).unwrap();
    let mut pieces = vec![Model::new()];
    for ((position, key), content) in whole {
        let last = pieces.last().unwrap();
        let together = last.last_key_value().is_some_and(|((before, _), _)| *before == position);
        if last.len() >= 60 && !together {
            pieces.push(Model::new());
        }
        pieces.last_mut().unwrap().insert((position, key), content);
    }
    let built = pieces.iter().map(|rows| build(set, runs, rows, (1, epoch))).collect();
    let remove = version.runs().map(|run| run.meta().id).collect();
    commit(set, Edit { remove, ..Edit::default() }, built, 3);
}

fn read_all(version: &Arc<Version>, from: Position) -> Result<Model, Error> {
    let mut scan = version.scan(from)?;
    let mut found = Model::new();
    while let Some(entry) = scan.entry() {
        let key = (entry.position, entry.key.to_vec());
        assert!(found.last_key_value().is_none_or(|(last, _)| *last < key), "the scan does not ascend");
        found.insert(key, entry.content.copied());
        scan.advance()?;
    }
    Ok(found)
}

fn check(version: &Arc<Version>, model: &Model, random: &mut Random) {
    for from in [Position::MIN, key(random).0, Position::MAX] {
        let mut expected = model.clone();
        expected.retain(|(position, _), _| *position >= from);
        assert!(read_all(version, from).unwrap() == expected, "a scan from {from}");
    }
    for _ in 0..200 {
        let (position, key) = key(random);
        let expected = model.get(&(position, key.clone()));
        assert_eq!(version.get(position, &key).unwrap().as_ref(), expected, "{position}");
        assert!(expected.is_none() || version.may_contain(position));
    }
}

/// A version of some rounds upon a compacted level, and what it holds.
fn history(seed: u64) -> (Sim, VersionSet, RunDir, Model) {
    let mut random = Random(seed);
    let sim = Sim::new(seed);
    let (set, runs) = open(&sim);
    let mut model = Model::new();
    for epoch in 1..=8 {
        let count = 1 + random.below(250);
        let rows = changes(&mut random, count);
        round(&set, &runs, epoch, &rows);
        model.extend(rows);
        check(&set.current(), &model, &mut random);
        if epoch == 5 {
            compact(&set, &runs, epoch);
            set.take_unused().into_iter().for_each(|id| runs.remove(id).unwrap());
            check(&set.current(), &model, &mut random);
        }
    }
    (sim, set, runs, model)
}

#[test]
fn the_newest_state_of_every_key_is_read_also_after_a_restart() {
    for seed in 0..10 {
        println!("seed {seed}");
        let (sim, set, runs, model) = history(seed);
        assert!(set.current().level(3).len() > 3);
        drop((set, runs));
        let (set, _) = open(&sim);
        let mut random = Random(seed ^ 0x55);
        check(&set.current(), &model, &mut random);
        set.current().load_filters().unwrap();
        check(&set.current(), &model, &mut random);
        let absent = |_: &u64| {
            let position = Position { namespace: NamespaceId(1), hash: random.next() };
            !set.current().may_contain(position)
        };
        assert!((0..500).filter(absent).count() > 400, "the filters let everything pass");
    }
}

#[test]
fn a_pinned_version_is_read_after_its_runs_were_replaced_and_removed() {
    let (sim, set, runs, model) = history(3);
    let pin = set.current();
    compact(&set, &runs, 8);
    assert_eq!(set.take_unused(), [], "a run of a pinned version was given up");
    let mut scan = pin.scan(Position::MIN).unwrap();
    drop(pin);
    assert_eq!(set.take_unused(), [], "a run that is being read was given up");
    let mut rows = 0;
    while scan.entry().is_some() {
        rows += 1;
        scan.advance().unwrap();
    }
    assert_eq!(rows, model.len());
    drop(scan);
    let unused = set.take_unused();
    assert!(unused.len() > 8);
    unused.into_iter().for_each(|id| runs.remove(id).unwrap());
    let named = set.current().runs().count();
    assert_eq!(sim.paths().iter().filter(|path| path.extension().is_some()).count(), named);
}

#[test]
fn a_read_error_is_an_error_and_never_an_older_state() {
    let (sim, set, _, model) = history(4);
    let version = set.current();
    for nth in 0.. {
        sim.fail_at(nth, Errno::EIO);
        let before = sim.operations();
        match read_all(&version, Position::MIN) {
            Err(error) => assert!(matches!(error, Error::Io { .. }), "{error}"),
            Ok(found) => {
                assert!(found == model && sim.operations() - before <= nth);
                break;
            }
        }
    }
}

#[test]
fn a_run_that_the_manifest_describes_otherwise_is_refused() {
    let (sim, set, _, _) = history(5);
    let runs: Vec<_> = set.current().level(0).iter().map(|run| run.meta().id.path(Path::new(DIR))).collect();
    drop(set);
    // Whole, and of this dataset, but not what it was.
    let (other, _) = open(&Sim::new(9));
    let stranger = Sim::new(1);
    let dir = RunDir::new(Arc::new(stranger.clone()), Path::new(DIR), DATASET);
    let rows = changes(&mut Random(1), 10);
    let id = storage::run::RunId::of_file_name(runs[0].file_name().unwrap().to_str().unwrap()).unwrap();
    while other.begin_run().0 + 1 < id.0 {}
    let built = build(&other, &dir, &rows, (8, 8));
    assert_eq!(built.run.info().id, id);
    sim.put(&runs[0], &stranger.contents(&runs[0]).unwrap());
    let found = version::read(Arc::new(sim.clone()), Path::new(DIR), DATASET).unwrap();
    let dir = RunDir::new(Arc::new(sim), Path::new(DIR), DATASET);
    let error = found.version.open_runs(&dir).unwrap_err();
    assert!(error.to_string().contains("not the run that the manifest describes"), "{error}");
}
