//! Tests of the module above.

use super::*;
use crate::run::NamespaceShare;

const NS: NamespaceId = NamespaceId(3);

fn position(hash: u64) -> Position {
    Position { namespace: NS, hash }
}

/// A run of namespace 3 with ten records.
fn run(id: u64, level: u8, hashes: (u64, u64), epochs: (u64, u64)) -> RunMeta {
    RunMeta {
        id: RunId(id),
        level,
        size_bytes: 1000,
        first: position(hashes.0),
        last: position(hashes.1),
        epochs: (Epoch(epochs.0), Epoch(epochs.1)),
        shares: vec![NamespaceShare { namespace: NS, records: 10, tombstones: 0 }],
    }
}

fn add(runs: &[RunMeta]) -> Edit {
    Edit { add: runs.to_vec(), ..Edit::default() }
}

/// Database 0 is namespace 3; epochs up to 9 are committed.
fn base() -> Version {
    let edit = Edit {
        cut: Some(Cut { epoch: Epoch(9), lsn: Lsn(90), segment: 4, durable: Lsn(95) }),
        databases: vec![(0, Some(NS))],
        counts: vec![((NS, 0), Counts { keys: 5, expires: 1 })],
        next_namespace: Some(NamespaceId(6)),
        next_run: Some(RunId(20)),
        ..Edit::default()
    };
    Version::default().apply(&edit).unwrap()
}

fn refusal(version: &Version, edit: &Edit) -> String {
    version.apply(edit).expect_err("an edit that does not fit was applied").to_string()
}

