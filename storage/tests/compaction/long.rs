//! Merges of values that are never in memory as a whole.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::{Options, Round, Store, World, long_value, row, small_options};
use crate::run::Model;
use crate::support::{DIR, Random};
use crate::threads::{TempDir, wait_until};

/// Alone at their positions.
const OVERWRITTEN: u64 = 1_000_002;
const DELETED: u64 = 1_000_005;
const KEPT: u64 = 1_000_008;
const DROPPED: u64 = 1_000_011;

/// A world with a job to do, in which a long value is overwritten again and again, one is deleted, one just is, and one goes
/// with its database.
fn with_work(seed: u64) -> World {
    let mut options = small_options();
    options.shape.run_bytes = 100_000;
    let mut world = World::new(seed, 30, options);
    world.round(&Round::flush(0)).unwrap();
    world.round(&Round::flush(1)).unwrap();
    for nth in 0..4 {
        let version = world.store.set.current();
        let mut rows = vec![(OVERWRITTEN, Some(long_value(&mut world.random)))];
        match nth {
            0 => rows.extend([(DELETED, Some(long_value(&mut world.random)))]),
            1 => rows.extend([(KEPT, Some(long_value(&mut world.random)))]),
            3 => rows.extend([(DELETED, None)]),
            _ => {}
        }
        rows.extend((0..30).map(|key| (key, Some(vec![nth; 100]))));
        let mut round = Round::of(&version, 0, rows.into_iter());
        if nth == 2 {
            let other = version.databases()[&1];
            round.changes.extend([row(other, DROPPED, Some(long_value(&mut world.random)))]);
        }
        round.flush = (nth == 3).then_some(1);
        world.round(&round).unwrap();
    }
    world
}

/// Does all tasks that there are at `now`.
fn drain(world: &World, now: Instant) {
    while let Some(task) = world.compactor.next(now) {
        world.compactor.run(task);
    }
}

/// Looks for an entry's long block in the run of a round, and where it begins and ends in the file.
fn place(world: &World, round: usize, key: u64) -> (std::path::PathBuf, usize, usize) {
    let version = world.store.set.current();
    let mut rounds: Vec<_> = version.level(0).iter().collect();
    rounds.sort_by_key(|run| run.meta().epochs);
    let run = rounds[round].reader();
    let block = run.find(row(version.databases()[&0], key, None).0.0).unwrap();
    assert!(block.length > 1000);
    (run.info().id.path(Path::new(DIR)), block.offset as usize, (block.offset + block.length) as usize)
}

/// Damages a file, or repairs it.
fn flip(world: &mut World, path: &Path, at: usize) {
    let mut bytes = world.sim.contents(path).unwrap();
    bytes[at] ^= 0x10;
    world.sim.put(path, &bytes);
    world.reopen().unwrap();
}

#[test]
fn an_error_at_every_operation_changes_nothing_and_is_overcome() {
    for seed in [1, 2] {
        let mut failures = 0;
        for nth in 0.. {
            let world = with_work(seed);
            let (before, errno) = (world.store.set.current(), [Errno::EIO, Errno::ENOSPC][nth as usize % 2]);
            world.sim.fail_at(nth, errno);
            let (start, now) = (world.sim.operations(), Instant::now());
            drain(&world, now);
            if world.sim.operations() - start <= nth {
                break;
            }
            world.check();
            let stats = world.compactor.stats();
            if stats.jobs == 0 {
                failures += 1;
                let error = stats.last_error.expect("a job has not ended, and not failed");
                if error.contains("has stopped") {
                    // The manifest's fate is open: only a start tells.
                    continue;
                }
                assert_eq!(world.store.set.current(), before, "{nth}");
                let (there, named) = world.files();
                assert_eq!(there, named, "{nth}: {error}");
            }
            drain(&world, now + Duration::from_secs(60));
            world.check();
            world.store.set.current().runs().for_each(|run| run.reader().verify().unwrap());
        }
        assert!(failures > 60, "{failures} failures");
    }
}

#[test]
fn a_crash_at_every_operation_leaves_what_was_there() {
    for seed in [2, 3] {
        for nth in 0.. {
            let mut world = with_work(seed);
            world.sim.crash_at(nth);
            drain(&world, Instant::now());
            if !world.sim.crashed() {
                assert!(nth > 60, "{nth} operations");
                break;
            }
            if nth % 2 == 0 {
                world.sim.power_loss()
            } else {
                world.sim.kill()
            }
            world.reopen().unwrap();
            world.check();
            world.store.set.current().runs().for_each(|run| run.reader().verify().unwrap());
            let (there, named) = world.files();
            assert_eq!(there, named, "{nth}");
        }
    }
}

#[test]
fn damage_of_a_value_that_is_kept_fails_the_merge_wherever_it_is() {
    for seed in [1, 2] {
        let (_, start, end) = place(&with_work(seed), 1, KEPT);
        let mut random = Random(seed);
        let somewhere = (0..20).map(|_| start + random.below((end - start) as u64) as usize);
        for at in (start..start + 40).chain(end - 40..end).chain(somewhere) {
            let mut world = with_work(seed);
            let (path, _, _) = place(&world, 1, KEPT);
            let before = world.store.set.current().runs().map(|run| run.meta().id).collect::<Vec<_>>();
            flip(&mut world, &path, at);
            drain(&world, Instant::now());
            let error = world.compactor.stats().last_error.expect("damage was not noticed");
            assert!(error.contains("is damaged at byte"), "{error}");
            let version = world.store.set.current();
            assert_eq!(version.runs().map(|run| run.meta().id).collect::<Vec<_>>(), before, "byte {at}");
            let (there, named) = world.files();
            assert_eq!(there, named, "what was written from a damaged value stayed");
            flip(&mut world, &path, at);
            world.settle();
            world.check();
        }
    }
}

#[test]
fn damage_of_a_value_that_goes_ends_with_it() {
    for seed in [1, 2] {
        for (round, key) in [(0, OVERWRITTEN), (2, OVERWRITTEN), (0, DELETED)] {
            let mut world = with_work(seed);
            let (path, start, end) = place(&world, round, key);
            // Behind the first piece: what a merge decides by is read.
            flip(&mut world, &path, (start + end) / 2 + 5000);
            drain(&world, Instant::now());
            let stats = world.compactor.stats();
            assert!(stats.jobs > 0 && stats.last_error.is_none(), "{stats:?}");
            world.check();
            world.store.set.current().runs().for_each(|run| run.reader().verify().unwrap());
        }
    }
}

#[test]
fn a_pool_stops_in_the_middle_of_a_long_value() {
    let dir = TempDir::new();
    let store = Store::open(std::sync::Arc::new(storage::fs::os::Os), &dir.0).unwrap();
    store.commit_round(&Round::flush(0), &Model::new()).unwrap();
    let mut truth = Model::new();
    for value in 0..4 {
        let version = store.set.current();
        let round = Round::of(&version, 0, [(KEPT, Some(vec![value; 8 << 20]))].into_iter());
        truth = round.apply(&version, &truth);
        store.commit_round(&round, &truth).unwrap();
    }
    let before = store.set.current();
    let options = Options { bytes_per_second_min: 1, ..small_options() };
    let (compactor, pool) = store.pool(options);
    wait_until("the beginning", || compactor.stats().bytes_read > 0);
    let begun = Instant::now();
    drop(pool);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(compactor.stats().bytes_read < 4 << 20, "{} bytes were read", compactor.stats().bytes_read);
    assert_eq!(store.set.current(), before);
    assert_eq!(store.view().unwrap(), truth);
}
