//! Tests of the module above.

use std::path::Path;

use super::*;
use crate::entry::{NamespaceId, Position};
use crate::fs::sim::Sim;
use crate::record::{Epoch, Lsn};
use crate::run::NamespaceShare;
use crate::version::RunMeta;

fn set() -> VersionSet {
    read(Arc::new(Sim::new(1)), Path::new("/data"), 7).unwrap().start(1 << 20).unwrap()
}

fn run(id: RunId, level: u8, epoch: u64) -> RunMeta {
    let namespace = NamespaceId(0);
    RunMeta {
        id,
        level,
        size_bytes: 1000,
        first: Position { namespace, hash: 0 },
        last: Position { namespace, hash: u64::MAX },
        epochs: (Epoch(1), Epoch(epoch)),
        shares: vec![NamespaceShare { namespace, records: 10, tombstones: 0 }],
    }
}

/// The edit of a dataset's first round, which wrote run `id`.
fn first_round(id: RunId) -> Edit {
    Edit {
        add: vec![run(id, 0, 1)],
        cut: Some(Cut { epoch: Epoch(1), lsn: Lsn(10), segment: 1, durable: Lsn(10) }),
        databases: vec![(0, Some(NamespaceId(0)))],
        next_namespace: Some(NamespaceId(1)),
        ..Edit::default()
    }
}

#[test]
fn a_run_is_unused_when_the_last_holder_of_its_version_lets_go() {
    let set = set();
    let (a, b) = (set.begin_run(), set.begin_run());
    set.commit(&first_round(a), &[]).unwrap();
    let (pin, second_pin) = (set.current(), set.current());
    set.commit(&Edit { remove: vec![a], add: vec![run(b, 3, 1)], ..Edit::default() }, &[]).unwrap();
    assert_eq!(set.take_unused(), [], "a pinned run was given up");
    drop(pin);
    assert_eq!(set.take_unused(), []);
    let only_the_run = second_pin.run(a).unwrap().clone();
    drop(second_pin);
    assert_eq!(set.take_unused(), [], "a run in use was given up");
    drop(only_the_run);
    assert_eq!(set.take_unused(), [a]);
    assert_eq!(set.take_unused(), []);
}

#[test]
fn a_run_that_changes_its_level_keeps_its_file() {
    let set = set();
    let a = set.begin_run();
    set.commit(&first_round(a), &[]).unwrap();
    set.commit(&Edit { remove: vec![a], add: vec![run(a, 2, 1)], ..Edit::default() }, &[]).unwrap();
    assert_eq!(set.take_unused(), []);
    assert_eq!(set.current().run(a).unwrap().meta().level, 2);
    set.commit(&Edit { remove: vec![a], ..Edit::default() }, &[]).unwrap();
    assert_eq!(set.take_unused(), [a]);
}

#[test]
fn the_end_of_the_process_gives_up_no_run() {
    let set = set();
    let graveyard = set.graveyard.clone();
    set.commit(&first_round(set.begin_run()), &[]).unwrap();
    let pin = set.current();
    drop(set);
    drop(pin);
    assert_eq!(graveyard.lock().len(), 0);
}

#[test]
fn an_edit_that_does_not_fit_ends_the_service() {
    let set = set();
    set.commit(&first_round(set.begin_run()), &[]).unwrap();
    let before = set.current();
    let error = set.commit(&Edit { remove: vec![RunId(77)], ..Edit::default() }, &[]).unwrap_err();
    assert!(
        matches!(&error, Error::Poisoned { cause } if cause.contains("removes run 000000000000004d")),
        "{error}"
    );
    assert!(matches!(set.commit(&Edit::default(), &[]), Err(Error::Poisoned { .. })));
    assert!(matches!(set.seal(), Err(Error::Poisoned { .. })));
    assert_eq!(set.current(), before);
}

#[test]
fn run_numbers_go_on_where_they_ended() {
    let sim = Sim::new(1);
    let open = || read(Arc::new(sim.clone()), Path::new("/data"), 7).unwrap().start(1 << 20).unwrap();
    let set = open();
    let id = (0..5).map(|_| set.begin_run()).last().unwrap();
    sim.put(&id.path(Path::new("/data")), b"run");
    set.commit(&first_round(id), &[]).unwrap();
    set.commit(&Edit { remove: vec![id], ..Edit::default() }, &[]).unwrap();
    drop(set);
    assert_eq!(open().begin_run(), RunId(id.0 + 1), "a number was used again");
}
