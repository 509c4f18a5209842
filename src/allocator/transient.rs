//! Bytes of a short life, which one thread makes and another ends.
//!
//! What a worker captures for a checkpoint has the size of a value. Allocated between values it leaves a hole there when it has
//! been written to disk, and as values grow and move on nobody fills the hole: it was a fifteenth of many small hashes. So such bytes
//! have an arena of their own, whose memory goes back when they are gone.

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{c_int, c_uint};
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::OnceLock;

use tikv_jemalloc_sys as ffi;

/// The arena, unless it could not be made.
static ARENA: OnceLock<Option<c_uint>> = OnceLock::new();

/// Are such bytes in this arena?
pub(super) fn is_in(arena: c_uint) -> bool {
    ARENA.get() == Some(&Some(arena))
}

/// See the module's documentation.
pub struct Transient {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the bytes are this value's alone, jemalloc's may be freed by any thread, and shared references only read them.
#[expect(unsafe_code, reason = "memory that the allocator's own interface gave")]
unsafe impl Send for Transient {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "memory that the allocator's own interface gave")]
unsafe impl Sync for Transient {}

impl Transient {
    /// A copy of some bytes.
    #[expect(unsafe_code, reason = "the allocator is written in C")]
    pub fn copy(bytes: &[u8]) -> Self {
        let size = bytes.len().max(1);
        let arena = *ARENA.get_or_init(super::arena::make);
        let flags = arena.map_or(0, |arena| ffi::MALLOCX_ARENA(arena as usize)) | NO_CACHE;
        // SAFETY: the size is not 0, and the flags name an arena that exists.
        let start = NonNull::new(unsafe { ffi::mallocx(size, flags) }.cast::<u8>());
        let Some(start) = start else { handle_alloc_error(Layout::for_value(bytes)) };
        // SAFETY: there are at least so many bytes at `start`, new ones, so that nothing overlaps.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        Self { start, len: bytes.len() }
    }
}

/// The threads' caches are not asked: they have what the threads have freed, of whatever arena.
const NO_CACHE: c_int = ffi::MALLOCX_TCACHE_NONE;

impl Deref for Transient {
    type Target = [u8];

    #[expect(unsafe_code, reason = "memory that the allocator's own interface gave")]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes were written at `start`, which is not null and stays allocated as long as this value lives. Nobody
        // changes them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Transient {
    #[expect(unsafe_code, reason = "the allocator is written in C")]
    fn drop(&mut self) {
        // SAFETY: `mallocx` gave it for this size, and it is freed once.
        unsafe { ffi::sdallocx(self.start.as_ptr().cast(), self.len.max(1), NO_CACHE) };
    }
}

impl fmt::Debug for Transient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arena of an allocation.
    #[expect(unsafe_code, reason = "the allocator is written in C")]
    fn arena_of(start: *mut u8) -> c_uint {
        let (mut start, mut arena, mut len): (*mut u8, c_uint, usize) = (start, 0, size_of::<c_uint>());
        // SAFETY: the name ends with a zero byte; the control reads a pointer and writes a number, for which there is room.
        let failed = unsafe {
            ffi::mallctl(
                c"arenas.lookup".as_ptr(),
                (&raw mut arena).cast(),
                &raw mut len,
                (&raw mut start).cast(),
                size_of::<*mut u8>(),
            )
        };
        assert_eq!(failed, 0);
        arena
    }

    #[test]
    fn transient_bytes_are_in_an_arena_of_their_own_and_can_be_dropped_anywhere() {
        let texts: Vec<Vec<u8>> = (0..500usize).map(|n| vec![n as u8; n * n % 40_000]).collect();
        let copies: Vec<Transient> = texts.iter().map(|text| Transient::copy(text)).collect();
        // SAFETY: the size is not 0, and the flags are none.
        #[expect(unsafe_code, reason = "the allocator is written in C")]
        let other = unsafe { ffi::mallocx(500, 0) };
        let arena = arena_of(copies[0].start.as_ptr());
        assert_ne!(arena, arena_of(other.cast()));
        // SAFETY: it was allocated above, and is not used any more.
        #[expect(unsafe_code, reason = "the allocator is written in C")]
        unsafe {
            ffi::dallocx(other, 0);
        }
        assert!(copies.iter().all(|copy| arena_of(copy.start.as_ptr()) == arena));
        let dropped =
            std::thread::spawn(move || copies.iter().zip(&texts).all(|(copy, text)| **copy == text[..]));
        assert!(dropped.join().unwrap());
    }
}
