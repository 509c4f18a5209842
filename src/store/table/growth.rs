//! How a table's handles are linked, and how its segments grow and shrink.
//!
//! * A segment that has no room for a key becomes larger or, at full size, two; a sparse one becomes smaller or merges
//!   with its other half. One call changes one pair of segments: it reads at most the keys of two half-full ones.
//! * Splitting takes segments two thirds full or more (fewer keys that find no room have colliding hashes, and would
//!   only meet again) and merging leaves them half full at most: neither undoes the other soon.
//! * Entries do not move here, only handles between buckets; no handle changes.

use super::{Handle, Route, Segment, State, Table, WIDTH, entry, tag_of};
use crate::store::SHARD_BITS;
use crate::store::hash::KeyHasher;
use crate::store::slots::Chunked;

/// Deepest segment. 2^18 segments hold about fifty million keys; a bucket still spans over 2^33 hashes, far more
/// than [`SCAN_GRANULE`](super::SCAN_GRANULE).
pub(super) const MAX_DEPTH: u8 = 18;

/// Buckets of either half of a segment that split: with as many as before they would be under half full. Three quarters,
/// and all once those are full, cost half a rehash more a key and keep a sixth of the index's memory.
const fn young_buckets(full: usize) -> usize {
    full * 3 / 4
}

/// How far ahead entries are prefetched when a segment is redistributed.
const AHEAD: usize = 24;

impl Table {
    /// Links the handle of a key that is new to the table, and makes room for it.
    pub(super) fn link(&mut self, hasher: &KeyHasher, hash: u64, handle: Handle, state: State) {
        if self.segments.is_empty() {
            let first = self.add_segment(1, 0);
            self.directory.push(first);
        }
        loop {
            let route = self.route(hash).expect("there is a segment");
            let segment = &mut self.segments[route.segment];
            segment.note(state);
            if segment.place(route.home, tag_of(hash), handle) {
                return;
            }
            if !self.grow(hasher, route.segment, hash) {
                return self.add_stray(route, hash, handle);
            }
        }
    }

    /// Puts another handle in the place of one, which is freed.
    pub(super) fn relink(&mut self, hash: u64, old: Handle, new: Handle) {
        match self.locate(hash, old) {
            (route, Some(place)) => self.segments[route.segment].replace(place, new),
            (_, None) => {
                self.strays.remove(&(hash, old));
                self.strays.insert((hash, new));
            }
        }
        self.arena.free(old);
    }

    /// Buckets of a segment that is as large as this table's get: `16 * 2^(phase / 64)`, nearly.
    const fn full_buckets(&self) -> usize {
        let phase = self.phase as usize;
        16 + phase * (42 + 22 * phase / 64) / 256
    }

    /// Makes room where `hash` leads, if that would help: a larger segment, or two.
    #[cold]
    fn grow(&mut self, hasher: &KeyHasher, id: u32, hash: u64) -> bool {
        let (full, segment) = (self.full_buckets(), &self.segments[id]);
        let (buckets, depth) = (segment.buckets(), segment.depth());
        if segment.used() * 3 < segment.capacity() * 2 || (buckets == full && depth == MAX_DEPTH) {
            return false;
        }
        let handles: Vec<Handle> = segment.iter().collect();
        if buckets < full {
            let small = (1..=5).rev().map(|halvings| full.div_ceil(1 << halvings));
            let larger = small.chain([young_buckets(full), full]).find(|&n| n > buckets);
            self.resize_segment(id, larger.unwrap_or(full));
            self.redistribute(hasher, &handles);
            self.mark_segment(id, hash);
            return true;
        }
        if depth == self.directory_depth {
            self.double_directory();
        }
        self.resize_segment(id, young_buckets(full));
        self.segments[id].reset(depth + 1);
        let right = self.add_segment(young_buckets(full), depth + 1);
        let bit = depth_bit(depth + 1);
        self.point_directory(hash | bit, depth + 1, right);
        self.redistribute(hasher, &handles);
        self.mark_segment(id, hash & !bit);
        self.mark_segment(right, hash | bit);
        true
    }

