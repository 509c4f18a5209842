//! The hash table of big collections: members of sets, fields of hashes, the scores of a sorted set's members.
//!
//! ```text
//! Table ── root ── node: up to 64 slots, by 6 bits of the hash ── node … ── chunk: up to 512 entries, by 16 more bits
//! ```
//!
//! * Everything is ordered by the member's seeded hash: slots in a node, entries in a chunk. So iteration goes in hash
//!   order, and the cursor of a scan is a position in hash space that growth and shrinking leave good.
//! * Nodes and chunks are behind `Arc`. A clone of the table is a clone of the root, whatever the size; a writer then
//!   copies the chunk it touches and the at most six nodes above it, once. That is `freeze()`.
//! * A chunk that grows over [`CHUNK_ENTRIES`] or [`CHUNK_BYTES`] splits in two, and small neighbours merge: no operation
//!   touches more than two chunks and their nodes, and nothing is ever rehashed whole. Strings over [`INLINE_MAX`] bytes
//!   are allocated one by one, outside the chunk, so no allocation is over 64 KiB unless one string is.
//! * The number of entries, the bytes of memory and the next expiry are kept exactly for every node.
//! * Entries whose hashes agree in [`DEPTH_MAX`] bits share a chunk however many they are. Operations on them become slow,
//!   but nothing worse. The seed keeps clients from choosing such members, but XXH3 is no proof against one who studies
//!   what cursors tell of hashes.
//!
//! The seed is the dataset's and must stay the same for its life, or cursors lose their meaning when a value leaves memory
//! and comes back.

mod chunk;
mod cursor;
mod entry;
mod node;

use std::marker::PhantomData;

use twox_hash::XxHash3_64;

use crate::util::random::Random;

pub use cursor::{CURSOR_END, Iter};
pub use entry::{Field, Fields, Members, Scores, Shape};

use chunk::Chunk;
use node::{Child, Place};

/// Entries that a chunk may have.
pub const CHUNK_ENTRIES: usize = 512;
/// Bytes of entries that a chunk may have, without the strings that are outside. A writer behind a freeze copies them with a shard
/// locked. A third of that, in the allocator's small classes, copied less and took a quarter more memory: slabs of two such blocks
/// stay half empty.
pub const CHUNK_BYTES: usize = 32 << 10;
/// Strings longer than this are outside the chunk.
pub const INLINE_MAX: usize = 1024;
/// Bits of the hash that lead to a chunk, at most.
pub const DEPTH_MAX: u32 = 36;

/// What is kept for every part of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summary {
    /// Entries.
    len: usize,
    /// Bytes of heap memory.
    bytes: usize,
    /// The next expiry in unix milliseconds; `u64::MAX` is none.
    expire: u64,
}

impl Summary {
    const EMPTY: Self = Self { len: 0, bytes: 0, expire: u64::MAX };

    fn plus(self, other: Self) -> Self {
        Self {
            len: self.len + other.len,
            bytes: self.bytes + other.bytes,
            expire: self.expire.min(other.expire),
        }
    }
}

/// A table of entries of shape `S`.
pub struct Table<S> {
    root: Child<S>,
    seed: u64,
    shape: PhantomData<fn() -> S>,
}

impl<S> Clone for Table<S> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), ..*self }
    }
}

impl<S: Shape> Table<S> {
    /// An empty table whose hashes are seeded with `seed`.
    pub fn new(seed: u64) -> Self {
        Self { root: Child::empty(), seed, shape: PhantomData }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.root.summary().len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory, as allocated. What is shared with a frozen copy is counted in both.
    pub fn memory_bytes(&self) -> usize {
        self.root.summary().bytes
    }

    /// When the first of the entries expires, in unix milliseconds.
    pub fn next_expire(&self) -> Option<u64> {
        Some(self.root.summary().expire).filter(|&expire| expire != u64::MAX)
    }

    /// A copy of this moment, in constant time. Both tables copy what they change from then on.
    pub fn freeze(&self) -> Self {
        self.clone()
    }

    /// Is it the same as a frozen copy, or the copy as the table? `false` may also be if both were built anew.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.root.is_shared_with(&other.root)
    }

    /// The value of `key`.
    pub fn get(&self, key: &[u8]) -> Option<S::Value<'_>> {
        let hash = hash_of(self.seed, key);
        let (chunk, depth) = self.root.chunk_at(hash);
        let index = chunk.find(entry::tag_of(hash, depth), key).ok()?;
        Some(chunk.entry(index).1)
    }

    /// Whether `key` is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// Puts `value` under `key`. `true`: the key is new.
    pub fn insert(&mut self, key: &[u8], value: S::Value<'_>) -> bool {
        self.change(key, |chunk, tag| chunk.insert(tag, key, value))
    }

    /// Removes `key`. `false`: it was not there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.change(key, |chunk, tag| chunk.remove(tag, key))
    }

    /// The entry with this index in hash order, below [`Table::len`].
    pub fn nth(&self, index: usize) -> Option<(&[u8], S::Value<'_>)> {
        self.root.nth(index)
    }

    /// An entry by chance; each is as likely.
    pub fn random(&self, random: &mut Random) -> Option<(&[u8], S::Value<'_>)> {
        if self.is_empty() { None } else { self.nth(random.below(self.len())) }
    }

    /// All entries, in hash order.
    pub fn iter(&self) -> Iter<'_, S> {
        Iter::new(&self.root)
    }

    /// A step of a scan: hands out at least `count` entries from `cursor` on, or all there are, and returns the cursor of
    /// the next step; 0 is the beginning, and the end.
    ///
    /// An entry that is there from the first step to the last is handed out exactly once. One that comes or goes is handed
    /// out at most once. A cursor that no step returned is just a place.
    pub fn scan(&self, cursor: u64, count: usize, found: impl FnMut(&[u8], S::Value<'_>)) -> u64 {
        cursor::scan(&self.root, self.seed, cursor, count, found)
    }

    /// Changes the chunk that `key` belongs to.
    fn change<R>(&mut self, key: &[u8], change: impl FnOnce(&mut Chunk<S>, u16) -> R) -> R {
        let place = Place { hash: hash_of(self.seed, key), seed: self.seed };
        self.root.change(place, change)
    }
}

impl Table<Fields> {
    /// Gives `key` another expiry in unix milliseconds, or none. `false`: it is not there.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<u64>) -> bool {
        self.change(key, |chunk, tag| chunk.set_expire(tag, key, expire))
    }

    /// The keys of up to `limit` entries that expire at `until_ms` or before, found without a look at chunks that have none.
    pub fn due(&self, until_ms: u64, limit: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        self.root.collect_due(until_ms, limit, &mut keys);
        keys
    }
}

/// The hash of a key.
fn hash_of(seed: u64, key: &[u8]) -> u64 {
    let hash = XxHash3_64::oneshot_with_seed(seed, key);
    #[cfg(test)]
    let hash = if seed == tests::COLLIDING_SEED { hash & tests::COLLIDING_MASK } else { hash };
    hash
}

#[cfg(test)]
mod tests;
