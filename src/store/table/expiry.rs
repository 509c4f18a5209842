//! When a table's keys expire: the time in the entry, and an index over all of them.
//!
//! The index holds exactly the handles of the entries that have an expiry, each under its time. Whatever moves or removes such an
//! entry tells it.

use super::{Handle, Table, entry};
use crate::store::entry::Layout;

impl Table {
    /// Keys with an expiry.
    pub fn expires_len(&self) -> usize {
        self.expires.as_ref().map_or(0, |index| index.len())
    }

    /// The sum of all expiry times in unix milliseconds, for the mean time to live.
    pub fn expires_sum_ms(&self) -> u128 {
        self.expires.as_ref().map_or(0, |index| index.sum_ms())
    }

    /// The earliest expiry, in unix milliseconds.
    pub fn next_due(&self) -> Option<u64> {
        Some(self.expires.as_ref()?.first()?.0)
    }

    /// The key that expires first, if that is at or before `now_ms`.
    pub fn first_due(&self, now_ms: u64) -> Option<Handle> {
        let (when_ms, handle) = self.expires.as_ref()?.first()?;
        (when_ms <= now_ms).then_some(handle)
    }

    /// Sets, changes or clears the expiry, in unix milliseconds. The handle may change.
    pub fn set_expire(&mut self, hash: u64, handle: Handle, expire: Option<u64>) -> Handle {
        let bytes = self.arena.bytes(handle);
        let old = entry::expire(bytes);
        if old == expire {
            return handle;
        }
        let value_len = entry::value(bytes).len();
        let old_size = Layout::of(bytes).value_at() + value_len;
        let size = Layout::plan(entry::key(bytes).len(), expire).value_at() + value_len;
        let mut now = handle;
        if size < old_size {
            entry::set_expire(self.arena.bytes_mut(handle), value_len, expire);
        }
        if !self.arena.fits(handle, size) {
            now = self.arena.alloc(size);
            self.arena.copy(handle, now, size.min(old_size));
            self.relink(hash, handle, now);
        }
        if size >= old_size {
            entry::set_expire(self.arena.bytes_mut(now), value_len, expire);
        }
        let inner_due = self.inner_due_of(now);
        self.inner_changes((inner_due, handle), (inner_due, now));
        if let Some(when_ms) = old {
            self.expire_ends(when_ms, handle);
        }
        if let Some(when_ms) = expire {
            self.expires.get_or_insert_default().insert(when_ms, now);
        }
        now
    }

    /// An entry that expires has another handle now.
    pub(super) fn expire_moves(&mut self, when_ms: u64, old: Handle, new: Handle) {
        let index = self.expires.as_deref_mut().expect("an entry with an expiry is in the index");
        index.remove(when_ms, old);
        index.insert(when_ms, new);
    }

    /// An entry no longer expires, or is gone.
    pub(super) fn expire_ends(&mut self, when_ms: u64, handle: Handle) {
        self.expires.as_deref_mut().expect("an entry with an expiry is in the index").remove(when_ms, handle);
    }
}
