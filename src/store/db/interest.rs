//! Telling who is interested in keys of their changes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Db, Key};
use crate::store::interest::{Blocked, NamedKey};
use crate::store::{DbIndex, ShardId, UnixMs};

impl Db<'_> {
    /// Tells whoever is interested in the key that it has changed, was created, or is gone.
    #[inline]
    pub(super) fn signal(&mut self, db: DbIndex, key: &Key<'_>) {
        if self.tracks {
            self.tell_trackers(key);
        }
        if !self.locked.shard(key.shard()).interest.is_empty() {
            self.tell(db, key);
        }
    }

    #[cold]
    fn tell(&mut self, db: DbIndex, key: &Key<'_>) {
        if self.locked.shard_mut(key.shard()).interest.changed(db, key) {
            self.note_ready(NamedKey::of(db, key));
        }
    }

    /// Notes that a key has changed that somebody waits for.
    pub fn note_ready(&mut self, key: NamedKey) {
        if !self.work.ready.contains(&key) {
            self.work.ready.push_back(key);
        }
    }

    // ----- WATCH -----

    /// Has `changed` set when the key changes from now on. Returns when it expires.
    pub fn watch(&mut self, key: &Key<'_>, changed: &Arc<AtomicBool>) -> Option<UnixMs> {
        let slot = self.look_up(key, false);
        let index = self.index;
        self.locked.shard_mut(key.shard()).interest.watch(index, key, changed, slot.is_some());
        slot.and_then(|slot| self.expire_at(slot))
    }

    /// Ends that.
    pub fn unwatch(&mut self, key: &NamedKey, changed: &Arc<AtomicBool>) {
        self.locked.shard_mut(key.shard()).interest.unwatch(key.db, &key.key(), changed);
    }

    // ----- waiting -----

    /// Puts a client in the lines for its keys.
    pub fn wait(&mut self, blocked: &Arc<Blocked>) {
        for key in &blocked.keys {
            self.locked.shard_mut(key.shard()).interest.wait(key.db, &key.key(), blocked);
            self.keyspace.count_links(blocked, 1);
        }
    }

    /// Takes a client out of the line for a key.
    pub fn stop_waiting(&mut self, key: &NamedKey, blocked: &Arc<Blocked>) {
        if self.locked.shard_mut(key.shard()).interest.stop_waiting(key.db, &key.key(), blocked) {
            self.keyspace.count_links(blocked, -1);
        }
    }

    /// Number `nth` in the line for a key.
    pub fn in_line(&self, key: &NamedKey, nth: usize) -> Option<Arc<Blocked>> {
        self.locked.shard(key.shard()).interest.in_line(key.db, &key.key(), nth)
    }

    /// Has a key changed that somebody waits for?
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.work.ready.is_empty()
    }

    /// The next key that has changed and that somebody waits for, if its shard is held.
    pub fn next_ready(&mut self) -> Option<NamedKey> {
        let held = self.locked.set();
        let at = self.work.ready.iter().position(|key| held.contains(key.shard()))?;
        self.work.ready.remove(at)
    }

    /// Begins to serve a client of the line for a key: works in the key's database, and says anew what is replaced.
    pub fn begin_serving(&mut self, key: &NamedKey) {
        self.index = key.db;
        self.stage(std::iter::empty(), key.db);
    }

    /// Brings into RAM what serving clients of the shards that are held may need besides their keys.
    pub fn bring_in_links(&mut self) -> Result<(), String> {
        let links = self.keyspace.links(&self.locked);
        links.iter().try_for_each(|key| self.bring_in(key.db, &key.key()))
    }

    // ----- whole databases -----

    /// Tells who is interested in keys of a database that is being emptied.
    pub(super) fn tell_emptied(&mut self, shard: ShardId, db: DbIndex) {
        let interest = &mut self.locked.shard_mut(shard).interest;
        if !interest.is_empty() {
            let awaited = interest.emptied(db);
            awaited.into_iter().for_each(|key| self.note_ready(key));
        }
    }

    /// Tells who is interested in keys of database `a` that `b` is about to be put in its place. What is looked at of `b` is then
    /// in RAM. A key that can't be read counts as there.
    pub(super) fn tell_exchanged(&mut self, shard: ShardId, a: DbIndex, b: DbIndex) {
        let interest = &self.locked.shard(shard).interest;
        let keys: Vec<_> = if interest.is_empty() { Vec::new() } else { interest.keys_of(a).collect() };
        let selected = std::mem::replace(&mut self.index, b);
        for (key, is_watched, is_awaited) in keys {
            let exists = self.bring_in(b, &key.key()).is_err() || self.look_up(&key.key(), false).is_some();
            if is_watched {
                self.locked.shard_mut(shard).interest.exchanged(&key, exists);
            }
            if is_awaited {
                self.note_ready(key);
            }
        }
        self.index = selected;
    }
}
