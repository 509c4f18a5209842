//! The walk over a database in steps, as SCAN makes it.
//!
//! ```text
//! cursor, 53 bits   | shard, 6 bits | the next 47 bits of a hash |   0: the beginning, and the end
//! ```
//!
//! * A cursor is a position in hash space and nothing else: no state is kept between calls, and growth, eviction, FLUSHALL
//!   or a restart (the hash secret belongs to the dataset) leave every cursor good.
//! * A key that is there throughout is visited exactly once, because positions only go up and a key never leaves its own.
//!   A key that comes or goes meanwhile is visited at most once.
//! * The walk holds one shard at a time, for about sixty keys, and takes that lock itself. SCAN promises nothing
//!   about one moment, so there is nothing that several locks would protect, and waiting for a shard while holding none keeps
//!   the lock order (L2) and the bound on how long others wait (L3).
//! * What was found is handed out when the shard is unlocked again, so the caller may allocate for it.
//! * Expired keys that the pattern selects are deleted through the command path and not visited, as in Redis.

use super::entry::Value;
use super::table::SCAN_GRANULE;
use super::{Db, SHARD_BITS, SHARD_COUNT, ShardId};

/// Bits of a hash that a cursor has not.
const CURSOR_SHIFT: u32 = SCAN_GRANULE.trailing_zeros();

/// Cursors are below this.
pub const CURSOR_END: u64 = 1 << (u64::BITS - CURSOR_SHIFT);

/// Keys looked at per lock hold: some microseconds.
const SLICE_KEYS: u64 = 64;

/// Steps of the table per lock hold, for tables that have become sparse.
const SLICE_STEPS: u32 = 32;

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
