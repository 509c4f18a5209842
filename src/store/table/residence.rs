//! How a table's entries stand to what is on disk: dirty marks, tombstones, loading and leaving RAM.
//!
//! * A table counts its dirty entries by the parity of the epoch, and a segment says whether it may hold any: capturing an
//!   epoch's changes reads only segments that were changed. Strays are few; they are always looked at.
//! * E2: [`Table::cool`] takes an entry out only when it is clean: what a published version says of its key is its latest state.
//! * Whether a change is preceded by a capture is the business of the shard, which knows the epoch.

use super::{Entry, Handle, NewValue, Object, State, Stored, Table, entry};
use crate::store::SHARD_BITS;
use crate::store::entry::{Parity, Value};
use crate::store::evict::AccessClock;
use crate::store::hash::KeyHasher;

/// What left RAM.
#[derive(Default)]
pub struct Cooled {
    /// Keys that exist, and are on disk now only.
    pub keys: usize,
    /// Those of them that expire.
    pub expires: usize,
    /// Bytes of their entries and objects.
    pub bytes: usize,
    /// Their objects, to be dropped outside the lock.
    pub objects: Vec<Object>,
}

/// Which clean entries the clock hand spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mercy {
    /// Those that were used since it last passed.
    pub used: bool,
    /// Those that were loaded and not used yet, at every pass and not only at the first.
    pub fresh: bool,
}

impl Table {
    /// Keys that are known not to exist, whatever the disk says.
    pub fn tombstones(&self) -> usize {
        self.tombstones
    }

    /// Entries that are dirty in the epoch with this parity.
    pub fn dirty(&self, parity: Parity) -> usize {
        self.dirty[parity.index()]
    }

    /// The state of an entry.
    #[inline]
    pub fn state(&self, handle: Handle) -> State {
        entry::state(self.arena.bytes(handle))
    }

    /// Changes the state of an entry; `hash` is its key's.
    #[inline]
    pub fn set_state(&mut self, hash: u64, handle: Handle, state: State) {
        let bytes = self.arena.bytes_mut(handle);
        let before = entry::state(bytes);
        entry::set_state(bytes, state);
        if before.dirty_bits() != state.dirty_bits() {
            self.count_dirty(before, state);
            if let Some(route) = self.route(hash) {
                self.segments[route.segment].note(state);
            }
        }
    }

