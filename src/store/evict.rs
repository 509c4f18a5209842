//! When a key was last used, and which keys `maxmemory` deletes.
//!
//! Each entry carries Redis's 24 bits: seconds of the LRU clock, or (LFU) 16 bits of minutes and an 8-bit logarithmic
//! counter. Time is an argument: the clock is sampled once per turn of a worker.

use super::db::Workspace;
use super::keyspace::Keyspace;
use super::{Db, DbIndex, SHARD_COUNT, ShardId, UnixMs};
use crate::config::values::MaxmemoryPolicy as Policy;
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

    /// Is frequency tracked instead of idle time?
    pub fn is_lfu(&self) -> bool {
        matches!(self, AccessClock::Lfu { .. })
    }
}

/// Does the policy count how often keys are used?
pub fn is_lfu(policy: Policy) -> bool {
    matches!(policy, Policy::AllkeysLfu | Policy::VolatileLfu)
}

/// Does the policy spare keys that never expire?
fn is_volatile(policy: Policy) -> bool {
    matches!(policy, Policy::VolatileLru | Policy::VolatileLfu | Policy::VolatileRandom | Policy::VolatileTtl)
}

/// A key that could go, and how much it deserves to: the highest score goes first.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its database.
    pub db: DbIndex,
    /// The key.
    pub key: Vec<u8>,
    /// Higher goes earlier.
    pub score: u64,
}

/// How much a key deserves to go; `None` when the policy spares it.
pub fn score(policy: Policy, clock: AccessClock, access: u32, expire_at: Option<u64>) -> Option<u64> {
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

/// Shards looked at for one eviction, at most, while samples are missing.
const PROBES: usize = 4 * SHARD_COUNT;

impl Keyspace {
    /// Deletes the best of `samples` sampled keys, and logs that. False: no key was found that the policy allows.
    /// Must be called without any shard lock.
    pub fn evict_one(
        &self,
        policy: Policy,
        clock: AccessClock,
        samples: usize,
        now: UnixMs,
        random: &mut Random,
    ) -> bool {
        let mut best: Option<Candidate> = None;
        let mut found = 0;
        for _ in 0..PROBES {
            if let Some(candidate) = self.sample_one(policy, clock, now, random) {
                found += 1;
                if best.as_ref().is_none_or(|best| best.score < candidate.score) {
                    best = Some(candidate);
                }
            }
            if found >= samples.max(1) {
                break;
            }
        }
        best.is_some_and(|candidate| self.evict(&candidate, clock, now))
    }

    fn sample_one(
        &self,
        policy: Policy,
        clock: AccessClock,
        now: UnixMs,
        random: &mut Random,
    ) -> Option<Candidate> {
        if policy == Policy::Noeviction {
            return None;
        }
        let shard = ShardId(random.below(SHARD_COUNT) as u8);
        let first_db = random.below(self.databases());
        let locked = self.locks().try_lock_now(shard)?;
        let mut work = Workspace::default();
        let mut db = Db::new(self, locked, DbIndex(0), now, &clock, &mut work);
        for offset in 0..self.databases() {
            let index = DbIndex(((first_db + offset) % self.databases()) as u32);
            db.select(index);
            // A policy that spares keys without expiry would rarely draw one of the others by chance.
            let earliest = is_volatile(policy) && (policy == Policy::VolatileTtl || random.below(4) == 0);
            if let Some((key, access, expire_at)) = db.sample(shard, random.next(), earliest)
                && let Some(score) = score(policy, clock, access, expire_at)
            {
                return Some(Candidate { db: index, key: key.to_vec(), score });
            }
        }
        None
    }

    fn evict(&self, candidate: &Candidate, clock: AccessClock, now: UnixMs) -> bool {
        let hash = self.hasher().hash_of(&candidate.key);
        let locked = self.locks().lock_one(ShardId::of(hash));
        let mut work = Workspace::default();
        let mut db = Db::new(self, locked, candidate.db, now, &clock, &mut work);
        let key = db.key(&candidate.key);
        if let Some(slot) = db.find(&key) {
            db.remove(&key, slot);
            db.log_as(&[b"DEL", &candidate.key]);
        }
        db.commit(std::iter::empty(), candidate.db);
        // Gone meanwhile is as good: the caller looks at the memory again.
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let clock = AccessClock::Lru(3);
        assert_eq!(clock.idle_seconds(CLOCK_MASK), 4);
        assert_eq!(AccessClock::Lru(10).idle_seconds(4), 6);
    }

    #[test]
    fn the_lfu_counter_grows_by_chance_and_decays_with_time() {
        let now = AccessClock::lfu(UnixMs(600_000), 10, 1, 0.0);
        assert_eq!(now.touch(now.fresh()) & 0xff, LFU_INIT + 1);
        let unlucky = AccessClock::lfu(UnixMs(600_000), 10, 1, 0.99);
        assert_eq!(unlucky.touch(unlucky.fresh() + 1) & 0xff, LFU_INIT + 1);
        let later = AccessClock::lfu(UnixMs(780_000), 10, 1, 0.0);
        assert_eq!(later.frequency(now.fresh()), LFU_INIT - 3);
    }

    #[test]
    fn volatile_policies_spare_keys_without_expiry() {
        let clock = AccessClock::Lru(100);
        assert_eq!(score(Policy::VolatileLru, clock, 1, None), None);
        assert!(
            score(Policy::VolatileTtl, clock, 1, Some(5)) > score(Policy::VolatileTtl, clock, 1, Some(6))
        );
        assert_eq!(score(Policy::AllkeysLru, clock, 40, None), Some(60));
    }
}
