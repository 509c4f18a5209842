//! When a key was last used, and which keys `maxmemory` deletes.
//!
//! Each entry carries Redis's 24 bits: seconds of the LRU clock, or (LFU) 16 bits of minutes and an 8-bit logarithmic
//! counter. Time is an argument: the clock is sampled once per turn of a worker.

use super::db::Workspace;
use super::keyspace::Keyspace;
use super::{Db, DbIndex, SHARD_COUNT, ShardId, UnixMs};
use crate::config::Config;
use crate::config::values::{MaxmemoryPolicy as Policy, NotifyFlags};
use crate::rdb::Access as SavedAccess;
use crate::util::random::Random;

/// The LRU clock wraps after 2^24 seconds.
const CLOCK_MASK: u32 = 0x00ff_ffff;
/// A new key's LFU counter: not evicted before it had a chance.
const LFU_INIT: u32 = 5;

/// How access is recorded at this moment.
#[derive(Clone, Copy, Debug)]
pub enum AccessClock {
    /// Least recently used: the value is the clock in seconds.
    Lru(u32),
    /// Least frequently used.
    Lfu {
        /// Minutes, 16 bits.
        minutes: u32,
        /// `lfu-log-factor`.
        log_factor: u32,
        /// `lfu-decay-time` in minutes; 0 never decays.
        decay_minutes: u32,
        /// A random number in [0, 1), new per turn.
        chance: f64,
    },
}

impl AccessClock {
    /// The LRU clock at `now`.
    pub fn lru(now: UnixMs) -> Self {
        AccessClock::Lru((now.0 / 1000) as u32 & CLOCK_MASK)
    }

    /// The LFU clock at `now`.
    pub fn lfu(now: UnixMs, log_factor: u32, decay_minutes: u32, chance: f64) -> Self {
        AccessClock::Lfu { minutes: (now.0 / 60_000) as u32 & 0xffff, log_factor, decay_minutes, chance }
    }

    /// The clock that a configuration asks for; `chance` is a random number in [0, 1).
    pub fn of(config: &Config, now: UnixMs, chance: f64) -> Self {
        if is_lfu(config.maxmemory_policy) {
            Self::lfu(now, config.lfu_log_factor, config.lfu_decay_time, chance)
        } else {
            Self::lru(now)
        }
    }

    /// The access bits of a new key.
    #[inline]
    pub fn fresh(&self) -> u32 {
        match *self {
            AccessClock::Lru(seconds) => seconds,
            AccessClock::Lfu { minutes, .. } => minutes << 8 | LFU_INIT,
        }
    }

    /// The access bits of a key with `access` that is used now.
    #[inline]
    pub fn touch(&self, access: u32) -> u32 {
        match *self {
            AccessClock::Lru(seconds) => seconds,
            AccessClock::Lfu { minutes, log_factor, chance, .. } => {
                let counter = self.frequency(access);
                let above = f64::from(counter.saturating_sub(LFU_INIT));
                let grows = counter < 255 && chance < 1.0 / (above * f64::from(log_factor) + 1.0);
                minutes << 8 | (counter + u32::from(grows))
            }
        }
    }

    /// The LFU counter of a key, decayed to now.
    pub fn frequency(&self, access: u32) -> u32 {
        let counter = access & 0xff;
        match *self {
            AccessClock::Lfu { minutes, decay_minutes, .. } if decay_minutes > 0 => {
                let elapsed = minutes.wrapping_sub(access >> 8) & 0xffff;
                counter.saturating_sub(elapsed / decay_minutes)
            }
            _ => counter,
        }
    }

    /// Seconds since a key was last used.
    pub fn idle_seconds(&self, access: u32) -> u32 {
        match *self {
            AccessClock::Lru(seconds) => seconds.wrapping_sub(access) & CLOCK_MASK,
            AccessClock::Lfu { .. } => 0,
        }
    }

    /// What an RDB file says of a key's use.
    pub fn saved(&self, access: u32) -> SavedAccess {
        match self {
            AccessClock::Lru(_) => SavedAccess::IdleSeconds(self.idle_seconds(access).into()),
            AccessClock::Lfu { .. } => SavedAccess::Frequency(self.frequency(access) as u8),
        }
    }

