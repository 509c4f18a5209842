//! Tables against std's maps under random operations, in all shapes, with colliding hashes, and frozen meanwhile.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;
use crate::util::allocations::{Work, counted};

/// A seed under which hashes have the bits of [`COLLIDING_MASK`] only.
pub(super) const COLLIDING_SEED: u64 = 0xC011_1DE5;
/// One bit of the first node, and two that no node but a tag can have.
pub(super) const COLLIDING_MASK: u64 = 0x8000_0000_0060_0000;

fn key_of(n: usize) -> Vec<u8> {
    format!("member:{n}").into_bytes()
}

/// A value now and then empty or long.
fn random_value(random: &mut Random) -> Vec<u8> {
    let len = match random.below(200) {
        0 => INLINE_MAX + random.below(3_000),
        1..10 => random.below(INLINE_MAX),
        _ => random.below(12),
    };
    vec![random.next() as u8; len]
}

fn random_key(random: &mut Random, range: usize) -> Vec<u8> {
    let mut key = key_of(random.below(range));
    if key.ends_with(b"77") {
        key.resize(INLINE_MAX + 10, b'k');
    }
    key
}

/// What the summaries must say, added up from the chunks.
fn check<S: Shape>(table: &Table<S>) {
    assert_eq!(table.iter().count(), table.len());
    let expire = table.iter().map(|(_, value)| S::expire(value)).min().unwrap_or(u64::MAX);
    assert_eq!(table.root.summary().expire, expire);
    let hashes: Vec<u64> = table.iter().map(|(key, _)| hash_of(table.seed, key) >> 48).collect();
    assert!(hashes.is_sorted(), "entries come in hash order");
    let mut bytes = 0;
    table.root.for_each_part(&mut |own| bytes += own);
    assert_eq!(table.memory_bytes(), bytes);
}

#[test]
fn random_operations_do_to_a_table_what_they_do_to_a_map() {
    for (seed, range, rounds) in
        [(1, 40, 2_000), (2, 2_000, 12_000), (3, 60_000, 80_000), (COLLIDING_SEED, 3_000, 8_000)]
    {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut table, mut model) = (Table::<Fields>::new(seed), BTreeMap::new());
        for round in 0..rounds {
            // It grows in the first half and shrinks in the second.
            let grows = random.below(100) < if round < rounds / 2 { 85 } else { 15 };
            let key = random_key(&mut random, range);
            let expire = (random.below(3) == 0).then(|| random.next() >> 16);
            if random.below(10) == 0 {
                let expected = model.get_mut(&key).map(|field: &mut (Vec<u8>, _)| field.1 = expire);
                assert_eq!(table.set_expire(&key, expire), expected.is_some());
            } else if grows {
                let value = random_value(&mut random);
                let new = table.insert(&key, Field { value: &value, expire });
                assert_eq!(new, model.insert(key.clone(), (value, expire)).is_none());
            } else {
                assert_eq!(table.remove(&key), model.remove(&key).is_some());
            }
            let stored = table.get(&key).map(|field| (field.value.to_vec(), field.expire));
            assert_eq!(stored.as_ref(), model.get(&key));
            assert_eq!(table.len(), model.len());
        }
        check(&table);
        for (key, field) in table.iter() {
            assert_eq!(model.remove(key), Some((field.value.to_vec(), field.expire)));
        }
        assert!(model.is_empty());
    }
}

#[test]
fn scores_and_members_have_their_shapes() {
    let (mut scores, mut members) = (Table::<Scores>::new(5), Table::<Members>::new(5));
    for n in 0..5_000 {
        assert!(scores.insert(&key_of(n), n as f64));
        assert!(members.insert(&key_of(n), ()));
        assert!(!members.insert(&key_of(n), ()));
    }
    let before = scores.memory_bytes();
    for n in 0..5_000 {
        assert!(!scores.insert(&key_of(n), -(n as f64)), "a score is changed in place");
    }
    assert!(scores.memory_bytes() <= before + before / 8);
    assert_eq!(scores.get(b"member:4321"), Some(-4321.0));
    assert_eq!(scores.get(b"member:5000"), None);
    assert!(members.contains(b"member:0") && !members.contains(b""));
    check(&scores);
    check(&members);
}

