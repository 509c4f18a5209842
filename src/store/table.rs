//! The keys of one shard of one database, in hash order.
//!
//! ```text
//! hash       | shard, 6 bits | d bits: directory → segment | following bits: bucket |  …  | low 8: tag |
//! directory  2^d segment numbers; a segment of depth p < d stands in 2^(d-p) places
//! segment    16 to 31 buckets (fewer in a small table) of twelve handles
//! handle     → entry in the arena → object, if the value is big
//! ```
//!
//! * One owner, no locks, no clock. Every operation is a pure function of table and arguments.
//! * A key is found with two cache misses, its bucket's and its entry's; both can be prefetched ahead.
//! * Nothing rehashes the table. Growth splits one segment: an allocation of at most 2 KiB and at most 372 keys
//!   read again, prefetched, in some tens of microseconds (segments of four times that size took over 100, and saved
//!   a fifth of a byte a key). Arrays grow by chunks of 32 KiB; doubling the directory copies 4 bytes a segment.
//! * `phase` (the shard's number) sets the buckets of a full segment, spread evenly on a logarithmic scale. Tables
//!   of one size therefore split at different times, and 64 of them together use the same memory per key at any size.
//! * Keys that find no room although their segment is not two thirds full, or cannot be split any further, are
//!   *strays*: an ordered set beside the segments. Only colliding hashes get there (the secret prevents them);
//!   they cost a tree lookup, and then a comparison for each equal hash.
//! * Deleting merges sparse segments, so an emptied table shrinks. The directory shrinks when one segment is left.
//! * [`scan`](Table::scan) goes by hash and so needs no memory of earlier calls: whatever grew, split, merged or
//!   moved in between, a key that was there throughout is visited once.
//! * An empty table has no heap memory and takes at most 232 bytes.
//! * Beside the keys that exist it holds tombstones, for keys that do not although the disk may say so. [`Table::look_up`]
//!   tells the three answers apart; whatever counts or draws keys leaves tombstones out.
//! * Objects taken out are returned, so that the caller can drop them outside the lock.
//!
//! This file finds, adds and removes keys. `route` says where a hash leads, `strays` keeps who found no room there, and `growth`
//! links handles and splits and merges segments. `values` is what the keys hold, `expiry` when they expire, `inner` when
//! something in their values does, `residence` how their entries stand to what is on disk, and `walk` goes over all of them.

use std::collections::BTreeSet;

use super::arena::{Arena, Handle};
use super::entry::{self, Layout, NewValue, State, Stored, Value};
use super::expire::ExpireIndex;
use super::hash::KeyHasher;
use super::object::Object;
use super::segment::{Place, Segment, WIDTH, tag_of};
use super::slots::{Chunked, Slots};
use crate::store::UnixMs;
use crate::sys::Lines;

#[cfg(test)]
mod bench;
mod expiry;
mod growth;
mod inner;
mod residence;
mod route;
mod strays;
#[cfg(test)]
mod tests;
mod values;
mod walk;

pub use residence::{Cooled, Mercy};
use route::Route;

/// Scan positions are multiples of this (but for the first): the low 11 bits of a hash don't fit into a cursor.
pub const SCAN_GRANULE: u64 = 1 << 11;

/// Bytes of index per key at the usual fill, for memory estimates.
const INDEX_SHARE: usize = 9;

/// What a table takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Memory {
    /// Slots and boxes of live entries, and their objects.
    pub allocated: usize,
    /// Pages ever touched, boxes and objects.
    pub resident: usize,
    /// Segments, directory, page tables, object table and expiry index.
    pub index: usize,
}

/// The keys of one shard of one database; see the module.
pub struct Table {
    /// Segment numbers by the first `directory_depth` bits of a hash behind the shard's.
    directory: Chunked<u32>,
    segments: Slots<Segment>,
    arena: Arena,
    objects: Slots<Object>,
    /// What the objects take: the sum of their [`Object::memory_bytes`].
    object_bytes: usize,
    /// Hashes and handles, see `strays`.
    strays: BTreeSet<(u64, Handle)>,
    /// Handles by the time when their keys expire, see `expiry`.
    expires: Option<Box<ExpireIndex>>,
    /// What expires inside values, see `inner`.
    inner_expires: Option<Box<ExpireIndex>>,
    /// What the segments take: the sum of their [`Segment::memory`].
    segment_bytes: usize,
    /// Keys that exist.
    len: usize,
    tombstones: usize,
    /// Entries that are dirty in an even and in an odd epoch.
    dirty: [usize; 2],
    directory_depth: u8,
    /// What staggers its growth, below 64.
    phase: u8,
}

/// What RAM says of a key.
#[derive(Clone, Copy)]
pub enum Presence<'a> {
    /// It exists, and this is its latest state.
    Live(Entry<'a>),
    /// It does not exist, whatever the disk says.
    Tombstone(Handle),
    /// Nothing: what the disk says counts.
    Unknown,
}

/// A key's entry, borrowed from its table.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    table: &'a Table,
    handle: Handle,
    bytes: &'a [u8],
}