    /// Merges the segment where `hash` leads with its other half, or makes it smaller, if it is sparse.
    #[inline]
    pub(super) fn shrink(&mut self, hasher: &KeyHasher, id: u32, hash: u64) {
        let segment = &self.segments[id];
        if segment.used() * 4 <= segment.capacity() && segment.capacity() > WIDTH {
            self.shrink_sparse(hasher, id, hash);
        }
    }

    fn shrink_sparse(&mut self, hasher: &KeyHasher, id: u32, hash: u64) {
        let segment = &self.segments[id];
        let depth = segment.depth();
        if depth == 0 {
            let full = self.full_buckets();
            let smaller =
                (0..=5).map(|halvings| full.div_ceil(1 << halvings)).find(|&n| n < segment.buckets());
            let handles: Vec<Handle> = segment.iter().collect();
            self.resize_segment(id, smaller.unwrap_or(1));
            self.redistribute(hasher, &handles);
            self.mark_segment(id, hash);
            return;
        }
        let other = self.directory[self.directory_index(hash ^ depth_bit(depth))];
        let half = &self.segments[other];
        if half.depth() != depth || (segment.used() + half.used()) * 2 > segment.capacity() {
            return;
        }
        let handles: Vec<Handle> = segment.iter().chain(half.iter()).collect();
        self.segment_bytes -= half.memory();
        self.segments.remove(other);
        self.segments[id].reset(depth - 1);
        if depth == 1 {
            self.directory = Chunked::new();
            self.directory.push(id);
            self.directory_depth = 0;
        } else {
            self.point_directory(hash, depth - 1, id);
        }
        self.redistribute(hasher, &handles);
        self.mark_segment(id, hash);
    }

    fn add_segment(&mut self, buckets: usize, depth: u8) -> u32 {
        let segment = Segment::new(buckets, depth);
        self.segment_bytes += segment.memory();
        self.segments.insert(segment)
    }

    /// Replaces a segment by an empty one with another number of buckets.
    fn resize_segment(&mut self, id: u32, buckets: usize) {
        let segment = &mut self.segments[id];
        self.segment_bytes -= segment.memory();
        *segment = Segment::new(buckets, segment.depth());
        self.segment_bytes += segment.memory();
    }

    /// Places handles again after the segments they were in were emptied.
    fn redistribute(&mut self, hasher: &KeyHasher, handles: &[Handle]) {
        for (i, &handle) in handles.iter().enumerate() {
            if let Some(&later) = handles.get(i + AHEAD) {
                self.arena.prefetch_start(later);
            }
            let bytes = self.arena.bytes(handle);
            let (hash, state) = (hasher.hash_of(entry::key(bytes)), entry::state(bytes));
            let route = self.route(hash).expect("there is a segment");
            self.segments[route.segment].note(state);
            if !self.segments[route.segment].place(route.home, tag_of(hash), handle) {
                self.add_stray(route, hash, handle);
            }
        }
    }

    /// Makes every bucket of a fresh segment, which holds `hash`, say whether any of its keys are strays. They stay
    /// strays: there may be more of them than one step of growth could move.
    fn mark_segment(&mut self, id: u32, hash: u64) {
        if !self.strays.is_empty() {
            for home in 0..self.segments[id].buckets() {
                self.mark_strayed(Route { segment: id, home }, hash);
            }
        }
    }

    fn double_directory(&mut self) {
        let mut doubled = Chunked::new();
        for index in 0..self.directory.len() {
            let segment = self.directory[index];
            doubled.push(segment);
            doubled.push(segment);
        }
        self.directory = doubled;
        self.directory_depth += 1;
    }

    /// Makes all hashes that share their first `depth` bits after the shard's with `hash` lead to `segment`.
    fn point_directory(&mut self, hash: u64, depth: u8, segment: u32) {
        let places = 1usize << (self.directory_depth - depth);
        let first = self.directory_index(hash) & !(places - 1);
        for index in first..first + places {
            self.directory[index] = segment;
        }
    }
}

/// The last of the `depth` bits of a hash after the shard's.
const fn depth_bit(depth: u8) -> u64 {
    1 << (u64::BITS - SHARD_BITS - depth as u32)
}
