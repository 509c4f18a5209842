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
//!   tells the three answers apart; whatever counts or draws keys leaves tombstones out. `residence` owns how entries
//!   stand to the disk.
//! * Objects taken out are returned, so that the caller can drop them outside the lock.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::SHARD_BITS;
use super::arena::{Arena, Handle};
use super::entry::{self, INLINE_MAX, Layout, NewValue, State, Stored, Value};
use super::expire::ExpireIndex;
use super::hash::KeyHasher;
use super::object::Object;
use super::segment::{Place, Segment, WIDTH, tag_of};
use super::slots::{Chunked, Slots};
use crate::sys;

#[cfg(test)]
mod bench;
mod growth;
mod inner;
mod residence;
#[cfg(test)]
mod tests;

pub use residence::{Cooled, Mercy};

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

/// See the module.
pub struct Table {
    directory: Chunked<u32>,
    segments: Slots<Segment>,
    arena: Arena,
    objects: Slots<Object>,
    /// What the objects take: the sum of their [`Object::memory_bytes`].
    object_bytes: usize,
    strays: BTreeSet<(u64, Handle)>,
    expires: Option<Box<ExpireIndex>>,
    /// What expires inside values, see `inner`.
    inner_expires: Option<Box<ExpireIndex>>,
    segment_bytes: usize,
    /// Keys that exist.
    len: usize,
    tombstones: usize,
    /// Entries that are dirty in an even and in an odd epoch.
    dirty: [usize; 2],
    directory_depth: u8,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Depth {
    /// The bucket of its hash.
    Bucket,
    /// Header, key, and a small string.
    Entry,
    /// The root of a value of another kind.
    Object,
    /// The first bytes of a collection that is one piece of memory.
    Elements,
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
        match entry::value(self.bytes) {
            Stored::Int(n) => Value::Int(n),
            Stored::Bytes(bytes, raw) => Value::Bytes { bytes, raw },
            Stored::Object(index) => Value::Object(&self.table.objects[index]),
            Stored::Tombstone => unreachable!("a tombstone is given out as one, and has no value"),
        }
    }

    /// How it stands to what is on disk.
    #[inline]
    pub fn state(&self) -> State {
        entry::state(self.bytes)
    }

    /// Says it that the key does not exist?
    #[inline]
    pub(super) fn is_tombstone(&self) -> bool {
        entry::is_tombstone(self.bytes)
    }

