//! The budget for what is kept in RAM: `memtable_size_mb`.
//!
//! ```text
//! used   0 ……………… 90 % ……………… 100 % ……………… 112 %
//!        as it is   the hands go   a round as well   writers wait, too
//! ```
//!
//! * In each shard a clock hand goes over the keys in hash order. Clean entries that were not used since it last passed leave
//!   RAM (E2); what was read from disk for one command and never asked for again goes at the first pass after that command.
//!   The hands move in turn, a sixteenth at a time. With one hand for all, a shard would be nearly emptied and then fill up to
//!   twice its share until the hand is back; and since pages that were needed once stay, the cache would take half as much again
//!   as its budget.
//! * A command whose keys did not stay until the last of them was there gets a [`Hold`]: what is loaded and not used yet stays
//!   until it has run. So every command gets its turn, however many keys it names and however small the budget is.
//! * Dirty entries can't leave before a round has captured them: a round is asked for when they are a third of the budget, or
//!   when the hands went round and found too little.
//! * Beyond the last mark commands that write are put off for a millisecond at a time, never refused.
//! * Compaction's pressure slows writers down in the same way: from `SLOW_FROM` on they are put off for a growing part of the
//!   time, and never for all of it, so that a merge that cannot be done stops nobody.
//! * E1: nobody can tell whether a key is in RAM, but by the time it takes.
//! * The dataset is measured every few milliseconds when it is near the first mark and less often when not, so commands pay
//!   nothing for the budget but a look at one flag.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use storage::Engine;

use super::checkpoint::first_hash;
use super::keyspace::{Garbage, Keyspace};
use super::table::{Cooled, Mercy};
use super::{DbIndex, SHARD_BITS, SHARD_COUNT, ShardId};
use crate::sys;
use crate::util::cgroup::{self, Limit};

/// Buckets that the hand passes per lock hold.
const SLICE_BUCKETS: usize = 8;

/// The budget and whether it is exceeded.
#[derive(Default)]
pub struct Cache {
    budget_bytes: AtomicU64,
    is_crowded: AtomicBool,
    /// Does whatever is clean leave at once? DEBUG COLD.
    keeps_nothing: AtomicBool,
    /// How many [`Hold`]s there are.
    holds: Arc<AtomicUsize>,
}

/// As long as there is one, what was loaded and not used yet stays in RAM.
pub struct Hold(Arc<AtomicUsize>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Compaction's pressure from which on writers are slowed down; 1 is where it must not stay.
const SLOW_FROM: f64 = 0.7;
/// Of ten looks, after how many writers wait at most.
const SLOWED_MAX: f64 = 9.0;

/// The parts of a shard's hashes that the hands pass in turn.
const SECTORS: u64 = 16;
/// Hashes of a shard, all that there may be.
const SHARD_HASHES: u64 = 1 << (u64::BITS - SHARD_BITS);

/// Where the clock hands are, one in each shard.
#[derive(Debug)]
pub struct Hands {
    /// How often the cache was looked at.
    looks: u32,
    db: u32,
    sector: u64,
    /// The shard whose hand is passing the sector; those before it have.
    shard: u8,
    /// From where on each has yet to go; none has to go on from the end of its table.
    places: [Option<u64>; SHARD_COUNT],
}

/// The least budget that is chosen, however little memory there is.
const CHOSEN_MIN: u64 = 8 << 20;

/// The memory that there is for the server: the machine's, or as much of it as its container may have.
#[derive(Debug)]
pub struct Room {
    bytes: u64,
    /// The file with the limit, if there is a lower one than the machine's memory.
    limited_by: Option<PathBuf>,
}

impl Room {
    /// Asks the system.
    pub fn find() -> Self {
        Self::new(sys::total_memory_bytes(), cgroup::memory_limit(Path::new("/")))
    }

    fn new(machine_bytes: u64, limit: Option<Limit>) -> Self {
        match limit.filter(|limit| limit.bytes < machine_bytes) {
            Some(limit) => Self { bytes: limit.bytes, limited_by: Some(limit.file) },
            None => Self { bytes: machine_bytes, limited_by: None },
        }
    }

    /// The budget that `memtable_size_mb` asks for; 0 leaves four tenths of the memory to everything else.
    pub fn budget_bytes(&self, memtable_size_mb: u64) -> u64 {
        match memtable_size_mb {
            0 => (self.bytes / 10 * 6).max(CHOSEN_MIN),
            mb => mb << 20,
        }
    }

    /// A sentence about the budget, and whether it is a warning.
    pub fn describe(&self, memtable_size_mb: u64) -> (String, bool) {
        let room = match &self.limited_by {
            Some(file) => format!("the {} MiB that {} allows", self.bytes >> 20, file.display()),
            None => format!("the machine's {} MiB", self.bytes >> 20),
        };
        let budget = self.budget_bytes(memtable_size_mb);
        let (of, is_too_much) = match (memtable_size_mb, budget >= self.bytes) {
            (0, false) => ("six tenths of", false),
            (_, false) => ("as memtable_size_mb says, out of", false),
            (_, true) => ("which is not less than", true),
        };
        (format!("RAM for the dataset's cache: {} MiB, {of} {room}.", budget >> 20), is_too_much)
    }
}

/// What the cache needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// A round, so that more entries can leave.
    pub round: bool,
    /// When it should be looked at again: the nearer the mark the sooner.
    pub look_after: Duration,
}

