//! The allocator: jemalloc, as in Redis.
//!
//! * **Huge pages.** Collections are reached through four dependent lines, and with pages of 4 KiB each of them costs a walk of the
//!   page tables as well. jemalloc asks for huge pages (`thp:always`). What forbids them to Redis, copying 2 MiB for each
//!   byte that is written while a child has the memory too, does not exist here: nothing forks.
//! * **Nothing waits.** A free in another thread than the allocation's takes a short lock of that piece's arena, and growing
//!   needs no `mprotect`; with glibc both showed as commands of several milliseconds beside checkpoints.
//! * Memory that stays free goes back to the system within some ten seconds, at once with MEMORY PURGE.
//!
//! Only the binary uses it (`main.rs`): the library's tests count what they allocate.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use tikv_jemalloc_sys as ffi;
pub use tikv_jemallocator::Jemalloc;

/// In place of an arena's number: all of them.
const PURGE_ALL: &CStr = c"arena.4096.purge";

/// Gives the memory that is free back to the system.
#[expect(unsafe_code, reason = "the allocator is written in C")]
pub fn purge() {
    // SAFETY: the name ends with a zero byte, and this control neither reads nor writes a value. It fails only where it
    // is not known, and then nothing is given back.
    let _ = unsafe { ffi::mallctl(PURGE_ALL.as_ptr(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), 0) };
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
