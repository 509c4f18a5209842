//! The budget for what is kept in RAM: `memtable_size_mb`.
//!
//! ```text
//! used   0 ……………… 90 % ……………… 100 % ……………… 112 %
//!        as it is   the hand goes   a round as well   writers wait, too
//! ```
//!
//! * A clock hand goes over the shards in hash order. Clean entries that were not used since it last passed leave RAM (E2);
//!   what was read from disk for one command and never asked for again goes at the first pass after that command.
//! * A command whose keys did not stay until the last of them was there gets a [`Hold`]: what is loaded and not used yet stays
//!   until it has run. So every command gets its turn, however many keys it names and however small the budget is.
//! * Dirty entries can't leave before a round has captured them: a round is asked for when they are a third of the budget, or
//!   when the hand went round and found too little.
//! * Beyond the last mark commands that write are put off for a millisecond at a time, never refused.
//! * Compaction's pressure slows writers down in the same way: from `SLOW_FROM` on they are put off for a growing part of the
//!   time, and never for all of it, so that a merge that cannot be done stops nobody.
//! * E1: nobody can tell whether a key is in RAM, but by the time it takes.
//! * The dataset is measured every few milliseconds when it is near the first mark and less often when not, so commands pay
//!   nothing for the budget but a look at one flag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use storage::Engine;

use super::checkpoint::first_hash;
use super::keyspace::{Garbage, Keyspace};
use super::table::{Cooled, Mercy};
use super::{DbIndex, SHARD_COUNT, ShardId};
use crate::sys;

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

/// Where the clock hand is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hand {
    /// How often the cache was looked at.
    looks: u32,
    shard: u8,
    db: u32,
    hash: Option<u64>,
}

/// The budget that `memtable_size_mb` asks for; 0 leaves four tenths of the machine's memory to everything else.
pub fn budget_bytes(memtable_size_mb: u64) -> u64 {
    match memtable_size_mb {
        0 => sys::total_memory_bytes() / 10 * 6,
        mb => mb << 20,
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

    /// Lets entries leave until the budget is kept, or the hand went round. To be called again and again by one thread.
    pub fn keep_budget(&self, hand: &mut Hand) -> Needs {
        let budget = self.cache.budget_bytes.load(Ordering::Relaxed);
        let keeps_nothing = self.keeps_nothing();
        let (mark, mut load) = (if keeps_nothing { 0 } else { budget / 10 * 9 }, self.load(None));
        if load.bytes > mark {
            self.go_round(hand, load.bytes - mark + budget / 100);
            load = self.load(None);
        }
        let pressure = self.log().map_or(0.0, Engine::pressure);
        hand.looks = hand.looks.wrapping_add(1);
        let is_slowed = f64::from(hand.looks % 10) < ((pressure - SLOW_FROM) * 20.0).clamp(0.0, SLOWED_MAX);
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
        let mut hand = Hand::default();
        for _ in 0..SHARD_COUNT * self.databases() {
            while !self.cool_slice(&mut hand, false).1 {}
        }
    }

    /// Moves the hand on until `bytes` have left, but no further than where it began.
    fn go_round(&self, hand: &mut Hand, bytes: u64) {
        let mut left = bytes;
        let used_stay = !self.keeps_nothing();
        for _ in 0..SHARD_COUNT * self.databases() {
            while left > 0 {
                let (freed, is_over) = self.cool_slice(hand, used_stay);
                left = left.saturating_sub(freed);
                if is_over {
                    break;
                }
            }
            if left == 0 {
                return;
            }
        }
    }

    /// One lock hold. Entries that were used since the hand last passed stay if `used_stay`. Returns the bytes that left, and whether the end of a table was reached.
    fn cool_slice(&self, hand: &mut Hand, used_stay: bool) -> (u64, bool) {
        let id = ShardId(hand.shard);
        let mut cooled = Cooled::default();
        let mercy = Mercy { used: used_stay, fresh: self.cache.holds.load(Ordering::Relaxed) > 0 };
        let mut next = Some(hand.hash.unwrap_or_else(|| first_hash(id)));
        {
            let mut locked = self.locks().lock_one(id);
            let shard = locked.shard_mut(id);
            for _ in 0..SLICE_BUCKETS {
                let Some(from) = next else { break };
                next = shard.cool(self.hasher(), DbIndex(hand.db), from, mercy, &mut cooled);
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
        hand.hash = next;
        if next.is_none() {
            hand.advance(self.databases() as u32);
        }
        (cooled.bytes as u64, next.is_none())
    }
}

impl Hand {
    /// On to the next table.
    fn advance(&mut self, databases: u32) {
        self.db += 1;
        if self.db == databases {
            self.db = 0;
            self.shard = (self.shard + 1) % SHARD_COUNT as u8;
        }
    }
}
