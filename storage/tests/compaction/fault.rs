//! Compaction on a disk that fails, fills up or is damaged: a job is whole or has left nothing, and it is tried again,
//! but not at once.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use storage::Error;

use super::{Round, World, small_options};
use crate::support::Random;

/// One history in which the `nth` operation fails, counted from after the first round; the number of its operations, and
/// of files left for the next start.
fn history(seed: u64, fault: Option<(u64, Errno)>) -> Result<(u64, u64), String> {
    let keys = 30 + Random(seed).below(100);
    let mut world = World::new(seed, keys, small_options());
    world.round(&Round::flush(0)).unwrap();
    fault.iter().for_each(|&(nth, errno)| world.sim.fail_at(nth, errno));
    let before = world.sim.operations();
    for _ in 0..6 {
        let round = world.random_round();
        // A round that fails with anything but `Poisoned` changes nothing, and comes again.
        let committed = world.round(&round).or_else(|error| match error {
            Error::Poisoned { .. } => Err(error),
            _ => world.round(&round),
        });
        (0..world.random.below(10)).for_each(|_| _ = world.step());
        if committed.is_err() {
            break;
        }
    }
    let operations = world.sim.operations() - before;
    world.settle();
    let stats = world.compactor.stats();
    let stopped = world.store.set.seal().is_err();
    let ensure = |holds: bool, what: &str| {
        if holds { Ok(()) } else { Err(format!("seed {seed}, {fault:?}: {what}: {stats:?}")) }
    };
    let mut left = 0;
    if !stopped {
        ensure(stats.last_error.is_none() || world.removal_failed, "a failure was not overcome")?;
        let (there, named) = world.files();
        left = there.iter().filter(|path| !named.contains(path)).count() as u64;
        ensure(left <= u64::from(world.removal_failed), "files were left behind")?;
        ensure(named.iter().all(|path| there.contains(path)), "files are missing")?;
    }
    // An injected failure that has not come yet must not come now.
    world.sim.kill();
    world.reopen().map_err(|e| e.to_string())?;
    let found = world.store.view().map_err(|e| e.to_string())?;
    let right = found == world.truth || Some(&found) == world.in_flight.as_ref();
    ensure(right, "something else is there than was acknowledged")?;
    let (there, named) = world.files();
    ensure(there == named, "a start left a file behind")?;
    Ok((operations, left))
}

#[test]
fn an_error_at_every_operation_loses_nothing_and_is_overcome() {
    let (mut histories, mut left) = (0, 0);
    for seed in 0..12 {
        let (operations, _) = history(seed, None).unwrap();
        for nth in 0..operations {
            for errno in [Errno::EIO, Errno::ENOSPC] {
                left += history(seed, Some((nth, errno))).unwrap_or_else(|broken| panic!("{broken}")).1;
                histories += 1;
            }
        }
    }
    println!("{histories} histories, {left} files left");
    assert!(histories > 1_000 && left * 10 < histories, "{histories} histories, {left} files left");
}

/// A world with a job to do: level 0 is full.
fn with_work() -> World {
    let mut world = World::new(7, 500, small_options());
    world.round(&Round::flush(0)).unwrap();
    world.round(&Round::flush(1)).unwrap();
    for value in 0..4 {
        let version = world.store.set.current();
        let round = Round::of(&version, 0, (0..300).map(|key| (key, Some(vec![value; 100]))));
        world.round(&round).unwrap();
    }
    world
}

/// Does all tasks that there are at `now`: how many.
fn drain(world: &World, now: Instant) -> usize {
    std::iter::from_fn(|| world.compactor.next(now)).map(|task| world.compactor.run(task)).count()
}

#[test]
fn on_a_full_disk_nothing_is_merged_until_later_but_dead_runs_go() {
    let mut world = with_work();
    let before = world.files().0;
    let used: u64 = world.sim.paths().iter().map(|path| world.sim.contents(path).unwrap().len() as u64).sum();
    world.sim.set_capacity(Some(used + 6_000));
    let now = Instant::now();
    assert!(drain(&world, now) > 0);
    let error = world.compactor.stats().last_error.unwrap();
    assert!(error.contains("make room"), "{error}");
    assert_eq!(world.files().0, before, "unfinished files were not removed");
    assert_eq!(drain(&world, now), 0, "it is tried again at once");
    world.check();

    world.round(&Round::flush(0)).unwrap();
    assert!(drain(&world, now) > 0, "there is no room to forget what is dead");
    assert_eq!(world.files().0.len(), 0);
    world.check();
}

