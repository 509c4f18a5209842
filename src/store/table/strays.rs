//! Keys that found no room in the segments: an ordered set of hashes and handles.
//!
//! A bucket says whether any of its keys are strays, so that lookups of all others do not look for them here.

use std::ops::RangeInclusive;

use super::{Handle, Route, Table};
use crate::store::SHARD_BITS;

impl Table {
    /// The strays whose hashes are from `low` to `high`, in the order of these.
    pub(super) fn strays_within(&self, low: u64, high: u64) -> impl Iterator<Item = Handle> + '_ {
        self.strays.range(stray_range(low, high)).map(|&(_, handle)| handle)
    }

    /// Makes a handle a stray of the bucket on the route of its hash.
    #[cold]
    pub(super) fn add_stray(&mut self, route: Route, hash: u64, handle: Handle) {
        self.segments[route.segment].set_strayed(route.home, true);
        self.strays.insert((hash, handle));
    }

    /// Takes a handle out of the strays.
    #[cold]
    pub(super) fn remove_stray(&mut self, route: Route, hash: u64, handle: Handle) {
        self.strays.remove(&(hash, handle));
        self.mark_strayed(route, hash);
    }

    /// Makes the bucket on the route of `hash` say whether any of its keys are strays.
    pub(super) fn mark_strayed(&mut self, route: Route, hash: u64) {
        let last = self.last_hash_of(route, hash);
        let first = match route.home {
            0 => hash & !(u64::MAX >> (SHARD_BITS + u32::from(self.segments[route.segment].depth()))),
            home => self.last_hash_of(Route { home: home - 1, ..route }, hash) + 1,
        };
        let strayed = self.strays_within(first, last).next().is_some();
        self.segments[route.segment].set_strayed(route.home, strayed);
    }
}

/// The range of the ordered set that has the hashes from `low` to `high`.
pub(super) fn stray_range(low: u64, high: u64) -> RangeInclusive<(u64, Handle)> {
    let bounds = (Handle::from_raw(1), Handle::from_raw(u32::MAX));
    let (Some(least), Some(greatest)) = bounds else { unreachable!("neither is zero") };
    (low, least)..=(high, greatest)
}
