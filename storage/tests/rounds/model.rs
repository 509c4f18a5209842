//! The dataset as the model keeps it: what operations do to it, and how it looks as entries and counts.

use std::collections::BTreeMap;

use storage::{Content, Counts, Facts, NamespaceId, Position};

/// The shards that the model uses, by its own index.
pub const SHARDS: [usize; 3] = [0, 1, 63];
/// Keys of each database: two in each shard.
pub const SLOTS: u8 = 6;

/// A key: its namespace and its number, which says the shard.
pub type Key = (NamespaceId, u8);

/// The shard of a slot, as an index into [`SHARDS`].
pub fn shard_of(slot: u8) -> usize {
    usize::from(slot) % SHARDS.len()
}

/// Where a key lies in the order of runs.
pub fn position((namespace, slot): Key) -> Position {
    Position { namespace, hash: (SHARDS[shard_of(slot)] as u64) << 58 | u64::from(slot) }
}

/// A database and a slot in it.
pub type Place = (u8, u8);

/// A logical command, as it is logged: its effect depends on the state it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// Not commutative, not idempotent.
    Incr(Place),
    Del(Place),
    /// Reads another key.
    CopyAdd(Place, Place),
    Rename(Place, Place),
    Swap(Place, Place),
    Flush(u8),
    SwapDatabases,
}

impl Op {
    pub fn encode(self) -> [u8; 5] {
        match self {
            Self::Incr((db, slot)) => [0, db, slot, 0, 0],
            Self::Del((db, slot)) => [1, db, slot, 0, 0],
            Self::CopyAdd(from, to) => [2, from.0, from.1, to.0, to.1],
            Self::Rename(from, to) => [3, from.0, from.1, to.0, to.1],
            Self::Swap(a, b) => [4, a.0, a.1, b.0, b.1],
            Self::Flush(db) => [5, db, 0, 0, 0],
            Self::SwapDatabases => [6, 0, 0, 0, 0],
        }
    }

    pub fn decode(bytes: &[u8]) -> Self {
        let [kind, a, b, c, d] = bytes.try_into().expect("what was appended");
        match kind {
            0 => Self::Incr((a, b)),
            1 => Self::Del((a, b)),
            2 => Self::CopyAdd((a, b), (c, d)),
            3 => Self::Rename((a, b), (c, d)),
            4 => Self::Swap((a, b), (c, d)),
            5 => Self::Flush(a),
            _ => Self::SwapDatabases,
        }
    }

    /// The shards whose locks it takes, ascending.
    pub fn shards(self) -> Vec<usize> {
        let mut shards = match self {
            Self::Incr(place) | Self::Del(place) => vec![shard_of(place.1)],
            Self::CopyAdd(a, b) | Self::Rename(a, b) | Self::Swap(a, b) => vec![shard_of(a.1), shard_of(b.1)],
            Self::Flush(_) | Self::SwapDatabases => (0..SHARDS.len()).collect(),
        };
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}

/// The dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub databases: [NamespaceId; 2],
    pub next_namespace: NamespaceId,
    pub keys: BTreeMap<Key, u64>,
}

impl State {
    pub fn new() -> Self {
        let databases = [NamespaceId(0), NamespaceId(1)];
        Self { databases, next_namespace: NamespaceId(2), keys: BTreeMap::new() }
    }

    fn key(&self, (db, slot): Place) -> Key {
        (self.databases[usize::from(db)], slot)
    }

    /// The keys that an operation may change.
    pub fn touched(&self, op: Op) -> Vec<Key> {
        match op {
            Op::Incr(place) | Op::Del(place) => vec![self.key(place)],
            Op::CopyAdd(a, b) | Op::Rename(a, b) | Op::Swap(a, b) => vec![self.key(a), self.key(b)],
            Op::Flush(db) => (0..SLOTS).map(|slot| self.key((db, slot))).collect(),
            Op::SwapDatabases => Vec::new(),
        }
    }

    fn set(&mut self, key: Key, value: Option<u64>) {
        match value {
            Some(value) => _ = self.keys.insert(key, value),
            None => _ = self.keys.remove(&key),
        }
    }

    pub fn apply(&mut self, op: Op) {
        let get = |state: &Self, place| state.keys.get(&state.key(place)).copied();
        match op {
            Op::Incr(x) => {
                let value = get(self, x).unwrap_or(0).wrapping_mul(3).wrapping_add(1);
                self.set(self.key(x), Some(value));
            }
            Op::Del(x) => self.set(self.key(x), None),
            Op::CopyAdd(x, y) => {
                let value = get(self, x).unwrap_or(0).wrapping_add(7);
                self.set(self.key(y), Some(value));
            }
            Op::Rename(x, y) => {
                if let Some(value) = get(self, x) {
                    self.set(self.key(x), None);
                    self.set(self.key(y), Some(value));
                }
            }
            Op::Swap(x, y) => {
                let (a, b) = (get(self, x), get(self, y));
                self.set(self.key(x), b);
                self.set(self.key(y), a);
            }
            Op::Flush(db) => {
                let old = std::mem::replace(&mut self.databases[usize::from(db)], self.next_namespace);
                self.next_namespace.0 += 1;
                self.keys.retain(|key, _| key.0 != old);
            }
            Op::SwapDatabases => self.databases.swap(0, 1),
        }
    }

    pub fn is_live(&self, namespace: NamespaceId) -> bool {
        self.databases.contains(&namespace)
    }

    /// What a round has to be told of one shard at the cut.
    pub fn shard_counts(&self, shard: usize) -> Vec<((NamespaceId, u8), Counts)> {
        let mut counts: BTreeMap<(NamespaceId, u8), Counts> = BTreeMap::new();
        for (&key, &value) in self.keys.iter().filter(|(key, _)| shard_of(key.1) == shard) {
            let counts = counts.entry((key.0, position(key).partition())).or_default();
            counts.keys += 1;
            counts.expires += u64::from(expiry_of(value).is_some());
        }
        counts.into_iter().collect()
    }

    /// The same, as of now and for all shards.
    pub fn facts(&self) -> Facts {
        Facts {
            epoch: storage::Epoch(0),
            last_lsn: storage::Lsn(0),
            databases: (0..).zip(self.databases).collect(),
            counts: (0..SHARDS.len()).flat_map(|shard| self.shard_counts(shard)).collect(),
            next_namespace: self.next_namespace,
            attachment: Default::default(),
        }
    }
}

fn expiry_of(value: u64) -> Option<u64> {
    value.is_multiple_of(3).then_some(value)
}

/// How a value lies in a run; of very different lengths, so that there are several blocks.
pub fn content_of(value: Option<u64>) -> Content<Vec<u8>> {
    match value {
        None => Content::Tombstone,
        Some(value) => {
            let mut bytes = value.to_le_bytes().to_vec();
            bytes.resize(8 + value as usize % 700, value as u8);
            Content::Value { bytes, expiry_ms: expiry_of(value), due_ms: None }
        }
    }
}

/// The value that [`content_of`] made, or nothing for a tombstone.
pub fn value_of(content: &Content<&[u8]>) -> Option<u64> {
    let Content::Value { bytes, .. } = content else { return None };
    let value = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    assert_eq!(content.copied(), content_of(Some(value)), "a value that nobody wrote");
    Some(value)
}
