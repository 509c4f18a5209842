//! Idle time and frequency, and which keys each policy deletes.

use super::*;
use crate::store::entry::NewValue;
use crate::store::hash::{KeyHasher, SECRET_LEN};
use crate::store::{Expiry, Key};

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
    assert!(score(Policy::VolatileTtl, clock, 1, Some(5)) > score(Policy::VolatileTtl, clock, 1, Some(6)));
    assert_eq!(score(Policy::AllkeysLru, clock, 40, None), Some(60));
}

const VALUE_BYTES: usize = 100;

/// A keyspace whose keys are written and read at chosen seconds.
struct Fixture {
    keyspace: Keyspace,
    random: Random,
    evictor: Evictor,
    policy: Policy,
}

impl Fixture {
    fn new(policy: Policy) -> Self {
        let (garbage, _) = crossbeam_channel::unbounded();
        let keyspace = Keyspace::new(4, KeyHasher::new([7; SECRET_LEN]), Box::new(|_| {}), garbage);
        keyspace.set_limits_memory(true, None);
        Fixture { keyspace, random: Random::new(1), evictor: Evictor::new(Random::new(2)), policy }
    }

    fn now(second: u64) -> UnixMs {
        UnixMs(second * 1000)
    }

    fn clock(&mut self, second: u64) -> AccessClock {
        if is_lfu(self.policy) {
            AccessClock::lfu(Self::now(second), 10, 1, self.random.fraction())
        } else {
            AccessClock::lru(Self::now(second))
        }
    }

    /// Runs one operation on the key's shard.
    fn with_key<R>(&mut self, name: &str, second: u64, work: impl FnOnce(&mut Db<'_>, &Key<'_>) -> R) -> R {
        let clock = self.clock(second);
        let key = Key { bytes: name.as_bytes(), hash: self.keyspace.hasher().hash_of(name.as_bytes()) };
        let locked = self.keyspace.locks().lock_one(key.shard());
        let mut scratch = Workspace::default();
        let mut db = Db::new(&self.keyspace, locked, DbIndex(0), Self::now(second), &clock, &mut scratch);
        let result = work(&mut db, &key);
        db.commit(std::iter::empty(), DbIndex(0));
        result
    }

    fn set(&mut self, name: &str, second: u64, bytes: usize, expires: Option<u64>) {
        self.with_key(name, second, |db, key| {
            let slot = db.find(key);
            let expiry = expires.map_or(Expiry::Clear, |second| Expiry::At(Self::now(second)));
            db.set(key, slot, NewValue::Bytes(&vec![b'v'; bytes], false), expiry);
        });
    }

    fn read(&mut self, name: &str, second: u64) -> bool {
        self.with_key(name, second, |db, key| db.find(key).is_some())
    }

    fn has(&mut self, name: &str) -> bool {
        self.with_key(name, 0, |db, key| {
            db.stop_touching();
            db.find(key).is_some()
        })
    }

    fn evict(&mut self, second: u64) -> bool {
        let limit = Limit { bytes: 1, policy: self.policy, samples: 5 };
        let (clock, now) = (self.clock(second), Self::now(second));
        self.evictor.make_room(&self.keyspace, limit, clock, now, 1).fits
    }

    /// How many of the keys `prefix:0` to `prefix:(count - 1)` there are.
    fn count(&mut self, prefix: &str, count: usize) -> usize {
        (0..count).filter(|n| self.has(&format!("{prefix}:{n}"))).count()
    }
}

#[test]
fn lru_policies_spare_keys_that_were_used_recently() {
    for (policy, expires) in [(Policy::AllkeysLru, None), (Policy::VolatileLru, Some(1_000_000))] {
        let mut fixture = Fixture::new(policy);
        for n in 0..1000 {
            fixture.set(&format!("unused:{n}"), 1_000, VALUE_BYTES, expires);
            fixture.set(&format!("used:{n}"), 1_000, VALUE_BYTES, expires);
        }
        for n in 0..1000 {
            assert!(fixture.read(&format!("used:{n}"), 2_000));
        }
        for _ in 0..800 {
            assert!(fixture.evict(3_000), "{policy:?}");
        }
        let (unused, used) = (fixture.count("unused", 1000), fixture.count("used", 1000));
        assert_eq!(unused + used, 1200);
        assert!(used >= 950, "{policy:?} left {used} of the used keys and {unused} of the others");
    }
}

#[test]
fn lfu_policies_spare_keys_that_are_used_often() {
    for (policy, expires) in [(Policy::AllkeysLfu, None), (Policy::VolatileLfu, Some(1_000_000))] {
        let mut fixture = Fixture::new(policy);
        for n in 0..500 {
            fixture.set(&format!("seldom:{n}"), 1_000, VALUE_BYTES, expires);
            fixture.set(&format!("often:{n}"), 1_000, VALUE_BYTES, expires);
        }
        for round in 0..50 {
            for n in 0..500 {
                assert!(fixture.read(&format!("often:{n}"), 1_000 + round / 25));
            }
        }
        // Used last, but only once.
        for n in 0..500 {
            assert!(fixture.read(&format!("seldom:{n}"), 1_003));
        }
        for _ in 0..400 {
            assert!(fixture.evict(1_004), "{policy:?}");
        }
        let (seldom, often) = (fixture.count("seldom", 500), fixture.count("often", 500));
        assert!(often >= 475, "{policy:?} left {often} of the keys used often and {seldom} of the others");
    }
}

