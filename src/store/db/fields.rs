//! Hashes whose fields expire.
//!
//! * Whoever looks a hash up through here first deletes the fields whose time has passed, all of them: the deletion is an
//!   effect of its own (`HDEL`, or `DEL` when nothing is left), ahead of the command's. So a command never meets a field that
//!   has expired. While the log is replayed `now` is 0 and nothing expires.
//! * That costs one comparison as long as no field is due in the whole table: the table knows when its next field is
//!   ([`Table::next_inner_due`](crate::store::table::Table::next_inner_due)).
//! * Commands on keys of any type (TYPE, EXISTS, COPY …) do not look at fields, as in Redis.

use storage::NamespaceId;

use super::{Db, Key, Slot, Workspace, WrongType};
use crate::config::values::NotifyFlags;
use crate::store::ShardId;
use crate::store::effect::{self, Before};
use crate::store::entry::NewValue;
use crate::store::table::Presence;
use crate::types::hash::Hash;

/// Fields deleted at once of a hash that was on disk only; the sweep of RAM has the rest.
const FIELDS_WOKEN: usize = 64;
/// Fields in one effect: it need not be in one piece.
const FIELDS_PER_EFFECT: usize = 512;

impl Db<'_> {
    /// Finds a hash for a command that reads it: [`Db::read_typed`], without the fields that have expired.
    #[inline]
    pub fn read_hash(&mut self, key: &Key<'_>) -> Result<Option<&Hash>, WrongType> {
        let found = self.look_up(key, self.touches);
        let slot = self.without_expired_fields(key, found);
        self.count(key, slot.is_some());
        match slot {
            Some(slot) => self.typed(slot).map(Some),
            None => Ok(None),
        }
    }

    /// Finds a hash for a command that writes it: [`Db::find_typed`], without the fields that have expired.
    #[inline]
    pub fn find_hash(&mut self, key: &Key<'_>) -> Result<Option<Slot>, WrongType> {
        let found = self.find_typed::<Hash>(key);
        found.map(|slot| self.without_expired_fields(key, slot))
    }

    #[inline]
    fn without_expired_fields(&mut self, key: &Key<'_>, found: Option<Slot>) -> Option<Slot> {
        let slot = found?;
        let next_due = self.locked.shard(slot.shard).table(slot.db).next_inner_due();
        if next_due.is_some_and(|due| due < self.now.0) {
            self.expire_fields(key, slot, usize::MAX).1
        } else {
            Some(slot)
        }
    }

    /// Deletes up to `limit` fields of a hash that have expired, and tells how many. The key is gone if nothing is left.
    #[cold]
    fn expire_fields(&mut self, key: &Key<'_>, slot: Slot, limit: usize) -> (usize, Option<Slot>) {
        let now = self.now.0;
        match self.typed::<Hash>(slot) {
            Ok(hash) if hash.next_expire().is_some_and(|due| due < now) => {}
            _ => return (0, Some(slot)),
        }
        let edited = self.edit(key, slot, |hash: &mut Hash| (hash.take_expired(now, limit), 0));
        let fields = edited.result;
        self.work.tallies.expired_fields += fields.len() as u64;
        self.notify(NotifyFlags::HASH, "hexpired", key.bytes);
        let Workspace { effects, long, .. } = &mut *self.work;
        if edited.is_gone {
            effect::put(effects, slot.db, Before::Unsaid, [&b"DEL"[..], key.bytes].into_iter(), long);
            self.notify(NotifyFlags::GENERIC, "del", key.bytes);
            return (fields.len(), None);
        }
        for fields in fields.chunks(FIELDS_PER_EFFECT) {
            let words = [&b"HDEL"[..], key.bytes];
            let words: Vec<&[u8]> = words.into_iter().chain(fields.iter().map(Vec::as_slice)).collect();
            effect::put(effects, slot.db, Before::Unsaid, words.into_iter(), long);
        }
        self.signal(slot.db, key);
        (fields.len(), Some(slot))
    }

    /// Deletes fields that have expired of a hash that may be on disk only, in the database with this namespace: `loaded` is
    /// what the current version says of the key. Tells how many; `None`: the key has to be looked at again.
    pub(in crate::store) fn wake(
        &mut self,
        namespace: NamespaceId,
        key: &Key<'_>,
        loaded: (NewValue<'_>, Option<u64>, u32),
    ) -> Option<usize> {
        let (id, hasher) = (key.shard(), self.keyspace.hasher());
        let shard = self.locked.shard_mut(id);
        let Some(db) = shard.index_of(namespace) else { return Some(0) };
        let is_loading = shard.loading.has(namespace, key);
        let handle = match shard.table(db).look_up(key.hash, key.bytes) {
            Presence::Tombstone(_) => return Some(0),
            Presence::Live(entry) => entry.handle(),
            Presence::Unknown if is_loading => return None,
            Presence::Unknown => shard.space_mut(db).install(hasher, key.hash, key.bytes, Some(loaded)),
        };
        self.select(db);
        Some(self.expire_fields(key, Slot { shard: id, db, handle }, FIELDS_WOKEN).0)
    }

    /// Deletes up to `limit` fields that have expired of one hash of the selected database in `shard`, that whose fields are
    /// due first, and tells how many. 0: there is none.
    pub fn delete_due_fields(&mut self, shard: ShardId, limit: usize) -> usize {
        let (db, due_before) = (self.index, self.now.0.saturating_sub(1));
        let Some(handle) = self.table(shard).first_inner_due(due_before) else { return 0 };
        let slot = Slot { shard, db, handle };
        let bytes = self.entry(slot).key().to_vec();
        let key = self.key(&bytes);
        self.expire_fields(&key, slot, limit).0
    }
}
