//! Random histories against maps of the standard library, and the promises of the module one by one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::*;
use crate::store::SHARD_BITS;
use crate::store::entry::INLINE_MAX;
use crate::store::hash::SECRET_LEN;
use crate::store::object::Object;
use crate::types::hash::Hash;
use crate::types::stream::{Limits, Stream, StreamId};

/// All of the hash but the shard's bits: every key is of shard 0.
const ONE_SHARD: u64 = u64::MAX >> SHARD_BITS;

/// SplitMix64.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Int(i64),
    Bytes(Vec<u8>, bool),
    Shared(Vec<u8>),
}

impl Plain {
    fn random(random: &mut Random) -> Self {
        let mut bytes = |max: u64| {
            let len = random.below(max) as usize;
            vec![random.next() as u8; len]
        };
        let (short, inline, long) = (bytes(60), bytes(INLINE_MAX as u64 + 1), bytes(9000));
        match random.below(12) {
            0..3 => Self::Int(random.next() as i64),
            3..8 => Self::Bytes(short, random.below(2) == 0),
            8..10 => Self::Bytes(inline, false),
            10 => Self::Bytes(long, false),
            _ => Self::Shared(long),
        }
    }

    fn new_value(&self) -> NewValue<'_> {
        match self {
            Self::Int(n) => NewValue::Int(*n),
            Self::Bytes(bytes, raw) => NewValue::Bytes(bytes, *raw),
            Self::Shared(bytes) => NewValue::Shared(Arc::new(bytes.clone())),
        }
    }

    fn is_object(&self) -> bool {
        match self {
            Self::Int(_) => false,
            Self::Bytes(bytes, _) => bytes.len() > INLINE_MAX,
            Self::Shared(_) => true,
        }
    }

    fn equals(&self, value: Value<'_>) -> bool {
        match (self, value) {
            (Self::Int(a), Value::Int(b)) => *a == b,
            (Self::Bytes(a, wanted), Value::Bytes { bytes, raw }) => a == bytes && *wanted == raw,
            (Self::Bytes(a, _) | Self::Shared(a), Value::Object(Object::String(b))) => {
                self.is_object() && a == &**b
            }
            _ => false,
        }
    }
}

struct Known {
    value: Plain,
    expire: Option<u64>,
    access: u32,
}

/// A scan in progress: who must still come, and who came.
struct Scan {
    at: u64,
    owed: HashSet<Vec<u8>>,
    seen: HashSet<Vec<u8>>,
}

struct History {
    hasher: KeyHasher,
    table: Table,
    known: HashMap<Vec<u8>, Known>,
    due: BTreeSet<(u64, Vec<u8>)>,
    scan: Option<Scan>,
    scans_finished: usize,
    random: Random,
    keys: u64,
}

