//! D3 and its neighbours: failed operations, a full disk, a directory that cannot be had.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use storage::fs::sim::{Lie, Sim};
use storage::log::Step;
use storage::{Engine, Error, Lsn, OnFailure, Options, Status, SyncMode};

use crate::support::{DIR, History, Planted, Session, Trouble, replay, small_options, stress_factor};

#[test]
fn an_error_at_every_operation_loses_nothing_promised() {
    let mut runs = 0;
    for seed in 1000..1000 + 40 * stress_factor() {
        let operations = History::run(seed, Trouble::None, Planted::None).unwrap();
        for nth in 0..operations {
            for errno in [Errno::EIO, Errno::ENOSPC] {
                if let Err(broken) = History::run(seed, Trouble::Fail(nth, errno), Planted::None) {
                    panic!("{errno} at {nth}: {broken}");
                }
                runs += 1;
            }
        }
    }
    assert!(runs > 2_000, "{runs}");
}

#[test]
fn a_failed_sync_is_final() {
    for (on_failure, status) in [(OnFailure::Stop, Status::Failed), (OnFailure::ReadOnly, Status::ReadOnly)] {
        let sim = Sim::new(1);
        let options = Options { on_failure, ..small_options(SyncMode::Always) };
        let (recovery, _, _) = replay(&sim, options).unwrap();
        let mut session = Session::start(recovery).unwrap();
        session.append(0, 1, b"first");
        assert_eq!(session.steps.writer.step(), Step::Wrote);
        session.steps.syncer.sync(false);
        assert_eq!(session.engine.durable_lsn(), Lsn(1));

        session.append(0, 1, b"second");
        assert_eq!(session.steps.writer.step(), Step::Wrote);
        sim.fail_at(0, Errno::EIO);
        session.steps.syncer.sync(false);
        assert_eq!(session.engine.status(), status);
        let announced = session.announced.lock().unwrap().unwrap();
        assert_eq!((announced.durable, announced.status), (Lsn(1), status));
        assert!(session.engine.failure().unwrap().contains("/data/log-0000000001"));

        // The disk is well again, and it makes no difference.
        let operations = sim.operations();
        session.append(0, 1, b"third");
        session.steps.syncer.sync(true);
        assert_eq!(session.steps.writer.step(), Step::Failed);
        session.steps.finish();
        assert_eq!(session.engine.durable_lsn(), Lsn(1));
        assert_eq!(session.engine.pending_bytes(), 0, "a failed log keeps records in memory");
        assert_eq!(sim.operations(), operations, "a failed log touched the disk");
        let waited = session.engine.wait_durable(Lsn(2), Duration::from_secs(5));
        assert!(matches!(waited, Err(Error::Poisoned { .. })));
        assert!(matches!(session.engine.close(), Err(Error::Poisoned { .. })));
    }
}

/// A sync fails, the process dies, the next one reads the record back and serves it; then the power fails.
fn serve_what_a_failed_sync_left(seed: u64, lie: Option<Lie>) -> (usize, usize) {
    let sim = Sim::new(seed);
    if let Some(lie) = lie {
        sim.lie(lie);
    }
    let mut session = Session::open(&sim, SyncMode::Always);
    session.append(7, 1, &[7; 900]);
    session.steps.writer.step();
    sim.fail_at(0, Errno::EIO);
    session.steps.syncer.sync(false);
    sim.kill();
    let (recovery, served, _) = replay(&sim, small_options(SyncMode::Always)).unwrap();
    let _session = Session::start(recovery).unwrap();
    sim.power_loss();
    let (_, kept, _) = replay(&sim, small_options(SyncMode::Always)).unwrap();
    (served.len(), kept.len())
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_written_again_before_it_is_served() {
    for seed in 0..50 {
        assert_eq!(serve_what_a_failed_sync_left(seed, None), (1, 1), "seed {seed}");
    }
    let lost =
        (0..50).filter(|&seed| serve_what_a_failed_sync_left(seed, Some(Lie::SameBytes)) == (1, 0)).count();
    assert!(lost > 0, "a start that does not write the tail again was not found");
}

#[test]
fn a_full_disk_holds_writes_back_and_room_lets_them_go_on() {
    for seed in 0..200 {
        let sim = Sim::new(seed);
        let mut session = Session::open(&sim, SyncMode::EverySecond);
        let used: usize = sim.paths().iter().map(|path| sim.contents(path).unwrap().len()).sum();
        sim.set_capacity(Some(used as u64 + 200 + seed * 37));
        let mut appended = 0;
        while session.engine.status() == Status::Healthy {
            for shard in 0..5 {
                session.append(shard, 1, &[appended as u8; 100]);
                appended += 1;
            }
            session.steps.writer.step();
        }
        assert_eq!(session.engine.status(), Status::Full);
        let written = session.engine.written_lsn();
        session.append(9, 1, b"while full");
        assert_eq!(session.steps.writer.step(), Step::Full);
        session.steps.syncer.sync(false);
        assert_eq!(session.engine.durable_lsn(), written, "what was written before can be synced");
        assert!(session.engine.pending_bytes() > 500);

        sim.set_capacity(None);
        assert_eq!(session.steps.writer.step(), Step::Wrote);
        assert_eq!(session.engine.status(), Status::Healthy);
        session.steps.finish();
        session.engine.close().unwrap();
        sim.power_loss();
        let (_, records, report) = replay(&sim, small_options(SyncMode::Always)).unwrap();
        assert_eq!(records.len(), appended + 1, "seed {seed}");
        assert_eq!(report.cut, None);
        assert_eq!(records.last().unwrap().payload, b"while full");
    }
}

#[test]
fn closing_on_a_full_disk_says_what_is_lost() {
    let sim = Sim::new(3);
    let mut session = Session::open(&sim, SyncMode::EverySecond);
    sim.set_capacity(Some(0));
    session.append(1, 1, b"no room");
    session.steps.finish();
    let error = session.engine.close().unwrap_err().to_string();
    assert!(error.contains("no room to write the last 1 records"), "{error}");
}

#[test]
fn a_directory_is_opened_once_at_a_time() {
    let sim = Sim::new(1);
    let session = Session::open(&sim, SyncMode::Always);
    let error = replay(&sim, Options::default()).err().unwrap();
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    session.engine.close().unwrap();
    replay(&sim, Options::default()).unwrap();
}

#[test]
fn a_read_only_directory_is_a_clear_error() {
    let sim = Sim::new(1);
    sim.set_read_only(true);
    let opened = Engine::recover(Arc::new(sim), Path::new(DIR), Options::default());
    let error = opened.err().unwrap().to_string();
    assert!(error.contains("/data/LOCK") && error.contains("permission to write"), "{error}");
}
