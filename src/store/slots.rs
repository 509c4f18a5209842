//! Growable arrays that never move much: vectors of vectors of at most 32 KiB.
//!
//! A `Vec` of a million elements doubles with one allocation of megabytes while a shard is locked. These two grow
//! by one chunk, so no allocation here is over 64 KiB (the spine stays below that up to five million chunks' worth
//! of elements, which other bounds forbid).
//!
//! * [`Chunked`] is the array; [`Slots`] is the same with free places, found again by a stable index.
//! * An empty one has no heap memory, and the first chunk grows as a `Vec` does, so small ones stay small.

use crate::sys::Lines;

/// Bytes of a full chunk.
const CHUNK_BYTES: usize = 32 * 1024;

/// An array in chunks. Indexing panics out of bounds, as slices do.
pub struct Chunked<T> {
    chunks: Vec<Vec<T>>,
}

impl<T> Chunked<T> {
    const SHIFT: u32 = (CHUNK_BYTES / size_of::<T>()).ilog2();
    const MASK: usize = (1 << Self::SHIFT) - 1;

    /// No elements and no memory.
    pub const fn new() -> Self {
        Self { chunks: Vec::new() }
    }

    /// Elements held.
    pub fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| ((self.chunks.len() - 1) << Self::SHIFT) + last.len())
    }

    /// The element at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index >> Self::SHIFT)?.get(index & Self::MASK)
    }

    /// Adds an element at the end.
    pub fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() <= Self::MASK => last.push(value),
            Some(_) => {
                let mut chunk = Vec::with_capacity(1 << Self::SHIFT);
                chunk.push(value);
                self.chunks.push(chunk);
            }
            None => self.chunks.push(vec![value]),
        }
    }

    /// Bytes of heap memory the array itself takes.
    pub fn memory(&self) -> usize {
        self.chunks.iter().map(|c| c.capacity() * size_of::<T>()).sum::<usize>()
            + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::ops::Index<usize> for Chunked<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.chunks[index >> Self::SHIFT][index & Self::MASK]
    }
}

impl<T> std::ops::IndexMut<usize> for Chunked<T> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.chunks[index >> Self::SHIFT][index & Self::MASK]
    }
}

/// One place of a [`Slots`].
enum Slot<T> {
    Used(T),
    /// Free; the next free place, or `NONE`.
    Free(u32),
}

/// Ends the list of free places.
const NONE: u32 = u32::MAX;

/// Values with a stable index each; freed indices are used again.
pub struct Slots<T> {
    slots: Chunked<Slot<T>>,
    free: u32,
    len: u32,
}

impl<T> Slots<T> {
    /// No values and no memory.
    pub const fn new() -> Self {
        Self { slots: Chunked::new(), free: NONE, len: 0 }
    }

    /// Values held.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One more than the largest index ever used.
    pub fn bound(&self) -> usize {
        self.slots.len()
    }

    /// Stores `value` and gives its index.
    pub fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        let index = self.free;
        if index == NONE {
            let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 values are stored");
            self.slots.push(Slot::Used(value));
            return index;
        }
        match std::mem::replace(&mut self.slots[index as usize], Slot::Used(value)) {
            Slot::Free(next) => self.free = next,
            Slot::Used(_) => unreachable!("the free list names free places only"),
        }
        index
    }

    /// Takes the value at `index` out. Panics if there is none. The last one out gives all memory back.
    pub fn remove(&mut self, index: u32) -> T {
        let slot = std::mem::replace(&mut self.slots[index as usize], Slot::Free(self.free));
        let Slot::Used(value) = slot else { unreachable!("only a value that is held is removed") };
        self.free = index;
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        }
        value
    }

    /// The value at `index`, if there is one.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize) {
            Some(Slot::Used(value)) => Some(value),
            _ => None,
        }
    }

    /// The lines of the value at `index`, which is not looked at.
    #[inline]
    pub fn lines_of(&self, index: u32) -> Option<Lines> {
        self.slots.get(index as usize).map(Lines::of)
    }

    /// Bytes of heap memory of the array, without what the values own.
    pub fn memory(&self) -> usize {
        self.slots.memory()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> std::ops::Index<u32> for Slots<T> {
    type Output = T;
    #[inline]
    fn index(&self, index: u32) -> &T {
        match &self.slots[index as usize] {
            Slot::Used(value) => value,
            Slot::Free(_) => unreachable!("an index in use names a value"),
        }
    }
}

impl<T> std::ops::IndexMut<u32> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut T {
        match &mut self.slots[index as usize] {
            Slot::Used(value) => value,
            Slot::Free(_) => unreachable!("an index in use names a value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_array_keeps_every_element_in_place() {
        let mut array = Chunked::new();
        for i in 0..100_000u64 {
            array.push(i * 3);
        }
        assert_eq!(array.len(), 100_000);
        assert!((0..100_000).all(|i| array[i] == i as u64 * 3));
        assert_eq!(array.get(100_000), None);
        array[70_000] = 1;
        assert_eq!(array[70_000], 1);
    }

    #[test]
    fn a_freed_slot_is_used_again_and_the_last_one_frees_the_memory() {
        let mut slots = Slots::new();
        let indices: Vec<u32> = (0..10).map(|i| slots.insert(format!("v{i}"))).collect();
        assert_eq!(slots.remove(indices[4]), "v4");
        assert_eq!(slots.get(indices[4]), None);
        assert_eq!(slots.insert("again".into()), indices[4]);
        assert_eq!(slots[indices[4]], "again");
        assert_eq!(slots.len(), 10);
        for index in indices {
            slots.remove(index);
        }
        assert_eq!((slots.memory(), slots.bound(), slots.is_empty()), (0, 0, true));
    }
}
