//! Looking through a database: all keys for KEYS, one by chance for RANDOMKEY, and the walk of SCAN in steps.
//!
//! ```text
//! cursor, 53 bits   | shard, 6 bits | the next 47 bits of a hash |   0: the beginning, and the end
//! ```
//!
//! * A cursor is a position in hash space and nothing else: no state is kept between calls, and growth, eviction, FLUSHALL
//!   or a restart (the hash secret belongs to the dataset) leave every cursor good.
//! * A key that is there throughout is visited exactly once, because positions only go up and a key never leaves its own.
//!   A key that comes or goes meanwhile is visited at most once.
//! * The walk holds one shard at a time, for about sixty keys, and takes that lock itself. SCAN promises nothing about one
//!   moment, so there is nothing that several locks would protect, and waiting for a shard while holding none keeps the lock
//!   order (L2) and the bound on how long others wait (L3). In EXEC all shards are held already, and no lock is taken.
//! * What was found is handed out when the shard is unlocked again, so the caller may allocate for it.
//! * Expired keys that the pattern of SCAN selects, or that RANDOMKEY draws, are deleted through the command path, as in
//!   Redis. KEYS passes them over.

use super::entry::Value;
use super::table::{Entry, SCAN_GRANULE};
use super::{Db, SHARD_BITS, SHARD_COUNT, ShardId};
use crate::util::random::Random;

/// Bits of a hash that a cursor has not.
const CURSOR_SHIFT: u32 = SCAN_GRANULE.trailing_zeros();

/// Cursors are below this.
pub const CURSOR_END: u64 = 1 << (u64::BITS - CURSOR_SHIFT);

/// Keys looked at per lock hold: some microseconds.
const SLICE_KEYS: u64 = 64;

/// Steps of the table per lock hold, for tables that have become sparse.
const SLICE_STEPS: u32 = 32;

/// Expired keys that RANDOMKEY draws and deletes before it looks for one that has not expired.
const RANDOM_DRAWS: usize = 100;

/// Which keys a walk hands out.
pub struct Filter<K, V> {
    /// By name. Expired keys that pass are deleted.
    pub key: K,
    /// By value.
    pub value: V,
}

/// What one lock hold found.
#[derive(Default)]
struct Slice {
    /// Keys looked at.
    visited: u64,
    /// The names that passed, one after the other.
    names: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// Keys whose time has passed.
    expired: Vec<Vec<u8>>,
}

