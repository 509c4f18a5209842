//! What the table costs, printed. Run with
//! `cargo test --release --lib table::bench -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;
use std::time::Instant;

use super::tests::Random;
use super::*;
use crate::store::ShardId;
use crate::store::hash::SECRET_LEN;

const KEY_LEN: usize = 16;
const VALUE: [u8; 64] = [b'v'; 64];
const BATCH: usize = 16;

fn key(n: u64) -> [u8; KEY_LEN] {
    let mut key = *b"key:000000000000";
    let mut n = n;
    for digit in key[4..].iter_mut().rev() {
        *digit = b'0' + (n % 10) as u8;
        n /= 10;
    }
    key
}

#[expect(clippy::disallowed_methods, reason = "a file of the system, in a test")]
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

struct Shards {
    hasher: KeyHasher,
    tables: Vec<Table>,
}

impl Shards {
    fn new() -> Self {
        let mut random = Random(1);
        let hasher = KeyHasher::new(std::array::from_fn::<u8, SECRET_LEN, _>(|_| random.next() as u8));
        Self { hasher, tables: (0..64).map(Table::new).collect() }
    }

    fn insert(&mut self, n: u64) {
        let key = key(n);
        let hash = self.hasher.hash_of(&key);
        self.tables[usize::from(ShardId::of(hash).0)].insert(
            &self.hasher,
            hash,
            &key,
            NewValue::Bytes(&VALUE, false),
            (None, 0, State::NEW),
        );
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<Entry<'_>> {
        let table = &self.tables[usize::from(ShardId::of(hash).0)];
        table.find(hash, key).map(|handle| table.entry(handle))
    }

    fn memory(&self) -> Memory {
        self.tables.iter().map(Table::memory).fold(Memory::default(), |sum, m| Memory {
            allocated: sum.allocated + m.allocated,
            resident: sum.resident + m.resident,
            index: sum.index + m.index,
        })
    }
}

fn report_memory(shards: &Shards, keys: u64, before: usize) {
    let Memory { allocated, resident, index } = shards.memory();
    let over = |bytes: usize| bytes as f64 / keys as f64;
    let payload = (KEY_LEN + VALUE.len()) as f64;
    println!(
        "{keys:>9} keys: {:6.2} bytes of RSS a key over key and value; counted: slots {:.2}, pages {:.2}, index {:.2}",
        over(resident_bytes() - before) - payload,
        over(allocated) - payload,
        over(resident) - payload,
        over(index),
    );
}

#[test]
#[ignore = "a measurement"]
fn memory_of_small_keys() {
    let before = resident_bytes();
    let mut shards = Shards::new();
    let mut n = 0;
    for keys in [
        10_000, 100_000, 140_000, 200_000, 280_000, 400_000, 1_000_000, 1_400_000, 2_000_000, 3_000_000,
        5_000_000, 7_000_000, 10_000_000,
    ] {
        while n < keys {
            shards.insert(n);
            n += 1;
        }
        report_memory(&shards, keys, before);
    }
}

/// Other programs interrupt single inserts, so each history runs three times and an insert counts with its best.
#[test]
#[ignore = "a measurement"]
fn time_of_inserts() {
    const KEYS: u64 = 5_000_000;
    let mut best = vec![u32::MAX; KEYS as usize];
    for _ in 0..3 {
        let mut shards = Shards::new();
        let total = Instant::now();
        for (n, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            shards.insert(n as u64);
            *best = (*best).min(start.elapsed().as_nanos() as u32);
        }
        println!("insert: {} ns with the clock", total.elapsed().as_nanos() / u128::from(KEYS));
    }
    best.sort_unstable();
    let at = |share: f64| best[(best.len() as f64 * share) as usize - 1];
    println!(
        "insert: median {} ns, 99 % {} ns, 99.99 % {} ns, worst {} ns",
        at(0.5),
        at(0.99),
        at(0.9999),
        at(1.0)
    );
    for keys in [1_000_000, 5_000_000] {
        let mut nanos = u128::MAX;
        for _ in 0..4 {
            let mut shards = Shards::new();
            let total = Instant::now();
            (0..keys).for_each(|n| shards.insert(n));
            nanos = nanos.min(total.elapsed().as_nanos() / u128::from(keys));
        }
        println!("insert: {nanos} ns, {keys} keys");
    }
}

