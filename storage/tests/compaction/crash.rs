//! A crash at every operation of rounds and jobs: afterwards there is what the acknowledged rounds brought, or that and
//! the round in flight; every run that is named is whole; and a start leaves no other.

use storage::Error;
use storage::fs::sim::{Lie, Sim};

use super::{World, small_options};
use crate::support::Random;

/// One history; the number of its operations, and whether the crash came before its end.
fn history(seed: u64, crash_at: Option<u64>, lie: Option<Lie>) -> Result<u64, String> {
    let sim = Sim::new(seed ^ 0xabcd);
    lie.iter().for_each(|&lie| sim.lie(lie));
    let keys = 30 + Random(seed).below(100);
    let mut world = World::on(sim, seed, keys, small_options()).unwrap();
    crash_at.iter().for_each(|&nth| world.sim.crash_at(nth));
    let before = world.sim.operations();
    for _ in 0..8 {
        let round = world.random_round();
        if world.round(&round).is_err() {
            break;
        }
        (0..world.random.below(10)).for_each(|_| _ = world.step());
        if world.sim.crashed() {
            break;
        }
    }
    let operations = world.sim.operations() - before;
    match world.random.one_in(3) {
        true => world.sim.kill(),
        false => world.sim.power_loss(),
    }
    if world.random.one_in(3) {
        world.sim.crash_at(world.random.below(60));
    }
    recover(&mut world).map_err(|what| format!("seed {seed}, crash at {crash_at:?}: {what}"))?;
    Ok(operations)
}

fn recover(world: &mut World) -> Result<(), String> {
    for _ in 0..3 {
        match world.reopen() {
            Ok(()) => break,
            Err(_) if world.sim.crashed() => world.sim.power_loss(),
            Err(error) => return Err(error.to_string()),
        }
    }
    world.sim.kill();
    world.reopen().map_err(|e| e.to_string())?;
    let damaged = |error: Error| error.to_string();
    let found = world.store.view().map_err(damaged)?;
    if found != world.truth && Some(&found) != world.in_flight.as_ref() {
        return Err(format!("{} keys were found, {} are right", found.len(), world.truth.len()));
    }
    let version = world.store.set.current();
    version.runs().try_for_each(|run| run.reader().verify()).map_err(damaged)?;
    drop(version);
    let (there, named) = world.files();
    if there != named {
        return Err(format!("{there:?} is there, {named:?} is named"));
    }
    world.truth = found;
    world.settle();
    match world.store.view().map_err(damaged)? == world.truth {
        true => Ok(()),
        false => Err("compaction after the crash has changed what is there".into()),
    }
}

#[test]
fn a_crash_at_every_operation_loses_nothing_and_leaves_nothing_behind() {
    let mut histories = 0;
    for seed in 0..20 {
        let operations = history(seed, None, None).unwrap();
        for nth in 0..operations {
            history(seed, Some(nth), None).unwrap_or_else(|broken| panic!("{broken}"));
        }
        histories += operations + 1;
    }
    println!("{histories} histories");
    assert!(histories > 1_000, "{histories}");
}

#[test]
fn a_disk_that_only_pretends_to_sync_is_found_out() {
    for lie in [Lie::SyncData, Lie::SyncDir] {
        let found = (0..40).find(|&seed| history(seed, None, Some(lie)).is_err());
        println!("{lie:?}: found by seed {found:?}");
        assert!(found.is_some(), "{lie:?} was not found");
    }
}