impl History {
    fn new(mask: u64, keys: u64, seed: u64) -> Self {
        println!("mask {mask:x} keys {keys} seed {seed}");
        Self {
            hasher: KeyHasher::masked(mask),
            table: Table::new(seed as u8),
            known: HashMap::new(),
            due: BTreeSet::new(),
            scan: None,
            scans_finished: 0,
            random: Random(seed),
            keys,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let n = self.random.below(self.keys);
        let mut key = format!("key:{n}").into_bytes();
        if n.is_multiple_of(50) {
            key.resize(n as usize % 6000 + 10, b'x');
        }
        key
    }

    fn expire(&mut self) -> Option<u64> {
        match self.random.below(6) {
            0 => Some(self.random.below(1000)),
            1 => Some(self.random.next()),
            _ => None,
        }
    }

    fn remember(&mut self, key: &[u8], known: Known) {
        self.forget(key);
        if let Some(when_ms) = known.expire {
            self.due.insert((when_ms, key.to_vec()));
        }
        self.known.insert(key.to_vec(), known);
    }

    fn forget(&mut self, key: &[u8]) -> Option<Known> {
        let old = self.known.remove(key)?;
        if let Some(when_ms) = old.expire {
            self.due.remove(&(when_ms, key.to_vec()));
        }
        Some(old)
    }

    fn delete(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_of(key);
        let handle = self.table.find(hash, key).expect("the model has it");
        let object = self.table.remove(&self.hasher, hash, handle);
        let old = self.forget(key).expect("the table had it");
        assert_eq!(object.is_some(), old.value.is_object());
        if let Some(scan) = &mut self.scan {
            scan.owed.remove(key);
        }
    }

    fn set(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_of(key);
        let (value, expire) = (Plain::random(&mut self.random), self.expire());
        let Some(handle) = self.table.find(hash, key) else {
            assert!(!self.known.contains_key(key));
            let access = self.random.next() as u32 & 0xFF_FFFF;
            self.table.insert(&self.hasher, hash, key, value.new_value(), (expire, access, State::NEW));
            return self.remember(key, Known { value, expire, access });
        };
        let known = self.forget(key).expect("the table has it");
        let (handle, object) = self.table.set_value(hash, handle, value.new_value());
        assert_eq!(object.is_some(), known.value.is_object());
        let entry = self.table.entry(handle);
        assert_eq!((entry.expire_at(), entry.access()), (known.expire, known.access), "SET keeps both");
        let expire = if self.random.below(2) == 0 { expire } else { known.expire };
        self.table.set_expire(hash, handle, expire);
        self.remember(key, Known { value, expire, ..known });
    }

    fn touch(&mut self, key: &[u8]) {
        let hash = self.hasher.hash_of(key);
        let Some(handle) = self.table.find(hash, key) else { return };
        let mut known = self.forget(key).expect("the table has it");
        let n = self.random.next() as i64;
        assert_eq!(self.table.set_int_in_place(handle, n), matches!(known.value, Plain::Int(_)));
        match &mut known.value {
            Plain::Int(old) => *old = n,
            value if value.is_object() => {
                assert!(self.table.bytes_mut(handle).is_none());
                // The memory changes and the value does not.
                let edited = self.table.edit_object(handle, |object| {
                    let Object::String(bytes) = object else { panic!("a string was stored") };
                    Arc::make_mut(bytes).reserve(n as u8 as usize * 100);
                });
                assert!(edited.is_some());
            }
            Plain::Bytes(bytes, _) => {
                bytes.fill(n as u8);
                self.table.bytes_mut(handle).expect("it is inline").fill(n as u8);
            }
            Plain::Shared(_) => unreachable!("shared values are objects"),
        }
        known.access = n as u32 & 0xFF_FFFF;
        self.table.set_access(handle, n as u32);
        known.expire = self.expire();
        self.table.set_expire(hash, handle, known.expire);
        self.remember(key, known);
    }

    fn scan_step(&mut self) {
        let mut scan = self.scan.take().unwrap_or_else(|| Scan {
            at: 0,
            owed: self.known.keys().cloned().collect(),
            seen: HashSet::new(),
        });
        let (from, mut hashes) = (scan.at, Vec::new());
        let next = self.table.scan(&self.hasher, from, |hash, entry| {
            hashes.push(hash);
            assert!(scan.seen.insert(entry.key().to_vec()), "a key is visited once");
            scan.owed.remove(entry.key());
        });
        let end = next.unwrap_or(ONE_SHARD + 1);
        assert!(end > from && end.is_multiple_of(SCAN_GRANULE));
        assert!(hashes.iter().all(|&hash| hash >= from && hash < end));
        match next {
            Some(at) => self.scan = Some(Scan { at, ..scan }),
            None => {
                assert_eq!(scan.owed, HashSet::new(), "a key that stayed was missed");
                self.scans_finished += 1;
            }
        }
    }

    fn step(&mut self, deletes_in_ten: u64) {
        let key = self.key();
        match self.random.below(10) {
            0 => self.scan_step(),
            1 => self.touch(&key),
            2 => {
                let picked = self.random.next();
                match self.table.random(picked) {
                    Some(handle) => assert!(self.known.contains_key(self.table.entry(handle).key())),
                    None => assert!(self.known.is_empty()),
                }
            }
            n if n < 3 + deletes_in_ten => {
                if self.known.contains_key(&key) {
                    self.delete(&key);
                }
            }
            _ => self.set(&key),
        }
        assert_eq!(self.table.len(), self.known.len());
        assert_eq!(self.table.expires_len(), self.due.len());
        assert_eq!(self.table.next_due(), self.due.first().map(|&(when_ms, _)| when_ms));
    }

    fn check_all(&self) {
        for (key, known) in &self.known {
            let handle = self.table.find(self.hasher.hash_of(key), key).expect("a key that was set is found");
            let entry = self.table.entry(handle);
            assert_eq!(entry.key(), key);
            assert!(known.value.equals(entry.value()), "{:?} is not {:?}", entry.value(), known.value);
            assert_eq!((entry.expire_at(), entry.access()), (known.expire, known.access));
        }
        let all: HashSet<&[u8]> = self.table.iter().map(|handle| self.table.entry(handle).key()).collect();
        assert_eq!((all.len(), self.table.iter().count()), (self.known.len(), self.known.len()));
        let absent = b"absent";
        assert_eq!(self.table.find(self.hasher.hash_of(absent), absent), None);
        let sum: u128 = self.due.iter().map(|&(when_ms, _)| u128::from(when_ms)).sum();
        assert_eq!(self.table.expires_sum_ms(), sum);
        self.check_memory();
    }

    fn check_memory(&self) {
        let slots: usize = self.table.iter().map(|handle| self.table.arena.slot_len(handle)).sum();
        let segments: usize = (0..self.table.segments.bound())
            .filter_map(|id| self.table.segments.get(id as u32))
            .map(Segment::memory)
            .sum();
        let object_bytes = |handle| match self.table.entry(handle).value() {
            Value::Object(object) => object.memory_bytes(),
            _ => 0,
        };
        let in_objects: usize = self.table.iter().map(object_bytes).sum();
        assert_eq!(self.table.memory().allocated, slots + in_objects);
        assert_eq!(self.table.segment_bytes, segments);
        let objects = self.known.values().filter(|known| known.value.is_object()).count();
        assert_eq!(self.table.objects.len(), objects);
    }

    /// Removes what is due, in order, until nothing has an expiry.
    fn expire_all(&mut self) {
        while let Some(when_ms) = self.table.next_due() {
            assert_eq!(self.due.first().map(|&(first, _)| first), Some(when_ms));
            assert_eq!(when_ms.checked_sub(1).and_then(|before| self.table.first_due(before)), None);
            let handle = self.table.first_due(when_ms).expect("something is due");
            let key = self.table.entry(handle).key().to_vec();
            self.delete(&key);
        }
        assert!(self.due.is_empty());
    }

    fn empty(&mut self) {
        let keys: Vec<Vec<u8>> = self.known.keys().cloned().collect();
        for (i, key) in keys.iter().enumerate() {
            self.delete(key);
            if i % 5 == 0 {
                self.scan_step();
            }
        }
        let memory = self.table.memory();
        assert_eq!((memory.allocated, memory.resident), (0, 0));
        assert!(
            self.table.segment_bytes <= 64 && memory.index < 6000,
            "an emptied table is small again: {memory:?}"
        );
    }

    fn run(mut self, steps: usize) -> Self {
        for phase in 0..6 {
            for _ in 0..steps / 6 {
                self.step(if phase % 3 == 2 { 6 } else { 1 });
            }
            self.check_all();
        }
        self
    }
}

#[test]
fn random_histories_agree_with_plain_maps() {
    for seed in 1..=4 {
        let mut history = History::new(ONE_SHARD, 3000 * seed, seed).run(40_000);
        assert!(history.scans_finished > 0, "scans go to the end");
        assert!(history.table.strays.is_empty(), "good hashes leave no strays");
        history.expire_all();
        history.check_all();
        history.empty();
    }
}

#[test]
fn random_histories_with_bad_hashes_agree_too() {
    // All equal; 16 values of tag only; high bits only; a few bits here and there; one half of the shard.
    for (i, mask) in [0, 0xF, 0xFF << 50, 1 << 57 | 1 << 40 | 7, ONE_SHARD >> 20].into_iter().enumerate() {
        let mut history = History::new(mask, 800, 77 + i as u64).run(8_000);
        history.expire_all();
        history.check_all();
        history.empty();
        assert!(history.table.strays.is_empty());
    }
}

#[test]
fn ten_thousand_keys_with_one_hash_are_kept_without_endless_splitting() {
    let (hasher, mut table) = (KeyHasher::masked(0), Table::new(5));
    for n in 0..10_000u32 {
        // Straight to the parts of `insert`: its assertion would look through all equal hashes each time.
        let stored = Stored::Int(n.into());
        let handle = table.arena.alloc(Layout::plan(4, None).value_at() + stored.len());
        entry::write(table.arena.bytes_mut(handle), &n.to_le_bytes(), stored, None, 0, State::NEW);
        table.link(&hasher, 0, handle, State::NEW);
        table.len += 1;
    }
    assert!(table.segment_bytes <= 32 * 64 && table.directory_depth == 0, "it does not split in vain");
    let mut seen = HashSet::new();
    assert!(table.scan(&hasher, 0, |_, entry| assert!(seen.insert(entry.key().to_vec()))).is_some());
    assert_eq!(seen.len(), 10_000);
    for n in (0..10_000u32).step_by(100) {
        let handle = table.find(0, &n.to_le_bytes()).expect("it was stored");
        assert!(table.remove(&hasher, 0, handle).is_none());
        assert_eq!(table.find(0, &n.to_le_bytes()), None);
    }
    assert_eq!(table.len(), 9_900);
}

#[test]
fn hashes_that_share_many_bits_end_at_the_greatest_depth() {
    let (hasher, mut table) = (KeyHasher::masked(ONE_SHARD >> 24), Table::new(0));
    for n in 0..3000u32 {
        let key = n.to_le_bytes();
        table.insert(&hasher, hasher.hash_of(&key), &key, NewValue::Int(0), (None, 0, State::NEW));
    }
    assert!(table.directory_depth <= growth::MAX_DEPTH);
    assert!((0..3000u32).all(|n| table.find(hasher.hash_of(&n.to_le_bytes()), &n.to_le_bytes()).is_some()));
}

#[test]
fn an_empty_table_is_small_and_has_no_heap() {
    assert!(size_of::<Table>() <= 232, "{}", size_of::<Table>());
    let table = Table::new(63);
    assert_eq!(table.memory(), Memory::default());
    assert_eq!(table.find(1, b"x"), None);
    assert_eq!(table.random(3), None);
    assert_eq!(table.next_due(), None);
    assert_eq!(table.scan(&KeyHasher::new([0; SECRET_LEN]), 0, |_, _| panic!("nothing to visit")), None);
    assert!(Depth::ALL.iter().all(|&depth| table.lines_of(1, depth).is_none()));
}

#[test]
fn a_few_keys_take_a_few_kilobytes() {
    let (hasher, mut table) = (KeyHasher::masked(ONE_SHARD), Table::new(1));
    for n in 0..20u8 {
        table.insert(
            &hasher,
            hasher.hash_of(&[n]),
            &[n],
            NewValue::Bytes(b"value", false),
            (None, 0, State::NEW),
        );
    }
    let Memory { allocated, resident, index } = table.memory();
    assert!(allocated <= 20 * 16 && resident <= 20 * 16 && index < 4000, "{:?}", table.memory());
}

#[test]
fn the_prefetches_and_the_random_key_work_in_any_shard() {
    let hasher = KeyHasher::new([3; SECRET_LEN]);
    let mut tables: Vec<Table> = (0..64).map(Table::new).collect();
    for n in 0..20_000u32 {
        let key = n.to_le_bytes();
        let hash = hasher.hash_of(&key);
        let table = &mut tables[usize::from(crate::store::ShardId::of(hash).0)];
        Depth::ALL.iter().filter_map(|&depth| table.lines_of(hash, depth)).for_each(Lines::prefetch);
        let value =
            if n % 2 == 0 { NewValue::Int(n.into()) } else { NewValue::Object(Object::Hash(Hash::new())) };
        table.insert(&hasher, hash, &key, value, (None, 0, State::NEW));
        Depth::ALL.iter().filter_map(|&depth| table.lines_of(hash, depth)).for_each(Lines::prefetch);
        assert!(table.lines_of(hash, Depth::Bucket).is_some());
    }
    for (shard, table) in tables.iter().enumerate() {
        let mut at = Some((shard as u64) << 58);
        let mut count = 0;
        while let Some(from) = at {
            at = table.scan(&hasher, from, |hash, _| {
                assert_eq!(hash >> 58, shard as u64);
                count += 1;
            });
        }
        assert_eq!(count, table.len());
    }
}

#[test]
fn the_lines_of_a_value_are_those_that_its_commands_read() {
    let (hasher, mut table) = (KeyHasher::masked(ONE_SHARD), Table::new(0));
    let mut stream = Stream::default();
    let limits = Limits { node_max_bytes: 4096, node_max_entries: 100 };
    for ms in 1..=250 {
        stream.entries.add(StreamId { ms, seq: 0 }, &[b"name", b"value"], &limits).unwrap();
    }
    let tail = Lines::of(stream.entries.last_memory().unwrap());
    let hash = Hash::new();
    let packed = Lines::of(hash.small_memory().unwrap());
    let objects = [Object::Stream(Box::new(stream)), Object::Hash(hash), Object::Stream(Box::default())];
    let mut names = [b"a", b"b", b"c"].into_iter();
    let found = objects.map(|object| {
        let name = names.next().unwrap();
        let hash = hasher.hash_of(name);
        table.insert(&hasher, hash, name, NewValue::Object(object), (None, 0, State::NEW));
        Depth::ALL.map(|depth| table.lines_of(hash, depth))
    });
    let [stream, hash, empty] = found;
    assert!(found.iter().all(|lines| lines[..4].iter().all(Option::is_some)));
    assert_eq!((stream[4], hash[3..].to_vec(), empty[4]), (Some(tail), vec![Some(packed), None], None));
}

#[test]
fn random_keys_come_about_equally_often() {
    let (hasher, mut table) = (KeyHasher::masked(ONE_SHARD), Table::new(9));
    for n in 0..2000u32 {
        let key = n.to_le_bytes();
        table.insert(&hasher, hasher.hash_of(&key), &key, NewValue::Int(n.into()), (None, 0, State::NEW));
    }
    let (mut random, mut drawn) = (Random(42), HashMap::new());
    for _ in 0..200_000 {
        *drawn.entry(table.random(random.next()).expect("it has keys")).or_insert(0u32) += 1;
    }
    assert_eq!(drawn.len(), 2000);
    // The mean is 100, its deviation 10.
    assert!(drawn.values().all(|&times| (40..180).contains(&times)), "{:?}", drawn.values().max());
}