    /// The access bits of a key that an RDB file says this of; what this clock does not track counts as a first use.
    pub fn restored(&self, saved: SavedAccess) -> u32 {
        match (*self, saved) {
            (AccessClock::Lru(seconds), SavedAccess::IdleSeconds(idle)) => {
                seconds.wrapping_sub(idle.min(CLOCK_MASK.into()) as u32) & CLOCK_MASK
            }
            (AccessClock::Lfu { minutes, .. }, SavedAccess::Frequency(counter)) => {
                minutes << 8 | u32::from(counter)
            }
            _ => self.fresh(),
        }
    }

    /// Is frequency tracked instead of idle time?
    pub fn is_lfu(&self) -> bool {
        matches!(self, AccessClock::Lfu { .. })
    }
}

/// Does the policy count how often keys are used?
pub fn is_lfu(policy: Policy) -> bool {
    matches!(policy, Policy::AllkeysLfu | Policy::VolatileLfu)
}

/// Does the policy look at when keys were used?
pub fn is_lru(policy: Policy) -> bool {
    matches!(policy, Policy::AllkeysLru | Policy::VolatileLru)
}

/// Does the policy spare keys that never expire?
fn is_volatile(policy: Policy) -> bool {
    matches!(policy, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
}

/// A key that could go, and how much it deserves to: the highest score goes first.
#[derive(Clone, Debug, PartialEq)]
struct Candidate {
    db: DbIndex,
    key: Vec<u8>,
    /// Higher goes earlier.
    score: u64,
}

/// Candidates kept from one eviction to the next.
const POOL_KEYS: usize = 16;

/// The best candidates that a thread has met but not needed: they make few samples per eviction come close to the true
/// order. A candidate is only a hint; before it goes its key is looked at again.
#[derive(Debug, Default)]
struct Pool {
    policy: Option<Policy>,
    /// By ascending score.
    candidates: Vec<Candidate>,
}

impl Pool {
    /// Scores of different policies can't be compared.
    fn keep_for(&mut self, policy: Policy) {
        if self.policy.replace(policy) != Some(policy) {
            self.candidates.clear();
        }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.candidates.iter().any(|known| known.db == candidate.db && known.key == candidate.key) {
            return;
        }
        let at = self.candidates.partition_point(|known| known.score <= candidate.score);
        self.candidates.insert(at, candidate);
        if self.candidates.len() > POOL_KEYS {
            self.candidates.remove(0);
        }
    }
}

/// How much a key deserves to go; `None` when the policy spares it.
fn score(policy: Policy, clock: AccessClock, access: u32, expire_at: Option<u64>) -> Option<u64> {
    if is_volatile(policy) && expire_at.is_none() {
        return None;
    }
    match policy {
        Policy::Noeviction => None,
        Policy::AllkeysLru | Policy::VolatileLru => Some(u64::from(clock.idle_seconds(access))),
        Policy::AllkeysLfu | Policy::VolatileLfu => Some(u64::from(255 - clock.frequency(access))),
        Policy::AllkeysRandom | Policy::VolatileRandom => Some(0),
        Policy::VolatileTtl => expire_at.map(|at| u64::MAX - at),
    }
}

/// What the configuration says of the dataset's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// `maxmemory`; 0 is no limit.
    pub bytes: u64,
    /// `maxmemory-policy`.
    pub policy: Policy,
    /// `maxmemory-samples`.
    pub samples: usize,
}

impl Limit {
    /// The limit that a configuration sets.
    pub fn of(config: &Config) -> Self {
        Limit {
            bytes: config.maxmemory,
            policy: config.maxmemory_policy,
            samples: config.maxmemory_samples as usize,
        }
    }
}

/// What [`Evictor::make_room`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evicted {
    /// Keys deleted.
    pub keys: u64,
    /// False: there is nothing left that the policy allows to delete, and the dataset is still too big.
    pub fits: bool,
}

/// Shards looked at for one eviction, at most, while samples are missing: first each of them if it is free and by chance,
/// then each of them again and thoroughly, so that a key that may go is found if there is one.
const PROBES: usize = 2 * SHARD_COUNT;

/// Deletes keys to keep `maxmemory`. Every thread that does so has its own.
#[derive(Debug)]
pub struct Evictor {
    random: Random,
    pool: Pool,
}

impl Evictor {
    /// An evictor that chooses by these random numbers.
    pub fn new(random: Random) -> Self {
        Evictor { random, pool: Pool::default() }
    }

