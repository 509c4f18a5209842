//! What is done to whole databases; it needs all shards.

use super::Db;
use crate::store::keyspace::Garbage;
use crate::store::{DbIndex, SHARD_COUNT};

impl Db<'_> {
    /// Number of keys in the selected database.
    pub fn len(&self) -> usize {
        let shards = self.locked.set().iter().map(|id| self.locked.shard(id).space(self.index));
        shards.map(|space| space.counts().keys as usize).sum()
    }

    /// Has the selected database no key?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties one database: its tables go to the drop thread, or are dropped by the caller after the locks when `wait`.
    pub fn flush(&mut self, db: DbIndex) {
        let namespace = self.keyspace.new_namespace();
        let mut tables = Vec::with_capacity(SHARD_COUNT);
        for id in self.locked.set().iter() {
            let shard = self.locked.shard_mut(id);
            shard.enter(self.epoch);
            self.dirty += shard.space(db).counts().keys;
            tables.extend(shard.replace(db, namespace));
        }
        self.dirty = self.dirty.max(1);
        self.keyspace.discard(Garbage::Tables(tables));
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.dirty += 1;
        for id in self.locked.set().iter() {
            let shard = self.locked.shard_mut(id);
            shard.enter(self.epoch);
            shard.swap(a, b);
        }
    }
}
