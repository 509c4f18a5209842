//! Runs on a disk that fails, fills up, or loses power: whole and durable under the final name, or not there.

use nix::errno::Errno;
use storage::Error;
use storage::fs::sim::{Lie, Sim};
use storage::run::{Position, RunDir};

use super::{ID, LZ4, Model, build, drain, random_model_of, runs};
use crate::support::Random;

/// Enough for several writes.
fn model() -> Model {
    random_model_of(&mut Random(3), 9000, u64::MAX)
}

fn read(runs: &RunDir) -> Result<Model, Error> {
    let run = runs.open_run(ID)?;
    run.verify()?;
    drain(run.scan(Position::MIN)?)
}

fn is_there(sim: &Sim, runs: &RunDir) -> bool {
    sim.contents(&runs.path(ID)).is_some()
}

/// The number of operations that building takes, the directory's creation aside.
fn operations(seed: u64, model: &Model) -> u64 {
    let sim = Sim::new(seed);
    let runs = runs(sim.clone());
    let before = sim.operations();
    build(&runs, ID, LZ4, model).unwrap();
    sim.operations() - before
}

#[test]
fn an_error_at_every_operation_leaves_no_run_and_no_rest() {
    let model = model();
    for errno in [Errno::EIO, Errno::ENOSPC] {
        let all = operations(1, &model);
        assert!(all > 8, "{all}");
        for nth in 0..all {
            let sim = Sim::new(1);
            let runs = runs(sim.clone());
            sim.fail_at(nth, errno);
            let error = build(&runs, ID, LZ4, &model).err().unwrap();
            assert!(
                matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(errno as i32))
            );
            assert_eq!(sim.paths().len(), 0, "{errno} at {nth}: {error}");
            // The disk is well again: the next attempt finds nothing in its way.
            build(&runs, ID, LZ4, &model).unwrap();
            sim.power_loss();
            assert!(read(&self::runs(sim)).unwrap() == model, "{errno} at {nth}");
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_its_bytes_come_back() {
    let model = model();
    let full = 200_000;
    for capacity in [0, 1, 100_000, full] {
        let sim = Sim::new(capacity);
        let runs = runs(sim.clone());
        sim.set_capacity(Some(capacity));
        let error = build(&runs, ID, LZ4, &model).err().unwrap();
        assert!(error.to_string().contains("make room"), "{error}");
        assert_eq!(sim.paths().len(), 0);
        sim.set_capacity(None);
        build(&runs, ID, LZ4, &model).unwrap();
    }
}

/// Crashes at the nth operation; whether the run is there afterwards.
fn crash_at(nth: u64, seed: u64, model: &Model, lie: Option<Lie>) -> Result<bool, Error> {
    let sim = Sim::new(seed);
    if let Some(lie) = lie {
        sim.lie(lie);
    }
    let runs = runs(sim.clone());
    sim.crash_at(nth);
    let built = build(&runs, ID, LZ4, model).is_ok();
    match seed % 3 {
        0 => sim.kill(),
        _ => sim.power_loss(),
    }
    let there = is_there(&sim, &runs);
    assert!(there || !built || lie.is_some(), "seed {seed}, {nth}: a finished run is gone");
    if there {
        assert!(read(&runs)? == *model, "seed {seed}, {nth}: a run holds something else");
    }
    let unfinished = sim.paths().iter().filter(|path| path.to_string_lossy().ends_with(".tmp")).count();
    let others = sim.paths().len() - unfinished;
    assert_eq!(others, usize::from(there), "seed {seed}, {nth}: a file that no start would remove");
    Ok(there)
}

#[test]
fn after_a_crash_at_every_operation_a_run_is_whole_or_absent() {
    let model = random_model_of(&mut Random(4), 300, u64::MAX);
    let mut there = 0;
    for seed in 0..40 {
        // One more than there are: a crash after the end.
        for nth in 0..=operations(seed, &model) {
            there += u64::from(crash_at(nth, seed, &model, None).unwrap());
        }
    }
    assert!(there > 40, "{there}");
}

#[test]
fn a_disk_that_only_pretends_to_sync_is_found_out() {
    let model = random_model_of(&mut Random(4), 300, u64::MAX);
    let found = (0..60).filter(|&seed| crash_at(1000, seed, &model, Some(Lie::SyncData)).is_err()).count();
    assert!(found > 0, "a run that was never synced always survived");
    let lost = (0..60).filter(|&seed| !crash_at(1000, seed, &model, Some(Lie::SyncDir)).unwrap()).count();
    assert!(lost > 0, "a name that was never synced always survived");
}

#[test]
fn an_error_while_reading_is_an_error_and_passes() {
    let (sim, runs, model) = super::small_run();
    let before = sim.operations();
    assert_eq!(read(&runs).unwrap(), model);
    let all = sim.operations() - before;
    for nth in 0..all {
        sim.fail_at(nth, Errno::EIO);
        let error = read(&runs).err().unwrap();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert_eq!(read(&runs).unwrap(), model);
    }
    assert_eq!(sim.paths(), [runs.path(ID)], "reading changed the directory");
}

#[test]
fn a_builder_that_is_dropped_leaves_nothing() {
    let sim = Sim::new(1);
    let runs = runs(sim.clone());
    let mut builder = runs.build(ID, LZ4).unwrap();
    for row in &model() {
        builder.push(&super::entry(row)).unwrap();
    }
    assert!(builder.size_bytes() > 100_000);
    drop(builder);
    assert_eq!(sim.paths().len(), 0);
}
