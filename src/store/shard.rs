//! What one shard lock guards: a table per logical database, and what the log last heard of the shard.
//!
//! Databases are cheap while empty (an empty table owns no heap), so every shard simply has all of them, by index.
//! SWAPDB and FLUSHDB exchange whole [`Space`]s under all 64 locks, so the database → namespace map never differs between
//! two shards that a command can see.

use super::table::Table;
use super::{DbIndex, ShardId};

/// One logical database's part of a shard.
pub struct Space {
    /// The namespace these keys belong to: given out once, never again, so that what a flushed database left on disk can
    /// be told apart.
    pub namespace: u32,
    /// The keys.
    pub table: Table,
}

/// The contents of one shard.
pub struct Shard {
    id: ShardId,
    spaces: Vec<Space>,
    /// The LSN of the last log record that changed this shard; what a read of it depends on in `wal_sync_mode always`.
    pub last_lsn: u64,
}

impl Shard {
    /// An empty shard with `databases` databases.
    pub fn new(id: ShardId, databases: usize) -> Self {
        let spaces =
            (0..databases as u32).map(|db| Space { namespace: db, table: Self::empty_table(id) }).collect();
        Shard { id, spaces, last_lsn: 0 }
    }

    /// Tables of different shards split their segments at different fill levels (the phase), so that the memory for
    /// half-empty segments is the same at every dataset size instead of rising and falling for all shards at once.
    fn empty_table(id: ShardId) -> Table {
        Table::new(id.0)
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.spaces.len()
    }

    /// A database's table.
    #[inline]
    pub fn table(&self, db: DbIndex) -> &Table {
        &self.spaces[db.0 as usize].table
    }

    /// A database's table, to change.
    #[inline]
    pub fn table_mut(&mut self, db: DbIndex) -> &mut Table {
        &mut self.spaces[db.0 as usize].table
    }

    /// Keys in all databases.
    pub fn keys(&self) -> usize {
        self.spaces.iter().map(|space| space.table.len()).sum()
    }

    /// Bytes that all databases take: what `maxmemory` bounds.
    pub fn memory(&self) -> u64 {
        self.spaces.iter().map(|space| space.table.used_bytes() as u64).sum()
    }

    /// A database's namespace.
    pub fn namespace(&self, db: DbIndex) -> u32 {
        self.spaces[db.0 as usize].namespace
    }

    /// Puts an empty table under a new namespace in the database's place and returns the old one, to be dropped elsewhere.
    pub fn replace(&mut self, db: DbIndex, namespace: u32) -> Table {
        let space = &mut self.spaces[db.0 as usize];
        space.namespace = namespace;
        std::mem::replace(&mut space.table, Self::empty_table(self.id))
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.spaces.swap(a.0 as usize, b.0 as usize);
    }
}
