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
//! * This file looks at RAM. Where keys are on disk only it says so, and [`cold`](super::cold) does the same with the disk.

use super::checkpoint::first_hash;
use super::cold::{Draw, Known};
use super::table::{Entry, SCAN_GRANULE};
use super::{Db, SHARD_COUNT, ShardId};
use crate::util::glob::{self, Case};
use crate::util::random::Random;

/// Bits of a hash that a cursor has not.
const CURSOR_SHIFT: u32 = SCAN_GRANULE.trailing_zeros();

/// Cursors are below this.
pub const CURSOR_END: u64 = 1 << (u64::BITS - CURSOR_SHIFT);

/// Keys looked at per lock hold: some microseconds.
pub(super) const SLICE_KEYS: u64 = 64;

/// Steps of the table per lock hold, for tables that have become sparse.
const SLICE_STEPS: u32 = 32;

/// Expired keys that RANDOMKEY draws and deletes before it looks for one that has not expired.
const RANDOM_DRAWS: usize = 100;

/// Which keys a walk hands out.
#[derive(Clone, Debug)]
pub struct Filter {
    /// By name, as a glob pattern. Expired keys that pass are deleted.
    pub pattern: Vec<u8>,
    /// By the name of the type, in any case.
    pub kind: Option<Vec<u8>>,
}

impl Filter {
    /// Passes every key.
    pub fn all() -> Self {
        Self::of(b"*")
    }

    /// Passes the keys that a pattern selects.
    pub fn of(pattern: &[u8]) -> Self {
        Filter { pattern: pattern.to_vec(), kind: None }
    }

    /// Does the pattern select the key? `*` alone selects every key, even the empty one.
    pub fn selects(&self, key: &[u8]) -> bool {
        self.pattern == b"*" || glob::matches(&self.pattern, key, Case::Sensitive)
    }

    /// Is a type wanted? One that does not exist selects nothing, as in Redis 7.
    pub fn wants(&self, type_name: &str) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind.eq_ignore_ascii_case(type_name.as_bytes()))
    }
}

/// Names of keys, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Names {
    /// Adds one.
    pub fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// There are keys on disk only, so RAM alone can't answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnDisk;

/// What is found while a shard is held.
#[derive(Default)]
pub(super) struct Slice {
    /// Keys looked at.
    pub visited: u64,
    /// The names that passed.
    pub names: Names,
    /// What RAM knows of the stretch, tombstones included, if that is asked for.
    pub known: Option<Known>,
    /// Keys whose time has passed.
    expired: Vec<Vec<u8>>,
}

