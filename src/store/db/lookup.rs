//! Finding keys: what has expired is deleted before the answer, the access is noted, and reads are counted as hits and misses.

use super::{Db, Key, Slot, StringRef, WrongType};
use crate::config::values::NotifyFlags;
use crate::store::ShardId;
use crate::store::effect::{self, Before};
use crate::store::entry::Value;

impl Db<'_> {
    /// Finds a key for a command that writes: expired keys are deleted first, hits and misses are not counted.
    #[inline]
    pub fn find(&mut self, key: &Key<'_>) -> Option<Slot> {
        self.look_up(key, self.touches)
    }

    /// Finds a key for a command that reads: as [`Db::find`], and the hit or miss is counted.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, self.touches);
        self.count(key, slot.is_some());
        slot
    }

    /// Finds a key for a command that asks about it and does not use it (TTL, TYPE, EXISTS, OBJECT): as [`Db::read`], but
    /// the access time and frequency stay.
    pub fn peek(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, false);
        self.count(key, slot.is_some());
        slot
    }

    /// Finds a key as [`Db::peek`] does, and a miss is no event (OBJECT).
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, false);
        self.work.tallies.hits += u64::from(slot.is_some());
        self.work.tallies.misses += u64::from(slot.is_none());
        slot
    }

    /// Finds a key as [`Db::read`] does, and notes the access even for a client that asked not to (TOUCH).
    pub fn touch(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, true);
        self.count(key, slot.is_some());
        slot
    }

    /// Finds a key and deletes it instead if it has expired; notes the access if `touches`.
    #[inline]
    pub(super) fn look_up(&mut self, key: &Key<'_>, touches: bool) -> Option<Slot> {
        self.look_up_with(key, touches, |slot, _| slot)
    }

    /// As [`Db::look_up`], and gives the value to `then`: who wants that, too, need not resolve the slot once more.
    #[inline]
    pub(super) fn look_up_with<R>(
        &mut self,
        key: &Key<'_>,
        touches: bool,
        then: impl FnOnce(Slot, Value<'_>) -> R,
    ) -> Option<R> {
        let shard = key.shard();
        let table = self.locked.shard_mut(shard).table_mut(self.index);
        let entry = table.find_entry(key.hash, key.bytes)?;
        let slot = Slot { shard, db: self.index, handle: entry.handle() };
        if entry.has_expired(self.now) {
            self.delete_expired(key, slot);
            return None;
        }
        let value = table.use_value(slot.handle, touches.then_some(self.access));
        Some(then(slot, value))
    }

    /// Reads a string key and gives it to `then`: [`Db::read_string`], a little faster.
    #[inline]
    pub fn with_string<R>(
        &mut self,
        key: &Key<'_>,
        then: impl FnOnce(StringRef<'_>) -> R,
    ) -> Result<Option<R>, WrongType> {
        let found = self.look_up_with(key, self.touches, |_, value| StringRef::of(value).map(then));
        self.count(key, found.is_some());
        found.transpose()
    }

    /// Reads a string key: [`Db::read`], then [`Db::string`].
    #[inline]
    pub fn read_string(&mut self, key: &Key<'_>) -> Result<Option<StringRef<'_>>, WrongType> {
        match self.read(key) {
            Some(slot) => self.string(slot).map(Some),
            None => Ok(None),
        }
    }

    /// Counts reads of keys that were looked up with [`Db::find`] because the command might have had to run again. `missed` are those
    /// of the misses that subscribers are told of.
    pub fn count_reads(&mut self, hits: u64, misses: u64, missed: &[Vec<u8>]) {
        self.work.tallies.hits += hits;
        self.work.tallies.misses += misses;
        missed.iter().for_each(|key| self.notify(NotifyFlags::KEY_MISS, "keymiss", key));
    }

    /// Counts the hit or the miss of a read.
    #[inline]
    pub(super) fn count(&mut self, key: &Key<'_>, is_hit: bool) {
        if is_hit {
            self.work.tallies.hits += 1;
        } else {
            self.work.tallies.misses += 1;
            self.notify(NotifyFlags::KEY_MISS, "keymiss", key.bytes);
        }
    }

    /// Deletes a key whose time has passed and logs the deletion.
    #[cold]
    pub fn delete_expired(&mut self, key: &Key<'_>, slot: Slot) {
        self.take_out(slot, key);
        self.work.tallies.expired += 1;
        let index = slot.db;
        self.notify(NotifyFlags::EXPIRED, "expired", key.bytes);
        let words = [&b"DEL"[..], key.bytes].into_iter();
        effect::put(&mut self.work.effects, index, Before::Unsaid, words, &self.work.long);
    }

    /// Deletes one key of the selected database in `shard` whose time has passed. False: there is none.
    pub fn delete_one_due(&mut self, shard: ShardId) -> bool {
        let (db, due_before) = (self.index, self.now.0.saturating_sub(1));
        let Some(handle) = self.table(shard).first_due(due_before) else { return false };
        let slot = Slot { shard, db, handle };
        let bytes = self.entry(slot).key().to_vec();
        let key = self.key(&bytes);
        self.delete_expired(&key, slot);
        true
    }

    /// A random key of `shard` in the selected database, for eviction: its bytes, access bits and expiry. `earliest` asks
    /// for the one that expires first instead.
    pub fn sample(&self, shard: ShardId, random: u64, earliest: bool) -> Option<(&[u8], u32, Option<u64>)> {
        let table = self.table(shard);
        let handle = if earliest { table.first_due(u64::MAX) } else { table.random(random) }?;
        let entry = table.entry(handle);
        Some((entry.key(), entry.access(), entry.expire_at()))
    }
}