#[test]
fn a_table_shrinks_to_almost_nothing() {
    let mut table = Table::<Members>::new(8);
    let empty = table.memory_bytes();
    (0..50_000).for_each(|n| assert!(table.insert(&key_of(n), ())));
    check(&table);
    let full = table.memory_bytes();
    (0..49_900).for_each(|n| assert!(table.remove(&key_of(n))));
    check(&table);
    assert_eq!(table.len(), 100);
    assert!(table.memory_bytes() < full / 50, "{} of {full}", table.memory_bytes());
    (49_900..50_000).for_each(|n| assert!(table.remove(&key_of(n))));
    assert!(matches!(table.root, Child::Chunk(_)), "it is one chunk again");
    assert!(table.memory_bytes() <= empty + 200, "{}", table.memory_bytes());
    assert_eq!((table.nth(0), table.random(&mut Random::new(1))), (None, None));
}

#[test]
fn a_frozen_copy_stays_as_it_was() {
    let seed = 77;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut table = Table::<Fields>::new(seed);
    for n in 0..20_000 {
        table.insert(&key_of(n), Field { value: b"old", expire: Some(n as u64) });
    }
    let frozen = table.freeze();
    let bytes = frozen.memory_bytes();
    for _ in 0..20_000 {
        let key = random_key(&mut random, 25_000);
        match random.below(3) {
            0 => table.insert(&key, Field { value: b"new", expire: None }),
            1 => table.set_expire(&key, None),
            _ => table.remove(&key),
        };
    }
    assert_eq!((frozen.len(), frozen.memory_bytes(), frozen.next_expire()), (20_000, bytes, Some(0)));
    for n in 0..20_000 {
        let expected = Field { value: b"old", expire: Some(n as u64) };
        assert_eq!(frozen.get(&key_of(n)), Some(expected));
    }
    check(&frozen);
    check(&table);
}

#[test]
fn the_first_write_behind_a_freeze_copies_little_of_any_table() {
    for value in [&[b'v'; 8][..], &[b'v'; 64], &[b'v'; 1_000]] {
        let mut table = Table::<Fields>::new(1);
        for n in 0..60_000 {
            table.insert(&key_of(n), Field { value, expire: Some(n as u64) });
        }
        let (mut worst, frozen) = (Work::default(), table.freeze());
        for n in 0..2_000 {
            let key = key_of(60_000 + n);
            let (_, work) = counted(|| table.insert(&key, Field { value, expire: None }));
            worst = worst.or_worse(work);
        }
        println!("values of {}: {worst:?}", value.len());
        // A chunk that is split at once, and the nodes that lead to it.
        assert!(worst.longest <= 64 << 10 && worst.bytes <= 160 << 10, "{worst:?}");
        assert_eq!(frozen.len(), 60_000);
    }
}

#[test]
fn what_is_due_is_found_and_nothing_else() {
    let mut table = Table::<Fields>::new(3);
    for n in 0..10_000u64 {
        let expire = (n % 10 == 0).then_some(1_000_000 + n);
        table.insert(&key_of(n as usize), Field { value: b"", expire });
    }
    assert_eq!(table.next_expire(), Some(1_000_000));
    assert!(table.due(999_999, 100).is_empty());
    assert_eq!(table.due(u64::MAX - 1, 7).len(), 7);
    let mut due = table.due(1_000_050, usize::MAX);
    due.sort();
    assert_eq!(due, [0, 10, 20, 30, 40, 50].map(key_of));
    due.iter().for_each(|key| assert!(table.remove(key)));
    assert_eq!(table.next_expire(), Some(1_000_060));
    table.set_expire(&key_of(1), Some(5));
    assert_eq!(table.next_expire(), Some(5));
    table.insert(&key_of(1), Field { value: b"", expire: None });
    assert_eq!(table.next_expire(), Some(1_000_060));
    check(&table);
}

/// Scans in steps of `count`, calling `between` after each.
fn scan_all(
    table: &mut Table<Members>,
    count: usize,
    mut between: impl FnMut(&mut Table<Members>),
) -> Vec<Vec<u8>> {
    let (mut cursor, mut found) = (0, Vec::new());
    loop {
        let start = found.len();
        let next = table.scan(cursor, count, |key, ()| found.push(key.to_vec()));
        assert!(next == 0 || next > cursor && next < CURSOR_END);
        assert!(found.len() - start <= count + 20, "a step is about as long as asked for");
        cursor = next;
        if cursor == 0 {
            return found;
        }
        between(table);
    }
}

#[test]
fn a_scan_finds_everything_once() {
    for size in [0, 1, 10, 513, 30_000] {
        let mut table = Table::<Members>::new(size as u64);
        (0..size).for_each(|n| assert!(table.insert(&key_of(n), ())));
        for count in [1, 10, 1_000, usize::MAX - 20].into_iter().filter(|&count| size < 10_000 || count > 9) {
            let found = scan_all(&mut table, count, |_| ());
            let unique: HashSet<_> = found.iter().collect();
            assert_eq!((found.len(), unique.len()), (size, size), "size {size} count {count}");
        }
        assert_eq!(table.scan(CURSOR_END, 10, |_, ()| panic!("nothing is beyond the end")), 0);
    }
}

