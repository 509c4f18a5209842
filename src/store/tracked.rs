//! Which keys clients have read and track (client-side caching): the part of one shard, guarded by its lock.
//!
//! * A key is remembered while the lock is held under which it was read, so a change that comes after the read finds it. A change
//!   takes it out: its trackers are told once.
//! * Databases are not told apart, as in Redis: a change of the same key in another one counts.
//! * A B-tree by hash: no allocation grows with the number of keys, and any of them is found without luck.
//! * Who has gone is still named here, until the key changes or is evicted; nobody is told then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::db::Workspace;
use super::evict::AccessClock;
use super::{Db, DbIndex, Key, Keyspace, SHARD_COUNT, ShardId, UnixMs};
use crate::pubsub::Tracker;

/// A key, and who has read it, by number.
pub struct Known {
    /// The key.
    pub key: Box<[u8]>,
    /// Who tracks it.
    pub trackers: Vec<Arc<Tracker>>,
}

/// See the module's doc.
#[derive(Default)]
pub struct Tracked {
    by_hash: BTreeMap<u64, Vec<Known>>,
    /// Keys.
    pub(super) keys: u64,
    /// The sum of the keys' trackers.
    pub(super) items: u64,
}

impl Tracked {
    /// Is no key tracked?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Remembers that a client has read a key. Says whether key and pair are new.
    pub fn add(&mut self, key: &Key<'_>, tracker: &Arc<Tracker>) -> (bool, bool) {
        let same_hash = self.by_hash.entry(key.hash).or_default();
        let Some(known) = same_hash.iter_mut().find(|known| *known.key == *key.bytes) else {
            same_hash.push(Known { key: key.bytes.into(), trackers: vec![tracker.clone()] });
            self.keys += 1;
            self.items += 1;
            return (true, true);
        };
        let client = tracker.address().client;
        let Err(at) = known.trackers.binary_search_by_key(&client, |other| other.address().client) else {
            return (false, false);
        };
        known.trackers.insert(at, tracker.clone());
        self.items += 1;
        (false, true)
    }

    /// Forgets a key and returns who tracked it.
    pub fn take(&mut self, key: &Key<'_>) -> Vec<Arc<Tracker>> {
        let Some(same_hash) = self.by_hash.get_mut(&key.hash) else { return Vec::new() };
        let Some(at) = same_hash.iter().position(|known| *known.key == *key.bytes) else { return Vec::new() };
        let known = same_hash.swap_remove(at);
        if same_hash.is_empty() {
            self.by_hash.remove(&key.hash);
        }
        self.forget(known).trackers
    }

    /// Forgets the first key from a place in hash space on.
    pub fn take_any(&mut self, from: u64) -> Option<Known> {
        let hash = *self.by_hash.range(from..).next().or_else(|| self.by_hash.iter().next())?.0;
        let same_hash = self.by_hash.get_mut(&hash)?;
        let known = same_hash.pop()?;
        if same_hash.is_empty() {
            self.by_hash.remove(&hash);
        }
        Some(self.forget(known))
    }

    fn forget(&mut self, known: Known) -> Known {
        self.keys -= 1;
        self.items -= known.trackers.len() as u64;
        known
    }
}

/// What all shards track, counted.
#[derive(Default)]
pub struct Tracking {
    keys: AtomicI64,
    items: AtomicI64,
    /// Changes where eviction goes on.
    hand: AtomicU64,
}

impl Tracking {
    /// Keys that are tracked.
    pub fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed).max(0) as u64
    }

    /// Pairs of key and client.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed).max(0) as u64
    }

    /// A number that is another each time.
    pub fn turn_hand(&self) -> u64 {
        // The golden ratio: the values are spread evenly whatever their number.
        self.hand.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    pub(super) fn add(&self, keys: i64, items: i64) {
        self.keys.fetch_add(keys, Ordering::Relaxed);
        self.items.fetch_add(items, Ordering::Relaxed);
    }
}

/// Keys given up under one hold of a shard's lock.
const SLICE_KEYS: usize = 16;

impl Keyspace {
    /// Keeps `tracking-table-max-keys` (0: no limit): forgets keys, whichever, and tells their trackers as if they had changed.
    /// `waits`: a shard that is busy is waited for. No lock may be held.
    pub fn limit_tracked(&self, keys_max: u64, waits: bool) {
        let mut tries = 0;
        while keys_max > 0 && self.tracking.keys() > keys_max && tries < 2 * SHARD_COUNT {
            tries += 1;
            let random = self.tracking.turn_hand();
            let shard = ShardId::of(random);
            let locked = match self.locks().try_lock_now(shard) {
                Some(locked) => locked,
                None if waits => self.locks().lock_one(shard),
                None => continue,
            };
            let (clock, mut work) = (AccessClock::lru(UnixMs(0)), Workspace::default());
            let mut db = Db::new(self, locked, DbIndex(0), UnixMs(0), &clock, &mut work);
            let excess = self.tracking.keys().saturating_sub(keys_max) as usize;
            let goes = |_: &usize| db.untrack_one(shard, random.rotate_left(7));
            if (0..excess.min(SLICE_KEYS)).take_while(goes).count() > 0 {
                tries = 0;
            }
            drop(db);
            self.announce(&mut work, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::Address;

    fn tracker(client: u64) -> Arc<Tracker> {
        Tracker::new(Address { client, worker: 0, token: client })
    }

    #[test]
    fn a_key_is_given_out_once_with_all_who_read_it() {
        let mut tracked = Tracked::default();
        let (a, b) = (tracker(2), tracker(1));
        // Two keys of one hash.
        let (k, l) = (Key { bytes: b"k", hash: 7 }, Key { bytes: b"l", hash: 7 });
        assert_eq!(tracked.add(&k, &a), (true, true));
        assert_eq!(tracked.add(&k, &b), (false, true));
        assert_eq!(tracked.add(&k, &a), (false, false));
        assert_eq!(tracked.add(&l, &a), (true, true));
        assert_eq!((tracked.keys, tracked.items), (2, 3));
        let clients: Vec<u64> = tracked.take(&k).iter().map(|tracker| tracker.address().client).collect();
        assert_eq!((clients, tracked.take(&k).len()), (vec![1, 2], 0));
        assert_eq!(tracked.take_any(8).map(|known| known.key), Some(Box::from(&b"l"[..])));
        assert!(tracked.is_empty() && tracked.take_any(0).is_none());
    }
}