impl Db<'_> {
    /// Visits every key of the selected database, without those whose time has passed. Needs all shards.
    pub fn for_each(&self, mut visit: impl FnMut(Entry<'_>)) {
        for id in self.locked_set().iter() {
            let table = self.table(id);
            for entry in table.iter().map(|handle| table.entry(handle)) {
                if !self.has_expired(entry) {
                    visit(entry);
                }
            }
        }
    }

    /// A random key that has not expired; `None` when there is none. Expired keys that are drawn are deleted. When most keys
    /// have expired (active expiry is off), the first one that has not is taken instead. Needs all shards.
    pub fn random_key(&mut self, random: &mut Random) -> Option<Vec<u8>> {
        for _ in 0..RANDOM_DRAWS {
            let entry = self.draw(random)?;
            let (bytes, has_expired) = (entry.key().to_vec(), self.has_expired(entry));
            if !has_expired {
                return Some(bytes);
            }
            let key = self.key(&bytes);
            // Looking it up deletes it.
            self.find(&key);
        }
        self.locked_set().iter().find_map(|id| {
            let table = self.table(id);
            let live = table.iter().map(|handle| table.entry(handle)).find(|&entry| !self.has_expired(entry));
            live.map(|entry| entry.key().to_vec())
        })
    }

    /// One of all keys of the selected database, each with the same chance.
    fn draw(&self, random: &mut Random) -> Option<Entry<'_>> {
        let mut nth = random.below(self.len().max(1));
        for id in self.locked_set().iter() {
            let table = self.table(id);
            if nth < table.len() {
                return table.random(random.next()).map(|handle| table.entry(handle));
            }
            nth -= table.len();
        }
        None
    }

    /// Goes on from `cursor` until at least `count` keys of the selected database have been looked at, or all; `found` gets
    /// those that the filter passes. Returns the cursor to go on from, 0 at the end. A cursor that no call gave is just a
    /// place; from [`CURSOR_END`] on there is nothing left.
    pub fn scan(
        &mut self,
        cursor: u64,
        count: u64,
        filter: &Filter<impl Fn(&[u8]) -> bool, impl Fn(Value<'_>) -> bool>,
        mut found: impl FnMut(&[u8]),
    ) -> u64 {
        if cursor >= CURSOR_END {
            return 0;
        }
        let mut from = cursor << CURSOR_SHIFT;
        let mut left = count.max(1);
        let mut slice = Slice::default();
        loop {
            let shard = ShardId::of(from);
            let next = self
                .on_shard(shard, |db| db.scan_slice(shard, from, left.min(SLICE_KEYS), filter, &mut slice));
            left = left.saturating_sub(slice.hand_out(&mut found));
            from = match next {
                Some(position) => position,
                None if usize::from(shard.0) == SHARD_COUNT - 1 => return 0,
                None => u64::from(shard.0 + 1) << (u64::BITS - SHARD_BITS),
            };
            if left == 0 {
                return from >> CURSOR_SHIFT;
            }
        }
    }

    /// What is done while one shard is held. `None`: its end was reached.
    fn scan_slice(
        &mut self,
        shard: ShardId,
        from: u64,
        count: u64,
        filter: &Filter<impl Fn(&[u8]) -> bool, impl Fn(Value<'_>) -> bool>,
        slice: &mut Slice,
    ) -> Option<u64> {
        let mut next = Some(from);
        for _ in 0..SLICE_STEPS {
            let Some(position) = next.filter(|_| slice.visited < count) else { break };
            next = self.table(shard).scan(self.hasher(), position, |_, entry| {
                slice.visited += 1;
                let name = entry.key();
                if !(filter.key)(name) {
                    return;
                }
                if self.has_expired(entry) {
                    slice.expired.push(name.to_vec());
                } else if (filter.value)(entry.value()) {
                    slice.names.extend_from_slice(name);
                    slice.ends.push(slice.names.len());
                }
            });
        }
        for name in slice.expired.drain(..) {
            let key = self.key(&name);
            // Looking it up deletes it.
            self.find(&key);
        }
        next
    }
}

impl Slice {
    /// Hands out the names, empties the slice and returns how many keys were looked at.
    fn hand_out(&mut self, found: &mut impl FnMut(&[u8])) -> u64 {
        let mut start = 0;
        for end in self.ends.drain(..) {
            found(&self.names[start..end]);
            start = end;
        }
        self.names.clear();
        std::mem::take(&mut self.visited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Workspace;
    use crate::store::entry::NewValue;
    use crate::store::evict::AccessClock;
    use crate::store::hash::{KeyHasher, SECRET_LEN};
    use crate::store::{DbIndex, Expiry, Keyspace, ShardSet, UnixMs};

    const NOW: UnixMs = UnixMs(1_000_000);

    fn keyspace(keys: usize) -> Keyspace {
        let (garbage, _) = crossbeam_channel::unbounded();
        let keyspace = Keyspace::new(2, KeyHasher::new([3; SECRET_LEN]), Box::new(|_| {}), garbage);
        with(&keyspace, ShardSet::ALL, |db| {
            for n in 0..keys {
                let name = format!("key:{n}");
                let key = db.key(name.as_bytes());
                db.set(&key, None, NewValue::Int(n as i64), Expiry::Clear);
            }
        });
        keyspace
    }

    /// Runs an operation that holds these shards; returns what its reply depends on, too.
    fn with<R>(keyspace: &Keyspace, set: ShardSet, work: impl FnOnce(&mut Db<'_>) -> R) -> (R, u64) {
        let (clock, mut workspace) = (AccessClock::lru(NOW), Workspace::default());
        let locked = keyspace.locks().lock_set(set);
        let mut db = Db::new(keyspace, locked, DbIndex(0), NOW, &clock, &mut workspace);
        let result = work(&mut db);
        let depends_on = db.commit(std::iter::empty(), DbIndex(0)).depends_on;
        (result, depends_on)
    }

    fn everything(cursor: u64, count: u64, db: &mut Db<'_>) -> (u64, Vec<Vec<u8>>) {
        let mut found = Vec::new();
        let filter = Filter { key: |_: &[u8]| true, value: |_: Value<'_>| true };
        let next = db.scan(cursor, count, &filter, |name| found.push(name.to_vec()));
        (next, found)
    }

    #[test]
    fn a_walk_is_the_same_with_all_locks_held_and_with_none() {
        let keyspace = keyspace(5_000);
        for set in [ShardSet::EMPTY, ShardSet::ALL] {
            let (mut cursor, mut all) = (0, Vec::new());
            loop {
                let ((next, found), _) = with(&keyspace, set, |db| everything(cursor, 100, db));
                all.extend(found);
                assert!(next == 0 || next > cursor && next < CURSOR_END);
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 5_000, "{set:?}");
        }
    }

    #[test]
    fn a_reply_depends_on_the_shards_that_were_read_and_on_no_others() {
        let keyspace = keyspace(5_000);
        for id in ShardSet::ALL.iter() {
            keyspace.locks().lock_one(id).shard_mut(id).last_lsn = 100 + u64::from(id.0);
        }
        let first_of = |shard: u64| shard << (53 - SHARD_BITS);
        let (_, depends_on) = with(&keyspace, ShardSet::EMPTY, |db| everything(0, 1, db));
        assert_eq!(depends_on, 100);
        let (_, depends_on) = with(&keyspace, ShardSet::EMPTY, |db| everything(first_of(40), 1, db));
        assert_eq!(depends_on, 140);
        let (_, depends_on) = with(&keyspace, ShardSet::EMPTY, |db| everything(first_of(40), u64::MAX, db));
        assert_eq!(depends_on, 163);
    }

    #[test]
    #[should_panic(expected = "a shard is locked out of order")]
    fn a_walk_must_not_hold_some_other_shard() {
        with(&keyspace(10), ShardSet::one(ShardId(9)), |db| everything(0, 10, db));
    }

    #[test]
    fn no_shard_is_held_while_keys_are_handed_out() {
        let keyspace = keyspace(1_000);
        with(&keyspace, ShardSet::EMPTY, |db| {
            let filter = Filter { key: |_: &[u8]| true, value: |_: Value<'_>| true };
            let all_free = || ShardSet::ALL.iter().all(|id| keyspace.locks().try_lock_now(id).is_some());
            let mut count = 0;
            db.scan(0, u64::MAX, &filter, |_| {
                assert!(all_free());
                count += 1;
            });
            assert_eq!(count, 1_000);
        });
    }
}