#[test]
fn a_scan_survives_growing_and_shrinking() {
    for (seed, grows) in [(11, true), (12, false)] {
        println!("seed {seed}");
        let mut table = Table::<Members>::new(seed);
        // The even ones stay, the odd ones come or go.
        (0..20_000).filter(|n| n % 2 == 0 || !grows).for_each(|n| assert!(table.insert(&key_of(n), ())));
        let (mut next, steps) = (1, 60);
        let found = scan_all(&mut table, 40, |table| {
            for _ in 0..steps {
                if grows {
                    table.insert(&key_of(next), ());
                } else {
                    table.remove(&key_of(next));
                }
                next += 2;
            }
        });
        let unique: HashSet<_> = found.iter().collect();
        assert_eq!(unique.len(), found.len(), "nothing is found twice");
        assert!((0..20_000).step_by(2).all(|n| unique.contains(&key_of(n))));
    }
}

#[test]
fn colliding_members_are_scanned_together() {
    let mut table = Table::<Members>::new(COLLIDING_SEED);
    (0..3_000).for_each(|n| assert!(table.insert(&key_of(n), ())));
    let mut found = 0;
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, 1, |_, ()| found += 1);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(found, 3_000);
    check(&table);
}

#[test]
fn every_entry_is_as_likely() {
    let seed = 99;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut table = Table::<Members>::new(seed);
    (0..2_000).for_each(|n| assert!(table.insert(&key_of(n), ())));
    let mut counts = HashMap::new();
    for _ in 0..100_000 {
        *counts.entry(table.random(&mut random).unwrap().0.to_vec()).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 2_000);
    // The expectation is 50 each; the statistic of 1999 degrees of freedom has a deviation of 63.
    let chi_square: f64 = counts.values().map(|&count| (f64::from(count) - 50.0).powi(2) / 50.0).sum();
    assert!((1_700.0..2_300.0).contains(&chi_square), "{chi_square}");
    let mut all: Vec<_> = (0..2_000).map(|index| table.nth(index).unwrap().0).collect();
    assert!(all.iter().copied().eq(table.iter().map(|(key, ())| key)));
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 2_000);
}

/// Nanoseconds that this thread has worked: others on the machine don't count.
fn cpu_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap();
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

fn timed<R>(what: &str, count: u64, work: impl FnOnce() -> R) -> R {
    let start = cpu_ns();
    let result = work();
    println!("{what}: {} ns", (cpu_ns() - start) / count);
    result
}

/// Time and memory for each element, and the longest pause.
#[test]
#[ignore = "a measurement: run it alone, with --nocapture"]
fn measure() {
    let count = 1_000_000;
    let keys: Vec<String> = (0..count).map(|n| format!("member:{n:09}")).collect();
    let mut table = Table::<Members>::new(1);
    timed("insert", count, || keys.iter().for_each(|key| assert!(table.insert(key.as_bytes(), ()))));
    println!("bytes for a 16-byte member: {:.1}", table.memory_bytes() as f64 / count as f64);
    timed("lookup", count, || assert!(keys.iter().all(|key| table.contains(key.as_bytes()))));
    timed("walk", count, || assert_eq!(table.iter().count(), keys.len()));
    let mut random = Random::new(1);
    timed("random", 100_000, || (0..100_000).for_each(|_| assert!(table.random(&mut random).is_some())));
    let frozen = timed("freeze", 1, || table.freeze());
    timed("first write after it", 1, || assert!(table.insert(b"after", ())));
    timed("remove", count, || keys.iter().for_each(|key| assert!(table.remove(key.as_bytes()))));
    assert_eq!((frozen.len(), table.len()), (keys.len(), 1));

    let mut scores = Table::<Scores>::new(1);
    keys.iter().for_each(|key| assert!(scores.insert(key.as_bytes(), 1.5)));
    println!("bytes for a 16-byte member with a score: {:.1}", scores.memory_bytes() as f64 / count as f64);
    let (mut fields, mut longest) = (Table::<Fields>::new(1), 0);
    for key in &keys {
        let start = cpu_ns();
        fields.insert(key.as_bytes(), Field { value: &[b'v'; 32], expire: None });
        longest = longest.max(cpu_ns() - start);
    }
    println!("longest insert: {longest} ns");
    println!("bytes for a 16-byte field with 32 bytes: {:.1}", fields.memory_bytes() as f64 / count as f64);
}
