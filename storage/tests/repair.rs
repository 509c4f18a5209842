//! Checking and repairing: whatever byte is damaged is found, and what a repair leaves is a dataset that starts, that is
//! whole apart from what it says is lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use storage::check::Checked;
use storage::fs::sim::Sim;
use storage::{Content, Engine, Error, SyncMode, check, repair};

use crate::backup::{dataset, image, open, round};
use crate::support::{DIR, Session, small_options};

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A closed dataset of two rounds and a record behind them.
fn files() -> Files {
    let sim = Sim::new(4);
    let Session { engine, mut steps, .. } = dataset(&sim);
    steps.finish();
    engine.close().unwrap();
    contents(&sim)
}

fn contents(sim: &Sim) -> Files {
    let paths = sim.paths().into_iter().filter(|path| !path.ends_with("LOCK"));
    paths.map(|path| (path.clone(), sim.contents(&path).unwrap())).collect()
}

fn disk(files: &Files) -> Sim {
    let sim = Sim::new(7);
    files.iter().for_each(|(path, bytes)| sim.put(path, bytes));
    sim
}

fn is_run(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "run")
}

fn is_log(path: &Path) -> bool {
    path.to_string_lossy().contains("/log-")
}

fn checked(sim: &Sim) -> Checked {
    check(Arc::new(sim.clone()), Path::new(DIR)).unwrap()
}

fn repaired(sim: &Sim) -> Result<Vec<String>, Error> {
    repair(Arc::new(sim.clone()), Path::new(DIR))
}

/// Starts a server, without threads.
fn serve(sim: &Sim) -> Session {
    let options = small_options(SyncMode::Always);
    Session::start(Engine::recover(Arc::new(sim.clone()), Path::new(DIR), options).unwrap()).unwrap()
}

/// Whether a key's state is one that it had, or none.
fn had(hash: u64, content: &Content<Vec<u8>>) -> bool {
    let value =
        |value: &str| Content::Value { bytes: value.as_bytes().to_vec(), expiry_ms: None, due_ms: None };
    match hash {
        1 => *content == value("a"),
        2 => *content == value("b") || content.is_tombstone(),
        _ => *content == value("c"),
    }
}

/// After a repair: a check finds nothing, a server starts, and nothing is there that never was.
fn ensure_sound(sim: &Sim, what: &str) -> usize {
    let checked = checked(sim);
    assert!(checked.damage.is_empty(), "{what}: {checked}");
    let (version, _) = open(Arc::new(sim.clone()), Path::new(DIR)).unwrap_or_else(|e| panic!("{what}: {e}"));
    let image = image(&version);
    assert!(image.iter().all(|(&hash, content)| had(hash, content)), "{what}");
    let live = image.values().filter(|content| !content.is_tombstone()).count();
    if version.live_keys() != 2 || image.len() != 3 {
        assert_eq!(version.live_keys(), live as u64, "{what}: the counts are wrong");
    }
    assert!(repaired(sim).unwrap().is_empty(), "{what}: a second repair");
    image.len()
}

#[test]
fn an_undamaged_dataset_is_left_as_it_is() {
    let files = files();
    let sim = disk(&files);
    let found = checked(&sim);
    let text = found.to_string();
    assert!(found.damage.is_empty() && found.stale.is_empty(), "{text}");
    assert!(text.contains("image of epoch 2: 2 keys in 2 runs") && text.ends_with("no damage"), "{text}");
    assert!(text.contains("1 records that are not in the image"), "{text}");
    assert!(repaired(&sim).unwrap().is_empty());
    assert_eq!(contents(&sim), files);
    let session = serve(&sim);
    assert!(matches!(check(Arc::new(sim.clone()), Path::new(DIR)), Err(Error::Locked { .. })));
    assert!(matches!(repaired(&sim), Err(Error::Locked { .. })));
    drop(session);
}