    /// The value of an entry that a command asks for. Notes the use in the access bits, if it counts as one, and in the clock
    /// hand's bit; writes nothing where both are set already.
    #[inline]
    pub fn use_value(&mut self, handle: Handle, clock: Option<&AccessClock>) -> Value<'_> {
        let bytes = self.arena.bytes_mut(handle);
        if let Some(clock) = clock {
            let access = entry::access(bytes);
            let touched = clock.touch(access);
            if touched != access {
                entry::set_access(bytes, touched);
            }
        }
        // What was loaded for this command need not stay for it any longer, whatever it asks.
        let state = entry::state(bytes);
        if state.is_fresh() || clock.is_some() && !state.is_used() {
            entry::set_state(bytes, state.touched());
        }
        super::value_of(bytes, &self.objects)
    }

    pub(super) fn count_dirty(&mut self, before: State, after: State) {
        let (before, after) = (before.dirty_bits(), after.dirty_bits());
        for (index, count) in self.dirty.iter_mut().enumerate() {
            *count = *count + usize::from(after >> index & 1) - usize::from(before >> index & 1);
        }
    }

    /// Turns a key into a tombstone; gives the object that was its value. The handle may change.
    pub fn bury(&mut self, hash: u64, handle: Handle) -> (Handle, Option<Object>) {
        let handle = self.set_expire(hash, handle, None);
        let buried = self.set_stored(hash, handle, Stored::Tombstone);
        self.len -= 1;
        self.tombstones += 1;
        buried
    }

    /// Turns a tombstone into a key. The handle may change.
    pub fn revive(
        &mut self,
        hash: u64,
        handle: Handle,
        value: NewValue<'_>,
        expire: Option<u64>,
        access: u32,
    ) -> Handle {
        let (handle, _) = self.set_value(hash, handle, value);
        self.len += 1;
        self.tombstones -= 1;
        self.set_access(handle, access);
        self.set_expire(hash, handle, expire)
    }

    /// Adds what the disk says of a key that is not in the table: `None` is a tombstone.
    pub fn install(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        key: &[u8],
        loaded: Option<(NewValue<'_>, Option<u64>, u32)>,
    ) -> Handle {
        match loaded {
            Some((value, expire, access)) => {
                let stored = self.store(value);
                self.len += 1;
                self.add(hasher, hash, key, stored, (expire, access, State::LOADED))
            }
            None => {
                self.tombstones += 1;
                self.add(hasher, hash, key, Stored::Tombstone, (None, 0, State::ABSENT))
            }
        }
    }

    /// Visits entries that are dirty in the epoch with this parity, tombstones included, as [`Table::scan`] visits all.
    pub fn scan_dirty(
        &self,
        hasher: &KeyHasher,
        from: u64,
        parity: Parity,
        mut visit: impl FnMut(u64, Entry<'_>),
    ) -> Option<u64> {
        let from = self.next_dirty(from, parity)?;
        self.scan(hasher, from, |hash, entry| {
            if entry.state().is_dirty(parity) {
                visit(hash, entry);
            }
        })
    }

    /// The first position at or after `from` whose segment may hold dirty entries.
    fn next_dirty(&self, from: u64, parity: Parity) -> Option<u64> {
        if self.dirty(parity) == 0 {
            return None;
        }
        let mut at = from;
        while self.strays.is_empty() {
            let segment = self.route(at)?.segment;
            if self.segments[segment].may_be_dirty(parity) {
                break;
            }
            let last = self.last_hash_of_segment(segment, at);
            if last == at | u64::MAX >> SHARD_BITS {
                return None;
            }
            at = last + 1;
        }
        Some(at)
    }

    /// Ends an epoch's dirtiness for the entries of one step from `from`: `state` says what becomes of each. Clean tombstones
    /// go. Returns where to go on.
    pub fn settle(
        &mut self,
        hasher: &KeyHasher,
        from: u64,
        parity: Parity,
        state: impl Fn(State) -> State,
    ) -> Option<u64> {
        let mut found = Vec::new();
        let next = self.scan_dirty(hasher, from, parity, |hash, entry| {
            found.push((hash, entry.handle(), entry.is_tombstone()));
        });
        for (hash, handle, is_tombstone) in found {
            let settled = state(self.state(handle));
            if is_tombstone && settled.is_clean() {
                self.remove(hasher, hash, handle);
            } else {
                self.set_state(hash, handle, settled);
            }
        }
        next
    }

    /// Forgets which segments held entries dirty in an epoch of this parity, after all of them were settled.
    pub fn is_settled(&mut self, parity: Parity) {
        debug_assert_eq!(self.dirty(parity), 0, "no entry is dirty any more");
        for id in 0..self.segments.bound() as u32 {
            if self.segments.get(id).is_some() {
                self.segments[id].settle(parity);
            }
        }
    }

    /// The clock hand passes one bucket from `from` on: clean entries that it does not spare leave RAM (E2). Returns where to
    /// go on.
    pub fn cool(&mut self, hasher: &KeyHasher, from: u64, mercy: Mercy, cooled: &mut Cooled) -> Option<u64> {
        let mut passed = Vec::new();
        let next = self.scan(hasher, from, |hash, entry| {
            if entry.state().is_clean() {
                passed.push((hash, entry.handle()));
            }
        });
        for (hash, handle) in passed {
            let entry = self.entry(handle);
            let state = entry.state();
            if state.is_fresh() && mercy.fresh {
                continue;
            }
            if state.is_fresh() || (state.is_used() && mercy.used) {
                self.set_state(hash, handle, state.passed());
                continue;
            }
            if !entry.is_tombstone() {
                debug_assert!(state.is_on_disk(), "a clean key is on disk");
                cooled.keys += 1;
                cooled.expires += usize::from(entry.expire_at().is_some());
            }
            cooled.bytes += entry.memory_bytes();
            cooled.objects.extend(self.remove(hasher, hash, handle));
        }
        next
    }
}
