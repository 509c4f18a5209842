//! A segment: up to 31 buckets of handles, ordered by hash.
//!
//! ```text
//! bucket, one cache line
//! byte 0-11   tags: one byte of the hash for each slot, 0 where the slot is empty
//! byte 12     over: how many keys of this bucket are in one of the next REACH buckets instead
//! byte 13     over_tags: which groups of tags those keys have (a bit each; may have bits too many, never too few)
//! byte 14-15  bits 0-11: the slot holds a key of another bucket; bit 15: keys of this bucket are in the table's
//!             set of strays
//! byte 16-63  12 handles
//! ```
//!
//! * A key's home bucket is its hash, scaled to the number of buckets: a higher hash never has a lower home. The
//!   number of buckets is therefore free, and tables use different ones so that they don't all split at once.
//! * A key is in its home bucket or, when that was full, in one of the next `REACH` (the first follows the last).
//!   A miss reads one line unless keys of the bucket went over with a tag of the same group.
//! * `over` and the foreign bits are exact. So what belongs to a bucket can be enumerated without hashing keys, once
//!   each.
//! * It holds handles and knows nothing of keys: callers say which handle is the one. It never grows by itself.

use super::arena::Handle;
use super::entry::{Parity, State};

/// Handles in a bucket.
pub const WIDTH: usize = 12;

/// How many buckets after its home may take a key. With 3, segments split when 76 % full and the index takes a byte a
/// key more; the keys that go over are nearly all in the first one or two either way.
const REACH: usize = 7;

const OVER: usize = 12;
const OVER_TAGS: usize = 13;
/// Bit 15 of the last two bytes, as a bit of byte 15.
const STRAYED: u8 = 0x80;

/// The byte that stands for a key in its bucket; never 0. Its bits take no part in choosing the bucket.
#[inline]
pub const fn tag_of(hash: u64) -> u8 {
    let tag = hash as u8;
    if tag == 0 { 1 } else { tag }
}

/// Twelve handles and their tags.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Bucket {
    head: [u8; 16],
    slots: [Option<Handle>; WIDTH],
}

const _: () = assert!(size_of::<Bucket>() == 64);

/// The slots of a bucket that match: bit `8 * i` for slots 0 to 7, bit `8 * i + 4` for slots 8 to 11.
struct Matches(u64);

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit / 8 + (bit & 4) * 2)
    }
}

/// Sets the high bit of each byte of `word` that is zero, and no other bit.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    !(((word & LOW) + LOW) | word | LOW)
}

impl Bucket {
    const EMPTY: Self = Self { head: [0; 16], slots: [None; WIDTH] };

    /// The slots with this tag; tag 0 gives the empty ones.
    #[inline]
    fn matches(&self, tag: u8) -> Matches {
        // Words, not vectors: vector loads need unsafe code, and what compilers make of a loop over the bytes is
        // three times longer than this.
        let [low, high] =
            self.words().map(|word| zero_bytes(word ^ (u64::from(tag) * 0x0101_0101_0101_0101)));
        Matches(low >> 7 | (high & 0xFFFF_FFFF) >> 3)
    }

    /// The head as two words, low byte first.
    #[inline]
    fn words(&self) -> [u64; 2] {
        let head = u128::from_le_bytes(self.head);
        [head as u64, (head >> 64) as u64]
    }

    #[inline]
    fn over(&self) -> u8 {
        self.head[OVER]
    }

    #[inline]
    fn may_be_over(&self, tag: u8) -> bool {
        self.head[OVER_TAGS] & over_bit(tag) != 0
    }

    fn foreign(&self) -> u16 {
        u16::from_le_bytes([self.head[14], self.head[15]]) & ((1 << WIDTH) - 1)
    }

    fn set_foreign(&mut self, slot: usize, foreign: bool) {
        let bit = 1u8 << (slot % 8);
        let byte = &mut self.head[14 + slot / 8];
        *byte = if foreign { *byte | bit } else { *byte & !bit };
    }

    /// Whether keys of this bucket are among the table's strays.
    #[inline]
    pub fn has_strayed(&self) -> bool {
        self.head[15] & STRAYED != 0
    }

    /// The handle whose tag matches first, for prefetching.
    #[inline]
    pub fn first_match(&self, tag: u8) -> Option<Handle> {
        self.slots[self.matches(tag).next()?]
    }

    /// The handle in a slot below [`WIDTH`], if it is used.
    pub fn slot(&self, slot: usize) -> Option<Handle> {
        self.slots[slot]
    }

    fn put(&mut self, tag: u8, handle: Handle, foreign: bool) -> bool {
        let Some(slot) = self.matches(0).next() else { return false };
        self.head[slot] = tag;
        self.slots[slot] = Some(handle);
        self.set_foreign(slot, foreign);
        true
    }
}

/// Groups of tags by their three high bits.
#[inline]
const fn over_bit(tag: u8) -> u8 {
    1 << (tag >> 5)
}

/// A place within a segment.
#[derive(Clone, Copy)]
pub struct Place {
    bucket: u32,
    slot: u32,
}

