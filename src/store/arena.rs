//! Memory for entries: slots of fixed sizes inside pages, addressed by 4-byte handles.
//!
//! ```text
//! handle   bit 31 = 0:  page << 13 | offset / 8      bit 31 = 1:  index of a separate box
//! page     one size class: [slot][slot]…[never used yet]; a free slot's first 2 bytes link to the next free one
//! ```
//!
//! * Slots are multiples of 8 bytes: every multiple up to 256, then eight steps per doubling up to [`MAX_SLOT`], so
//!   rounding wastes at most 7 bytes or an eighth. Larger entries get a box of exactly their size.
//! * The first pages of a class are 4 KiB, later ones a sixteenth of what it holds, up to 32 KiB: a handful of keys
//!   costs a handful of kilobytes. A page grows within its capacity as slots are handed out from the front, so the rest of it
//!   is not resident.
//! * A page that becomes wholly free is given back, unless all others of its class are full: that one stays until
//!   another has room, so that a key set and deleted at a page's edge does not allocate each time.
//! * A handle is never zero: page 0 is not used. It is valid until freed; nothing moves behind its back.
//! * What a slot holds is the caller's business (see `entry`). No compaction: a page with one entry stays.

use std::num::NonZeroU32;

use super::slots::{Chunked, Slots};
use crate::sys::{Lines, prefetch};

/// Bytes of an entry that are fetched ahead: as many as reach into a second line, wherever they begin.
const FETCHED: usize = 65;
/// The largest slot within a page, in bytes.
pub const MAX_SLOT: usize = 4096;

/// Set in handles of entries that live in a box of their own.
const BOXED: u32 = 1 << 31;
/// Low bits of a handle: offset within the page in units of 8 bytes.
const OFFSET_BITS: u32 = 13;
const OFFSET_MASK: u32 = (1 << OFFSET_BITS) - 1;
/// Bytes of the smallest pages and of the largest.
const MIN_PAGE: usize = 4096;
const MAX_PAGE: usize = 32 * 1024;
/// Page numbers have 18 bits; number 0 is not used.
const MAX_PAGES: usize = 1 << (31 - OFFSET_BITS);
const CLASSES: usize = 64;
/// Page tables up to this many pages are kept when the last entry goes.
const SMALL_TABLE: usize = 16;
/// "No free slot" within a page: no slot starts at the last unit, since the smallest one has two.
const NO_SLOT: u16 = u16::MAX;

/// Where an entry is: a small number that its own arena understands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Handle(NonZeroU32);

impl Handle {
    /// The number itself, for storing; never zero.
    #[inline]
    pub const fn raw(self) -> u32 {
        self.0.get()
    }

    /// The handle with this number; `None` for zero.
    #[inline]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match NonZeroU32::new(raw) {
            Some(raw) => Some(Self(raw)),
            None => None,
        }
    }

    #[inline]
    fn new(raw: u32) -> Self {
        Self::from_raw(raw).expect("pages are numbered from one, so no handle is zero")
    }

    #[inline]
    const fn is_boxed(self) -> bool {
        self.raw() & BOXED != 0
    }

    #[inline]
    const fn page(self) -> usize {
        (self.raw() >> OFFSET_BITS) as usize
    }

    #[inline]
    const fn offset(self) -> usize {
        ((self.raw() & OFFSET_MASK) as usize) * 8
    }

    /// Where the entry starts within its page or box.
    const fn start(self) -> usize {
        if self.is_boxed() { 0 } else { self.offset() }
    }
}

/// The size class for an entry of `size` bytes, which must be within `1..=MAX_SLOT`.
const fn class_of(size: usize) -> usize {
    if size <= 256 {
        let units = size.div_ceil(8);
        return if units < 2 { 1 } else { units - 1 };
    }
    let exponent = (size - 1).ilog2();
    32 + (exponent as usize - 8) * 8 + (((size - 1) >> (exponent - 3)) & 7)
}

/// Bytes of a slot of this class.
const fn slot_len(class: usize) -> usize {
    if class < 32 {
        return (class + 1) * 8;
    }
    let (doubling, step) = ((class - 32) / 8, (class - 32) % 8);
    (step + 9) << (doubling + 5)
}

/// What is known of a page besides its bytes. Kept apart from them: reading an entry needs only the bytes.
#[derive(Clone, Copy, Default)]
struct PageInfo {
    /// Neighbours in the class's list of pages with room (or, for an unused number, the next one); 0 ends it.
    next: u32,
    prev: u32,
    /// Slots in use.
    live: u16,
    /// First free slot, in units of 8 bytes, or `NO_SLOT`.
    free: u16,
    /// First unit never handed out.
    bump: u16,
    /// Units in the page.
    end: u16,
    class: u8,
}