/// More than commands fill in a millisecond, in bytes.
const FILLED_PER_MS: u64 = 500 << 10;
/// The bounds of the time between two looks, in milliseconds.
const LOOK_MS: (u64, u64) = (2, 250);

impl Keyspace {
    /// Sets the budget in bytes.
    pub fn set_budget(&self, bytes: u64) {
        self.cache.budget_bytes.store(bytes, Ordering::Relaxed);
        self.cache.is_crowded.store(false, Ordering::Relaxed);
    }

    /// The budget in bytes; 0: none.
    pub fn budget(&self) -> u64 {
        self.cache.budget_bytes.load(Ordering::Relaxed)
    }

    /// DEBUG COLD: lets whatever is clean leave RAM at once, so that nearly every access finds its key on disk.
    pub fn keep_nothing(&self, on: bool) {
        self.cache.keeps_nothing.store(on, Ordering::Relaxed);
    }

    /// Does whatever is clean leave at once?
    pub fn keeps_nothing(&self) -> bool {
        self.cache.keeps_nothing.load(Ordering::Relaxed)
    }

    /// Keeps in RAM what is loaded and not used yet.
    pub fn hold(&self) -> Hold {
        self.cache.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.cache.holds.clone())
    }

    /// Must commands that write wait until there is room?
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.cache.is_crowded.load(Ordering::Relaxed)
    }

    /// Lets entries leave until the budget is kept, or the hands went round. To be called again and again by one thread.
    pub fn keep_budget(&self, hands: &mut Hands) -> Needs {
        let budget = self.cache.budget_bytes.load(Ordering::Relaxed);
        let keeps_nothing = self.keeps_nothing();
        let (mark, mut load) = (if keeps_nothing { 0 } else { budget / 10 * 9 }, self.load(None));
        if load.bytes > mark {
            self.go_round(hands, load.bytes - mark + budget / 100, !keeps_nothing);
            load = self.load(None);
        }
        let pressure = self.log().map_or(0.0, Engine::pressure);
        hands.looks = hands.looks.wrapping_add(1);
        let is_slowed = f64::from(hands.looks % 10) < ((pressure - SLOW_FROM) * 20.0).clamp(0.0, SLOWED_MAX);
        self.cache.is_crowded.store(load.bytes > budget + budget / 8 || is_slowed, Ordering::Relaxed);
        let dirty = load.dirty_bytes();
        let is_full = dirty > budget / 3 || (load.bytes > budget && dirty > budget / 16);
        let round = is_full || keeps_nothing && load.dirty > 0;
        let slow = if pressure > SLOW_FROM { LOOK_MS.0 } else { LOOK_MS.1 };
        let look_ms = (mark.saturating_sub(load.bytes) / FILLED_PER_MS).clamp(LOOK_MS.0, slow);
        Needs { round, look_after: Duration::from_millis(look_ms) }
    }

    /// Lets every clean entry leave RAM that no command waits for. It takes a while, and holds a shard for a slice at a time.
    pub fn drop_clean(&self) {
        self.go_round(&mut Hands::default(), u64::MAX, false);
    }

    /// Moves the hands on until `bytes` have left, but no further than where they began. Entries that were used since a hand
    /// last passed stay if `used_stay`.
    fn go_round(&self, hands: &mut Hands, bytes: u64, used_stay: bool) {
        let (mut left, mut databases) = (bytes, self.databases());
        while databases > 0 {
            while let Some(range) = hands.to_pass() {
                if left == 0 {
                    return;
                }
                let (freed, next) =
                    self.cool_slice(ShardId(hands.shard), DbIndex(hands.db), range, used_stay);
                left = left.saturating_sub(freed);
                hands.places[usize::from(hands.shard)] = next;
            }
            databases -= usize::from(hands.advance(self.databases() as u32));
        }
    }

    /// One lock hold: a hand passes some buckets of a range of hashes. Returns the bytes that left, and from where it has yet to go.
    fn cool_slice(
        &self,
        id: ShardId,
        db: DbIndex,
        range: RangeInclusive<u64>,
        used_stay: bool,
    ) -> (u64, Option<u64>) {
        let (mut cooled, mut next) = (Cooled::default(), Some(*range.start()));
        let mercy = Mercy { used: used_stay, fresh: self.cache.holds.load(Ordering::Relaxed) > 0 };
        {
            let mut locked = self.locks().lock_one(id);
            let shard = locked.shard_mut(id);
            for _ in 0..SLICE_BUCKETS {
                let Some(from) = next.filter(|from| range.contains(from)) else { break };
                next = shard.cool(self.hasher(), db, from, mercy, &mut cooled);
            }
            if self.limits_memory() {
                self.publish_memory(id, shard.load().bytes);
            }
            if cooled.keys > 0 {
                self.set_has_cold();
            }
            locked.give_way();
        }
        for object in cooled.objects {
            self.discard(Garbage::Object(object));
        }
        (cooled.bytes as u64, next)
    }
}

