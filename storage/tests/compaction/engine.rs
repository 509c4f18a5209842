//! Compaction inside an engine: rounds bring work, the threads do it, and a close ends them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nix::errno::Errno;
use storage::fs::Fs;
use storage::fs::os::Os;
use storage::fs::sim::Sim;
use storage::version::Counts;
use storage::{Engine, Epoch, Error, Facts, NamespaceId, Options, Status};

use super::{row, small_options, view};
use crate::run::{Model, entry};
use crate::support::DIR;
use crate::threads::{TempDir, wait_until};

fn options() -> Options {
    Options { compaction: small_options(), ..Options::default() }
}

/// A round that sets the first `keys` keys.
fn round(engine: &Engine, epoch: u64, keys: u64) -> Result<Model, Error> {
    let namespace = NamespaceId(0);
    let model: Model = (0..keys).map(|key| row(namespace, key, Some(vec![epoch as u8; 100]))).collect();
    let mut counts: BTreeMap<(NamespaceId, u8), Counts> = BTreeMap::new();
    let mut round = engine.begin_round(keys)?;
    for row in &model {
        round.push(&entry(row))?;
        counts.entry((namespace, row.0.0.partition())).or_default().keys += 1;
    }
    round.commit(Facts {
        epoch: Epoch(epoch),
        last_lsn: engine.last_lsn(),
        databases: vec![(0, namespace)],
        counts: counts.into_iter().collect(),
        next_namespace: NamespaceId(1),
        attachment: Default::default(),
    })?;
    Ok(model)
}

#[test]
fn an_engine_keeps_its_runs_in_shape_while_rounds_come() {
    let dir = TempDir::new();
    let engine = crate::threads::start(&dir.0, options());
    let mut model = Model::new();
    for epoch in 1..=30 {
        model = round(&engine, epoch, 2_000).unwrap();
    }
    wait_until("settling", || engine.version().level(0).len() < 4 && engine.pressure() == 0.0);
    let stats = engine.compaction_stats();
    assert!(stats.jobs > 0 && stats.bytes_written > 0, "{stats:?}");
    assert_eq!(stats.last_error, None);
    engine.close().unwrap();

    let engine = crate::threads::start(&dir.0, options());
    assert!(view(&engine.version()).unwrap() == model);
    // Compaction may be at work again, with a file in the making or one to be removed.
    let files = || Os.list(&dir.0.join(storage::run::DIR)).unwrap().len();
    wait_until("removing what nothing names", || files() == engine.version().runs().count());
    engine.close().unwrap();
}

/// An error at the `nth` operation of a job of compaction: the engine's status, unless the job is shorter.
fn status_after_error(nth: u64) -> Option<Status> {
    let sim = Sim::new(1);
    let recovery = Engine::recover(Arc::new(sim.clone()), Path::new(DIR), options()).unwrap();
    let (engine, steps) = recovery.start_stepped(Box::new(|_| {})).unwrap();
    (1..=4).for_each(|epoch| _ = round(&engine, epoch, 100).unwrap());
    let before = sim.operations();
    sim.fail_at(nth, Errno::EIO);
    while let Some(task) = steps.compactor.next(Instant::now()) {
        steps.compactor.run(task);
    }
    let failed = sim.operations() - before > nth;
    let known = engine.compaction_stats().last_error.is_some();
    assert_eq!(known || engine.status() != Status::Healthy, failed, "operation {nth}");
    failed.then(|| engine.status())
}

#[test]
fn a_commit_of_compaction_that_fails_for_good_stops_the_engine_and_a_merge_does_not() {
    let outcomes: Vec<Status> = (0..).map_while(status_after_error).collect();
    let stopped = outcomes.iter().filter(|&&status| status == Status::Failed).count();
    // The write and the sync of the edit.
    assert!(stopped == 2 && outcomes.len() > 15, "{outcomes:?}");
}
