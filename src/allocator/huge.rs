//! Huge pages for memory that stays.
//!
//! A lookup waits less for its cache lines than for the translation of their addresses: with pages of 4 KiB ZADD of 100,000 small
//! sorted sets took a quarter longer than with pages of 2 MiB, GET a fiftieth. But memory that is touched for the first time comes
//! from the kernel, cleared: where a huge page comes at once, whoever adds one element waits until 2 MiB are. That is 0.1 ms at
//! best and 10 ms in a virtual machine whose host supplies its memory in turn, under a shard's lock; and the last one begun is
//! mostly empty. So memory grows by ordinary pages, and a thread that serves nobody makes huge pages of them later
//! (`MADV_COLLAPSE`, Linux 6.1). Where the system gives huge pages to everybody (`always`), they come at once.
//!
//! * [`Huge::step`] walks over the regions that arenas have ([`note`]). A block of 2 MiB whose pages are there, all but [`ABSENT`],
//!   becomes a huge page. Older kernels are asked to do it themselves (`MADV_HUGEPAGE`).
//! * Who touches a block meanwhile waits until it has been copied, which is up to a millisecond. The kernel would have the target
//!   supplied then, too; [`warm`] has that done before. And it happens seldom: for one part of the time in [`MAKING`], and in
//!   [`GROWING`] while memory grows, when the machine has enough to do with what is new.
//! * A block is looked at again when some of its pages have been given back.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};
use nix::errno::Errno;
use nix::libc;

/// Bytes of a huge page.
pub(super) const BLOCK: usize = 2 << 20;
/// Bytes of an ordinary page.
const PAGE: usize = 4096;
/// Pages of a block that may be absent: what becomes resident by the way is a thirty-second at most.
const ABSENT: usize = BLOCK / PAGE / 32;
/// One part in so many of a thread's time goes to huge pages that are made, to those that are made while memory grows, and to looks
/// that lead to none.
const MAKING: u32 = 25;
const GROWING: u32 = 100;
const LOOKING: u32 = 200;
/// The most blocks that are looked at in one step, some microseconds each.
const LOOKS: usize = 128;
/// From the beginning of one walk to that of the next, at least.
const WALK: Duration = Duration::from_millis(200);
/// Regions that are noted: those of all workers together, of which one that takes all memory of a big machine has about a hundred.
const REGIONS: usize = 4096;

/// Regions in the order in which they began. Their end is written before their start; where that is 0, there are no more yet.
static NOTED: [(AtomicUsize, AtomicUsize); REGIONS] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; REGIONS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// An arena has a new region, which stays mapped as long as the process lives.
pub(super) fn note(start: usize, size: usize) {
    if let Some((at, end)) = NOTED.get(COUNT.fetch_add(1, Ordering::Relaxed)) {
        end.store(start + size, Ordering::Relaxed);
        at.store(start, Ordering::Release);
    }
}

/// See the module.
pub struct Huge {
    /// Of each block of each region: is it a huge page?
    regions: Vec<Vec<bool>>,
    /// The next block to look at: its region, and its number there.
    at: (usize, usize),
    walk_began: Instant,
    /// Nothing is done before.
    due: Instant,
}

impl Huge {
    /// Nothing done so far.
    pub fn new(now: Instant) -> Self {
        Self { regions: Vec::new(), at: (0, 0), walk_began: now, due: now }
    }

    /// Looks at some blocks and makes one huge page at most. Returns how long nothing is to be done then.
    pub fn step(&mut self, now: Instant, is_growing: bool) -> Duration {
        if now < self.due {
            return self.due - now;
        }
        let begun = Instant::now();
        let mut share = LOOKING;
        for _ in 0..LOOKS {
            let Some((start, is_huge)) = self.next() else {
                self.due = self.walk_began + WALK;
                self.walk_began = self.due.max(now);
                break;
            };
            // One that has lost pages is none any more.
            let was_huge = std::mem::replace(is_huge, is_whole(start));
            if *is_huge && !was_huge {
                *is_huge = make(start);
                share = if is_growing { GROWING } else { MAKING };
                break;
            }
        }
        self.due = self.due.max(now + begun.elapsed() * share);
        self.due - now
    }

    /// The next block of the walk, and where it is. `None` at the end, behind which the next walk begins.
    fn next(&mut self) -> Option<(usize, &mut bool)> {
        loop {
            let (region, number) = self.at;
            let noted = NOTED.get(region).map(|(start, end)| (start.load(Ordering::Acquire), end));
            let Some((start, end)) = noted.filter(|&(start, _)| start != 0) else {
                self.at = (0, 0);
                return None;
            };
            let first = start.next_multiple_of(BLOCK);
            if region == self.regions.len() {
                let blocks = end.load(Ordering::Relaxed).saturating_sub(first) / BLOCK;
                self.regions.push(vec![false; blocks]);
            }
            if number < self.regions[region].len() {
                self.at.1 += 1;
                return Some((first + number * BLOCK, &mut self.regions[region][number]));
            }
            self.at = (region + 1, 0);
        }
    }
}

