//! Values that are not strings: reading them, and changing them in place.

use super::{Db, Expiry, Key, Slot, WrongType};
use crate::store::entry::{NewValue, Value};
use crate::store::object::Typed;

/// What became of a value that was edited.
#[derive(Debug)]
pub struct Edited<R> {
    /// What the edit returned.
    pub result: R,
    /// Nothing was left of the value, so the key is gone. (The command then notifies of `del`.)
    pub is_gone: bool,
}

/// A value as the type that a command works on.
#[inline]
fn typed<T: Typed>(value: Value<'_>) -> Result<&T, WrongType> {
    match value {
        Value::Object(object) => T::of(object).ok_or(WrongType),
        Value::Int(_) | Value::Bytes { .. } => Err(WrongType),
    }
}

impl Db<'_> {
    /// The value in a slot as the type that the command works on.
    #[inline]
    pub fn typed<T: Typed>(&self, slot: Slot) -> Result<&T, WrongType> {
        typed(self.value(slot))
    }

    /// Finds a key for a command that reads it as a `T`: [`Db::read`], then [`Db::typed`].
    #[inline]
    pub fn read_typed<T: Typed>(&mut self, key: &Key<'_>) -> Result<Option<&T>, WrongType> {
        match self.read(key) {
            Some(slot) => self.typed(slot).map(Some),
            None => Ok(None),
        }
    }

    /// Finds a key for a command that writes it as a `T`: [`Db::find`], and that it is one.
    #[inline]
    pub fn find_typed<T: Typed>(&mut self, key: &Key<'_>) -> Result<Option<Slot>, WrongType> {
        let found = self.look_up_with(key, self.touches, |slot, value| typed::<T>(value).map(|_| slot));
        found.transpose()
    }

    /// Changes the value in a slot that [`Db::find_typed`] gave for this key and type.
    ///
    /// `edit` returns its result and how many changes it made (what Redis adds to `dirty`). With none the dataset is as it was:
    /// nothing is logged and nobody is told. A value of which nothing is left takes its key with it.
    pub fn edit<T: Typed, R>(
        &mut self,
        key: &Key<'_>,
        slot: Slot,
        edit: impl FnOnce(&mut T) -> (R, u64),
    ) -> Edited<R> {
        let (result, changes, is_gone) = self.edit_object(key, slot, |value: &mut T| {
            let (result, changes) = edit(value);
            (result, changes, value.is_nothing())
        });
        self.changed(key, slot.db, changes);
        if is_gone {
            self.take_out(slot, key);
        }
        Edited { result, is_gone }
    }

    /// As [`Db::edit`], for what is kept beside the value proper, such as the consumers of a stream: the changes are logged, but
    /// nobody who watches the key or waits for it is told.
    pub fn edit_quietly<T: Typed, R>(
        &mut self,
        key: &Key<'_>,
        slot: Slot,
        edit: impl FnOnce(&mut T) -> (R, u64),
    ) -> R {
        let (result, changes) = self.edit_object(key, slot, edit);
        self.dirty += changes;
        result
    }

    /// Tells whoever is interested in a key of a change, although there is none: Redis does for some commands.
    pub fn tell_unchanged(&mut self, key: &Key<'_>, slot: Slot) {
        self.signal(slot.db, key);
    }

    fn edit_object<T: Typed, R>(&mut self, key: &Key<'_>, slot: Slot, edit: impl FnOnce(&mut T) -> R) -> R {
        let edited = self.changing(key.hash, slot).edit_object(slot.handle, |object| {
            edit(T::of_mut(object).expect("the slot was found as this type"))
        });
        edited.expect("a value of a type is an object")
    }

    /// Creates a key with a value. One of which there is nothing is not created.
    pub fn create<T: Typed>(&mut self, key: &Key<'_>, value: T, changes: u64) -> Option<Slot> {
        if value.is_nothing() {
            return None;
        }
        let slot = self.set(key, None, NewValue::Object(value.into_object()), Expiry::Clear);
        self.dirty += changes.saturating_sub(1);
        Some(slot)
    }

    /// [`Db::edit`]s the value of a key, or [`Db::create`]s the key with what `edit` makes of `new`. `slot` is what
    /// [`Db::find_typed`] gave.
    pub fn edit_or_create<T: Typed, R>(
        &mut self,
        key: &Key<'_>,
        slot: Option<Slot>,
        new: impl FnOnce() -> T,
        edit: impl FnOnce(&mut T) -> (R, u64),
    ) -> R {
        if let Some(slot) = slot {
            return self.edit(key, slot, edit).result;
        }
        let mut value = new();
        let (result, changes) = edit(&mut value);
        self.create(key, value, changes);
        result
    }

    /// Puts a value under a key, whatever was there before (the `STORE` of SORT, the destination of SUNIONSTORE). Nothing of a
    /// value deletes the key. Says whether there is a key now.
    pub fn replace<T: Typed>(&mut self, key: &Key<'_>, value: T) -> bool {
        let slot = self.find(key);
        if value.is_nothing() {
            if let Some(slot) = slot {
                self.remove(key, slot);
            }
            return false;
        }
        let slot = self.set(key, slot, NewValue::Object(value.into_object()), Expiry::Clear);
        self.clear_later(key, slot);
        true
    }
}
