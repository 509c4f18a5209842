//! Do a thread's clients keep asking for the same few keys? Then their memory is in the caches already, and fetching it
//! ahead of time costs more than it saves.
//!
//! A small direct-mapped table remembers the last hash seen in each place. When most hashes of the last turns were there,
//! the traffic is hot. It costs one cache access a key, and being wrong costs nothing but time.

/// Places: several times the keys of a working set that the second-level cache holds with its entries.
const PLACES: usize = 8192;
/// Keys between two verdicts.
const WINDOW: u32 = 512;

/// What one thread has seen.
pub struct Hotness {
    recent: Box<[u16]>,
    seen: u32,
    again: u32,
    is_hot: bool,
}

impl Default for Hotness {
    fn default() -> Self {
        Hotness { recent: vec![0; PLACES].into_boxed_slice(), seen: 0, again: 0, is_hot: false }
    }
}

impl Hotness {
    /// Notes a key.
    #[inline]
    pub fn note(&mut self, hash: u64) {
        let place = &mut self.recent[hash as usize % PLACES];
        // The top bits choose the shard; these tell keys of one place apart.
        let tag = (hash >> 32) as u16;
        self.again += u32::from(*place == tag);
        *place = tag;
        self.seen += 1;
        if self.seen == WINDOW {
            self.is_hot = self.again * 4 > self.seen * 3;
            (self.seen, self.again) = (0, 0);
        }
    }

    /// Were three quarters of the keys of the last window seen shortly before?
    #[inline]
    pub fn is_hot(&self) -> bool {
        self.is_hot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random::Random;

    fn after(keys: usize) -> bool {
        let (mut random, mut hotness) = (Random::new(3), Hotness::default());
        let hashes: Vec<u64> = (0..keys).map(|_| random.next()).collect();
        (0..50_000).for_each(|_| hotness.note(hashes[random.below(keys)]));
        hotness.is_hot()
    }

    #[test]
    fn a_thousand_keys_are_hot_and_a_million_are_not() {
        assert!(after(10) && after(1_000));
        assert!(!after(100_000) && !after(1_000_000));
    }
}
