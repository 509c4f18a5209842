//! Changing keys.
//!
//! * Every change of an entry goes through [`Db::changing`] or the shard's own `delete`: capture before write, then the
//!   dirty mark, then the change (C1).

use std::borrow::Cow;
use std::sync::Arc;

use super::{Db, Expiry, Key, Slot, WrongType};
use crate::config::values::NotifyFlags;
use crate::rdb;
use crate::store::UnixMs;
use crate::store::effect::Before;
use crate::store::entry::{INLINE_MAX, NewValue, Value};
use crate::store::object::Object;
use crate::store::table::Table;
use crate::types::string::encoding::EMBSTR_MAX;

impl Db<'_> {
    /// Writes a value under a key that was looked up before: `slot` is what the lookup gave.
    #[inline]
    pub fn set(&mut self, key: &Key<'_>, slot: Option<Slot>, value: NewValue<'_>, expiry: Expiry) -> Slot {
        self.dirty += 1;
        self.writes += 1;
        self.signal(slot.map_or(self.index, |slot| slot.db), key);
        let value = match value {
            NewValue::Bytes(bytes, _) => match self.work.long.copy_of(bytes) {
                None => value,
                Some(copy) => NewValue::Shared(copy.clone()),
            },
            value => value,
        };
        let Some(slot) = slot else {
            self.before = Before::Absent;
            return self.insert(key, value, expiry);
        };
        self.overwrite(key, slot, value, expiry)
    }

    /// [`Db::set`] for a key that exists, and nobody is told.
    #[inline]
    fn overwrite(&mut self, key: &Key<'_>, slot: Slot, value: NewValue<'_>, expiry: Expiry) -> Slot {
        let table = self.changing(key.hash, slot);
        let had_expiry = table.entry(slot.handle).expire_at().is_some();
        let (mut handle, old) = table.set_value(key.hash, slot.handle, value);
        let expires = match expiry {
            Expiry::Keep => None,
            Expiry::Clear => had_expiry.then_some(None),
            Expiry::At(at) => Some(Some(at.0)),
        };
        if let Some(expires) = expires {
            handle = table.set_expire(key.hash, handle, expires);
        }
        self.before = if had_expiry { Before::Expiring } else { Before::Lasting };
        self.bury(old);
        Slot { handle, ..slot }
    }

    /// Writes a value that comes from a dump or a file, with [`Db::set`].
    pub fn set_object(
        &mut self,
        key: &Key<'_>,
        slot: Option<Slot>,
        object: rdb::Object<'_>,
        expiry: Expiry,
    ) -> Slot {
        match object {
            rdb::Object::Int(number) => self.set(key, slot, NewValue::Int(number), expiry),
            // No copy under the lock of what need not be one.
            rdb::Object::String(Cow::Owned(bytes)) if bytes.len() > INLINE_MAX => {
                self.set(key, slot, NewValue::Shared(Arc::new(bytes)), expiry)
            }
            rdb::Object::String(bytes) => self.set(key, slot, NewValue::Bytes(&bytes, false), expiry),
            rdb::Object::Collection(value) => self.set(key, slot, NewValue::Object(value.into()), expiry),
        }
    }

    pub(super) fn insert(&mut self, key: &Key<'_>, value: NewValue<'_>, expiry: Expiry) -> Slot {
        let shard = key.shard();
        if self.work.undo.is_on {
            self.remember(self.index, key.hash, Some(key.bytes), None);
        }
        let expire = if let Expiry::At(at) = expiry { Some(at.0) } else { None };
        let access = self.access.fresh();
        let (hasher, db, hash) = (self.keyspace.hasher(), self.index, key.hash);
        let shard_data = self.locked.shard_mut(shard);
        shard_data.enter(self.epoch);
        let state = shard_data.added();
        let handle = match shard_data.table(db).find_tombstone(hash, key.bytes) {
            Some(handle) => {
                shard_data.change(db, hash, handle);
                shard_data.table_mut(db).revive(hash, handle, value, expire, access)
            }
            None => shard_data.table_mut(db).insert(hasher, hash, key.bytes, value, (expire, access, state)),
        };
        self.notify(NotifyFlags::NEW, "new", key.bytes);
        Slot { shard, db, handle }
    }

    /// The table of a key that is about to be changed: it has been captured if a round needs it as it was, and it is dirty.
    #[inline]
    pub(super) fn changing(&mut self, hash: u64, slot: Slot) -> &mut Table {
        if self.work.undo.is_on {
            self.remember(slot.db, hash, None, Some(slot));
        }
        let shard = self.locked.shard_mut(slot.shard);
        shard.enter(self.epoch);
        shard.change(slot.db, hash, slot.handle);
        shard.table_mut(slot.db)
    }

    /// Replaces an integer by another.
    #[inline]
    pub fn set_int(&mut self, key: &Key<'_>, slot: Option<Slot>, number: i64) -> Slot {
        if let Some(slot) = slot
            && self.table_of(slot).holds_int(slot.handle)
        {
            self.changing(key.hash, slot).set_int_in_place(slot.handle, number);
            self.changed(key, slot.db, 1);
            return slot;
        }
        self.set(key, slot, NewValue::Int(number), Expiry::Keep)
    }

    /// Edits a string as a growable buffer (empty when there is no key yet) and stores it with the raw encoding, as
    /// APPEND, SETRANGE and SETBIT do. The time to live stays.
    ///
    /// `edit` returns its result and how many changes it made. None at all is no change of the dataset, of which anybody is
    /// told; but it is logged if the string was not raw before: what OBJECT ENCODING shows must come back. Creating a key must
    /// be a change.
    pub fn edit_string<R>(
        &mut self,
        key: &Key<'_>,
        slot: Option<Slot>,
        edit: impl FnOnce(&mut Vec<u8>) -> (R, u64),
    ) -> Result<R, WrongType> {
        let (mut buffer, is_raw) = match slot.map(|slot| (slot, self.value(slot))) {
            None => (Vec::new(), false),
            Some((_, Value::Int(number))) => (itoa::Buffer::new().format(number).as_bytes().to_vec(), false),
            Some((_, Value::Bytes { bytes, raw })) => (bytes.to_vec(), raw || bytes.len() > EMBSTR_MAX),
            Some((slot, Value::Object(Object::String(_)))) => {
                let edited = self.changing(key.hash, slot).edit_object(slot.handle, |object| match object {
                    Object::String(shared) => edit(Arc::make_mut(shared)),
                    _ => unreachable!("it was a string a moment ago"),
                });
                let (result, changes) = edited.expect("it is an object");
                self.changed(key, slot.db, changes);
                return Ok(result);
            }
            Some((_, Value::Object(_))) => return Err(WrongType),
        };
        let (result, changes) = edit(&mut buffer);
        debug_assert!(changes > 0 || slot.is_some(), "a new key is a change");
        if changes == 0 && is_raw {
            return Ok(result);
        }
        let value = if buffer.len() > INLINE_MAX {
            NewValue::Shared(Arc::new(buffer))
        } else {
            NewValue::Bytes(&buffer, true)
        };
        match slot {
            Some(slot) if changes == 0 => {
                self.dirty += 1;
                self.writes += 1;
                self.overwrite(key, slot, value, Expiry::Keep);
            }
            _ => {
                self.set(key, slot, value, Expiry::Keep);
                self.dirty += changes.saturating_sub(1);
            }
        }
        Ok(result)
    }

    /// A string over `len_max` bytes that is about to be edited, if [`Db::edit_string`] would copy all of it: others share it, a
    /// round needs it as it is, or it has no room for `capacity` bytes.
    pub fn moving_string(
        &mut self,
        key: &Key<'_>,
        slot: Slot,
        len_max: usize,
        capacity: usize,
    ) -> Option<Arc<Vec<u8>>> {
        let Value::Object(Object::String(bytes)) = self.value(slot) else { return None };
        if bytes.len() <= len_max {
            return None;
        }
        let (must_move, bytes) = (Arc::strong_count(bytes) > 1 || bytes.capacity() < capacity, bytes.clone());
        let shard = self.locked.shard_mut(slot.shard);
        shard.enter(self.epoch);
        (must_move || shard.needs_capture(slot.db, key.hash, slot.handle)).then_some(bytes)
    }

    /// Puts a copy that nobody shares in the place of what [`Db::moving_string`] gave.
    pub fn exchange_string(&mut self, key: &Key<'_>, slot: Slot, copy: Arc<Vec<u8>>) {
        let exchange = |object: &mut Object| std::mem::replace(object, Object::String(copy));
        let old = self.changing(key.hash, slot).edit_object(slot.handle, exchange);
        self.bury(old);
    }

    /// Leaves to others what was taken out of a value, if it is big: they free it when the locks are released.
    pub fn discard(&mut self, part: Object) {
        self.bury(Some(part));
    }

    /// Puts the value and the expiry of `source` under `key` of the selected database, in the place of `target`, which is
    /// what the lookup of `key` gave. A big value is shared until one of the two is changed. The access time is new.
    pub fn copy(&mut self, source: Slot, key: &Key<'_>, target: Option<Slot>) -> Slot {
        let expiry = self.expire_at(source).map_or(Expiry::Clear, Expiry::At);
        let copied = match self.value(source) {
            Value::Int(number) => self.set(key, target, NewValue::Int(number), expiry),
            Value::Bytes { bytes, raw } => {
                let bytes = bytes.to_vec();
                self.set(key, target, NewValue::Bytes(&bytes, raw), expiry)
            }
            Value::Object(object) => {
                let object = object.clone();
                self.set(key, target, NewValue::Object(object), expiry)
            }
        };
        self.set_access(copied, self.access.fresh());
        self.clear_later(key, copied);
        copied
    }

    /// Puts `source` under another name or into another database: as [`Db::copy`], but the access time moves too, and
    /// `old`, the key of `source`, is gone.
    pub fn rename(&mut self, old: &Key<'_>, source: Slot, new: &Key<'_>, target: Option<Slot>) {
        let access = self.entry(source).access();
        let moved = self.copy(source, new, target);
        self.set_access(moved, access);
        self.take_out(source, old);
    }

    /// Deletes a key.
    #[inline]
    pub fn remove(&mut self, key: &Key<'_>, slot: Slot) {
        self.take_out(slot, key);
        self.dirty += 1;
    }

    /// Deletes a key that is on disk only and whose time has passed. RAM says nothing of it, and the current version says
    /// `expire`.
    pub(in crate::store) fn delete_expired_cold(&mut self, key: &Key<'_>, expire: UnixMs) {
        let shard = key.shard();
        let space = self.locked.shard_mut(shard).space_mut(self.index);
        // Its value is not needed any more.
        let gone = Some((NewValue::Bytes(b"", false), Some(expire.0), 0));
        let handle = space.install(self.keyspace.hasher(), key.hash, key.bytes, gone);
        self.delete_expired(key, Slot { shard, db: self.index, handle });
    }

    pub(super) fn take_out(&mut self, slot: Slot, key: &Key<'_>) {
        self.signal(slot.db, key);
        if self.work.undo.is_on {
            self.remember(slot.db, key.hash, None, Some(slot));
        }
        let hasher = self.keyspace.hasher();
        let shard = self.locked.shard_mut(slot.shard);
        shard.enter(self.epoch);
        let old = shard.delete(hasher, slot.db, key.hash, slot.handle);
        self.bury(old);
    }

    /// Sets or clears when a key expires.
    pub fn set_expire(&mut self, key: &Key<'_>, slot: Slot, at: Option<UnixMs>) -> Slot {
        self.changed(key, slot.db, 1);
        let handle = self.changing(key.hash, slot).set_expire(key.hash, slot.handle, at.map(|at| at.0));
        Slot { handle, ..slot }
    }

    /// Sets a key's access time or frequency (RESTORE IDLETIME, COPY).
    pub fn set_access(&mut self, slot: Slot, access: u32) {
        self.table_of(slot).set_access(slot.handle, access);
    }

    pub(super) fn bury(&mut self, old: Option<Object>) {
        if let Some(old) = old {
            self.work.garbage.push(old);
        }
    }
}
