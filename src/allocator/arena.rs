//! Arenas of our own, and what jemalloc does for them in our way.
//!
//! * **What is free is joined.** jemalloc joins free slabs that border on each other only when their memory is about to go back to the
//!   system, which no worker does here ([`Surplus`](super::Surplus)). Left alone, what one size of block left behind could hold no
//!   slab of the next size: many lists that grew together took twice the memory that they needed, all of it fresh.
//!   [`join_free`] has jemalloc go through the first of its two steps, `dirty` to `muzzy`, which joins. What else that step
//!   does, telling the system that the contents don't matter (`MADV_FREE`), is left out: the memory is wanted again.
//! * **Where an arena grows** is told to [`Ahead`](super::Ahead) and [`Huge`](super::Huge).

use std::ffi::{CString, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use tikv_jemalloc_sys as ffi;

use super::{ahead, huge, read, transient, write};

/// Arenas that have our hooks.
static HOOKED: Mutex<Vec<c_uint>> = Mutex::new(Vec::new());

/// jemalloc's own hooks, and ours.
struct Hooks {
    own: ffi::extent_hooks_t,
    ours: ffi::extent_hooks_t,
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Makes the arena that is there from the beginning one of them. What was allocated before stays as it is.
pub fn begin() {
    hook(0);
}

/// A new arena. `None`: jemalloc can't make one; there may be thousands, but not more.
pub(super) fn make() -> Option<c_uint> {
    let arena = read("arenas.create")?;
    hook(arena);
    Some(arena)
}

/// Joins what is free. It costs about a microsecond for each block of pages that was freed since the last time; others may
/// allocate meanwhile.
pub fn join_free() {
    let arenas = HOOKED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for arena in arenas {
        let decay = format!("arena.{arena}.dirty_decay_ms");
        // At once, for all that is free; then no more.
        write(&decay, 0_isize);
        write(&decay, -1_isize);
    }
}

/// Gives an arena our hooks. If that fails, those that it has stay.
#[expect(unsafe_code, reason = "the allocator is written in C")]
fn hook(arena: c_uint) {
    let Ok(name) = CString::new(format!("arena.{arena}.extent_hooks")) else { return };
    let mut own: *const ffi::extent_hooks_t = ptr::null();
    let mut len = size_of_val(&own);
    // SAFETY: the name ends with a zero byte, and the control writes a pointer, for which there is room.
    let failed =
        unsafe { ffi::mallctl(name.as_ptr(), (&raw mut own).cast(), &raw mut len, ptr::null_mut(), 0) };
    // SAFETY: an arena's hooks live as long as the process; this one has jemalloc's own.
    let Some(own) = (unsafe { own.as_ref() }).filter(|_| failed == 0) else { return };
    let hooks = HOOKS.get_or_init(|| Hooks {
        own: *own,
        ours: ffi::extent_hooks_t {
            alloc: Some(alloc),
            split: Some(split),
            purge_lazy: Some(purge_lazy),
            ..*own
        },
    });
    let mut ours: *const ffi::extent_hooks_t = &raw const hooks.ours;
    // SAFETY: the control reads a pointer of the length that is given. It leads to hooks that are never changed and live as long as
    // the process, as `HOOKS` does. They do what jemalloc's own do, but for lazy purging, which may do nothing. If the control
    // fails, those stay.
    let failed =
        unsafe { ffi::mallctl(name.as_ptr(), ptr::null_mut(), ptr::null_mut(), (&raw mut ours).cast(), len) };
    if failed == 0 {
        // What has been joined stays so until it is given back with all the rest.
        write(&format!("arena.{arena}.muzzy_decay_ms"), -1_isize);
        HOOKED.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
    }
}

/// A new region, or memory for jemalloc's own use, which is aligned to more than a page.
#[expect(unsafe_code, reason = "called by C")]
unsafe extern "C" fn alloc(
    hooks: *mut ffi::extent_hooks_t,
    wanted: *mut c_void,
    size: usize,
    alignment: usize,
    zero: *mut bool,
    commit: *mut bool,
    arena: c_uint,
) -> *mut c_void {
    let Some(own) = HOOKS.get().and_then(|hooks| hooks.own.alloc) else { return ptr::null_mut() };
    let stricter = if wanted.is_null() { ahead::alignment(size, alignment) } else { alignment };
    // SAFETY: the arguments are those that the hook was called with, but for an alignment that fulfils the one asked for, and
    // jemalloc's own does not look at `hooks`.
    let memory = unsafe { own(hooks, wanted, size, stricter, zero, commit, arena) };
    // Memory that begins at a huge page is for jemalloc's own use.
    if !memory.is_null() && alignment < huge::BLOCK {
        ahead::begun(arena, memory.addr(), size);
        if !transient::is_in(arena) {
            huge::note(memory.addr(), size);
        }
    }
    memory
}

/// What was one extent becomes two, of which the first is about to be used.
#[expect(unsafe_code, reason = "called by C")]
unsafe extern "C" fn split(
    hooks: *mut ffi::extent_hooks_t,
    extent: *mut c_void,
    size: usize,
    first: usize,
    second: usize,
    committed: bool,
    arena: c_uint,
) -> bool {
    ahead::split(arena, extent.addr() + size, extent.addr() + first);
    let own = HOOKS.get().and_then(|hooks| hooks.own.split);
    // SAFETY: the arguments are those that the hook was called with. Without a hook of its own, jemalloc is told of failure.
    own.is_none_or(|own| unsafe { own(hooks, extent, size, first, second, committed, arena) })
}

/// The contents of free memory don't matter; nothing is done about that, and no failure told.
#[expect(unsafe_code, reason = "called by C")]
unsafe extern "C" fn purge_lazy(
    _hooks: *mut ffi::extent_hooks_t,
    _extent: *mut c_void,
    _size: usize,
    _offset: usize,
    _len: usize,
    _arena: c_uint,
) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(unsafe_code, reason = "the allocator is written in C")]
    fn allocate(arena: c_uint, size: usize) -> usize {
        let flags = ffi::MALLOCX_ARENA(arena as usize) | ffi::MALLOCX_TCACHE_NONE;
        // SAFETY: the size is not 0, and the arena exists.
        unsafe { ffi::mallocx(size, flags) }.expose_provenance()
    }

    #[expect(unsafe_code, reason = "the allocator is written in C")]
    fn free(start: usize) {
        // SAFETY: it comes from `allocate`, is freed once and not used again.
        unsafe { ffi::dallocx(ptr::with_exposed_provenance_mut(start), ffi::MALLOCX_TCACHE_NONE) };
    }

    #[test]
    fn what_small_blocks_leave_serves_for_large_ones_once_it_is_joined() {
        let arena = make().unwrap();
        write(&format!("arena.{arena}.dirty_decay_ms"), -1_isize);
        let small: Vec<usize> = (0..20_000).map(|_| allocate(arena, 2048)).collect();
        let (first, last) = (*small.iter().min().unwrap(), *small.iter().max().unwrap());
        small.into_iter().for_each(free);
        let within = |start: &usize| (first..last).contains(start);
        let large = |count: usize| (0..count).map(|_| allocate(arena, 12 * 1024)).collect::<Vec<_>>();
        let before = large(1000);
        let inside = |blocks: &[usize]| blocks.iter().filter(|start| within(start)).count();
        // Some fit what jemalloc took at the beginning and did not need.
        assert!(inside(&before) < 300, "jemalloc joins by itself");
        join_free();
        let after = large(1000);
        assert!(inside(&after) > 900, "left in pieces");
        before.into_iter().chain(after).for_each(free);
    }
}