impl PageInfo {
    fn has_room(&self) -> bool {
        self.free != NO_SLOT || self.bump < self.end
    }
}

/// One size class.
#[derive(Clone, Copy, Default)]
struct Class {
    /// First page with room, or 0.
    roomy: u32,
    pages: u32,
    /// Bytes of all its pages.
    bytes: usize,
}

/// Everything but the pages' bytes; made with the first entry.
struct Books {
    info: Chunked<PageInfo>,
    classes: [Class; CLASSES],
    /// First unused page number, or 0.
    unused: u32,
    boxes: Slots<Vec<u8>>,
}

/// The slots of one table.
pub struct Arena {
    pages: Chunked<Vec<u8>>,
    books: Option<Box<Books>>,
    allocated: usize,
    resident: usize,
}

impl Arena {
    /// An arena without any memory.
    pub const fn new() -> Self {
        Self { pages: Chunked::new(), books: None, allocated: 0, resident: 0 }
    }

    /// Bytes of all slots and boxes in use.
    pub fn allocated(&self) -> usize {
        self.allocated
    }

    /// Bytes of pages ever touched, and of boxes: what the operating system counts, but for its own rounding.
    pub fn resident(&self) -> usize {
        self.resident
    }

    /// Bytes of the page tables.
    pub fn overhead(&self) -> usize {
        self.pages.memory()
            + self.books.as_ref().map_or(0, |b| size_of::<Books>() + b.info.memory() + b.boxes.memory())
    }

    /// A slot for `size` bytes (at least 1), contents unspecified.
    pub fn alloc(&mut self, size: usize) -> Handle {
        if size > MAX_SLOT {
            return self.alloc_box(size);
        }
        let class = class_of(size);
        let page = match self.books().classes[class].roomy {
            0 => match self.add_page(class) {
                Some(page) => page,
                None => return self.alloc_box(size),
            },
            page => page,
        };
        let data = &mut self.pages[page as usize];
        let books = self.books.as_deref_mut().expect("a class with a page has books");
        let info = &mut books.info[page as usize];
        let units = (slot_len(class) / 8) as u16;
        let at = if info.free == NO_SLOT {
            info.bump += units;
            self.resident += slot_len(class);
            let reached = usize::from(info.bump) * 8;
            if data.len() < reached {
                data.resize(reached, 0);
            }
            info.bump - units
        } else {
            let at = usize::from(info.free) * 8;
            std::mem::replace(&mut info.free, u16::from_le_bytes([data[at], data[at + 1]]))
        };
        info.live += 1;
        if !info.has_room() {
            unlink(books, page);
        }
        self.allocated += slot_len(class);
        Handle::new(page << OFFSET_BITS | u32::from(at))
    }

    /// Gives a slot back. The handle must not be used again.
    pub fn free(&mut self, handle: Handle) {
        self.allocated -= self.slot_len(handle);
        let books = self.books.as_deref_mut().expect("a handle comes from an arena with books");
        if handle.is_boxed() {
            self.resident -= books.boxes.remove(handle.raw() & !BOXED).len();
            return;
        }
        let page = handle.page();
        let info = &mut books.info[page];
        let had_room = info.has_room();
        let at = handle.offset();
        self.pages[page][at..at + 2].copy_from_slice(&info.free.to_le_bytes());
        info.free = (at / 8) as u16;
        info.live -= 1;
        let live = info.live;
        if !had_room {
            let spare = link(books, page as u32);
            if spare != 0 && books.info[spare as usize].live == 0 {
                self.release_page(spare);
            }
        }
        if live == 0 {
            self.page_emptied(page as u32);
        }
    }

    /// Whether `size` bytes belong in the slot that `handle` already has.
    pub fn fits(&self, handle: Handle, size: usize) -> bool {
        let slot = self.slot_len(handle);
        if handle.is_boxed() {
            return size <= slot && (size > MAX_SLOT || size == slot) && slot - size <= slot / 8;
        }
        size <= MAX_SLOT && slot_len(class_of(size)) == slot
    }

    /// Bytes of the slot or box.
    pub fn slot_len(&self, handle: Handle) -> usize {
        let books = self.books.as_deref().expect("a handle comes from an arena with books");
        if handle.is_boxed() {
            return books.boxes[handle.raw() & !BOXED].len();
        }
        slot_len(usize::from(books.info[handle.page()].class))
    }

    /// The bytes from the slot's start. They may run on into other slots: the reader stops by the lengths that the
    /// entry itself gives. (Cutting at the slot's end would cost a look into the page's books on every read.)
    #[inline(always)]
    pub fn bytes(&self, handle: Handle) -> &[u8] {
        if handle.is_boxed() {
            return self.boxed(handle);
        }
        &self.pages[handle.page()][handle.offset()..]
    }