#[test]
fn reads_meet_the_newest_records_first() {
    let runs = [
        run(1, 6, (0, 50), (1, 4)),
        run(2, 6, (51, 99), (1, 4)),
        run(3, 2, (40, 60), (2, 5)),
        run(4, 0, (0, 99), (6, 6)),
        run(5, 0, (0, 45), (8, 9)),
        run(6, 0, (46, 99), (8, 9)),
    ];
    let version = base().apply(&add(&runs)).unwrap();
    let at = |hash| version.runs_at(position(hash)).map(|run| run.meta().id.0).collect::<Vec<_>>();
    assert_eq!(at(0), [5, 4, 1]);
    assert_eq!(at(45), [5, 4, 3, 1]);
    assert_eq!(at(60), [6, 4, 3, 2]);
    assert_eq!(at(100), []);
    assert_eq!(version.runs_at(Position { namespace: NamespaceId(2), hash: 9 }).count(), 0);
    let within = version.level_within(6, position(50), position(51)).map(|run| run.meta().id.0);
    assert_eq!(within.collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn runs_that_are_not_there_or_are_already_there_are_refused() {
    let version = base().apply(&add(&[run(1, 0, (0, 9), (1, 1))])).unwrap();
    let remove = |ids: &[u64]| Edit { remove: ids.iter().copied().map(RunId).collect(), ..Edit::default() };
    assert!(refusal(&version, &remove(&[2])).contains("removes run 0000000000000002, which is not there"));
    assert!(refusal(&version, &remove(&[1, 1])).contains("twice"));
    assert!(refusal(&version, &add(&[run(1, 6, (10, 19), (1, 1))])).contains("adds run"));
    let twins = [run(2, 6, (10, 19), (1, 1)), run(2, 6, (20, 29), (1, 1))];
    assert!(refusal(&version, &add(&twins)).contains("adds run"));
    let changed = Edit { add: vec![run(1, 1, (0, 8), (1, 1))], ..remove(&[1]) };
    assert!(refusal(&version, &changed).contains("more than the level"));
    let moved = version.apply(&Edit { add: vec![run(1, 1, (0, 9), (1, 1))], ..remove(&[1]) }).unwrap();
    assert_eq!((moved.level(0).len(), moved.level(1).len()), (0, 1));
    assert_eq!(version.level(0).len(), 1, "the version before was changed");
}

#[test]
fn overlaps_and_unclear_ages_are_refused() {
    let below = run(1, 4, (10, 20), (2, 5));
    let version = base().apply(&add(std::slice::from_ref(&below))).unwrap();
    let refused = |more: RunMeta| refusal(&version, &add(&[more]));
    assert!(refused(run(2, 4, (20, 30), (1, 1))).contains("of level 4 overlap"), "a shared position");
    assert!(refused(run(2, 0, (20, 30), (5, 6))).contains("is not older"), "a shared epoch");
    assert!(refused(run(2, 0, (20, 30), (10, 10))).contains("not committed"));
    assert!(version.apply(&add(&[run(2, 4, (21, 30), (1, 1)), run(3, 0, (0, 30), (6, 6))])).is_ok());
    let pair = [run(2, 0, (0, 30), (6, 8)), run(3, 0, (30, 40), (7, 7))];
    assert!(refusal(&version, &add(&pair)).contains("neither is newer"));
    let mut deleted = run(2, LAST_LEVEL, (50, 60), (1, 1));
    deleted.shares[0].tombstones = 1;
    assert!(refused(deleted).contains("tombstones"));
}

#[test]
fn facts_that_contradict_each_other_are_refused() {
    type Spoil = fn(&mut RunMeta);
    let spoils: [Spoil; 12] = [
        |run| run.id = RunId(0),
        |run| run.id = RunId(u64::MAX),
        |run| run.level = LEVELS as u8,
        |run| run.first.hash = 100,
        |run| run.last.namespace = NamespaceId(4),
        |run| run.epochs.0 = Epoch(8),
        |run| run.shares.clear(),
        |run| run.shares.push(run.shares[0]),
        |run| run.shares[0].records = 0,
        |run| run.shares[0].tombstones = 11,
        |run| run.size_bytes = 9,
        |run| run.size_bytes = u64::MAX,
    ];
    for (nth, spoil) in spoils.iter().enumerate() {
        let mut spoiled = run(7, 0, (0, 99), (1, 2));
        assert!(base().apply(&add(std::slice::from_ref(&spoiled))).is_ok());
        spoil(&mut spoiled);
        assert!(refusal(&base(), &add(&[spoiled])).contains("contradict each other"), "spoil {nth}");
    }
}

#[test]
fn what_was_given_out_or_committed_never_goes_back() {
    let cut = base().cut();
    let earlier = [
        Cut { epoch: Epoch(8), ..cut },
        Cut { lsn: Lsn(89), ..cut },
        Cut { segment: 3, ..cut },
        Cut { durable: Lsn(94), ..cut },
        Cut { lsn: Lsn(96), ..cut },
    ];
    for cut in earlier {
        assert!(refusal(&base(), &Edit { cut: Some(cut), ..Edit::default() }).contains("cut"));
    }
    let edit = Edit { next_run: Some(RunId(19)), ..Edit::default() };
    assert!(refusal(&base(), &edit).contains("given out already"));
    let edit = Edit { next_namespace: Some(NamespaceId(5)), ..Edit::default() };
    assert!(refusal(&base(), &edit).contains("given out already"));
    let next = base().apply(&add(&[run(30, 0, (0, 9), (1, 1))])).unwrap();
    assert_eq!(next.next_run(), RunId(31));
}

#[test]
fn a_flushed_database_leaves_a_dropped_namespace_until_its_last_record_is_gone() {
    let version = base().apply(&add(&[run(1, 6, (0, 9), (1, 1))])).unwrap();
    let new = NamespaceId(6);
    let mut flush =
        Edit { databases: vec![(0, Some(new))], next_namespace: Some(NamespaceId(7)), ..Edit::default() };
    assert!(refusal(&version, &flush).contains("is not dropped"));
    flush.drop = vec![NS];
    let flushed = version.apply(&flush).unwrap();
    assert_eq!(flushed.counts(NS, 0), Counts::default());
    assert_eq!(flushed.live_keys(), 0);
    assert!(flushed.dropped().contains(&NS));
    let gone = flushed.apply(&Edit { remove: vec![RunId(1)], ..Edit::default() }).unwrap();
    assert!(gone.dropped().is_empty());
    assert!(refusal(&gone, &add(&[run(2, 6, (0, 9), (1, 1))])).contains("nobody knows"));
}

#[test]
fn namespaces_that_make_no_sense_are_refused() {
    let databases =
        |databases: &[(u32, Option<NamespaceId>)]| Edit { databases: databases.to_vec(), ..Edit::default() };
    assert!(refusal(&base(), &databases(&[(1, Some(NS))])).contains("two databases"));
    assert!(refusal(&base(), &databases(&[(1, Some(NamespaceId(6)))])).contains("never given out"));
    let drop = Edit { drop: vec![NS], ..Edit::default() };
    assert!(refusal(&base(), &drop).contains("a database has it"));
    let counts = |namespace, keys, expires| Edit {
        counts: vec![((NamespaceId(namespace), 63), Counts { keys, expires })],
        ..Edit::default()
    };
    assert!(refusal(&base(), &counts(3, 1, 2)).contains("more expires than keys"));
    assert!(refusal(&base(), &counts(4, 1, 0)).contains("no database"));
    let beyond = Edit { counts: vec![((NS, 64), Counts::default())], ..Edit::default() };
    assert!(refusal(&base(), &beyond).contains("no partition 64"));
    let swapped = databases(&[(0, Some(NamespaceId(4))), (1, Some(NS))]);
    let version = base().apply(&swapped).unwrap();
    assert_eq!(version.counts(NS, 0).keys, 5, "a swap changed what a namespace holds");
    assert_eq!(version.databases()[&1], NS);
}
