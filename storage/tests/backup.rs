//! Backups: what a server finds that is started on one, and what it finds on an unfinished one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use storage::fs::Fs;
use storage::fs::os::Os;
use storage::fs::sim::Sim;
use storage::merge::{Entries, Source};
use storage::{
    Content, Counts, Engine, Entry, Epoch, Error, Facts, NamespaceId, Position, SyncMode, Version,
};

use crate::support::{DIR, Session, small_options};
use crate::threads::TempDir;

const BACKUP: &str = "/backup";
const NAMESPACE: NamespaceId = NamespaceId(0);

/// Commits a round of these keys and their values; everything appended is of its epoch.
pub fn round(engine: &Engine, epoch: u64, keys: &[(u64, Option<&str>)]) {
    let mut round = engine.begin_round(10).unwrap();
    for &(hash, value) in keys {
        let content = match value {
            Some(value) => Content::Value { bytes: value.as_bytes(), expiry_ms: None, due_ms: None },
            None => Content::Tombstone,
        };
        let position = Position { namespace: NAMESPACE, hash };
        round.push(&Entry { position, key: b"key", content }).unwrap();
    }
    let facts = Facts {
        epoch: Epoch(epoch),
        last_lsn: engine.last_lsn(),
        databases: vec![(0, NAMESPACE)],
        counts: vec![((NAMESPACE, 0), Counts { keys: 2, expires: 0 })],
        next_namespace: NamespaceId(1),
        attachment: Default::default(),
    };
    round.commit(facts).unwrap();
}

/// Two rounds, and a record behind them.
pub fn dataset(sim: &Sim) -> Session {
    let mut session = Session::open(sim, SyncMode::Always);
    for (epoch, keys) in [(1, [(1, Some("a")), (2, Some("b"))]), (2, [(2, None), (3, Some("c"))])] {
        session.append(0, epoch, b"a change");
        session.steps.writer.step();
        session.steps.syncer.sync(false);
        round(&session.engine, epoch, &keys);
    }
    session.append(0, 3, b"behind the cut");
    session.steps.writer.step();
    session
}

pub fn image(version: &Arc<Version>) -> BTreeMap<u64, Content<Vec<u8>>> {
    let mut scan = version.scan(Position::MIN).unwrap();
    let mut found = BTreeMap::new();
    while let Some(entry) = scan.entry() {
        found.insert(entry.position.hash, entry.content.copied());
        scan.advance().unwrap();
    }
    found
}

pub fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<(Arc<Version>, u64), Error> {
    let mut recovery = Engine::recover(fs, dir, small_options(SyncMode::Always))?;
    let report = recovery.replay(|_| Ok::<(), Error>(()))?;
    let version = recovery.version().clone();
    let engine = recovery.start(Box::new(|_| {}))?;
    assert_eq!(engine.append(0, Epoch(version.cut().epoch.0 + 1), |_| {}).0, report.last.0 + 1);
    engine.close()?;
    Ok((version, report.records))
}

fn files_of(sim: &Sim, dir: &str) -> Vec<PathBuf> {
    sim.paths().into_iter().filter(|path| path.starts_with(dir)).collect()
}

#[test]
fn a_backup_is_the_image_of_the_last_round_and_no_record_more() {
    let sim = Sim::new(1);
    let session = dataset(&sim);
    let version = session.engine.backup(Path::new(BACKUP)).unwrap();
    let expected = image(&version);
    sim.power_loss();
    let (copy, records) = open(Arc::new(sim.clone()), Path::new(BACKUP)).unwrap();
    assert_eq!(image(&copy), expected);
    assert_eq!(expected.len(), 3);
    assert_eq!(copy.cut().epoch, Epoch(2));
    assert_eq!((records, copy.live_keys()), (0, 2));
    assert_eq!((copy.databases(), copy.all_counts()), (version.databases(), version.all_counts()));
    // The dataset is what it was.
    let (kept, _) = open(Arc::new(sim), Path::new(DIR)).unwrap();
    assert_eq!(image(&kept), expected);
}

#[test]
fn a_backup_lives_on_when_the_dataset_goes() {
    let sim = Sim::new(2);
    let session = dataset(&sim);
    let version = session.engine.backup(Path::new(BACKUP)).unwrap();
    let expected = image(&version);
    drop((version, session));
    files_of(&sim, DIR).iter().for_each(|path| sim.take(path));
    let (copy, _) = open(Arc::new(sim), Path::new(BACKUP)).unwrap();
    assert_eq!(image(&copy), expected);
}

#[test]
fn an_unfinished_backup_is_refused_or_whole() {
    for trouble in [None, Some(Errno::ENOSPC), Some(Errno::EIO)] {
        let (mut refused, mut whole) = (0, 0);
        for nth in 0..60 {
            let sim = Sim::new(nth);
            let session = dataset(&sim);
            match trouble {
                None => sim.crash_at(nth),
                Some(errno) => sim.fail_at(nth, errno),
            }
            let outcome = session.engine.backup(Path::new(BACKUP));
            let expected = image_of_dataset();
            sim.power_loss();
            match open(Arc::new(sim.clone()), Path::new(BACKUP)) {
                Ok((copy, _)) if image(&copy) == expected => whole += 1,
                // Nothing was there yet: a new dataset.
                Ok((copy, _)) => {
                    assert!(outcome.is_err() && copy.cut().epoch == Epoch(0), "{trouble:?} at {nth}")
                }
                Err(error) => {
                    assert!(outcome.is_err(), "{trouble:?} at {nth}: {error}");
                    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 5 && whole > 5, "{trouble:?}: {refused} refused, {whole} whole");
    }
}

fn image_of_dataset() -> BTreeMap<u64, Content<Vec<u8>>> {
    let value =
        |value: &str| Content::Value { bytes: value.as_bytes().to_vec(), expiry_ms: None, due_ms: None };
    BTreeMap::from([(1, value("a")), (2, Content::Tombstone), (3, value("c"))])
}

#[test]
fn a_backup_goes_into_an_empty_directory_only() {
    let sim = Sim::new(3);
    let session = dataset(&sim);
    sim.put(&Path::new(BACKUP).join("notes.txt"), b"keep me");
    let error = session.engine.backup(Path::new(BACKUP)).unwrap_err().to_string();
    assert!(error.contains("make a backup in /backup"), "{error}");
    assert_eq!(files_of(&sim, BACKUP).len(), 1);
    let error = session.engine.backup(Path::new(DIR)).unwrap_err().to_string();
    assert!(error.contains("make a backup in /data"), "{error}");
}

#[test]
fn real_files_are_linked() {
    let (dir, backup) = (TempDir::new(), TempDir::new());
    let engine = crate::threads::start(&dir.0, small_options(SyncMode::Never));
    engine.append(0, Epoch(1), |out| out.push(1));
    round(&engine, 1, &[(1, Some("a"))]);
    assert_eq!(engine.durable_lsn(), engine.last_lsn(), "a round did not wait for the log");
    let version = engine.backup(&backup.0).unwrap();
    engine.close().unwrap();
    let (copy, _) = open(Arc::new(Os), &backup.0).unwrap();
    assert_eq!(image(&copy), image(&version));
    let path = copy.runs().next().unwrap().reader().path().to_path_buf();
    let links = std::os::unix::fs::MetadataExt::nlink(&std::fs::metadata(path).unwrap());
    assert_eq!(links, 2);
}