    /// As [`bytes`](Self::bytes), for writing; the writer stays within the slot.
    #[inline(always)]
    pub fn bytes_mut(&mut self, handle: Handle) -> &mut [u8] {
        if handle.is_boxed() {
            return self.boxed_mut(handle);
        }
        &mut self.pages[handle.page()][handle.offset()..]
    }

    /// Asks for the line that holds the start of the entry.
    #[inline]
    pub fn prefetch_start(&self, handle: Handle) {
        if !handle.is_boxed() {
            prefetch(&self.pages[handle.page()][handle.offset()]);
        }
    }

    /// The first lines of the entry: header, key and some of the value.
    #[inline]
    pub fn lines_of(&self, handle: Handle) -> Option<Lines> {
        if handle.is_boxed() {
            return None;
        }
        let bytes = &self.pages[handle.page()][handle.offset()..];
        Some(Lines::of(&bytes[..bytes.len().min(FETCHED)]))
    }

    /// Copies the first `len` bytes of one slot to another.
    pub fn copy(&mut self, from: Handle, to: Handle, len: usize) {
        let (source, target) = (from.start(), to.start());
        if !from.is_boxed() && !to.is_boxed() && from.page() == to.page() {
            let page = &mut self.pages[to.page()];
            page.copy_within(source..source + len, target);
            return;
        }
        if to.is_boxed() {
            // Taken out for the moment, so that both can be borrowed.
            let mut memory = std::mem::take(self.boxed_mut(to));
            memory[target..target + len].copy_from_slice(&self.bytes(from)[..len]);
            *self.boxed_mut(to) = memory;
        } else {
            let mut page = std::mem::take(&mut self.pages[to.page()]);
            page[target..target + len].copy_from_slice(&self.bytes(from)[..len]);
            self.pages[to.page()] = page;
        }
    }

    #[cold]
    fn boxed_mut(&mut self, handle: Handle) -> &mut Vec<u8> {
        let books = self.books.as_deref_mut().expect("a handle comes from an arena with books");
        &mut books.boxes[handle.raw() & !BOXED]
    }

    #[cold]
    fn boxed(&self, handle: Handle) -> &[u8] {
        &self.books.as_deref().expect("a handle comes from an arena with books").boxes[handle.raw() & !BOXED]
    }

    fn books(&mut self) -> &mut Books {
        self.books.get_or_insert_with(|| {
            self.pages.push(Vec::new());
            let mut info = Chunked::new();
            info.push(PageInfo::default());
            Box::new(Books { info, classes: [Class::default(); CLASSES], unused: 0, boxes: Slots::new() })
        })
    }

    #[cold]
    fn alloc_box(&mut self, size: usize) -> Handle {
        let index = self.books().boxes.insert(vec![0; size]);
        assert!(index < BOXED, "a table never has 2^31 boxed entries: they would take 8 TiB");
        self.allocated += size;
        self.resident += size;
        Handle::new(index | BOXED)
    }

    /// A fresh page for `class`, linked as its first with room; `None` once all page numbers are taken (8 GiB of
    /// entries in one table), after which entries get boxes.
    #[cold]
    fn add_page(&mut self, class: usize) -> Option<u32> {
        let known = self.pages.len();
        let books = self.books.as_deref_mut().expect("books are made before pages");
        if books.unused == 0 && known == MAX_PAGES {
            return None;
        }
        let slot = slot_len(class);
        let wanted = (books.classes[class].bytes / 16).next_power_of_two().clamp(MIN_PAGE, MAX_PAGE);
        // `end` is a u16 and must stay below `NO_SLOT`; it does, as 32 KiB are 4096 units.
        let len = wanted / slot * slot;
        let info =
            PageInfo { free: NO_SLOT, end: (len / 8) as u16, class: class as u8, ..PageInfo::default() };
        let data = Vec::with_capacity(len);
        let page = match books.unused {
            0 => {
                self.pages.push(data);
                books.info.push(info);
                known as u32
            }
            page => {
                books.unused = books.info[page as usize].next;
                self.pages[page as usize] = data;
                books.info[page as usize] = info;
                page
            }
        };
        books.classes[class].pages += 1;
        books.classes[class].bytes += len;
        link(books, page);
        Some(page)
    }

