//! What is done to whole databases; it needs all shards.

use storage::NamespaceId;

use super::Db;
use crate::store::keyspace::Garbage;
use crate::store::{DbIndex, SHARD_COUNT, ShardId};

impl Db<'_> {
    /// Number of keys in the selected database.
    pub fn len(&self) -> usize {
        let shards = self.locked.set().iter().map(|id| self.locked.shard(id).space(self.index));
        shards.map(|space| space.counts().keys as usize).sum()
    }

    /// Has the selected database keys that are on disk only? Needs all shards.
    pub fn has_cold(&self) -> bool {
        self.keyspace.has_cold() && self.locked.set().iter().any(|id| self.cold_keys(id) > 0)
    }

    /// The keys of the selected database in one shard that are on disk only.
    pub(in crate::store) fn cold_keys(&self, shard: ShardId) -> u64 {
        self.locked.shard(shard).space(self.index).cold.keys
    }

    /// The namespace of the selected database in one shard, which is that of all shards unless databases are exchanged.
    pub(in crate::store) fn namespace(&self, shard: ShardId) -> NamespaceId {
        self.locked.shard(shard).space(self.index).namespace
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
            self.tell_emptied(id, db);
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
            if !shard.interest.is_empty() && a != b {
                self.tell_exchanged(id, a, b);
                self.tell_exchanged(id, b, a);
            }
            self.locked.shard_mut(id).swap(a, b);
        }
    }
}
