//! Where hashes lead: through the directory to a segment, and to a bucket in it.

use super::{Handle, Place, Segment, Table, tag_of};
use crate::store::SHARD_BITS;

/// Where a hash leads.
#[derive(Clone, Copy)]
pub(super) struct Route {
    /// The segment's number.
    pub(super) segment: u32,
    /// The bucket in it where the key belongs; it may have had to go to a neighbour.
    pub(super) home: usize,
}

impl Table {
    /// The segment and home bucket of `hash`, unless there are no segments yet.
    #[inline]
    pub(super) fn route(&self, hash: u64) -> Option<Route> {
        let index = self.directory_index(hash);
        let segment = *self.directory.get(index)?;
        Some(Route { segment, home: home_in(&self.segments[segment], hash) })
    }

    /// As [`Table::route`], with the segment itself.
    #[inline]
    pub(super) fn route_to(&self, hash: u64) -> Option<(&Segment, usize)> {
        let segment = self.segments.get(*self.directory.get(self.directory_index(hash))?)?;
        Some((segment, home_in(segment, hash)))
    }

    /// The place in the directory that is read for `hash`.
    #[inline]
    pub(super) fn directory_index(&self, hash: u64) -> usize {
        // In two steps, since a shift by 64 is not one.
        ((hash << SHARD_BITS >> 1) >> (63 - self.directory_depth)) as usize
    }

    /// The highest hash that belongs to the segment where `hash` leads.
    pub(super) fn last_hash_of_segment(&self, segment: u32, hash: u64) -> u64 {
        hash | u64::MAX >> (SHARD_BITS + u32::from(self.segments[segment].depth()))
    }

    /// The highest hash that belongs to the bucket on the route of `hash`.
    pub(super) fn last_hash_of(&self, route: Route, hash: u64) -> u64 {
        let segment = &self.segments[route.segment];
        let used = SHARD_BITS + u32::from(segment.depth());
        let rest = segment.end_of(route.home).map_or(u64::MAX, |end| end - 1);
        hash & !(u64::MAX >> used) | rest >> used
    }

    /// Finds where a handle in the table is linked: in a segment, or else among the strays.
    pub(super) fn locate(&self, hash: u64, handle: Handle) -> (Route, Option<Place>) {
        let route = self.route(hash).expect("a table with keys has segments");
        let place = self.segments[route.segment].find(route.home, tag_of(hash), handle);
        debug_assert!(place.is_some() || self.strays.contains(&(hash, handle)), "a handle in use is linked");
        (route, place)
    }
}

#[inline]
fn home_in(segment: &Segment, hash: u64) -> usize {
    segment.home(hash << SHARD_BITS << segment.depth())
}
