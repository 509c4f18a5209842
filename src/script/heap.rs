//! The memory of a Lua state.
//!
//! * What would exceed the limit is refused: Lua raises "not enough memory" then, and does not look for garbage before it. So
//!   collecting is lazy (a cycle begins at some multiple of what was alive) only as long as little is in use.
//! * What makes a long string in C is one instruction, or one call, and the hook that looks after a run counts these only. So who
//!   asks for long blocks has the hook called soon, and once the run is killed gets none. Coroutines have hooks of their own, which
//!   are not called sooner; that they get no memory ends them.
//! * Freed blocks of small sizes are kept, up to some bytes: scripts make and drop the same few kinds of strings and tables again
//!   and again, and a cycle of the collector frees many at once. One thread at a time uses a state, so that takes no locks.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use mlua_sys as ffi;

use super::context::Context;
use super::running::RunSlot;
use super::stack::on_count;

/// All blocks are aligned so.
const ALIGN: usize = 16;
/// Blocks up to this size are kept when they are freed.
const SMALL: usize = 256;
/// Sizes of blocks that are kept.
const CLASSES: usize = SMALL / ALIGN;
/// Bytes of freed blocks that are kept.
const KEPT: usize = 1 << 20;
/// Bytes in use up to which collecting is lazy.
const CALM: usize = 4 << 20;
/// How much of what is alive, in percent, is in use when the next cycle of a lazy collector begins.
const LAZY_PAUSE: c_int = 400;
/// The same for one that is not: Lua's default.
const PAUSE: c_int = 200;

/// Blocks from this size on are long.
const LONG: usize = 64 << 10;
/// So many bytes of long blocks may be asked for between two looks at the run.
const LOOK: usize = 32 << 20;

/// A freed block that is kept leads to the next of its size.
struct Link {
    next: *mut Link,
}

/// What the allocator knows of a state. It also leads from the state to its context.
pub struct Heap {
    used: usize,
    /// Bytes in use beyond which something has to be done: collecting becomes eager, or memory is refused.
    bound: usize,
    limit: usize,
    /// The first of the freed blocks of each size.
    freed: [*mut Link; CLASSES],
    /// Bytes in those.
    kept: usize,
    state: *mut ffi::lua_State,
    context: *mut Context,
    /// The run as others see it.
    slot: Arc<RunSlot>,
    /// Bytes of long blocks since the last look at it.
    unseen: usize,
}

impl Heap {
    /// An empty heap that may grow to `limit` bytes.
    pub fn new(limit: usize, context: *mut Context, slot: Arc<RunSlot>) -> Self {
        let freed = [ptr::null_mut(); CLASSES];
        let state = ptr::null_mut();
        Heap { used: 0, bound: limit, limit, freed, kept: 0, state, context, slot, unseen: 0 }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }
}

/// SAFETY of every block from here on:
/// 1. `heap` is the one that the state was made with, which outlives it. No reference to it is alive while Lua runs: bodies borrow
///    the context only, which is elsewhere.
/// 2. Lua tells the size that a block was allocated with. Its size in memory is [`rounded`] from that in any case.
/// 3. A block that is kept is at least as big as a `Link`, and nobody else uses it.
/// 4. Setting the pause only sets a field of Lua's global state, and setting a hook some of a thread's, which is sound at any moment,
///    also while Lua allocates.
const _SAFETY: () = ();

#[expect(unsafe_code, reason = "Lua's memory")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
impl Heap {
    /// The state that uses the heap exists now.
    pub(super) unsafe fn attach(heap: *mut Heap, state: *mut ffi::lua_State) {
        unsafe {
            (*heap).state = state;
            Heap::make_lazy(heap);
        }
    }

    /// Where the context is.
    #[inline]
    pub(super) unsafe fn context(heap: *mut Heap) -> *mut Context {
        unsafe { (*heap).context }
    }

    /// Bytes that may still be used.
    pub(super) unsafe fn left(heap: *mut Heap) -> usize {
        unsafe { (*heap).limit.saturating_sub((*heap).used) }
    }

    /// Collecting becomes lazy again if little is in use.
    #[inline]
    pub(super) unsafe fn calm(heap: *mut Heap) {
        unsafe {
            if (*heap).bound == (*heap).limit && (*heap).used < CALM / 2 {
                Heap::make_lazy(heap);
            }
        }
    }

    #[cold]
    unsafe fn make_lazy(heap: *mut Heap) {
        unsafe {
            if (*heap).limit > CALM {
                (*heap).bound = CALM;
                ffi::lua_gc((*heap).state, ffi::LUA_GCSETPAUSE, LAZY_PAUSE);
            }
        }
    }