impl Db<'_> {
    /// Visits every key of the selected database that is in RAM, without those whose time has passed. Needs all shards.
    pub fn for_each(&self, mut visit: impl FnMut(Entry<'_>)) {
        self.for_each_entry(|entry| {
            if !entry.is_tombstone() && !entry.has_expired(self.now()) {
                visit(entry);
            }
        });
    }

    /// Visits all that RAM says of the selected database, tombstones and expired keys included. Needs all shards.
    pub(super) fn for_each_entry(&self, mut visit: impl FnMut(Entry<'_>)) {
        for id in self.locked_set().iter() {
            let table = self.table(id);
            table.iter_all().for_each(|handle| visit(table.entry(handle)));
        }
    }

    /// Draws a key that has not expired, each with the same chance. Expired keys that are drawn are deleted. When most keys
    /// have expired (active expiry is off), the first one that has not is taken instead. Needs all shards.
    pub fn draw(&mut self, random: &mut Random) -> Drawn {
        for _ in 0..RANDOM_DRAWS {
            let Some((shard, is_cold)) = self.draw_shard(random) else { return Drawn::Nothing };
            if is_cold {
                return Drawn::OnDisk(Draw::from(self, shard, random));
            }
            let table = self.table(shard);
            let handle = table.random(random.next()).expect("the shard was drawn for its keys");
            let entry = table.entry(handle);
            let (bytes, has_expired) = (entry.key().to_vec(), entry.has_expired(self.now()));
            if !has_expired {
                return Drawn::Key(bytes);
            }
            let key = self.key(&bytes);
            // Looking it up deletes it.
            self.find(&key);
        }
        if let Some(name) = self.first_resident() {
            return Drawn::Key(name);
        }
        let shard = self.locked_set().iter().find(|&id| self.cold_keys(id) > 0);
        shard.map_or(Drawn::Nothing, |shard| Drawn::OnDisk(Draw::from(self, shard, random)))
    }

    /// Some key that is in RAM and has not expired.
    fn first_resident(&self) -> Option<Vec<u8>> {
        self.locked_set().iter().find_map(|id| {
            let table = self.table(id);
            let live =
                table.iter().map(|handle| table.entry(handle)).find(|&entry| !entry.has_expired(self.now()));
            live.map(|entry| entry.key().to_vec())
        })
    }

    /// The shard of one of all keys of the selected database, each with the same chance, and whether that key is on disk only.
    fn draw_shard(&self, random: &mut Random) -> Option<(ShardId, bool)> {
        let mut nth = random.below(self.len().max(1));
        for id in self.locked_set().iter() {
            for (keys, is_cold) in [(self.table(id).len(), false), (self.cold_keys(id) as usize, true)] {
                if nth < keys {
                    return Some((id, is_cold));
                }
                nth -= keys;
            }
        }
        None
    }

    /// Goes on from `cursor` until at least `count` keys of the selected database have been looked at, or all; `found` gets
    /// those that the filter passes. Returns the cursor to go on from, 0 at the end. A cursor that no call gave is just a
    /// place; from [`CURSOR_END`] on there is nothing left. Ends where keys are on disk only.
    pub fn scan(
        &mut self,
        cursor: u64,
        count: u64,
        filter: &Filter,
        mut found: impl FnMut(&[u8]),
    ) -> Result<u64, OnDisk> {
        let Some(mut from) = position_of(cursor) else { return Ok(0) };
        let mut left = count.max(1);
        let mut slice = Slice::default();
        loop {
            let shard = ShardId::of(from);
            let next =
                self.on_shard(shard, |db| match db.keyspace().has_cold() && db.cold_keys(shard) > 0 {
                    true => Err(OnDisk),
                    false => Ok(db.scan_slice(shard, from, None, left.min(SLICE_KEYS), filter, &mut slice)),
                })?;
            slice.names.iter().for_each(&mut found);
            slice.names.clear();
            left = left.saturating_sub(std::mem::take(&mut slice.visited));
            from = match next.or_else(|| first_behind(shard)) {
                Some(position) => position,
                None => return Ok(0),
            };
            if left == 0 {
                return Ok(cursor_at(from));
            }
        }
    }

    /// What is done while one shard is held: looks at keys from `from` on, before `until`, until `count` have been looked at.
    /// `None`: the shard's end was reached; otherwise the position may be behind `until`.
    pub(super) fn scan_slice(
        &mut self,
        shard: ShardId,
        from: u64,
        until: Option<u64>,
        count: u64,
        filter: &Filter,
        slice: &mut Slice,
    ) -> Option<u64> {
        let (mut next, goal) = (Some(from), slice.visited + count);
        for _ in 0..SLICE_STEPS {
            let is_wanted = |&at: &u64| slice.visited < goal && until.is_none_or(|until| at < until);
            let Some(position) = next.filter(is_wanted) else { break };
            next = self.table(shard).scan(self.hasher(), position, |hash, entry| {
                if until.is_none_or(|until| hash < until) {
                    self.look_at(hash, entry, filter, slice);
                }
            });
        }
        for name in std::mem::take(&mut slice.expired) {
            let key = self.key(&name);
            // Looking it up deletes it.
            self.find(&key);
        }
        next
    }

    fn look_at(&self, hash: u64, entry: Entry<'_>, filter: &Filter, slice: &mut Slice) {
        let name = entry.key();
        if let Some(known) = &mut slice.known {
            known.push(hash, name);
        } else if entry.is_tombstone() {
            return;
        }
        slice.visited += 1;
        if entry.is_tombstone() || !filter.selects(name) {
            return;
        }
        if entry.has_expired(self.now()) {
            slice.expired.push(name.to_vec());
        } else if filter.wants(entry.value().type_name()) {
            slice.names.push(name);
        }
    }
}

/// What RANDOMKEY draws.
pub enum Drawn {
    /// There is no key.
    Nothing,
    /// This one.
    Key(Vec<u8>),
    /// One of those that are on disk only.
    OnDisk(Draw),
}

/// Where a cursor stands; `None`: behind everything.
pub(super) fn position_of(cursor: u64) -> Option<u64> {
    (cursor < CURSOR_END).then_some(cursor << CURSOR_SHIFT)
}

/// The cursor of a position that a walk has reached.
pub(super) fn cursor_at(position: u64) -> u64 {
    position >> CURSOR_SHIFT
}

/// The position behind a shard; `None`: it is the last one.
pub(super) fn first_behind(shard: ShardId) -> Option<u64> {
    (usize::from(shard.0) + 1 < SHARD_COUNT).then(|| first_hash(ShardId(shard.0 + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Workspace;
    use crate::store::entry::NewValue;
    use crate::store::evict::AccessClock;
    use crate::store::hash::{KeyHasher, SECRET_LEN};
    use crate::store::{DbIndex, Expiry, Keyspace, SHARD_BITS, ShardSet, UnixMs};

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
        let filter = Filter::all();
        let next = db.scan(cursor, count, &filter, |name| found.push(name.to_vec())).unwrap();
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
            let filter = Filter::all();
            let all_free = || ShardSet::ALL.iter().all(|id| keyspace.locks().try_lock_now(id).is_some());
            let mut count = 0;
            let end = db.scan(0, u64::MAX, &filter, |_| {
                assert!(all_free());
                count += 1;
            });
            assert_eq!(end, Ok(0));
            assert_eq!(count, 1_000);
        });
    }
}
