//! Memory that is there before a worker asks for it.
//!
//! The kernel supplies memory when it is first touched, page by page, and clears it then: a microsecond or several, the more
//! where the pages of a virtual machine are supplied by its host in turn. Whoever grew a collection by one element waited for it,
//! and whoever wanted that shard. A thread that serves nobody touches it before.
//!
//! * jemalloc takes address space in regions, each some larger than the one before, and hands out the newest from its lowest address
//!   on. Where it has got is told by the hooks of an arena: what is left of a region is split from what is used.
//! * [`Ahead::fill`] asks the kernel for what comes next (`MADV_POPULATE_WRITE`, Linux 5.14; without it nothing is done): as much
//!   as an arena has taken since the last time, twice over, and at least [`LEAST`]. An arena that does
//!   not grow is left alone. What then stays unused is one part in [`SHARE`] of the arena at most. Contents never change by this.
//! * Regions stay mapped as long as the process lives (jemalloc's `retain`), so whatever is read here late is still an
//!   address of the heap.

use std::ffi::c_uint;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::libc;

use super::huge::BLOCK;

/// The least and the most bytes that are asked for at once.
const LEAST: usize = 64 << 10;
const MOST: usize = 8 << 20;
/// How many times what was taken since the last time is asked for.
const TIMES: usize = 2;
/// Regions from this size on begin at a huge page.
const ALIGNED: usize = 8 * BLOCK;
/// What is supplied ahead is at most this part of what the arena has.
const SHARE: usize = 256;
/// Arenas that are looked after, by their numbers.
const ARENAS: usize = 256;

/// Addresses of the newest region of an arena, as its hooks tell them. Without a lock: whoever reads may be slow.
///
/// Regions begin one at a time (jemalloc holds a lock then). A spare thread and the worker it stands in for may split extents
/// meanwhile; what such a split notes late is outside the new region, and nothing is done for that one.
struct Told {
    start: AtomicUsize,
    used: AtomicUsize,
    end: AtomicUsize,
    /// Bytes of all regions before it.
    before: AtomicUsize,
}

static TOLD: [Told; ARENAS] = [const { Told::new() }; ARENAS];

impl Told {
    const fn new() -> Self {
        let [start, used, end, before] = [const { AtomicUsize::new(0) }; 4];
        Self { start, used, end, before }
    }

    fn begin(&self, start: usize, end: usize) {
        let last = self.end.swap(0, Ordering::AcqRel) - self.start.load(Ordering::Relaxed);
        self.before.fetch_add(last, Ordering::Relaxed);
        self.start.store(start, Ordering::Release);
        self.used.store(start, Ordering::Release);
        self.end.store(end, Ordering::Release);
    }

    /// Notes what is used of an extent that ends where the region does.
    fn advance(&self, extent_end: usize, used: usize) {
        if extent_end == self.end.load(Ordering::Relaxed) {
            self.used.fetch_max(used, Ordering::Release);
        }
    }

    /// `None` while a region begins.
    fn region(&self) -> Option<Region> {
        let end = self.end.load(Ordering::Acquire);
        let (used, start) = (self.used.load(Ordering::Acquire), self.start.load(Ordering::Acquire));
        let is_whole = end != 0 && end == self.end.load(Ordering::Acquire) && (start..=end).contains(&used);
        is_whole.then(|| Region { start, used, end, before: self.before.load(Ordering::Relaxed) })
    }
}

/// A region of an arena.
#[derive(Clone, Copy)]
struct Region {
    start: usize,
    /// What is below is in use.
    used: usize,
    end: usize,
    /// Bytes of the arena's other regions.
    before: usize,
}

/// An arena has a new region.
pub(super) fn begun(arena: c_uint, start: usize, size: usize) {
    if let Some(told) = TOLD.get(arena as usize) {
        told.begin(start, start + size);
    }
}