#[test]
fn every_flipped_byte_is_found_and_can_be_lived_with() {
    let whole = files();
    let (mut repaired_runs, mut repaired_logs) = (0, 0);
    for path in whole.keys() {
        for at in 0..whole[path].len() {
            let mut files = whole.clone();
            files.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let sim = disk(&files);
            let what = format!("{} byte {at}", path.display());
            if path.ends_with("IDENTITY") {
                assert!(check(Arc::new(sim.clone()), Path::new(DIR)).is_err() && repaired(&sim).is_err());
                continue;
            }
            let found = checked(&sim);
            let torn = found.torn_edit.is_some() || found.log.as_ref().is_some_and(|log| log.cut.is_some());
            assert!(!found.damage.is_empty() || torn, "{what} was not noticed");
            assert_eq!(contents(&sim), files, "{what}: a check changed something");
            match repaired(&sim) {
                Ok(lost) => {
                    assert_eq!(lost.is_empty(), found.damage.is_empty(), "{what}: {lost:?}");
                    ensure_sound(&sim, &what);
                    repaired_runs += u64::from(is_run(path) && !lost.is_empty());
                    repaired_logs += u64::from(is_log(path) && !lost.is_empty());
                }
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt { .. }), "{what}: {error}");
                    assert_eq!(contents(&sim), files, "{what}: a repair in vain changed something");
                    assert!(!is_run(path) && !is_log(path), "{what}: {error}");
                }
            }
        }
    }
    assert!(repaired_runs > 500 && repaired_logs > 300, "{repaired_runs} runs, {repaired_logs} logs");
}

#[test]
fn missing_files_are_told_and_done_without() {
    let whole = files();
    for path in whole.keys().filter(|path| is_run(path) || is_log(path)) {
        let mut files = whole.clone();
        files.remove(path);
        let sim = disk(&files);
        assert_eq!(checked(&sim).damage.len(), 1, "{}", path.display());
        let lost = repaired(&sim).unwrap();
        assert!(lost.len() == 1 && lost[0].contains(path.to_str().unwrap()), "{lost:?}");
        ensure_sound(&sim, &path.display().to_string());
    }
}

#[test]
fn a_damaged_run_stays_under_another_name_and_newer_rounds_go_on() {
    let mut files = files();
    let run = files.keys().rfind(|path| is_run(path)).unwrap().clone();
    files.get_mut(&run).unwrap()[9] ^= 1;
    let sim = disk(&files);
    let lost = repaired(&sim).unwrap();
    let aside = PathBuf::from(format!("{}.damaged", run.display()));
    assert!(lost[0].contains("epochs 2 to 2: 1 keys and 1 deletions"), "{lost:?}");
    assert!(lost[0].contains(aside.to_str().unwrap()), "{lost:?}");
    // The older round's keys are what is left.
    assert_eq!(ensure_sound(&sim, "a run"), 2);
    let mut session = serve(&sim);
    session.append(0, 4, b"after");
    session.steps.finish();
    round(&session.engine, 4, &[(2, None), (3, Some("c"))]);
    drop(session);
    assert_eq!(ensure_sound(&sim, "a round after a repair"), 3);
    assert_eq!(sim.contents(&aside).as_ref(), files.get(&run));
}

#[test]
fn a_repair_that_fails_or_is_interrupted_can_be_done_again() {
    let mut files = files();
    for path in files.clone().keys().filter(|path| is_run(path) || is_log(path)) {
        let bytes = files.get_mut(path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    }
    for errno in [None, Some(Errno::EIO), Some(Errno::ENOSPC)] {
        let mut interrupted = 0;
        for nth in 0..200 {
            let sim = disk(&files);
            match errno {
                None => sim.crash_at(nth),
                Some(errno) => sim.fail_at(nth, errno),
            }
            let outcome = repaired(&sim);
            sim.power_loss();
            if outcome.is_err() {
                interrupted += 1;
                repaired(&sim).unwrap_or_else(|e| panic!("{errno:?} at {nth}: {e}"));
            }
            ensure_sound(&sim, &format!("{errno:?} at {nth}"));
        }
        assert!(interrupted > 20, "{errno:?}: {interrupted}");
    }
}
