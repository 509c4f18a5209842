//! D1: after a crash at any operation, what is recovered is a prefix of the history that holds every promised record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use storage::fs::sim::Lie;

use crate::support::{History, Planted, Trouble, stress_factor};

/// Runs `seed`'s history once undisturbed, then with a crash at every `stride`th operation. The number of runs.
fn crash_everywhere(seed: u64, stride: usize, planted: Planted) -> Result<u64, String> {
    let operations = History::run(seed, Trouble::None, planted)?;
    let mut runs = 1;
    for nth in (0..operations).step_by(stride) {
        History::run(seed, Trouble::Crash(nth), planted).map_err(|e| format!("crash at {nth}: {e}"))?;
        runs += 1;
    }
    Ok(runs)
}

#[test]
fn a_crash_at_every_operation_leaves_a_prefix_with_every_promised_record() {
    let mut runs = 0;
    for seed in 0..100 * stress_factor() {
        runs += crash_everywhere(seed, 1, Planted::None).unwrap_or_else(|broken| panic!("{broken}"));
    }
    println!("{runs} histories");
    assert!(runs > 5_000, "{runs}");
}

/// How many seeds pass before the planted fault is found.
fn seeds_until_found(planted: Planted) -> Option<u64> {
    // The engine's own assertions count as finding it, too.
    (0..150).find(|&seed| {
        !matches!(catch_unwind(AssertUnwindSafe(|| crash_everywhere(seed, 1, planted))), Ok(Ok(_)))
    })
}

#[test]
fn every_planted_fault_is_found() {
    let faults = [
        Planted::LateCut,
        Planted::EarlyRelease,
        Planted::EarlyStart,
        Planted::Lie(Lie::SyncDir),
        Planted::Lie(Lie::SyncData),
    ];
    for planted in faults {
        let found = seeds_until_found(planted);
        println!("{planted:?}: found by seed {found:?}");
        assert!(found.is_some(), "{planted:?} was not found");
    }
}
