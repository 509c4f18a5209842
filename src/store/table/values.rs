//! The values of a table's keys: in their entries, or as objects beside them.
//!
//! * Strings up to [`INLINE_MAX`] bytes and integers are in the entry, everything else is an [`Object`].
//! * What the objects take is counted as they come, change and go: nobody else changes one.
//! * When something inside a value expires, `inner` hears of every change.

use std::sync::Arc;

use super::{Handle, NewValue, Object, Stored, Table, entry};
use crate::store::entry::{INLINE_MAX, Layout};

impl Table {
    /// Replaces the value of a key, and gives the object that was its value. Expiry and access stay. The handle
    /// may change.
    pub fn set_value(&mut self, hash: u64, handle: Handle, value: NewValue<'_>) -> (Handle, Option<Object>) {
        let stored = self.store(value);
        self.set_stored(hash, handle, stored)
    }

    /// [`Table::set_value`] of what is in its stored form already.
    pub(super) fn set_stored(
        &mut self,
        hash: u64,
        handle: Handle,
        stored: Stored<'_>,
    ) -> (Handle, Option<Object>) {
        let bytes = self.arena.bytes(handle);
        let old = entry::object_index(bytes);
        let layout = Layout::of(bytes);
        let size = layout.value_at() + stored.len();
        let inner_due = (self.inner_due_of(handle), self.inner_due(&stored));
        let mut now = handle;
        if !self.arena.fits(handle, size) {
            now = self.arena.alloc(size);
            self.arena.copy(handle, now, layout.value_at());
            self.relink(hash, handle, now);
            if let Some(when_ms) = entry::expire(self.arena.bytes(now)) {
                self.expire_moves(when_ms, handle, now);
            }
        }
        entry::write_value(self.arena.bytes_mut(now), layout, stored);
        self.inner_changes((inner_due.0, handle), (inner_due.1, now));
        (now, old.map(|index| self.take_object(index)))
    }

    /// Is the value held as an integer?
    #[inline]
    pub fn holds_int(&self, handle: Handle) -> bool {
        entry::is_int(self.arena.bytes(handle))
    }

    /// Replaces the value by an integer without moving the entry; false, and nothing changed, if the value is not
    /// an integer already.
    #[inline]
    pub fn set_int_in_place(&mut self, handle: Handle, n: i64) -> bool {
        let bytes = self.arena.bytes_mut(handle);
        if !entry::is_int(bytes) {
            return false;
        }
        let layout = Layout::of(bytes);
        entry::write_value(bytes, layout, Stored::Int(n));
        true
    }

    /// The string in the entry, to change without changing its length; `None` if the value is not one.
    pub fn bytes_mut(&mut self, handle: Handle) -> Option<&mut [u8]> {
        entry::string_mut(self.arena.bytes_mut(handle))
    }

    /// Changes the value in place as an object; `None`, and `edit` is not called, if it is not one.
    pub fn edit_object<R>(&mut self, handle: Handle, edit: impl FnOnce(&mut Object) -> R) -> Option<R> {
        let index = entry::object_index(self.arena.bytes(handle))?;
        let object = &mut self.objects[index];
        let (before, old_due) = (object.memory_bytes(), object.next_expire());
        let result = edit(object);
        let new_due = object.next_expire();
        self.object_bytes = self.object_bytes - before + object.memory_bytes();
        self.inner_changes((old_due, handle), (new_due, handle));
        Some(result)
    }

    /// Gives a value the form that entries hold, storing it as an object if it is too long for one.
    #[inline]
    pub(super) fn store<'v>(&mut self, value: NewValue<'v>) -> Stored<'v> {
        match value {
            NewValue::Int(n) => Stored::Int(n),
            NewValue::Bytes(bytes, raw) if bytes.len() <= INLINE_MAX => Stored::Bytes(bytes, raw),
            NewValue::Bytes(bytes, _) => self.store_object(Object::String(Arc::new(bytes.to_vec()))),
            NewValue::Shared(bytes) => self.store_object(Object::String(bytes)),
            NewValue::Object(object) => self.store_object(object),
        }
    }

    fn store_object(&mut self, object: Object) -> Stored<'static> {
        self.object_bytes += object.memory_bytes();
        Stored::Object(self.objects.insert(object))
    }

    pub(super) fn take_object(&mut self, index: u32) -> Object {
        let object = self.objects.remove(index);
        self.object_bytes -= object.memory_bytes();
        object
    }
}