/// Are the pages of a block there?
#[expect(unsafe_code, reason = "nix does not know this call")]
fn is_whole(start: usize) -> bool {
    let mut pages = [0_u8; BLOCK / PAGE];
    // SAFETY: the call writes one byte for each page of the block, for which there is room. It reads nothing at `start`.
    let failed = unsafe { libc::mincore(ptr::without_provenance_mut(start), BLOCK, pages.as_mut_ptr()) };
    failed == 0 && pages.iter().filter(|&&page| page & 1 == 0).count() <= ABSENT
}

/// Makes a huge page of a block. False: not now.
fn make(start: usize) -> bool {
    warm();
    advise(start, MADV_COLLAPSE) || (Errno::last() == Errno::EINVAL && advise(start, libc::MADV_HUGEPAGE))
}

/// The kernel's name for it, which the C library does not have everywhere.
const MADV_COLLAPSE: i32 = 25;

#[expect(unsafe_code, reason = "nix does not know this advice")]
fn advise(start: usize, advice: i32) -> bool {
    // SAFETY: neither advice changes contents or unmaps anything, whatever the address is, and it is the heap's.
    unsafe { libc::madvise(ptr::without_provenance_mut(start), BLOCK, advice) == 0 }
}

/// Has the kernel clear a huge page and takes none: it is the next that it has to give on this core.
fn warm() {
    let Ok(mut scratch) = MmapMut::map_anon(2 * BLOCK) else { return };
    let inside = scratch.as_ptr().addr().next_multiple_of(BLOCK) - scratch.as_ptr().addr();
    if scratch.advise_range(Advice::HugePage, inside, BLOCK).is_ok() {
        scratch[inside] = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::file;

    /// Kilobytes of huge pages in the mapping that has this address.
    fn huge_in(address: usize) -> u64 {
        let maps = file::read("/proc/self/smaps".as_ref(), 64 << 20).unwrap();
        let maps = String::from_utf8_lossy(&maps);
        let mut is_inside = false;
        for line in maps.lines() {
            let word = line.split(' ').next().unwrap();
            if let Some((start, end)) = word.split_once('-') {
                let [start, end] = [start, end].map(|end| usize::from_str_radix(end, 16).unwrap_or(0));
                is_inside = (start..end).contains(&address);
            } else if is_inside && word == "AnonHugePages:" {
                return line.split_whitespace().nth(1).unwrap().parse().unwrap();
            }
        }
        panic!("no such mapping");
    }

    #[test]
    fn a_block_that_is_whole_becomes_a_huge_page_and_one_with_holes_does_not() {
        let mut map = MmapMut::map_anon(5 * BLOCK).unwrap();
        let start = map.as_ptr().addr();
        let first = start.next_multiple_of(BLOCK) - start;
        // Whole but for as many pages as may be absent; with one more; whole, and whole to see what the system can do.
        for (block, absent) in [ABSENT, ABSENT + 1, 0, 0].into_iter().enumerate() {
            (absent..BLOCK / PAGE).for_each(|page| map[first + block * BLOCK + page * PAGE] = 7);
        }
        // Where the system gives huge pages unasked, there are no holes yet.
        let hole = ptr::without_provenance_mut(start + first + BLOCK);
        // SAFETY: the range is a part of the mapping above, and what is lost was never written.
        #[expect(unsafe_code, reason = "nix does not know this advice")]
        let failed = unsafe { libc::madvise(hole, (ABSENT + 1) * PAGE, libc::MADV_DONTNEED) };
        assert_eq!(failed, 0);
        let whole = [0, 1, 2].map(|block| is_whole(start + first + block * BLOCK));
        assert_eq!(whole, [true, false, true]);

        let can_collapse = advise(start + first + 3 * BLOCK, MADV_COLLAPSE);
        note(start, 5 * BLOCK);
        let region = (0..REGIONS).find(|&region| NOTED[region].0.load(Ordering::Acquire) == start).unwrap();
        let (mut now, mut walks) = (Instant::now(), 0);
        let mut huge = Huge::new(now);
        while walks < 5 {
            now += huge.step(now, false);
            walks += usize::from(huge.at == (0, 0));
        }
        let blocks = &huge.regions[region][..3];
        assert!(!blocks[1], "it would fill the holes");
        // Others have none, or only take note.
        if can_collapse {
            assert!(blocks[0] && blocks[2]);
            assert!(huge_in(start + first) >= 3 * BLOCK as u64 / 1024);
        }
        assert!((ABSENT..BLOCK / PAGE).all(|page| map[first + page * PAGE] == 7));
    }
}
