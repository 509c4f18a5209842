//! Counts what a thread asks of the allocator, so that a test can say what an operation costs without a clock. For tests only.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Allocations, moves to another size included.
    pub allocations: u64,
    /// The longest of them.
    pub longest: usize,
    /// The sum of their lengths.
    pub bytes: usize,
    /// What was freed, in pieces.
    pub frees: u64,
}

impl Work {
    /// The worst of both, one by one.
    pub fn or_worse(self, other: Self) -> Self {
        Work {
            allocations: self.allocations.max(other.allocations),
            longest: self.longest.max(other.longest),
            bytes: self.bytes.max(other.bytes),
            frees: self.frees.max(other.frees),
        }
    }
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { allocations: 0, longest: 0, bytes: 0, frees: 0 }) };
}

/// Does something and tells what it asked of the allocator.
pub fn counted<R>(work: impl FnOnce() -> R) -> (R, Work) {
    let before = WORK.replace(Work::default());
    let result = work();
    (result, WORK.replace(before))
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn note(length: usize) {
    let mut work = WORK.get();
    work.allocations += 1;
    work.longest = work.longest.max(length);
    work.bytes += length;
    WORK.set(work);
}

// SAFETY: every call goes on to the system's allocator as it came. The counters are constant at the beginning and need no
// destructor, so counting allocates nothing and works as long as the thread does.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let work = WORK.get();
        WORK.set(Work { frees: work.frees + 1, ..work });
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, length: usize) -> *mut u8 {
        note(length);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(at, layout, length) }
    }
}

#[test]
fn what_is_asked_for_is_counted() {
    let (kept, work) = counted(|| {
        let kept = vec![0u8; 100];
        drop(vec![0u8; 50]);
        kept
    });
    assert_eq!((kept.len(), work), (100, Work { allocations: 2, longest: 100, bytes: 150, frees: 1 }));
}