/// Buckets for one range of hashes.
pub struct Segment {
    buckets: Box<[Bucket]>,
    len: u32,
    depth: u8,
    /// A bit for each parity of epochs: some key may be dirty in one.
    dirty: u8,
}

impl Segment {
    /// An empty segment for hashes that agree in `depth` bits after the shard's.
    pub fn new(buckets: usize, depth: u8) -> Self {
        debug_assert!(buckets > 0, "a segment has a bucket");
        Self { buckets: vec![Bucket::EMPTY; buckets].into_boxed_slice(), len: 0, depth, dirty: 0 }
    }

    /// Empties it and gives it another depth, keeping its memory.
    pub fn reset(&mut self, depth: u8) {
        self.buckets.fill(Bucket::EMPTY);
        (self.len, self.depth, self.dirty) = (0, depth, 0);
    }

    /// Notes that it holds a key with this state.
    #[inline]
    pub fn note(&mut self, state: State) {
        self.dirty |= state.dirty_bits();
    }

    /// May a key be dirty in an epoch of this parity?
    pub fn may_be_dirty(&self, parity: Parity) -> bool {
        self.dirty >> parity.index() & 1 == 1
    }

    /// No key is dirty in such an epoch any more.
    pub fn settle(&mut self, parity: Parity) {
        self.dirty &= !(1 << parity.index());
    }

    /// Handles held.
    pub fn used(&self) -> usize {
        self.len as usize
    }

    /// Number of buckets.
    #[inline]
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Handles that would fill it.
    pub fn capacity(&self) -> usize {
        self.buckets.len() * WIDTH
    }

    /// How many bits of the hash after the shard's its keys share.
    #[inline]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// Bytes of its buckets.
    pub fn memory(&self) -> usize {
        size_of_val(&*self.buckets)
    }

    /// The home bucket for `rest`: the hash's bits after shard and depth, moved to the top.
    #[inline]
    pub fn home(&self, rest: u64) -> usize {
        ((u128::from(rest) * self.buckets.len() as u128) >> 64) as usize
    }

    /// The lowest `rest` above all those of `bucket`; `None` after the last bucket.
    pub fn end_of(&self, bucket: usize) -> Option<u64> {
        let ends = (bucket as u128 + 1) << 64;
        u64::try_from(ends.div_ceil(self.buckets.len() as u128)).ok()
    }

    /// One bucket.
    #[inline]
    pub fn bucket(&self, index: usize) -> &Bucket {
        &self.buckets[index]
    }

    /// Puts another handle for the same key into a place.
    pub fn replace(&mut self, place: Place, handle: Handle) {
        self.buckets[place.bucket as usize].slots[place.slot as usize] = Some(handle);
    }

