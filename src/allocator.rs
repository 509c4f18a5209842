//! The allocator: jemalloc, as in Redis.
//!
//! * **Huge pages.** Collections are reached through four dependent lines, and with pages of 4 KiB each of them costs a walk of the
//!   page tables as well. jemalloc asks for huge pages (`thp:always`). What forbids them to Redis, copying 2 MiB for each
//!   byte that is written while a child has the memory too, does not exist here: nothing forks.
//! * **Nothing waits.** A worker allocates in an arena of its own ([`allocate_as`]). A free in another thread takes a short lock of
//!   that arena, and growing needs no `mprotect`; with glibc both showed as commands of several milliseconds beside checkpoints.
//!   Where an arena grows, memory is there before it is touched ([`Ahead`]).
//! * **Little is spare.** All other threads share one arena (`narenas:1`): each has a huge page or two begun, and jemalloc's four a core
//!   were 13 MB of an idle server on two cores. Allocations from 16 KiB on begin at a page (`cache_oblivious:false`), not
//!   anywhere in a further one, which took a seventh of a big hash. Memory that stays free for a second goes back to the system
//!   (`dirty_decay_ms:1000`), a little at each [`decay`], at once with MEMORY PURGE.
//!
//! Only the binary uses it (`main.rs`): the library's tests count what they allocate.

mod ahead;

use std::ffi::{CStr, c_char, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use tikv_jemalloc_sys as ffi;
pub use tikv_jemallocator::Jemalloc;

pub use ahead::Ahead;

/// 4096 in place of an arena's number: all of them.
const PURGE_ALL: &CStr = c"arena.4096.purge";
const DECAY_ALL: &CStr = c"arena.4096.decay";

/// The workers' arenas, in their order.
static ARENAS: Mutex<Vec<c_uint>> = Mutex::new(Vec::new());

/// Lets the calling thread allocate in the arena of this worker from now on. It is made when it is first asked for.
pub fn allocate_as(worker: usize) {
    let mut arenas = ARENAS.lock().unwrap_or_else(PoisonError::into_inner);
    while arenas.len() <= worker {
        let Some(arena) = create_arena() else { return };
        ahead::look_after(arena);
        arenas.push(arena);
    }
    enter_arena(arenas[worker]);
}

/// A new arena, unless there are thousands.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn create_arena() -> Option<c_uint> {
    let (mut arena, mut len): (c_uint, usize) = (0, size_of::<c_uint>());
    // SAFETY: the name ends with a zero byte, and the control writes a number of `len` bytes, which `arena` has room for.
    let failed = unsafe {
        ffi::mallctl(
            c"arenas.create".as_ptr(),
            ptr::from_mut(&mut arena).cast(),
            &raw mut len,
            ptr::null_mut(),
            0,
        )
    };
    (failed == 0).then_some(arena)
}

#[expect(unsafe_code, reason = "the allocator is written in C")]
fn enter_arena(mut arena: c_uint) {
    let new = ptr::from_mut(&mut arena).cast();
    // SAFETY: the name ends with a zero byte, and the control reads a number of the length that is given. It fails only where
    // there is no such arena, and then the thread stays where it is.
    let _ = unsafe {
        ffi::mallctl(c"thread.arena".as_ptr(), ptr::null_mut(), ptr::null_mut(), new, size_of::<c_uint>())
    };
}

/// Gives what was freed some time ago back to the system, as much as is due. To be called about ten times a second, so that
/// memory goes back though nobody allocates.
pub fn decay() {
    order(DECAY_ALL);
}

/// Gives all memory that is free back to the system.
pub fn purge() {
    order(PURGE_ALL);
}

/// Uses a control without a value.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn order(name: &CStr) {
    // SAFETY: the name ends with a zero byte, and these controls neither read nor write a value. They fail only where they
    // are not known, and then nothing is given back.
    let _ = unsafe { ffi::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
}

/// What the allocator says of itself, for people.
#[expect(unsafe_code, reason = "the allocator is written in C")]
pub fn report() -> Vec<u8> {
    unsafe extern "C" fn append(text: *mut c_void, part: *const c_char) {
        // SAFETY: `text` is the vector below, which nobody else uses meanwhile, and `part` ends with a zero byte.
        unsafe { (*text.cast::<Vec<u8>>()).extend_from_slice(CStr::from_ptr(part).to_bytes()) };
    }
    let mut text = Vec::new();
    // SAFETY: the callback is called during this call only, with the pointer given here. No options are given.
    unsafe { ffi::malloc_stats_print(Some(append), ptr::from_mut(&mut text).cast(), ptr::null()) };
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_report_names_the_allocator() {
        let report = super::report();
        assert!(report.windows(8).any(|word| word == b"jemalloc"), "{}", String::from_utf8_lossy(&report));
    }
}