/// What a new region of this size begins at a multiple of: where all of it may become huge pages, if it is not small.
pub(super) fn alignment(size: usize, wanted: usize) -> usize {
    if size >= ALIGNED { wanted.max(BLOCK) } else { wanted }
}

/// The first of two parts of an extent is about to be used. The rest of a region ends with it.
pub(super) fn split(arena: c_uint, extent_end: usize, used: usize) {
    if let Some(told) = TOLD.get(arena as usize) {
        told.advance(extent_end, used);
    }
}

/// What has been done for an arena so far.
#[derive(Clone, Copy, Default)]
struct Done {
    start: usize,
    used: usize,
    /// What is below has been asked for.
    filled: usize,
}

/// See the module.
pub struct Ahead {
    done: [Done; ARENAS],
    is_possible: bool,
}

impl Ahead {
    /// Nothing done so far.
    #[expect(clippy::new_without_default, reason = "a large value, made once")]
    pub fn new() -> Self {
        Self { done: [Done::default(); ARENAS], is_possible: true }
    }

    /// Has memory supplied that growing arenas will need soon. Did one grow since the last call?
    pub fn fill(&mut self) -> bool {
        let mut any = false;
        for (done, told) in self.done.iter_mut().zip(&TOLD) {
            let Some(region) = told.region() else { continue };
            if done.start != region.start {
                *done = Done { start: region.start, used: region.start, filled: region.start };
            }
            let grown = region.used.saturating_sub(done.used);
            if grown > 0 && self.is_possible {
                any = true;
                let (from, to) = wanted(region, grown, done.filled);
                self.is_possible = from >= to || supply(from, to - from);
                done.filled = done.filled.max(to);
            }
            done.used = region.used;
        }
        any
    }
}

/// From where to where a region is to be supplied after it has grown so much. Nothing, if that is not in order.
fn wanted(region: Region, grown: usize, filled: usize) -> (usize, usize) {
    let has = region.before + region.used - region.start;
    if has < SHARE * LEAST {
        return (0, 0);
    }
    let most = region.used + (grown * TIMES).clamp(LEAST, MOST.min(has / SHARE));
    (filled.max(region.used), most.next_multiple_of(LEAST).min(region.end))
}

/// Asks for memory; false if the kernel does not know how. That there is none now is for those to find out who need it.
#[expect(unsafe_code, reason = "nix does not know this advice")]
fn supply(at: usize, len: usize) -> bool {
    // SAFETY: this advice changes no contents and unmaps nothing, whatever the addresses are, and they are the heap's.
    let failed = unsafe { libc::madvise(ptr::without_provenance_mut(at), len, libc::MADV_POPULATE_WRITE) };
    failed == 0 || Errno::last() != Errno::EINVAL
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn what_is_wanted_begins_behind_what_is_there_and_ends_with_the_region() {
        let region = |used| Region { start: 0, used, end: 64 * MOST, before: SHARE * MOST };
        assert_eq!(wanted(region(LEAST), 1, 0), (LEAST, 2 * LEAST));
        assert_eq!(wanted(region(LEAST + PAGE), MOST / 4, 3 * LEAST), (3 * LEAST, MOST / 2 + 2 * LEAST));
        assert_eq!(wanted(region(40 * MOST), 40 * MOST, 0), (40 * MOST, 41 * MOST));
        assert_eq!(wanted(region(64 * MOST - PAGE), MOST, 0).1, 64 * MOST);
        let (from, to) = wanted(region(64 * MOST), MOST, 0);
        assert!(from >= to, "nothing is left");
        let small = |before| Region { start: 0, used: LEAST, end: 64 * LEAST, before };
        assert_eq!(wanted(small((SHARE - 2) * LEAST), 1, 0), (0, 0), "it would be more than its share");
        assert_eq!(wanted(small((SHARE - 1) * LEAST), MOST, 0), (LEAST, 2 * LEAST));
    }
}