    /// The handles with this tag in their home bucket.
    #[inline]
    pub fn at_home(&self, home: usize, tag: u8) -> impl Iterator<Item = (Place, Handle)> + '_ {
        let bucket = &self.buckets[home];
        bucket.matches(tag).filter_map(move |slot| {
            Some((Place { bucket: home as u32, slot: slot as u32 }, bucket.slots[slot]?))
        })
    }

    /// May there be handles with this home and tag in buckets behind it?
    #[inline]
    pub fn may_have_gone_over(&self, home: usize, tag: u8) -> bool {
        let bucket = &self.buckets[home];
        bucket.over() != 0 && bucket.may_be_over(tag)
    }

    /// The handles with this tag in the buckets behind their home, and perhaps some of other homes.
    pub fn gone_over(&self, home: usize, tag: u8) -> impl Iterator<Item = (Place, Handle)> + '_ {
        self.after(home).flat_map(move |next| {
            let bucket = &self.buckets[next];
            let foreign = bucket.matches(tag).filter(|&slot| bucket.foreign() >> slot & 1 == 1);
            foreign.filter_map(move |slot| {
                Some((Place { bucket: next as u32, slot: slot as u32 }, bucket.slots[slot]?))
            })
        })
    }

    /// Where a handle with this home and tag is.
    pub fn find(&self, home: usize, tag: u8, handle: Handle) -> Option<Place> {
        let is_it = |&(_, other): &(Place, Handle)| other == handle;
        let found = self.at_home(home, tag).chain(self.gone_over(home, tag)).find(is_it);
        found.map(|(place, _)| place)
    }

    /// The buckets that may hold keys of `home` besides itself.
    fn after(&self, home: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.buckets.len();
        (1..=REACH.min(count - 1))
            .map(move |step| if home + step < count { home + step } else { home + step - count })
    }

    /// Stores a handle; false if neither its home nor the buckets after it have room.
    pub fn place(&mut self, home: usize, tag: u8, handle: Handle) -> bool {
        if !self.buckets[home].put(tag, handle, false) && !self.place_over(home, tag, handle) {
            return false;
        }
        self.len += 1;
        true
    }

    fn place_over(&mut self, home: usize, tag: u8, handle: Handle) -> bool {
        let Some(_) = self.after(home).find(|&next| self.buckets[next].put(tag, handle, true)) else {
            return false;
        };
        let head = &mut self.buckets[home].head;
        head[OVER] += 1;
        head[OVER_TAGS] |= over_bit(tag);
        true
    }

    /// Removes what a place holds; `home` is the home of its key.
    pub fn remove(&mut self, place: Place, home: usize) {
        let (index, slot) = (place.bucket as usize, place.slot as usize);
        let bucket = &mut self.buckets[index];
        debug_assert!(bucket.slots[slot].is_some(), "only what is held is removed");
        bucket.head[slot] = 0;
        bucket.slots[slot] = None;
        bucket.set_foreign(slot, false);
        if index != home {
            let head = &mut self.buckets[home].head;
            head[OVER] -= 1;
            if head[OVER] == 0 {
                head[OVER_TAGS] = 0;
            }
        }
        self.len -= 1;
    }

    /// Notes whether keys of `home` are among the table's strays.
    pub fn set_strayed(&mut self, home: usize, strayed: bool) {
        let byte = &mut self.buckets[home].head[15];
        *byte = if strayed { *byte | STRAYED } else { *byte & !STRAYED };
    }

    /// The handles with this home bucket, each once. Those of other homes that share a bucket which a key of this
    /// home may be in are given too if `home` went over: the caller checks the hash.
    pub fn visit(&self, home: usize, mut visit: impl FnMut(Handle)) {
        let bucket = &self.buckets[home];
        for slot in 0..WIDTH {
            if bucket.foreign() >> slot & 1 == 0
                && let Some(handle) = bucket.slots[slot]
            {
                visit(handle);
            }
        }
        if bucket.over() == 0 {
            return;
        }
        for next in self.after(home) {
            let bucket = &self.buckets[next];
            for slot in 0..WIDTH {
                if bucket.foreign() >> slot & 1 == 1
                    && let Some(handle) = bucket.slots[slot]
                {
                    visit(handle);
                }
            }
        }
    }

    /// All handles, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = Handle> + '_ {
        self.buckets.iter().flat_map(|bucket| bucket.slots.iter().flatten().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handle(n: u32) -> Handle {
        Handle::from_raw(n + 1).unwrap()
    }

    #[test]
    fn matching_slots_are_exactly_those_with_the_tag() {
        for tag in [0u8, 1, 0x7F, 0x80, 0xFF] {
            for pattern in 0..1u32 << WIDTH {
                let mut bucket = Bucket::EMPTY;
                bucket.head = [tag; 16];
                for slot in 0..WIDTH {
                    let other = if slot % 2 == 0 { tag ^ 1 } else { tag ^ 0x80 };
                    bucket.head[slot] = if pattern >> slot & 1 == 1 { tag } else { other };
                }
                assert_eq!(bucket.matches(tag).map(|slot| 1u32 << slot).sum::<u32>(), pattern);
            }
        }
    }

    #[test]
    fn homes_follow_the_hash_and_end_where_the_next_begins() {
        for count in [1, 2, 3, 7, 16, 25, 31] {
            let segment = Segment::new(count, 0);
            let mut from = 0u64;
            for bucket in 0..count {
                assert_eq!(segment.home(from), bucket);
                match segment.end_of(bucket) {
                    Some(end) => {
                        assert_eq!(segment.home(end - 1), bucket);
                        from = end;
                    }
                    None => assert_eq!((bucket, segment.home(u64::MAX)), (count - 1, bucket)),
                }
            }
        }
    }

    #[test]
    fn keys_of_one_bucket_go_over_and_are_found_and_removed() {
        let tag = |n: u32| 1 + n as u8 % 255;
        for count in [1usize, 2, 5, 20] {
            let mut segment = Segment::new(count, 0);
            let home = count - 1;
            let held = (0..).take_while(|&n| segment.place(home, tag(n), handle(n))).count();
            assert_eq!(held, WIDTH * count.min(1 + REACH));
            for n in 0..held as u32 {
                let place = segment.find(home, tag(n), handle(n)).expect("it was stored");
                assert_eq!(
                    segment.buckets[place.bucket as usize].slots[place.slot as usize],
                    Some(handle(n))
                );
            }
            let mut seen = Vec::new();
            segment.visit(home, |h| seen.push(h));
            seen.sort_unstable();
            assert_eq!(seen, (0..held as u32).map(handle).collect::<Vec<_>>());
            for n in 0..held as u32 {
                let place = segment.find(home, tag(n), handle(n)).expect("it is still there");
                segment.remove(place, home);
            }
            assert_eq!(segment.used(), 0);
            assert!(segment.buckets.iter().all(|b| b.head == [0; 16]), "books are exact");
        }
    }

    #[test]
    fn a_bucket_that_did_not_overflow_visits_its_own_keys_only() {
        let mut segment = Segment::new(4, 0);
        for n in 0..15 {
            assert!(segment.place(0, 9, handle(n)));
        }
        assert!(segment.place(1, 9, handle(100)));
        let mut seen = Vec::new();
        segment.visit(1, |h| seen.push(h));
        assert_eq!(seen, [handle(100)]);
    }
}
