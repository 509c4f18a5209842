//! Random histories of rounds with compaction stepping between them, against a `BTreeMap`.

use std::sync::Arc;

use storage::NamespaceId;
use storage::compaction::picker;
use storage::compaction::pool::Options;

use super::{Round, World, live_bytes, small_options};
use crate::support::Random;

#[test]
fn whatever_is_merged_the_view_is_what_the_rounds_brought() {
    let (mut jobs, mut levels) = (0, 0);
    for seed in 0..30 {
        println!("seed {seed}");
        let keys = 30 + Random(seed).below(600);
        let mut world = World::new(seed, keys, small_options());
        world.long_one_in = 4;
        for _ in 0..25 {
            let round = world.random_round();
            world.round(&round).unwrap();
            world.check();
            for _ in 0..world.random.below(12) {
                world.step();
                world.check();
            }
        }
        world.settle();
        world.check();
        let version = world.store.set.current();
        version.runs().for_each(|run| run.reader().verify().unwrap());
        let (there, named) = world.files();
        assert_eq!(there, named, "seed {seed}");
        let stats = world.compactor.stats();
        assert_eq!((stats.running_jobs, stats.last_error, stats.pressure), (0, None, 0.0));
        jobs += stats.jobs;
        levels = levels.max((1..7).filter(|&level| !version.level(level).is_empty()).count());
    }
    assert!(jobs > 300 && levels > 1, "{jobs} jobs, {levels} levels");
}

#[test]
fn a_reopened_store_goes_on_compacting() {
    for seed in 100..110 {
        let mut world = World::new(seed, 300, small_options());
        world.long_one_in = 4;
        for _ in 0..15 {
            let round = world.random_round();
            world.round(&round).unwrap();
            (0..world.random.below(8)).for_each(|_| _ = world.step());
            if world.random.one_in(3) {
                world.reopen().unwrap();
            }
            world.check();
        }
        world.settle();
        world.check();
    }
}

/// Options for some megabytes.
fn medium_options() -> Options {
    let shape = picker::Options { base_bytes: 256 << 10, run_bytes: 64 << 10, ..picker::Options::default() };
    Options { shape, ..small_options() }
}

/// A world whose database 0 has `keys` keys.
fn filled(seed: u64, keys: u64) -> World {
    let mut world = World::new(seed, keys, medium_options());
    world.round(&Round::flush(0)).unwrap();
    world.round(&Round::flush(1)).unwrap();
    let version = world.store.set.current();
    let round = Round::of(&version, 0, (0..keys).map(|key| (key, Some(vec![key as u8; 100]))));
    world.round(&round).unwrap();
    world.settle();
    world
}

#[test]
fn a_settled_store_takes_at_most_half_as_much_again_as_its_keys() {
    let keys = 20_000;
    let mut world = filled(1, keys);
    let mut taken = world.store.bytes();
    for _ in 0..100 {
        let version = world.store.set.current();
        let random = &mut world.random;
        let rows = (0..keys / 10).map(|_| (random.below(keys), Some(vec![random.next() as u8; 100])));
        let round = Round::of(&version, 0, rows);
        world.round(&round).unwrap();
        taken += live_bytes(&round.changes);
        (0..4).for_each(|_| _ = world.step());
    }
    world.settle();
    world.check();
    let (bytes, live) = (world.store.bytes(), live_bytes(&world.truth));
    let written = world.compactor.stats().bytes_written;
    println!("space {:.2}, write {:.1}", bytes as f64 / live as f64, written as f64 / taken as f64);
    assert!(bytes * 10 <= live * 15, "{bytes} bytes for {live}");
    assert!(written < 20 * taken, "{written} bytes written for {taken}");
}