fn one_by_one(shards: &Shards, asked: &[[u8; KEY_LEN]]) -> usize {
    let found = asked.iter().filter(|&key| shards.find(shards.hasher.hash_of(key), key).is_some());
    found.count()
}

fn in_batches(shards: &Shards, asked: &[[u8; KEY_LEN]]) -> usize {
    let (mut found, mut hashes) = (0, [0; BATCH]);
    for batch in asked.chunks_exact(BATCH) {
        for (hash, key) in hashes.iter_mut().zip(batch) {
            *hash = shards.hasher.hash_of(key);
        }
        for depth in [Depth::Bucket, Depth::Entry] {
            let lines = |&hash| shards.tables[usize::from(ShardId::of(hash).0)].lines_of(hash, depth);
            hashes.iter().filter_map(lines).for_each(Lines::prefetch);
        }
        for (&hash, key) in hashes.iter().zip(batch) {
            found += usize::from(shards.find(hash, key).is_some());
        }
    }
    found
}

/// The best of several rounds, in nanoseconds a key.
fn best_of(asked: &[[u8; KEY_LEN]], expected: usize, find: impl Fn(&[[u8; KEY_LEN]]) -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        assert_eq!(find(black_box(asked)), expected);
        best = best.min(start.elapsed().as_nanos() as f64 / asked.len() as f64);
    }
    best
}

#[test]
#[ignore = "a measurement"]
fn time_of_finds() {
    for keys in [10_000, 1_000_000, 5_000_000] {
        let mut shards = Shards::new();
        (0..keys).for_each(|n| shards.insert(n));
        let mut random = Random(7);
        for (name, from) in [("hit", 0), ("miss", 1 << 38)] {
            let asked: Vec<[u8; KEY_LEN]> = (0..400_000).map(|_| key(from + random.next() % keys)).collect();
            let expected = if from == 0 { asked.len() } else { 0 };
            let alone = best_of(&asked, expected, |asked| one_by_one(&shards, asked));
            let batch = best_of(&asked, expected, |asked| in_batches(&shards, asked));
            println!(
                "find {name}: {keys:>8} keys, {alone:.1} ns one by one, {batch:.1} ns in batches of {BATCH}"
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn memory_and_time_of_expiries() {
    let (mut shards, mut random, before) = (Shards::new(), Random(3), resident_bytes());
    (0..1_000_000).for_each(|n| shards.insert(n));
    report_memory(&shards, 1_000_000, before);
    let start = Instant::now();
    for n in 0..1_000_000 {
        let key = key(n);
        let hash = shards.hasher.hash_of(&key);
        let table = &mut shards.tables[usize::from(ShardId::of(hash).0)];
        let handle = table.find(hash, &key).expect("it was inserted");
        table.set_expire(hash, handle, Some(1_700_000_000_000 + random.next() % 86_400_000));
    }
    println!("insert of an expiry: {} ns", start.elapsed().as_nanos() / 1_000_000);
    report_memory(&shards, 1_000_000, before);
}

#[test]
#[ignore = "a measurement"]
fn time_of_a_hash() {
    let hasher = Shards::new().hasher;
    for len in [8, KEY_LEN, 32, 100] {
        let keys: Vec<Vec<u8>> = (0..64).map(|n| vec![n; len]).collect();
        let mut best = f64::MAX;
        for _ in 0..20 {
            let (start, mut sum) = (Instant::now(), 0u64);
            for n in 0..1_000_000 {
                // Which key is next depends on the last hash: latency, not throughput.
                sum = sum.wrapping_add(hasher.hash_of(black_box(&keys[(n ^ sum as usize) & 63])));
            }
            black_box(sum);
            best = best.min(start.elapsed().as_nanos() as f64 / 1e6);
        }
        println!("hash of {len} bytes: {best:.2} ns");
    }
}
