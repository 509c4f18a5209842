//! The allocator: jemalloc, as in Redis.
//!
//! * **Huge pages, later.** Collections are reached through four dependent lines, and with pages of 4 KiB each of them costs a walk
//!   of the page tables as well. Memory grows by such pages, and what stays is made huge pages of ([`Huge`]). What forbids them
//!   to Redis, copying 2 MiB for each byte that is written while a child has the memory too, does not exist here: nothing forks.
//! * **Nothing waits.** A worker allocates in an arena of its own ([`allocate_as`]). A free in another thread takes a short lock of
//!   that arena, and growing needs no `mprotect`; with glibc both showed as commands of several milliseconds beside checkpoints.
//!   Where an arena grows, memory is there before it is touched ([`Ahead`]).
//! * **Little is spare.** All other threads share one arena (`narenas:1`): each has some memory begun, and jemalloc's four a core
//!   were 13 MB of an idle server on two cores. Allocations from 16 KiB on begin at a page (`cache_oblivious:false`), not
//!   anywhere in a further one, which took a seventh of a big hash. What is free is joined ([`join_free`]), so that it
//!   serves for whatever comes next; what stays free goes back to the system after some seconds ([`Surplus`]), at once with
//!   MEMORY PURGE.
//! * **Holes close.** A collection that grows leaves one memory block after the other, each in a slab of its size with others, and
//!   a slab goes back when all blocks have left it. jemalloc fills slabs without a remainder: 32 blocks of 384 bytes, 64 of 448, of
//!   which some always stay. That was a quarter of many small hashes. With fewer blocks to a slab (`slab_sizes`, in pages) a
//!   fifteenth of what they take is saved. Smaller slabs of other sizes saved nothing: of smaller blocks too many still fit a page, and
//!   of 640 bytes on the remainder costs more.
//! * **Books are few.** jemalloc keeps 128 bytes about each slab, and one for 8 KiB, the most that a list's node takes, held a single one.
//!   It holds four.
//!
//! Only the binary uses it (`main.rs`): the library's tests count what they allocate.

mod ahead;
mod arena;
mod huge;
mod surplus;
mod transient;

use std::ffi::{CStr, CString, c_char, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use tikv_jemalloc_sys as ffi;
pub use tikv_jemallocator::Jemalloc;

pub use ahead::Ahead;
pub use arena::{begin, join_free};
pub use huge::Huge;
pub use surplus::Surplus;
pub use transient::Transient;

/// The workers' arenas, in their order.
static ARENAS: Mutex<Vec<c_uint>> = Mutex::new(Vec::new());

/// Lets the calling thread allocate in the arena of this worker from now on. It is made when it is first asked for.
pub fn allocate_as(worker: usize) {
    let mut arenas = ARENAS.lock().unwrap_or_else(PoisonError::into_inner);
    while arenas.len() <= worker {
        let Some(arena) = arena::make() else { return };
        arenas.push(arena);
    }
    write("thread.arena", arenas[worker]);
}

/// Gives all memory that is free back to the system.
pub fn purge() {
    // This in place of an arena's number: all of them.
    write("arena.4096.purge", ());
}

/// Reads a number of a control. `None`: it is not there.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn read<T: Copy + Default>(name: &str) -> Option<T> {
    let name = CString::new(name).ok()?;
    let (mut value, mut len) = (T::default(), size_of::<T>());
    let place = ptr::from_mut(&mut value).cast();
    // SAFETY: the name ends with a zero byte, and the control, one that is named in this module, writes a number: `len` bytes at
    // most, for which there is room.
    let failed = unsafe { ffi::mallctl(name.as_ptr(), place, &raw mut len, ptr::null_mut(), 0) };
    (failed == 0).then_some(value)
}

/// Gives a control its value, which may be nothing. That it fails changes nothing.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn write<T: Copy>(name: &str, mut value: T) {
    let Ok(name) = CString::new(name) else { return };
    let len = size_of::<T>();
    let place = if len == 0 { ptr::null_mut() } else { ptr::from_mut(&mut value).cast() };
    // SAFETY: the name ends with a zero byte, and the control, one that is named in this module, reads a number if it has `len`
    // bytes, which are there.
    let _ = unsafe { ffi::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), place, len) };
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