#[test]
fn a_flush_gives_all_bytes_back_without_writing_any() {
    let mut world = filled(2, 5_000);
    let few = Round::of(&world.store.set.current(), 1, (0..9).map(|key| (key, Some(b"kept".to_vec()))));
    world.round(&few).unwrap();
    let before = world.compactor.stats();
    world.round(&Round::flush(0)).unwrap();
    while let Some(task) = world.compactor.next(std::time::Instant::now()) {
        world.compactor.run(task);
    }
    world.check();
    assert!(world.store.bytes() < 2_000, "{} bytes", world.store.bytes());
    let after = world.compactor.stats();
    assert_eq!(after.bytes_written, before.bytes_written);
    let (there, named) = world.files();
    assert_eq!(there, named);
}

#[test]
fn a_pinned_version_keeps_its_files_and_what_they_hold() {
    let mut world = filled(3, 3_000);
    let (pin, then) = (world.store.set.current(), world.truth.clone());
    let round = Round::of(&pin, 0, (0..3_000).map(|key| (key, None)));
    world.round(&round).unwrap();
    world.round(&Round::flush(0)).unwrap();
    world.settle();
    assert_eq!(world.store.set.current().runs().count(), 0, "everything was deleted");
    assert!(super::view(&pin).unwrap() == then, "a pinned version has changed");
    assert_eq!(world.files().0.len(), pin.runs().count());
    drop(pin);
    world.settle();
    assert_eq!(world.files().0.len(), 0);
}

#[test]
fn a_job_from_before_a_flush_or_newer_rounds_harms_nothing() {
    let mut world = filled(4, 2_000);
    for value in [1, 2, 3, 4] {
        let version = world.store.set.current();
        let round = Round::of(&version, 0, (0..2_000).map(|key| (key, Some(vec![value; 100]))));
        world.round(&round).unwrap();
    }
    let now = std::time::Instant::now();
    let mut parts = 0;
    while let Some(task) = world.compactor.next(now) {
        world.tasks.push(task);
        parts += 1;
    }
    assert!(parts > 1, "a job of one part");
    let newer = Round::of(&world.store.set.current(), 0, (0..50).map(|key| (key, None)));
    world.round(&newer).unwrap();
    world.round(&Round { flush: Some(1), ..Round::default() }).unwrap();
    for task in std::mem::take(&mut world.tasks) {
        world.compactor.run(task);
        world.check();
    }
    let namespaces = world.store.set.current().databases().values().copied().collect::<Vec<NamespaceId>>();
    assert_eq!(namespaces.len(), 2);
    world.settle();
    world.check();
}

#[test]
fn jobs_run_beside_each_other() {
    for seed in 200..204 {
        let mut world = World::new(seed, 3_000, small_options());
        world.long_one_in = 3;
        for _ in 0..12 {
            let round = world.random_round();
            world.round(&round).unwrap();
            let compactor = Arc::new(&world.compactor);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while let Some(task) = compactor.next(std::time::Instant::now()) {
                            compactor.run(task);
                        }
                    });
                }
            });
            world.check();
        }
        world.settle();
        world.check();
        let (there, named) = world.files();
        assert_eq!(there, named);
        assert_eq!(world.compactor.stats().last_error, None);
    }
}

#[test]
fn a_merged_run_spans_the_history_of_its_inputs() {
    let mut world = filled(5, 100);
    let span = |world: &World| {
        let version = world.store.set.current();
        let infos = version.runs().map(|run| run.reader().info().span);
        infos.map(|span| (span.first_epoch, span.last_epoch, span.max_lsn)).collect::<Vec<_>>()
    };
    for value in 0..4 {
        let version = world.store.set.current();
        let round = Round::of(&version, 0, (0..100).map(|key| (key, Some(vec![value; 100]))));
        world.round(&round).unwrap();
    }
    let before = span(&world);
    world.settle();
    let first = before.iter().map(|span| span.0).min().unwrap();
    let last = before.iter().map(|span| (span.1, span.2)).max().unwrap();
    assert!(before.len() > 1);
    assert_eq!(span(&world), [(first, last.0, last.1)]);
}