impl Default for Hands {
    fn default() -> Self {
        Self { looks: 0, db: 0, sector: 0, shard: 0, places: Self::BEGINNINGS }
    }
}

impl Hands {
    const BEGINNINGS: [Option<u64>; SHARD_COUNT] = {
        let mut places = [None; SHARD_COUNT];
        let mut shard = 0;
        while shard < SHARD_COUNT {
            places[shard] = Some(first_hash(ShardId(shard as u8)));
            shard += 1;
        }
        places
    };

    /// What the shard's hand has yet to pass of the sector, if anything.
    fn to_pass(&self) -> Option<RangeInclusive<u64>> {
        let last = first_hash(ShardId(self.shard)) + ((self.sector + 1) * (SHARD_HASHES / SECTORS) - 1);
        self.places[usize::from(self.shard)].filter(|&place| place <= last).map(|place| place..=last)
    }

    /// The next shard's hand; behind the last one the next sector. `true`: all are at their ends, and begin with the next database.
    fn advance(&mut self, databases: u32) -> bool {
        self.shard = (self.shard + 1) % SHARD_COUNT as u8;
        if self.shard > 0 {
            return false;
        }
        self.sector += 1;
        let is_over = self.places.iter().all(Option::is_none);
        if is_over {
            *self = Self { looks: self.looks, db: (self.db + 1) % databases, ..Self::default() };
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_a_part_of_what_a_container_may_have() {
        let limit = |bytes| Some(Limit { bytes, file: PathBuf::from("/g/memory.max") });
        let chosen = |room: Room| (room.budget_bytes(0), room.describe(0).0);
        let (bytes, sentence) = chosen(Room::new(10 << 30, limit(1000 << 20)));
        assert_eq!(bytes, 600 << 20);
        assert_eq!(
            sentence,
            "RAM for the dataset's cache: 600 MiB, six tenths of the 1000 MiB that /g/memory.max allows."
        );
        for no_limit in [None, limit(10 << 30), limit(u64::MAX)] {
            let (bytes, sentence) = chosen(Room::new(10 << 30, no_limit));
            assert_eq!(bytes, 6 << 30);
            assert!(sentence.ends_with("6144 MiB, six tenths of the machine's 10240 MiB."), "{sentence}");
        }
        for tiny in [0, 1, 4096, 9 << 20] {
            assert_eq!(Room::new(10 << 30, limit(tiny)).budget_bytes(0), CHOSEN_MIN);
        }
    }

    #[test]
    fn a_given_budget_is_taken_and_warned_of_where_it_cannot_be_had() {
        let room = Room::new(4 << 30, None);
        assert_eq!(room.budget_bytes(100), 100 << 20);
        assert!(!room.describe(100).1 && !room.describe(0).1);
        let (sentence, is_warning) = room.describe(5000);
        assert!(is_warning, "{sentence}");
        assert!(sentence.ends_with("5000 MiB, which is not less than the machine's 4096 MiB."), "{sentence}");
    }
}
