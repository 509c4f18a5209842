//! What the keyspace holds, counted and measured: for INFO, DBSIZE, MEMORY and the budget of the cache.

use storage::version::LEVELS;

use super::Keyspace;
use crate::store::lock::{Locked, ShardSet};
use crate::store::shard::Load;
use crate::store::table::Memory;
use crate::store::{DbIndex, UnixMs};

/// What INFO tells of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbCounts {
    /// Keys.
    pub keys: usize,
    /// Those of them that are on disk only.
    pub cold: usize,
    /// Keys that expire.
    pub expires: usize,
    /// Hashes in RAM with fields that expire.
    pub subexpiry: usize,
    /// Those keys with an expiry that are in RAM.
    timed: usize,
    /// The sum of the expiry times of those in RAM, in unix milliseconds.
    expires_sum_ms: u128,
}

impl DbCounts {
    /// The mean time to live at `now`, in milliseconds, of the keys in RAM; 0 when none of them expires.
    pub fn average_ttl_ms(&self, now: UnixMs) -> u64 {
        let mean = self.expires_sum_ms.checked_div(self.timed as u128).unwrap_or(0);
        u64::try_from(mean).unwrap_or(u64::MAX).saturating_sub(now.0)
    }
}

/// What INFO tells of a level of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Runs.
    pub runs: usize,
    /// The sum of their sizes.
    pub bytes: u64,
}

impl Keyspace {
    /// What all shards take, one shard after the other.
    pub fn load(&self, held: Option<&Locked<'_>>) -> Load {
        let mut sum = Load::default();
        self.visit_shards(held, |_, shard| {
            let load = shard.load();
            sum.bytes += load.bytes;
            sum.entries += load.entries;
            sum.dirty += load.dirty;
            sum.cold += load.cold;
        });
        sum
    }

    /// The levels of what is on disk, the newest runs first.
    pub fn levels(&self) -> Vec<Level> {
        let Some(version) = self.version() else { return Vec::new() };
        let of = |level| {
            let runs = version.level(level);
            Level { runs: runs.len(), bytes: runs.iter().map(|run| run.meta().size_bytes).sum() }
        };
        (0..LEVELS as u8).map(of).collect()
    }

    /// Every database's counts, all of one moment.
    pub fn counts(&self, held: Option<&Locked<'_>>) -> Vec<DbCounts> {
        let own = held.is_none().then(|| self.locks.lock_set(ShardSet::ALL));
        let locked = held.or(own.as_ref()).expect("one of the two");
        let count = |db: u32| {
            ShardSet::ALL.iter().fold(DbCounts::default(), |mut counts, id| {
                let space = locked.shard(id).space(DbIndex(db));
                let (table, all) = (&space.table, space.counts());
                counts.keys += all.keys as usize;
                counts.cold += space.cold.keys as usize;
                counts.expires += all.expires as usize;
                counts.timed += table.expires_len();
                counts.subexpiry += table.inner_expires_len();
                counts.expires_sum_ms += table.expires_sum_ms();
                counts
            })
        };
        (0..self.databases as u32).map(count).collect()
    }

    /// The memory of all entries and tables, shard by shard: never more than one lock at a time, so not of one moment.
    pub fn memory(&self, held: Option<&Locked<'_>>) -> Memory {
        let mut all = Memory::default();
        self.visit_shards(held, |_, shard| {
            for db in 0..self.databases as u32 {
                let memory = shard.table(DbIndex(db)).memory();
                all.allocated += memory.allocated;
                all.resident += memory.resident;
                all.index += memory.index;
            }
        });
        all
    }
}
