//! Taking back what an operation has done: for scripts that turn out to need shards which they do not hold.
//!
//! * While an operation can be taken back, the first change of each key keeps what the key was: a clone of its value, which is
//!   a freeze for big ones, its expiry and its access bits. `changing`, `insert` and `take_out` are the only ways to change a key, and
//!   they all ask [`Db::remember`] first.
//! * Taking back changes the keys once more, in the way that every change is made, so a round in progress has captured them as
//!   they were, and they stay dirty: the next round writes them although nothing is new. Nothing of it is logged: what was staged is
//!   dropped.
//! * What cannot be taken back: a watcher's flag that was set stays set (its EXEC fails, as after any change of the key), and access
//!   times of keys that were only read.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

use super::{Db, DbIndex, Key, Slot, Tallies};
use crate::store::effect::Before;
use crate::store::entry::{NewValue, Value};
use crate::store::notify::Event;
use crate::store::object::Object;
use crate::store::table::Entry;

/// A value that is kept for the case that its change is taken back.
enum Kept {
    Int(i64),
    Bytes(Box<[u8]>, bool),
    Object(Object),
}

/// What a key was.
struct Was {
    hash: u64,
    /// `None`: it did not exist.
    before: Option<(Kept, Option<u64>, u32)>,
}

/// Everything that an operation has to be taken back to.
#[derive(Default)]
pub(super) struct Undo {
    /// Can the operation be taken back?
    pub(super) is_on: bool,
    keys: HashMap<(DbIndex, Box<[u8]>), Was>,
    effects: usize,
    events: usize,
    nested: usize,
    tallies: Tallies,
}

impl Was {
    fn of(hash: u64, entry: Option<Entry<'_>>) -> Self {
        let before = entry.map(|entry| {
            let value = match entry.value() {
                Value::Int(number) => Kept::Int(number),
                Value::Bytes { bytes, raw } => Kept::Bytes(bytes.into(), raw),
                Value::Object(object) => Kept::Object(object.clone()),
            };
            (value, entry.expire_at(), entry.access())
        });
        Was { hash, before }
    }
}

impl Db<'_> {
    /// What the operation does from here on can be taken back with [`Db::take_back`].
    pub fn allow_taking_back(&mut self) {
        let work = &mut *self.work;
        let undo = &mut work.undo;
        undo.keys.clear();
        undo.is_on = true;
        (undo.effects, undo.events, undo.nested) = (work.effects.len(), work.events.len(), work.nested.len());
        undo.tallies = work.tallies;
    }

    /// What was done stays.
    pub fn keep_changes(&mut self) {
        let undo = &mut self.work.undo;
        undo.is_on = false;
        if undo.keys.is_empty() {
            return;
        }
        // Of a big value that the operation took apart this is all that there still is of it.
        let objects = std::mem::take(&mut undo.keys).into_values().filter_map(|was| match was.before {
            Some((Kept::Object(object), ..)) => Some(object),
            _ => None,
        });
        self.work.garbage.extend(objects);
    }

    /// Keeps what a key is before its first change. `slot`: where it is; `None`: it does not exist.
    #[cold]
    pub(super) fn remember(&mut self, db: DbIndex, hash: u64, key: Option<&[u8]>, slot: Option<Slot>) {
        let mut undo = std::mem::take(&mut self.work.undo);
        let entry = slot.map(|slot| self.entry(slot));
        if let Some(name) = key.or(entry.as_ref().map(|entry| entry.key()))
            && let Place::Vacant(place) = undo.keys.entry((db, name.into()))
        {
            place.insert(Was::of(hash, entry));
        }
        self.work.undo = undo;
    }

    /// Makes the dataset what it was when [`Db::allow_taking_back`] was called.
    pub fn take_back(&mut self) {
        let undo = std::mem::take(&mut self.work.undo);
        if !undo.is_on {
            return;
        }
        let selected = self.index;
        for ((db, name), was) in undo.keys {
            self.index = db;
            let key = Key { bytes: &name, hash: was.hash };
            self.restore(&key, was.before);
        }
        self.index = selected;
        let work = &mut *self.work;
        work.effects.truncate(undo.effects);
        let undone = work.events.split_off(undo.events);
        work.events.extend(undone.into_iter().filter(Event::outlives_undo));
        work.nested.truncate(undo.nested);
        work.ready.clear();
        work.tallies = undo.tallies;
        (self.dirty, self.writes, self.before, self.rewritten) = (0, 0, Before::Unsaid, false);
    }

    fn restore(&mut self, key: &Key<'_>, before: Option<(Kept, Option<u64>, u32)>) {
        let shard = key.shard();
        let found = self.table(shard).find(key.hash, key.bytes);
        let slot = found.map(|handle| Slot { shard, db: self.index, handle });
        match (slot, before) {
            (None, None) => {}
            (Some(slot), None) => {
                let hasher = self.keyspace.hasher();
                let shard = self.locked.shard_mut(shard);
                shard.enter(self.epoch);
                let old = shard.delete(hasher, slot.db, key.hash, slot.handle);
                self.bury(old);
            }
            (slot, Some((value, expire, access))) => {
                let value = match &value {
                    Kept::Int(number) => NewValue::Int(*number),
                    Kept::Bytes(bytes, raw) => NewValue::Bytes(bytes, *raw),
                    Kept::Object(object) => NewValue::Object(object.clone()),
                };
                let slot = match slot {
                    None => self.insert(key, value, super::Expiry::Clear),
                    Some(slot) => {
                        let table = self.changing(key.hash, slot);
                        let (handle, old) = table.set_value(key.hash, slot.handle, value);
                        self.bury(old);
                        Slot { handle, ..slot }
                    }
                };
                let table = self.changing(key.hash, slot);
                let handle = table.set_expire(key.hash, slot.handle, expire);
                table.set_access(handle, access);
            }
        }
    }
}

#[cfg(test)]
mod tests;