/// What the lookup of a key reads, in this order; the place of each part is in the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Depth {
    /// The bucket of its hash.
    Bucket,
    /// Header, key, and a small string.
    Entry,
    /// The root of a value of another kind.
    Object,
    /// The first bytes of a collection that is one piece of memory, or what a stream knows of its entries.
    Elements,
    /// The block of a stream that takes entries.
    Tail,
}

impl Depth {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Bucket, Self::Entry, Self::Object, Self::Elements, Self::Tail];
}

impl<'a> Entry<'a> {
    /// Where it is.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        entry::key(self.bytes)
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> Value<'a> {
        value_of(self.bytes, &self.table.objects)
    }

    /// How it stands to what is on disk.
    #[inline]
    pub fn state(&self) -> State {
        entry::state(self.bytes)
    }

    /// Is it a tombstone: does the key not exist, whatever the disk says?
    #[inline]
    pub(super) fn is_tombstone(&self) -> bool {
        entry::is_tombstone(self.bytes)
    }

    /// When it expires, in unix milliseconds.
    #[inline]
    pub fn expire_at(&self) -> Option<u64> {
        entry::expire(self.bytes)
    }

    /// Has its time passed?
    #[inline]
    pub fn has_expired(&self, now: UnixMs) -> bool {
        self.expire_at().is_some_and(|at| at < now.0)
    }

    /// When something inside its value expires, in unix milliseconds.
    #[inline]
    pub fn inner_due(&self) -> Option<u64> {
        self.table.inner_due_of(self.handle)
    }

    /// The 24 bits of access information.
    #[inline]
    pub fn access(&self) -> u32 {
        entry::access(self.bytes)
    }

    /// Bytes of memory it takes with its object and its share of the index, estimated.
    pub fn memory_bytes(&self) -> usize {
        let object =
            entry::object_index(self.bytes).map_or(0, |index| self.table.objects[index].memory_bytes());
        self.table.arena.slot_len(self.handle) + INDEX_SHARE + object
    }
}

/// The value of the entry at the start of `bytes`.
#[inline]
fn value_of<'a>(bytes: &'a [u8], objects: &'a Slots<Object>) -> Value<'a> {
    match entry::value(bytes) {
        Stored::Int(n) => Value::Int(n),
        Stored::Bytes(bytes, raw) => Value::Bytes { bytes, raw },
        Stored::Object(index) => Value::Object(&objects[index]),
        Stored::Tombstone => unreachable!("a tombstone is given out as one, and has no value"),
    }
}

impl Table {
    /// An empty table. `phase` below 64 staggers its growth against other tables'.
    pub const fn new(phase: u8) -> Self {
        Self {
            directory: Chunked::new(),
            segments: Slots::new(),
            arena: Arena::new(),
            objects: Slots::new(),
            object_bytes: 0,
            strays: BTreeSet::new(),
            expires: None,
            inner_expires: None,
            segment_bytes: 0,
            len: 0,
            tombstones: 0,
            dirty: [0; 2],
            directory_depth: 0,
            phase: phase & 63,
        }
    }

    /// Keys held that exist, whether due or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no such keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory it takes.
    pub fn memory(&self) -> Memory {
        let index = self.segment_bytes
            + self.directory.memory()
            + self.segments.memory()
            + self.objects.memory()
            + self.arena.overhead()
            + self.strays.len() * 24
            + self.expires_memory();
        let (allocated, resident) = (self.arena.allocated(), self.arena.resident());
        Memory { allocated: allocated + self.object_bytes, resident: resident + self.object_bytes, index }
    }

    /// Bytes that its keys take with their values and their share of the index: what `maxmemory` bounds. A sum of
    /// counters that are kept, unlike [`Table::memory`], because every write asks for it.
    pub fn used_bytes(&self) -> usize {
        self.arena.allocated() + self.object_bytes + self.segment_bytes + self.expires_memory()
    }

    fn expires_memory(&self) -> usize {
        [&self.expires, &self.inner_expires].into_iter().flatten().map(|index| index.memory()).sum()
    }

    /// The lines of one part of what the lookup of a key with this hash will most likely read. The parts before that one are read,
    /// so they should have been prefetched.
    #[inline]
    pub fn lines_of(&self, hash: u64, depth: Depth) -> Option<Lines> {
        let (segment, home) = self.route_to(hash)?;
        if depth == Depth::Bucket {
            return Some(Lines::of(segment.bucket(home)));
        }
        let handle = segment.bucket(home).first_match(tag_of(hash))?;
        if depth == Depth::Entry {
            return self.arena.lines_of(handle);
        }
        let Stored::Object(index) = entry::value(self.arena.bytes(handle)) else { return None };
        match depth {
            Depth::Object => self.objects.lines_of(index),
            Depth::Elements => self.objects[index].lines(),
            _ => self.objects[index].tail_lines(),
        }
    }

