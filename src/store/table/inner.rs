//! When something inside values expires: fields of hashes.
//!
//! An index like that of the keys' own expiry: it holds exactly the handles of entries whose objects say that something in
//! them expires ([`Object::next_expire`](crate::store::object::Object::next_expire)), each under the time of the first. Every
//! way for an object to enter a table, to change in it, to move or to leave it passes through [`Table::inner_changes`].

use super::{Handle, Stored, Table, entry};

impl Table {
    /// Keys with something inside that expires.
    pub fn inner_expires_len(&self) -> usize {
        self.inner_expires.as_ref().map_or(0, |index| index.len())
    }

    /// When the first thing inside any value expires, in unix milliseconds.
    #[inline]
    pub fn next_inner_due(&self) -> Option<u64> {
        Some(self.inner_expires.as_ref()?.first()?.0)
    }

    /// The key whose value has the thing that expires first, if that is at or before `now_ms`.
    pub fn first_inner_due(&self, now_ms: u64) -> Option<Handle> {
        let (when_ms, handle) = self.inner_expires.as_ref()?.first()?;
        (when_ms <= now_ms).then_some(handle)
    }

    /// When something inside a stored value expires.
    #[inline]
    pub(super) fn inner_due(&self, stored: &Stored<'_>) -> Option<u64> {
        if let Stored::Object(index) = *stored { self.objects[index].next_expire() } else { None }
    }

    /// When something inside an entry's value expires.
    #[inline]
    pub(super) fn inner_due_of(&self, handle: Handle) -> Option<u64> {
        entry::object_index(self.arena.bytes(handle)).and_then(|index| self.objects[index].next_expire())
    }

    /// An entry that was known as due at one time under one handle is due at another under another.
    #[inline]
    pub(super) fn inner_changes(&mut self, old: (Option<u64>, Handle), new: (Option<u64>, Handle)) {
        if old != new && (old.0.is_some() || new.0.is_some()) {
            self.reindex_inner(old, new);
        }
    }

    #[inline(never)]
    fn reindex_inner(&mut self, old: (Option<u64>, Handle), new: (Option<u64>, Handle)) {
        let index = self.inner_expires.get_or_insert_default();
        if let (Some(when_ms), handle) = old {
            index.remove(when_ms, handle);
        }
        if let (Some(when_ms), handle) = new {
            index.insert(when_ms, handle);
        }
        if index.is_empty() {
            self.inner_expires = None;
        }
    }
}

#[cfg(test)]
mod tests;