    /// Gives an empty page back, or keeps it (see the module's invariants) with its slots in order again.
    #[cold]
    fn page_emptied(&mut self, page: u32) {
        let books = self.books.as_deref_mut().expect("a page has books");
        let info = &mut books.info[page as usize];
        let class = &books.classes[usize::from(info.class)];
        if class.pages > 1 && class.roomy == page && info.next == 0 {
            self.resident -= usize::from(info.bump) * 8;
            (info.free, info.bump) = (NO_SLOT, 0);
            self.pages[page as usize].clear();
            return;
        }
        self.release_page(page);
        if self.allocated == 0 && self.pages.len() > SMALL_TABLE {
            // The page tables of an arena that was large; a small one keeps its own for the next key.
            *self = Self::new();
        }
    }

    fn release_page(&mut self, page: u32) {
        let books = self.books.as_deref_mut().expect("a page has books");
        unlink(books, page);
        let info = books.info[page as usize];
        self.pages[page as usize] = Vec::new();
        self.resident -= usize::from(info.bump) * 8;
        let class = &mut books.classes[usize::from(info.class)];
        class.pages -= 1;
        class.bytes -= usize::from(info.end) * 8;
        books.info[page as usize] = PageInfo { next: books.unused, ..PageInfo::default() };
        books.unused = page;
    }
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

/// Puts `page` first in its class's list of pages with room, and gives the one that was first before, or 0.
fn link(books: &mut Books, page: u32) -> u32 {
    let class = &mut books.classes[usize::from(books.info[page as usize].class)];
    let next = std::mem::replace(&mut class.roomy, page);
    let info = &mut books.info[page as usize];
    (info.next, info.prev) = (next, 0);
    if next != 0 {
        books.info[next as usize].prev = page;
    }
    next
}

/// Takes `page` out of its class's list of pages with room.
fn unlink(books: &mut Books, page: u32) {
    let PageInfo { next, prev, class, .. } = books.info[page as usize];
    match prev {
        0 => books.classes[usize::from(class)].roomy = next,
        prev => books.info[prev as usize].next = next,
    }
    if next != 0 {
        books.info[next as usize].prev = prev;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        for size in 1..=MAX_SLOT {
            let class = class_of(size);
            assert!(class < CLASSES && slot_len(class) >= size, "size {size}");
            assert!(class < 2 || slot_len(class - 1) < size, "size {size} fits a smaller class");
            assert!(slot_len(class) - size <= 15.max(size / 8), "size {size} wastes too much");
        }
        assert_eq!(slot_len(CLASSES - 1), MAX_SLOT);
    }

    #[test]
    fn slots_are_disjoint_and_accounted() {
        let mut arena = Arena::new();
        let mut held = Vec::new();
        for i in 0..3000usize {
            let size = 8 + i * 7 % 5000;
            let handle = arena.alloc(size);
            arena.bytes_mut(handle)[..size].fill(i as u8);
            held.push((handle, size, i as u8));
        }
        let sum: usize = held.iter().map(|&(h, ..)| arena.slot_len(h)).sum();
        assert_eq!(arena.allocated(), sum);
        assert!(arena.resident() >= sum);
        for &(handle, size, byte) in &held {
            assert!(arena.bytes(handle)[..size].iter().all(|&b| b == byte));
        }
        for (handle, ..) in held {
            arena.free(handle);
        }
        assert_eq!((arena.allocated(), arena.resident()), (0, 0));
        assert!(arena.overhead() < 2500, "{}", arena.overhead());
    }

    #[test]
    fn a_free_slot_is_used_before_new_memory() {
        let mut arena = Arena::new();
        let first = arena.alloc(88);
        let _second = arena.alloc(88);
        arena.free(first);
        assert_eq!(arena.alloc(81), first);
        assert_eq!(arena.resident(), 2 * 88);
    }

    #[test]
    fn empty_pages_are_given_back_while_others_have_room() {
        let mut arena = Arena::new();
        let handles: Vec<Handle> = (0..10_000).map(|_| arena.alloc(64)).collect();
        let pages = arena.books().classes[class_of(64)].pages;
        assert!(pages > 10);
        for &handle in &handles[..9_999] {
            arena.free(handle);
        }
        assert!(arena.books().classes[class_of(64)].pages <= 2);
        let known = arena.pages.len();
        let _again: Vec<Handle> = (0..9_999).map(|_| arena.alloc(64)).collect();
        assert!(arena.pages.len() <= known + 1, "page numbers are used again");
    }

    #[test]
    fn a_box_is_replaced_only_when_the_size_changes_much() {
        let mut arena = Arena::new();
        let big = arena.alloc(10_000);
        assert!(big.is_boxed());
        assert!(arena.fits(big, 10_000) && arena.fits(big, 9_500));
        assert!(!arena.fits(big, 10_001) && !arena.fits(big, 5_000) && !arena.fits(big, 100));
        arena.free(big);
        assert_eq!(arena.allocated(), 0);
    }
}
