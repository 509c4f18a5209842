//! The pages that entries live in: small ones from the heap, full-size ones from huge pages that all tables share.
//!
//! A lookup in a big keyspace waits less for the entry's cache line than for its address translation: with 4 KiB pages under
//! a hypervisor one walk of the page tables costs about as much as the line itself. Full-size pages therefore come from 2 MiB
//! chunks that the kernel is asked to back by one huge page each. Measured with a million keys of 64 bytes at pipeline 16, in
//! alternating runs: 7 % less processor time for GET and for SET, for about one byte a key more.
//!
//! * Chunks are shared by all tables, so the memory that is mapped and not used is bounded by three chunks, not by the
//!   number of tables. One of them is the next, made before it is needed ([`prepare`]): who touches a chunk first waits until the
//!   kernel has cleared 2 MiB. When nobody has needed one for a while it is given back: what has stopped growing takes no room
//!   for more. The pool's lock is a leaf; it is taken once per 32 KiB of entries.
//! * A chunk whose pages have all come back is unmapped, but for one that is kept, so that a page taken and given back at a
//!   chunk's edge does not map and unmap each time.
//! * When the system refuses a mapping, pages come from the heap.
//!
//! This is one of the few files with `unsafe`: a page is a part of a mapping that others own other parts of, which no
//! safe type expresses.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};
use memmap2::{Advice, MmapMut};

/// Bytes of a pooled page; shorter pages come from the heap.
pub const POOLED_BYTES: usize = 32 * 1024;
/// Pages of a chunk: one bit each.
const CHUNK_PAGES: usize = u64::BITS as usize;
const CHUNK_BYTES: usize = CHUNK_PAGES * POOLED_BYTES;

/// A mapping of [`CHUNK_PAGES`] pages.
struct Chunk {
    map: MmapMut,
    /// Pages that nobody has.
    free: u64,
}

/// All chunks; places of unmapped ones are used again.
struct Pool {
    chunks: Vec<Option<Chunk>>,
    /// Pages that nobody has, in all chunks.
    free: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { chunks: Vec::new(), free: 0 });

/// A chunk that the kernel has supplied already.
static NEXT: LazyLock<(Sender<MmapMut>, Receiver<MmapMut>)> = LazyLock::new(|| bounded(1));
/// Has a chunk been needed since the last [`prepare`]?
static IS_NEEDED: AtomicBool = AtomicBool::new(false);
/// Calls of [`prepare`] since one was needed.
static IDLE: AtomicU32 = AtomicU32::new(0);
/// After so many, a second or so, the next chunk is given back.
const IDLE_MAX: u32 = 16;

impl Pool {
    /// Takes a page out of the first chunk that has one, so that later chunks run empty.
    fn take(&mut self) -> Option<Pooled> {
        if self.free == 0 {
            IS_NEEDED.store(true, Ordering::Relaxed);
            self.add(NEXT.1.try_recv().ok().or_else(new_chunk)?);
        }
        let has_room = |chunk: &Option<Chunk>| chunk.as_ref().is_some_and(|chunk| chunk.free != 0);
        let index = self.chunks.iter().position(has_room)?;
        let chunk = self.chunks[index].as_mut()?;
        let page = chunk.free.trailing_zeros();
        chunk.free &= !(1 << page);
        self.free -= 1;
        let start = NonNull::from(&mut chunk.map[page as usize * POOLED_BYTES..][..POOLED_BYTES]).cast();
        Some(Pooled { start, chunk: index as u32, page })
    }

    fn add(&mut self, map: MmapMut) {
        let chunk = Some(Chunk { map, free: u64::MAX });
        match self.chunks.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = chunk,
            None => self.chunks.push(chunk),
        }
        self.free += CHUNK_PAGES;
    }

    fn give_back(&mut self, page: &Pooled) {
        let place = &mut self.chunks[page.chunk as usize];
        let chunk = place.as_mut().expect("a chunk stays while a page of it is out");
        chunk.free |= 1 << page.page;
        self.free += 1;
        if chunk.free == u64::MAX && self.free >= 2 * CHUNK_PAGES {
            *place = None;
            self.free -= CHUNK_PAGES;
        }
    }
}

fn new_chunk() -> Option<MmapMut> {
    let map = MmapMut::map_anon(CHUNK_BYTES).ok()?;
    // A kernel without huge pages refuses; ordinary pages do as well.
    let _ = map.advise(Advice::HugePage);
    Some(map)
}

/// Makes a chunk for whoever needs the next one, if one was needed since the last call. Was it? For one thread, again and again,
/// which may be slow: it takes no lock.
pub fn prepare() -> bool {
    let is_due = IS_NEEDED.swap(false, Ordering::Relaxed);
    let idle = if is_due { 0 } else { IDLE.load(Ordering::Relaxed).saturating_add(1) };
    IDLE.store(idle, Ordering::Relaxed);
    if idle == IDLE_MAX {
        drop(NEXT.1.try_recv());
    }
    if is_due
        && NEXT.0.is_empty()
        && let Some(map) = new_chunk()
    {
        // A kernel before 5.14 does it when the pages are touched.
        let _ = map.advise(Advice::PopulateWrite);
        let _ = NEXT.0.try_send(map);
    }
    is_due
}

