//! Going over a table's keys: in the order of their hashes, in any order, or to one by chance.

use super::strays::stray_range;
use super::{Entry, Handle, Route, SCAN_GRANULE, Segment, Table, WIDTH, entry};
use crate::store::SHARD_BITS;
use crate::store::hash::KeyHasher;

impl Table {
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
        // One wait for memory a bucket, not one an entry.
        segment.visit(route.home, |handle| self.arena.prefetch_start(handle));
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
