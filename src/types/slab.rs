//! Chunks by stable number, persistent: a clone shares everything, and a writer copies what it touches.
//!
//! * A number stays a chunk's until it is removed; then it is given to another one. Numbers stay small, so the pages are few.
//! * Pages are behind `Arc` on two levels, so a clone costs one reference per 4,096 chunks, and no vector here is longer than
//!   64 entries but the top one.
//! * Pages are not given back when chunks are removed: 16 bytes stay per chunk of the largest number there ever was.

use std::sync::Arc;

/// Entries of a page, on both levels.
const PAGE: usize = 64;

/// See the module's doc.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    top: Vec<Arc<Vec<Arc<Page<T>>>>>,
    /// How many numbers were ever given out.
    slots: u32,
    /// The first of the numbers that are free; each names the next one.
    free: Option<u32>,
}

type Page<T> = Vec<Slot<T>>;

#[derive(Debug)]
enum Slot<T> {
    Used(Arc<T>),
    Free(Option<u32>),
}

// Derived, it would ask for `T: Clone`.
impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        match self {
            Slot::Used(chunk) => Slot::Used(Arc::clone(chunk)),
            Slot::Free(next) => Slot::Free(*next),
        }
    }
}

impl<T: Clone> Slab<T> {
    /// Without chunks.
    pub fn new() -> Self {
        Slab { top: Vec::new(), slots: 0, free: None }
    }

    /// Are both clones of the same, and unchanged since?
    pub fn is_shared_with(&self, other: &Self) -> bool {
        self.top.len() == other.top.len() && self.top.iter().zip(&other.top).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// The chunk of that number, which must exist.
    pub fn get(&self, number: u32) -> &T {
        let (top, middle, bottom) = split(number);
        match &self.top[top][middle][bottom] {
            Slot::Used(chunk) => chunk,
            Slot::Free(_) => panic!("chunk {number} is free"),
        }
    }

    /// The chunk of that number, which must exist, for writing: copied if a clone shares it.
    pub fn get_mut(&mut self, number: u32) -> &mut T {
        match self.slot_mut(number) {
            Slot::Used(chunk) => Arc::make_mut(chunk),
            Slot::Free(_) => panic!("chunk {number} is free"),
        }
    }

    /// Adds a chunk and gives its number.
    pub fn insert(&mut self, chunk: T) -> u32 {
        let used = Slot::Used(Arc::new(chunk));
        if let Some(number) = self.free {
            let slot = self.slot_mut(number);
            let Slot::Free(next) = *slot else { panic!("chunk {number} is not free") };
            *slot = used;
            self.free = next;
            return number;
        }
        let number = self.slots;
        let (top, middle, bottom) = split(number);
        if bottom == 0 {
            if middle == 0 {
                self.top.push(Arc::new(Vec::new()));
            }
            Arc::make_mut(&mut self.top[top]).push(Arc::new(Vec::new()));
        }
        Arc::make_mut(&mut Arc::make_mut(&mut self.top[top])[middle]).push(used);
        self.slots = number.checked_add(1).expect("a collection has fewer than 2^32 chunks");
        number
    }

    /// Removes the chunk of that number, which must exist.
    pub fn remove(&mut self, number: u32) -> Arc<T> {
        let next = self.free.replace(number);
        match std::mem::replace(self.slot_mut(number), Slot::Free(next)) {
            Slot::Used(chunk) => chunk,
            Slot::Free(_) => panic!("chunk {number} is free"),
        }
    }

    /// Bytes allocated, without those of the chunks themselves but with their reference counts.
    pub fn memory_bytes(&self) -> usize {
        const HEADER: usize = 2 * size_of::<usize>() + size_of::<Vec<u8>>();
        let Some(last) = self.top.last() else { return 0 };
        let page = |capacity: usize| HEADER + capacity * size_of::<Slot<T>>();
        let middle = |capacity: usize| HEADER + capacity * size_of::<Arc<Page<T>>>();
        let pages = (self.slots as usize).div_ceil(PAGE);
        self.top.capacity() * size_of::<usize>()
            + (self.top.len() - 1) * middle(PAGE)
            + middle(last.capacity())
            + (pages - 1) * page(PAGE)
            + page(last.last().map_or(0, |page| page.capacity()))
            + self.slots as usize * 2 * size_of::<usize>()
    }

    fn slot_mut(&mut self, number: u32) -> &mut Slot<T> {
        let (top, middle, bottom) = split(number);
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.top[top])[middle])[bottom]
    }
}

fn split(number: u32) -> (usize, usize, usize) {
    let number = number as usize;
    (number / (PAGE * PAGE), number / PAGE % PAGE, number % PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_does_not_see_later_changes() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = (0..10_000).map(|n| slab.insert(n)).collect();
        assert_eq!(numbers, (0..10_000).collect::<Vec<_>>());
        let frozen = slab.clone();
        for number in (0..10_000).step_by(3) {
            *slab.get_mut(number) += 1;
        }
        for number in (0..10_000).step_by(7) {
            slab.remove(number);
        }
        let again: Vec<u32> = (0..10).map(|_| slab.insert(77)).collect();
        assert!(again.iter().all(|number| number % 7 == 0), "freed numbers are given out again: {again:?}");
        for number in 0..10_000 {
            assert_eq!(*frozen.get(number), number);
            let changed = if number % 3 == 0 { number + 1 } else { number };
            let expected = if again.contains(&number) { 77 } else { changed };
            if number % 7 != 0 || again.contains(&number) {
                assert_eq!(*slab.get(number), expected);
            }
        }
    }

    #[test]
    fn memory_is_what_the_pages_take() {
        let mut slab = Slab::new();
        assert_eq!(slab.memory_bytes(), 0);
        slab.insert([0u8; 100]);
        assert!(slab.memory_bytes() < 256, "{}", slab.memory_bytes());
        for _ in 1..100_000 {
            slab.insert([0u8; 100]);
        }
        let per_chunk = slab.memory_bytes() as f64 / 100_000.0;
        assert!((32.0..33.5).contains(&per_chunk), "{per_chunk}");
    }
}
