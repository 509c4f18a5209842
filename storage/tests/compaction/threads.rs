//! The pool as it runs: real threads, real files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use storage::compaction::Compactor;
use storage::compaction::pool::Options;
use storage::fs::Fs;
use storage::fs::os::Os;

use super::{Round, Store, small_options};
use crate::run::Model;
use crate::threads::{TempDir, wait_until};

/// Overwrites the keys, and tells the pool.
fn overwrite(store: &Store, compactor: Option<&Compactor>, truth: &mut Model, keys: u64, value: u8) {
    let version = store.set.current();
    let round = Round::of(&version, 0, (0..keys).map(|key| (key, Some(vec![value; 100]))));
    let next = round.apply(&version, truth);
    store.commit_round(&round, &next).unwrap();
    *truth = next;
    compactor.into_iter().for_each(Compactor::poke);
}

fn new_store(dir: &TempDir) -> (Store, Model) {
    let store = Store::open(Arc::new(Os), &dir.0).unwrap();
    store.commit_round(&Round::flush(0), &Model::new()).unwrap();
    (store, Model::new())
}

#[test]
fn a_pool_of_threads_settles_while_rounds_come_and_is_idle_then() {
    let dir = TempDir::new();
    let (store, mut truth) = new_store(&dir);
    let options = Options { threads: 3, ..small_options() };
    let (compactor, pool) = store.pool(options);
    for value in 0..40 {
        overwrite(&store, Some(&compactor), &mut truth, 2_000, value);
    }
    let files = || Os.list(&dir.0.join(storage::run::DIR)).unwrap().len();
    wait_until("settling", || {
        let stats = compactor.stats();
        stats.running_jobs == 0 && stats.debt_bytes == 0 && files() == store.set.current().runs().count()
    });
    assert!(store.view().unwrap() == truth);
    let stats = compactor.stats();
    assert!(stats.jobs > 0 && stats.bytes_read > 0 && stats.bytes_written > 0, "{stats:?}");
    assert_eq!((stats.pressure, stats.last_error), (0.0, None));
    pool.stop();
    pool.stop();
}

#[test]
fn a_pool_stops_at_once_in_the_middle_of_a_slow_job() {
    let dir = TempDir::new();
    let (store, mut truth) = new_store(&dir);
    (0..4).for_each(|value| overwrite(&store, None, &mut truth, 5_000, value));
    let before = store.set.current();
    // A byte a second: without a stop it would take weeks.
    let options = Options { bytes_per_second_min: 1, ..small_options() };
    let (compactor, pool) = store.pool(options);
    wait_until("a job", || compactor.stats().bytes_read > 0);
    let begun = Instant::now();
    drop(pool);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(store.set.current(), before);
    let files = Os.list(&dir.0.join(storage::run::DIR)).unwrap();
    assert_eq!(files.len(), before.runs().count(), "{files:?}");
    assert!(store.view().unwrap() == truth);
}

#[test]
fn pressure_rises_without_threads_and_falls_with_them() {
    let dir = TempDir::new();
    let (store, mut truth) = new_store(&dir);
    let (idle, _no_threads) = store.pool(Options { threads: 0, ..small_options() });
    let mut last = 0.0;
    for value in 0..20 {
        overwrite(&store, Some(&idle), &mut truth, 300, value);
        assert!(idle.pressure() >= last, "{} after {last}", idle.pressure());
        last = idle.pressure();
    }
    assert!(last >= 1.0 && idle.stats().debt_bytes > 0, "{last}");
    let (compactor, _pool) = store.pool(small_options());
    wait_until("relief", || compactor.pressure() == 0.0);
    assert!(store.view().unwrap() == truth);
}