#[test]
fn volatile_ttl_deletes_what_expires_first() {
    let mut fixture = Fixture::new(Policy::VolatileTtl);
    for n in 0..1000 {
        fixture.set(&format!("key:{n}"), 1_000, VALUE_BYTES, Some(10_000 + n));
        fixture.set(&format!("keeps:{n}"), 1_000, VALUE_BYTES, None);
    }
    for _ in 0..500 {
        assert!(fixture.evict(2_000));
    }
    let early = (0..500).filter(|n| fixture.has(&format!("key:{n}"))).count();
    assert!(early < 50, "{early} of the 500 keys that expire first are left");
    assert_eq!(fixture.count("keeps", 1000), 1000);
}

#[test]
fn random_policies_delete_whatever_they_may() {
    let mut fixture = Fixture::new(Policy::AllkeysRandom);
    for n in 0..1000 {
        fixture.set(&format!("key:{n}"), 1_000, VALUE_BYTES, None);
    }
    for _ in 0..500 {
        assert!(fixture.evict(2_000));
    }
    let first = (0..500).filter(|n| fixture.has(&format!("key:{n}"))).count();
    assert!((150..350).contains(&first), "{first} of the first 500 keys are left, of 500 in all");
    assert_eq!(fixture.count("key", 1000), 500);
}

#[test]
fn volatile_policies_find_the_only_key_that_expires() {
    for policy in [Policy::VolatileLru, Policy::VolatileLfu, Policy::VolatileRandom, Policy::VolatileTtl] {
        let mut fixture = Fixture::new(policy);
        for n in 0..2000 {
            fixture.set(&format!("keeps:{n}"), 1_000, VALUE_BYTES, None);
        }
        fixture.set("expires", 1_000, VALUE_BYTES, Some(5_000));
        assert!(fixture.evict(2_000), "{policy:?}");
        assert!(!fixture.has("expires"), "{policy:?}");
        assert!(!fixture.evict(2_000), "{policy:?} deletes nothing else");
        assert_eq!(fixture.count("keeps", 2000), 2000);
    }
}

#[test]
fn noeviction_deletes_nothing() {
    let mut fixture = Fixture::new(Policy::Noeviction);
    fixture.set("key", 1_000, VALUE_BYTES, Some(5_000));
    assert!(!fixture.evict(2_000));
    assert!(fixture.has("key"));
}

#[test]
fn a_candidate_that_was_used_since_it_was_sampled_stays() {
    let mut fixture = Fixture::new(Policy::AllkeysLru);
    for n in 0..100 {
        fixture.set(&format!("key:{n}"), 1_000, VALUE_BYTES, None);
    }
    assert!(fixture.evict(2_000), "this fills the pool");
    let pooled: Vec<String> = fixture
        .evictor
        .pool
        .candidates
        .iter()
        .map(|known| String::from_utf8(known.key.clone()).unwrap())
        .collect();
    assert!(!pooled.is_empty());
    for name in &pooled {
        assert!(fixture.read(name, 2_001));
    }
    assert!(fixture.evict(2_002));
    assert!(pooled.iter().all(|name| fixture.has(name)));
}

#[test]
fn a_pool_is_for_one_policy_and_bounded() {
    let mut pool = Pool::default();
    pool.keep_for(Policy::AllkeysLru);
    for n in 0..100 {
        pool.offer(Candidate { db: DbIndex(0), key: vec![n % 50], score: u64::from(n % 50) });
    }
    let scores: Vec<u64> = pool.candidates.iter().map(|known| known.score).collect();
    assert_eq!(scores, (50 - POOL_KEYS as u64..50).collect::<Vec<_>>(), "the best ones, each once");
    pool.keep_for(Policy::AllkeysLru);
    assert_eq!(pool.candidates.len(), POOL_KEYS);
    pool.keep_for(Policy::AllkeysLfu);
    assert!(pool.candidates.is_empty());
}

#[test]
fn deleting_brings_the_memory_back_for_values_of_every_size() {
    for bytes in [10, 1_000, 2_049, 100_000] {
        let mut fixture = Fixture::new(Policy::AllkeysLru);
        let count = 10_000_000 / (bytes + 100);
        for n in 0..count {
            fixture.set(&format!("key:{n}"), 1_000, bytes, None);
        }
        let full = fixture.keyspace.memory_used();
        assert!(full >= (count * bytes) as u64, "{full} bytes cannot hold {count} values of {bytes}");
        assert!(full <= (count * (bytes * 5 / 4 + 200)) as u64, "{full} bytes for {count} values of {bytes}");
        while fixture.keyspace.memory_used() > full / 2 {
            assert!(fixture.evict(2_000));
        }
        let left = fixture.count("key", count);
        assert!(
            (count * 4 / 10..=count * 6 / 10).contains(&left),
            "{left} of {count} values of {bytes} bytes"
        );
    }
}

#[test]
fn what_a_file_says_of_a_use_comes_back_where_it_is_tracked() {
    let now = UnixMs(1_700_000_000_000);
    let (lru, lfu) = (AccessClock::lru(now), AccessClock::lfu(now, 10, 1, 0.0));
    let idle = SavedAccess::IdleSeconds(1234);
    assert_eq!(lru.idle_seconds(lru.restored(idle)), 1234);
    assert_eq!(lru.saved(lru.restored(idle)), idle);
    assert_eq!(lru.idle_seconds(lru.restored(SavedAccess::IdleSeconds(u64::MAX))), CLOCK_MASK);
    let often = SavedAccess::Frequency(255);
    assert_eq!(lfu.frequency(lfu.restored(often)), 255);
    assert_eq!(lfu.saved(lfu.restored(often)), often);
    for (clock, foreign) in [(lru, often), (lfu, idle), (lru, SavedAccess::Unknown)] {
        assert_eq!(clock.restored(foreign), clock.fresh());
    }
}