    /// Finds a key that exists; `hash` is its hash.
    #[inline]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Handle> {
        self.find_entry(hash, key).map(|entry| entry.handle)
    }

    /// The entry of `key`, if RAM says that it exists.
    #[inline]
    pub fn find_entry(&self, hash: u64, key: &[u8]) -> Option<Entry<'_>> {
        self.find_any(hash, key).filter(|entry| !entry.is_tombstone())
    }

    /// The tombstone of `key`, if there is one.
    #[inline]
    pub fn find_tombstone(&self, hash: u64, key: &[u8]) -> Option<Handle> {
        if self.tombstones == 0 {
            return None;
        }
        self.find_any(hash, key).filter(Entry::is_tombstone).map(|entry| entry.handle)
    }

    /// What RAM says of `key`.
    #[inline]
    pub fn look_up(&self, hash: u64, key: &[u8]) -> Presence<'_> {
        match self.find_any(hash, key) {
            Some(entry) if entry.is_tombstone() => Presence::Tombstone(entry.handle),
            Some(entry) => Presence::Live(entry),
            None => Presence::Unknown,
        }
    }

    /// The entry of `key`, tombstone or not. The bytes that were compared with the key are those of the entry, so a reader
    /// does not resolve the handle a second time. Always inlined: on its own it costs a pipelined GET a tenth.
    #[inline(always)]
    fn find_any(&self, hash: u64, key: &[u8]) -> Option<Entry<'_>> {
        let (segment, home) = self.route_to(hash)?;
        let tag = tag_of(hash);
        for (_, handle) in segment.at_home(home, tag) {
            let entry = self.entry(handle);
            if entry.key() == key {
                return Some(entry);
            }
        }
        let is_elsewhere = segment.may_have_gone_over(home, tag) || segment.bucket(home).has_strayed();
        if is_elsewhere { self.find_elsewhere(segment, home, hash, key) } else { None }
    }

    /// [`Table::find_any`] of a key that is not in its home bucket.
    #[inline(never)]
    fn find_elsewhere(&self, segment: &Segment, home: usize, hash: u64, key: &[u8]) -> Option<Entry<'_>> {
        let over = segment.gone_over(home, tag_of(hash)).map(|(_, handle)| handle);
        over.chain(self.strays_within(hash, hash))
            .map(|handle| self.entry(handle))
            .find(|entry| entry.key() == key)
    }

    /// The entry of a key in the table.
    #[inline]
    pub fn entry(&self, handle: Handle) -> Entry<'_> {
        Entry { table: self, handle, bytes: self.arena.bytes(handle) }
    }

    /// Adds a key that is not in the table, not even as a tombstone: with its expiry, access information and state.
    pub fn insert(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        key: &[u8],
        value: NewValue<'_>,
        about: (Option<u64>, u32, State),
    ) -> Handle {
        let stored = self.store(value);
        self.len += 1;
        self.add(hasher, hash, key, stored, about)
    }

    /// Adds a key or a tombstone that is not in the table; whoever calls counts it.
    fn add(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        key: &[u8],
        stored: Stored<'_>,
        (expire, access, state): (Option<u64>, u32, State),
    ) -> Handle {
        debug_assert!(self.find_any(hash, key).is_none(), "only keys that are absent are added");
        let handle = self.arena.alloc(Layout::plan(key.len(), expire).value_at() + stored.len());
        entry::write(self.arena.bytes_mut(handle), key, stored, expire, access, state);
        self.count_dirty(State::NEW, state);
        self.link(hasher, hash, handle, state);
        if let Some(when_ms) = expire {
            self.expires.get_or_insert_default().insert(when_ms, handle);
        }
        self.inner_changes((None, handle), (self.inner_due(&stored), handle));
        handle
    }

    /// Sets the low 24 bits of access information.
    #[inline]
    pub fn set_access(&mut self, handle: Handle, access: u32) {
        entry::set_access(self.arena.bytes_mut(handle), access);
    }

    /// Removes a key or a tombstone, and gives the object that was its value.
    pub fn remove(&mut self, hasher: &KeyHasher, hash: u64, handle: Handle) -> Option<Object> {
        let bytes = self.arena.bytes(handle);
        let object = entry::object_index(bytes);
        let (state, is_tombstone) = (entry::state(bytes), entry::is_tombstone(bytes));
        if let Some(when_ms) = entry::expire(bytes) {
            self.expire_ends(when_ms, handle);
        }
        self.inner_changes((self.inner_due_of(handle), handle), (None, handle));
        self.count_dirty(state, State::NEW);
        let (route, place) = self.locate(hash, handle);
        match place {
            Some(place) => self.segments[route.segment].remove(place, route.home),
            None => self.remove_stray(route, hash, handle),
        }
        self.arena.free(handle);
        *if is_tombstone { &mut self.tombstones } else { &mut self.len } -= 1;
        self.shrink(hasher, route.segment, hash);
        let object = object.map(|index| self.take_object(index));
        if self.len + self.tombstones == 0 && self.segments.bound() > 1 {
            // The one segment left may stand far behind in an array that would keep its chunks for it.
            *self = Self::new(self.phase);
        }
        object
    }
}