    /// When it expires, in unix milliseconds.
    #[inline]
    pub fn expire_at(&self) -> Option<u64> {
        entry::expire(self.bytes)
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

/// Where a hash leads.
#[derive(Clone, Copy)]
struct Route {
    segment: u32,
    home: usize,
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

    /// Keys with an expiry.
    pub fn expires_len(&self) -> usize {
        self.expires.as_ref().map_or(0, |index| index.len())
    }

    /// The sum of all expiry times in unix milliseconds, for the mean time to live.
    pub fn expires_sum_ms(&self) -> u128 {
        self.expires.as_ref().map_or(0, |index| index.sum_ms())
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

    /// Asks for a part of what `hash` most likely means. Reads the parts before it: prefetch those some time before.
    #[inline]
    pub fn prefetch(&self, hash: u64, depth: Depth) {
        let Some((segment, home)) = self.route_to(hash) else { return };
        if depth == Depth::Bucket {
            return sys::prefetch(segment.bucket(home));
        }
        let Some(handle) = segment.bucket(home).first_match(tag_of(hash)) else { return };
        if depth == Depth::Entry {
            return self.arena.prefetch(handle);
        }
        if let Stored::Object(index) = entry::value(self.arena.bytes(handle)) {
            match depth {
                Depth::Object => self.objects.prefetch(index),
                _ => self.objects[index].prefetch(),
            }
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
        let mut found = None;
        let is = |handle| {
            let bytes = self.arena.bytes(handle);
            let is_it = entry::key(bytes) == key;
            if is_it {
                found = Some(Entry { table: self, handle, bytes });
            }
            is_it
        };
        match segment.find(home, tag_of(hash), is) {
            Some(_) => found,
            None if segment.bucket(home).has_strayed() => {
                self.find_stray(hash, key).map(|handle| self.entry(handle))
            }
            None => None,
        }
    }

    #[cold]
    fn find_stray(&self, hash: u64, key: &[u8]) -> Option<Handle> {
        self.strays_within(hash, hash).find(|&handle| entry::key(self.arena.bytes(handle)) == key)
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

    /// Replaces the value of a key, and gives the object that was its value. Expiry and access stay. The handle
    /// may change.
    pub fn set_value(&mut self, hash: u64, handle: Handle, value: NewValue<'_>) -> (Handle, Option<Object>) {
        let stored = self.store(value);
        self.set_stored(hash, handle, stored)
    }

    fn set_stored(&mut self, hash: u64, handle: Handle, stored: Stored<'_>) -> (Handle, Option<Object>) {
        let bytes = self.arena.bytes(handle);
        let old = entry::object_index(bytes);
        let layout = Layout::of(bytes);
        let size = layout.value_at() + stored.len();
        let inner_due = (self.inner_due_of(handle), self.inner_due(&stored));
        let mut now = handle;
        if !self.arena.fits(handle, size) {
            now = self.arena.alloc(size);
            self.arena.copy(handle, now, layout.value_at());
            self.relink(hash, handle, now);
            if let Some(when_ms) = entry::expire(self.arena.bytes(now)) {
                self.expire_moves(when_ms, handle, now);
            }
        }
        entry::write_value(self.arena.bytes_mut(now), layout, stored);
        self.inner_changes((inner_due.0, handle), (inner_due.1, now));
        (now, old.map(|index| self.take_object(index)))
    }

    /// Is the value held as an integer?
    #[inline]
    pub fn holds_int(&self, handle: Handle) -> bool {
        entry::is_int(self.arena.bytes(handle))
    }

    /// Replaces the value by an integer without moving the entry; false, and nothing changed, if the value is not
    /// an integer already.
    #[inline]
    pub fn set_int_in_place(&mut self, handle: Handle, n: i64) -> bool {
        let bytes = self.arena.bytes_mut(handle);
        if !entry::is_int(bytes) {
            return false;
        }
        let layout = Layout::of(bytes);
        entry::write_value(bytes, layout, Stored::Int(n));
        true
    }

    /// The string in the entry, to change without changing its length; `None` if the value is not one.
    pub fn bytes_mut(&mut self, handle: Handle) -> Option<&mut [u8]> {
        entry::string_mut(self.arena.bytes_mut(handle))
    }

    /// Changes the value in place as an object; `None`, and `edit` is not called, if it is not one.
    pub fn edit_object<R>(&mut self, handle: Handle, edit: impl FnOnce(&mut Object) -> R) -> Option<R> {
        let index = entry::object_index(self.arena.bytes(handle))?;
        let object = &mut self.objects[index];
        let (before, old_due) = (object.memory_bytes(), object.next_expire());
        let result = edit(object);
        let new_due = object.next_expire();
        self.object_bytes = self.object_bytes - before + object.memory_bytes();
        self.inner_changes((old_due, handle), (new_due, handle));
        Some(result)
    }

    /// Gives a value the form that entries hold, storing it as an object if it is too long for one.
    #[inline]
    fn store<'v>(&mut self, value: NewValue<'v>) -> Stored<'v> {
        match value {
            NewValue::Int(n) => Stored::Int(n),
            NewValue::Bytes(bytes, raw) if bytes.len() <= INLINE_MAX => Stored::Bytes(bytes, raw),
            NewValue::Bytes(bytes, _) => self.store_object(Object::String(Arc::new(bytes.to_vec()))),
            NewValue::Shared(bytes) => self.store_object(Object::String(bytes)),
            NewValue::Object(object) => self.store_object(object),
        }
    }

    fn store_object(&mut self, object: Object) -> Stored<'static> {
        self.object_bytes += object.memory_bytes();
        Stored::Object(self.objects.insert(object))
    }

    fn take_object(&mut self, index: u32) -> Object {
        let object = self.objects.remove(index);
        self.object_bytes -= object.memory_bytes();
        object
    }

    /// Sets, changes or clears the expiry, in unix milliseconds. The handle may change.
    pub fn set_expire(&mut self, hash: u64, handle: Handle, expire: Option<u64>) -> Handle {
        let bytes = self.arena.bytes(handle);
        let old = entry::expire(bytes);
        if old == expire {
            return handle;
        }
        let value_len = entry::value(bytes).len();
        let old_size = Layout::of(bytes).value_at() + value_len;
        let size = Layout::plan(entry::key(bytes).len(), expire).value_at() + value_len;
        let mut now = handle;
        if size < old_size {
            entry::set_expire(self.arena.bytes_mut(handle), value_len, expire);
        }
        if !self.arena.fits(handle, size) {
            now = self.arena.alloc(size);
            self.arena.copy(handle, now, size.min(old_size));
            self.relink(hash, handle, now);
        }
        if size >= old_size {
            entry::set_expire(self.arena.bytes_mut(now), value_len, expire);
        }
        let inner_due = self.inner_due_of(now);
        self.inner_changes((inner_due, handle), (inner_due, now));
        if let Some(when_ms) = old {
            self.expire_ends(when_ms, handle);
        }
        if let Some(when_ms) = expire {
            self.expires.get_or_insert_default().insert(when_ms, now);
        }
        now
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

    /// The earliest expiry, in unix milliseconds.
    pub fn next_due(&self) -> Option<u64> {
        Some(self.expires.as_ref()?.first()?.0)
    }

    /// The key that expires first, if that is at or before `now_ms`.
    pub fn first_due(&self, now_ms: u64) -> Option<Handle> {
        let (when_ms, handle) = self.expires.as_ref()?.first()?;
        (when_ms <= now_ms).then_some(handle)
    }

    /// Visits the entries whose hash is from `from` up to a position that it returns, each once with its hash; `None`
    /// when that is the end of the table. A step is what is left of one bucket, about ten keys, all of one hash
    /// together at worst. Start with the lowest hash of the shard. Positions returned are multiples of
    /// [`SCAN_GRANULE`] and need no state: `from` may be any hash of the shard, and the table may have changed in
    /// any way. Whoever is in the table throughout is visited exactly once. Tombstones are visited, too.
    pub fn scan(&self, hasher: &KeyHasher, from: u64, mut visit: impl FnMut(u64, Entry<'_>)) -> Option<u64> {
        if self.len + self.tombstones == 0 {
            return None;
        }
        let mut low = from;
        loop {
            let route = self.route(low)?;
            let last = self.last_hash_of(route, low);
            let is_end = last == low | u64::MAX >> SHARD_BITS;
            let next = last.wrapping_add(1) & !(SCAN_GRANULE - 1);
            let stops = next > low && !is_end;
            self.visit_hashes(hasher, route, low, if stops { next - 1 } else { last }, &mut visit);
            if is_end || stops {
                return stops.then_some(next);
            }
            // What was left of the bucket is less than a granule; go on to one that ends at another.
            low = last + 1;
        }
    }

    /// Visits the keys of a bucket whose hash is within the bounds, which are within the bucket's.
    fn visit_hashes(
        &self,
        hasher: &KeyHasher,
        route: Route,
        low: u64,
        high: u64,
        visit: &mut impl FnMut(u64, Entry<'_>),
    ) {
        let segment = &self.segments[route.segment];
        segment.visit(route.home, |handle| {
            let entry = self.entry(handle);
            let hash = hasher.hash_of(entry.key());
            if (low..=high).contains(&hash) {
                visit(hash, entry);
            }
        });
        if segment.bucket(route.home).has_strayed() {
            for &(hash, handle) in self.strays.range(stray_range(low, high)) {
                visit(hash, self.entry(handle));
            }
        }
    }

    /// A key chosen by the random number `random`; every key is equally likely, but for strays, which are not among
    /// themselves. `None` only if there are no keys.
    pub fn random(&self, random: u64) -> Option<Handle> {
        let bound = self.segments.bound() as u64;
        let mut state = random;
        let mut below = |n: u64| {
            // A step of SplitMix64, scaled: many independent draws from one.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((u128::from(mixed ^ mixed >> 31) * u128::from(n)) >> 64) as u64
        };
        if let Some(&(first, _)) = self.strays.first()
            && below((self.len + self.tombstones) as u64) < self.strays.len() as u64
        {
            let from = first & !(u64::MAX >> SHARD_BITS) | below(1 << (u64::BITS - SHARD_BITS));
            let mut strays = self.strays_within(from, u64::MAX).chain(self.strays_within(0, u64::MAX));
            if let Some(stray) = strays.find(|&handle| self.is_live(handle)) {
                return Some(stray);
            }
        }
        // Segments of one table have the same number of slots, so drawing one of all slots until it holds a key
        // is fair. Merging keeps them a fifth full or more on the whole: 100 draws fail once in a billion times, unless
        // nearly all are tombstones.
        for _ in 0..100 {
            let Some(segment) = self.segments.get(below(bound.max(1)) as u32) else { continue };
            let slot = below(segment.capacity() as u64) as usize;
            if let Some(handle) = segment.bucket(slot / WIDTH).slot(slot % WIDTH)
                && self.is_live(handle)
            {
                return Some(handle);
            }
        }
        self.iter().next()
    }

    #[inline]
    fn is_live(&self, handle: Handle) -> bool {
        self.tombstones == 0 || !entry::is_tombstone(self.arena.bytes(handle))
    }

    /// The handles of all keys, in no useful order.
    pub fn iter(&self) -> impl Iterator<Item = Handle> + '_ {
        self.iter_all().filter(|&handle| self.is_live(handle))
    }

    /// The handles of all keys and tombstones, in no useful order.
    pub fn iter_all(&self) -> impl Iterator<Item = Handle> + '_ {
        let segments = (0..self.segments.bound() as u32).filter_map(|id| self.segments.get(id));
        segments.flat_map(Segment::iter).chain(self.strays.iter().map(|&(_, handle)| handle))
    }
}

/// Where hashes lead.
impl Table {
    /// The segment and home bucket of `hash`, unless there are no segments yet.
    #[inline]
    fn route(&self, hash: u64) -> Option<Route> {
        let index = self.directory_index(hash);
        let segment = *self.directory.get(index)?;
        Some(Route { segment, home: home_in(&self.segments[segment], hash) })
    }

    #[inline]
    fn route_to(&self, hash: u64) -> Option<(&Segment, usize)> {
        let segment = self.segments.get(*self.directory.get(self.directory_index(hash))?)?;
        Some((segment, home_in(segment, hash)))
    }

    #[inline]
    fn directory_index(&self, hash: u64) -> usize {
        // In two steps, since a shift by 64 is not one.
        ((hash << SHARD_BITS >> 1) >> (63 - self.directory_depth)) as usize
    }

    /// The highest hash of the segment where `hash` leads.
    fn last_hash_of_segment(&self, segment: u32, hash: u64) -> u64 {
        hash | u64::MAX >> (SHARD_BITS + u32::from(self.segments[segment].depth()))
    }

    /// The highest hash of the bucket on the route of `hash`.
    fn last_hash_of(&self, route: Route, hash: u64) -> u64 {
        let segment = &self.segments[route.segment];
        let used = SHARD_BITS + u32::from(segment.depth());
        let rest = segment.end_of(route.home).map_or(u64::MAX, |end| end - 1);
        hash & !(u64::MAX >> used) | rest >> used
    }

    /// Finds where a handle in the table is linked: in a segment, or else among the strays.
    fn locate(&self, hash: u64, handle: Handle) -> (Route, Option<Place>) {
        let route = self.route(hash).expect("a table with keys has segments");
        let place = self.segments[route.segment].find(route.home, tag_of(hash), |other| other == handle);
        debug_assert!(place.is_some() || self.strays.contains(&(hash, handle)), "a handle in use is linked");
        (route, place)
    }

    fn strays_within(&self, low: u64, high: u64) -> impl Iterator<Item = Handle> + '_ {
        self.strays.range(stray_range(low, high)).map(|&(_, handle)| handle)
    }
}

#[inline]
fn home_in(segment: &Segment, hash: u64) -> usize {
    segment.home(hash << SHARD_BITS << segment.depth())
}

fn stray_range(low: u64, high: u64) -> std::ops::RangeInclusive<(u64, Handle)> {
    let bounds = (Handle::from_raw(1), Handle::from_raw(u32::MAX));
    let (Some(least), Some(greatest)) = bounds else { unreachable!("neither is zero") };
    (low, least)..=(high, greatest)
}
