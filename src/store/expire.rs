//! Which keys expire, in the order they do.
//!
//! An exact ordered set of (time, handle): the next due key is found without sampling, whatever the number of keys
//! not yet due.
//!
//! * It holds exactly the handles of entries with an expiry, each under the time its entry has; the table changes
//!   both together, also when an entry moves.
//! * Keys with the same time come in the order of their handles, which means nothing.
//! * It is a B-tree with nodes of about 150 bytes: no allocation grows with the number of keys. Roughly 20 bytes a key.
//! * It reads no clock, and deletes nothing: what is due is the caller's to delete, as a command.

use std::collections::BTreeSet;

use super::arena::Handle;

/// A time and a handle in 12 bytes, 4-byte aligned, so that a B-tree node holds eleven of them in 132 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    high: u32,
    low: u32,
    handle: Handle,
}

impl Due {
    fn new(when_ms: u64, handle: Handle) -> Self {
        Self { high: (when_ms >> 32) as u32, low: when_ms as u32, handle }
    }

    fn when_ms(self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }
}

/// The expiry times of one table's keys.
#[derive(Default)]
pub struct ExpireIndex {
    due: BTreeSet<Due>,
    sum_ms: u128,
}

impl ExpireIndex {
    /// Keys with an expiry.
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether no key has one.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// The sum of all expiry times in unix milliseconds. The mean time to live is this by `len`, less now.
    pub fn sum_ms(&self) -> u128 {
        self.sum_ms
    }

    /// Adds a key. It must not be in the index.
    pub fn insert(&mut self, when_ms: u64, handle: Handle) {
        let fresh = self.due.insert(Due::new(when_ms, handle));
        debug_assert!(fresh, "a handle is in the index once");
        self.sum_ms += u128::from(when_ms);
    }

    /// Removes a key that is in the index under `when_ms`.
    pub fn remove(&mut self, when_ms: u64, handle: Handle) {
        let known = self.due.remove(&Due::new(when_ms, handle));
        debug_assert!(known, "an entry with an expiry is in the index");
        self.sum_ms -= u128::from(when_ms);
    }

    /// The first time and its key.
    pub fn first(&self) -> Option<(u64, Handle)> {
        self.due.first().map(|due| (due.when_ms(), due.handle))
    }

    /// Bytes of heap memory, estimated: B-tree nodes are about two thirds full.
    pub fn memory(&self) -> usize {
        self.due.len() * 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_the_order_of_their_times() {
        let handle = |n| Handle::from_raw(n).unwrap();
        let mut index = ExpireIndex::default();
        let times = [7u64 << 32, 5, u64::MAX, 5, 1 << 31, (1 << 32) - 1, 1 << 32];
        for (i, &when) in times.iter().enumerate() {
            index.insert(when, handle(i as u32 + 1));
        }
        assert_eq!(index.sum_ms(), times.iter().map(|&t| u128::from(t)).sum());
        let mut seen = Vec::new();
        while let Some((when, handle)) = index.first() {
            index.remove(when, handle);
            seen.push(when);
        }
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        assert_eq!(seen, sorted);
        assert_eq!((index.len(), index.sum_ms()), (0, 0));
    }
}