#[test]
fn a_job_without_room_is_done_when_there_is_some() {
    let world = with_work();
    world.sim.set_capacity(Some(0));
    let now = Instant::now();
    drain(&world, now);
    assert_eq!((drain(&world, now), world.compactor.stats().jobs), (0, 0));
    world.sim.set_capacity(None);
    drain(&world, now + Duration::from_secs(3));
    let stats = world.compactor.stats();
    assert_eq!((stats.jobs, stats.last_error), (1, None));
    world.check();
}

#[test]
fn damage_is_reported_and_what_it_does_not_touch_goes_on() {
    let mut world = with_work();
    world.settle();
    let deep = world.store.set.current().runs().next().unwrap().meta().id;
    let path = deep.path(std::path::Path::new(crate::support::DIR));
    let mut bytes = world.sim.contents(&path).unwrap();
    bytes[100] ^= 1;
    world.sim.put(&path, &bytes);
    world.reopen().unwrap();

    let version = world.store.set.current();
    let rows = |from: u64, to: u64, value| (from..to).map(move |key| (key, Some(vec![value; 100])));
    for value in 0..4 {
        let round = Round::of(&version, 0, rows(0, 300, value));
        world.round(&round).unwrap();
    }
    for rest in [0, 2, 4, 8, 16, 32, 64, 64] {
        let now = Instant::now();
        let next = (0..100).find(|&second| {
            let task = world.compactor.next(now + Duration::from_secs(second));
            task.map(|task| world.compactor.run(task)).is_some()
        });
        assert!(next.is_some_and(|next| next <= rest && 2 * next >= rest), "{next:?} seconds, not {rest}");
        drain(&world, now);
    }
    let stats = world.compactor.stats();
    let error = stats.last_error.unwrap();
    assert!(error.contains("is damaged at byte") && error.contains(&deep.file_name()), "{error}");
    assert_eq!(stats.running_jobs, 0);
    assert!(world.store.set.current().run(deep).is_some(), "a damaged run was dropped");
    let (there, named) = world.files();
    assert_eq!(there, named, "what was written beside the damage stayed");
}

#[test]
fn a_compactor_that_is_stopped_removes_what_it_had_begun() {
    for begun in 1..=4 {
        for done in 0..=begun {
            let world = with_work();
            let before = world.files();
            let mut tasks: Vec<_> =
                (0..begun).map(|_| world.compactor.next(Instant::now()).unwrap()).collect();
            tasks.drain(..done).for_each(|task| world.compactor.run(task));
            if done == 4 {
                // The job was committed.
                continue;
            }
            assert_eq!(world.files().0.len() > before.0.len(), done > 0);
            world.compactor.stop();
            tasks.into_iter().for_each(|task| world.compactor.run(task));
            assert_eq!(world.files(), before, "{done} of {begun} parts were done");
            assert!(world.compactor.next(Instant::now()).is_none());
            assert_eq!(world.compactor.stats().last_error, None);
            world.check();
        }
    }
}

#[test]
fn when_a_part_fails_the_others_end_and_no_more_are_begun() {
    let world = with_work();
    let before = world.files();
    let now = Instant::now();
    let [first, second] = [world.compactor.next(now).unwrap(), world.compactor.next(now).unwrap()];
    world.sim.fail_at(0, Errno::EIO);
    world.compactor.run(first);
    let after_failure = world.compactor.stats();
    assert!(after_failure.last_error.is_none(), "the job has not ended");
    assert!(world.compactor.next(now).is_none(), "another part was begun");
    world.compactor.run(second);
    let stats = world.compactor.stats();
    assert_eq!((stats.bytes_written, stats.running_jobs, stats.jobs), (0, 0, 0));
    assert!(stats.last_error.is_some_and(|error| error.contains("Cannot read")));
    assert_eq!(world.files(), before);
}