/// A page of a chunk, owned.
struct Pooled {
    start: NonNull<u8>,
    chunk: u32,
    page: u32,
}

// SAFETY: 1. `start` is an address and carries no tie to a thread; 2. the bytes it leads to are this value's alone (see
// `Page::deref`), and plain bytes may be used from any thread; 3. the pool that takes the page back is behind a mutex.
#[expect(unsafe_code, reason = "an owned part of a shared mapping")]
unsafe impl Send for Pooled {}
// SAFETY: shared references only read plain bytes.
#[expect(unsafe_code, reason = "an owned part of a shared mapping")]
unsafe impl Sync for Pooled {}

impl Drop for Pooled {
    fn drop(&mut self) {
        POOL.lock().expect("no panic happens under this leaf lock").give_back(self);
    }
}

/// A page: bytes that one arena owns.
pub struct Page(Bytes);

enum Bytes {
    Heap(Vec<u8>),
    Pooled(Pooled),
}

impl Page {
    /// No bytes.
    pub const fn none() -> Self {
        Page(Bytes::Heap(Vec::new()))
    }

    /// A page for up to `len` bytes. A heap page has none of them until [`Page::reach`] is called, so that they are not
    /// resident before they are used; a pooled page has all.
    pub fn new(len: usize) -> Self {
        if len > POOLED_BYTES / 2 && len <= POOLED_BYTES {
            let pooled = POOL.lock().expect("no panic happens under this leaf lock").take();
            if let Some(pooled) = pooled {
                return Page(Bytes::Pooled(pooled));
            }
        }
        Page(Bytes::Heap(Vec::with_capacity(len)))
    }

    /// Makes sure that the first `len` bytes can be used.
    #[inline]
    pub fn reach(&mut self, len: usize) {
        if let Bytes::Heap(bytes) = &mut self.0
            && bytes.len() < len
        {
            bytes.resize(len, 0);
        }
    }

    /// Forgets a heap page's bytes, whose memory stays.
    pub fn clear(&mut self) {
        if let Bytes::Heap(bytes) = &mut self.0 {
            bytes.clear();
        }
    }
}

impl Deref for Page {
    type Target = [u8];

    #[inline]
    #[expect(unsafe_code, reason = "an owned part of a shared mapping")]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Heap(bytes) => bytes,
            // SAFETY: 1. `start` is the start of POOLED_BYTES bytes inside a chunk's mapping; 2. the chunk is unmapped only
            // when all its pages have been given back, and this one is not; 3. the bytes are initialised, as anonymous
            // mappings are zero-filled; 4. the pool gives a page to one owner at a time, so `&self` is the only way to them.
            Bytes::Pooled(page) => unsafe { std::slice::from_raw_parts(page.start.as_ptr(), POOLED_BYTES) },
        }
    }
}

impl DerefMut for Page {
    #[inline]
    #[expect(unsafe_code, reason = "an owned part of a shared mapping")]
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Bytes::Heap(bytes) => bytes,
            // SAFETY: as in `deref`; `&mut self` makes the access unique.
            Bytes::Pooled(page) => unsafe {
                std::slice::from_raw_parts_mut(page.start.as_ptr(), POOLED_BYTES)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_many_threads_do_not_overlap_and_come_back() {
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    for round in 0..20u8 {
                        let mark = thread * 20 + round;
                        let mut pages: Vec<Page> = (0..50).map(|_| Page::new(POOLED_BYTES - 64)).collect();
                        pages.iter_mut().for_each(|page| page.fill(mark));
                        let whole =
                            |page: &Page| page.len() == POOLED_BYTES && page.iter().all(|&b| b == mark);
                        assert!(pages.iter().all(whole), "somebody else wrote into a page");
                    }
                });
            }
        });
    }

    #[test]
    fn the_next_chunk_is_there_when_one_was_needed_and_goes_when_none_is() {
        IS_NEEDED.store(true, Ordering::Relaxed);
        assert!(prepare(), "one was needed");
        // Another test may have taken it meanwhile; nobody else makes one.
        (0..IDLE_MAX).for_each(|_| _ = prepare());
        assert!(NEXT.0.is_empty(), "nobody has needed it for a while");
    }

    #[test]
    fn a_heap_page_has_what_it_was_reached_for() {
        let mut page = Page::new(4096);
        assert_eq!(page.len(), 0);
        page.reach(100);
        page[99] = 7;
        page.reach(50);
        assert_eq!((page.len(), page[99]), (100, 7));
        page.clear();
        assert!(page.is_empty());
    }
}