    /// Deletes keys, and logs that, until the dataset fits the limit or `most` are gone. Must be called without any shard
    /// lock.
    pub fn make_room(
        &mut self,
        keyspace: &Keyspace,
        limit: Limit,
        clock: AccessClock,
        now: UnixMs,
        most: u64,
    ) -> Evicted {
        let mut keys = 0;
        while limit.bytes > 0 && keyspace.memory_used() > limit.bytes && keys < most {
            let attempt = Attempt { keyspace, limit, clock, now };
            if !attempt.evict_one(self) {
                return Evicted { keys, fits: false };
            }
            keys += 1;
        }
        Evicted { keys, fits: true }
    }
}

/// The search for one key to delete.
struct Attempt<'a> {
    keyspace: &'a Keyspace,
    limit: Limit,
    clock: AccessClock,
    now: UnixMs,
}

impl Attempt<'_> {
    /// Deletes the best of the sampled keys and of those in the pool. False: there is no key that the policy allows.
    fn evict_one(&self, evictor: &mut Evictor) -> bool {
        if self.limit.policy == Policy::Noeviction {
            return false;
        }
        evictor.pool.keep_for(self.limit.policy);
        loop {
            let found = self.sample(evictor);
            while let Some(candidate) = evictor.pool.candidates.pop() {
                if self.evict(&candidate) {
                    return true;
                }
            }
            if !found {
                return false;
            }
        }
    }

    /// Puts sampled keys into the pool. False: none was found.
    fn sample(&self, evictor: &mut Evictor) -> bool {
        let locks = self.keyspace.locks();
        let first = evictor.random.below(SHARD_COUNT);
        let mut found = 0;
        for probe in 0..PROBES {
            let shard = ShardId(((first + probe) % SHARD_COUNT) as u8);
            let is_thorough = probe >= SHARD_COUNT;
            let locked = if is_thorough {
                locks.lock_one(shard)
            } else if let Some(locked) = locks.try_lock_now(shard) {
                locked
            } else {
                continue;
            };
            let mut work = Workspace::default();
            let mut db = Db::new(self.keyspace, locked, DbIndex(0), self.now, &self.clock, &mut work);
            if let Some(candidate) = self.sample_shard(&mut db, shard, &mut evictor.random, is_thorough) {
                found += 1;
                evictor.pool.offer(candidate);
            }
            if found >= self.limit.samples.max(1) || found > 0 && is_thorough {
                break;
            }
        }
        found > 0
    }

    /// A key of the shard that the policy allows to go, of a database chosen by chance.
    fn sample_shard(
        &self,
        db: &mut Db<'_>,
        shard: ShardId,
        random: &mut Random,
        is_thorough: bool,
    ) -> Option<Candidate> {
        let policy = self.limit.policy;
        let databases = db.databases();
        let first = random.below(databases);
        (0..databases).find_map(|offset| {
            let index = DbIndex(((first + offset) % databases) as u32);
            db.select(index);
            // A policy that spares keys without expiry would rarely draw one of the others by chance.
            let takes_first = policy == Policy::VolatileTtl || is_thorough || random.below(4) == 0;
            let earliest = is_volatile(policy) && takes_first;
            let (key, access, expire_at) = db.sample(shard, random.next(), earliest)?;
            let score = score(policy, self.clock, access, expire_at)?;
            Some(Candidate { db: index, key: key.to_vec(), score })
        })
    }

    /// Deletes a candidate, unless it is gone or has been used since it was sampled.
    fn evict(&self, candidate: &Candidate) -> bool {
        let hash = self.keyspace.hasher().hash_of(&candidate.key);
        let locked = self.keyspace.locks().lock_one(ShardId::of(hash));
        let mut work = Workspace::default();
        let mut db = Db::new(self.keyspace, locked, candidate.db, self.now, &self.clock, &mut work);
        db.stop_touching();
        let key = db.key(&candidate.key);
        let slot = db.find(&key);
        let deserves = slot.is_some_and(|slot| {
            let entry = db.entry(slot);
            let score = score(self.limit.policy, self.clock, entry.access(), entry.expire_at());
            score.is_some_and(|score| score >= candidate.score)
        });
        if let Some(slot) = slot.filter(|_| deserves) {
            db.remove(&key, slot);
            db.notify(NotifyFlags::EVICTED, "evicted", &candidate.key);
            db.log_as(&[b"DEL", &candidate.key]);
        }
        let committed = db.commit(std::iter::empty(), candidate.db);
        drop(db);
        self.keyspace.announce(&mut work, committed.depends_on);
        deserves
    }
}

#[cfg(test)]
mod tests;