    /// So much would be in use. May it be?
    #[cold]
    unsafe fn may_use(heap: *mut Heap, used: usize) -> bool {
        unsafe {
            if (*heap).bound < (*heap).limit {
                (*heap).bound = (*heap).limit;
                ffi::lua_gc((*heap).state, ffi::LUA_GCSETPAUSE, PAUSE);
            }
            used <= (*heap).limit
        }
    }

    /// May a long block be had? Not for a run that is to end.
    #[cold]
    unsafe fn may_be_long(heap: *mut Heap, size: usize) -> bool {
        unsafe {
            (*heap).unseen += size;
            if (*heap).unseen >= LOOK {
                (*heap).unseen = 0;
                ffi::lua_sethook((*heap).state, Some(on_count), ffi::LUA_MASKCOUNT, 1);
            }
            !(*heap).slot.is_killed()
        }
    }

    #[inline]
    unsafe fn take(heap: *mut Heap, size: usize) -> *mut c_void {
        unsafe {
            if size <= SMALL {
                let first = &raw mut (*heap).freed[class_of(size)];
                let block = *first;
                if !block.is_null() {
                    *first = (*block).next;
                    (*heap).kept -= rounded(size);
                    return block.cast();
                }
            }
            alloc(layout(size)).cast()
        }
    }

    #[inline]
    unsafe fn give_back(heap: *mut Heap, block: *mut c_void, size: usize) {
        unsafe {
            if size <= SMALL && (*heap).kept < KEPT {
                let first = &raw mut (*heap).freed[class_of(size)];
                let link = block.cast::<Link>();
                (*link).next = *first;
                *first = link;
                (*heap).kept += rounded(size);
                return;
            }
            dealloc(block.cast(), layout(size));
        }
    }

    unsafe fn change(heap: *mut Heap, block: *mut c_void, old_size: usize, new_size: usize) -> *mut c_void {
        unsafe {
            if old_size > SMALL && new_size > SMALL {
                return realloc(block.cast(), layout(old_size), new_size).cast();
            }
            if rounded(old_size) == rounded(new_size) {
                return block;
            }
            let moved = Heap::take(heap, new_size);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block.cast::<u8>(), moved.cast(), old_size.min(new_size));
                Heap::give_back(heap, block, old_size);
            }
            moved
        }
    }
}

#[expect(unsafe_code, reason = "Lua's memory")]
impl Drop for Heap {
    fn drop(&mut self) {
        for (at, first) in self.freed.iter_mut().enumerate() {
            while !first.is_null() {
                let block = *first;
                // SAFETY: see above, 3. The state is closed.
                unsafe {
                    *first = (*block).next;
                    dealloc(block.cast(), layout((at + 1) * ALIGN));
                }
            }
        }
    }
}

/// The class of a size from 1 to [`SMALL`].
#[inline]
const fn class_of(size: usize) -> usize {
    (size - 1) / ALIGN
}

/// How big a block is in memory: small ones have one of a few sizes.
#[inline]
const fn rounded(size: usize) -> usize {
    if size <= SMALL { size.next_multiple_of(ALIGN) } else { size }
}

/// The layout of a block of this size, which is not 0.
#[inline]
#[expect(unsafe_code, reason = "Lua's memory")]
fn layout(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and `allocate` refuses sizes near `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(rounded(size), ALIGN) }
}

/// Lua's allocator.
#[expect(unsafe_code, reason = "called by C")]
#[expect(clippy::undocumented_unsafe_blocks, reason = "one argument for all of them: SAFETY above")]
pub(super) unsafe extern "C" fn allocate(
    heap: *mut c_void,
    block: *mut c_void,
    old_size: usize,
    new_size: usize,
) -> *mut c_void {
    unsafe {
        let heap = heap.cast::<Heap>();
        if new_size == 0 {
            if !block.is_null() {
                Heap::give_back(heap, block, old_size);
                (*heap).used -= old_size;
            }
            return ptr::null_mut();
        }
        let old_size = if block.is_null() { 0 } else { old_size };
        let used = (*heap).used - old_size + new_size;
        let is_more = new_size > old_size;
        if is_more
            && (new_size > isize::MAX as usize - ALIGN
                || used > (*heap).bound && !Heap::may_use(heap, used)
                || new_size >= LONG && !Heap::may_be_long(heap, new_size))
        {
            return ptr::null_mut();
        }
        let moved = if block.is_null() {
            Heap::take(heap, new_size)
        } else {
            Heap::change(heap, block, old_size, new_size)
        };
        if !moved.is_null() {
            (*heap).used = used;
        }
        moved
    }
}
